#!/bin/bash
# Scenario 10: what save and delete hooks see, may change, and undo.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"

setup() {
	cp -r "$here/mount.conf" "$here/hooks" .
	mount_rowfs
}

logged() { [ "$(grep -c "$1" log)" -ge "$2" ]; }

test_pre_save_sees_newly_created_with_the_key_before_the_record_is_there() {
	echo '{"name": "a"}' >mnt/categories/.new
	is "$(head -n 1 log)" 'pre_save create categories/1 newly_created absent'
	saves mnt/categories/1.json '{"name": "b"}'
	is "$(grep 'pre_save replace' log)" 'pre_save replace categories/1 updated there'
}

test_edits_by_pre_save_are_stored() {
	saves mnt/categories/1.json '{"name": "NEWS"}'
	is "$(value mnt/categories/1.json .name)" news
	is "$(sql 'select name from categories')" news
}

test_deleting_a_category_deletes_its_comments_with_their_hooks() {
	saves mnt/categories/1.json '{"name": "a"}'
	saves mnt/comments/1.json '{"category_id": 1, "body": "x"}'
	saves mnt/comments/2.json '{"category_id": 1, "body": "y"}'
	saves mnt/comments/3.json '{"body": "z"}'
	eventually logged after_commit 4
	: >log
	rm mnt/categories/1.json
	eventually logged after_commit 3
	is "$(ls mnt/categories mnt/comments)" $'mnt/categories:\n\nmnt/comments:\n3.json'
	is "$(cut -d ' ' -f 1-3 log)" 'pre_delete delete categories/1
pre_delete delete comments/1
pre_delete delete comments/2
post_delete delete comments/2
post_delete delete comments/1
post_delete delete categories/1
before_commit delete categories/1
before_commit delete comments/1
before_commit delete comments/2
after_commit delete categories/1
after_commit delete comments/1
after_commit delete comments/2'
}

test_a_refusal_by_a_comment_leaves_category_and_comments() {
	local before
	saves mnt/categories/1.json '{"name": "a"}'
	saves mnt/comments/1.json '{"category_id": 1, "body": "x"}'
	saves mnt/comments/2.json '{"category_id": 1, "body": "keep"}'
	before=$(rows)
	is "$(errno unlink mnt/categories/1.json)" 'unlink: ECANCELED'
	is "$(last_error)" 'This comment is kept'
	is "$(rows)" "$before"
	is "$(ls mnt/comments)" $'1.json\n2.json'
}

test_a_save_that_is_rolled_back_by_a_later_hook_leaves_no_trace() {
	refuses ECANCELED mnt/categories/1.json '{"name": "late"}'
	refuses ECANCELED mnt/categories/1.json '{"name": "last"}'
	is "$(ls mnt/categories)" ''
	saves mnt/categories/2.json '{"name": "good"}'
	eventually logged after_commit 1
	is "$(grep after_commit log)" 'after_commit create categories/2 newly_created there'
}

test_after_commit_runs_once_per_record_in_commit_order() {
	local i
	for i in 1 2 3 4 5; do saves mnt/comments/$i.json '{"body": "x"}'; done
	eventually logged after_commit 5
	is "$(grep after_commit log | cut -d' ' -f3)" $'comments/1\ncomments/2\ncomments/3\ncomments/4\ncomments/5'
}

test_hooks_of_one_event_run_in_the_order_they_are_declared() {
	local n
	unmount
	for n in 1 2 3; do sed -i "/on pre_save run hooks\/tidy/i\	on pre_save,post_save sql \"insert into comments (body) values (:name || $n)\"" mount.conf; done
	mount_rowfs
	saves mnt/categories/1.json '{"name": "a"}'
	is "$(sql 'select group_concat(body) from comments')" a1,a2,a3,a1,a2,a3
}

run "$@"
