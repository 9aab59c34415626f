#!/bin/bash
# From the mount to its end: a second mount of the database, what a killed one leaves, a database that is moved, damaged or
# read-only, ends and signals at a bad moment.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	program hooks/work <<'END'
#!/bin/sh
echo begun >>worked
while [ -e busy ]; do sleep 0.02; done
echo ended >>worked
END
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string
	}
}
queue jobs {
	run hooks/work
}
END
	mount_rowfs
	mkdir other
}

# status COMMAND...: its exit status; what it says goes to `said`.
status() {
	local status=0
	timeout 60 "$@" >said 2>&1 </dev/null || status=$?
	echo $status
}

cleanup() {
	fusermount3 -uz other 2>/dev/null
	umount -l locked 2>/dev/null
}

# ---- a second mount ----

test_a_second_mount_of_the_database_is_refused_and_told_who_has_it() {
	saves mnt/items/1.json '{"name": "a"}'
	is "$(status rowfs mount.conf other -f)" 2
	has "$(cat said)" "shop.db is mounted by another rowfs, process $daemon; unmount that, or mount with -o ro"
	fails mountpoint -q other
	saves mnt/items/1.json '{"name": "b"}'
}

test_a_second_mount_by_another_path_is_refused_too() {
	mkdir elsewhere
	sed 's,shop.db,../link.db,' mount.conf >elsewhere/mount.conf
	ln shop.db link.db
	is "$(status rowfs elsewhere/mount.conf other -f)" 2
	rm link.db
	ln -s shop.db link.db
	is "$(status rowfs elsewhere/mount.conf other -f)" 2
	has "$(cat said)" "process $daemon"
}

test_a_read_only_mount_may_stand_beside() {
	saves mnt/items/1.json '{"name": "a"}'
	is "$(status rowfs mount.conf other -o ro)" 0
	is "$(value other/items/1.json .name)" a
	saves mnt/items/1.json '{"name": "b"}'
	is "$(value other/items/1.json .name)" b
	is "$(errno open other/items/1.json w)" 'open: EROFS'
	fusermount3 -u other
}

test_a_killed_daemon_holds_nothing() {
	kill -9 "$daemon"
	wait "$daemon" 2>/dev/null || true
	daemon=
	fusermount3 -uz mnt
	mount_rowfs
	saves mnt/items/1.json '{"name": "a"}'
}

test_a_mount_waits_for_the_jobs_of_the_one_that_is_unmounted() {
	local first=$daemon
	touch busy
	saves mnt/jobs/1.json '{}'
	eventually test -s worked
	eventually fusermount3 -u mnt # what repeats changes for inotify may be there
	rowfs mount.conf mnt -f >>daemon.log 2>&1 </dev/null &
	daemon=$!
	eventually grep -q "waiting for the programs of process $first, which had .*shop.db mounted" daemon.log
	fails mountpoint -q mnt
	rm busy
	within 30 mountpoint -q mnt
	is "$(cat worked)" $'begun\nended'
	is "$(value mnt/jobs/1.json .status)" 'done'
	is "$(value mnt/jobs/1.json .attempts)" 1
	wait "$first"
}

# ---- what a killed daemon leaves ----

test_a_mountpoint_that_a_killed_daemon_left_is_taken_over() {
	local name
	saves mnt/items/1.json '{"name": "a"}'
	kill -9 "$daemon"
	wait "$daemon" 2>/dev/null || true
	has "$(ls mnt 2>&1 || true)" 'not connected|connection abort'
	for name in mnt ./mnt/ "$PWD/mnt"; do
		rowfs mount.conf "$name" -f >>daemon.log 2>&1 </dev/null &
		daemon=$!
		eventually test -e mnt/items/1.json
		kill -9 "$daemon"
		wait "$daemon" 2>/dev/null || true
	done
	rowfs mount.conf mnt -f >>daemon.log 2>&1 </dev/null &
	daemon=$!
	eventually test -e mnt/items/1.json
	is "$(grep -c "$PWD/mnt fuse.rowfs" /proc/self/mounts)" 1
	is "$(grep -c 'took away the mount that a killed rowfs left' daemon.log)" 4
}

# ---- the database ----

test_a_database_that_is_moved_is_not_written_and_goes_on_when_it_is_back() {
	saves mnt/items/1.json '{"name": "a"}'
	mv shop.db away.db
	is "$(save mnt/items/.new '{"name": "b"}')" 'write: EIO, close: EIO'
	has "$(last_error)" 'shop.db was moved, removed or replaced while it was mounted; put it back or mount again'
	is "$(errno open mnt/items/1.json r)" 'open: EIO'
	touch shop.db
	is "$(save mnt/items/.new '{"name": "b"}')" 'write: EIO, close: EIO'
	mv away.db shop.db
	is "$(value mnt/items/1.json .name)" a
	saves mnt/items/1.json '{"name": "c"}'
	is "$(sql 'select name from items')" c
}

