#!/bin/bash
# hook_transaction.sh - ROWFS_TXN: the transaction that a hook's program runs in, as a directory.
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model tracks {
	fields {
		id   integer key
		sold integer default 0 read-only
	}
	on pre_save check "sold < 100" "sold out"
}
model lines {
	fields {
		id       integer key
		track_id integer required references tracks
		quantity integer default 1
	}
	on post_save create run hooks/count
	on pre_save replace run hooks/early
}
END
	program hooks/early <<'END'
#!/bin/sh
exit 0
END
	mount_rowfs
	saves mnt/tracks/1.json '{}'
}

count() {
	program hooks/count <<'END'
#!/bin/sh
set -e; cd "$ROWFS_TXN"
jq ".sold += $new_quantity" tracks/"$new_track_id".json >tracks/x.tmp
mv tracks/x.tmp tracks/"$new_track_id".json
END
}

test_a_program_reads_and_changes_the_transaction_with_ordinary_tools() {
	count
	saves mnt/lines/1.json '{"track_id": 1, "quantity": 3}'
	is "$(value mnt/tracks/1.json .sold)" 3
	saves mnt/lines/2.json '{"track_id": 1, "quantity": 4}'
	is "$(value mnt/tracks/1.json .sold)" 7
}

test_it_sees_the_row_of_its_own_save_and_what_it_has_written() {
	program hooks/count <<'END'
#!/bin/sh
cd "$ROWFS_TXN" && jq -c "[.id, .quantity]" lines/1.json >"$ROWFS_CONF".seen
id=$(cat tracks/.new); echo "{}" >tracks/"$id".json; ls tracks >>"$ROWFS_CONF".seen
END
	saves mnt/lines/1.json '{"track_id": 1, "quantity": 3}'
	is "$(cat mount.conf.seen)" $'[1,3]\n1.json\n2.json'
	is "$(ls mnt/tracks)" $'1.json\n2.json'
}

test_what_it_changes_goes_through_the_hooks_and_a_refusal_refuses_the_save() {
	count
	is "$(save mnt/lines/1.json '{"track_id": 1, "quantity": 100}')" 'write: ECANCELED, close: ECANCELED'
	has "$(last_error)" 'hooks/count: tracks/1.json: sold out'
	is "$(ls mnt/lines)" ''
	is "$(value mnt/tracks/1.json .sold)" 0
}

test_a_program_that_fails_changes_nothing() {
	program hooks/count <<'END'
#!/bin/sh
cd "$ROWFS_TXN" && echo "{\"sold\": 9}" >tracks/1.json; exit 1
END
	is "$(save mnt/lines/1.json '{"track_id": 1}')" 'write: ECANCELED, close: ECANCELED'
	is "$(value mnt/tracks/1.json .sold)" 0
}

test_before_the_transaction_it_stands_over_what_is_stored() {
	program hooks/count <<'END'
#!/bin/sh
exit 0
END
	saves mnt/lines/1.json '{"track_id": 1}'
	program hooks/early <<'END'
#!/bin/sh
cd "$ROWFS_TXN" && echo "{\"sold\": 5}" >>tracks/1.json
END
	saves mnt/lines/1.json '{"track_id": 1, "quantity": 2}'
	is "$(value mnt/tracks/1.json .sold)" 5
}

test_it_is_gone_when_the_program_has_ended_and_nobody_lists_it() {
	program hooks/count <<'END'
#!/bin/sh
ls "$ROWFS_MOUNT/.txn" >"$ROWFS_CONF".seen; echo "$ROWFS_TXN" >"$ROWFS_CONF".path
echo commit >"$ROWFS_TXN/ctl" 2>/dev/null || echo refused >>"$ROWFS_CONF".seen
END
	saves mnt/lines/1.json '{"track_id": 1}'
	is "$(cat mount.conf.seen)" refused
	fails ls "$(cat mount.conf.path)"
}

test_records_are_removed_and_renamed_there() {
	program hooks/count <<'END'
#!/bin/sh
cd "$ROWFS_TXN" && echo "{}" >tracks/8.json && mv tracks/8.json tracks/9.json && rm tracks/5.json
END
	saves mnt/tracks/5.json '{}'
	saves mnt/lines/1.json '{"track_id": 1}'
	is "$(ls mnt/tracks)" $'1.json\n9.json'
}

run "$@"
