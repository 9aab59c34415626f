#!/bin/bash
# MODEL/.import and MODEL/.export: many records as JSON Lines.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'CONF'
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string required max 20
		qty integer default 1
		pin string write-only
		made_at datetime default now read-only
	}
	has-many parts by item_id
	on pre_save check ":new_qty < 100" "too many"
	on post_save create sql "insert into trail (what) values ('new ' || :key)"
}
model parts {
	fields { id integer key; item_id integer references items; label string }
}
model boxes {
	fields { id integer key; name string }
	embeds-many slots by box_id
}
model slots {
	fields { id integer key; box_id integer required references boxes; label string }
}
model copies from copied {
	fields { id integer key; name string }
	embeds-many kept by box_id
}
model kept {
	fields { id integer key; box_id integer required references copies; label string }
}
model watched {
	fields { id integer key; name string }
	on before_commit sql "insert into trail (what) select 'all ' || count(*) from watched where :key = 3"
	on after_commit enqueue jobs what=:name
}
model frozen { fields { id integer key; name string }; read-only }
model notes { fields { slug string key; body string } }
model mine { fields { id integer key; who integer default uid; text string }; owner who; visible owner; mode 0600 }
model trail { fields { id integer key; what string } }
queue jobs { fields { what string } }
CONF
	mount_rowfs
}

lines() { # N [FROM]: items
	seq "${2:-1}" $((${2:-1} + $1 - 1)) | sed 's/.*/{"id": &, "name": "n&"}/'
}

# ---- import ----

test_lines_are_saved_with_hooks() {
	lines 3 >mnt/items/.import
	is "$(ls mnt/items | tr '\n' ' ')" '1.json 2.json 3.json '
	is "$(sql 'select group_concat(what) from trail')" 'new 1,new 2,new 3'
}

test_a_line_without_a_key_gets_the_next_and_one_with_a_key_replaces() {
	lines 2 >mnt/items/.import
	printf '%s\n' '{"name": "third"}' '{"id": 1, "name": "other", "qty": 5}' '' '  ' '{"id": null, "name": "fourth"}' >mnt/items/.import
	is "$(sql 'select id || name || qty from items' | tr '\n' ' ')" '1other5 2n21 3third1 4fourth1 '
}

test_text_keys_name_records_too() {
	printf '%s\n' '{"slug": "a/b", "body": "x"}' '{"slug": "c"}' >mnt/notes/.import
	is "$(ls mnt/notes | tr '\n' ' ')" 'a%2Fb.json c.json '
	is "$(printf '%s\n' '{"slug": "", "body": "x"}' | write_all mnt/notes/.import)" 'close: EBADMSG'
}

# write_all FILE: standard input in one go, and which call failed.
write_all() {
	errno open "$1" w : write "$(cat)" : close
}

test_all_or_nothing_and_the_error_names_the_line() {
	is "$( (lines 3 && echo '{"id": 9, "name": 7}') | write_all mnt/items/.import)" 'close: EBADMSG'
	is "$(sql 'select count(*) from items')" 0
	is "$(sql 'select count(*) from trail')" 0
	is "$(last_error .message)" 'line 4: /name: must be a string'
	is "$(last_error .path)" items/.import
	is "$(last_error '.problems[0] | [.line, .column]')" '[4,19]'
}

test_each_kind_of_mistake_names_its_line() {
	local text
	while IFS='|' read -r text errno message; do
		is "$( (lines 1 && echo "$text") | write_all mnt/items/.import)" "close: $errno" "$text"
		is "$(last_error .message)" "line 2: $message" "$text"
	done <<'CASES'
{"id": 7, "qty": 1}|EBADMSG|/name: is required
{"id": -1, "name": "x"}|EBADMSG|/id: must be between 0 and 281474976710655
{"id": 7, "name": "x", "qty": 100}|ECANCELED|too many
{"id": 7, "name": "x", "nmae": 1}|EBADMSG|/nmae: is no field of items; did you mean 'name'?
CASES
	is "$(sql 'select count(*) from items')" 0
}

