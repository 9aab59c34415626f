#!/bin/bash
# When a file is saved: drafts, the completing write, close, append, rename; what a refusal leaves.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string required
		qty integer default 1
		pin string write-only
		made_at datetime default now read-only
		secret string hidden default s
		serial string immutable
		tags json
	}
}
model boxes {
	fields {
		id integer key
		name string required
	}
}
END
	mount_rowfs
	saves mnt/items/1.json '{"name": "a", "qty": 5}'
}

name() { value mnt/items/1.json .name; }

# ---- in order, from empty ----

test_the_write_that_completes_the_object_saves() {
	is "$(errno open mnt/items/1.json wct : write '{"name":' : write '"b"}' : stat mnt/items/1.json)" ok
	exec 3>mnt/items/1.json
	echo '{"name": "c"}' >&3
	is "$(name)" c
	exec 3>&-
}

test_a_text_that_can_no_longer_become_an_object_is_refused_at_once() {
	is "$(errno open mnt/items/1.json wct : write '{"name": ]')" 'write: EBADMSG'
	is "$(name)" a
}

test_opening_with_truncation_leaves_the_record() {
	is "$(errno open mnt/items/1.json wct : close)" ok
	is "$(name)" a
}

test_jq_may_read_and_write_the_same_file() {
	bash -c 'jq ".qty = 2" mnt/items/1.json > mnt/items/1.json'
	is "$(value mnt/items/1.json .qty)" 2
}

test_others_see_the_last_saved_record_while_a_draft_is_open() {
	exec 3>mnt/items/1.json
	printf '{"name": ' >&3
	is "$(cat mnt/items/1.json | jq -r .name)" a
	printf '"b"}' >&3
	is "$(name)" b
	exec 3>&-
}

test_the_writer_sees_the_size_of_its_draft() {
	is "$(errno open mnt/items/1.json wct : write '{"na' : size : ftruncate 0)" 4
}

test_an_open_for_reading_pins_the_text() {
	cat mnt/items/1.json >before
	exec 3<mnt/items/1.json
	saves mnt/items/1.json '{"name": "bbbbbbbbbbbbbbbbbbbbbbbb"}'
	cmp before - <&3
	exec 3<&-
}

test_a_second_save_on_one_descriptor() {
	is "$(errno open mnt/items/1.json wct : write '{"name":"b"}' : ftruncate 0 : pwrite 0 '{"name":"c"}' : close)" ok
	is "$(name)" c
}

test_closing_before_the_first_byte_does_nothing() {
	is "$(errno open mnt/items/1.json wct : dupclose : write '{"name":"b"}' : close)" ok
	is "$(name)" b
}

test_an_incomplete_draft_is_refused_at_every_close_and_stays() {
	is "$(errno open mnt/items/1.json wct : write '{"name":' : dupclose : dupclose : fsync)" \
		'dupclose: EBADMSG, dupclose: EBADMSG, fsync: EBADMSG'
	is "$(errno open mnt/items/1.json wct : write '{"name":' : dupclose : write '"b"}' : close)" 'dupclose: EBADMSG'
	is "$(name)" b
}

test_a_save_happens_once_per_text() {
	is "$(errno open mnt/items/1.json wct : write '{"name":"b"}')" ok
	exec 3>mnt/items/1.json
	echo '{"name": "b"}' >&3
	saves mnt/items/1.json '{"name": "c"}'
	exec 3>&-
	is "$(name)" c
}

# ---- out of order ----

test_a_text_written_out_of_order_is_saved_at_close() {
	exec 3<>mnt/items/1.json
	is "$(errno open mnt/items/1.json wct : pwrite 8 '"b"}' : pwrite 0 '{"name":' : close)" ok
	is "$(name)" b
	exec 3>&-
}

test_truncating_last_is_saved_at_close() {
	is "$(errno open mnt/items/1.json w : pwrite 0 '{"name":"b"}' : ftruncate 12 : close)" ok
	is "$(name)" b
}

test_an_in_place_write_saves_at_fsync() {
	is "$(errno open mnt/items/1.json w : pwrite 0 '{"name":"b"}' : ftruncate 12 : fsync)" ok
	is "$(name)" b
}

