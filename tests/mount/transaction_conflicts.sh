#!/bin/bash
# transaction_conflicts.sh - a commit that is refused because others have removed a record or made one of the key, and
# how the transaction is set right.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'CONF'
store sqlite:shop.db
model users {
	fields {
		id    integer key
		name  string  required
		email string  unique
		pin   string  write-only
		made  string  read-only default x
	}
	has-many orders by user_id
	on post_save sql "insert into trail (what) values (:verb || ' ' || :key)"
	on post_delete sql "insert into trail (what) values (:verb || ' ' || :key)"
}
model orders {
	fields {
		id      integer key
		user_id integer references users on-delete cascade
		note    string
	}
	embeds-many lines by order_id
}
model lines { fields { id integer key
	order_id integer required references orders
	sku string } }
model tags { fields { name string key
	note string } }
model trail { fields { id integer key; what string } }
CONF
	mount_rowfs
	saves mnt/users/1.json '{"name": "Ann", "email": "a@x", "pin": "11"}'
	saves mnt/users/2.json '{"name": "Bob", "email": "b@x", "pin": "22"}'
	sql 'delete from trail'
	mkdir mnt/.txn/t
}

commit() {
	save mnt/.txn/t/ctl commit
}

status() {
	jq -c '[.[].status]' mnt/.txn/t/answer.json
}

waiting() {
	cat mnt/.txn/t/ctl
}

test_a_changed_record_that_was_removed_outside_is_busy_and_the_sentence_says_what_to_do() {
	echo '{"name": "Anna"}' >>mnt/.txn/t/users/1.json
	rm mnt/users/1.json
	is "$(commit)" 'write: EBUSY'
	has "$(last_error)" '^users/1.json: users/1.json has been removed since it was changed here; write it again to make it anew, or remove it$'
	is "$(value mnt/.txn/t/answer.json '[.[0].status, .[0].error.errno]')" '["failed","EBUSY"]'
	is "$(value mnt/.txn/t/users/1.json .name)" Anna
	is "$(commit)" 'write: EBUSY'
}

test_writing_it_again_makes_it_anew() {
	echo '{"name": "Anna"}' >>mnt/.txn/t/users/1.json
	rm mnt/users/1.json
	is "$(commit)" 'write: EBUSY'
	saves mnt/.txn/t/users/1.json '{"name": "Eve", "pin": "33"}'
	is "$(waiting)" 'open 1'
	is "$(commit)" ok
	is "$(status)" '["created"]'
	is "$(sql 'select id, name, email, pin, made from users where id = 1')" '1|Eve||33|x'
}

test_what_is_appended_again_makes_what_the_inside_shows() {
	echo '{"name": "Anna"}' >>mnt/.txn/t/users/1.json
	rm mnt/users/1.json
	is "$(commit)" 'write: EBUSY'
	echo '{"pin": "44"}' >>mnt/.txn/t/users/1.json
	is "$(value mnt/.txn/t/users/1.json '[.name, .email]')" '["Anna","a@x"]'
	is "$(commit)" ok
	is "$(status)" '["created"]'
	is "$(sql 'select name, email from users where id = 1')" 'Anna|a@x'
}

test_writing_the_same_text_again_is_enough() {
	echo '{"name": "Anna"}' >>mnt/.txn/t/users/1.json
	rm mnt/users/1.json
	is "$(commit)" 'write: EBUSY'
	cp mnt/.txn/t/users/1.json same
	cp same mnt/.txn/t/users/1.json
	is "$(commit)" ok
	is "$(sql 'select name, email from users where id = 1')" 'Anna|a@x'
}

test_writing_the_same_text_again_is_enough_for_a_record_that_has_changed() {
	saves mnt/.txn/t/users/1.json '{"name": "Anna"}'
	echo '{"email": "e@x"}' >>mnt/users/1.json
	is "$(commit)" 'write: EBUSY'
	saves mnt/.txn/t/users/1.json '{"name": "Anna"}'
	is "$(commit)" ok
	is "$(sql 'select name, email from users where id = 1')" 'Anna|'
}

test_removing_it_inside_takes_the_change_back() {
	echo '{"name": "Anna"}' >>mnt/.txn/t/users/1.json
	echo '{"name": "Bert"}' >>mnt/.txn/t/users/2.json
	rm mnt/users/1.json
	is "$(commit)" 'write: EBUSY'
	rm mnt/.txn/t/users/1.json
	is "$(waiting)" 'open 1'
	is "$(commit)" ok
	is "$(status)" '["patched"]'
	is "$(sql 'select id, name from users')" '2|Bert'
}

