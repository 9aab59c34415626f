#!/bin/bash
# Scenario 6: the lines of an invoice are part of its file, and tracks follow what is sold; h: hooks around the row.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"

setup() {
	cp -r "$here/mount.conf" "$here/hooks" .
	mount_rowfs
	echo '{"lastname": "Miller"}' >mnt/customers/.new
	for _ in 1 2 3 4; do echo '{"name": "Track", "unit_price": 1.5}' >mnt/tracks/.new; done
	sql 'update tracks set tracks_sold = case id when 3 then 2 else 3 end'
	eventually logged after_commit 5
	: >log
	: >events
}

logged() { [ "$(grep -c "$1" log)" -ge "$2" ]; }

sold() {
	sql "select id || ':' || tracks_sold from tracks order by id" | paste -sd ' '
}

invoice='{"customer_id": 1, "lines": [{"track_id": 1, "quantity": 2}, {"track_id": 2}]}'

a() {
	saves mnt/invoices/1.json "$invoice"
}

# The invoice's file with its lines changed by a filter.
edit() {
	jq "$1" mnt/invoices/1.json >edited
	cp edited mnt/invoices/1.json
}

# The last event of the name for the invoice, or a part of it.
event() {
	jq -c "select(.event == \"$1\" and .model == \"invoices\")" events | tail -n 1 | jq -c "${2:-.}"
}

test_a_new_invoice_with_two_lines_sells_tracks() {
	a
	is "$(sold)" '1:5 2:4 3:2 4:3'
	is "$(sql 'select * from invoices')" "1|1|$(date -u +%F)|5.0|"
	is "$(sql 'select * from lines')" $'1|1|1|2|\n2|1|2|1|'
	is "$(value mnt/invoices/1.json .lines)" \
		'[{"id":1,"track_id":1,"quantity":2,"unit_price":null},{"id":2,"track_id":2,"quantity":1,"unit_price":null}]'
	is "$(value mnt/lines/2.json .invoice_id)" 1
}

test_a_new_invoice_has_these_events_and_no_others() {
	a
	eventually logged after_commit 3
	is "$(cat log)" 'pre_save create invoices/1 inserted
pre_save create lines/1 inserted
pre_save create lines/2 inserted
post_save create lines/2 inserted
post_save create lines/1 inserted
post_save create invoices/1 inserted
before_commit create invoices/1 inserted
before_commit create lines/1 inserted
before_commit create lines/2 inserted
after_commit create invoices/1 inserted
after_commit create lines/1 inserted
after_commit create lines/2 inserted'
	is "$(event after_commit '[.old, .new.id, [.new.lines[].id], [.details.lines[] | [.status, .key, .old]]]')" \
		'[null,1,[1,2],[["inserted",1,null],["inserted",2,null]]]'
}

test_b_a_changed_line_is_told_in_the_invoices_event_and_the_other_is_not() {
	a
	eventually logged after_commit 3
	: >log
	: >events
	edit '.lines[0].quantity = 5'
	eventually logged after_commit 2
	is "$(sold)" '1:8 2:4 3:2 4:3'
	is "$(cat log)" 'pre_save replace invoices/1 details_modified
pre_save replace lines/1 modified
post_save replace lines/1 modified
post_save replace invoices/1 details_modified
before_commit replace invoices/1 details_modified
before_commit replace lines/1 modified
after_commit replace invoices/1 details_modified
after_commit replace lines/1 modified'
	is "$(event post_save '[.changed, .status]')" '[[],"details_modified"]'
	is "$(event post_save .details)" '{"lines":[{"status":"modified","key":1,'\
'"old":{"id":1,"track_id":1,"quantity":2,"unit_price":null},'\
'"new":{"id":1,"track_id":1,"quantity":5,"unit_price":null},"changed":["quantity"]}]}'
	is "$(event post_save '[[.old.lines[].quantity], [.new.lines[].quantity]]')" '[[2,1],[5,1]]'
}

test_c_a_line_with_another_track_moves_both_tracks() {
	a
	edit '.lines[0].quantity = 5'
	edit '.lines[1].track_id = 3'
	is "$(sold)" '1:8 2:3 3:3 4:3'
}

test_d_a_line_that_is_left_out_is_deleted() {
	a
	edit '.lines[0].quantity = 5'
	edit '.lines[1].track_id = 3'
	eventually logged after_commit 7
	: >log
	edit 'del(.lines[0])'
	is "$(sold)" '1:3 2:3 3:3 4:3'
	is "$(ls mnt/lines)" 2.json
	eventually logged after_commit 2
	is "$(cat log)" 'pre_save replace invoices/1 details_modified
pre_delete delete lines/1 deleted
post_delete delete lines/1 deleted
post_save replace invoices/1 details_modified
before_commit replace invoices/1 details_modified
before_commit delete lines/1 deleted
after_commit replace invoices/1 details_modified
after_commit delete lines/1 deleted'
}

