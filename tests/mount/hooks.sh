#!/bin/bash
# Hooks: when each event happens, what each kind may do, what a refusal undoes.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# with <<END: mounts items, logs and a queue with these hooks in the block of items.
with() {
	local hooks
	hooks=$(cat)
	conf <<END
store sqlite:shop.db
${EVERYWHERE:-}
model items {
	fields {
		id integer key
		name string
		qty integer default 1
		pin string write-only
		inner string hidden default i
	}
	$hooks
}
model events {
	fields {
		id integer key
		text string
	}
}
queue tasks {
	fields {
		item_id integer
		note string
	}
}
END
	mount_rowfs
}

# A program that appends its event and verb to the file `log`.
logger() {
	program hooks/log <<'END'
#!/bin/sh
cat > last.json
echo "$ROWFS_EVENT $ROWFS_VERB ${1:-}" >> log
END
}

lines() { [ "$(wc -l <log)" -ge "$1" ]; }

# ---- events ----

test_events_of_a_save_come_in_order() {
	logger
	with <<'END'
	on after_commit run hooks/log
	on before_commit run hooks/log
	on post_save run hooks/log
	on pre_save run hooks/log
END
	saves mnt/items/1.json '{"name": "a"}'
	eventually lines 4
	is "$(cut -d' ' -f1 log)" $'pre_save\npost_save\nbefore_commit\nafter_commit'
}

test_events_of_a_delete_come_in_order() {
	logger
	with <<'END'
	on after_commit,before_commit,post_delete,pre_delete delete run hooks/log
END
	saves mnt/items/1.json '{"name": "a"}'
	rm mnt/items/1.json
	eventually lines 4
	is "$(cat log)" $'pre_delete delete \npost_delete delete \nbefore_commit delete \nafter_commit delete '
}

test_hooks_of_one_event_run_in_declared_order_and_those_of_every_model_first() {
	logger
	EVERYWHERE='on pre_save run hooks/log everywhere' with <<'END'
	on pre_save run hooks/log one
	on pre_save run hooks/log two
END
	saves mnt/items/1.json '{"name": "a"}'
	is "$(cut -d' ' -f3 log)" $'everywhere\none\ntwo'
	saves mnt/events/1.json '{}'
	is "$(tail -n 1 log)" 'pre_save create everywhere'
}

test_verbs_choose_among_saves() {
	logger
	with <<'END'
	on pre_save create run hooks/log
	on pre_save replace run hooks/log
	on pre_save patch run hooks/log
	on pre_save update run hooks/log update
END
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/items/1.json '{"name": "b"}'
	echo '{"name": "c"}' >>mnt/items/1.json
	is "$(cut -d' ' -f2- log)" $'create \nreplace \nreplace update\npatch \npatch update'
}

test_equal_content_fires_no_hook() {
	logger
	with <<'END'
	on pre_save run hooks/log
	on after_commit enqueue tasks item_id=:id
END
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/items/1.json '{"name": "a"}'
	cp mnt/items/1.json copy
	cp copy mnt/items/1.json
	echo '{"name": "a"}' >>mnt/items/1.json
	is "$(wc -l <log)" 1
	is "$(ls mnt/tasks)" 1.json
}

# ---- apply ----

test_what_an_apply_hook_handles_is_no_error_and_leaves_no_row() {
	program hooks/apply <<'END'
#!/bin/sh
echo '{"handled": true}'
END
	logger
	EVERYWHERE='on apply run hooks/log everywhere' with <<'END'
	on apply create run hooks/apply
	on post_save run hooks/log
END
	saves mnt/items/1.json '{"name": "a"}'
	is "$(ls mnt/items)" ''
	fails cat mnt/items/1.json
	is "$(cat log)" $'apply create everywhere\npost_save create '
	is "$(cat mnt/.errors)" ''
}

test_handled_in_every_way_of_saving_leaves_things_as_they_are() {
	program hooks/apply <<'END'
#!/bin/sh
[ "$new_name" = keep ] || echo '{"handled": true}'
END
	with <<'END'
	on apply run hooks/apply
END
	saves mnt/items/1.json '{"name": "keep"}'
	saves mnt/items/.new '{"name": "a"}'
	echo '{"name": "b"}' >mnt/items/tmp
	mv mnt/items/tmp mnt/items/1.json
	echo '{"qty": 9}' | sed 's/}/, "name": "c"}/' >>mnt/items/1.json
	rm mnt/items/1.json
	is "$(ls mnt/items)" 1.json
	is "$(value mnt/items/1.json '[.name, .qty]')" '["keep",1]'
	is "$(cat mnt/.errors)" ''
}

