#!/bin/bash
# scratch.sh - names that are no record names: what tmpfs would do.
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model items {
	mode 0666
	dir-mode 0777
	fields {
		id integer key
		name string
	}
}
model notes {
	fields {
		id integer key
	}
}
END
	mount_rowfs mount.conf -o allow_other
	chmod 755 .
}

as_nobody() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

test_hard_links_are_names_of_one_file() {
	echo one >mnt/items/tmp
	ln mnt/items/tmp mnt/items/lock
	is "$(stat -c '%h %i' mnt/items/tmp)" "2 $(stat -c %i mnt/items/lock)"
	echo two >mnt/items/lock
	is "$(cat mnt/items/tmp)" two
	is "$(errno link mnt/items/tmp mnt/items/lock)" 'link: EEXIST'
	rm mnt/items/tmp
	is "$(stat -c %h mnt/items/lock)" 1
	is "$(cat mnt/items/lock)" two
}

test_renaming_one_name_onto_another_of_the_same_file_keeps_both() {
	echo one >mnt/items/a
	ln mnt/items/a mnt/items/b
	is "$(errno rename mnt/items/a mnt/items/b)" ok
	is "$(ls mnt/items)" $'a\nb'
}

test_an_open_file_outlives_its_last_name() {
	exec 5<>mnt/items/tmp
	rm mnt/items/tmp
	echo kept >&5
	is "$(stat -L -c '%h %s' /proc/$$/fd/5)" '0 5'
	exec 5>&-
	is "$(ls mnt/items)" ''
}

test_rename_replaces_a_scratch_file() {
	echo a >mnt/items/a
	echo b >mnt/items/b
	mv mnt/items/a mnt/items/b
	is "$(ls mnt/items)" b
	is "$(cat mnt/items/b)" a
	is "$(errno rename mnt/items/b mnt/items/4913)" 'rename: EACCES'
}

test_a_scratch_file_may_go_to_another_models_directory() {
	echo a >mnt/items/a
	mv mnt/items/a mnt/notes/b
	is "$(ls mnt/items mnt/notes)" $'mnt/items:\n\nmnt/notes:\nb'
}

test_mode_and_owner_are_enforced() {
	echo secret >mnt/items/tmp
	chmod 600 mnt/items/tmp
	fails as_nobody cat mnt/items/tmp
	fails as_nobody chmod 666 mnt/items/tmp
	chown 65534 mnt/items/tmp
	is "$(as_nobody cat mnt/items/tmp)" secret
	is "$(stat -c '%u %a' mnt/items/tmp)" '65534 600'
}

test_times_are_kept() {
	touch -d 2001-02-03T04:05:06Z mnt/items/tmp
	is "$(stat -c %Y mnt/items/tmp)" 981173106
	echo x >mnt/items/tmp
	[ "$(stat -c %Y mnt/items/tmp)" -gt 981173106 ]
}

test_extended_attributes_are_kept() {
	touch mnt/items/tmp
	setfattr -n user.note -v hello mnt/items/tmp
	is "$(getfattr --only-values -n user.note mnt/items/tmp)" hello
	setfattr -x user.note mnt/items/tmp
	fails getfattr -n user.note mnt/items/tmp
}

test_a_user_has_at_most_1000_names() {
	local i
	for i in {1..999}; do : >"mnt/items/f$i"; done
	ln mnt/items/f1 mnt/items/f1000
	is "$(errno link mnt/items/f1 mnt/items/f1001)" 'link: ENOSPC'
	has "$(last_error '[.path, .message]')" '^\["items/f1001","A user has at most 1000 scratch files'
	fails ln -s target mnt/items/linked
	has "$(last_error '[.path, .message]')" '^\["items/linked","A user has at most 1000 scratch files'
	has "$(errno open mnt/items/f1001 wc)" 'open: ENOSPC'
	has "$(last_error '[.path, .message]')" '^\["items/f1001","A user has at most 1000 scratch files'
	as_nobody touch mnt/items/mine
	is "$(ls mnt/items | wc -l)" 1001
}

test_a_user_has_at_most_64_mib() {
	head -c $((64 << 20)) /dev/zero >mnt/items/big
	fails sh -c 'echo more >mnt/items/small'
	has "$(last_error '[.path, .errno, .message]')" '^\["items/small","ENOSPC","The scratch files of a user hold at most'
	rm mnt/items/big
	echo more >mnt/items/small
}

test_status_lists_them_to_who_made_them_and_to_root() {
	echo a >mnt/items/draft~
	as_nobody touch mnt/items/mine "mnt/items/$(printf 'two\nlines')"
	is "$(grep ^scratch mnt/.info/status)" $'scratch file items/two?lines\nscratch file items/mine\nscratch file items/draft~'
	is "$(as_nobody grep ^scratch mnt/.info/status)" $'scratch file items/two?lines\nscratch file items/mine'
	rm mnt/items/draft~
	is "$(grep -c ^scratch mnt/.info/status)" 2
}

test_they_are_gone_at_unmount_and_the_log_names_them() {
	echo a >mnt/items/draft~
	unmount
	has "$(cat daemon.log)" 'items/draft~'
	mount_rowfs
	is "$(ls mnt/items)" ''
	is "$(sql "select count(*) from items")" 0
}

test_locks_hold_between_processes() {
	echo '{"name": "a"}' >mnt/items/1.json
	touch mnt/items/tmp
	for file in mnt/items/1.json mnt/items/tmp; do
		exec 5<"$file"
		flock -x 5
		fails flock -n -s "$file" true
		exec 5>&-
		flock -n -x "$file" true
	done
}

test_record_locks_hold_between_processes_on_records_and_scratch_files() {
	saves mnt/items/1.json '{}'
	echo x >mnt/items/file
	cat >lock.py <<'END'
import fcntl, os, subprocess, sys
path, other = sys.argv[1], sys.argv[2:]
with open(path, "r+") as f:
    if other: # tried by another process while this one has the first ten bytes
        fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, int(other[1]), int(other[0]))
    else:
        fcntl.lockf(f, fcntl.LOCK_EX, 10, 0)
        tries = [subprocess.run([sys.executable, sys.argv[0], path, *at], stderr=subprocess.DEVNULL).returncode
                 for at in (("5", "1"), ("10", "5"))]
        fcntl.lockf(f, fcntl.LOCK_UN)
        tries.append(subprocess.run([sys.executable, sys.argv[0], path, "5", "1"]).returncode)
        print(*tries)
END
	is "$(python3 lock.py mnt/items/1.json)" '1 0 0'
	is "$(python3 lock.py mnt/items/file)" '1 0 0'
}

run "$@"
