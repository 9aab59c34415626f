#!/bin/bash
# A mount by somebody who is not root, as fusermount3 makes it: who mounted sees all, others what is theirs. In a mount
# namespace of its own /dev/fuse is everybody's and fuse.conf allows what mount.fuse3(8) needs; outside nothing changes.
# shellcheck source=tests/lib.sh
[ $# = 0 ] || [ -n "${NAMESPACE:-}" ] || [ "$(id -u)" != 0 ] ||
	NAMESPACE=1 exec "$(dirname "$0")/../namespace" bash "$0" "$@"
. "$(dirname "$0")/../lib.sh"

setup() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ -u "$(command -v fusermount3)" ] || skip "fusermount3 is not setuid"
	mknod fuse c 10 229
	chmod 666 fuse
	echo user_allow_other >fuse.conf
	touch /etc/fuse.conf
	mount --bind fuse /dev/fuse
	mount --bind fuse.conf /etc/fuse.conf
	getent passwd 1000 >/dev/null || { # fusermount3 wants its caller's name
		{ cat /etc/passwd && echo mounter:x:1000:1000::/:/bin/sh; } >passwd
		mount --bind passwd /etc/passwd
	}
	program bin/rowfs <<END
#!/bin/sh
exec setpriv --reuid=1000 --regid=1000 --clear-groups "$BUILD/rowfs" "\$@"
END
	PATH=$PWD/bin:$PATH
	program hooks/tell <<'END'
#!/bin/sh
echo "$(id -u) $ROWFS_UID" >>told
END
	conf <<'END'
store sqlite:shop.db
model pins {
	fields {
		id integer key
		uid integer default uid
		text string
	}
	owner uid
	visible owner
	on post_save run hooks/tell
}
model open {
	fields {
		id integer key
		text string
	}
	has-many notes by open_id
}
model notes {
	fields {
		id integer key
		open_id integer references open
		uid integer default uid
	}
	owner uid
	visible owner
}
queue jobs {
	run hooks/tell
}
END
	mkdir mnt
	chown -R 1000:1000 .
	chmod 755 .
}

# For lib.sh: root is not let in everywhere here.
mountpoint() { as 1000 /usr/bin/mountpoint "$@"; }

pins() {
	is "$(by 1000 open mnt/pins/1.json wct : write '{"text": "of who mounted"}')" ok
	is "$(by 1000 open mnt/pins/2.json wct : write '{"uid": 1001, "text": "a"}')" ok
	is "$(by 1000 open mnt/open/1.json wct : write '{}')" ok
	is "$(by 1000 open mnt/notes/1.json wct : write '{"uid": 1001, "open_id": 1}')" ok
}

test_who_mounted_does_everything_and_nobody_else_gets_in() {
	mount_rowfs
	pins
	is "$(as 1000 ls mnt/pins)" $'1.json\n2.json'
	is "$(as 1000 stat -c '%u %a' mnt/pins/1.json mnt/pins/2.json mnt/open/1.json mnt)" $'1000 644\n1001 644\n1000 644\n1000 755'
	fails as 1001 ls mnt
	fails ls mnt
	is "$(as 1000 cat told)" $'1000 1000\n1000 1000'
}

