#!/bin/bash
# Queues that other programs work, and what stands beside a queue's records: logs, .wait, the switch that pauses it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model orders {
	fields {
		id integer key
		text string
	}
	on after_commit create replace enqueue mails order_id=:id
}
queue mails {
	fields { order_id integer }
	unique order_id
	mode 0666
}
queue few {
	fields { what string }
	limit 1
	timeout 4s
	mode 0666
	dir-mode 0777
}
queue ours {
	fields { what string; order_id integer references orders on-delete cascade }
	run hooks/work
}
END
	program hooks/work <<'END'
#!/bin/sh
echo "$new_what begins" >&2
until [ -e go ]; do sleep 0.02; done
echo "$new_what ends" >&2
END
	chmod 755 .
	mount_rowfs mount.conf -o allow_other
}

# patches ERRNO FILE TEXT, with ok for none
patches() {
	local wanted=ok
	[ "$1" = ok ] || wanted="write: $1, close: $1"
	is "$(errno open "$2" wa : write "$3" : close)" "$wanted" "line ${BASH_LINENO[0]}: $3 >> $2"
}

claim='{"status": "running"}'

test_of_many_that_claim_a_job_at_once_one_gets_it() {
	local i pids=()
	saves mnt/mails/1.json '{}'
	for i in 1 2 3 4 5 6 7 8; do
		(if echo "$claim" 2>/dev/null >>mnt/mails/1.json; then echo "$i" >>winners; fi) &
		pids+=($!)
	done
	wait "${pids[@]}"
	is "$(wc -l <winners)" 1
	is "$(value mnt/mails/1.json '[.status, .attempts, .worker]')" '["running",1,"0"]'
	hasnt "$(value mnt/mails/1.json '.started_at, .lease_until')" null
}

test_of_many_that_move_a_job_to_running_one_gets_it() {
	local i pids=()
	saves mnt/mails/1.json '{}'
	for i in 1 2 3 4 5 6 7 8; do
		(if mv mnt/mails/.by/status/queued/1.json mnt/mails/.by/status/running/ 2>/dev/null; then echo "$i" >>winners; fi) &
		pids+=($!)
	done
	wait "${pids[@]}"
	is "$(wc -l <winners)" 1
	is "$(value mnt/mails/1.json '[.status, .attempts, .worker]')" '["running",1,"0"]'
	is "$(errno rename mnt/mails/.by/status/queued/1.json mnt/mails/.by/status/running/1.json)" 'rename: ENOENT'
	mv mnt/mails/.by/status/running/1.json mnt/mails/.by/status/failed/
	mv mnt/mails/.by/status/failed/1.json mnt/mails/.by/status/queued/
	is "$(value mnt/mails/1.json '[.status, .attempts, .max_attempts]')" '["queued",1,2]'
}

test_an_editor_claims_too() {
	saves mnt/mails/1.json '{}'
	jq '.status = "running"' mnt/mails/1.json >copy
	cp copy mnt/mails/1.json
	is "$(value mnt/mails/1.json '[.status, .attempts]')" '["running",1]'
	is "$(errno open mnt/mails/1.json wt : write "$(cat copy)" : close)" 'write: EBUSY, close: EBUSY'
}

test_the_worker_alone_ends_a_job() {
	saves mnt/mails/1.json '{}'
	as 1000 sh -c "echo '$claim' >>mnt/mails/1.json"
	is "$(value mnt/mails/1.json .worker)" 1000
	patches EBUSY mnt/mails/1.json '{"status": "done"}'
	has "$(last_error)" 'only its worker, 1000, can end it'
	patches EBUSY mnt/mails/1.json '{"status": "queued"}'
	has "$(last_error)" 'only its worker, 1000, can give it back; rm cancels it'
	as 1000 sh -c 'echo "{\"status\": \"done\", \"result\": 5}" >>mnt/mails/1.json'
	is "$(value mnt/mails/1.json '[.status, .result, .lease_until]')" '["done",5,null]'
	hasnt "$(value mnt/mails/1.json .finished_at)" null
}

moves() { as "$1" mv "mnt/few/.by/status/$2/1.json" "mnt/few/.by/status/$3/"; }