test_an_apply_hook_may_store_the_record_in_its_own_way() {
	with <<'END'
	on apply sql "insert or replace into items (id, name, qty) values (:id, :name, 9); select 1 as handled"
END
	saves mnt/items/1.json '{"name": "a", "qty": 2}'
	is "$(value mnt/items/1.json .qty)" 9
	jq -c '.name = "b"' mnt/items/1.json >mnt/items/tmp
	mv mnt/items/tmp mnt/items/1.json
	is "$(value mnt/items/1.json '[.name, .qty]')" '["b",9]'
}

test_an_apply_hook_refuses_before_and_after_its_change() {
	with <<'END'
	on apply sql "insert into events (text) values ('half'); select 'No ' || :name as error where :qty > 1"
	on apply check ":name <> 'bad'" "No bad names"
END
	refuses ECANCELED mnt/items/1.json '{"name": "a", "qty": 2}'
	is "$(last_error)" 'No a'
	refuses ECANCELED mnt/items/1.json '{"name": "bad"}'
	saves mnt/items/1.json '{"name": "a"}'
}

# ---- check and sql ----

test_a_check_refuses_with_its_message() {
	with <<'END'
	on pre_save check ":qty < 10" "Ten is too many"
END
	refuses ECANCELED mnt/items/1.json '{"qty": 10}'
	is "$(last_error)" 'Ten is too many'
	saves mnt/items/1.json '{"qty": 9}'
}

test_a_check_on_delete_sees_the_old_row() {
	with <<'END'
	on pre_delete check ":old_qty <> 5" "Five stays"
END
	saves mnt/items/1.json '{"qty": 5}'
	is "$(errno unlink mnt/items/1.json : unlink mnt/items/1.json)" 'unlink: ECANCELED, unlink: ECANCELED'
	is "$(last_error)" 'Five stays'
	saves mnt/items/1.json '{"qty": 6}'
	rm mnt/items/1.json
}

test_sql_writes_in_the_same_transaction() {
	with <<'END'
	on post_save sql "insert into events (text) values (:verb || ' ' || :key || ' ' || :new_name || ' ' || coalesce(:old_name, '-'))"
	on post_delete sql "insert into events (text) values (:verb || ' ' || :old_name || ' ' || (:new_name is null))"
END
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/items/1.json '{"name": "b"}'
	rm mnt/items/1.json
	is "$(jq -r .text mnt/events/*.json)" $'create 1 a -\nreplace 1 b a\ndelete b 1'
}

test_sql_uses_tables_views_and_computed_columns_that_mount_conf_does_not_have() {
	sql "create table log (what text); create view loud as select upper(what) as what from log;
		create table events (id integer primary key autoincrement, text text, length integer as (length(text))) strict;
		insert into events (text) values ('four')"
	with <<'END'
	on post_save sql "insert into log values (:name); delete from log where what = 'no'"
	on pre_save sql "select (select length from events) as qty, 'Twice' as error where exists (select 1 from loud where what = upper(:name))"
END
	rowfs check mount.conf >/dev/null
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/items/1.json '{"name": "no"}'
	is "$(sql 'select * from log')" a
	refuses ECANCELED mnt/items/2.json '{"name": "a"}'
}

# Of a view mount.conf can't say that it is one.
test_sql_that_the_database_can_not_do_is_a_mistake_and_mounts_nothing() {
	sql 'create view seen as select 1 as id'
	conf <<'END'
store sqlite:shop.db
model items {
	fields { id integer key }
	on post_save sql "delete from seen"
}
model seen {
	read-only
	fields { id integer key }
}
END
	mkdir mnt
	fails rowfs mount.conf mnt
	is "$(rowfs check mount.conf 2>&1 | head -n 1)" "mount.conf:4:19: error: cannot modify seen because it is a view"
}

test_rows_of_sql_in_pre_save_replace_fields() {
	with <<'END'
	on pre_save sql "select upper(:name) as name, :qty * 2 as qty"
END
	saves mnt/items/1.json '{"name": "a", "qty": 4}'
	is "$(value mnt/items/1.json '[.name, .qty]')" '["A",8]'
	is "$(stat -c %s mnt/items/1.json)" "$(wc -c <mnt/items/1.json)"
}

