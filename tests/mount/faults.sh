#!/bin/bash
# The n-th read, write, fsync, ftruncate, open, lock, allocation, thread or process of the daemon fails: once, and from then on
# always, under saves, hooks, jobs, transactions and listings, each a load of its own (tests/faults/loads.c). After each: no
# acknowledged save is missing, none is half there, the mount answers, nothing is left open.
#
# Here a dozen of each; `make soak` takes every one (STEP=1), until a run meets none. A run that was stopped goes on with
# FIRST=n; LOADS="save hook" chooses. What it prints into FIGURES says how many turns there were, of each load and kind.
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

# every KIND ERRNO MODE
every() {
	# shellcheck disable=SC2086
	turns "$1" "$2" "$3" "${FIRST:-1}" "${STEP:-0}" ${LOADS:-} >figures
	# Readers that were opened meanwhile stay: at most 16, with three descriptors each.
	eventually same 48
	unmount
	is "$(sql 'pragma integrity_check')" ok
	mount_rowfs # what could not be started or stored then is now
	PATIENCE=60 eventually settled
	is "$(sql 'select name from trail' | sort)" "$(sort -u after)" 'what after_commit has run for, and what was saved'
	cat figures >>"${FIGURES:-/dev/null}"
}

test_a_read_that_fails_once() { every read EIO once; }
test_reads_that_fail_from_then_on() { every read EIO always; }
test_a_write_that_fails_once() { every write EIO once; }
test_writes_that_fail_from_then_on() { every write EIO always; }
test_a_full_disk_once() { every write ENOSPC once; }
test_a_full_disk_from_then_on() { every write ENOSPC always; }
test_an_fsync_that_fails_once() { every sync EIO once; }
test_fsyncs_that_fail_from_then_on() { every sync EIO always; }

# The database's file is cut when its log is written back, after another program has made it smaller.
cut() { # MODE
	local i
	for ((i = 1; i <= 200; i++)); do
		printf '{"id": %d, "name": "%0500d", "plain_lines": []}\n' $i $i
	done >mnt/plain/.import
	unmount
	start
	rm mnt/plain/1??.json
	sql 'delete from rowfs_deleted_plain; delete from rowfs_history_plain; vacuum' 2>/dev/null || sql 'vacuum'
	fault faults truncate 1 EIO "$1"
	unmount
	[ "$(fault faults off)" -ge 1 ] || fail 'nothing was cut'
	is "$(sql 'pragma integrity_check')" ok
	mount_rowfs
	is "$(ls mnt/plain | wc -l)" 100
	saves mnt/plain/1.json '{"name": "after"}'
}
test_a_truncation_that_fails_once() { cut once; }
test_truncations_that_fail_from_then_on() { cut always; }

test_an_open_that_fails_once() { every open EMFILE once; }
test_opens_that_fail_from_then_on() { every open EMFILE always; }
test_a_lock_that_fails_once() { every lock EIO once; }

test_locks_that_fail_from_then_on() { every lock EIO always; }

test_a_thread_that_cannot_start() { every thread EAGAIN once; }
test_threads_that_cannot_start_from_then_on() { every thread EAGAIN always; }
test_a_process_that_cannot_start() { every process EAGAIN once; }
test_processes_that_cannot_start_from_then_on() { every process EAGAIN always; }
test_an_allocation_that_fails_once() { every malloc ENOMEM once; }
test_allocations_that_fail_from_then_on() { every malloc ENOMEM always; }

# A name that was never saved is there while it is open. libfuse has no memory for the flush and for the release.
test_what_is_closed_without_memory_is_closed() {
	exec 9>mnt/plain/7.json
	test -e mnt/plain/7.json
	fault faults malloc 1 ENOMEM always
	exec 9>&-
	eventually two_were_not_handed_on
	fault faults off >seen
	eventually gone_again
}
gone_again() { [ ! -e mnt/plain/7.json ]; }
two_were_not_handed_on() { [ "$(grep -c 'failed to allocate request' daemon.log)" -ge 2 ]; }

run "$@"
