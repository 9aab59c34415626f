#!/bin/bash
# What runs out comes back: space on the disk, descriptors, the right time. And signals at a bad moment.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	program hooks/wait <<'END'
#!/bin/sh
cat >/dev/null
echo begun >>begun
while [ -e busy ]; do sleep 0.02; done
END
	conf <<'END'
store sqlite:disk/shop.db
model items {
	fields {
		id integer key
		name string
	}
	on post_save sql "insert into trail (item_id) values (:key)"
}
model slow {
	fields {
		id integer key
	}
	on pre_save run hooks/wait
}
model late {
	fields {
		id integer key
	}
	on after_commit run hooks/late
}
model trail {
	fields {
		id integer key
		item_id integer
	}
}
queue jobs {
	run hooks/wait
}
END
	program hooks/late <<'END'
#!/bin/sh
echo tried >>tried
[ -e go ]
END
	mkdir disk
}

cleanup() {
	rm -f busy
	umount -l disk 2>/dev/null
	[ -z "${frozen:-}" ] || { wakes && within 10 rmdir "$frozen"; }
}

shop() { sqlite3 -cmd '.timeout 5000' disk/shop.db "$1"; }

# ---- space ----

test_a_full_disk_refuses_and_goes_on_when_there_is_room() {
	local n text
	[ "$(id -u)" = 0 ] || skip 'needs root'
	mount -t tmpfs -o size=1m none disk
	mount_rowfs
	text=$(head -c 20000 /dev/zero | tr '\0' x)
	for ((n = 1; n < 200; n++)); do
		[ "$(save mnt/items/$n.json "{\"name\": \"$text\"}")" = ok ] || break
	done
	[ $n -lt 200 ] || fail 'the disk is never full'
	is "$(last_error '.errno + ": " + .message')" 'ENOSPC: there is no space left for the database'
	is "$(cat mnt/items/*.json | jq -r '.name | length' | sort | uniq -c | tr -s ' ')" " $((n - 1)) 20000"
	is "$(shop 'select count(*) from trail')" $((n - 1))
	mount -o remount,size=4m disk
	saves mnt/items/$n.json "{\"name\": \"$text\"}"
	is "$(find mnt/items -type f | wc -l)" $n
	unmount
	is "$(shop 'pragma integrity_check')" ok
	is "$(shop 'select count(*) from items')" $n
}

# ---- descriptors ----

test_without_descriptors_saves_fail_whole_and_work_again() {
	allow_log 'no job can be started|Too many open files'
	mount_rowfs
	saves mnt/slow/1.json '{}'
	local now
	for ((now = 0; ; now++)); do [ -e "/proc/$daemon/fd/$now" ] || break; done
	prlimit --pid "$daemon" --nofile="$now:4096"
	has "$(save mnt/slow/2.json '{}')" '^write: E[A-Z]*, close: E[A-Z]*$'
	has "$(last_error)" '[Tt]oo many open files|descriptor'
	is "$(ls mnt/slow)" 1.json
	prlimit --pid "$daemon" --nofile=1024:4096
	saves mnt/slow/2.json '{}'
	is "$(ls mnt/slow)" $'1.json\n2.json'
}

# ---- what users hold open ----

test_a_user_holds_so_much_unsaved_text_and_no_more() {
	mount_rowfs
	python3 - >held <<'END'
import os
held = []
try:
    for n in range(1, 1000):
        fd = os.open('mnt/items/%d.json' % n, os.O_WRONLY | os.O_CREAT)
        held.append(fd)
        os.write(fd, b'{"name": "' + b'x' * 1000000)
except OSError as e:
    print(len(held), e.strerror)
for fd in held:
    os.ftruncate(fd, 0)
    os.close(fd)
END
	has "$(cat held)" '^26[0-9] No space left on device'
	has "$(cat mnt/.errors)" 'What you have open, in scratch files and in transactions holds 256 MiB; close or remove some'
	saves mnt/items/1.json '{"name": "a"}'
	is "$(ls mnt/items)" 1.json
}

test_a_user_has_so_many_files_open_and_no_more() {
	mount_rowfs
	saves mnt/items/1.json '{"name": "a"}'
	python3 - >held <<'END'
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (12000, 12000))
held = []
try:
    while True:
        held.append(os.open('mnt/items/1.json', os.O_RDONLY))
except OSError as e:
    print(len(held), e.strerror)
END
	is "$(cat held)" '10000 No space left on device'
	is "$(value mnt/items/1.json .name)" a
}

