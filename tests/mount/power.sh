#!/bin/bash
# The power is cut while many write: sectors that were not synchronized keep what they had, or not, at random. Every
# acknowledged save is there with all that belongs to it, and each transaction is there whole or not at all. ROUNDS=3 cuts;
# `make soak` does 200.
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
model parts {
	fields {
		id integer key
		n integer default 0
		text string
	}
	history 3
}
model marks { fields { name string key } }
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

# transactor NUMBER LAST: its transactions after that one, each of which replaces, moves, patches, removes and makes records.
transactor() {
	local n i text there=mnt/.txn/t$1 base=$(($1 * 10))
	text=$(head -c 5000 /dev/zero | tr '\0' x)
	for ((n = $2 + 1; ; n++)); do
		mkdir "$there" || exit 0
		for i in 1 2 3 4; do
			echo "{\"id\": $((base + i)), \"n\": $n, \"text\": \"$text\"}"
		done | cat >"$there"/parts/.import || exit 0
		if [ "$n" -gt 1 ]; then
			mv "$there"/parts/$((base + 5 + (n + 1) % 2)).json "$there"/parts/$((base + 5 + n % 2)).json || exit 0
			rm "$there/marks/$1-$((n - 1)).json" || exit 0
		fi
		echo "{\"n\": $n}" >>"$there"/parts/$((base + 5 + n % 2)).json || exit 0
		echo '{}' >"$there/marks/$1-$n.json" || exit 0
		echo commit >"$there"/ctl || exit 0
		echo "$n" >>"committed.$1"
		rmdir "$there" || exit 0
	done 2>>refused
}

last_of() {
	sql "select coalesce(max(n), 0) from parts where id / 10 = $1"
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

# The last acknowledged transaction, or the one that was on its way, with all that belongs to it and nothing else.
verify_transactions() {
	local i last acknowledged
	for i in 4 5; do
		last=$(last_of $i)
		acknowledged=$(tail -n 1 "committed.$i" 2>/dev/null || echo 0)
		[ "$last" = "$acknowledged" ] || is "$last" $((acknowledged + 1)) 'a transaction was lost'
		echo "$last" >"committed.$i"
		[ "$last" -gt 0 ] || continue
		is "$(sql "select id % 10, n, length(text) from parts where id / 10 = $i order by id" | tr '\n' ' ')" \
			"$(printf '%s|'"$last"'|5000 ' 1 2 3 4)$((5 + last % 2))|$last| " 'a transaction is there by half'
		is "$(sql "select name from marks where name like '$i-%'")" "$i-$last"
	done
}

test_a_power_cut_loses_nothing_that_was_acknowledged_and_leaves_nothing_half() {
	local round i last writers lost=0
	# A cut that comes right behind a sync has nothing to lose: go on until one had.
	for ((round = 1; round <= ROUNDS || (lost == 0 && round <= 20 * ROUNDS); round++)); do
		LD_PRELOAD=$BUILD/power.so mount_rowfs
		writers=()
		for i in 1 2 3; do
			writer $i &
			writers+=($!)
		done
		for i in 4 5; do
			last=$(last_of $i) # before the cut: another program must not be the last one to close the database
			transactor $i "$last" &
			writers+=($!)
		done
		eventually test -s acknowledged.1
		eventually test -s committed.5
		sleep "0.$((RANDOM % 6 + 1))"
		cut_power "$round"
		sql 'delete from rowfs_after; delete from jobs where 0' # they would run for the rest of the soak
		verify
		verify_transactions
	done
	echo "$ROUNDS power cuts: $lost sectors lost, no acknowledged save, no half transaction" >>"${FIGURES:-/dev/null}"
	[ "$lost" -gt 0 ]
}

run "$@"
