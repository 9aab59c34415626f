#!/bin/bash
# answers.sh - what a save answers: read behind the write of .new, and in MODEL/.answer/KEY.json; show; meta.json.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# with <<END: directives of the model items.
with() {
	local directives
	directives=$(cat)
	conf <<END
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string required
		qty integer default 1
		pin string write-only
		note string
	}
	$directives
}
model words {
	fields {
		word string key
	}
}
queue tasks {
	fields {
		item_id integer
		note string
	}
}
END
}

mount_with() {
	with
	mount_rowfs
}

# What .new answers.
write_then_read() {
	exec 3<>"mnt/$1/.new"
	echo "$2" >&3
	cat <&3
	exec 3>&-
}

check_says() {
	! rowfs check mount.conf >out 2>&1 || fail "no mistake found"
	has "$(cat out)" "$1"
}

test_each_change_of_a_transaction_answers_with_its_own_job() {
	mount_with <<'END'
	on after_commit create enqueue tasks item_id=:id note=first
	answer create with tasks item_id
END
	mkdir mnt/.txn/t
	for i in 5 3 4; do saves mnt/.txn/t/items/$i.json '{"name": "a"}'; done
	is "$(save mnt/.txn/t/ctl commit)" ok
	is "$(jq -c '[.[] | [.key, .answer.item_id]]' mnt/.txn/t/answer.json)" '[[5,5],[3,3],[4,4]]'
}

test_new_answers_with_the_job() {
	mount_with <<'END'
	on after_commit create enqueue tasks item_id=:id note=first
	answer create with tasks id note status
END
	is "$(write_then_read items '{"name": "a"}')" $'{\n  "id": 1,\n  "note": "first",\n  "status": "queued"\n}'
	is "$(write_then_read items '{"name": "b"}' | jq .id)" 2
}

test_new_answers_with_the_record_by_default() {
	mount_with </dev/null
	is "$(write_then_read items '{"name": "a", "pin": "1234"}')" "$(cat mnt/items/1.json)"
}

test_new_answers_with_fields_of_the_record() {
	mount_with <<'END'
	answer create with items qty id
END
	is "$(write_then_read items '{"name": "a"}' | jq -c .)" '{"qty":1,"id":1}'
}

test_answer_tells_what_the_last_save_answered() {
	mount_with <<'END'
	on after_commit create replace enqueue tasks item_id=:id
	answer create replace with tasks id status
END
	saves mnt/items/7.json '{"name": "a"}'
	is "$(value mnt/items/.answer/7.json .)" '{"id":1,"status":"queued"}'
	saves mnt/items/7.json '{"name": "b"}'
	is "$(value mnt/items/.answer/7.json .)" '{"id":2,"status":"queued"}'
	echo '{"name": "c"}' >>mnt/items/7.json
	is "$(cat mnt/items/.answer/7.json)" "$(cat mnt/items/7.json)"
	is "$(ls mnt/items/.answer)" 7.json
	is "$(stat -c '%a %s' mnt/items/.answer/7.json)" "400 $(wc -c <mnt/items/7.json)"
	hasnt "$(ls -A mnt/items)" answer
}

test_a_save_by_rename_is_answered() {
	mount_with <<'END'
	on after_commit create enqueue tasks item_id=:id
	answer create with tasks id
END
	echo '{"name": "a"}' >mnt/items/tmp
	mv mnt/items/tmp mnt/items/3.json
	is "$(value mnt/items/.answer/3.json .)" '{"id":1}'
}

test_a_save_that_did_nothing_made_no_job() {
	mount_with <<'END'
	on after_commit create replace enqueue tasks item_id=:id
	answer create replace with tasks id
END
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/items/1.json '{"name": "a"}'
	is "$(cat mnt/items/.answer/1.json)" null
}

test_a_refused_save_leaves_the_answer_of_the_last_one() {
	mount_with <<'END'
	on after_commit create replace enqueue tasks item_id=:id
	answer create replace with tasks id
END
	saves mnt/items/1.json '{"name": "a"}'
	refuses EBADMSG mnt/items/1.json '{"name": 1}'
	is "$(value mnt/items/.answer/1.json .id)" 1
}

test_the_answer_shows_the_row_as_it_is() {
	mount_with <<'END'
	on after_commit create enqueue tasks item_id=:id
	answer create with tasks id note
END
	saves mnt/items/1.json '{"name": "a"}'
	echo '{"note": "changed"}' >>mnt/tasks/1.json
	is "$(value mnt/items/.answer/1.json .note)" changed
	rm mnt/tasks/1.json
	fails cat mnt/items/.answer/1.json
}

test_a_text_key_is_answered() {
	mount_with </dev/null
	saves 'mnt/words/a%2Fb.json' '{}'
	is "$(ls mnt/words/.answer)" 'a%2Fb.json'
	is "$(value 'mnt/words/.answer/a%2Fb.json' .word)" a/b
}

test_no_answer_without_a_save() {
	mount_with </dev/null
	saves mnt/items/1.json '{"name": "a"}'
	fails cat mnt/items/.answer/2.json
	fails cat mnt/items/.answer/01.json
	remount
	is "$(ls mnt/items/.answer)" ''
	fails cat mnt/items/.answer/1.json
	has "$(errno open mnt/items/.answer/1.json wct)" EPERM
}

