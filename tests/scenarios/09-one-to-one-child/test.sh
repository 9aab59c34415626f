#!/bin/bash
# Scenario 9: an activity with its legal information: one file, one checksum, one composite.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"

setup() {
	cp -r "$here/mount.conf" "$here/hooks" .
	mount_rowfs
}

activity() {
	saves mnt/activities/1.json \
		'{"subject": "sue", "priority": "high", "activity_legal_info": {"legal_case_number": "A-1", "legal_review_date": "2026-02-28"}}'
	: >log
}

info() {
	value mnt/activities/1.json .activity_legal_info
}

test_an_activity_is_written_with_its_legal_information() {
	activity
	is "$(info)" '{"id":1,"legal_case_number":"A-1","legal_review_date":"2026-02-28"}'
	is "$(value mnt/activities/1.json 'keys_unsorted')" '["id","subject","priority","activity_legal_info","notes"]'
	is "$(sql 'select * from activity_legal_info')" '1|1|A-1|2026-02-28'
}

test_a_case_number_that_is_too_long_is_refused_at_its_place() {
	refuses EBADMSG mnt/activities/1.json \
		'{"subject": "sue", "activity_legal_info": {"legal_case_number": "1234567890123456789012345678901"}}'
	is "$(last_error '.problems[].pointer')" /activity_legal_info/legal_case_number
	is "$(ls mnt/activities)" ''
}

test_legal_information_that_is_no_object_is_refused() {
	refuses EBADMSG mnt/activities/1.json '{"subject": "sue", "activity_legal_info": [{}]}'
	is "$(last_error '.problems[] | [.pointer, .message]')" '["/activity_legal_info","must be an object"]'
}

test_an_entry_without_key_is_the_one_that_is_there() {
	activity
	saves mnt/activities/1.json '{"subject": "sue", "priority": "high", "activity_legal_info": {"legal_case_number": "A-2"}}'
	is "$(info)" '{"id":1,"legal_case_number":"A-2","legal_review_date":null}'
	is "$(cat log)" 'pre_save replace activities/1 details_modified
pre_save replace activity_legal_info/1 modified
post_save replace activity_legal_info/1 modified
post_save replace activities/1 details_modified'
}

test_a_merge_leaves_it_alone_changes_parts_of_it_or_deletes_it() {
	activity
	echo '{"priority": "low"}' >>mnt/activities/1.json
	is "$(info)" '{"id":1,"legal_case_number":"A-1","legal_review_date":"2026-02-28"}'
	is "$(grep -c legal log)" 0
	echo '{"activity_legal_info": {"legal_case_number": "A-3"}}' >>mnt/activities/1.json
	is "$(info)" '{"id":1,"legal_case_number":"A-3","legal_review_date":"2026-02-28"}'
	is "$(grep legal log)" $'pre_save patch activity_legal_info/1 modified\npost_save patch activity_legal_info/1 modified'
	echo '{"activity_legal_info": null}' >>mnt/activities/1.json
	is "$(info)" null
	is "$(ls mnt/activity_legal_info)" ''
	echo '{"activity_legal_info": {"legal_case_number": "A-4"}}' >>mnt/activities/1.json
	is "$(info)" '{"id":2,"legal_case_number":"A-4","legal_review_date":null}'
}

test_there_can_be_only_one() {
	activity
	refuses EEXIST mnt/activity_legal_info/7.json '{"activity_id": 1}'
	is "$(last_error '.problems[].pointer')" /activity_id
	saves mnt/activities/1.json '{"subject": "sue", "activity_legal_info": {"id": 9, "legal_case_number": "B"}}'
	is "$(sql 'select id, activity_id from activity_legal_info')" '9|1'
}

