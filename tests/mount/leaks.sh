#!/bin/bash
# Many saves with hooks, and many jobs, leave no process, descriptor or memory behind. SAVES=500 of each kind; `make soak` does 10,000.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

SAVES=${SAVES:-500}
exec 3>&2

# saves_with HOOK [MODEL]: so many saves, and as many refusals; beside another model.
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
${2:-}
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

# Both read and write in the directory of their transaction; the one ends with a file of it open.
test_programs_that_change_their_transaction_leave_nothing_behind() { # 3 times the limit
	SAVES=$((SAVES / 5)) # each starts two shells
	program hooks/counts <<'END'
#!/bin/sh
count() {
	[ -e "$1/counts/1.json" ] || echo '{"n": 0}' >"$1/counts/1.json"
	echo "{\"n\": $2}" >>"$1/counts/1.json"
	echo >"$1/counts/x.tmp"
	exec 7>"$1/counts/1.json"
}
if [ "$1" = run ]; then
	count "$ROWFS_TXN" "$new_qty"
else
	while read -r line; do
		txn=${line#*'"txn":"'}
		count "${txn%%'"'*}" 1
		exec 7>&-
		echo '{"version":1}'
	done
fi
END
	saves_with 'on pre_save,post_save run hooks/counts run
	on pre_save,post_save pipe hooks/counts pipe' 'model counts {
	fields { id integer key
		n integer }
}'
	is "$(value mnt/counts/1.json .n)" 1
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

# transactions N: so many, which end while a file of theirs is open: what of them the kernel still knows holds them.
transactions() {
	local i steps=()
	for ((i = 0; i < 50; i++)); do
		steps+=(mkdir mnt/.txn/t : open mnt/.txn/t/items/1.json wct : write '{}' : open mnt/.txn/t/ctl w : write abort :)
	done
	for ((i = 0; i < $1; i += 50)); do
		is "$(errno "${steps[@]}" close)" ok
	done
}

test_transactions_that_end_with_open_files_leave_nothing_behind() {
	conf <<'END'
store sqlite:shop.db
durability off
model items { fields { id integer key } }
END
	mount_rowfs
	transactions 500
	memory=$(memory)
	transactions $((SAVES * 8))
	case $BUILD in */asan | */tsan) return ;; esac
	echo "$((SAVES * 8)) transactions: $memory KiB, then $(memory) KiB" >>"${FIGURES:-/dev/null}"
	[ $(($(memory) - memory)) -lt 2048 ] || fail "grew from $memory KiB to $(memory) KiB"
}

test_a_transaction_with_the_name_of_one_that_ended_is_not_forgotten_with_it() {
	conf <<'END'
store sqlite:shop.db
model items { fields { id integer key } }
END
	mount_rowfs
	mkdir mnt/.txn/t
	echo abort >mnt/.txn/t/ctl
	mkdir mnt/.txn/t
	cd mnt/.txn/t
	sleep 0.5 # the time after which the first one is forgotten
	is "$(/bin/pwd)" "$WORK/mnt/.txn/t"
	saves items/1.json '{}'
	is "$(ls items)" 1.json
	cd "$WORK"
}

run "$@"