test_what_a_user_prepares_in_transactions_is_bounded() { # 3 times the limit
	mount_rowfs
	python3 - >held <<'END'
import os
n = 0
try:
    for t in range(30):
        os.mkdir("mnt/.txn/t%d" % t)
        for key in range(1, 21):
            fd = os.open("mnt/.txn/t%d/items/%d.json" % (t, key), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.write(fd, b'{"name": "' + b"x" * 1000000 + b'"}')
            os.close(fd)
            n += 1
except OSError as e:
    print(n, e.strerror)
END
	has "$(cat held)" '^1[0-3][0-9] No space left on device'
	has "$(last_error)" 'holds 256 MiB'
	rmdir mnt/.txn/*
	saves mnt/items/1.json '{"name": "a"}'
	mkdir mnt/.txn/t
	saves mnt/.txn/t/items/1.json '{"name": "b"}'
	is "$(errno open mnt/.txn/t/ctl w : write commit)" ok
	is "$(value mnt/items/1.json .name)" b
}

test_scratch_files_in_transactions_count_too() { # 3 times the limit
	mount_rowfs
	python3 - >held <<'END'
import os
mib = b"x" * (1 << 20)
n = 0
try:
    for t in range(30):
        os.mkdir("mnt/.txn/t%d" % t)
        for s in range(20):
            with open("mnt/.txn/t%d/items/scratch%d" % (t, s), "wb", buffering=0) as f:
                f.write(mib)
            n += 1
except OSError as e:
    print(n, e.strerror)
END
	has "$(cat held)" '^25[0-9] No space left on device'
	rmdir mnt/.txn/*
	saves mnt/items/1.json '{"name": "a"}'
	is "$(save mnt/items/2.json '{"name": 1}')" 'write: EBADMSG, close: EBADMSG'
	is "$(ls mnt/items/.rejected)" 2.json
}

# Each answers 40 MB: the later ones have no room for that, and are committed as well.
test_commits_go_on_where_there_is_no_room_for_their_answers() { # 3 times the limit
	sed -i '0,/name string/ s//&\n\t\tn integer/' mount.conf
	mount_rowfs
	python3 - <<'END'
import os
def write(path, text, flags=os.O_CREAT | os.O_TRUNC):
    fd = os.open(path, os.O_WRONLY | flags)
    os.write(fd, text)
    os.close(fd)
for key in range(1, 41):
    write("mnt/items/%d.json" % key, b'{"name": "' + b"x" * 1000000 + b'"}')
for t in range(1, 8):
    os.mkdir("mnt/.txn/%d" % t)
    for key in range(1, 41):
        write("mnt/.txn/%d/items/%d.json" % (t, key), b'{"n": %d}' % t, os.O_APPEND)
    write("mnt/.txn/%d/ctl" % t, b"commit")
END
	is "$(shop 'select sum(n) from items')" 280
	is "$(jq -r '.[39].status' mnt/.txn/7/answer.json)" patched
	is "$(jq '.[0] | has("answer")' mnt/.txn/1/answer.json)" true
	is "$(jq '.[39] | has("answer")' mnt/.txn/7/answer.json)" false
	rmdir mnt/.txn/*
	saves mnt/items/1000.json '{"name": "a"}'
}

# ---- time ----

with_clock() {
	case $BUILD in */asan | */tsan) skip 'faults.so is not for a sanitizer' ;; esac
	fault clock new
	ROWFS_FAULTS=$PWD/clock LD_PRELOAD=$BUILD/faults.so mount_rowfs
}

test_times_of_a_record_rise_when_the_clock_jumps_back() {
	local before after
	with_clock
	fault clock clock 100000
	saves mnt/items/1.json '{"name": "a"}'
	before=$(stat -c %.9Y mnt/items/1.json)
	[ "${before%.*}" -gt $(($(date +%s) + 90000)) ]
	fault clock clock -100000
	saves mnt/items/1.json '{"name": "b"}'
	after=$(stat -c %.9Y mnt/items/1.json)
	[ "${after/./}" -gt "${before/./}" ] || fail "$before, then $after"
	saves mnt/items/2.json '{"name": "c"}'
	[ "$(stat -c %Y mnt/items/2.json)" -lt "$(date +%s)" ]
}

nothing_waits() { [ "$(shop 'select count(*) from rowfs_after')" = 0 ]; }

test_a_program_that_is_to_run_again_does_so_after_the_clock_jumped_back() {
	allow_log 'after_commit run hooks/late'
	with_clock
	fault clock clock 1000000
	saves mnt/late/1.json '{}'
	eventually grep -q tried tried
	eventually grep -q late mnt/.errors
	fault clock clock 0
	touch go
	eventually nothing_waits
}

test_a_job_runs_when_the_clock_has_jumped() {
	local jump n=1
	with_clock
	for jump in 1000000 -1000000 0; do
		fault clock clock $jump
		saves mnt/jobs/$n.json '{}'
		eventually job_is mnt/jobs/$n.json 'done'
		n=$((n + 1))
	done
}

