#!/bin/bash
# The power is cut while many write: sectors that were not synchronized keep what they had, or not, at random. Every
# acknowledged save is there with all that belongs to it. ROUNDS=3 cuts; `make soak` does 200.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

ROUNDS=${ROUNDS:-3}

setup() {
	case $BUILD in */asan | */tsan) skip 'power.so is not for a sanitizer' ;; esac
	conf <<'END'
store sqlite:shop.db
model orders {
	fields {
		id integer key
		name string required
		text string
	}
	embeds-many lines by order_id
	on post_save sql "insert into trail (order_id, name) values (:key, :new_name)"
	on after_commit enqueue jobs order_id=:key
	on after_commit run /bin/true
}
model lines {
	fields {
		id integer key
		order_id integer required references orders
		qty integer
	}
}
model trail {
	fields {
		id integer key
		order_id integer
		name string
	}
}
queue jobs {
	fields {
		order_id integer
	}
	run /bin/true
}
END
	export ROWFS_POWER=$PWD/power
}

# writer NUMBER: its records are written again and again; the log is written back every few rounds.
writer() {
	local n k text
	text=$(head -c 30000 /dev/zero | tr '\0' x)
	for ((n = 1; ; n++)); do
		k=$(($1 + n % 5 * 10))
		echo "{\"name\": \"$n\", \"text\": \"$text\", \"lines\": [{\"qty\": $n}]}" >mnt/orders/$k.json || exit 0
		echo "$k $n" >>"acknowledged.$1"
	done 2>>refused
}

cut_power() {
	kill -9 "$daemon"
	wait "$daemon" 2>/dev/null || true
	daemon=
	wait "${writers[@]}"
	fusermount3 -uz mnt
	lost=$((lost + $(power power "$((RANDOM + $1))" shop.db shop.db-wal)))
	rm -f shop.db-shm power # memory, that is
}

# The newest acknowledged version of each, or a later one that was on its way.
verify() {
	is "$(sql 'pragma integrity_check')" ok
	is "$(sql 'pragma foreign_key_check')" ''
	sort -k1,1n -k2,2n acknowledged.* | awk '{last[$1] = $2} END {for (k in last) print k, last[k]}' | sort -n >acknowledged
	sqlite3 -separator ' ' shop.db 'select id, name from orders' | sort -n >stored
	is "$(join acknowledged stored 2>/dev/null | awk '$3 < $2 || $3 > $2 + 5')" '' 'older than what was acknowledged'
	is "$(join -v 1 <(sort acknowledged) <(sort stored))" '' 'acknowledged and lost'
	is "$(sql 'select id from orders o where length(text) <> 30000 or (select count(*) from lines where order_id = o.id and
		qty = o.name) <> 1 or not exists (select 1 from trail t where t.order_id = o.id and t.name = o.name) or
		(select count(*) from trail t where t.order_id = o.id) <> (select count(*) from jobs j where j.order_id = o.id)')" ''
	rm -f acknowledged.*
}

test_a_power_cut_loses_nothing_that_was_acknowledged_and_leaves_no_half() {
	local round i writers lost=0
	# A cut that comes right behind a sync has nothing to lose: go on until one had.
	for ((round = 1; round <= ROUNDS || (lost == 0 && round <= 20 * ROUNDS); round++)); do
		LD_PRELOAD=$BUILD/power.so mount_rowfs
		writers=()
		for i in 1 2 3; do
			writer $i &
			writers+=($!)
		done
		eventually test -s acknowledged.1
		sleep "0.$((RANDOM % 6 + 1))"
		cut_power "$round"
		sql 'delete from rowfs_after; delete from jobs where 0' # they would run for the rest of the soak
		verify
	done
	echo "$ROUNDS power cuts: $lost sectors lost, no acknowledged save" >>"${FIGURES:-/dev/null}"
	[ "$lost" -gt 0 ]
}

run "$@"
