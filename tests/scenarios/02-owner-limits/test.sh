#!/bin/bash
# Scenario 2: each user has orders of his own, and nobody reaches another's.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"

setup() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	cp "$here/mount.conf" .
	chmod 755 .
	mount_rowfs mount.conf -o allow_other
	echo '{"uid": 1001, "username": "our_main_user"}' >mnt/users/1.json
	echo '{"uid": 1002, "username": "another_user"}' >mnt/users/2.json
	as_user 1 bash -c 'echo "{\"owner_id\":1,\"description\":\"to do stuff\"}" >mnt/orders/1.json'
}

as_user() {
	local uid=$((1000 + $1))
	shift
	setpriv --reuid=$uid --regid=$uid --clear-groups "$@"
}

# gets USER ERROR COMMAND...
gets() {
	local user=$1 error=$2 said
	shift 2
	if said=$(as_user "$user" "$@" 2>&1); then fail "line ${BASH_LINENO[0]}: succeeded: $*"; fi
	has "$said" "$error"
}

test_users_see_their_orders_and_no_others() {
	is "$(as_user 1 ls mnt/orders)" 1.json
	is "$(as_user 2 ls mnt/orders)" ''
	is "$(as_user 1 jq -c '[.owner_id, .description]' mnt/orders/1.json)" '[1,"to do stuff"]'
	is "$(stat -c %u mnt/orders/1.json)" 1001
	is "$(as_user 1 jq -c '.orders | map(.id)' mnt/users/1.json)" '[1]'
	is "$(as_user 2 jq -c '.orders | map(.id)' mnt/users/1.json)" '[]'
	is "$(as_user 2 cat mnt/orders/.info/count)" 0
}

test_an_order_for_somebody_else_is_refused() {
	gets 2 'Permission denied' bash -c 'echo "{\"owner_id\":1,\"description\":\"x\"}" >mnt/orders/2.json'
	gets 2 'Permission denied' bash -c 'echo "{\"owner_id\":1,\"description\":\"x\"}" >mnt/orders/.new'
	has "$(as_user 2 tail -n 1 mnt/.errors)" 'must belong to who makes it'
	is "$(sql 'select count(*) from orders')" 1
}

test_another_users_order_is_not_there() {
	gets 2 'No such file' cat mnt/orders/1.json
	gets 2 'No such file' rm mnt/orders/1.json
	gets 2 'No such file' mv mnt/orders/1.json mnt/orders/5.json
	gets 2 'No such file' sed -i s/stuff/nothing/ mnt/orders/1.json
	is "$(value mnt/orders/1.json .description)" 'to do stuff'
}

test_another_users_order_is_not_taken() {
	gets 2 'Permission denied' bash -c 'echo "{\"owner_id\":2,\"description\":\"mine\"}" >mnt/orders/1.json'
	is "$(value mnt/orders/1.json '[.owner_id, .description]')" '[1,"to do stuff"]'
}

test_an_order_is_not_given_away() {
	gets 1 'Permission denied' bash -c 'echo "{\"owner_id\":2}" >>mnt/orders/1.json'
	as_user 1 sed -i 's/to do stuff/done/' mnt/orders/1.json
	is "$(value mnt/orders/1.json '[.owner_id, .description]')" '[1,"done"]'
}

test_who_mounted_gives_it_to_another() {
	echo '{"owner_id":2}' >>mnt/orders/1.json
	is "$(as_user 2 ls mnt/orders)" 1.json
	is "$(as_user 1 ls mnt/orders)" ''
	gets 1 'No such file' cat mnt/orders/1.json
	as_user 2 rm mnt/orders/1.json
}

run "$@"
