#!/bin/bash
# A record's file: the exact bytes, the size, what a document may be.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model things {
	fields {
		id integer key
		text string
		count integer
		price number
		flag boolean
		day date
		at datetime
		clock time
		token uuid
		extra json
	}
}
model late {
	fields {
		name string
		id integer key
	}
}
END
	mount_rowfs
}

# gives MEMBER INPUT OUTPUT: the member as the file shows it.
gives() {
	saves mnt/things/1.json "{\"$1\": $2}"
	is "$(sed -n "s/^  \"$1\": \(.*[^,]\),\{0,1\}$/\1/p" mnt/things/1.json)" "$3" "$1 $2"
}

refused() { # MEMBER INPUT
	refuses EBADMSG mnt/things/1.json "{\"$1\": $2}"
	has "$(last_error '.problems[].pointer')" "^/$1$"
}

test_the_bytes_are_those_of_jq() {
	saves mnt/things/1.json '{"text":"é \u00e9 \" \\ / \t \u0001 \ud83d\ude00","count":-3,"price":0.1,"flag":true,
		"day":"2026-02-28","at":"2026-02-28T10:11:12Z","clock":"10:11:12","token":"6ba7b810-9dad-11d1-80b4-00c04fd430c8",
		"extra":{"b":[1,2.5,{}],"a":[],"c":null}}'
	jq . mnt/things/1.json | cmp - mnt/things/1.json
}

test_an_empty_record_has_every_field_in_declared_order() {
	saves mnt/things/1.json '{}'
	is "$(cat mnt/things/1.json)" '{
  "id": 1,
  "text": null,
  "count": null,
  "price": null,
  "flag": null,
  "day": null,
  "at": null,
  "clock": null,
  "token": null,
  "extra": null
}'
	is "$(tail -c 2 mnt/things/1.json | od -An -tx1 | tr -d ' ')" 7d0a
}

test_the_key_comes_first() {
	saves mnt/late/1.json '{"name": "a"}'
	is "$(jq -c . mnt/late/1.json)" '{"id":1,"name":"a"}'
}

test_the_size_is_exact() {
	local text
	for text in '{}' '{"text": "é"}' '{"price": 1e300, "extra": [1, [2, [3]]]}'; do
		saves mnt/things/1.json "$text"
		is "$(stat -c %s mnt/things/1.json)" "$(wc -c <mnt/things/1.json)"
	done
}

test_two_reads_give_the_same_bytes() {
	saves mnt/things/1.json '{"price": 0.30000000000000004, "at": "2026-02-28T10:11:12.5+02:00"}'
	cat mnt/things/1.json >first
	cmp first mnt/things/1.json
	remount
	cmp first mnt/things/1.json
}

test_numbers_have_the_shortest_digits() {
	gives price 0.1 0.1
	gives price 1.0 1
	gives price 1e2 100
	gives price 0.30000000000000004 0.30000000000000004
	gives price -2.50 -2.5
	gives price 3 3
	gives price 1e300 1e+300
}

test_integers_are_exact() {
	gives count 9223372036854775807 9223372036854775807
	gives count -9223372036854775808 -9223372036854775808
	gives count 9007199254740993 9007199254740993
}

test_datetimes_are_utc_without_trailing_zeros() {
	gives at '"2026-02-28T10:11:12.500Z"' '"2026-02-28T10:11:12.5Z"'
	gives at '"2026-02-28T10:11:12.000000Z"' '"2026-02-28T10:11:12Z"'
	gives at '"2026-02-28T00:11:12+02:00"' '"2026-02-27T22:11:12Z"'
}

test_values_of_the_wrong_type_are_refused() {
	refused text 1
	refused count 1.5
	refused count '"1"'
	refuses EBADMSG mnt/things/1.json '{"count": 9223372036854775808}'
	refused price '"1"'
	refused flag 1
	refused flag '"true"'
	refused day '"2026-02-29"'
	refused day '"28.02.2026"'
	refused at '"2026-02-28"'
	refused at '"2026-02-28T25:00:00Z"'
	refused clock '"25:00"'
	refused token '"6ba7b810"'
	refused text '{}'
	refused text '[]'
}

