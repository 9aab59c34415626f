#!/bin/bash
# The n-th read, write, fsync, ftruncate, open, lock, allocation, thread or process of the daemon fails: once, and from then on
# always. After each: no acknowledged save is missing, none is half there, the mount answers, nothing is left open. Here every
# STEP-th of them; `make soak` takes every one (STEP=1), until a run meets none.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	case $BUILD in */asan | */tsan) skip 'faults.so is not for a sanitizer' ;; esac
	program hooks/check <<'END'
#!/bin/sh
cat >/dev/null
END
	conf <<'END'
store sqlite:shop.db
model orders {
	fields {
		id integer key
		name string required
		code string unique
	}
	embeds-many lines by order_id
	on pre_save run hooks/check
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
	backoff 100ms
	attempts 1000
}
END
	fault faults new
	allow_log . # it says a lot, and rightly
	export ROWFS_FAULTS=$PWD/faults
	LD_PRELOAD=$BUILD/faults.so mount_rowfs
	unset ROWFS_FAULTS
	next=1
	turn
	fault faults off >seen
	eventually drop_transactions
	verify
	descriptors=$(descriptors)
}

descriptors() { find "/proc/$daemon/fd" -mindepth 1 | wc -l; }

# ---- the load: what is acknowledged goes to the array names, by key ----

declare -A names=()

# store KEY NAME: when it is acknowledged it is so, when it is refused nothing has changed. The write tells; a close
# of which the daemon never hears, for libfuse has no memory to read it, tells nothing.
store() {
	local answer
	answer=$(timeout 60 errno open "mnt/orders/$1.json" wct : write "{\"name\": \"$2\", \"code\": \"$1\", \"lines\": [{\"qty\": 1}]}" : close)
	case $answer in open:* | *write:*) ;; *) names[$1]=$2 ;; esac
}

take() {
	timeout 60 rm "mnt/orders/$1.json" 2>>refused || return 0
	unset "names[$1]"
}

rename() {
	timeout 60 mv -T "mnt/orders/$1.json" "mnt/orders/$2.json" 2>>refused || return 0
	names[$2]=${names[$1]}
	unset "names[$1]"
}

# A listing that ends without an error is whole.
list() {
	timeout 60 ls mnt/orders >listed 2>>refused || return 0
	is "$(wc -l <listed)" "${#names[@]}"
}

# A text that is read without an error is the record's.
look() {
	timeout 60 cat "mnt/orders/$1.json" >text 2>>refused || return 0
	is "$(jq -r .name text)" "${names[$1]}"
}

# Two records in a transaction: both or none.
transact() {
	local key text
	timeout 60 mkdir "mnt/.txn/t$1" 2>>refused || return 0
	for key in "$1" $(($1 + 1)); do
		text="{\"name\": \"t$key\", \"code\": \"$key\", \"lines\": [{\"qty\": 1}]}"
		case $(timeout 60 errno open "mnt/.txn/t$1/orders/$key.json" wct : write "$text" : close) in
		open:* | *write:*) return 0 ;;
		esac
	done
	case $(timeout 60 errno open "mnt/.txn/t$1/ctl" w : write commit) in
	open:* | *write:*) return 0 ;;
	esac
	names[$1]=t$1
	names[$(($1 + 1))]=t$(($1 + 1))
}

# The close tells.
import() {
	local line="{\"id\": $1, \"name\": \"i$1\", \"lines\": [{\"qty\": 1}]}"
	[ "$(timeout 60 errno open mnt/orders/.import w : write "$line"$'\n' : close)" = ok ] || return 0
	names[$1]=i$1
}

turn() {
	local k=$next
	next=$((next + 6))
	store $k "a$k"
	store $((k + 1)) "b$k"
	[ -z "${names[$k]:-}" ] || store $k "c$k"
	list
	[ -z "${names[$k]:-}" ] || look $k
	[ -z "${names[$k]:-}" ] || rename $k $((k + 2))
	[ -z "${names[$((k + 1))]:-}" ] || take $((k + 1))
	transact $((k + 3))
	import $((k + 5))
}