test_a_column_error_refuses_with_its_text() {
	with <<'END'
	on pre_save sql "select case when :qty > 5 then 'Too many of ' || :name end as error"
END
	saves mnt/items/1.json '{"name": "a", "qty": 5}'
	refuses ECANCELED mnt/items/1.json '{"name": "b", "qty": 6}'
	is "$(last_error)" 'Too many of b'
}

test_a_refusal_after_the_row_changed_undoes_everything() {
	with <<'END'
	on post_save sql "insert into events (text) values ('saved')"
	on after_commit enqueue tasks item_id=:id
	on before_commit check ":name <> 'bad'" "No bad names"
END
	refuses ECANCELED mnt/items/1.json '{"name": "bad"}'
	saves mnt/items/1.json '{"name": "good"}'
	refuses ECANCELED mnt/items/1.json '{"name": "bad"}'
	is "$(ls mnt/events mnt/tasks)" $'mnt/events:\n1.json\n\nmnt/tasks:\n1.json'
}

test_the_uid_of_the_writer_is_known_to_sql() {
	with <<'END'
	on pre_save sql "select :uid as qty"
END
	saves mnt/items/1.json '{"name": "a"}'
	is "$(value mnt/items/1.json .qty)" "$(id -u)"
}

test_files_that_sql_touches_show_the_change_at_once() {
	with <<'END'
	on post_save sql "update events set text = :name where id = 1"
END
	saves mnt/events/1.json '{"text": "x"}'
	local before
	before=$(stat -c %y mnt/events/1.json)
	cat mnt/events/1.json >/dev/null
	saves mnt/items/1.json '{"name": "longer than before"}'
	is "$(value mnt/events/1.json .text)" 'longer than before'
	is "$(stat -c %s mnt/events/1.json)" "$(wc -c <mnt/events/1.json)"
	[ "$(stat -c %y mnt/events/1.json)" != "$before" ]
}

test_what_sql_of_a_hook_may_not_do_is_a_mistake_in_mount_conf() {
	local text
	for text in commit 'attach database "x" as y' 'pragma user_version = 1' 'drop table items' 'select :colour' 'selec 1'; do
		conf <<END
store sqlite:shop.db
model items {
	fields {
		id integer key
	}
	on post_save sql '$text'
}
END
		has "$(rowfs check mount.conf 2>&1 || true)" '^mount.conf:6:[0-9]+: error: '
		fails rowfs check mount.conf
	done
}

# ---- run ----

test_a_program_gets_the_event_and_its_environment() {
	program hooks/env <<'END'
#!/bin/sh
cat > event.json
env | sort > env
pwd > cwd
END
	with <<'END'
	on pre_save run hooks/env
END
	saves mnt/items/1.json '{"name": "a", "pin": "topsecret"}'
	saves mnt/items/1.json '{"name": "b"}'
	is "$(value event.json '[.version, .event, .verb, .put_type, .model, .key, .status]')" \
		'[1,"pre_save","replace","updated","items",1,"modified"]'
	is "$(value event.json '[.old.name, .new.name, .changed]')" '["a","b",["name"]]'
	is "$(value event.json '[.actor.uid, .actor.gid, .actor.comm]')" "[$(id -u),$(id -g),\"errno\"]"
	has "$(value event.json .actor.pid)" '^[1-9]'
	has "$(cat env)" '^ROWFS_EVENT=pre_save$'
	has "$(cat env)" '^ROWFS_VERB=replace$'
	has "$(cat env)" '^ROWFS_PUT_TYPE=updated$'
	has "$(cat env)" '^ROWFS_MODEL=items$'
	has "$(cat env)" '^ROWFS_KEY=1$'
	has "$(cat env)" "^ROWFS_UID=$(id -u)\$"
	has "$(cat env)" "^ROWFS_MOUNT=$PWD/mnt\$"
	has "$(cat env)" "^ROWFS_CONF=$PWD/mount.conf\$"
	has "$(cat env)" '^new_name=b$'
	has "$(cat env)" '^old_name=a$'
	hasnt "$(cat env)" '^(BUILD|ASAN_OPTIONS|LC_ALL|TZ)='
	hasnt "$(cat env event.json)" topsecret
	is "$(cat cwd)" "$PWD"
}

