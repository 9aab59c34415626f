#!/bin/bash
# What a refusal leaves to read: .errors, the xattr, and nothing else.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string required max 5
		qty integer
	}
}
model frozen {
	read-only
	fields {
		id integer key
		name string
	}
}
END
	mount_rowfs
}

test_errors_tell_who_what_where_and_why() {
	refuses EBADMSG mnt/items/7.json '{
  "qty": "many"
}'
	is "$(last_error '[.uid, .comm, .path, .errno] | join(" ")')" "$(id -u) errno items/7.json EBADMSG"
	has "$(last_error .time)" '^20[0-9-]+T[0-9:.]+Z$'
	has "$(last_error .pid)" '^[0-9]+$'
	is "$(last_error '[.problems[] | [.pointer, .line, .column]]')" '[["/qty",2,10],["/name",1,1]]'
	has "$(last_error)" '.'
}

test_errors_are_json_lines_newest_last() {
	refuses EBADMSG mnt/items/1.json '{"qty": 1}'
	refuses EBADMSG mnt/items/2.json '{"qty": 1}'
	is "$(jq -r .path mnt/.errors)" $'items/1.json\nitems/2.json'
}

test_an_incomplete_text_stands_in_errors_once_however_often_it_is_closed() {
	is "$(errno open mnt/items/1.json wct : write '{"name":' : dupclose : fsync : close)" \
		'dupclose: EBADMSG, fsync: EBADMSG, close: EBADMSG'
	is "$(wc -l <mnt/.errors)" 1
	is "$(errno open mnt/items/1.json wct : write '{' : dupclose : write '"name":' : close)" \
		'dupclose: EBADMSG, close: EBADMSG'
	is "$(wc -l <mnt/.errors)" 3
}

test_the_last_256_errors_are_kept() {
	local i
	for i in {1..260}; do save "mnt/items/$i.json" '{}' >/dev/null; done
	is "$(jq -r .path mnt/.errors | sed -n '1p;$p')" $'items/5.json\nitems/260.json'
}

test_the_xattr_of_the_record_has_the_sentence() {
	saves mnt/items/1.json '{"name": "a"}'
	is "$(errno xattr mnt/items/1.json user.rowfs.error)" 'xattr: ENODATA'
	refuses EBADMSG mnt/items/1.json '{"name": "abcdef"}'
	is "$(getfattr --only-values -n user.rowfs.error mnt/items/1.json)" "$(last_error)"
	saves mnt/items/1.json '{"name": "b"}'
	is "$(errno xattr mnt/items/1.json user.rowfs.error)" 'xattr: ENODATA'
}

test_the_xattr_of_a_refused_scratch_file_has_the_sentence() {
	echo '{}' >mnt/items/tmp
	is "$(errno rename mnt/items/tmp mnt/items/1.json)" 'rename: EBADMSG'
	is "$(getfattr --only-values -n user.rowfs.error mnt/items/tmp)" "$(last_error)"
}

test_users_see_their_own_errors_and_root_sees_all() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	unmount
	mount_rowfs mount.conf -o allow_other
	chmod 755 .
	refuses EBADMSG mnt/items/1.json '{}'
	is "$(setpriv --reuid 65534 --regid 65534 --clear-groups cat mnt/.errors)" ''
	is "$(wc -l <mnt/.errors)" 1
}

test_a_read_only_model_is_told_in_errors_by_every_call_that_would_change_it() {
	sql "insert into frozen (id, name) values (1, 'a')"
	local step
	for step in 'open mnt/frozen/1.json wt' 'open mnt/frozen/1.json wa' 'open mnt/frozen/2.json wct' \
		'open mnt/frozen/.new w' 'open mnt/frozen/.new r' 'open mnt/frozen/.import w' 'unlink mnt/frozen/1.json'; do
		# shellcheck disable=SC2086
		has "$(errno $step)" EROFS
		is "$(last_error '[.path, .errno, .message]')" \
			"[\"$(cut -d ' ' -f 2 <<<"${step//mnt\//}")\",\"EROFS\",\"frozen is read-only\"]" "$step"
	done
	is "$(wc -l <mnt/.errors)" 7
}

test_a_read_only_model_is_erofs() {
	sql "insert into frozen (id, name) values (1, 'a')"
	local before
	before=$(rows)
	has "$(save mnt/frozen/1.json '{"name": "b"}')" 'EROFS'
	has "$(save mnt/frozen/2.json '{"name": "b"}')" 'EROFS'
	has "$(errno unlink mnt/frozen/1.json)" 'EROFS'
	has "$(errno rename mnt/frozen/1.json mnt/frozen/2.json)" 'EROFS'
	is "$(errno open mnt/frozen/.new r)" 'open: EROFS'
	is "$(rows)" "$before"
	is "$(value mnt/frozen/1.json .name)" a
}

test_a_database_locked_by_another_program_is_etimedout() {
	mkfifo hold
	sqlite3 shop.db <hold >locked &
	local holder=$!
	exec 3>hold
	echo 'begin immediate; select 1;' >&3
	eventually test -s locked
	is "$(save mnt/items/1.json '{"name": "a"}')" 'write: ETIMEDOUT, close: ETIMEDOUT'
	printf 'rollback;\n.quit\n' >&3
	exec 3>&-
	wait $holder
	saves mnt/items/1.json '{"name": "a"}'
	allow_log 'lock'
}

test_a_full_disk_is_enospc_and_what_was_saved_stays() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	unmount
	mkdir small
	mount -t tmpfs -o size=800k tmpfs small
	sed -i s,sqlite:,sqlite:small/, mount.conf
	sed -i 's/max 5/max 1000000/' mount.conf
	mount_rowfs
	saves mnt/items/1.json '{"name": "a"}'
	jq -n '{name: ("x" * 900000)}' >big
	has "$(cp big mnt/items/2.json 2>&1 || true)" 'No space left on device'
	is "$(ls mnt/items)" 1.json
	is "$(value mnt/items/1.json .name)" a
	is "$(last_error .errno)" ENOSPC
	allow_log space
	unmount
}
cleanup() {
	if mountpoint -q small; then umount small; fi
}

test_values_of_write_only_fields_stay_out_of_errors() {
	unmount
	cat >>mount.conf <<'END'
model users {
	fields {
		id integer key
		password string write-only max 5
		age integer
	}
}
END
	mount_rowfs
	refuses EBADMSG mnt/users/1.json '{"password": "verysecret", "age": "x"}'
	hasnt "$(cat mnt/.errors)" verysecret
	hasnt "$(cat daemon.log)" verysecret
}

run "$@"
