#!/bin/bash
# The n-th read, write, fsync, ftruncate, open, lock, allocation, thread or process of the daemon fails: once, and from then on
# always, under saves, hooks, jobs, transactions and listings, each a load of its own (tests/faults/loads.c). After each: no
# acknowledged save is missing, none is half there, the mount answers, nothing is left open.
#
# Here every STEP-th of them; `make soak` takes every one (STEP=1), until a run meets none. A run that was stopped goes on
# with FIRST=n; LOADS="save hook" chooses.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	case $BUILD in */asan | */tsan) skip 'faults.so is not for a sanitizer' ;; esac
	programs
	conf <<END
store sqlite:shop.db
model plain {
	fields {
		id integer key
		name string required unique
	}
	history 20
	embeds-many plain_lines by plain_id
}
model plain_lines {
	fields {
		id integer key
		plain_id integer required references plain
		qty integer
	}
}
model orders {
	fields {
		id integer key
		name string required
	}
	embeds-many orders_lines by orders_id
	on pre_save run hooks/stage
	on pre_save pipe $BUILD/tool/answer
	on pre_save plugin $BUILD/plugin/price.so
	on post_save sql "insert into trail (name) values (:new_name)"
	on post_save run hooks/see
	on after_commit create update enqueue notices name=:new_name
	on after_commit create update run hooks/after
}
model orders_lines {
	fields {
		id integer key
		orders_id integer required references orders
		qty integer
	}
}
$(printf 'model %s { fields { id integer key; name string unique } }\n' trail staged seen)
queue notices { fields { name string unique } }
queue jobs {
	fields { name string }
	run hooks/work
	backoff 10ms
	attempts 1000
}
END
	fault faults new
	allow_log . # it says a lot, and rightly
	start
	descriptors=$(descriptors)
}

# What hooks and jobs do: each can be seen afterwards.
programs() {
	program hooks/stage <<'END'
#!/bin/sh
cat >/dev/null
echo "{\"name\": \"$new_name\"}" >"$ROWFS_TXN"/staged/.new
END
	program hooks/see <<'END'
#!/bin/sh
read -r event
read -r brace <"$ROWFS_TXN/orders/$ROWFS_KEY.json" || exit 1
echo "{\"name\": \"$new_name\"}" >"$ROWFS_TXN"/seen/.new
END
	program hooks/after <<'END'
#!/bin/sh
echo "$new_name" >>after
END
	program hooks/work <<'END'
#!/bin/sh
echo "$new_name" >&2
echo '{"sum": 3}'
END
}

start() {
	ROWFS_FAULTS=$PWD/faults LD_PRELOAD=$BUILD/faults.so mount_rowfs
}

descriptors() { find "/proc/$daemon/fd" -mindepth 1 | wc -l; }
same() { [ "$(descriptors)" -le $((descriptors + $1)) ]; }
settled() { [ "$(sql "select count(*) from rowfs_after")" = 0 ]; }

# every KIND ERRNO STEP MODE
every() {
	# shellcheck disable=SC2086
	turns "$1" "$2" "$4" "${FIRST:-1}" "${STEP:-$3}" ${LOADS:-} >figures
	# Readers that were opened meanwhile stay: at most 16, with three descriptors each.
	eventually same 48
	unmount
	is "$(sql 'pragma integrity_check')" ok
	mount_rowfs # what could not be started or stored then is now
	PATIENCE=60 eventually settled
	is "$(sql 'select name from trail' | sort)" "$(sort -u after)" 'what after_commit has run for, and what was saved'
	cat figures >>"${FIGURES:-/dev/null}"
}

test_a_read_that_fails_once() { every read EIO 31 once; }
test_reads_that_fail_from_then_on() { every read EIO 31 always; }
test_a_write_that_fails_once() { every write EIO 13 once; }
test_writes_that_fail_from_then_on() { every write EIO 13 always; }
test_a_full_disk_once() { every write ENOSPC 13 once; }
test_a_full_disk_from_then_on() { every write ENOSPC 13 always; }
test_an_fsync_that_fails_once() { every sync EIO 3 once; }
test_fsyncs_that_fail_from_then_on() { every sync EIO 3 always; }
test_a_truncation_that_fails_once() { every truncate EIO 1 once; }
test_truncations_that_fail_from_then_on() { every truncate EIO 1 always; }
test_an_open_that_fails_once() { every open EMFILE 17 once; }
test_opens_that_fail_from_then_on() { every open EMFILE 17 always; }
test_a_lock_that_fails_once() { every lock EIO 61 once; }
test_locks_that_fail_from_then_on() { every lock EIO 61 always; }
test_a_thread_that_cannot_start() { every thread EAGAIN 2 once; }
test_threads_that_cannot_start_from_then_on() { every thread EAGAIN 5 always; }
test_a_process_that_cannot_start() { every process EAGAIN 3 once; }
test_processes_that_cannot_start_from_then_on() { every process EAGAIN 3 always; }
test_an_allocation_that_fails_once() { every malloc ENOMEM 1201 once; }
test_allocations_that_fail_from_then_on() { every malloc ENOMEM 1201 always; }

run "$@"