# Those of the turn, which could not go then.
drop_transactions() {
	find mnt/.txn -mindepth 1 -maxdepth 1 -exec rmdir {} +
	[ -z "$(ls mnt/.txn)" ]
}

# ---- what must hold ----

expected() {
	local k
	for k in "${!names[@]}"; do echo "$k|${names[$k]}|1"; done | sort
}

stored() {
	sql 'select id, name, (select count(*) from lines where order_id = orders.id) from orders' | sort
}

verify() {
	is "$(stored)" "$(expected)" 'what is stored, and what was acknowledged'
	is "$(sql 'select count(*) from lines where order_id not in (select id from orders)')" 0
	is "$(sql 'select count(*) from orders o where not exists (select 1 from trail t where t.order_id = o.id and t.name = o.name)')" 0
	is "$(sql 'select (select count(*) from trail) - (select count(*) from trail t where exists
		(select 1 from jobs j where j.order_id = t.order_id))')" 0
	is "$(ls mnt/orders | wc -l)" "${#names[@]}"
}

answers() { timeout 20 errno open mnt/orders/1000.json wct : write '{"name": "x", "lines": [{"qty": 1}]}' : close | grep -qx ok; }
same() { [ "$(descriptors)" -le $((descriptors + $1)) ]; }
settled() { [ "$(sql "select (select count(*) from rowfs_after) + (select count(*) from jobs where status <> 'done')")" = 0 ]; }

# every KIND ERRNO STEP MODE
every() {
	local n seen
	for ((n = 1; ; n += ${STEP:-$3})); do
		fault faults "$1" "$n" "$2" "$4"
		turn
		seen=$(fault faults off)
		gone "$daemon" && fail "the daemon ended when $1 $n failed"
		PATIENCE=40 eventually answers
		eventually drop_transactions
		names[1000]=x
		verify
		[ "$seen" -ge "$n" ] || break
	done
	# Readers that were opened meanwhile stay: at most 16, with three descriptors each.
	eventually same 48
	unmount
	is "$(sql 'pragma integrity_check')" ok
	is "$(stored)" "$(expected)"
	mount_rowfs # what could not be started or stored then is now
	PATIENCE=30 eventually settled
	verify
	echo "$1 $2 $4: up to the ${n}th of $seen calls" >>"${FIGURES:-/dev/null}"
}

test_a_read_that_fails_once() { every read EIO 31 once; }
test_reads_that_fail_from_then_on() { every read EIO 31 always; }
test_a_write_that_fails_once() { every write EIO 13 once; }
test_writes_that_fail_from_then_on() { every write EIO 13 always; }
test_a_full_disk_once() { every write ENOSPC 13 once; }
test_a_full_disk_from_then_on() { every write ENOSPC 13 always; }
test_an_fsync_that_fails_once() { every sync EIO 3 once; }
test_fsyncs_that_fail_from_then_on() { every sync EIO 3 always; }
test_a_truncation_that_fails() { every truncate EIO 1 once; }
test_an_open_that_fails_once() { every open EMFILE 17 once; }
test_opens_that_fail_from_then_on() { every open EMFILE 17 always; }
test_a_lock_that_fails_once() { every lock EIO 61 once; }
test_a_thread_that_cannot_start() { every thread EAGAIN 2 once; }
test_threads_that_cannot_start_from_then_on() { every thread EAGAIN 5 always; }
test_a_process_that_cannot_start() { every process EAGAIN 3 once; }
test_processes_that_cannot_start_from_then_on() { every process EAGAIN 3 always; }
test_an_allocation_that_fails_once() { every malloc ENOMEM 1201 once; }
test_allocations_that_fail_from_then_on() { every malloc ENOMEM 1201 always; }

run "$@"
