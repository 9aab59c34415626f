#!/bin/bash
# Queues: the job is there with the save, runs, and its status and result are written back.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# with PROGRAM-TEXT [QUEUE-OPTION...]
with() {
	local text=$1
	shift
	program hooks/work <<<"$text"
	conf <<END
store sqlite:shop.db
model orders {
	fields {
		id integer key
		text string required
		state string default new
	}
	has-many jobs by order_id
	on after_commit create replace enqueue jobs order_id=:id
}
queue jobs {
	fields {
		order_id integer required references orders
	}
	run hooks/work
	$(printf '%s\n' "$@")
}
END
	mount_rowfs
}

put_off() {
	[ "$(value mnt/jobs/1.json '[.status, .run_at]')" = '["queued","2100-01-01T00:00:00Z"]' ]
}

test_a_job_that_is_put_off_while_it_runs_starts_no_earlier() {
	local status
	for status in 75 1; do
		with "#!/bin/sh
echo '{\"run_at\": \"2100-01-01T00:00:00Z\"}' >>mnt/jobs/1.json || exit 3
exit $status" 'backoff 10ms' 'attempts 2'
		saves mnt/orders/1.json '{"text": "a"}'
		eventually put_off
		rm mnt/jobs/1.json mnt/orders/1.json
		unmount
		rm shop.db
	done
	mount_rowfs
}

test_the_job_is_there_when_the_write_returns() {
	with '#!/bin/sh
until [ -e go ]; do sleep 0.02; done'
	saves mnt/orders/1.json '{"text": "a"}'
	is "$(ls mnt/jobs)" 1.json
	is "$(value mnt/jobs/1.json '[.id, .order_id]')" '[1,1]'
	is "$(value mnt/orders/1.json '[.jobs[].id]')" '[1]'
	touch go
}

test_a_job_runs_to_done_and_its_output_becomes_the_result() {
	with '#!/bin/sh
jq -c "{sum: (.new.order_id + 1)}"'
	saves mnt/orders/4.json '{"text": "a"}'
	eventually job_is mnt/jobs/1.json 'done'
	is "$(value mnt/jobs/1.json '[.result, .attempts]')" '[{"sum":5},1]'
	has "$(value mnt/jobs/1.json '[.created_at, .started_at, .finished_at] | join(" ")')" '^20.*Z 20.*Z 20.*Z$'
	is "$(value mnt/orders/4.json '.jobs[0].status')" 'done'
	is "$(sql "select status from jobs")" 'done'
}

test_a_job_has_its_own_fields_and_those_of_every_queue() {
	with '#!/bin/sh
exec cat >/dev/null'
	saves mnt/orders/1.json '{"text": "a"}'
	is "$(value mnt/jobs/1.json 'keys_unsorted - ["id", "order_id"] | join(" ")')" \
		'status attempts max_attempts priority run_at created_at started_at finished_at worker lease_until result errors'
	eventually job_is mnt/jobs/1.json 'done'
}

test_a_refused_save_makes_no_job() {
	with '#!/bin/sh
exec cat >/dev/null'
	refuses EBADMSG mnt/orders/1.json '{}'
	is "$(ls mnt/jobs)" ''
}

test_a_job_may_write_to_the_mount() {
	with '#!/bin/sh
echo "{\"state\": \"done\"}" >> "$ROWFS_MOUNT/orders/$new_order_id.json"'
	saves mnt/orders/1.json '{"text": "a"}'
	eventually job_is mnt/jobs/1.json 'done'
	is "$(value mnt/orders/1.json '[.state, (.jobs | length)]')" '["done",1]'
}

test_a_job_that_fails_ends_failed_with_its_message() {
	with '#!/bin/sh
echo "The printer is on fire" >&2
exit 3' 'attempts 1'
	allow_log 'printer|job'
	saves mnt/orders/1.json '{"text": "a"}'
	eventually job_is mnt/jobs/1.json failed
	has "$(value mnt/jobs/1.json .errors)" 'The printer is on fire'
	is "$(value mnt/jobs/1.json .attempts)" 1
}

test_a_job_that_fails_runs_again_until_attempts_are_used_up() {
	with '#!/bin/sh
echo x >> runs
exit 1' 'attempts 3' 'backoff 50ms'
	allow_log 'job|hooks/work'
	saves mnt/orders/1.json '{"text": "a"}'
	eventually job_is mnt/jobs/1.json failed
	is "$(wc -l <runs)" 3
	is "$(value mnt/jobs/1.json '[.attempts, .max_attempts]')" '[3,3]'
}

