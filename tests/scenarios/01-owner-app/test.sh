#!/bin/bash
# Scenario 1: users write orders with ordinary tools, every create and replace starts a job.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"

setup() {
	cp -r "$here/mount.conf" "$here/hooks" .
	mount_rowfs
	echo '{"username": "our_main_user", "password": "verysecret1", "email": "user_mainexample.com"}' >mnt/users/.new
	echo '{"username": "another_user", "password": "verysecret2", "email": "another@example.com"}' >mnt/users/.new
}

order() {
	echo '{"owner_id":1,"description":"to do stuff"}' >mnt/orders/1.json
}

test_writing_an_order_makes_the_order_and_its_job() {
	order
	is "$(value mnt/orders/1.json .id)" 1
	is "$(value mnt/jobs/1.json '[.id, .order_id, .owner_id, .status, .started_at]')" '[1,1,1,"queued",null]'
	is "$(value mnt/orders/.answer/1.json .)" '{"id":1,"started_at":null,"status":"queued"}'
}

test_an_order_without_a_key_is_answered_on_the_descriptor_that_wrote_it() {
	order
	exec 3<>mnt/orders/.new
	echo '{"owner_id":2,"description":"to do more"}' >&3
	is "$(jq -c . <&3)" '{"id":2,"started_at":null,"status":"queued"}'
	exec 3>&-
	is "$(value mnt/orders/2.json '[.owner_id, .jobs[0].id]')" '[2,2]'
}

test_replacing_makes_job_2_and_the_order_shows_both() {
	order
	echo '{"owner_id":1,"description":"to do different stuff"}' >mnt/orders/1.json
	is "$(value mnt/orders/.answer/1.json .id)" 2
	is "$(ls mnt/jobs)" $'1.json\n2.json'
	is "$(value mnt/orders/1.json '[.id, .owner_id, .description, .status_id]')" '[1,1,"to do different stuff",0]'
	has "$(value mnt/orders/1.json .ordered_at)" "^$(date +%Y-%m)-[0-9]{2}T[0-9:.]+Z\$"
	is "$(value mnt/orders/1.json '[.jobs[].id]')" '[1,2]'
	is "$(value mnt/orders/1.json '.jobs[0] | keys')" "$(value mnt/jobs/1.json 'del(.order_id) | keys')"
}

test_a_merge_makes_no_job() {
	order
	echo '{"status_id":1}' >>mnt/orders/1.json
	is "$(value mnt/orders/1.json .status_id)" 1
	is "$(ls mnt/jobs)" 1.json
	is "$(cat mnt/orders/.answer/1.json)" "$(cat mnt/orders/1.json)"
}

test_an_order_with_jobs_cannot_be_removed_until_they_are() {
	local before
	order
	echo '{"owner_id":1,"description":"to do different stuff"}' >mnt/orders/1.json
	before=$(rows)
	is "$(errno unlink mnt/orders/1.json)" 'unlink: EBUSY'
	fails rm mnt/orders/1.json
	is "$(rows)" "$before"
	rm mnt/jobs/1.json mnt/jobs/2.json
	rm mnt/orders/1.json
	is "$(ls mnt/orders mnt/jobs)" $'mnt/jobs:\n\nmnt/orders:'
}

test_a_wrong_order_is_refused_with_both_problems_and_makes_no_job() {
	refuses EBADMSG mnt/orders/1.json '{"owner_id":1,"status_id":"abc"}'
	is "$(last_error '[.problems[].pointer] | sort | join(" ")')" '/description /status_id'
	is "$(ls mnt/orders mnt/jobs)" $'mnt/jobs:\n\nmnt/orders:'
}

test_a_failing_program_after_the_commit_is_told_and_tried_again() {
	allow_log 'after_commit'
	touch away
	saves mnt/orders/1.json '{"owner_id":1,"description":"to do stuff"}'
	is "$(value mnt/orders/1.json '[.description, .jobs[].id]')" '["to do stuff",1]'
	eventually grep -q 'The mail server is away' mnt/.errors
	is "$(last_error '[.path, .message]')" '["orders/1.json","after_commit run hooks/notify: The mail server is away"]'
	has "$(cat mnt/.info/status)" 'after_commit: 1 program waits'
	rm away
	eventually test -e notified
	is "$(cat notified)" 'create 1'
	eventually no_program_waits
	is "$(ls mnt/jobs)" 1.json
}
no_program_waits() { [ -z "$(ls mnt/.after)" ]; }

test_a_program_that_failed_is_tried_again_after_kill_9() {
	allow_log 'after_commit'
	touch away
	order
	eventually grep -q 'The mail server is away' mnt/.errors
	crash
	is "$(cat notified 2>/dev/null)" ''
	rm away
	mount_rowfs
	eventually test -e notified
	is "$(cat notified)" 'create 1'
	eventually no_program_waits
	is "$(ls mnt/jobs)" 1.json
}

test_a_pre_save_hook_refuses_create_replace_and_patch() {
	local before
	refuses ECANCELED mnt/orders/1.json '{"owner_id":1,"description":"nothing"}'
	is "$(last_error)" 'There is nothing to do'
	order
	refuses ECANCELED mnt/orders/1.json '{"owner_id":1,"description":"nothing"}'
	before=$(rows)
	has "$(errno open mnt/orders/1.json wa : write '{"description":"nothing"}')" 'write: ECANCELED'
	is "$(rows)" "$before"
}

test_a_pre_delete_hook_refuses() {
	local before
	echo '{"owner_id":1,"description":"keep"}' >mnt/orders/1.json
	rm mnt/jobs/1.json
	before=$(rows)
	is "$(errno unlink mnt/orders/1.json)" 'unlink: ECANCELED'
	is "$(last_error)" 'This one is kept'
	is "$(rows)" "$before"
}

test_meta_tells_the_answers_of_orders() {
	local meta=mnt/orders/.info/meta.json own='{"model":"orders","fields":["id","owner_id","description","ordered_at","status_id"],"relations":["jobs"]}'
	is "$(value $meta '.verbs | [.create, .replace] | map(.answer) | unique | .[]')" \
		'{"model":"jobs","fields":["id","started_at","status"]}'
	is "$(value $meta .verbs.patch.answer)" "$own"
	is "$(value $meta .verbs.get.answer)" "$own"
	is "$(value $meta .relations.jobs)" '{"kind":"has-many","by":"order_id","read_only":true}'
	is "$(value $meta '.verbs.create.input | map_values(.required)')" \
		'{"id":false,"owner_id":true,"description":true,"status_id":false}'
}

test_writing_the_same_content_again_makes_no_job() {
	order
	order
	cp mnt/orders/1.json copy
	cp copy mnt/orders/1.json
	is "$(ls mnt/jobs)" 1.json
}

test_a_key_that_is_not_the_files_is_refused_and_the_other_order_stays() {
	order
	refuses EBADMSG mnt/orders/2.json '{"id":1,"owner_id":1,"description":"mine now"}'
	is "$(value mnt/orders/1.json .description)" 'to do stuff'
	is "$(ls mnt/orders)" 1.json
}

test_the_password_is_shown_nowhere() {
	is "$(grep -rl verysecret mnt || true)" ''
	is "$(sql 'select password from users where id = 1')" verysecret1
}

test_an_owner_that_does_not_exist_is_refused() {
	refuses EBADMSG mnt/orders/1.json '{"owner_id":99,"description":"x"}'
	is "$(last_error '.problems[0].pointer')" /owner_id
}

run "$@"
