#!/bin/bash
# Programs of jobs that do everything wrong: the job gets an end that says so, nothing of them stays, others go on.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# with TIMEOUT OPTION... <PROGRAM: a queue with the program, and one of good jobs beside it.
with() {
	program hooks/work
	program hooks/good <<<$'#!/bin/sh\necho fine'
	allow_log 'jobs/|hooks/work'
	conf <<END
store sqlite:shop.db
queue jobs {
	fields { what string }
	run hooks/work
	timeout $1
	mode 0666
	$(printf '%s\n' "${@:2}")
}
queue good { run hooks/good }
END
	mount_rowfs mount.conf -o allow_other
}

# ends_as STATUS MESSAGE: the job jobs/1.json, made now, while others go on.
ends_as() {
	saves mnt/jobs/1.json '{}'
	saves mnt/good/1.json '{}'
	eventually job_is mnt/good/1.json 'done'
	eventually job_is mnt/jobs/1.json "$1"
	has "$(value mnt/jobs/1.json '.errors[-1].message')" "$2"
}

none_left() { ! pgrep -f "$PWD/hooks/[w]ork" >/dev/null; }

test_a_fork_bomb_is_bounded_and_ended_with_its_job() {
	[ "$(id -u)" = 0 ] || skip 'needs another user for its processes'
	chmod 755 . hooks 2>/dev/null || mkdir -m 755 hooks
	with 2s 'as nobody' 'processes 40' <<'END'
#!/bin/bash
bomb() { bomb 2>/dev/null & bomb 2>/dev/null & wait; }
bomb 2>/dev/null
END
	chmod 755 hooks
	ends_as failed 'took longer than 2 s'
	eventually none_left
}

test_one_that_floods_its_output_is_ended() {
	with 10s <<<$'#!/bin/sh\nexec yes'
	ends_as failed 'hooks/work.*(too much|more than)'
	eventually none_left
}

test_one_that_floods_its_log_leaves_the_end_of_it() {
	with 1s <<<$'#!/bin/sh\nexec yes loud >&2'
	ends_as failed 'took longer'
	[ "$(stat -c %s mnt/jobs/1.log)" -le $((1 << 20)) ] || fail "$(stat -c %s mnt/jobs/1.log) bytes"
	has "$(tail -c 100 mnt/jobs/1.log)" loud
	eventually none_left
}

test_one_that_ignores_its_time_out_is_killed() {
	with 300ms <<<$'#!/bin/sh\ntrap "" TERM\nwhile :; do sleep 0.05; done'
	ends_as failed 'took longer than 300 ms'
	eventually none_left
}

test_one_that_stops_itself_is_ended() {
	with 300ms <<<$'#!/bin/sh\nkill -STOP $$\nsleep 60'
	ends_as failed 'took longer than 300 ms'
	eventually none_left
}

test_one_that_closes_its_streams_goes_on_to_its_end() {
	with 10s <<<$'#!/bin/sh\nexec <&- >&- 2>&-\nuntil [ -e go ]; do sleep 0.02; done\ntouch gone'
	saves mnt/jobs/1.json '{}'
	eventually job_is mnt/jobs/1.json running
	touch go
	eventually job_is mnt/jobs/1.json 'done'
	[ -e gone ] || fail 'nobody waited for its end'
	is "$(value mnt/jobs/1.json .result)" null
}

# Out of its session it is nobody's any more; it keeps neither the job nor the mount.
test_one_that_leaves_a_daemon_behind_has_ended() {
	with 10s <<<$'#!/bin/sh\nsetsid sh -c "touch away; until [ -e go ]; do sleep 0.02; done; touch gone" &\nuntil [ -e away ]; do sleep 0.02; done\necho 1'
	saves mnt/jobs/1.json '{}'
	eventually job_is mnt/jobs/1.json 'done'
	is "$(value mnt/jobs/1.json .result)" 1
	unmount
	touch go
	eventually test -e gone
}

# In its group they end with it.
test_what_one_leaves_in_the_background_ends_with_it() {
	with 10s <<<$'#!/bin/sh\nsleep 60 &\necho $! >pid\necho 1'
	saves mnt/jobs/1.json '{}'
	eventually job_is mnt/jobs/1.json 'done'
	eventually gone "$(cat pid)"
}

test_one_that_dies_by_a_signal_says_which() {
	with 10s <<<$'#!/bin/sh\nkill -SEGV $$'
	ends_as failed '(signal|SEGV|Segmentation)'
}

test_one_that_kills_its_group_harms_nobody_else() {
	with 10s <<<$'#!/bin/sh\nkill -9 0'
	ends_as failed '(signal|KILL|Killed)'
}

test_a_program_that_goes_away_between_two_starts_is_a_failure() {
	with 10s 'attempts 2' 'backoff 1ms' <<<$'#!/bin/sh\nrm hooks/work\nexit 1'
	ends_as failed 'hooks/work: No such file or directory'
	is "$(value mnt/jobs/1.json .attempts)" 2
}

# result N OUTPUT RESULT: what becomes of an output, as printf takes it.
result() {
	printf "$2" >output
	saves "mnt/jobs/$1.json" '{}'
	eventually job_is "mnt/jobs/$1.json" 'done'
	is "$(value "mnt/jobs/$1.json" '.result | tojson')" "$3"
}

test_any_output_is_a_result() {
	with 10s <<<$'#!/bin/sh\nexec cat output'
	result 1 '{"a": [1, 2.5]}\n' '{"a":[1,2.5]}'
	result 2 '' null
	result 3 '{"a": 1' '"{\"a\": 1"'
	result 4 '{} {}' '"{} {}"'
	result 5 'a\377b' $'"a\xef\xbf\xbdb"'
	result 6 'a\000b' $'"a\xef\xbf\xbdb"'
	result 7 '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[' "$(printf '%s' '"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["')"
}

test_a_result_that_is_too_large_for_the_record_fails_the_job() {
	with 10s 'output 2M' <<<$'#!/bin/sh\nhead -c 1500000 /dev/zero | tr "\\0" x'
	ends_as failed 'larger|too large|bytes'
}

test_one_that_removes_its_job_cancels_itself() {
	with 10s <<<$'#!/bin/sh\nrm "$ROWFS_MOUNT/jobs/$ROWFS_KEY.json"\nsleep 60'
	saves mnt/jobs/1.json '{}'
	eventually job_is mnt/jobs/1.json cancelled
	eventually none_left
}

test_one_cannot_end_its_job_before_it_has_ended() {
	with 10s <<<$'#!/bin/sh\nerrno open "$ROWFS_MOUNT/jobs/$ROWFS_KEY.json" wa : write "{\\"status\\": \\"done\\"}"'
	sed -i "2iPATH=$PATH" hooks/work
	saves mnt/jobs/1.json '{}'
	eventually job_is mnt/jobs/1.json 'done'
	is "$(value mnt/jobs/1.json .result)" 'write: EBUSY'
}

test_one_that_makes_jobs_without_end_is_served_in_turn() {
	with 10s <<<$'#!/bin/sh\n[ -e stop ] || echo "{}" >"$ROWFS_MOUNT/jobs/.new"'
	saves mnt/jobs/1.json '{}'
	eventually job_is mnt/jobs/20.json 'done'
	saves mnt/good/1.json '{}'
	eventually job_is mnt/good/1.json 'done'
	touch stop
}

run "$@"