test_an_answer_can_neither_be_written_nor_removed() {
	mount_with </dev/null
	saves mnt/items/1.json '{"name": "a"}'
	has "$(errno open mnt/items/.answer/1.json wt)" EACCES
	is "$(errno unlink mnt/items/.answer/1.json)" 'unlink: EPERM'
	is "$(errno rename mnt/items/.answer/1.json mnt/items/2.json)" 'rename: EPERM'
}

test_a_user_sees_only_his_own() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	with <<'END'
	mode 0666; dir-mode 0777
END
	mount_rowfs mount.conf -o allow_other
	chmod 755 .
	saves mnt/items/1.json '{"name": "a"}'
	is "$(setpriv --reuid 65534 --regid 65534 --clear-groups ls mnt/items/.answer)" ''
	fails setpriv --reuid 65534 --regid 65534 --clear-groups cat mnt/items/.answer/1.json
}

test_the_newest_256_of_a_user_are_kept() {
	local i
	mount_with </dev/null
	for i in {1..258}; do echo '{"name": "a"}' >"mnt/items/$i.json"; done
	is "$(ls mnt/items/.answer | wc -l)" 256
	fails cat mnt/items/.answer/2.json
	is "$(value mnt/items/.answer/258.json .id)" 258
}

# ---- mount.conf ----

test_an_answer_that_no_hook_makes_is_a_mistake() {
	with <<'END'
	on after_commit create enqueue tasks item_id=:id
	answer create replace with tasks id
END
	check_says "^mount.conf:11:29: error: a replace can't be answered with 'tasks': no hook of 'items' makes a record of it then"
	with <<'END'
	on post_save sql "insert into words values (:name)"
	answer create with words word
END
	check_says "a create can't be answered with 'words'"
	with <<'END'
	on after_commit run hooks/log
	answer create with tasks id
END
	check_says "a create can't be answered with 'tasks'"
}

test_a_mistake_in_a_hook_is_told_alone() {
	with <<'END'
	on after_commit create enqueue task item_id=:id
	answer create with tasks id
END
	check_says "did you mean 'tasks'"
	hasnt "$(cat out)" 'answered with'
}

# ---- .answer, listed ----

test_an_answer_that_can_be_read_no_more_is_not_listed() {
	with <<'END'
	visible owner
	owner uid
END
	sed -i 's/^\t\tname string required/&\n\t\tuid integer/' mount.conf
	chmod 755 .
	mount_rowfs mount.conf -o allow_other
	for key in 1 2 3; do
		is "$(by 1001 open mnt/items/$key.json wc : write '{"name": "a", "uid": 1001}' : close)" ok
	done
	is "$(as 1001 ls mnt/items/.answer)" $'1.json\n2.json\n3.json'
	echo '{"uid": 1002}' >>mnt/items/2.json
	rm mnt/items/3.json
	has "$(by 1001 open mnt/items/.answer/2.json r)" ENOENT
	is "$(as 1001 ls mnt/items/.answer)" 1.json
	is "$(as 1001 find mnt/items/.answer -type f -size +0)" mnt/items/.answer/1.json
}

# ---- show ----

test_show_names_the_fields_of_the_file() {
	mount_with <<'END'
	show name note
END
	saves mnt/items/1.json '{"name": "a", "qty": 5}'
	is "$(value mnt/items/1.json .)" '{"id":1,"name":"a","note":null}'
	saves mnt/items/1.json '{"name": "b"}'
	is "$(sql 'select name, qty from items')" 'b|5'
	echo '{"qty": 6}' >>mnt/items/1.json
	is "$(sql 'select name, qty from items')" 'b|6'
	is "$(value mnt/items/.info/meta.json '.verbs.get.answer.fields')" '["id","name","note"]'
}

# ---- meta.json ----

test_meta_tells_what_each_verb_takes_and_answers() {
	mount_with <<'END'
	on after_commit create enqueue tasks item_id=:id
	answer create with tasks id status
END
	local meta=mnt/items/.info/meta.json
	is "$(value $meta '[.model, .key, (.verbs | keys_unsorted)]')" \
		'["items","id",["create","replace","patch","delete","get"]]'
	is "$(value $meta .verbs.create.answer)" '{"model":"tasks","fields":["id","status"]}'
	is "$(value $meta .verbs.replace.answer)" '{"model":"items","fields":["id","name","qty","note"]}'
	is "$(value $meta '.verbs.create.input | [keys_unsorted, (.name, .qty, .id | .required)]')" \
		'[["id","name","qty","pin","note"],true,false,false]'
	is "$(value $meta .verbs.patch.input.name)" '{"type":"string","required":false}'
	is "$(value $meta '.verbs | [.delete, .get.input]')" '[{"input":null,"answer":null},null]'
}

test_meta_of_a_read_only_model_has_get_alone() {
	mount_with <<'END'
	read-only
END
	is "$(value mnt/items/.info/meta.json '.verbs | keys')" '["get"]'
}

run "$@"