others() {
	pins
	is "$(as 1001 ls mnt/pins)" 2.json
	is "$(as 1002 ls mnt/pins)" ''
	is "$(ls mnt/pins)" $'1.json\n2.json'
	is "$(by 1002 open mnt/pins/2.json r)" 'open: ENOENT'
	is "$(by 1002 open mnt/pins/2.json wct : write '{}')" 'write: EACCES'
	is "$(by 1001 open mnt/open/1.json w)" 'open: EACCES'
	is "$(by 1001 open mnt/pins/2.json wa : write '{"text": "b"}')" ok
	is "$(by 1001 open mnt/pins/2.json wa : write '{"uid": 1000}')" 'write: EACCES'
	is "$(by 1001 unlink mnt/pins/1.json)" 'unlink: ENOENT'
	is "$(as 1002 jq -c .notes mnt/open/1.json)" '[]'
	is "$(as 1000 jq -c '.notes | length' mnt/open/1.json)" 1
	as 1000 sh -c 'echo "{\"uid\": 1002}" >mnt/pins/new; mv mnt/pins/new mnt/pins/2.json'
	is "$(as 1001 ls mnt/pins)" ''
	is "$(as 1002 cat mnt/pins/.info/count)" 1
	is "$(as 1000 cat mnt/pins/.info/count)" 2
	is "$(as 1000 tail -n 1 told)" '1000 1000'
	is "$(sed -n 3p told)" '1000 1001'
	is "$(as 1001 cat mnt/.errors | jq -r .errno)" 'EACCES'
	is "$(as 1000 cat mnt/.errors)" ''
	has "$(cat mnt/.errors)" EACCES
}

test_with_allow_other_others_get_what_is_theirs() {
	mount_rowfs mount.conf -o allow_other
	others
	is "$(by 1000 open mnt/pins/2.json wa : write '{"text": "in place"}')" ok
	is "$(by 1000 unlink mnt/pins/2.json)" ok
}

test_with_default_permissions_it_is_the_same() {
	mount_rowfs mount.conf -o allow_other,default_permissions
	others
	is "$(by 1000 open mnt/pins/2.json w)" 'open: EACCES' # by the kernel
	is "$(by 1000 unlink mnt/pins/2.json)" ok
}

test_with_default_permissions_alone_nobody_else_gets_in() {
	mount_rowfs mount.conf -o default_permissions
	pins
	fails as 1001 ls mnt
	fails ls mnt
}

test_transactions_and_composites_of_who_mounted_show_and_change_all() {
	mount_rowfs mount.conf -o allow_other
	pins
	as 1000 mkdir mnt/.txn/t
	is "$(as 1000 ls mnt/.txn/t/pins)" $'1.json\n2.json'
	is "$(as 1000 jq -c '.notes | length' mnt/.txn/t/open/1.json)" 1
	is "$(by 1000 open mnt/.txn/t/pins/2.json wa : write '{"uid": 1002}')" ok
	is "$(by 1000 open mnt/.txn/t/pins/3.json wct : write '{"uid": 1001}')" ok
	is "$(by 1000 open mnt/.txn/t/ctl w : write commit)" ok
	is "$(as 1000 jq -c '[.[].answer.uid]' mnt/.txn/t/answer.json)" '[1002,1001]'
	is "$(as 1001 ls mnt/pins)" 3.json
}

test_its_jobs_and_hooks_run_as_who_mounted_and_as_is_refused() {
	mount_rowfs mount.conf -o allow_other
	is "$(by 1000 open mnt/jobs/1.json wct : write '{}')" ok
	finished() { [ "$(as 1000 jq -r .status mnt/jobs/1.json)" = 'done' ]; }
	eventually finished
	has "$(cat told)" '^1000 '
	unmount
	sed -i 's|post_save run hooks/tell$|& { as nobody }|' mount.conf
	fails rowfs mount.conf mnt -f
	has "$(rowfs mount.conf mnt -f 2>&1 || true)" 'only root can run programs as another user'
}

test_what_a_killed_daemon_left_is_taken_over_by_its_user() {
	mount_rowfs
	pins
	local before=$daemon
	kill -9 "$before"
	wait "$before" 2>/dev/null || true
	daemon=
	has "$(as 1000 ls mnt 2>&1 || true)" 'not connected|connection abort'
	env --default-signal=INT,QUIT rowfs mount.conf mnt -f >>daemon.log 2>&1 </dev/null &
	daemon=$!
	answers() { as 1000 test -e mnt/pins/1.json; }
	eventually answers
	is "$(as 1000 ls mnt/pins)" $'1.json\n2.json'
	is "$(grep -c "$PWD/mnt fuse.rowfs" /proc/self/mounts)" 1
	as 1000 fusermount3 -u mnt
	wait "$daemon"
	daemon=
}

run "$@"
