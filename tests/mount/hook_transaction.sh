#!/bin/bash
# hook_transaction.sh - ROWFS_TXN: the transaction that a hook's program runs in, as a directory.
. "$(dirname "$0")/../lib.sh"

# shop HOOK...: tracks, and lines that have the hooks.
shop() {
	conf <<END
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
	$(printf 'on %s\n' "$@")
}
END
}

setup() {
	shop 'post_save create run hooks/count' 'pre_save replace run hooks/early'
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

# sold_after EVENT PROGRAM: what tracks have sold that had 1, 2 and 3, when a program of this event has moved them.
sold_after() {
	sql "delete from tracks; insert into tracks values (1, 1), (2, 2), (3, 3)"
	program "hooks/$1" <<<$'#!/bin/sh -e\ncd "$ROWFS_TXN/tracks"\n'"$2"
	saves mnt/lines/.new '{}'
	(cd mnt/tracks && jq -r '"\(.id):\(.sold)"' ./*.json | tr '\n' ' ')
}

test_records_move_onto_each_other_there_in_any_order() {
	local event
	conf <<'END'
store sqlite:shop.db
model tracks { fields { id integer key; sold integer read-only } }
model lines {
	fields { id integer key }
	on pre_save run hooks/pre
	on post_save run hooks/post
}
END
	unmount
	rm -f shop.db
	program hooks/pre <<<'#!/bin/true'
	program hooks/post <<<'#!/bin/true'
	mount_rowfs
	for event in pre post; do
		is "$(sold_after $event 'rm 2.json; mv 1.json 2.json')" '2:1 3:3 '
		is "$(sold_after $event 'mv 1.json 7.json; mv 2.json 1.json; mv 7.json 2.json')" '1:2 2:1 3:3 '
		is "$(sold_after $event 'mv 1.json 7.json; echo "{\"sold\": 9}" >>7.json; mv 7.json 1.json')" '1:9 2:2 3:3 '
		is "$(sold_after $event 'echo "{}" >8.json; mv 1.json 8.json')" '2:2 3:3 8:1 '
		is "$(sold_after $event 'mv 1.json 2.json; mv 3.json 2.json')" '2:3 '
		program "hooks/$event" <<<'#!/bin/true'
	done
}

# raced MEANWHILE: hooks/early counts before the transaction; at its first run SQL changes what it has read.
raced() {
	mkfifo go
	program hooks/count <<<$'#!/bin/sh\n'
	saves mnt/lines/1.json '{"track_id": 1}'
	save mnt/lines/1.json '{"track_id": 1, "quantity": 3}' >saved &
	local writer=$!
	eventually test -s ran
	sql "$1"
	echo -n >go
	wait $writer
	is "$(cat saved)" ok
	is "$(wc -l <ran)" 2
}

test_before_the_transaction_it_runs_again_when_what_it_has_read_and_changes_was_changed_meanwhile() {
	program hooks/early <<'END'
#!/bin/sh
sold=$(jq .sold "$ROWFS_TXN/tracks/1.json")
echo >>ran
[ "$(wc -l <ran)" != 1 ] || cat go
echo "{\"sold\": $((sold + new_quantity))}" >"$ROWFS_TXN/tracks/1.json"
END
	raced 'update tracks set sold = 50 where id = 1'
	is "$(value mnt/tracks/1.json .sold)" 53
}

test_before_the_transaction_it_runs_again_when_what_it_replaces_was_changed_meanwhile() {
	program hooks/early <<'END'
#!/bin/sh
mv "$ROWFS_TXN/tracks/2.json" "$ROWFS_TXN/tracks/3.json"
echo >>ran
[ "$(wc -l <ran)" != 1 ] || cat go
END
	saves mnt/tracks/2.json '{}'
	saves mnt/tracks/3.json '{}'
	raced 'update tracks set sold = 50 where id = 3'
	is "$(ls mnt/tracks)" $'1.json\n3.json'
	is "$(value mnt/tracks/.deleted/3.json .sold)" 50
}

test_before_the_transaction_it_runs_again_when_what_it_has_changed_was_changed_meanwhile() {
	program hooks/early <<'END'
#!/bin/sh
echo "{\"sold\": $(($(jq .sold "$ROWFS_TXN/tracks/1.json") + new_quantity))}" >"$ROWFS_TXN/tracks/1.json"
echo >>ran
[ "$(wc -l <ran)" != 1 ] || cat go
END
	raced 'update tracks set sold = 50 where id = 1'
	is "$(value mnt/tracks/1.json .sold)" 53
}

test_before_the_transaction_it_runs_again_when_what_it_has_made_came_meanwhile() {
	program hooks/early <<'END'
#!/bin/sh
cd "$ROWFS_TXN/tracks"
[ -e 2.json ] || echo '{}' >2.json
cd - >/dev/null
echo >>ran
[ "$(wc -l <ran)" != 1 ] || cat go
END
	raced 'insert into tracks (id, sold) values (2, 50)'
	is "$(value mnt/tracks/2.json .sold)" 50
}

test_programs_that_cause_each_other_there_end_with_eproto() {
	program hooks/count <<'END'
#!/bin/sh
echo '{"track_id": 1}' >"$ROWFS_TXN/lines/$((ROWFS_KEY + 1)).json"
END
	is "$(save mnt/lines/1.json '{"track_id": 1}')" 'write: EPROTO, close: EPROTO'
	has "$(last_error)" 'hooks/count: lines/2.json: .* more than 16 deep'
	is "$(ls mnt/lines)" ''
}

test_no_count_is_lost_among_programs_that_count_there() {
	local who pids=()
	pipes pre_save post_save
	sed -i 's|on post_save pipe hooks/counter|on post_save run hooks/run\n\ton pre_save run hooks/run|' mount.conf
	program hooks/each <<<"$adds"$'\necho \'{"version":1}\''
	program hooks/run <<<$'#!/bin/sh\ntxn=$ROWFS_TXN quantity=$new_quantity\n'"$adds"
	remount
	for who in 1 2 3; do
		for n in 1 2 3 4; do saves mnt/lines/$who.json "{\"track_id\": 1, \"quantity\": $n}"; done &
		pids+=($!)
	done
	for who in "${pids[@]}"; do wait "$who"; done
	is "$(value mnt/tracks/1.json .sold)" 90
}

# ---- pipe ----

# pipes EVENT...: one program of lines for the events does hooks/each with every event, its path in $txn.
pipes() {
	shop "${@/%/ pipe hooks/counter}"
	program hooks/counter <<'END'
#!/bin/bash
while read -r line; do
	txn=$(jq -r .txn <<<"$line") quantity=$(jq .new.quantity <<<"$line")
	echo "$txn" >>paths
	. hooks/each
done
END
	remount
}

# shellcheck disable=SC2016 # the program's
adds='echo "{\"sold\": $(($(jq .sold "$txn/tracks/1.json") + quantity))}" >"$txn/tracks/1.json"'
# shellcheck disable=SC2016
sells='jq ".sold += $quantity" "$txn/tracks/1.json" >"$txn/tracks/x.tmp" && mv "$txn/tracks/x.tmp" "$txn/tracks/1.json"'

test_a_pipe_program_finds_the_transaction_of_each_event_in_the_event() {
	pipes post_save
	program hooks/each <<<"$sells; jq -c .quantity \$txn/lines/*.json | tail -n 1 >>seen; echo '{\"version\":1}'"
	saves mnt/lines/1.json '{"track_id": 1, "quantity": 3}'
	saves mnt/lines/2.json '{"track_id": 1, "quantity": 4}'
	is "$(value mnt/tracks/1.json .sold)" 7
	is "$(cat seen)" $'3\n4'
	is "$(sort -u paths | wc -l)" 2
	fails ls "$(tail -n 1 paths)"
}

test_before_the_transaction_a_pipe_program_has_one_too() {
	pipes pre_save
	program hooks/each <<<"$sells; id=\$(cat \$txn/tracks/.new); echo {} >\$txn/tracks/\$id.json; echo '{\"version\":1}'"
	saves mnt/lines/1.json '{"track_id": 1, "quantity": 3}'
	is "$(value mnt/tracks/1.json .sold)" 3
	is "$(ls mnt/tracks)" $'1.json\n2.json'
}

test_a_refusal_of_what_a_pipe_program_changes_refuses_the_save() {
	pipes post_save
	program hooks/each <<<"$sells; echo '{\"version\":1}'"
	is "$(save mnt/lines/1.json '{"track_id": 1, "quantity": 100}')" 'write: ECANCELED, close: ECANCELED'
	has "$(last_error)" 'hooks/counter: tracks/1.json: sold out'
	is "$(ls mnt/lines)" ''
}

test_what_a_pipe_program_changes_goes_with_its_refusal() {
	pipes post_save
	program hooks/each <<<"$sells; echo '{\"version\":1,\"message\":\"no\"}'"
	is "$(save mnt/lines/1.json '{"track_id": 1}')" 'write: ECANCELED, close: ECANCELED'
	is "$(last_error)" no
	is "$(value mnt/tracks/1.json .sold)" 0
}

test_a_pipe_program_can_do_nothing_in_the_directory_of_an_earlier_event() {
	pipes post_save
	program hooks/each <<'END'
if [ -n "$before" ]; then
	cat "$before/tracks/1.json"
	echo '{"sold": 9}' >"$before/tracks/1.json"
	echo '{"sold": 8}' >&7
	exec 7>&-
else
	exec 7>>"$txn/tracks/1.json"
fi 2>>refused >>read
before=$txn
echo '{"version":1}'
END
	saves mnt/lines/1.json '{"track_id": 1}'
	saves mnt/lines/2.json '{"track_id": 1}'
	is "$(grep -c 'No such file' refused)" 3
	is "$(cat read)" ''
	is "$(value mnt/tracks/1.json .sold)" 0
}

# The save that asks it in its transaction waits for its turn; what the program asks for would wait for that transaction.
test_a_pipe_program_that_needs_the_transaction_of_who_waits_for_it_is_asked_again_in_its_own() {
	mkfifo go
	pipes pre_save
	sed -i '/^model tracks/a\	on post_save run hooks/here\n\ton post_save pipe hooks/counter' mount.conf
	program hooks/here <<<$'#!/bin/sh\n: >here'
	program hooks/each <<'END'
case $line in *'"pre_save"'*)
	[ -e asked ] || { : >asked; cat go >/dev/null; }
	cat "$txn/tracks/.new" >>keys 2>>refused
esac
echo '{"version":1}'
END
	remount
	save mnt/lines/1.json '{"track_id": 1}' >early &
	local pids=($!)
	eventually test -e asked
	save mnt/tracks/2.json '{}' >inside &
	pids+=($!)
	eventually test -e here
	echo >go
	wait "${pids[@]}"
	is "$(cat early inside)" $'ok\nok'
	has "$(cat refused)" 'deadlock'
	is "$(cat keys)" 3
}

test_the_directory_belongs_to_the_user_whom_the_program_runs_as() {
	[ "$(id -u)" = 0 ] || skip 'only root runs programs as somebody else'
	pipes post_save
	sed -i 's|pipe hooks/counter|& { as nobody }\n\ton post_save run hooks/run { as nobody }|' mount.conf
	program hooks/each <<<"echo '{\"sold\": 2}' >>\"\$txn/tracks/1.json\"; echo '{\"version\":1}'"
	program hooks/run <<<$'#!/bin/sh\nstat -c %U:%a "$ROWFS_TXN" >owner; echo \'{"sold": 3}\' >>"$ROWFS_TXN/tracks/1.json"'
	chmod 777 .
	unmount
	mount_rowfs mount.conf -o allow_other
	saves mnt/lines/1.json '{"track_id": 1}'
	is "$(cat owner)" nobody:700
	is "$(value mnt/tracks/1.json .sold)" 3
}

# ---- what else stands in a model's directory ----

with_places() {
	unmount
	cat >>mount.conf <<'END'
model jobs_of from work { fields { id integer key
	status string default new enum new,running,done }
	history 5 }
END
	mount_rowfs
	saves mnt/jobs_of/1.json '{}'
	saves mnt/jobs_of/2.json '{}'
}

test_a_program_moves_links_by_value_and_finds_what_it_has_moved() {
	with_places
	program hooks/count <<'END'
#!/bin/sh
set -e; cd "$ROWFS_TXN"/jobs_of
mv .by/status/new/1.json .by/status/running/
ls .by/status/new .by/status/running | tr '\n' ' ' >"$ROWFS_CONF".seen
END
	saves mnt/lines/1.json '{"track_id": 1}'
	is "$(cat mount.conf.seen)" '.by/status/new: 2.json  .by/status/running: 1.json '
	is "$(ls mnt/jobs_of/.by/status/running)" 1.json
	is "$(sql "select status from work order by id" | tr '\n' ' ')" 'running new '
}

test_a_program_imports_and_exports_lines() {
	with_places
	program hooks/count <<'END'
#!/bin/sh
set -e; cd "$ROWFS_TXN"
printf '{"id": %d}\n' 5 6 7 | cat >jobs_of/.import
jq -c .id jobs_of/.export | tr '\n' ' ' >"$ROWFS_CONF".seen
END
	saves mnt/lines/1.json '{"track_id": 1}'
	is "$(cat mount.conf.seen)" '1 2 5 6 7 '
	is "$(ls mnt/jobs_of | tr '\n' ' ')" '1.json 2.json 5.json 6.json 7.json '
}

test_a_programs_refused_import_is_taken_back_and_it_may_go_on() {
	with_places
	program hooks/count <<'END'
#!/bin/sh
cd "$ROWFS_TXN"
printf '%s\n' '{"id": 5}' '{"id": 6, "status": "odd"}' | cat >jobs_of/.import 2>/dev/null && exit 1
ls jobs_of | tr '\n' ' ' >"$ROWFS_CONF".seen
echo '{"id": 9}' | cat >jobs_of/.import
END
	saves mnt/lines/1.json '{"track_id": 1}'
	is "$(cat mount.conf.seen)" '1.json 2.json '
	is "$(ls mnt/jobs_of | tr '\n' ' ')" '1.json 2.json 9.json '
}

test_a_programs_lines_go_with_the_save_that_is_refused() {
	with_places
	program hooks/count <<'END'
#!/bin/sh
printf '{"id": %d}\n' 5 6 7 | cat >"$ROWFS_TXN"/jobs_of/.import
echo no >&2; exit 1
END
	refuses ECANCELED mnt/lines/1.json '{"track_id": 1}'
	is "$(ls mnt/jobs_of | tr '\n' ' ')" '1.json 2.json '
}

test_a_program_before_the_transaction_has_the_same_places() {
	with_places
	count
	saves mnt/lines/1.json '{"track_id": 1}'
	program hooks/early <<'END'
#!/bin/sh
set -e; cd "$ROWFS_TXN"/jobs_of
mv .by/status/new/2.json .by/status/done/
echo '{"id": 8}' | cat >.import
ls .by/status/new | tr '\n' ' ' >"$ROWFS_CONF".seen
END
	saves mnt/lines/1.json '{"track_id": 1, "quantity": 5}'
	is "$(cat mount.conf.seen)" '1.json 8.json '
	is "$(ls mnt/jobs_of/.by/status/done mnt/jobs_of/.by/status/new | tr '\n' ' ')" \
		'mnt/jobs_of/.by/status/done: 2.json  mnt/jobs_of/.by/status/new: 1.json 8.json '
}

test_a_program_brings_an_earlier_version_back() {
	with_places
	echo '{"status": "done"}' >>mnt/jobs_of/1.json
	program hooks/count <<'END'
#!/bin/sh
set -e; cd "$ROWFS_TXN"/jobs_of
ls .history/1 | wc -l >"$ROWFS_CONF".seen
cp .history/1/*-create.json 1.json
END
	saves mnt/lines/1.json '{"track_id": 1}'
	is "$(cat mount.conf.seen)" 1
	is "$(value mnt/jobs_of/1.json .status)" new
	is "$(ls mnt/jobs_of/.history/1 | wc -l)" 2
}

test_a_program_cannot_exchange_two_records() {
	with_places
	program hooks/count <<'END'
#!/bin/sh
cd "$ROWFS_TXN"/jobs_of && errno exchange 1.json 2.json >"$ROWFS_CONF".seen
tail -n 1 "$ROWFS_MOUNT"/.errors | jq -r .message >>"$ROWFS_CONF".seen
END
	sed -i "2i PATH=$PATH" hooks/count
	saves mnt/lines/1.json '{"track_id": 1}'
	is "$(cat mount.conf.seen)" "exchange: EPERM
a hook's program can't move a record to another model, bring one back, or exchange two"
}

run "$@"