test_the_first_event_of_a_record_says_newly_created() {
	program hooks/env <<'END'
#!/bin/sh
cat > event.json
test ! -e mnt/items/1.json || echo "readable already" >&2
END
	with <<'END'
	on pre_save run hooks/env
END
	saves mnt/items/1.json '{"name": "a"}'
	is "$(value event.json '[.put_type, .status, .old, .key]')" '["newly_created","inserted",null,1]'
}

test_the_event_of_a_delete_has_no_new() {
	program hooks/env <<'END'
#!/bin/sh
cat > event.json
env > env
END
	with <<'END'
	on pre_delete run hooks/env
END
	saves mnt/items/1.json '{"name": "a"}'
	rm mnt/items/1.json
	is "$(value event.json '[.event, .verb, .status, .new, .old.name]')" '["pre_delete","delete","deleted",null,"a"]'
	hasnt "$(cat env)" '^new_'
}

test_a_field_too_long_for_the_environment_is_named() {
	program hooks/env <<'END'
#!/bin/sh
cat > event.json
env > env
END
	with <<'END'
	on pre_save run hooks/env
END
	jq -n '{name: ("x" * 5000)}' >mnt/items/1.json
	has "$(cat env)" '^ROWFS_OMITTED=.*name'
	hasnt "$(cat env)" '^new_name='
	is "$(value event.json '.new.name | length')" 5000
}

test_any_exit_status_but_0_refuses_with_the_first_line_of_stderr() {
	program hooks/no <<'END'
#!/bin/sh
echo "Not today" >&2
echo "nor tomorrow" >&2
exit "$new_qty"
END
	with <<'END'
	on pre_save run hooks/no
END
	local status
	for status in 1 2 75 126 255; do
		refuses ECANCELED mnt/items/1.json "{\"qty\": $status}"
		is "$(last_error)" 'Not today' "status $status"
	done
	saves mnt/items/1.json '{"qty": 0}'
}

test_the_message_may_begin_with_an_errno() {
	program hooks/no <<'END'
#!/bin/sh
echo "$new_name is what it is" >&2
exit 1
END
	with <<'END'
	on pre_save run hooks/no
END
	refuses ENOSPC mnt/items/1.json '{"name": "ENOSPC"}'
	refuses EACCES mnt/items/1.json '{"name": "EACCES"}'
	# These would make the kernel or a tool act on them: rename's EXDEV, ESTALE's second try.
	local name
	for name in ESTALE EXDEV EINVAL EINTR ENOSYS; do
		hasnt "$(save mnt/items/1.json "{\"name\": \"$name\"}")" "ok|$name"
	done
}

test_a_program_that_dies_of_a_signal_refuses() {
	program hooks/no <<'END'
#!/bin/sh
kill -SEGV $$
END
	with <<'END'
	on pre_save run hooks/no
END
	refuses ECANCELED mnt/items/1.json '{"name": "a"}'
	has "$(last_error)" 'hooks/no'
}

test_a_program_that_is_not_there_refuses() {
	with <<'END'
	on pre_save run hooks/nowhere
END
	hasnt "$(save mnt/items/1.json '{"name": "a"}')" '^ok'
	has "$(last_error)" 'hooks/nowhere'
	is "$(ls mnt/items)" ''
	allow_log 'hooks/nowhere'
}

test_pre_save_may_edit_the_record() {
	program hooks/edit <<'END'
#!/bin/sh
jq '{new: (.new | .qty = 42)}'
END
	with <<'END'
	on pre_save run hooks/edit
	on post_save sql "insert into events (text) values (:new_qty)"
END
	saves mnt/items/1.json '{"name": "a"}'
	is "$(value mnt/items/1.json .qty)" 42
	is "$(value mnt/events/1.json .text)" 42
}

test_an_edit_back_to_what_is_stored_goes_no_further() {
	logger
	program hooks/lower <<'END'
#!/bin/sh
jq -c '{new: (.new | .name |= ascii_downcase)}'
END
	with <<'END'
	on pre_save run hooks/lower
	on post_save,before_commit run hooks/log
	on post_save enqueue tasks item_id=:id
END
	saves mnt/items/1.json '{"name": "a"}'
	is "$(cat log)" $'post_save create \nbefore_commit create '
	local before
	before=$(stat -c %y%z mnt/items/1.json)
	saves mnt/items/1.json '{"name": "A"}'
	saves mnt/items/1.json '{"name": "A", "pin": "1"}'
	is "$(cat log)" $'post_save create \nbefore_commit create \npost_save replace \nbefore_commit replace '
	is "$(ls mnt/tasks)" $'1.json\n2.json'
	is "$(value mnt/items/1.json .name)" a
	[ "$before" != "$(stat -c %y%z mnt/items/1.json)" ] || fail "the write-only field was not stored"
}