test_an_in_place_write_that_is_no_object_is_refused_at_close() {
	is "$(errno open mnt/items/1.json w : pwrite 3 'xxxxxxx' : close)" 'close: EBADMSG'
	is "$(name)" a
}

test_python_may_edit_in_place() {
	python3 - <<'END'
with open("mnt/items/1.json", "r+") as f:
    text = f.read().replace('"a"', '"b"')
    f.seek(0)
    f.write(text)
    f.truncate()
END
	is "$(name)" b
}

# ---- append ----

test_appending_merges() {
	echo '{"qty": 9}' >>mnt/items/1.json
	is "$(jq -c '[.name, .qty]' mnt/items/1.json)" '["a",9]'
}

test_each_object_appended_is_a_merge() {
	is "$(errno open mnt/items/1.json wa : write '{"qty":7}' : write ' {"name":"z"}' : close)" ok
	is "$(jq -c '[.name, .qty]' mnt/items/1.json)" '["z",7]'
}

test_null_in_a_merge_sets_null_and_arrays_replace() {
	echo '{"tags": ["x", "y"]}' >>mnt/items/1.json
	echo '{"tags": ["z"], "qty": null}' >>mnt/items/1.json
	is "$(jq -c '[.tags, .qty]' mnt/items/1.json)" '[["z"],null]'
}

test_a_merge_that_breaks_a_rule_is_refused() {
	local before
	before=$(rows)
	is "$(errno open mnt/items/1.json wa : write '{"name":null}' | cut -d, -f1)" 'write: EBADMSG'
	is "$(rows)" "$before"
}

test_appending_to_a_name_without_a_record_creates() {
	echo '{"name": "n"}' >>mnt/items/2.json
	is "$(value mnt/items/2.json .name)" n
}

test_an_incomplete_append_is_refused_at_close() {
	is "$(errno open mnt/items/1.json wa : write '{"qty":' : close)" 'close: EBADMSG'
	is "$(value mnt/items/1.json .qty)" 5
}

# ---- replace ----

test_replacing_gives_absent_fields_their_default_or_null() {
	echo '{"tags": [1]}' >>mnt/items/1.json
	saves mnt/items/1.json '{"name": "b"}'
	is "$(jq -c '[.qty, .tags]' mnt/items/1.json)" '[1,null]'
}

test_replacing_without_a_required_field_is_refused() {
	refuses EBADMSG mnt/items/1.json '{"qty": 1}'
	has "$(last_error '.problems[].pointer')" '^/name$'
}

test_fields_that_the_file_does_not_show_keep_their_value() {
	local made
	echo '{"pin": "1234"}' >>mnt/items/1.json
	made=$(value mnt/items/1.json .made_at)
	saves mnt/items/1.json '{"name": "b"}'
	is "$(sql 'select pin, secret from items')" '1234|s'
	is "$(value mnt/items/1.json .made_at)" "$made"
	is "$(jq -r 'keys_unsorted | join(" ")' mnt/items/1.json)" 'id name qty made_at serial tags'
}

test_a_read_only_field_may_be_carried_back_but_not_changed() {
	jq '.name = "b"' mnt/items/1.json >copy
	cp copy mnt/items/1.json
	is "$(name)" b
	refuses EPERM mnt/items/1.json '{"name": "c", "made_at": "2001-01-01T00:00:00Z"}'
}

test_a_read_only_field_is_ignored_on_a_create() {
	saves mnt/items/2.json '{"name": "b", "made_at": "2001-01-01T00:00:00Z"}'
	hasnt "$(value mnt/items/2.json .made_at)" 2001
}

test_an_immutable_field_is_set_at_creation_only() {
	saves mnt/items/2.json '{"name": "b", "serial": "x"}'
	refuses EPERM mnt/items/2.json '{"name": "b", "serial": "y"}'
	is "$(value mnt/items/2.json .serial)" x
}

test_a_hidden_field_is_not_taken() {
	refuses EBADMSG mnt/items/1.json '{"name": "b", "secret": "x"}'
}