test_what_is_not_json_is_refused_and_names_its_line() {
	is "$( (lines 2 && echo '{"id": 7,, "name": "x"}') | write_all mnt/items/.import)" 'close: EBADMSG'
	has "$(last_error .message)" '^line 3, column [0-9]+: '
	hasnt "$(last_error '.problems[0].message')" 'line'
	is "$(printf '{\n"id": 7\n}\n' | write_all mnt/items/.import)" 'close: EBADMSG'
	has "$(last_error .message)" '^line 1, column [0-9]+: '
	is "$(last_error '.problems[0] | [.line, .column]')" "[1,$(last_error .message | sed 's/.*column \([0-9]*\).*/\1/')]"
	is "$(printf '[1]\n' | write_all mnt/items/.import)" 'close: EBADMSG'
}

test_the_last_line_needs_no_end_but_half_a_line_is_refused_and_stays() {
	printf '{"id": 1, "name": "a"}' >mnt/items/.import
	is "$(sql 'select name from items')" a
	is "$(errno open mnt/items/.import w : write $'{"id": 2, "name": "b"}\n{"id": 3' : close)" 'close: EBADMSG'
	is "$(last_error)" 'line 2 is incomplete; nothing is saved yet'
	is "$(sql 'select count(*) from items')" 1
	is "$(errno open mnt/items/.import w : write $'{"id": 2, "name": "b"}\n{"id": 3' : fsync : write ', "name": "c"}' : close)" 'fsync: EBADMSG'
	is "$(sql 'select count(*) from items')" 3
}

test_every_close_behind_lines_saves_them() {
	{
		cat <(lines 2)
		cat <(lines 2 3)
	} >mnt/items/.import
	is "$(sql 'select count(*) from items')" 4
}

test_a_refused_descriptor_repeats_its_error_until_it_is_emptied() {
	is "$(errno open mnt/items/.import w : write '{"name": 1}' : fsync : write '{}' : fsync : ftruncate 0 : write '{"name": "x"}' : close)" \
		'fsync: EBADMSG, write: EBADMSG, fsync: EBADMSG'
	is "$(sql 'select count(*) from items')" 1
	is "$(grep -c . mnt/.errors)" 1
}

test_an_empty_import_does_nothing() {
	: >mnt/items/.import
	echo >mnt/items/.import
	is "$(sql 'select count(*) from items')" 0
	is "$(cat mnt/.errors)" ''
}

test_hooks_before_the_commit_see_everything_and_jobs_are_part_of_it() {
	lines 5 >mnt/watched/.import
	is "$(sql "select what from trail where what <> 'all 0'")" 'all 5'
	is "$(sql 'select group_concat(what) from jobs')" 'n1,n2,n3,n4,n5'
}

test_a_line_that_is_too_long_is_refused_by_its_write() {
	head -c 2000000 /dev/zero | tr '\0' x >long
	fails cp long mnt/items/.import
	has "$(last_error)" '^line 1 has more than 1048576 bytes'
}

test_more_changes_than_a_transaction_may_have_are_refused_whole() {
	seq 100001 | sed 's/.*/{"slug": "&"}/' >many
	fails cp many mnt/notes/.import
	has "$(last_error)" '^line 100001: a transaction changes at most 100000 records'
	is "$(sql 'select count(*) from notes')" 0
	head -n 100000 many >mnt/notes/.import
	is "$(sql 'select count(*) from notes')" 100000
}

test_readers_go_on_and_status_tells_how_far_it_is() {
	unmount
	sed -i 's/^model frozen/model slow { fields { id integer key; name string }; on pre_save run .\/wait }\n&/' mount.conf
	program wait <<'SH'
#!/bin/sh
[ "$new_name" != n2 ] || until [ -e go ]; do sleep 0.02; done
SH
	mount_rowfs
	(lines 3 >mnt/slow/.import) &
	local importer=$!
	eventually grep -q '^import slow: line 2 of 3, ' mnt/.info/status
	is "$(ls mnt/slow)" ''
	is "$(cat mnt/slow/.export)" ''
	touch go
	wait $importer
	is "$(ls mnt/slow | wc -l)" 3
	hasnt "$(cat mnt/.info/status)" '^import '
}

test_a_crash_leaves_nothing_half() {
	exec 9>mnt/notes/.import
	seq 1000 | sed 's/.*/{"slug": "&"}/' >&9 2>/dev/null &
	wait $!
	lines 1 >mnt/items/.import
	crash
	exec 9>&- || true
	mount_rowfs
	has "$(sql 'select count(*) from notes')" '^(0|1000)$'
}