test_an_edit_that_breaks_a_rule_is_refused() {
	program hooks/edit <<'END'
#!/bin/sh
jq '{new: (.new | .qty = "many")}'
END
	with <<'END'
	on pre_save run hooks/edit
END
	refuses ECANCELED mnt/items/1.json '{"name": "a"}'
	has "$(last_error)" 'hooks/edit.*/qty: must be an integer'
}

test_a_program_may_refuse_with_errors_by_field() {
	program hooks/no <<'END'
#!/bin/sh
echo '{"errors": {"name": "is taken", "qty": "is odd"}, "message": "Look again"}'
END
	with <<'END'
	on pre_save run hooks/no
END
	hasnt "$(save mnt/items/1.json '{"name": "a"}')" '^ok'
	is "$(last_error '[.problems[] | select(.pointer != "") | .pointer + " " + .message] | sort | join(", ")')" \
		'/name is taken, /qty is odd'
	has "$(last_error)" '^Look again'
	is "$(ls mnt/items)" ''
}

test_output_that_is_no_json_object_refuses() {
	program hooks/chatty <<'END'
#!/bin/sh
echo hello
END
	with <<'END'
	on pre_save run hooks/chatty
END
	hasnt "$(save mnt/items/1.json '{"name": "a"}')" '^ok'
	has "$(last_error)" 'hooks/chatty'
	is "$(ls mnt/items)" ''
}

test_too_much_output_refuses() {
	program hooks/chatty <<'END'
#!/bin/sh
yes | head -c 3000000
END
	with <<'END'
	on pre_save run hooks/chatty
END
	hasnt "$(save mnt/items/1.json '{"name": "a"}')" '^ok'
	is "$(ls mnt/items)" ''
}

test_a_program_that_reads_nothing_is_fine() {
	program hooks/deaf <<'END'
#!/bin/sh
exec <&-
exit 0
END
	with <<'END'
	on pre_save run hooks/deaf
END
	jq -n '{name: ("x" * 500000)}' >mnt/items/1.json
	saves mnt/items/2.json '{"name": "a"}'
}

test_a_program_may_save_and_delete_other_records_in_the_same_transaction() {
	program hooks/more <<'END'
#!/bin/sh
echo '{"save": [{"path": "events/5.json", "put": {"text": "made"}}, {"path": "events/1.json", "merge": {"text": "new"}}],
	"delete": ["events/2.json"]}'
END
	with <<'END'
	on pre_save create run hooks/more
	on before_commit replace run hooks/more
END
	saves mnt/events/1.json '{"text": "old"}'
	refuses ECANCELED mnt/items/1.json '{"name": "a"}'
	is "$(last_error)" 'hooks/more: events/2.json does not exist'
	saves mnt/events/2.json '{}'
	saves mnt/items/1.json '{"name": "a"}'
	is "$(jq -r .text mnt/events/*.json)" $'new\nmade'
	is "$(ls mnt/events)" $'1.json\n5.json'
	saves mnt/events/2.json '{}'
	sql 'delete from events where id = 5'
	saves mnt/items/1.json '{"name": "b"}'
	is "$(ls mnt/events)" $'1.json\n5.json'
}

test_what_a_program_deletes_and_is_not_there_is_no_success_for_rm_f() {
	program hooks/more <<'END'
#!/bin/sh
echo '{"delete": ["events/2.json"]}'
END
	program hooks/self <<'END'
#!/bin/sh
[ -e events ] || echo '{"delete": ["items/1.json"]}'
END
	with <<'END'
	on pre_delete run hooks/self
	on post_delete run hooks/more
END
	saves mnt/items/1.json '{"name": "a"}'
	fails rm -f mnt/items/1.json
	is "$(last_error '[.errno, .message] | join(" ")')" \
		'ECANCELED hooks/self: items/1.json: this record is being deleted already'
	touch events
	fails rm -f mnt/items/1.json
	is "$(last_error '[.errno, .message] | join(" ")')" 'ECANCELED hooks/more: events/2.json does not exist'
	is "$(ls mnt/items)" 1.json
}

