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