fill() {
	sql "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
		insert into items (id, name) select i, 'number ' || i from n"
	sql 'pragma wal_checkpoint(truncate)' >checkpoint
}

test_a_database_that_is_truncated_is_an_error_until_it_is_whole_again() {
	fill
	cp shop.db whole.db
	allow_log 'damaged|not an SQLite database'
	truncate -s 0 shop.db
	has "$(cat mnt/items/7.json 2>&1)" 'Input/output error'
	has "$(ls mnt/items 2>&1)" 'Input/output error'
	cat whole.db >shop.db
	is "$(value mnt/items/7.json .name)" 'number 7'
	is "$(find mnt/items -type f | wc -l)" 2000
	saves mnt/items/7.json '{"name": "seven"}'
	unmount
	is "$(sql 'pragma integrity_check')" ok
	is "$(sql 'select name from items where id = 7')" seven
}

test_a_damaged_database_answers_with_an_error_and_the_mount_with_what_is_left() {
	fill
	local page size
	size=$(sql "pragma page_size")
	page=$(sql "select pageno from dbstat where name = 'items' and pagetype = 'leaf' order by path limit 1 offset 3")
	dd if=/dev/zero of=shop.db bs="$size" seek=$((page - 1)) count=1 conv=notrunc status=none
	allow_log 'damaged'
	mv mnt/items/1.json mnt/items/5000.json # the page of both is whole
	has "$(ls mnt/items 2>&1 >shown || true)" "Input/output error"
	is "$(ls mnt)" $'items\njobs'
	fails test "$(sql 'pragma integrity_check')" = ok
}

test_what_is_no_database_is_not_mounted() {
	unmount
	rm -f shop.db*
	head -c 8192 /dev/zero | tr '\0' x >shop.db
	is "$(status rowfs mount.conf mnt -f)" 2
	has "$(cat said)" 'not an SQLite database'
	rm shop.db
	mkdir shop.db
	is "$(status rowfs mount.conf mnt -f)" 2
	has "$(cat said)" 'shop.db can.t be opened: Is a directory$'
}

test_a_database_that_cannot_be_written_is_mounted_read_only_alone() {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	saves mnt/items/1.json '{"name": "a"}'
	unmount
	mkdir locked
	mount --bind . locked
	mount -o remount,ro,bind locked
	sed 's,shop.db,../locked/shop.db,' mount.conf >other.conf
	mkdir conf
	mv other.conf conf/mount.conf
	is "$(status rowfs conf/mount.conf mnt -f)" 2
	has "$(cat said)" 'shop.db can.t be opened for writing: Read-only file system; mount with -o ro to read only'
	is "$(status rowfs conf/mount.conf other -o ro)" 0
	is "$(value other/items/1.json .name)" a
	fusermount3 -u other
}

test_a_database_locked_for_too_long_is_a_time_out_and_nothing_is_half_saved() {
	saves mnt/items/1.json '{"name": "a"}'
	coproc sqlite3 shop.db
	echo "begin immediate; insert into items values (9, 'mine'); select 'locked';" >&"${COPROC[1]}"
	read -r line <&"${COPROC[0]}"
	is "$line" locked
	is "$(save mnt/items/1.json '{"name": "b"}')" 'write: ETIMEDOUT, close: ETIMEDOUT'
	has "$(last_error)" 'the database is locked by another program'
	is "$(value mnt/items/1.json .name)" a # reading goes on
	echo "commit; select 'free';" >&"${COPROC[1]}"
	read -r line <&"${COPROC[0]}"
	is "$line" free
	saves mnt/items/1.json '{"name": "b"}'
	is "$(value mnt/items/9.json .name)" mine
}

# ---- ends ----

test_an_unmount_while_files_are_open_says_busy_and_harms_nothing() {
	exec 5>mnt/items/1.json
	printf '{"name": ' >&5
	has "$(fusermount3 -u mnt 2>&1)" '[Bb]usy'
	echo '"a"}' >&5
	exec 5>&-
	is "$(value mnt/items/1.json .name)" a
}

test_a_lazy_unmount_with_an_open_draft_saves_what_becomes_complete() {
	local pid=$daemon
	exec 5>mnt/items/1.json
	printf '{"name": ' >&5
	fusermount3 -uz mnt
	echo '"a"}' >&5
	exec 5>&-
	daemon=
	eventually gone "$pid"
	is "$(sql 'select name from items')" a
}