test_the_version_that_a_program_was_wrong_about_is_told() {
	program hooks/stale <<'END'
#!/bin/sh
echo '{"save": [{"path": "events/1.json", "merge": {"_checksum": "abc", "text": "b"}}]}'
END
	with <<'END'
	on post_save run hooks/stale
END
	saves mnt/events/1.json '{"text": "a"}'
	refuses EBUSY mnt/items/1.json '{"name": "a"}'
	is "$(last_error '.checksum.supplied + " " + .checksum.current')" \
		"abc $(getfattr --only-values -n user.rowfs.checksum mnt/events/1.json)"
}

test_hooks_that_nest_too_deep_are_told_in_one_sentence() {
	program hooks/next <<'END'
#!/bin/sh
echo '{"save": [{"path": "items/.new", "put": {"name": "a"}}]}'
END
	with <<'END'
	on post_save run hooks/next
END
	refuses EPROTO mnt/items/1.json '{"name": "a"}'
	is "$(last_error)" \
		'hooks/next: items/.new: hooks save records, whose hooks save records, more than 16 deep, the last in items'
}

test_a_refusal_without_a_word_is_a_sentence_all_the_same() {
	program hooks/mute <<'END'
#!/bin/sh
cat answer
END
	touch answer
	with <<'END'
	on pre_save run hooks/mute
	on pre_save sql "select '' as error where :name = 'sql'"
	on pre_save check ":name <> 'check'" ""
END
	refuses ECANCELED mnt/items/1.json '{"name": "sql"}'
	is "$(last_error)" 'an sql hook refuses'
	refuses ECANCELED mnt/items/1.json '{"name": "check"}'
	is "$(last_error)" 'a check refuses'
	echo '{"message": ""}' >answer
	refuses ECANCELED mnt/items/1.json '{"name": "a"}'
	is "$(last_error)" 'hooks/mute refuses'
	echo '{"message": "", "errors": {"name": ""}}' >answer
	refuses ECANCELED mnt/items/1.json '{"name": "a"}'
	is "$(last_error)" '/name: is refused'
}

test_a_program_that_takes_too_long_is_ended_and_the_save_is_etimedout() {
	program hooks/slow <<'END'
#!/bin/sh
echo $$ > pid
exec sleep 30
END
	with <<'END'
	on pre_save run hooks/slow { timeout 300ms }
END
	refuses ETIMEDOUT mnt/items/1.json '{"name": "a"}'
	has "$(last_error)" 'hooks/slow'
	eventually gone "$(cat pid)"
}

test_a_program_that_ignores_term_is_killed() {
	program hooks/stubborn <<'END'
#!/bin/bash
trap '' TERM
echo $$ > pid
while :; do sleep 0.1; done
END
	with <<'END'
	on pre_save run hooks/stubborn { timeout 200ms }
END
	refuses ETIMEDOUT mnt/items/1.json '{"name": "a"}'
	eventually gone "$(cat pid)"
}

test_children_of_a_program_do_not_outlive_it() {
	program hooks/forks <<'END'
#!/bin/sh
sleep 60 &
echo $! > pid
END
	with <<'END'
	on pre_save run hooks/forks
END
	saves mnt/items/1.json '{"name": "a"}'
	eventually gone "$(cat pid)"
}

test_a_program_runs_in_its_own_session() {
	program hooks/session <<'END'
#!/bin/sh
cut -d' ' -f5,6 /proc/self/stat > session
cat >/dev/null
END
	with <<'END'
	on pre_save run hooks/session
END
	saves mnt/items/1.json '{"name": "a"}'
	[ "$(cut -d' ' -f2 session)" != "$(cut -d' ' -f6 "/proc/$daemon/stat")" ]
}

test_a_hook_that_writes_to_the_mount_gets_edeadlk() {
	program hooks/loop <<END
#!/bin/bash
cat >/dev/null
$BUILD/tool/errno open mnt/events/1.json wct : write '{}' : close > result 2>&1
timeout 4 sh -c 'echo "{}" > mnt/events/2.json' 2>> result
true
END
	with <<'END'
	on post_save run hooks/loop
END
	saves mnt/items/1.json '{"name": "a"}'
	has "$(cat result)" EDEADLK
	has "$(cat result)" 'Resource deadlock avoided'
	is "$(ls mnt/events)" ''
}

