#!/bin/bash
# composite.sh - .txn/.run: several requests in one document, saved together or not at all.
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model users {
	fields {
		id   integer key
		name string  required
	}
	has-many orders by user_id
}
model orders {
	fields {
		id      integer key
		user_id integer required references users
		note    string
	}
	embeds-one bills by order_id
	embeds-many lines by order_id
}
model bills { fields { id integer key
	order_id integer required references orders
	sum integer } }
model lines { fields { id integer key
	order_id integer required references orders
	text string } }
END
	mount_rowfs
}

# composite DOCUMENT: the errors of the calls, then the answer.
composite() {
	exec 3<>mnt/.txn/.run
	echo "$1" >&3 2>/dev/null || echo refused
	cat <&3 2>/dev/null || : # its close repeats the error where there is no answer
	exec 3>&-
}

test_a_later_request_uses_what_an_earlier_one_made() {
	composite '{"requests": [
		{"method": "post", "path": "users", "body": {"name": "Ann"}, "vars": [{"name": "u", "path": "$.id"}]},
		{"method": "post", "path": "orders/.new", "body": {"user_id": "${u}", "note": "for ${u}: $${u}", "bills": {}},
		 "vars": [{"name": "b", "path": "$.bills.id"}]},
		{"method": "patch", "path": "users/${u}.json", "body": {"name": "bill ${b}"}}]}' >answer
	is "$(jq -c '[.[] | [.path, .method, .status]]' answer)" \
		'[["users/1.json","post","created"],["orders/1.json","post","created"],["users/1.json","patch","patched"]]'
	is "$(value mnt/orders/1.json '[.user_id, .note, .bills.id]')" '[1,"for 1: ${u}",1]'
	is "$(value mnt/users/1.json .name)" 'bill 1'
}

test_one_that_is_refused_refuses_all_and_says_which() {
	saves mnt/users/1.json '{"name": "Ann"}'
	composite '{"requests": [
		{"method": "put", "path": "users/2.json", "body": {"name": "Bob"}},
		{"method": "post", "path": "orders", "body": {"user_id": "x"}},
		{"method": "delete", "path": "users/1.json"}]}' >answer
	is "$(sed 1q answer)" refused
	sed -i 1d answer
	is "$(jq -c '[.[].status]' answer)" '["not committed","failed","skipped"]'
	is "$(jq -c '.[0].answer.name, .[1].error.problems[0].pointer' answer)" $'"Bob"\n"/requests/1/body/user_id"'
	is "$(ls mnt/users)" 1.json
	is "$(last_error .path)" .txn/.run
}

test_what_the_commit_refuses_is_told_the_same_way() {
	composite '{"requests": [
		{"method": "post", "path": "users", "body": {"name": "Ann"}},
		{"method": "post", "path": "orders", "body": {"user_id": 99}},
		{"method": "post", "path": "users", "body": {"name": "Cid"}}]}' >answer
	sed -i 1d answer
	is "$(jq -c '[.[] | [.method, .status]]' answer)" '[["post","not committed"],["post","failed"],["post","skipped"]]'
	is "$(jq -c '.[1].error.problems[0].pointer' answer)" '"/requests/1/body/user_id"'
	is "$(last_error '.problems[0] | [.pointer, .line, .column]')" '["/requests/1/body/user_id",3,60]'
	has "$(last_error)" '^/requests/1/body/user_id: '
	is "$(ls mnt/users mnt/orders)" $'mnt/orders:\n\nmnt/users:'
}

test_a_checksum_says_which_version_a_request_is_for() {
	saves mnt/users/1.json '{"name": "Ann"}'
	composite '{"requests": [{"method": "put", "path": "users/1.json", "body": {"name": "Bob"}, "checksum": "0"}]}' >answer
	is "$(sed 1q answer)" refused
	local now
	now=$(sed 1d answer | jq -r '.[0].error.checksum.current')
	composite "{\"requests\": [{\"method\": \"delete\", \"path\": \"users/1.json\", \"checksum\": \"$now\"}]}" >answer
	is "$(jq -r '.[0].status' answer)" deleted
	is "$(ls mnt/users)" ''
}

test_what_embeds_many_gets_its_keys_with_the_commit() {
	composite '{"requests": [
		{"method": "post", "path": "users/1.json", "body": {"name": "Ann"}},
		{"method": "post", "path": "orders/1.json", "body": {"user_id": 1, "lines": [{"text": "a"}, {"text": "b"}]},
		 "vars": [{"name": "none", "path": "$.lines[1].id"}]},
		{"method": "patch", "path": "users/1.json", "body": {"name": "${none}."}}]}' >answer
	is "$(jq -c '.[1].answer.lines' answer)" '[{"id":1,"text":"a"},{"id":2,"text":"b"}]'
	is "$(value mnt/users/1.json .name)" null.
}

test_a_post_takes_no_key_that_is_there() {
	saves mnt/users/1.json '{"name": "Ann"}'
	composite '{"requests": [{"method": "post", "path": "users/1.json", "body": {"name": "Bob"}}]}' >answer
	is "$(sed 1d answer | jq -r '.[0].error.errno')" EEXIST
	composite '{"requests": [{"method": "patch", "path": "users/2.json", "body": {"name": "Bob"}}]}' >answer
	is "$(sed 1d answer | jq -r '.[0].error.errno')" ENOENT
}

test_mistakes_of_the_document_are_told_all_at_once() {
	composite '{"requests": [{"method": "get", "path": 1, "x": 1}, {"method": "put", "path": "users/1.json"}, 7]}' >answer
	is "$(cat answer)" refused
	is "$(last_error '[.problems[].pointer]')" \
		'["/requests/0/x","/requests/0/method","/requests/0/path","/requests/1/body","/requests/2"]'
	composite '{"requests": [{"method": "post", "path": "users", "body": {"name": "${who}"}}]}' >answer
	is "$(sed 1d answer | jq -r '.[0].error.problems[0].pointer')" /requests/0/body/name
	composite '{"requests": [{"method": "put", "path": "nowhere/1.json", "body": {}}]}' >answer
	is "$(sed 1d answer | jq -r '.[0].error.problems[0].pointer')" /requests/0/path
}

test_there_are_at_most_a_hundred() {
	composite "$(jq -nc '{requests: [range(100) | {method: "post", path: "users", body: {name: "x"}}]}')" >answer
	is "$(jq length answer)" 100
	is "$(ls mnt/users | wc -l)" 100
	is "$(save mnt/.txn/.run "$(jq -nc '{requests: [range(101) | {method: "post", path: "users", body: {name: "x"}}]}')")" \
		'write: EFBIG, close: EFBIG'
	is "$(ls mnt/users | wc -l)" 100
}

test_a_document_with_nothing_to_do_is_fine() {
	is "$(composite '{"requests": []}')" '[]'
}

run "$@"
