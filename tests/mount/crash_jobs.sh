#!/bin/bash
# kill -9 while 8 writers write and jobs run, CRASHES times over, at random points and at every named phase (store/phase.h):
# what was acknowledged is there, of each save all or nothing, each order has one job, every job ends, and none runs twice at
# the same time.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export PATH="$BUILD/phases:$PATH"

setup() {
	export ROWFS_PHASE=$PWD/phase
	conf <<'END'
store sqlite:shop.db
durability normal
model orders {
	fields {
		id integer key
		text string
	}
	embeds-many lines by order_id
	has-many jobs by order_id
	on pre_save create run /bin/true
	on post_save create sql "insert into trail (order_id) values (:id)"
	on after_commit create enqueue jobs order_id=:id
	on after_commit create run hooks/told
}
model lines {
	fields { id integer key; order_id integer required references orders; qty integer }
}
model trail {
	fields { id integer key; order_id integer }
}
queue jobs {
	fields { order_id integer required references orders }
	run hooks/work
	workers 8
	attempts 9
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
	program hooks/told <<'END'
#!/bin/sh
echo "$ROWFS_KEY" >>told
END
	mkdir locks acknowledged
	mount_rowfs
}

# write FROM TEXT: eight orders from there on, until one is refused.
write() {
	local i
	for ((i = $1; i < $1 + 8; i++)); do
		echo "{\"text\": \"$2\", \"lines\": [{\"qty\": $i}]}" 2>/dev/null >mnt/orders/"$i".json || return 0
		echo "$i" >>"acknowledged/$1"
	done
}

# crash_once ROUND TEXT COMMAND...: kills the daemon by the command while writers write, then mounts again.
crash_once() {
	local writer writers=() round=$1 text=$2
	shift 2
	for writer in 0 1 2 3 4 5 6 7; do
		write $(((RANDOM % 3 + 1) * 10000000 + round * 1000 + writer * 100)) "$text" &
		writers+=($!)
	done
	"$@"
	wait "$daemon" 2>/dev/null || true
	daemon=
	wait "${writers[@]}" || true
	fusermount3 -uz mnt
	mount_rowfs
}

kill_somewhen() {
	sleep 0.$((RANDOM % 2))$((RANDOM % 10))
	kill -9 "$daemon"
}

# kill_at PHASE: when the daemon gets there the next time. Where nothing that is left leads there, somewhen.
kill_at() {
	rm -f phase phase.reached
	sleep 0.0$((RANDOM % 10))
	echo "$1 kill" >phase.new
	mv phase.new phase
	if within 5 gone "$daemon"; then reached[$1]=1; else kill -9 "$daemon"; fi
	rm -f phase
}

all_ended() {
	[ "$(sql "select (select count(*) from jobs where status in ('queued', 'running')) + (select count(*) from rowfs_after)")" = 0 ]
}

# What must hold after all crashes.
judge() {
	PATIENCE=${PATIENCE:-50} eventually all_ended
	cat acknowledged/* | sort >expected
	sql 'select id from orders' | sort >found
	is "$(comm -23 expected found)" '' 'acknowledged and lost'
	is "$(sql 'select o.id from orders o where (select count(*) from jobs where order_id = o.id) <> 1
		or (select count(*) from lines where order_id = o.id) <> 1 or (select count(*) from trail where order_id = o.id) <> 1')" '' 'half'
	is "$(sql 'select (select count(*) from jobs) - count(*), (select count(*) from lines) - count(*),
		(select count(*) from trail) - count(*) from orders')" '0|0|0'
	is "$(sql "select id, status, errors from jobs where status <> 'done'")" ''
	is "$(comm -23 <(sql 'select id from jobs' | sort) <(sort -u ran))" '' 'said to be done and never ran'
	is "$(comm -23 found <(sort -u told))" '' 'never told'
	[ ! -e twice ] || fail "ran beside themselves: $(sort -u twice | head)"
	is "$(sql 'pragma integrity_check')" ok
	is "$(sql 'pragma foreign_key_check')" ''
	echo "$1: $(wc -l <expected) saves acknowledged, all of $(wc -l <found) orders whole with one job that is done," \
		"$(sql "select count(*) from jobs where attempts > 1") jobs started again" | tee -a "${FIGURES:-/dev/null}"
}

test_no_save_is_lost_and_no_job_runs_beside_itself_in_crashes() { # 2 times the limit
	local round rounds=${CRASHES:-20}
	for ((round = 1; round <= rounds; round++)); do crash_once "$round" x kill_somewhen; done
	judge "$rounds crashes at random points"
}

phases=(parsed programs begun row rows post finished recorded joined commit committed durable unanswered answered checkpoint
	checkpointed after-starts after-ran after-settled job-found job-claimed job-ran job-finished)

# The log is written back every so many pages: long texts get there soon.
text_for() {
	case $1 in checkpoint*) head -c 200000 /dev/zero | tr '\0' x ;; *) echo x ;; esac
}

test_no_save_is_lost_and_no_job_runs_beside_itself_in_crashes_at_every_phase() { # 2 times the limit
	local round=0 at phase rounds=${CRASHES:-${#phases[@]}}
	declare -A reached
	for ((at = 0; at < rounds; at++)); do
		phase=${phases[at % ${#phases[@]}]}
		reached=()
		until [ -n "${reached[$phase]:-}" ]; do
			[ $((++round)) -lt $((rounds * 2)) ] || fail "does not come to $phase"
			crash_once $round "$(text_for "$phase")" kill_at "$phase"
		done
	done
	judge "$rounds crashes at named phases, $((round - rounds)) elsewhere"
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