test_a_hook_that_takes_a_key_or_renews_a_lease_outside_its_transaction_gets_edeadlk() {
	program hooks/take <<END
#!/bin/sh
$BUILD/tool/errno open mnt/items/.new r : read >>result
$BUILD/tool/errno touch mnt/tasks/1.json >>result
END
	with <<'END'
	on pre_save,post_save run hooks/take
END
	saves mnt/tasks/1.json '{"note": "a"}'
	saves mnt/tasks/1.json '{"note": "a", "status": "running"}'
	saves mnt/items/7.json '{"name": "a"}'
	is "$(sort -u result)" $'open: EDEADLK, read: EBADF\ntouch: EDEADLK'
	is "$(cat mnt/items/.new)" 8
}

test_readers_do_not_wait_for_a_hook() {
	mkfifo go
	program hooks/wait <<'END'
#!/bin/sh
cat >/dev/null
echo > waiting
cat go
END
	with <<'END'
	on post_save update run hooks/wait
END
	saves mnt/items/1.json '{"name": "a"}'
	save mnt/items/1.json '{"name": "b"}' >saved &
	local writer=$!
	eventually test -e waiting
	is "$(timeout 2 cat mnt/items/1.json | jq -r .name)" a
	is "$(timeout 2 ls mnt/items)" 1.json
	echo -n >go
	wait $writer
	is "$(cat saved)" ok
	is "$(value mnt/items/1.json .name)" b
}

# ---- pipe ----

test_a_pipe_hook_edits_with_jq() {
	with <<'END'
	on pre_save pipe jq --unbuffered -c '{version, new: (.new | .name |= ascii_upcase)}'
END
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/items/2.json '{"name": "b"}'
	is "$(jq -r .name mnt/items/*.json)" $'A\nB'
	is "$(pgrep -cP "$daemon" jq)" 1
}

test_a_pipe_program_that_dies_costs_one_save() {
	program hooks/mortal <<'END'
#!/bin/bash
while read -r line; do
	case $line in *'"name":"die"'*) echo "Oh no" >&2; exit 1 ;; esac
	echo '{"version":1}'
done
END
	with <<'END'
	on pre_save pipe hooks/mortal
END
	saves mnt/items/1.json '{"name": "a"}'
	refuses ECANCELED mnt/items/1.json '{"name": "die"}'
	is "$(last_error)" 'Oh no'
	saves mnt/items/1.json '{"name": "b"}'
}

test_a_pipe_program_ends_with_the_mount() {
	program hooks/pid <<'END'
#!/bin/bash
echo $$ >pid
while read -r line; do echo '{"version":1}'; done
echo bye >bye
END
	with <<'END'
	on post_save pipe hooks/pid
END
	saves mnt/items/1.json '{"name": "a"}'
	unmount
	is "$(cat bye)" bye
	gone "$(cat pid)"
}

test_a_pipe_program_can_read_the_mount_and_not_save_to_it() {
	program hooks/busy <<END
#!/bin/bash
while read -r line; do
	cat mnt/items/1.json >read 2>/dev/null
	$BUILD/tool/errno open mnt/events/1.json wct : write '{}' : close >result
	echo '{"version":1}'
done
END
	with <<'END'
	on post_save pipe hooks/busy
END
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/items/1.json '{"name": "b"}'
	is "$(value read .name)" a
	has "$(cat result)" EDEADLK
}

# ---- plugin ----

test_a_plugin_works_in_the_transaction() {
	conf <<END
store sqlite:shop.db
model tracks {
	fields {
		id integer key
		sold integer
	}
}
model orders {
	fields {
		id integer key
		track_id integer references tracks
		quantity integer default 1
	}
	on pre_save,post_save,post_delete plugin "$BUILD/plugin/sample.so" most=10
	on before_commit check ":quantity <> 7" "Seven is unlucky"
}
END
	mount_rowfs
	saves mnt/tracks/1.json '{}'
	saves mnt/orders/1.json '{"track_id": 1, "quantity": 2}'
	refuses EDQUOT mnt/orders/1.json '{"track_id": 1, "quantity": 11}'
	refuses ECANCELED mnt/orders/1.json '{"track_id": 1, "quantity": 7}'
	is "$(value mnt/tracks/1.json .sold)" 2
	saves mnt/orders/1.json '{"track_id": 1, "quantity": 5}'
	is "$(value mnt/tracks/1.json .sold)" 5
	rm mnt/orders/1.json
	is "$(value mnt/tracks/1.json .sold)" 0
	is "$(rowfs check mount.conf | head -n 1)" "orders: pre_save create replace patch plugin $BUILD/plugin/sample.so most=10"
}