test_several_changes_of_a_removed_record_become_one_create() {
	echo '{"email": "new@x"}' >>mnt/.txn/t/users/1.json
	saves mnt/.txn/t/users/3.json '{"name": "Cid", "email": "a@x"}'
	echo '{"email": "other@x"}' >>mnt/.txn/t/users/1.json
	is "$(waiting)" 'open 3'
	rm mnt/users/1.json
	is "$(commit)" 'write: EBUSY'
	echo '{"name": "Anna"}' >>mnt/.txn/t/users/1.json
	is "$(waiting)" 'open 2'
	is "$(commit)" ok
	is "$(sql 'select id, name, email from users order by id' | tr '\n' ' ')" '1|Anna|other@x 2|Bob|b@x 3|Cid|a@x '
}

test_what_was_to_be_removed_and_is_gone_already_is_no_conflict() {
	rm mnt/.txn/t/users/1.json
	echo '{"name": "Bert"}' >>mnt/.txn/t/users/2.json
	rm mnt/users/1.json
	sql 'delete from trail'
	is "$(commit)" ok
	is "$(status)" '["unchanged","patched"]'
	is "$(sql 'select what from trail')" 'patch 2'
}

test_the_only_change_may_be_such_a_removal() {
	rm mnt/.txn/t/users/1.json
	rm mnt/users/1.json
	is "$(commit)" ok
	is "$(status)" '["unchanged"]'
}

test_what_was_changed_and_then_removed_inside_asks_for_a_second_commit() {
	echo '{"name": "Anna"}' >>mnt/.txn/t/users/1.json
	rm mnt/.txn/t/users/1.json
	rm mnt/users/1.json
	is "$(commit)" 'write: EBUSY'
	is "$(waiting)" 'open 0'
	is "$(commit)" ok
}

test_a_record_that_others_have_made_is_replaced_when_it_is_written_again() {
	saves mnt/.txn/t/tags/a.json '{"note": "mine"}'
	saves mnt/tags/a.json '{"note": "theirs"}'
	is "$(commit)" 'write: EEXIST'
	has "$(last_error)" '^tags/a.json: '
	is "$(value mnt/.txn/t/tags/a.json .note)" mine
	is "$(commit)" 'write: EEXIST'
	saves mnt/.txn/t/tags/a.json '{"note": "mine"}'
	is "$(commit)" ok
	is "$(status)" '["replaced"]'
	is "$(value mnt/tags/a.json .note)" mine
}

test_replacing_what_others_have_made_is_for_that_version() {
	saves mnt/.txn/t/tags/a.json '{"note": "mine"}'
	saves mnt/tags/a.json '{"note": "theirs"}'
	is "$(commit)" 'write: EEXIST'
	echo '{"note": "mine again"}' >>mnt/.txn/t/tags/a.json
	saves mnt/tags/a.json '{"note": "theirs again"}'
	is "$(commit)" 'write: EBUSY'
	is "$(value mnt/tags/a.json .note)" 'theirs again'
	echo '{"note": "mine"}' >>mnt/.txn/t/tags/a.json
	is "$(commit)" ok
	is "$(value mnt/tags/a.json .note)" mine
}

test_removing_the_name_leaves_what_others_have_made() {
	saves mnt/.txn/t/users/7.json '{"name": "Mine"}'
	saves mnt/users/7.json '{"name": "Theirs"}'
	is "$(commit)" 'write: EEXIST'
	rm mnt/.txn/t/users/7.json
	is "$(value mnt/.txn/t/users/7.json .name)" Theirs
	is "$(waiting)" 'open 0'
	is "$(commit)" ok
	is "$(value mnt/users/7.json .name)" Theirs
}

test_what_would_follow_a_removed_name_keeps_the_conflict() {
	saves mnt/.txn/t/users/7.json '{"name": "Mine"}'
	saves mnt/.txn/t/orders/1.json '{"user_id": 7}'
	saves mnt/users/7.json '{"name": "Theirs"}'
	is "$(commit)" 'write: EEXIST'
	rm mnt/.txn/t/users/7.json
	is "$(commit)" 'write: EEXIST'
	is "$(value mnt/users/7.json .name)" Theirs
}

test_a_record_moved_here_that_was_removed_outside_is_made_under_its_new_name() {
	mv mnt/.txn/t/users/1.json mnt/.txn/t/users/5.json
	rm mnt/users/1.json
	is "$(commit)" 'write: EBUSY'
	has "$(last_error)" 'users/1.json, which is users/5.json here, has been removed since; write that again'
	echo '{"name": "Anna"}' >>mnt/.txn/t/users/5.json
	is "$(waiting)" 'open 1'
	is "$(commit)" ok
	is "$(sql 'select id, name, email from users order by id' | tr '\n' ' ')" '2|Bob|b@x 5|Anna|a@x '
}