test_a_worker_of_another_user_claims_renews_and_ends_with_mv_and_touch() {
	local before
	saves mnt/few/1.json '{}'
	moves 1000 queued running
	is "$(value mnt/few/1.json '[.status, .worker, .attempts]')" '["running","1000",1]'
	before=$(value mnt/few/1.json .lease_until)
	as 1000 touch mnt/few/1.json
	[[ $(value mnt/few/1.json .lease_until) > $before ]] || fail "still $before"
	fails moves 1001 running 'done'
	moves 1000 running 'done'
	is "$(value mnt/few/1.json '[.status, .worker]')" '["done","1000"]'
}

test_a_worker_keeps_its_job_over_a_crash_of_the_daemon() {
	saves mnt/mails/1.json '{}'
	patches ok mnt/mails/1.json "$claim"
	crash
	mount_rowfs mount.conf -o allow_other
	is "$(value mnt/mails/1.json '[.status, .worker, .attempts, .errors]')" '["running","0",1,null]'
	patches ok mnt/mails/1.json '{"status": "done", "attempts": 1}'
}

test_who_waits_for_a_job_that_is_removed_hears_it() {
	saves mnt/mails/1.json '{}'
	errno open mnt/mails/.wait/1.json r : read >answer &
	local reader=$!
	sleep 0.2
	is "$(cat answer)" ''
	rm mnt/mails/1.json
	wait $reader
	has "$(cat answer)" 'read: ENOENT'
}

test_what_names_other_attempts_is_refused() {
	saves mnt/mails/1.json '{}'
	patches ok mnt/mails/1.json "$claim"
	patches EBUSY mnt/mails/1.json '{"status": "done", "attempts": 2}'
	patches ok mnt/mails/1.json '{"status": "done", "attempts": 1}'
	patches EBUSY mnt/mails/1.json '{"status": "failed", "attempts": 1}'
	patches ok mnt/mails/1.json '{"status": "done", "attempts": 1}'
}

test_a_job_that_nobody_claimed_is_not_ended() {
	saves mnt/mails/1.json '{}'
	patches EBUSY mnt/mails/1.json '{"status": "done"}'
	is "$(value mnt/mails/1.json .status)" queued
}

test_nothing_is_claimed_before_its_time() {
	saves mnt/mails/1.json '{"run_at": "2999-01-01T00:00:00Z"}'
	patches EBUSY mnt/mails/1.json "$claim"
	has "$(last_error)" 'not due before 2999-01-01T00:00:00Z'
}

test_a_worker_gives_a_job_back() {
	saves mnt/mails/1.json '{}'
	patches ok mnt/mails/1.json "$claim"
	patches ok mnt/mails/1.json '{"status": "queued", "run_at": "2020-01-01T00:00:00Z"}'
	is "$(value mnt/mails/1.json '[.status, .attempts, .max_attempts, .worker, .lease_until]')" '["queued",1,2,null,null]'
	patches ok mnt/mails/1.json "$claim"
	is "$(value mnt/mails/1.json .attempts)" 2
}

test_the_status_queued_runs_a_job_again() {
	saves mnt/mails/1.json '{}'
	patches ok mnt/mails/1.json "$claim"
	patches ok mnt/mails/1.json '{"status": "failed"}'
	sed -i 's/"failed"/"queued"/' mnt/mails/1.json
	is "$(value mnt/mails/1.json '[.status, .attempts, .max_attempts, .finished_at]')" '["queued",1,2,null]'
}

test_rm_cancels_a_job_that_runs_and_removes_any_other() {
	saves mnt/mails/1.json '{}'
	patches ok mnt/mails/1.json "$claim"
	rm mnt/mails/1.json
	is "$(value mnt/mails/1.json .status)" cancelled
	patches EBUSY mnt/mails/1.json '{"status": "done"}'
	rm mnt/mails/1.json
	saves mnt/mails/2.json '{}'
	rm mnt/mails/2.json
	is "$(ls mnt/mails)" ''
}

test_a_job_that_runs_keeps_its_name() {
	saves mnt/mails/1.json '{}'
	patches ok mnt/mails/1.json "$claim"
	is "$(errno rename mnt/mails/1.json mnt/mails/2.json)" 'rename: EBUSY'
	is "$(ls mnt/mails)" 1.json
}