# ---- as ----

test_a_program_runs_as_the_user_it_is_told() {
	[ "$(id -u)" = 0 ] || skip 'only root runs programs as somebody else'
	program hooks/who <<'END'
#!/bin/sh
if [ "$1" = pipe ]; then
	read -r line
	echo '{"version":1,"message":"'"$(id -un) $(id -gn) $(id -Gn) $HOME"'"}'
	exec cat >/dev/null
fi
echo "$(id -un) $(id -gn) $(id -Gn) $HOME" >&2
exit 1
END
	with <<'END'
	on pre_save create run hooks/who run { as nobody; timeout 3s }
	on pre_save create pipe hooks/who pipe { as nobody }
END
	local expected
	expected="nobody $(id -gn nobody) $(id -Gn nobody) $(getent passwd nobody | cut -d: -f6)"
	has "$(rowfs check mount.conf)" 'run .*/hooks/who run \{ timeout 3000ms; as nobody \}$'
	chmod 755 .
	refuses ECANCELED mnt/items/1.json '{"name": "a"}'
	is "$(last_error)" "$expected"
	unmount
	sed -i '/run hooks/d' mount.conf
	mount_rowfs
	refuses ECANCELED mnt/items/1.json '{"name": "a"}'
	is "$(last_error)" "$expected"
}

test_only_root_may_mount_with_as() {
	[ "$(id -u)" = 0 ] || skip 'only root can play another user'
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
	}
	on pre_save run ls { as root }
}
END
	mkdir mnt
	chown -R nobody . && chmod 755 .
	has "$(setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups "$BUILD/rowfs" mount.conf mnt -f 2>&1)" \
		'only root can run programs as another user \(line 6\)'
}

# ---- after_commit ----

test_a_failing_after_commit_program_changes_nothing_for_the_writer_and_is_recorded() {
	program hooks/after <<'END'
#!/bin/sh
cat >/dev/null
echo "The mail server is away" >&2
exit 1
END
	with <<'END'
	on after_commit run hooks/after
END
	allow_log 'mail server|hooks/after'
	saves mnt/items/1.json '{"name": "a"}'
	is "$(value mnt/items/1.json .name)" a
	eventually grep -q 'The mail server is away' mnt/.errors
}

test_a_record_whose_after_commit_program_failed_may_be_removed_by_its_writer() {
	allow_log 'false ended'
	with <<'END'
	on after_commit create run false
END
	timeout 20 perl -e '
		open(F, ">", "mnt/items/1.json") and print F "{\"name\": \"a\"}" and close(F) or die "$!";
		select(undef, undef, undef, 0.02) until `cat mnt/.errors` =~ m{items/1.json};
		unlink("mnt/items/1.json") or die "$!"'
}

test_after_commit_runs_after_the_record_can_be_read() {
	program hooks/after <<'END'
#!/bin/sh
cat >/dev/null
jq -r .name "$ROWFS_MOUNT/items/$ROWFS_KEY.json" > read.tmp && mv read.tmp read
END
	with <<'END'
	on after_commit run hooks/after
END
	saves mnt/items/1.json '{"name": "a"}'
	eventually test -e read
	is "$(cat read)" a
}

test_after_commit_may_write_to_the_mount() {
	program hooks/after <<'END'
#!/bin/sh
cat >/dev/null
echo '{"text": "from a hook"}' > "$ROWFS_MOUNT/events/$ROWFS_KEY.json"
END
	with <<'END'
	on after_commit run hooks/after
END
	saves mnt/items/3.json '{"name": "a"}'
	eventually test -e mnt/events/3.json
	is "$(value mnt/events/3.json .text)" 'from a hook'
}

# ---- enqueue ----

test_enqueue_writes_the_job_with_the_save() {
	with <<'END'
	on after_commit create enqueue tasks item_id=:id note="first"
	on post_save replace enqueue tasks item_id=:id note=:old_name
END
	saves mnt/items/7.json '{"name": "a"}'
	is "$(value mnt/tasks/1.json '[.item_id, .note, .status, .attempts]')" '[7,"first","queued",0]'
	saves mnt/items/7.json '{"name": "b"}'
	is "$(value mnt/tasks/2.json '[.item_id, .note]')" '[7,"a"]'
}

run "$@"