test_unknown_members_are_refused() {
	refuses EBADMSG mnt/items/1.json '{"name": "b", "colour": "x"}'
	has "$(last_error '.problems[].pointer')" '^/colour$'
}

test_a_checksum_in_a_create_is_ignored() {
	saves mnt/items/2.json '{"name": "b", "_checksum": "x"}'
}

# ---- refusals ----

test_a_refused_descriptor_repeats_its_error_and_does_not_try_again() {
	is "$(errno open mnt/items/1.json wct : write '{"qty":1}' : fsync : dupclose : pwrite 9 ' ' : close)" \
		'write: EBADMSG, fsync: EBADMSG, dupclose: EBADMSG, pwrite: EBADMSG, close: EBADMSG'
	is "$(name)" a
}

test_truncating_to_zero_starts_anew_after_a_refusal() {
	is "$(errno open mnt/items/1.json wct : write '{"qty":1}' : ftruncate 0 : pwrite 0 '{"name":"b"}' : close)" \
		'write: EBADMSG'
	is "$(name)" b
}

test_writing_at_zero_starts_anew_after_a_refusal() {
	is "$(errno open mnt/items/1.json wct : write '{"qty":1}' : pwrite 0 '{"name":"b"}' : close)" 'write: EBADMSG'
	is "$(name)" b
}

test_every_shell_reports_a_refused_echo() {
	local shell
	for shell in bash dash; do
		fails $shell -c 'echo "{\"qty\": 1}" > mnt/items/1.json'
	done
	is "$(name)" a
}

test_cp_tee_and_dd_report_a_refusal() {
	echo '{"qty": 1}' >bad
	fails cp bad mnt/items/1.json
	fails tee mnt/items/1.json <bad
	fails dd if=bad of=mnt/items/1.json
	fails sh -c 'cat bad > mnt/items/1.json'
	is "$(name)" a
}

test_mv_onto_a_record_reports_a_refusal_and_keeps_both_files() {
	echo '{"qty": 1}' >mnt/items/tmp
	is "$(errno rename mnt/items/tmp mnt/items/1.json)" 'rename: EBADMSG'
	is "$(cat mnt/items/tmp)" '{"qty": 1}'
	is "$(name)" a
	fails mv mnt/items/tmp mnt/items/1.json
	is "$(cat mnt/items/tmp)" '{"qty": 1}'
}

test_a_program_that_removes_what_it_could_not_write_removes_no_record() {
	is "$(errno open mnt/items/1.json wct : write '{"qty":1}' : close : unlink mnt/items/1.json)" \
		'write: EBADMSG, close: EBADMSG, unlink: EBUSY'
	is "$(name)" a
}

test_a_second_removal_after_a_refusal_is_meant() {
	is "$(errno open mnt/items/1.json wct : write '{"qty":1}' : unlink mnt/items/1.json : unlink mnt/items/1.json)" \
		'write: EBADMSG, unlink: EBUSY'
	is "$(errno stat mnt/items/1.json)" 'stat: ENOENT'
}

test_a_removal_after_a_refusal_and_a_save_is_meant() {
	is "$(errno open mnt/items/1.json wct : write '{"qty":1}' : pwrite 0 '{"name":"b"}' : unlink mnt/items/1.json)" \
		'write: EBADMSG'
	is "$(errno stat mnt/items/1.json)" 'stat: ENOENT'
}

test_another_process_may_remove_what_was_refused() {
	refuses EBADMSG mnt/items/1.json '{"qty": 1}'
	rm mnt/items/1.json
}

test_vim_puts_its_backup_back_without_a_delete() {
	local before
	before=$(rows)
	fails vim -N -u NONE -es -c 'set backup backupcopy=no' -c '%s/"a"/5/' -c wq mnt/items/1.json
	is "$(rows)" "$before"
	is "$(ls mnt/items)" 1.json
}

test_vim_reports_a_refusal_and_the_record_stays() {
	fails vim -N -u NONE -es -c '%s/"a"/5/' -c wq mnt/items/1.json
	is "$(name)" a
}