test_a_note_does_not_touch_the_activity() {
	local before
	activity
	before=$(stat -c %y mnt/activities/1.json)
	saves mnt/notes/1.json '{"activity_id": 1, "body": "call"}'
	is "$(stat -c %y mnt/activities/1.json)" "$before"
	is "$(value mnt/activities/1.json '[.notes[].body]')" '["call"]'
	is "$(cat log)" ''
}

test_removing_the_activity_removes_its_legal_information() {
	activity
	rm mnt/activities/1.json
	is "$(cat log)" 'pre_delete delete activities/1 deleted
pre_delete delete activity_legal_info/1 deleted
post_delete delete activity_legal_info/1 deleted
post_delete delete activities/1 deleted'
	is "$(ls mnt/activities mnt/activity_legal_info)" $'mnt/activities:\n\nmnt/activity_legal_info:'
}

sum() {
	getfattr --only-values -n user.rowfs.checksum mnt/activities/1.json 2>/dev/null
}

test_the_checksum_changes_with_the_case_number_and_not_with_a_note() {
	local first second
	activity
	first=$(sum)
	saves mnt/notes/1.json '{"activity_id": 1, "body": "call"}'
	is "$(sum)" "$first"
	echo '{"priority": "low"}' >>mnt/activities/1.json
	second=$(sum)
	hasnt "$second" "$first"
	echo '{"legal_case_number": "A-2"}' >>mnt/activity_legal_info/1.json
	hasnt "$(sum)" "$second|$first"
}

test_a_stale_checksum_is_refused_the_right_one_and_none_are_not() {
	local stale
	activity
	stale=$(sum)
	echo '{"activity_legal_info": {"legal_case_number": "A-2"}}' >>mnt/activities/1.json
	refuses EBUSY mnt/activities/1.json "{\"_checksum\": \"$stale\", \"subject\": \"ann\"}"
	saves mnt/activities/1.json "{\"_checksum\": \"$(sum)\", \"subject\": \"bob\"}"
	saves mnt/activities/1.json '{"subject": "cid"}'
}

# ---- composites ----

# composite DOCUMENT: the answer, behind a line `refused` where the write was.
composite() {
	exec 3<>mnt/.txn/.run
	echo "$1" >&3 2>/dev/null || echo refused
	cat <&3 2>/dev/null || :
	exec 3>&-
}

created='{"method": "post", "path": "activities", "vars": [{"name": "id", "path": "$.id"}, {"name": "legal", "path": "$.activity_legal_info.id"}],
	"body": {"subject": "sue", "activity_legal_info": {"legal_case_number": "A-1"}}}'
note='{"method": "post", "path": "notes", "body": {"activity_id": "${id}", "body": "activity ${id}, info ${legal}"}}'

test_a_composite_knows_both_ids_before_the_commit() {
	composite "{\"requests\": [$created, $note]}" >answer
	is "$(jq -c '.[] | [.method, .path, .status]' answer)" '["post","activities/1.json","created"]
["post","notes/1.json","created"]'
	is "$(jq -c '.[0].answer | [.id, .activity_legal_info.id, [.notes[].id]]' answer)" '[1,1,[1]]'
	is "$(value mnt/notes/1.json '[.activity_id, .body]')" '[1,"activity 1, info 1"]'
	is "$(cat log)" 'pre_save create activities/1 inserted
pre_save create activity_legal_info/1 inserted
post_save create activity_legal_info/1 inserted
post_save create activities/1 inserted'
}

