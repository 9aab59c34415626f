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