test_a_move_of_a_removed_record_is_taken_back_by_rm_and_so_is_what_it_replaced() {
	mkdir mnt/.txn/u
	mv mnt/.txn/t/users/1.json mnt/.txn/t/users/5.json
	mv mnt/.txn/u/users/1.json mnt/.txn/u/users/2.json
	rm mnt/users/1.json
	is "$(commit)" 'write: EBUSY'
	rm mnt/.txn/t/users/5.json
	is "$(waiting)" 'open 0'
	is "$(save mnt/.txn/u/ctl commit)" 'write: EBUSY'
	rm mnt/.txn/u/users/2.json
	is "$(save mnt/.txn/u/ctl commit)" ok
	is "$(jq -c '[.[].status]' mnt/.txn/u/answer.json)" '["deleted"]'
	is "$(ls mnt/users)" ''
}

test_a_move_onto_what_others_have_made_replaces_it_when_that_is_written_again() {
	mv mnt/.txn/t/users/1.json mnt/.txn/t/users/9.json
	saves mnt/users/9.json '{"name": "Theirs"}'
	is "$(commit)" 'write: EEXIST'
	echo '{"pin": "9"}' >>mnt/.txn/t/users/9.json
	is "$(commit)" ok
	is "$(sql 'select id, name, pin from users order by id' | tr '\n' ' ')" '2|Bob|22 9|Ann|9 '
}

test_a_move_onto_what_others_have_made_is_a_removal_when_the_name_is_removed() {
	mv mnt/.txn/t/users/1.json mnt/.txn/t/users/9.json
	saves mnt/users/9.json '{"name": "Theirs"}'
	is "$(commit)" 'write: EEXIST'
	rm mnt/.txn/t/users/9.json
	is "$(value mnt/.txn/t/users/9.json .name)" Theirs
	is "$(commit)" ok
	is "$(status)" '["deleted"]'
	is "$(sql 'select id, name from users order by id' | tr '\n' ' ')" '2|Bob 9|Theirs '
}

test_a_move_over_a_record_that_is_gone_already_is_no_conflict() {
	mv mnt/.txn/t/users/1.json mnt/.txn/t/users/2.json
	rm mnt/users/2.json
	is "$(commit)" ok
	is "$(sql 'select id, name from users')" '2|Ann'
}

test_of_an_exchange_the_other_record_still_moves() {
	errno exchange mnt/.txn/t/users/1.json mnt/.txn/t/users/2.json >told
	rm mnt/users/1.json
	is "$(commit)" 'write: EBUSY'
	has "$(last_error)" 'users/1.json, which is users/2.json here, has been removed'
	echo '{"name": "Anna"}' >>mnt/.txn/t/users/2.json
	is "$(commit)" ok
	is "$(status)" '["moved","created"]'
	is "$(sql 'select id, name, email from users order by id' | tr '\n' ' ')" '1|Bob|b@x 2|Anna|a@x '
}

test_of_an_exchange_whose_second_record_is_gone_too() {
	errno exchange mnt/.txn/t/users/1.json mnt/.txn/t/users/2.json >told
	rm mnt/users/2.json
	is "$(commit)" 'write: EBUSY'
	rm mnt/.txn/t/users/1.json
	is "$(commit)" ok
	is "$(sql 'select id, name from users')" '2|Ann'
}

test_parts_that_went_with_a_removed_record_are_gone_inside_too() {
	saves mnt/orders/1.json '{"user_id": 1, "lines": [{"sku": "a"}, {"sku": "b"}]}'
	echo '{"note": "x"}' >>mnt/.txn/t/orders/1.json
	rm mnt/orders/1.json
	is "$(commit)" 'write: EBUSY'
	is "$(value mnt/.txn/t/orders/1.json '[.note, .lines]')" '["x",[]]'
	echo '{"lines": [{"sku": "c"}]}' >>mnt/.txn/t/orders/1.json
	is "$(commit)" ok
	is "$(value mnt/orders/1.json '[.note, .lines[].sku]')" '["x","c"]'
	is "$(sql 'select count(*) from lines')" 1
}

test_an_import_settles_it_too_and_takes_that_back_when_it_is_refused() {
	echo '{"name": "Anna"}' >>mnt/.txn/t/users/1.json
	rm mnt/users/1.json
	is "$(commit)" 'write: EBUSY'
	fails sh -c 'printf "%s\n" "{\"id\": 1, \"name\": \"Eve\"}" "{\"id\": 1}" | cat >mnt/.txn/t/users/.import'
	is "$(commit)" 'write: EBUSY'
	is "$(value mnt/.txn/t/users/1.json .name)" Anna
	printf '%s\n' '{"id": 1, "name": "Eve"}' | cat >mnt/.txn/t/users/.import
	is "$(commit)" ok
	is "$(value mnt/users/1.json .name)" Eve
}

run "$@"
