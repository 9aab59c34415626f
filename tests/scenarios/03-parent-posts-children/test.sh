#!/bin/bash
# Scenario 3: one file is an invoice with its items.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"

setup() {
	cp "$here/mount.conf" .
	mount_rowfs
	echo '{"name": "a user"}' >mnt/users/.new
}

invoice='{"user_id":1,"invoice_date":"2020-08-27","invoice_items":[
{"part_code":"111","units":1,"unit_price":20.0},
{"part_code":"222","units":5,"unit_price":15.0}]}'

nothing_is_there() {
	is "$(sql 'select count(*) from invoices union all select count(*) from invoice_items')" $'0\n0'
	is "$(ls mnt/invoices mnt/invoice_items)" $'mnt/invoice_items:\n\nmnt/invoices:'
}

test_one_write_makes_the_invoice_and_its_items() {
	echo "$invoice" >mnt/invoices/.new
	is "$(sql 'select * from invoices')" '1|1|2020-08-27'
	is "$(sql 'select * from invoice_items')" $'1|1|111|1|20.0\n2|1|222|5|15.0'
	is "$(cat mnt/invoices/1.json)" '{
  "id": 1,
  "user_id": 1,
  "invoice_date": "2020-08-27",
  "invoice_items": [
    {
      "id": 1,
      "part_code": "111",
      "units": 1,
      "unit_price": 20
    },
    {
      "id": 2,
      "part_code": "222",
      "units": 5,
      "unit_price": 15
    }
  ]
}'
	is "$(value mnt/invoice_items/2.json '[.invoice_id, .part_code]')" '[1,"222"]'
}

test_an_item_without_units_is_refused_at_its_place_and_nothing_is_saved() {
	refuses EBADMSG mnt/invoices/1.json "${invoice/'"units":5,'/}"
	is "$(last_error '.problems[] | [.pointer, .message, .line, .column]')" '["/invoice_items/1/units","is required",3,1]'
	nothing_is_there
}

test_items_that_are_no_list_are_refused() {
	refuses EBADMSG mnt/invoices/1.json '{"user_id":1,"invoice_date":"2020-08-27","invoice_items":{}}'
	is "$(last_error '.problems[] | [.pointer, .message]')" '["/invoice_items","must be a list"]'
	refuses EBADMSG mnt/invoices/1.json '{"user_id":1,"invoice_date":"2020-08-27","invoice_items":[1,null]}'
	is "$(last_error '[.problems[] | .pointer, .message]')" \
		'["/invoice_items/0","must be an object","/invoice_items/1","must be an object"]'
	nothing_is_there
}

test_a_date_that_is_none_is_refused() {
	refuses EBADMSG mnt/invoices/1.json "${invoice/2020-08-27/not a date}"
	is "$(last_error '.problems[].pointer')" /invoice_date
	nothing_is_there
}

test_all_problems_of_all_levels_are_told_at_once() {
	refuses EBADMSG mnt/invoices/1.json \
		'{"user_id":"x","invoice_items":[{"part_code":1,"units":"y"},{"units":1,"unit_price":2,"color":"red"}],"tax":1}'
	is "$(last_error '[.problems[].pointer] | join(" ")')" '/user_id /tax /invoice_date /invoice_items/0/part_code'\
' /invoice_items/0/units /invoice_items/0/unit_price /invoice_items/1/color /invoice_items/1/part_code'
	nothing_is_there
}

test_a_refused_rename_leaves_the_scratch_file_and_no_row() {
	echo "${invoice/'"units":5,'/}" >mnt/invoices/draft
	is "$(errno rename mnt/invoices/draft mnt/invoices/1.json)" 'rename: EBADMSG'
	nothing_is_there_but draft
	echo "$invoice" >mnt/invoices/draft
	mv mnt/invoices/draft mnt/invoices/1.json
	is "$(value mnt/invoices/1.json '[.invoice_items[].id]')" '[1,2]'
}

nothing_is_there_but() {
	is "$(ls mnt/invoices)" "$1"
	is "$(sql 'select count(*) from invoices union all select count(*) from invoice_items')" $'0\n0'
}

test_the_schema_describes_the_items() {
	is "$(jq -c '.properties.invoice_items.items | [.required, (.properties | keys)]' mnt/invoices/.info/schema.json)" \
		'[["part_code","units","unit_price"],["id","invoice_id","part_code","unit_price","units"]]'
}

run "$@"