test_touch_renews_the_lease_and_one_that_ran_out_frees_the_job() {
	local i
	saves mnt/few/1.json '{}'
	patches ok mnt/few/1.json "$claim"
	for i in 1 2 3 4 5; do
		sleep 1
		touch mnt/few/1.json
	done
	is "$(value mnt/few/1.json .status)" running
	eventually job_is mnt/few/1.json queued
	is "$(value mnt/few/1.json '[.attempts, .worker, .errors[0].attempt, .errors[0].message]')" '[1,null,1,"its lease ran out"]'
	patches EBUSY mnt/few/1.json '{"status": "done", "attempts": 1}'
}

renewed() { [ "$(value mnt/ours/1.json .lease_until)" != "$1" ]; }
test_the_lease_of_a_program_is_renewed_while_it_runs() {
	saves mnt/ours/1.json '{"what": "a"}'
	eventually job_is mnt/ours/1.json running
	PATIENCE=40 eventually renewed "$(value mnt/ours/1.json .lease_until)"
	is "$(value mnt/ours/1.json '[.status, .attempts]')" '["running",1]'
	touch go
	eventually job_is mnt/ours/1.json 'done'
}

test_another_users_touch_renews_nothing() {
	saves mnt/few/1.json '{}'
	patches ok mnt/few/1.json "$claim"
	local before
	before=$(value mnt/few/1.json .lease_until)
	as 1000 touch mnt/few/1.json
	is "$(value mnt/few/1.json .lease_until)" "$before"
}

test_limit_bounds_what_runs() {
	saves mnt/few/1.json '{}'
	saves mnt/few/2.json '{}'
	patches ok mnt/few/1.json "$claim"
	patches EBUSY mnt/few/2.json "$claim"
	patches ok mnt/few/1.json '{"status": "done"}'
	patches ok mnt/few/2.json "$claim"
}

test_a_double_of_a_job_that_waits_is_dropped() {
	saves mnt/orders/7.json '{"text": "a"}'
	saves mnt/orders/7.json '{"text": "b"}'
	is "$(ls mnt/mails)" 1.json
	refuses EEXIST mnt/mails/.new '{"order_id": 7}'
	saves mnt/orders/8.json '{"text": "a"}'
	is "$(ls mnt/mails)" $'1.json\n2.json'
	patches ok mnt/mails/1.json "$claim"
	saves mnt/orders/7.json '{"text": "c"}'
	is "$(ls mnt/mails)" $'1.json\n2.json\n3.json'
}

test_a_job_that_comes_back_or_is_edited_is_no_double_either() {
	saves mnt/mails/1.json '{"order_id": 7}'
	rm mnt/mails/1.json
	saves mnt/mails/2.json '{"order_id": 7}'
	is "$(errno rename mnt/mails/.deleted/1.json mnt/mails/1.json)" 'rename: EEXIST'
	is "$(last_error)" 'mails/2.json waits already, for the same work'
	saves mnt/mails/3.json '{"order_id": 8}'
	patches EEXIST mnt/mails/3.json '{"order_id": 7}'
	patches ok mnt/mails/3.json '{"priority": 7}'
	patches ok mnt/mails/2.json "$claim"
	mv mnt/mails/.deleted/1.json mnt/mails/1.json
	is "$(value mnt/mails/1.json '[.order_id, .status]')" '[7,"queued"]'
}

test_doubles_that_another_program_made_can_be_edited() {
	saves mnt/mails/1.json '{"order_id": 7}'
	sql 'insert into mails (id, order_id) values (2, 7)'
	patches ok mnt/mails/1.json '{"priority": 7}'
	patches ok mnt/mails/2.json '{"order_id": 8}'
}

test_a_job_that_went_while_its_program_ran_is_due_when_it_comes_back() {
	saves mnt/orders/7.json '{"text": "a"}'
	saves mnt/ours/1.json '{"what": "a", "order_id": 7}'
	eventually grep -q 'a begins' mnt/ours/1.log
	rm mnt/orders/7.json
	is "$(ls mnt/ours)" ''
	touch go
	mv mnt/orders/.deleted/7.json mnt/orders/7.json
	mv mnt/ours/.deleted/1.json mnt/ours/1.json
	eventually job_is mnt/ours/1.json 'done'
	is "$(value mnt/ours/1.json '[.attempts, .errors[0].message]')" '[2,"its lease ran out"]'
}

