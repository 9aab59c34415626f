#!/bin/bash
# Scenario 7: two editors of one invoice.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"

setup() {
	cp "$here/mount.conf" .
	mount_rowfs
	saves mnt/invoices/1.json '{"customer": "ann", "lines": [{"product": "tea"}]}'
}

test_the_second_save_is_refused_and_succeeds_after_reading_again() {
	jq '.taxrate = 7' mnt/invoices/1.json >first
	jq '.customer = "bob"' mnt/invoices/1.json >second
	cp first mnt/invoices/1.json
	refuses EBUSY mnt/invoices/1.json "$(cat second)"
	is "$(cat mnt/invoices/.rejected/1.json)" "$(cat second)"
	is "$(last_error '.checksum')" "$(jq -nc --arg c "$(jq -r ._checksum mnt/invoices/1.json)" \
		--arg s "$(jq -r ._checksum second)" '{current: $c, supplied: $s}')"
	jq '.customer = "bob"' mnt/invoices/1.json >second
	cp second mnt/invoices/1.json
	is "$(value mnt/invoices/1.json '[.customer, .taxrate]')" '["bob",7]'
}

test_a_save_without_a_checksum_is_allowed_and_changes_it() {
	local before
	before=$(value mnt/invoices/1.json ._checksum)
	saves mnt/invoices/1.json '{"customer": "cid", "lines": [{"id": 1, "product": "tea"}]}'
	hasnt "$(value mnt/invoices/1.json ._checksum)" "$before"
}

test_a_line_that_somebody_else_has_changed_counts() {
	jq '.taxrate = 7' mnt/invoices/1.json >mine
	echo '{"quantity": 3}' >>mnt/lines/1.json
	refuses EBUSY mnt/invoices/1.json "$(cat mine)"
	is "$(value mnt/invoices/1.json '.lines[0].quantity')" 3
}

run "$@"