test_a_job_that_takes_too_long_is_ended() {
	with '#!/bin/sh
echo $$ > pid
exec sleep 60' 'timeout 300ms' 'attempts 1'
	allow_log 'job|hooks/work'
	saves mnt/orders/1.json '{"text": "a"}'
	eventually job_is mnt/jobs/1.json failed
	eventually gone "$(cat pid)"
}

test_workers_bounds_how_many_run_at_once() {
	with '#!/bin/sh
echo "$ROWFS_KEY" >> started
until [ -e go ]; do sleep 0.02; done' 'workers 2'
	local i
	for i in 1 2 3 4; do saves mnt/orders/$i.json '{"text": "a"}'; done
	eventually test -s started
	eventually two_run
	is "$(value mnt/jobs/3.json .status)" queued
	touch go
	for i in 1 2 3 4; do eventually job_is mnt/jobs/$i.json 'done'; done
	is "$(sort started)" $'1\n2\n3\n4'
}
two_run() { [ "$(cat mnt/jobs/*.json | jq -r .status | grep -c running)" = 2 ]; }

test_a_job_that_sqlite3_inserts_runs() {
	with '#!/bin/sh
exec cat >/dev/null'
	saves mnt/orders/1.json '{"text": "a"}'
	eventually job_is mnt/jobs/1.json 'done'
	echo '{"order_id": 1}' >mnt/jobs/.new
	eventually job_is mnt/jobs/2.json 'done'
	sql "insert into jobs (order_id, status, attempts, max_attempts, priority, run_at, created_at)
		select order_id, 'queued', 0, 1, 0, run_at, created_at from jobs where id = 1"
	eventually job_is mnt/jobs/3.json 'done'
}

test_jobs_survive_a_crash() {
	with '#!/bin/sh
until [ -e go ]; do sleep 0.02; done
echo "$ROWFS_KEY" >> ended' 'workers 1' 'attempts 3' 'backoff 50ms'
	local i
	for i in 1 2 3; do saves mnt/orders/$i.json '{"text": "a"}'; done
	eventually job_is mnt/jobs/1.json running
	crash
	mount_rowfs
	touch go
	for i in 1 2 3; do eventually job_is mnt/jobs/$i.json 'done'; done
}

test_a_clean_unmount_queues_running_jobs_again() {
	with '#!/bin/sh
echo x >> started
[ -e go ] || exec sleep 60' 'attempts 3' 'backoff 50ms'
	saves mnt/orders/1.json '{"text": "a"}'
	eventually test -e started
	unmount
	is "$(sql 'select status from jobs')" queued
	touch go
	mount_rowfs
	eventually job_is mnt/jobs/1.json 'done'
	allow_log 'job'
}

# paused_with OPTION...: jobs that note their keys, none of which has started yet.
paused_with() {
	with '#!/bin/sh
echo "$ROWFS_KEY" >>order' "$@"
	echo 1 >mnt/jobs/.info/paused
	saves mnt/orders/1.json '{"text": "a"}'
	is "$(value mnt/jobs/1.json .status)" queued
}

test_jobs_start_by_priority_then_by_time_then_by_key() {
	paused_with 'workers 1'
	saves mnt/jobs/2.json '{"order_id": 1, "priority": 5, "run_at": "2021-01-01T00:00:00Z"}'
	saves mnt/jobs/3.json '{"order_id": 1, "priority": -1, "run_at": "2020-01-01T00:00:00Z"}'
	saves mnt/jobs/4.json '{"order_id": 1, "priority": 5, "run_at": "2020-01-01T00:00:00Z"}'
	saves mnt/jobs/5.json '{"order_id": 1, "priority": 5, "run_at": "2020-01-01T00:00:00Z"}'
	echo 0 >mnt/jobs/.info/paused
	eventually job_is mnt/jobs/3.json 'done'
	is "$(xargs <order)" '4 5 2 1 3'
}

test_a_job_starts_when_its_time_has_come_and_not_before() {
	with '#!/bin/sh
true'
	saves mnt/orders/1.json '{"text": "a"}'
	saves mnt/jobs/2.json "{\"order_id\": 1, \"run_at\": \"$(date -u -d '+3 seconds' +%FT%T.%3NZ)\"}"
	is "$(value mnt/jobs/2.json .status)" queued
	eventually job_is mnt/jobs/2.json 'done'
	is "$(value mnt/jobs/2.json '(.started_at | rtrimstr("Z")) >= (.run_at | rtrimstr("Z"))')" true
}

test_an_enqueue_sets_priority_and_time() {
	conf <<'END'
store sqlite:shop.db
model orders {
	fields { id integer key; due datetime; urgent integer default 0 }
	on after_commit create enqueue jobs run_at=:due priority=:urgent
}
queue jobs { run /bin/true }
END
	mount_rowfs
	saves mnt/orders/1.json '{"due": "2999-01-01T00:00:00Z", "urgent": 3}'
	is "$(value mnt/jobs/1.json '[.status, .run_at, .priority]')" '["queued","2999-01-01T00:00:00Z",3]'
}