# A namespace that is made while it is mounted has it too.
test_an_unmounted_daemon_ends_though_a_namespace_of_a_test_was_made_meanwhile() {
	local holder
	[ "$(id -u)" = 0 ] || skip 'only root may make a namespace'
	"$top/tests/namespace" sh -c 'touch made; exec sleep 60' &
	holder=$!
	eventually test -e made
	unmount
	kill "$holder"
}

test_a_daemon_that_is_stopped_and_continued_goes_on_where_it_was() {
	kill -STOP "$daemon"
	(save mnt/items/1.json '{"name": "a"}' >answer) &
	local writer=$!
	is "$(status rowfs mount.conf other -f)" 2 # it has not lost its hold
	kill -CONT "$daemon"
	wait $writer
	is "$(cat answer)" ok
	is "$(value mnt/items/1.json .name)" a
}

test_an_unmount_drops_what_transactions_prepare_and_waits_for_no_one() {
	mkdir mnt/.txn/t
	saves mnt/.txn/t/items/1.json '{"name": "a"}'
	exec 5>mnt/.txn/t/items/2.json
	printf '{"name": ' >&5
	has "$(fusermount3 -u mnt 2>&1)" '[Bb]usy'
	exec 5>&- || true
	(cd mnt/.txn/t/items && has "$(fusermount3 -u "$WORK/mnt" 2>&1)" '[Bb]usy')
	remount
	is "$(ls mnt/.txn mnt/items)" $'mnt/.txn:\n\nmnt/items:'
	is "$(sql 'pragma integrity_check')" ok
}

test_a_lazy_unmount_ends_a_transaction_that_a_descriptor_still_has() {
	local pid=$daemon
	mkdir mnt/.txn/t
	exec 5>mnt/.txn/t/ctl
	saves mnt/.txn/t/items/1.json '{"name": "a"}'
	fusermount3 -uz mnt
	echo commit >&5
	exec 5>&-
	daemon=
	eventually gone "$pid"
	is "$(sql 'select name from items')" a
}

test_a_signal_while_a_transaction_commits_waits_for_it_and_leaves_no_half() {
	unmount
	sed -i 's|^model items {|&\n\ton pre_save run hooks/work|' mount.conf
	mount_rowfs
	touch busy
	mkdir mnt/.txn/t
	saves mnt/.txn/t/items/1.json '{"name": "a"}'
	saves mnt/.txn/t/items/2.json '{"name": "b"}'
	errno open mnt/.txn/t/ctl w : write commit >answer &
	eventually test -s worked
	kill -TERM "$daemon"
	rm busy
	wait $! || true
	eventually gone "$daemon"
	wait "$daemon" || fail "ended with $?"
	daemon=
	has "$(sql 'select count(*) from items')" '^[02]$'
	if [ "$(cat answer)" = ok ]; then is "$(sql 'select count(*) from items')" 2; fi
	is "$(sql 'pragma integrity_check')" ok
}

test_a_daemon_that_is_stopped_while_a_job_runs_goes_on_with_it() {
	touch busy
	saves mnt/jobs/1.json '{}'
	eventually test -s worked
	kill -STOP "$daemon"
	rm busy
	eventually grep -q ended worked
	kill -CONT "$daemon"
	eventually job_is mnt/jobs/1.json 'done'
	is "$(value mnt/jobs/1.json .attempts)" 1
	is "$(cat worked)" $'begun\nended'
}

# The disk with the log is full, and then whoever read it has gone.
test_a_log_that_cannot_be_written_changes_nothing() {
	unmount
	mkfifo log
	cat log >taken &
	local reader=$! pid
	rowfs mount.conf mnt -f >log 2>&1 </dev/null &
	pid=$!
	within 30 mountpoint -q mnt
	kill $reader
	wait $reader || true
	saves mnt/items/1.json '{"name": "a"}'
	is "$(save mnt/items/1.json '{"name": 1}')" 'write: EBADMSG, close: EBADMSG'
	saves mnt/jobs/1.json '{}'
	eventually job_is mnt/jobs/1.json 'done'
	eventually fusermount3 -u mnt
	wait $pid
	rowfs mount.conf mnt -f >/dev/full 2>&1 </dev/null &
	pid=$!
	within 30 mountpoint -q mnt
	is "$(save mnt/items/1.json '{"name": 1}')" 'write: EBADMSG, close: EBADMSG'
	saves mnt/items/1.json '{"name": "b"}'
	eventually fusermount3 -u mnt
	wait $pid
	is "$(sql 'select name from items')" b
}

run "$@"
