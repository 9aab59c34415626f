#!/bin/bash
# kill -9 while 8 writers write and jobs run, CRASHES times over: what was acknowledged is there, each order has one job, every
# job ends, and none runs twice at the same time.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
durability normal
model orders {
	fields {
		id integer key
		text string
		done integer default 0
	}
	on after_commit create enqueue jobs order_id=:id
}
queue jobs {
	fields { order_id integer required references orders }
	run hooks/work
	workers 8
	attempts 5
	backoff 10ms
}
END
	# The lock lasts until the last process of the program has ended.
	program hooks/work <<'END'
#!/bin/sh
exec 9>locks/$ROWFS_KEY
flock -n 9 || echo "$ROWFS_KEY" >>twice
case $ROWFS_KEY in *3) sleep 0.3 ;; esac
echo "$ROWFS_KEY" >>ran
END
	mkdir locks acknowledged
	mount_rowfs
}

# write FROM: orders from there on, until one is refused.
write() {
	local i=$1
	while echo '{"text": "x"}' 2>/dev/null >mnt/orders/"$i".json; do
		echo "$i" >>"acknowledged/$1"
		i=$((i + 1))
		[ $((i - $1)) -lt 8 ] || break
	done
}

# crash_once ROUND: kills the daemon while writers write, then mounts again.
crash_once() {
	local writer writers=()
	for writer in 0 1 2 3 4 5 6 7; do
		write $(((RANDOM % 3 + 1) * 10000000 + $1 * 1000 + writer * 100)) &
		writers+=($!)
	done
	sleep 0.$((RANDOM % 2))$((RANDOM % 10))
	kill -9 "$daemon"
	wait "$daemon" 2>/dev/null || true
	daemon=
	wait "${writers[@]}" || true
	fusermount3 -uz mnt
	mount_rowfs
}

all_ended() {
	[ "$(sql "select count(*) from jobs where status in ('queued', 'running')")" = 0 ]
}

test_no_save_is_lost_and_no_job_runs_beside_itself_in_crashes() {
	local round
	for round in $(seq "${CRASHES:-20}"); do crash_once "$round"; done
	PATIENCE=${PATIENCE:-40} eventually all_ended
	cat acknowledged/* | sort -n >expected
	sql 'select id from orders order by id' | sort -n >found
	is "$(comm -23 <(sort expected) <(sort found))" ''
	is "$(sql 'select o.id, count(j.id) from orders o left join jobs j on j.order_id = o.id group by o.id having count(j.id) <> 1')" ''
	is "$(sql "select id, status, errors from jobs where status <> 'done'")" ''
	is "$(comm -23 <(sql 'select id from jobs' | sort) <(sort -u ran))" ''
	[ ! -e twice ] || fail "ran beside themselves: $(sort -u twice | head)"
	is "$(sql 'pragma integrity_check')" ok
	echo "$(wc -l <expected) saves acknowledged, $(sql "select count(*) from jobs where attempts > 1") jobs started again"
}

alive_twice() { [ "$(wc -l <pids)" = 2 ]; }

test_programs_that_a_killed_daemon_leaves_are_ended_before_their_jobs_start_again() {
	program hooks/work <<'END'
#!/bin/sh
# What init has not reaped yet has ended.
[ ! -e pids ] || ! grep 'State:.*[RSDT] ' "/proc/$(cat pids)/status" >>twice 2>/dev/null || exit 1
echo $$ >>pids
trap '' TERM
sleep 60 &
while [ ! -e go ]; do sleep 0.02; done
END
	saves mnt/orders/1.json '{"text": "x"}'
	eventually test -s pids
	crash
	mount_rowfs
	eventually alive_twice
	[ ! -s twice ] || fail "the first was still there: $(cat twice)"
	touch go
	eventually job_is mnt/jobs/1.json 'done'
	is "$(value mnt/jobs/1.json '[.attempts, .errors[0].message]')" '[2,"rowfs ended while it ran"]'
}

run "$@"