test_a_composite_whose_second_request_fails_commits_nothing() {
	local before
	before=$(rows)
	composite "{\"requests\": [$created, {\"method\": \"post\", \"path\": \"notes\", \"body\": {\"activity_id\": \"x\"}}, $note]}" >answer
	is "$(sed 1q answer)" refused
	is "$(sed 1d answer | jq -c '[.[].status]')" '["not committed","failed","skipped"]'
	is "$(sed 1d answer | jq -c '.[0].answer | [.subject, .activity_legal_info.legal_case_number]')" '["sue","A-1"]'
	is "$(sed 1d answer | jq -c '.[1].error | [.errno, .problems[].pointer]')" '["EBADMSG","/requests/1/body/activity_id"]'
	is "$(sed 1d answer | jq -c '.[2] | has("answer"), has("error")')" $'false\nfalse'
	is "$(ls mnt/activities mnt/activity_legal_info mnt/notes)" $'mnt/activities:\n\nmnt/activity_legal_info:\n\nmnt/notes:'
	[ ! -e log ] || fail 'hooks have run'
	is "$(rows | grep -v "INTO sqlite_sequence")" "$(grep -v "INTO sqlite_sequence" <<<"$before")"
}

test_a_composite_of_101_requests_is_too_many() {
	local all
	all=$(jq -nc '{requests: [range(101) | {method: "post", path: "activities", body: {subject: "x"}}]}')
	is "$(errno open mnt/.txn/.run w : write "$all" : close)" 'write: EFBIG, close: EFBIG'
	is "$(ls mnt/activities)" ''
	composite "$(jq -c 'del(.requests[0])' <<<"$all")" | jq length >answer
	is "$(cat answer) $(ls mnt/activities | wc -l)" '100 100'
}

test_legal_information_of_a_later_request_has_no_id_before_the_commit() {
	composite '{"requests": [
		{"method": "post", "path": "activities", "body": {"subject": "sue"}, "vars": [{"name": "id", "path": "$.id"}]},
		{"method": "patch", "path": "activities/${id}.json", "body": {"activity_legal_info": {"legal_case_number": "A-1"}},
		 "vars": [{"name": "legal", "path": "$.activity_legal_info.id"}]},
		{"method": "post", "path": "notes", "body": {"activity_id": "${id}", "body": "info ${legal}"}}]}' >answer
	is "$(value mnt/notes/1.json .body)" 'info null'
	is "$(jq -c '.[1].answer.activity_legal_info.id' answer)" 1
	is "$(info)" '{"id":1,"legal_case_number":"A-1","legal_review_date":null}'
}

test_deleting_needs_the_current_checksum_where_one_is_given() {
	local stale
	activity
	stale=$(sum)
	echo '{"priority": "low"}' >>mnt/activities/1.json
	composite "{\"requests\": [{\"method\": \"delete\", \"path\": \"activities/1.json\", \"checksum\": \"$stale\"}]}" >answer
	is "$(sed 1d answer | jq -c '.[0].error | [.errno, .checksum.supplied, .checksum.current]')" \
		"$(jq -nc --arg s "$stale" --arg c "$(sum)" '["EBUSY", $s, $c]')"
	is "$(ls mnt/activities)" 1.json
	composite "{\"requests\": [{\"method\": \"delete\", \"path\": \"activities/1.json\", \"checksum\": \"$(sum)\"}]}" >answer
	is "$(jq -r '.[0].status' answer)" deleted
	is "$(ls mnt/activities mnt/activity_legal_info)" $'mnt/activities:\n\nmnt/activity_legal_info:'
}

test_a_transaction_tells_the_reserved_key_of_an_activity_before_it_is_there() {
	local id
	mkdir mnt/.txn/t
	id=$(cat mnt/.txn/t/activities/.new)
	echo "{\"activity_id\": $id, \"body\": \"first\"}" >mnt/.txn/t/notes/.new
	echo '{"subject": "sue", "activity_legal_info": {}}' >"mnt/.txn/t/activities/$id.json"
	is "$(value "mnt/.txn/t/activities/$id.json" '[.id, .activity_legal_info.id]')" '[1,1]'
	is "$(ls mnt/activities mnt/notes)" $'mnt/activities:\n\nmnt/notes:'
	echo commit >mnt/.txn/t/ctl
	is "$(value mnt/activities/1.json '[.id, .activity_legal_info.id, [.notes[].body]]')" '[1,1,["first"]]'
}

run "$@"
