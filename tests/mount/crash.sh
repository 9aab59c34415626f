#!/bin/bash
# kill -9 loses unsaved bytes and nothing else.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string
	}
	on post_save sql "insert into trail (item_id) values (:key)"
}
model trail {
	fields {
		id integer key
		item_id integer
	}
}
END
	mount_rowfs
}

test_nothing_acknowledged_is_lost() {
	(
		i=1
		while echo "{\"name\": \"n$i\"}" 2>/dev/null >mnt/items/$i.json; do
			echo $i >>acknowledged
			i=$((i + 1))
		done
	) &
	local writer=$!
	eventually test -s acknowledged
	sleep 0.3
	kill -9 "$daemon"
	wait "$daemon" 2>/dev/null || true
	daemon=
	wait $writer 2>/dev/null || true
	fusermount3 -uz mnt
	local last
	last=$(tail -n 1 acknowledged)
	[ "$(sql "select count(*) from items where id <= $last and name = 'n' || id")" = "$last" ]
	is "$(sql 'select count(*) from items where id not in (select item_id from trail)')" 0
	is "$(sql 'pragma integrity_check')" ok
	mount_rowfs
	is "$(value "mnt/items/$last.json" .name)" "n$last"
}

test_what_was_written_but_not_saved_is_lost() {
	exec 3>mnt/items/1.json
	printf '{"name": ' >&3
	crash
	exec 3>&- || true
	mount_rowfs
	is "$(ls mnt/items)" ''
}

test_a_new_mount_after_a_crash_goes_on_with_the_keys() {
	echo '{}' >mnt/items/.new
	rm mnt/items/1.json
	crash
	mount_rowfs
	echo '{}' >mnt/items/.new
	is "$(ls mnt/items)" 2.json
}

run "$@"
