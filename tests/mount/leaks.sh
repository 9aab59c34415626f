#!/bin/bash
# Many saves with hooks, and many jobs, leave no process, descriptor or memory behind. SAVES=500 of each kind; `make soak` does 10,000.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

SAVES=${SAVES:-500}
exec 3>&2

# saves_with HOOK: so many saves, and as many refusals.
saves_with() {
	local i
	conf <<END
store sqlite:shop.db
durability off
model items {
	fields {
		id integer key
		qty integer
		price number
	}
	$1
	on before_commit check ":qty <> 0" "None is too few"
}
END
	mount_rowfs
	work 100
	descriptors=$(descriptors)
	children=$(children)
	memory=$(memory)
	work "$SAVES"
	eventually same
	# What the allocator keeps is bounded; what leaks grows with the saves.
	case $BUILD in */asan | */tsan) return ;; esac
	echo "$SAVES saves, half of them refused: $memory KiB, then $(memory) KiB; $descriptors descriptors, then $(descriptors);" \
		"$children processes, then $(children)" >>"${FIGURES:-/dev/null}"
	[ $(($(memory) - memory)) -lt 2048 ] || fail "grew from $memory KiB to $(memory) KiB"
}

# Half of them are refused; the last is not.
work() {
	for ((i = 1; i <= $1; i += 2)); do
		echo '{"qty": 0}' >mnt/items/1.json || true
		echo "{\"qty\": $i}" >mnt/items/1.json || refused
	done 2>>refused
	is "$(value mnt/items/1.json .qty)" $((i - 2))
}

refused() {
	cat refused >&3
	last_error >&3
	exit 1
}

descriptors() { find "/proc/$daemon/fd" -mindepth 1 | wc -l; }
children() { pgrep -cP "$daemon" || true; }
memory() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$daemon/status"; }
same() { [ "$(descriptors) $(children)" = "$descriptors $children" ]; }

test_saves_with_run_hooks_leave_nothing_behind() {
	saves_with 'on pre_save,post_save run /bin/true'
}

test_saves_with_pipe_hooks_leave_nothing_behind() {
	saves_with "on pre_save,post_save pipe $BUILD/tool/answer"
}

test_saves_with_plugin_hooks_leave_nothing_behind() {
	saves_with "on pre_save plugin $BUILD/plugin/price.so"
}

test_pipe_programs_that_die_leave_nothing_behind() {
	program hooks/mortal <<'END'
#!/bin/sh
while read -r line; do
	case $line in *'"new":{"id":1,"qty":0'*) exit 1 ;; esac
	echo '{"version":1}'
done
END
	saves_with 'on pre_save pipe hooks/mortal'
}

# jobs_done N: so many, of which some fail and some leave a process in the background.
jobs_done() {
	local i
	jobs=$((jobs + $1))
	for ((i = 0; i < $1; i++)); do echo '{}' >mnt/jobs/.new; done
	PATIENCE=100 eventually all_ended
}
all_ended() { [ "$(sql "select count(*) from jobs where status in ('done', 'failed')")" = "$jobs" ]; }

# Side by side they need more connections to the database than one save, at some time.
few_more() { [ "$(children)" = "$children" ] && [ "$(descriptors)" -le $((descriptors + 12)) ]; }

test_jobs_leave_nothing_behind() { # 2 times the limit
	jobs=0
	allow_log 'jobs/'
	program hooks/job <<'END'
#!/bin/sh
sleep 60 &
echo "$ROWFS_KEY" >&2
case $ROWFS_KEY in *7) exit 1 ;; esac
END
	conf <<'END'
store sqlite:shop.db
durability off
queue jobs { run hooks/job; workers 4 }
END
	mount_rowfs
	jobs_done 100
	descriptors=$(descriptors)
	children=$(children)
	memory=$(memory)
	jobs_done $((SAVES / 2))
	eventually few_more
	case $BUILD in */asan | */tsan) return ;; esac
	echo "$((SAVES / 2)) jobs: $memory KiB, then $(memory) KiB; $descriptors descriptors, then $(descriptors); $children" \
		"processes, then $(children)" >>"${FIGURES:-/dev/null}"
	[ $(($(memory) - memory)) -lt 2048 ] || fail "grew from $memory KiB to $(memory) KiB"
}

run "$@"