# A group of the kernel's freezer, version 1 or 2, with all that this shell starts until `outside`: what is in it stops as it
# does when the machine sleeps, and sees no signal.
inside_freezer() {
	local base line
	for base in /sys/fs/cgroup/freezer /sys/fs/cgroup; do
		line=$(grep -m 1 -E "^[0-9]+:$([ "${base##*/}" = freezer ] && echo freezer):" /proc/self/cgroup) || continue
		home=$base${line##*:}
		frozen=$home/rowfs.$$
		mkdir "$frozen" 2>/dev/null || continue
		if [ -e "$frozen/freezer.state" ] || [ -e "$frozen/cgroup.freeze" ]; then
			echo $$ >"$frozen/cgroup.procs" && return
		fi
		rmdir "$frozen"
	done
	frozen=
	skip 'there is no freezer that may be used'
}
outside() { echo $$ >"$home/cgroup.procs"; }

sleeps() {
	if [ -e "$frozen/cgroup.freeze" ]; then echo 1 >"$frozen/cgroup.freeze"; else echo FROZEN >"$frozen/freezer.state"; fi
	eventually is_frozen
}
is_frozen() { grep -qxE "FROZEN|frozen 1" "$frozen/$([ -e "$frozen/cgroup.freeze" ] && echo cgroup.events || echo freezer.state)"; }

wakes() {
	if [ -e "$frozen/cgroup.freeze" ]; then echo 0 >"$frozen/cgroup.freeze"; else echo THAWED >"$frozen/freezer.state"; fi
}

# The daemon, its guard and a job's program sleep, and a day has gone when they wake: nothing is lost, and nothing runs twice.
test_a_machine_that_sleeps_goes_on_where_it_was() {
	local before
	program hooks/work <<'END'
#!/bin/sh
echo "$ROWFS_KEY" >>worked
until [ -e go ]; do sleep 0.02; done
END
	sed -i 's|^queue jobs|queue long { run hooks/work; workers 2 }\n&|' mount.conf
	inside_freezer
	with_clock
	outside
	saves mnt/items/1.json '{"name": "a"}'
	before=$(stat -c %.9Y mnt/items/1.json)
	saves mnt/long/1.json '{}'
	saves mnt/long/2.json "{\"run_at\": \"$(date -u -d '+1 hour' +%FT%TZ)\"}"
	eventually grep -qx 1 worked
	sleeps
	save mnt/items/1.json '{"name": "b"}' >answer &
	local writer=$!
	fault clock clock 86400
	wakes
	wait $writer
	is "$(cat answer)" ok
	PATIENCE=30 eventually grep -qx 2 worked # its time came in the night
	touch go
	eventually job_is mnt/long/1.json 'done'
	eventually job_is mnt/long/2.json 'done'
	is "$(sort worked)" $'1\n2'
	is "$(value mnt/long/1.json '[.attempts, .errors]')" '[1,null]'
	[ "$(stat -c %.9Y mnt/items/1.json | tr -d .)" -gt "${before/./}" ] || fail 'its time did not rise'
	is "$(shop 'select name from items')" b
}

test_a_claim_ends_when_the_clock_has_passed_its_lease_and_not_before() {
	sed -i 's|^queue jobs|queue manual {\n\ttimeout 1h\n\tattempts 5\n}\n&|' mount.conf
	with_clock
	saves mnt/manual/1.json '{}'
	echo '{"status": "running"}' >>mnt/manual/1.json
	fault clock clock -100000
	saves mnt/jobs/1.json '{}'
	eventually job_is mnt/jobs/1.json 'done'
	is "$(value mnt/manual/1.json .status)" running
	fault clock clock 7200
	saves mnt/jobs/2.json '{}'
	eventually job_is mnt/manual/1.json queued
	fault clock clock 100000
	echo '{"status": "running"}' >>mnt/manual/1.json
	is "$(value mnt/manual/1.json '[.status, .attempts]')" '["running",2]'
}

# ---- signals and ends ----

test_a_signal_while_a_hook_runs_waits_for_the_save() {
	local signal n=1
	for signal in TERM INT HUP; do
		mount_rowfs
		rm -f begun
		touch busy
		save mnt/slow/$n.json '{}' >answer &
		eventually test -s begun
		kill -$signal "$daemon"
		rm busy
		wait $! || true
		eventually gone "$daemon"
		wait "$daemon" || fail "ended with $?"
		daemon=
		# The kernel may have been told that the mount is gone before the answer came: then the row decides nothing.
		if [ "$(cat answer)" = ok ]; then is "$(shop "select id from slow where id = $n")" $n; fi
		is "$(shop 'pragma integrity_check')" ok
		n=$((n + 1))
	done
}

test_a_lazy_unmount_while_a_hook_runs_lets_the_save_end() {
	mount_rowfs
	touch busy
	save mnt/slow/1.json '{}' >answer &
	local writer=$! pid=$daemon
	eventually test -s begun
	fusermount3 -uz mnt
	rm busy
	wait $writer
	is "$(cat answer)" ok
	daemon=
	eventually gone "$pid"
	is "$(shop 'select id from slow')" 1
}

test_other_signals_change_nothing() {
	mount_rowfs
	saves mnt/items/1.json '{"name": "a"}'
	kill -USR1 "$daemon"
	kill -PIPE "$daemon"
	kill -CHLD "$daemon"
	kill -WINCH "$daemon"
	saves mnt/items/1.json '{"name": "b"}'
	is "$(value mnt/items/1.json .name)" b
}

run "$@"