test_a_job_enqueues_others() {
	with '#!/bin/sh
[ "$ROWFS_KEY" != 1 ] || echo "{\"text\": \"b\"}" >"$ROWFS_MOUNT/orders/2.json"'
	saves mnt/orders/1.json '{"text": "a"}'
	eventually job_is mnt/jobs/2.json 'done'
	is "$(value mnt/jobs/2.json .order_id)" 2
	eventually job_is mnt/jobs/1.json 'done'
}

test_jobs_that_run_hold_up_no_save() {
	local i
	with '#!/bin/sh
until [ -e go ]; do sleep 0.02; done' 'workers 4'
	for i in $(seq 30); do saves "mnt/orders/$i.json" '{"text": "a"}'; done
	is "$(ls mnt/jobs | wc -l)" 30
	hasnt "$(cat mnt/jobs/*.json | jq -r .status)" 'done'
	touch go
	eventually job_is mnt/jobs/30.json 'done'
}

# switches: how often any thread of the daemon has waited for something.
switches() { cat /proc/"$daemon"/task/*/status | awk '/^voluntary/ { n += $2 } END { print n }'; }

sleeps() {
	local before
	before=$(switches)
	sleep 2
	[ "$(switches)" -le $((before + 2)) ] # it may have looked at the clock
}

test_a_daemon_with_jobs_of_the_future_sleeps() {
	with '#!/bin/sh
true'
	saves mnt/orders/1.json '{"text": "a"}'
	eventually job_is mnt/jobs/1.json 'done'
	sql "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000)
		insert into jobs (order_id, status, run_at) select 1, 'queued', '2999-01-01T00:00:00Z' from n"
	PATIENCE=30 eventually sleeps
}

test_a_program_may_end_its_work_when_the_daemon_is_told_to_end() {
	with '#!/bin/sh
touch begun
until [ -e go ]; do sleep 0.02; done
echo worked'
	saves mnt/orders/1.json '{"text": "a"}'
	eventually test -e begun
	kill -TERM "$daemon"
	sleep 0.5
	touch go
	within 30 gone "$daemon" || fail 'it does not end'
	wait "$daemon" || fail "it ended with status $?"
	daemon=
	is "$(sql 'select status, attempts, result from jobs')" 'done|1|"worked"'
}

# with_clock: the daemon's clock is what `fault clock` says.
with_clock() {
	case $BUILD in */asan | */tsan) skip 'faults.so is not for a sanitizer' ;; esac
	fault clock new
	export ROWFS_FAULTS=$PWD/clock LD_PRELOAD=$BUILD/faults.so
	with "$@"
	unset LD_PRELOAD
}

# By the clock the leases are over, but the daemon knows which programs run.
test_a_daemon_that_was_stopped_and_whose_clock_was_set_runs_no_job_twice() {
	with_clock '#!/bin/sh
echo "$ROWFS_KEY" >>started
until [ -e go ]; do sleep 0.02; done' 'workers 3'
	saves mnt/orders/1.json '{"text": "a"}'
	eventually test -s started
	kill -STOP "$daemon"
	fault clock clock 100000
	kill -CONT "$daemon"
	saves mnt/orders/2.json '{"text": "a"}'
	eventually grep -q 2 started
	fault clock clock -100000
	saves mnt/orders/3.json '{"text": "a"}'
	eventually grep -q 3 started
	touch go
	eventually job_is mnt/jobs/1.json 'done'
	eventually job_is mnt/jobs/3.json 'done'
	is "$(sort started)" $'1\n2\n3'
	is "$(value mnt/jobs/1.json '[.attempts, .errors]')" '[1,null]'
}

test_a_job_of_later_starts_when_the_clock_is_set_past_its_time() {
	with_clock '#!/bin/sh
true'
	saves mnt/orders/1.json '{"text": "a"}'
	saves mnt/jobs/2.json "{\"order_id\": 1, \"run_at\": \"$(date -u -d '+1 hour' +%FT%TZ)\"}"
	eventually job_is mnt/jobs/1.json 'done'
	fault clock clock 7200
	PATIENCE=30 eventually job_is mnt/jobs/2.json 'done'
}

test_a_queue_without_run_waits_for_others() {
	conf <<'END'
store sqlite:shop.db
queue jobs {
	fields {
		note string
	}
}
END
	mount_rowfs
	saves mnt/jobs/1.json '{"note": "a"}'
	is "$(value mnt/jobs/1.json .status)" queued
}

run "$@"
