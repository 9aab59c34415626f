#!/bin/bash
# Scenario 8: posted documents, a unique login by a hook, tenancy.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"

setup() {
	cp -r "$here/mount.conf" "$here/hooks" .
	# Other users must get to the mount.
	chmod 755 .
	if [ "$(id -u)" = 0 ]; then mount_rowfs mount.conf -o allow_other; else mount_rowfs; fi
}

as_nobody() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

test_a_posted_document_can_be_neither_changed_nor_deleted() {
	local before
	saves mnt/documents/1.json '{"title": "invoice"}'
	saves mnt/documents/1.json '{"title": "Invoice", "posted": true}'
	refuses ECANCELED mnt/documents/1.json '{"title": "changed", "posted": true}'
	is "$(last_error)" 'Document posted. No change allowed'
	refuses ECANCELED mnt/documents/1.json '{"title": "Invoice", "posted": false}'
	before=$(rows)
	is "$(errno unlink mnt/documents/1.json)" 'unlink: ECANCELED'
	is "$(rows)" "$before"
}

test_a_document_that_is_not_posted_can_be_deleted() {
	saves mnt/documents/1.json '{"title": "draft"}'
	rm mnt/documents/1.json
}

test_the_same_login_twice_is_refused() {
	saves mnt/logins/1.json '{"login": "ada"}'
	refuses ECANCELED mnt/logins/2.json '{"login": "ada"}'
	is "$(last_error)" 'The login ada is taken'
	saves mnt/logins/2.json '{"login": "bob"}'
	refuses ECANCELED mnt/logins/2.json '{"login": "ada"}'
}

test_renaming_a_user_to_its_own_login_is_allowed() {
	saves mnt/logins/1.json '{"login": "ada"}'
	saves mnt/logins/1.json '{"login": "ada", "name": "Ada L."}'
}

test_a_created_row_gets_the_uid_of_who_made_it() {
	saves mnt/rooms/1.json '{"name": "office"}'
	is "$(value mnt/rooms/1.json .tenant)" "$(id -u)"
	saves mnt/rooms/2.json '{"name": "attic", "tenant": 7}'
	is "$(value mnt/rooms/2.json .tenant)" "$(id -u)"
}

test_rows_of_others_cannot_be_changed_or_deleted() {
	local before
	saves mnt/rooms/1.json '{"name": "office"}'
	sql 'update rooms set tenant = 4242'
	before=$(rows)
	is "$(save mnt/rooms/1.json '{"name": "mine"}')" 'write: EACCES, close: EACCES'
	is "$(last_error)" 'room 1 belongs to user 4242'
	is "$(errno unlink mnt/rooms/1.json)" 'unlink: EACCES'
	is "$(rows)" "$before"
}

# Modes are enforced on records; a directory for everybody needs `dir-mode`.
test_another_user_may_not_write_where_the_mode_says_no() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	saves mnt/rooms/1.json '{"name": "office"}'
	is "$(as_nobody "$BUILD/tool/errno" open mnt/rooms/1.json wt)" 'open: EACCES'
	is "$(as_nobody "$BUILD/tool/errno" unlink mnt/rooms/1.json)" 'unlink: EACCES'
	is "$(as_nobody cat mnt/rooms/1.json)" "$(cat mnt/rooms/1.json)"
}

run "$@"
