#!/bin/bash
# hanging.sh - whom a hook that hangs keeps waiting: its own save; others only inside the write transaction; no reader.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# hangs HOOK...: of the records named hang, until somebody writes to the fifo `go`.
hangs() {
	conf <<END
store sqlite:shop.db
model items {
	fields {
		id   integer key
		name string
	}
$(printf '\t%s\n' "$@")
}
model others { fields { id integer key
	name string } }
END
	program hooks/hang <<'END'
#!/bin/sh
[ "${new_name-$old_name}" = hang ] || exit 0
: >hanging
cat go >/dev/null
[ "$ROWFS_EVENT" != post_save ] || ls "$ROWFS_MOUNT/items" "$ROWFS_MOUNT/others" >listed
END
	mkfifo go
	mount_rowfs
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/others/1.json '{"name": "a"}'
}

saves_hanging() {
	save mnt/items/1.json '{"name": "hang"}' >hung &
	hung=$!
	eventually test -e hanging
}

released() {
	echo >go
	wait $hung
}

reads_go_on() {
	is "$(timeout 20 jq -r .name mnt/items/1.json)" a
	is "$(timeout 20 ls mnt/items)" "$1"
	timeout 20 stat mnt/items/1.json >/dev/null
	timeout 20 grep -rq '"name": "a"' mnt/items mnt/others
	is "$(timeout 20 cat mnt/items/.info/count)" "$(wc -l <<<"$1")"
}

test_before_the_transaction_it_stops_its_own_save_alone() {
	hangs 'on pre_save run hooks/hang { timeout 60s }'
	saves_hanging
	is "$(timeout 20 "$BUILD/tool/errno" open mnt/items/2.json wct : write '{"name": "b"}' : close)" ok
	is "$(timeout 20 "$BUILD/tool/errno" open mnt/others/2.json wct : write '{"name": "b"}' : close)" ok
	rm mnt/items/2.json
	reads_go_on 1.json
	released
	is "$(cat hung)" ok
	is "$(value mnt/items/1.json .name)" hang
}

test_a_pipe_program_that_hangs_before_the_transaction_stops_those_who_ask_it_and_no_other() {
	program hooks/asked <<'END'
#!/bin/sh
while read -r line; do
	case $line in *'"name":"hang"'*) : >hanging; cat go >/dev/null ;; esac
	echo '{"version":1}'
done
END
	hangs 'on pre_save pipe hooks/asked { timeout 60s }'
	saves_hanging
	is "$(timeout 20 "$BUILD/tool/errno" open mnt/others/2.json wct : write '{"name": "b"}' : close)" ok
	reads_go_on 1.json
	released
	is "$(cat hung)" ok
}

# What it lists when it goes on is what was committed while it hung.
test_inside_the_transaction_it_stops_other_saves_and_no_reader() {
	local waits
	hangs 'on post_save run hooks/hang { timeout 60s }' 'on pre_save replace run hooks/early' \
		'on before_commit check ":name <> '"'late'"'" "late"'
	program hooks/early <<<$'#!/bin/sh\n: >"early.$ROWFS_KEY"'
	saves mnt/items/2.json '{"name": "b"}'
	saves_hanging
	save mnt/items/2.json '{"name": "c"}' >waited &
	waits=$!
	eventually test -e early.2
	save mnt/others/2.json '{"name": "c"}' >waited.too &
	waits+=" $!"
	reads_go_on $'1.json\n2.json'
	is "$(value mnt/items/2.json .name)" b
	released
	# shellcheck disable=SC2086
	wait $waits
	is "$(cat hung waited waited.too)" $'ok\nok\nok'
	is "$(value mnt/items/2.json .name)" c
	hasnt "$(sed -n '/others/,$p' listed)" 2.json
}

test_its_time_ends_its_own_save_and_lets_those_who_waited_go_on() {
	hangs 'on post_save run hooks/hang { timeout 1s }'
	saves_hanging
	saves mnt/others/2.json '{"name": "b"}'
	wait $hung
	is "$(cat hung)" 'write: ETIMEDOUT, close: ETIMEDOUT'
	is "$(value mnt/items/1.json .name)" a
}

# The kernel holds the directory of an unlink: listings of it wait, as rowfs-hooks(5) says; nothing else does.
test_under_rm_files_that_are_known_and_other_directories_are_read() {
	hangs 'on pre_delete run hooks/hang { timeout 60s }'
	saves mnt/items/2.json '{"name": "hang"}'
	cat mnt/items/1.json >/dev/null
	rm mnt/items/2.json &
	hung=$!
	eventually test -e hanging
	is "$(timeout 20 jq -r .name mnt/items/1.json)" a
	is "$(timeout 20 ls mnt/others)" 1.json
	is "$(timeout 20 "$BUILD/tool/errno" open mnt/others/2.json wct : write '{"name": "b"}' : close)" ok
	kill -0 $hung # it still waits
	released
	is "$(ls mnt/items)" 1.json
}

run "$@"