test_an_empty_file_renamed_onto_a_record_is_no_save() {
	: >mnt/items/tmp
	hasnt "$(errno rename mnt/items/tmp mnt/items/1.json)" '^ok'
	is "$(name)" a
}

test_concurrent_writers_of_one_file_do_not_mix() {
	exec 3>mnt/items/1.json 4>mnt/items/1.json
	printf '{"name": "x' >&3
	printf '{"name": "y' >&4
	printf '3"}' >&3
	printf '4"}' >&4
	is "$(name)" y4
	exec 3>&- 4>&-
}

# ---- equal content ----

test_saving_equal_content_succeeds() {
	cp mnt/items/1.json copy
	cp copy mnt/items/1.json
	cmp copy mnt/items/1.json
}

# ---- scratch files ----

test_scratch_files_are_listed_kept_in_memory_and_never_saved() {
	echo hello >mnt/items/.1.json.swp
	echo hello >mnt/items/notes.txt
	is "$(ls -A mnt/items)" $'.1.json.swp\n1.json\nnotes.txt'
	is "$(ls -U mnt/items | head -n 1)" 1.json
	is "$(cat mnt/items/notes.txt)" hello
	is "$(sql 'select count(*) from items')" 1
	rm mnt/items/.1.json.swp
	allow_log 'scratch|notes.txt'
	remount
	is "$(errno stat mnt/items/notes.txt)" 'stat: ENOENT'
}

test_renaming_a_record_to_a_scratch_name_makes_a_copy() {
	mv mnt/items/1.json mnt/items/1.json~
	is "$(name)" a
	cmp mnt/items/1.json mnt/items/1.json~
}

test_linking_a_record_to_a_scratch_name_makes_a_copy() {
	ln mnt/items/1.json mnt/items/1.json.bak
	saves mnt/items/1.json '{"name": "b"}'
	is "$(value mnt/items/1.json.bak .name)" a
}

test_vims_probe_file_is_refused() {
	is "$(errno open mnt/items/4913 wcx)" 'open: EACCES'
}

test_emacs_locks_are_symlinks() {
	ln -s 'user@host.1:2' 'mnt/items/.#1.json'
	is "$(readlink 'mnt/items/.#1.json')" 'user@host.1:2'
	rm 'mnt/items/.#1.json'
}

# ---- deleting and moving ----

test_rm_deletes() {
	rm mnt/items/1.json
	is "$(errno stat mnt/items/1.json)" 'stat: ENOENT'
	is "$(sql 'select count(*) from items')" 0
}

test_rm_of_nothing_is_enoent() {
	is "$(errno unlink mnt/items/9.json)" 'unlink: ENOENT'
}

test_renaming_a_record_changes_its_key() {
	mv mnt/items/1.json mnt/items/8.json
	is "$(ls mnt/items)" 8.json
	is "$(value mnt/items/8.json '.id, .name')" $'8\na'
}

test_renaming_onto_a_record_replaces_it() {
	saves mnt/items/2.json '{"name": "b"}'
	mv mnt/items/1.json mnt/items/2.json
	is "$(ls mnt/items)" 2.json
	is "$(value mnt/items/2.json .name)" a
}

test_noreplace_of_an_existing_record_is_eexist() {
	saves mnt/items/2.json '{"name": "b"}'
	is "$(errno noreplace mnt/items/1.json mnt/items/2.json)" 'noreplace: EEXIST'
	echo '{"name": "c"}' >mnt/items/tmp
	is "$(errno noreplace mnt/items/tmp mnt/items/2.json)" 'noreplace: EEXIST'
	is "$(errno link mnt/items/tmp mnt/items/2.json)" 'link: EEXIST'
	is "$(value mnt/items/2.json .name)" b
}

test_moving_to_another_model_validates_there() {
	local before
	before=$(rows)
	is "$(errno rename mnt/items/1.json mnt/boxes/1.json)" 'rename: EBADMSG'
	is "$(rows)" "$before"
	saves mnt/boxes/3.json '{"name": "box"}'
	mv mnt/boxes/3.json mnt/items/3.json
	is "$(value mnt/items/3.json .name)" box
	is "$(ls mnt/boxes)" ''
}

run "$@"