test_e_removing_the_invoice_deletes_its_lines_and_tells_them() {
	a
	edit '.lines[0].quantity = 5'
	edit '.lines[1].track_id = 3'
	edit 'del(.lines[0])'
	eventually logged after_commit 9
	: >log
	rm mnt/invoices/1.json
	is "$(sold)" '1:3 2:3 3:2 4:3'
	is "$(ls mnt/lines mnt/invoices)" $'mnt/invoices:\n\nmnt/lines:'
	eventually logged after_commit 2
	is "$(cat log)" 'pre_delete delete invoices/1 deleted
pre_delete delete lines/2 deleted
post_delete delete lines/2 deleted
post_delete delete invoices/1 deleted
before_commit delete invoices/1 deleted
before_commit delete lines/2 deleted
after_commit delete invoices/1 deleted
after_commit delete lines/2 deleted'
	is "$(event pre_delete '[.new, .old.lines, .details.lines]')" '[null,[{"id":2,"track_id":3,"quantity":1,"unit_price":null}],'\
'[{"status":"deleted","key":2,"old":{"id":2,"track_id":3,"quantity":1,"unit_price":null},"new":null,'\
'"changed":["id","track_id","quantity"]}]]'
}

test_f_a_customer_that_does_not_exist_changes_nothing_anywhere() {
	a
	refuses EBADMSG mnt/invoices/2.json "${invoice/'"customer_id": 1'/'"customer_id": 99999'}"
	is "$(last_error '.problems[0].pointer')" /customer_id
	refuses EBADMSG mnt/invoices/1.json '{"customer_id": 99999, "lines": []}'
	is "$(sold)" '1:5 2:4 3:2 4:3'
}

test_f_a_line_of_no_track_and_one_of_nothing_are_told_together() {
	refuses EBADMSG mnt/invoices/1.json '{"customer_id": 99999, "lines": [{"track_id": 1}, {"track_id": 77}]}'
	is "$(last_error '[.problems[].pointer] | join(" ")')" '/customer_id /lines/1/track_id'
	is "$(last_error '[.problems[].column] | join(" ")')" '17 64'
	refuses EBADMSG mnt/invoices/1.json '{"customer_id": 1, "lines": [{"track_id": 1, "quantity": 0}, {}]}'
	is "$(last_error '[.problems[].pointer] | join(" ")')" '/lines/0/quantity /lines/1/track_id'
}

test_g_a_track_that_was_never_sold_counts_as_0() {
	sql 'update tracks set tracks_sold = null where id = 1'
	a
	is "$(sold)" '1:2 2:4 3:2 4:3'
}

test_saving_an_invoice_as_it_is_does_nothing() {
	local before
	a
	eventually logged after_commit 3
	: >log
	before=$(stat -c %y mnt/invoices/1.json)
	edit .
	is "$(stat -c %y mnt/invoices/1.json)" "$before"
	is "$(cat log)" ''
}

test_a_line_saved_by_its_own_file_moves_the_time_and_the_bytes_of_the_invoice() {
	local before
	a
	before=$(stat -c %Y%y mnt/invoices/1.json)
	saves mnt/lines/1.json '{"invoice_id": 1, "track_id": 1, "quantity": 7}'
	is "$(value mnt/invoices/1.json '.lines[0].quantity')" 7
	[ "$(stat -c %Y%y mnt/invoices/1.json)" != "$before" ] || fail 'the time is as it was'
	is "$(stat -c %s mnt/invoices/1.json)" "$(wc -c <mnt/invoices/1.json)"
	is "$(sold)" '1:10 2:4 3:2 4:3'
}

test_what_the_file_shows_is_what_jq_prints() {
	a
	jq . mnt/invoices/1.json >printed
	cmp mnt/invoices/1.json printed
}

# around: a program before, in the place of and behind the row of an invoice, which does what the file `EVENT.does` says;
# and a program for every model.
around() {
	unmount
	sed -i 's/^on pre_save,/on pre_save,apply,/; s/^model invoices {/&\n\ton pre_save,apply,post_save run .\/around/' mount.conf
	cat >around <<'PROGRAM'
#!/bin/sh
echo "$ROWFS_EVENT own" >>order
[ ! -e "$ROWFS_EVENT.does" ] || . "./$ROWFS_EVENT.does"
PROGRAM
	chmod +x around
	sed -i '1a echo "$ROWFS_EVENT every" >>order' hooks/log
	mount_rowfs
	: >order
}

test_h_a_refusal_before_instead_and_after_leaves_nothing() {
	local event before
	around
	before=$(rows)
	for event in pre_save apply post_save; do
		echo "echo 'Not $event' >&2; exit 1" >$event.does
		refuses ECANCELED mnt/invoices/1.json "$invoice"
		is "$(last_error)" "Not $event"
		is "$(rows)" "$before"
		rm $event.does
	done
	a
	is "$(sold)" '1:5 2:4 3:2 4:3'
}

test_h_the_tax_rate_that_a_hook_sets_is_shown() {
	around
	echo "jq -c '{new: (.new + {taxrate: 9})}'" >pre_save.does
	a
	is "$(value mnt/invoices/1.json .taxrate)" 9
	is "$(jq -c '[.lines[].quantity]' mnt/invoices/1.json)" '[2,1]'
}

test_h_a_handled_save_has_no_row_and_no_error() {
	around
	echo "echo '{\"handled\": true}'" >apply.does
	saves mnt/invoices/1.json '{"customer_id": 1}'
	is "$(ls mnt/invoices)" ''
	is "$(sql 'select count(*) from invoices')" 0
}

test_h_hooks_for_every_model_come_before_the_models_own() {
	around
	saves mnt/invoices/1.json '{"customer_id": 1}'
	is "$(head -n 6 order)" "$(printf '%s every\n%s own\n' pre_save pre_save apply apply post_save post_save)"
}

run "$@"