test_text_that_is_no_json_is_refused_with_its_place() {
	local text
	for text in '{"text": "a",}' '{"text" "a"}' '[]' '"a"' '1' 'null' '{"text": NaN}' '{"text": nul}' "{'text': 1}" \
		'{"text": "a"} x' '{"text": "a"}{' '{"count": 01}' '{"text": "\ud800"}' '{"text": "\x"}' '// a
{}' '{"text": /* a */ "b"}'; do
		has "$(save mnt/things/1.json "$text")" '^write: EBADMSG'
		is "$(sql 'select count(*) from things')" 0 "$text"
	done
	is "$(save mnt/things/1.json '{"text": "a",
  "count": x}')" "write: EBADMSG, close: EBADMSG"
	is "$(last_error '.problems[0] | [.line, .column]')" '[2,12]'
}

test_duplicate_members_are_refused() {
	refuses EBADMSG mnt/things/1.json '{"text": "a", "text": "b"}'
}

test_a_byte_order_mark_is_refused() {
	refuses EBADMSG mnt/things/1.json $'\xef\xbb\xbf{"text": "a"}'
}

test_invalid_utf8_is_refused() {
	refuses EBADMSG mnt/things/1.json $'{"text": "\xff"}'
}

test_a_nul_byte_is_refused() {
	printf '{"text": "a\0b"}' >nul
	fails cp nul mnt/things/1.json
	is "$(sql 'select count(*) from things')" 0
}

test_white_space_after_the_object_is_nothing() {
	is "$(errno open mnt/things/1.json wct : write '{"text": "a"}' : write '
	' : fsync : close)" ok
	is "$(value mnt/things/1.json .text)" a
}

test_two_objects_in_one_write_are_refused_whole() {
	is "$(save mnt/things/1.json '{"text": "a"} {"text": "b"}' | cut -d, -f1)" 'write: EBADMSG'
	is "$(sql 'select count(*) from things')" 0
}

test_what_follows_the_object_in_a_later_write_is_refused_and_the_save_stays() {
	is "$(errno open mnt/things/1.json wct : write '{"text": "a"}' : write 'x' | cut -d, -f1)" 'write: EBADMSG'
	is "$(value mnt/things/1.json .text)" a
}

test_nesting_beyond_64_is_refused() {
	local open close
	open=$(printf '[%.0s' {1..63})
	close=$(printf ']%.0s' {1..63})
	saves mnt/things/1.json "{\"extra\": $open$close}"
	refuses EBADMSG mnt/things/2.json "{\"extra\": [$open$close]}"
}

test_a_record_over_1_mib_is_efbig() {
	is "$(errno open mnt/things/1.json wct : write '{' : blanks 2000000 | cut -d, -f1)" 'blanks: EFBIG'
	is "$(sql 'select count(*) from things')" 0
}

test_the_write_that_crosses_1_mib_is_the_one_that_is_efbig() {
	local most=1048576
	is "$(errno open mnt/things/1.json wct : write '{' : blanks $((most - 1)) : write ' ' : fsync | cut -d, -f1,2)" 'write: EFBIG, fsync: EFBIG'
	is "$(errno open mnt/things/1.json wca : write '{' : blanks $((most - 1)) : write ' ' | cut -d, -f1)" 'write: EFBIG'
	is "$(errno open mnt/things/1.json wc : pwrite 5 x : pwrite $((most - 1)) x : pwrite $most x | cut -d, -f1)" 'pwrite: EFBIG'
	is "$(errno open mnt/things/1.json wc : ftruncate $most : ftruncate $((most + 1)) | cut -d, -f1)" 'ftruncate: EFBIG'
	is "$(sql 'select count(*) from things')" 0
}

test_a_merge_that_makes_a_record_over_1_mib_is_efbig() {
	python3 -c 'print("{\"text\": \"" + "a" * 600000 + "\"}")' >text
	python3 -c 'print("{\"extra\": \"" + "b" * 600000 + "\"}")' >extra
	cp text mnt/things/1.json
	fails sh -c 'cat extra >>mnt/things/1.json'
	has "$(last_error .errno)" EFBIG
	is "$(value mnt/things/1.json '.extra')" null
}

test_a_far_offset_is_efbig_without_memory() {
	is "$(errno open mnt/things/1.json wct : pwrite 1000000000000000 x | cut -d, -f1)" 'pwrite: EFBIG'
}

test_a_text_of_one_byte_under_1_mib_is_saved() {
	head -c 1000000 /dev/zero | tr '\0' x >big
	{
		printf '{"text": "'
		cat big
		printf '"}'
	} >doc
	cp doc mnt/things/1.json
	is "$(value mnt/things/1.json '.text | length')" 1000000
}

run "$@"