test_jobs_run_on_when_somebody_has_ended_the_guard_and_that_is_told_once() {
	allow_log 'rowfs-guard was ended: after a crash nobody will end the programs of jobs'
	touch go
	kill -9 "$(pgrep -P "$daemon" rowfs-guard)"
	saves mnt/ours/1.json '{"what": "a"}'
	eventually job_is mnt/ours/1.json 'done'
	saves mnt/ours/2.json '{"what": "b"}'
	eventually job_is mnt/ours/2.json 'done'
	is "$(grep -c 'rowfs-guard was ended' daemon.log)" 1
}

test_what_a_hook_removes_in_its_transaction_is_cancelled_where_it_runs() {
	unmount
	program hooks/cancel <<'END'
#!/bin/sh -e
rm "$ROWFS_TXN/few/1.json"
END
	sed -i 's|^\ton after_commit|\ton post_save run hooks/cancel\n&|' mount.conf
	mount_rowfs mount.conf -o allow_other
	saves mnt/few/1.json '{}'
	patches ok mnt/few/1.json "$claim"
	saves mnt/orders/7.json '{"text": "a"}'
	is "$(value mnt/few/1.json '[.status, .lease_until]')" '["cancelled",null]'
	saves mnt/orders/7.json '{"text": "b"}'
	is "$(ls mnt/few)" ''
}

test_a_hook_cannot_say_that_a_job_runs_which_has_ended() {
	unmount
	program hooks/again <<'END'
#!/bin/sh
echo '{"save": [{"path": "few/1.json", "merge": {"status": "'$new_text'"}}]}'
END
	sed -i 's|^\ton after_commit|\ton post_save run hooks/again\n&|' mount.conf
	mount_rowfs mount.conf -o allow_other
	saves mnt/few/1.json '{"status": "cancelled"}'
	is "$(save mnt/orders/7.json '{"text": "running"}')" 'write: EBUSY, close: EBUSY'
	has "$(last_error)" 'few/1.json has ended already, cancelled; queued runs it again$'
	is "$(value mnt/few/1.json .status)" cancelled
	saves mnt/orders/7.json '{"text": "failed"}'
	is "$(value mnt/few/1.json .status)" failed
	saves mnt/orders/7.json '{"text": "queued"}'
	saves mnt/orders/7.json '{"text": "running"}'
	is "$(value mnt/few/1.json '[.status, .attempts, .lease_until != null, .finished_at]')" '["running",1,true,null]'
}

test_a_paused_queue_goes_on_when_it_is_told() {
	echo 1 >mnt/ours/.info/paused
	is "$(cat mnt/ours/.info/paused)" 1
	touch go
	saves mnt/ours/1.json '{}'
	remount
	is "$(cat mnt/ours/.info/paused)" 1
	patches EBUSY mnt/ours/1.json "$claim"
	is "$(errno open mnt/ours/.info/paused wt : write maybe)" 'write: EBADMSG'
	is "$(last_error '.path + ": " + .message')" 'ours/.info/paused: ours/.info/paused takes 0 or 1'
	is "$(ls -A mnt/orders/.info)" $'count\nmeta.json\nschema.json'
	has "$(cat mnt/.info/status)" 'paused'
	echo 0 >mnt/ours/.info/paused
	eventually job_is mnt/ours/1.json 'done'
}

ends_twice() { [ "$(grep -c 'first ends' followed)" = 2 ]; }
test_a_log_can_be_followed_and_grows_over_attempts() {
	saves mnt/ours/1.json '{"what": "first"}'
	tail -n +1 -s 0.1 -f mnt/ours/1.log >followed 2>tail.errors &
	local tail=$!
	eventually grep -q 'first begins' followed
	is "$(value mnt/ours/1.json .status)" running
	is "$(stat -c %s mnt/ours/1.log)" "$(cat mnt/ours/1.log | wc -c)"
	touch go
	eventually grep -q 'first ends' followed
	eventually job_is mnt/ours/1.json 'done'
	echo '{"status": "queued"}' >>mnt/ours/1.json
	eventually ends_twice
	eventually job_is mnt/ours/1.json 'done'
	kill $tail
	wait $tail || true
	is "$(cat mnt/ours/1.log)" $'first begins\nfirst ends\nfirst begins\nfirst ends'
	is "$(ls mnt/ours)" 1.json
	eventually job_is mnt/ours/1.json 'done'
	rm mnt/ours/1.json
	fails cat mnt/ours/1.log
}