test_a_read_only_model_and_mount_are_erofs() {
	is "$(errno open mnt/frozen/.import w)" 'open: EROFS'
	unmount
	mount_rowfs mount.conf -o ro
	is "$(errno open mnt/items/.import w)" 'open: EROFS'
}

test_who_may_not_read_or_make_records_may_not_export_or_import() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	unmount
	sed -i 's/^model notes {/& mode 0640;/' mount.conf
	chmod 755 .
	mount_rowfs mount.conf -o allow_other
	fails setpriv --reuid 65534 --regid 65534 --clear-groups cat mnt/notes/.export
	fails setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'echo "{}" > mnt/notes/.import'
	setpriv --reuid 65534 --regid 65534 --clear-groups cat mnt/items/.export
}

test_each_user_exports_and_imports_what_is_his() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	unmount
	chmod 755 .
	mount_rowfs mount.conf -o allow_other
	as_nobody sh -c 'echo "{\"id\": 1, \"text\": \"a\"}" > mnt/mine/.import'
	saves mnt/mine/2.json '{"text": "b"}'
	is "$(sql 'select id, who from mine order by id' | tr '\n' ' ')" '1|65534 2|0 '
	is "$(as_nobody cat mnt/mine/.export)" '{"id":1,"who":65534,"text":"a"}'
	is "$(wc -l <mnt/mine/.export)" 2
	printf '{"id": 2, "text": "stolen"}\n' >stolen
	chmod 644 stolen
	fails as_nobody cp stolen mnt/mine/.import
	is "$(sql 'select text from mine where id = 2')" b
}

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

# ---- export ----

test_export_is_what_jq_makes_of_the_files_without_the_children_of_others() {
	saves mnt/items/1.json '{"name": "a \"b\" {  }", "pin": "1234"}'
	saves mnt/items/2.json '{"name": "ä\\"}'
	saves mnt/parts/1.json '{"item_id": 1}'
	is "$(cat mnt/items/.export)" "$(jq -c 'del(.parts, .parts_total)' mnt/items/*.json)"
	hasnt "$(cat mnt/items/.export)" 1234
	saves mnt/boxes/1.json '{"name": "x", "slots": [{"label": "a  b"}, {}]}'
	is "$(cat mnt/boxes/.export)" "$(jq -c . mnt/boxes/*.json)"
}

test_export_into_import_copies() {
	saves mnt/boxes/1.json '{"name": "x", "slots": [{"label": "a"}, {"label": "b"}]}'
	saves mnt/boxes/2.json '{"name": "y"}'
	jq -c '.kept = .slots | del(.slots)' mnt/boxes/.export >mnt/copies/.import
	is "$(sql 'select box_id, label from kept' | tr '\n' ' ')" '1|a 1|b '
	cat mnt/copies/.export >before
	cat mnt/copies/.export >mnt/copies/.import
	is "$(cat mnt/copies/.export)" "$(cat before)"
	cp mnt/copies/.export copy
	is "$(cat copy)" "$(cat before)"
}

test_export_is_whole_at_any_size_and_by_small_reads() {
	seq 60000 | sed 's/.*/{"slug": "k&", "body": "some text that makes it more than one piece"}/' >mnt/notes/.import
	is "$(wc -l <mnt/notes/.export)" 60000
	is "$(dd if=mnt/notes/.export bs=777 status=none | jq -r .slug | sort -u | wc -l)" 60000
	is "$(head -n 1 mnt/notes/.export | jq -r .slug)" k1
	is "$(tail -n 1 mnt/notes/.export | jq -r .slug)" k60000
}

test_export_beside_changes_has_each_record_that_stays_once() {
	seq 40000 | sed 's/.*/{"slug": "k&", "body": "some text that makes it more than one piece, twice as long"}/' >mnt/notes/.import
	exec 9<mnt/notes/.export
	dd bs=1000 count=1 status=none <&9 >part
	sql "delete from notes where slug in ('k20000', 'k39999')"
	saves mnt/notes/new.json '{}'
	cat <&9 >>part
	exec 9<&-
	is "$(jq -r .slug part | sort | uniq -d)" ''
	is "$(jq -r .slug part | grep -vxE 'k20000|k39999|new' | wc -l)" 39998
}

run "$@"
