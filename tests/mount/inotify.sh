#!/bin/bash
# Watchers see the jobs that the daemon makes, changes and removes.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model orders {
	fields {
		id integer key
		text string
	}
	on after_commit create enqueue jobs order_id=:id
}
queue jobs {
	fields { order_id integer references orders on-delete cascade }
	run hooks/work
}
END
	program hooks/work <<'END'
#!/bin/sh
until [ -e go ]; do sleep 0.02; done
END
	mount_rowfs
}

# watches DIRECTORY: its events go to the file `events`.
watches() {
	watch "$1" >events &
	watcher=$!
	eventually grep -q watching events
}

test_a_watcher_sees_jobs_come_change_and_go() {
	watches mnt/jobs
	saves mnt/orders/1.json '{"text": "a"}'
	eventually grep -qx '1.json CREATE' events
	touch go
	eventually job_is mnt/jobs/1.json 'done'
	eventually grep -qx '1.json MODIFY' events
	eventually grep -qx '1.json CLOSE_WRITE' events
	is "$(value mnt/jobs/1.json '[.status, .attempts]')" '["done",1]'
	rm mnt/orders/1.json
	eventually grep -qx '1.json DELETE' events
	is "$(ls mnt/jobs)" ''
	kill $watcher
}

test_a_watcher_sees_all_of_many() {
	local i
	touch go
	watches mnt/jobs
	for i in $(seq 60); do saves "mnt/orders/$i.json" '{"text": "a"}'; done
	eventually all_created
	kill $watcher
}
all_created() { [ "$(grep -c CREATE events)" = 60 ]; }

test_what_a_user_does_is_seen_once() {
	watches mnt/jobs
	echo '{"run_at": "2999-01-01T00:00:00Z"}' >mnt/jobs/1.json
	echo '{"priority": 3}' >>mnt/jobs/1.json
	rm mnt/jobs/1.json
	eventually grep -qx '1.json DELETE' events
	is "$(grep -c CREATE events) $(grep -c DELETE events)" '1 1'
	kill $watcher
}

# The process that repeats answers every order with one write.
orders() { sed -n 's/^syscw: //p' "/proc/$(pgrep -P "$daemon" -x rowfs-inotify)/io"; }

# What the kernel has looked up for other programs has to be dropped before it is known that nobody watches.
is_quiet() {
	local before
	saves "mnt/orders/$((++order)).json" '{"text": "a"}'
	sleep 0.3
	before=$(orders)
	saves "mnt/orders/$((++order)).json" '{"text": "a"}'
	sleep 0.1
	[ "$(orders)" = "$before" ]
}

test_nothing_is_repeated_where_nobody_watches() {
	local order=0 before
	touch go
	saves mnt/orders/1000.json '{"text": "a"}'
	is "$(orders)" 0
	ls mnt/jobs >/dev/null
	cat mnt/jobs/1.json >/dev/null
	eventually is_quiet
	before=$(orders)
	for order in $(seq 100 130); do saves "mnt/orders/$order.json" '{"text": "a"}'; done
	is "$(orders)" "$before"
}

created() { [ "$(grep -c CREATE events)" = "$1" ]; }

# Looking whether anybody watches must not take the watch away, nor what a program has open or stands in.
test_a_watcher_that_has_waited_long_sees_what_comes() {
	local i
	touch go
	watches mnt/jobs
	exec 3<mnt/jobs
	for i in 1 2 3 4 5; do
		sleep 0.3
		saves "mnt/orders/$i.json" '{"text": "a"}'
		eventually created "$i"
	done
	kill $watcher
	is "$(ls /proc/self/fd/3/)" "$(ls mnt/jobs)"
	exec 3<&-
}

test_a_program_that_stands_in_a_queue_knows_where_it_is() {
	local i
	touch go
	cd mnt/jobs
	for i in 1 2 3 4 5; do
		sleep 0.25
		echo '{"text": "a"}' >"../orders/$i.json"
		is "$(env pwd -P)" "$WORK/mnt/jobs"
	done
	cd ../..
}

test_who_watches_one_job_alone_sees_it_change() {
	saves mnt/orders/1.json '{"text": "a"}'
	eventually job_is mnt/jobs/1.json running
	watches mnt/jobs/1.json
	sleep 0.5
	saves mnt/orders/2.json '{"text": "a"}'
	sleep 0.5
	touch go
	eventually grep -q MODIFY events
	kill $watcher
}

test_the_mount_can_be_unmounted_while_jobs_come_and_go() {
	local i
	touch go
	for i in $(seq 100); do saves "mnt/orders/$i.json" '{"text": "a"}'; done
	unmount
	mount_rowfs
	for i in $(seq 101 150); do saves "mnt/orders/$i.json" '{"text": "a"}'; done
	kill "$daemon"
	eventually gone "$daemon"
	wait "$daemon"
	daemon=
}

test_what_lies_below_an_unmounted_directory_is_left_alone() {
	unmount
	mkdir -p mnt/jobs
	echo mine >mnt/jobs/1.json
	mount_rowfs
	saves mnt/orders/1.json '{"text": "a"}'
	fusermount3 -uz mnt
	touch go
	eventually gone "$daemon"
	wait "$daemon" || true
	daemon=
	is "$(cat mnt/jobs/1.json)" mine
}

run "$@"