test_reading_in_wait_lasts_until_the_job_has_ended() {
	saves mnt/ours/1.json '{"what": "a"}'
	cat mnt/ours/.wait/1.json >text &
	local reader=$!
	eventually job_is mnt/ours/1.json running
	is "$(cat text)" ''
	touch go
	wait $reader
	is "$(cat text)" "$(cat mnt/ours/1.json)"
	is "$(value mnt/ours/.wait/1.json .status)" 'done'
	fails cat mnt/ours/.wait/2.json
}

test_who_waits_keeps_nobody_from_anything() {
	saves mnt/mails/1.json '{"order_id": 1}'
	python3 - <<'END'
import errno, os, threading
answers = []
def wait():
    file = os.open("mnt/mails/.wait/1.json", os.O_RDONLY)
    opened.release()
    answers.append(os.read(file, 4096))
    os.close(file)
opened = threading.Semaphore(0)
threads = [threading.Thread(target=wait) for i in range(600)]
for thread in threads:
    thread.start()
for thread in threads:
    opened.acquire()
with open("mnt/orders/9.json", "w") as file:
    file.write('{"text": "a"}')
assert '"a"' in open("mnt/orders/9.json").read()
assert answers == []
with open("mnt/mails/1.json", "a") as file:
    file.write('{"status": "cancelled"}')
for thread in threads:
    thread.join()
assert len(answers) == 600 and all(b"cancelled" in answer for answer in answers)
END
}

test_a_wait_can_be_interrupted() {
	saves mnt/mails/1.json '{}'
	fails timeout -s INT 0.2 cat mnt/mails/.wait/1.json
	fails timeout -s KILL 0.2 cat mnt/mails/.wait/1.json
	rm mnt/mails/1.json
}

test_poll_tells_when_a_job_has_ended() {
	saves mnt/ours/1.json '{"what": "a"}'
	python3 - <<'END'
import os, select
file = os.open("mnt/ours/.wait/1.json", os.O_RDONLY)
poll = select.poll()
poll.register(file, select.POLLIN)
assert poll.poll(100) == []
open("go", "w").close()
assert poll.poll(9000) == [(file, select.POLLIN)]
assert b'"done"' in os.read(file, 4096)
END
}

test_status_and_metrics_show_queues() {
	saves mnt/mails/1.json '{}'
	saves mnt/mails/2.json '{"order_id": 2, "run_at": "2999-01-01T00:00:00Z"}'
	saves mnt/few/1.json '{}'
	patches ok mnt/few/1.json "$claim"
	has "$(cat mnt/.info/status)" '^  2 queued, 0 running, 0 done, 0 failed, 0 cancelled$'
	has "$(cat mnt/.info/status)" '^  few/1.json: running since 20.*Z, attempt 1, worker 0$'
	patches ok mnt/few/1.json '{"status": "failed"}'
	has "$(cat mnt/.info/status)" '^  few/1.json: failed 20'
	has "$(cat mnt/.info/status)" '^  1 ended in the last minute$'
	has "$(cat mnt/.info/metrics.prom)" '^rowfs_jobs\{queue="mails",status="queued"\} 2$'
	has "$(cat mnt/.info/metrics.prom)" '^rowfs_jobs_ended_last_minute\{queue="few",status="failed"\} 1$'
	echo 1 >mnt/mails/.info/paused
	has "$(cat mnt/.info/metrics.prom)" '^rowfs_queue_paused\{queue="mails"\} 1$'
	has "$(cat mnt/.info/metrics.prom)" '^rowfs_queue_paused\{queue="few"\} 0$'
	has "$(cat mnt/.info/metrics.prom)" '^rowfs_queue_oldest_seconds\{queue="mails"\} 0*[1-9.][0-9.]*$'
	has "$(cat mnt/.info/status)" 'the oldest waits for [0-9.]+ s, paused$'
	rm mnt/mails/1.json
	has "$(cat mnt/.info/status)" 'the next is due in [0-9.]+ s, paused$'
	is "$(grep -vcE '^(# (HELP|TYPE) [a-z_]+ .*|[a-z_]+\{[a-z]+="[a-z]+"(,[a-z]+="[a-z]+")?\} [0-9.]+)$' mnt/.info/metrics.prom)" 0
}

run "$@"
