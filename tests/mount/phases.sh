#!/bin/bash
# kill -9 at every named phase of a save, of what runs after it and of the commit that saves share (store/phase.h): all of
# it or nothing, no acknowledged save missing, and after_commit and jobs still come.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export PATH="$BUILD/phases:$PATH"

setup() {
	export ROWFS_PHASE=$PWD/phase
	program hooks/told <<'END'
#!/bin/sh
echo "$ROWFS_VERB" >>told
END
	program hooks/work <<'END'
#!/bin/sh
echo "$ROWFS_KEY" >>worked
END
	conf <<'END'
store sqlite:shop.db
model orders {
	fields {
		id integer key
		name string required
	}
	embeds-many lines by order_id
	on pre_save,pre_delete run /bin/true
	on post_save,post_delete sql "insert into trail (order_id) values (:key)"
	on after_commit enqueue jobs order_id=:key
	on after_commit run hooks/told
}
model lines {
	fields {
		id integer key
		order_id integer required references orders
		qty integer
	}
}
model trail {
	fields {
		id integer key
		order_id integer
	}
}
queue jobs {
	fields {
		order_id integer
	}
	run hooks/work
}
END
	mount_rowfs
}

# ---- what is saved, and what the database holds then ----

create() { echo '{"name": "a", "lines": [{"id": 1, "qty": 1}, {"id": 2, "qty": 2}]}' >mnt/orders/7.json; }
replace() { echo '{"name": "b", "lines": [{"id": 2, "qty": 3}, {"id": 3, "qty": 4}]}' >mnt/orders/7.json; }
move() { mv mnt/orders/7.json mnt/orders/8.json; }
delete() { rm mnt/orders/8.json; }

declare -A before=([create]='||0|0' [replace]='7=a|1@7=1,2@7=2|1|1' [move]='7=b|2@7=3,3@7=4|2|2' [delete]='8=b|2@8=3,3@8=4|3|3')
declare -A after=([create]=${before[replace]} [replace]=${before[move]} [move]=${before[delete]} [delete]='||4|4')
declare -A verb=([create]=create [replace]=replace [move]=replace [delete]=delete)

state() {
	sql "select (select group_concat(id || '=' || name) from orders),
		(select group_concat(id || '@' || order_id || '=' || qty) from (select * from lines order by id)),
		(select count(*) from trail), (select count(*) from jobs)"
}

# ---- killing ----

# arm PHASE [ACTION]: what the daemon does when it gets there the next time.
arm() {
	rm -f phase.reached
	echo "$1 ${2:-kill}" >phase.new
	mv phase.new phase
}

killed() {
	eventually gone "$daemon"
	[ -e phase.reached ] || fail "line ${BASH_LINENO[0]}: it has ended before it came there"
	wait "$daemon" 2>/dev/null || true
	daemon=
	fusermount3 -uz mnt
	is "$(sql 'pragma integrity_check')" ok
	is "$(sql 'pragma foreign_key_check')" ''
}

told() { [ "$(grep -c "^$1\$" told)" -ge 1 ]; }
nothing_waits() { [ "$(sql 'select count(*) from rowfs_after')" = 0 ]; }
jobs_done() { [ "$(sql "select count(*) from jobs where status <> 'done'")" = 0 ]; }

settled() {
	eventually nothing_waits
	eventually jobs_done
}

# kills_at PHASE none|all OPERATION...: each is done anew where nothing of it was left.
kills_at() {
	local phase=$1 left=$2 operation
	shift 2
	for operation; do
		settled
		is "$(state)" "${before[$operation]}"
		rm -f told
		arm "$phase"
		$operation 2>>refused || true
		killed
		if [ "$left" = all ]; then is "$(state)" "${after[$operation]}"; else is "$(state)" "${before[$operation]}"; fi
		mount_rowfs
		if [ "$left" = none ]; then
			settled
			[ ! -e told ]
			$operation
		fi
		eventually told "${verb[$operation]}"
		is "$(state)" "${after[$operation]}"
	done
	settled
}

test_killed_when_the_text_is_parsed_nothing_is_left() { kills_at parsed none create replace move delete; }
test_killed_when_early_programs_have_run_nothing_is_left() { kills_at programs none create replace; }
test_killed_when_the_transaction_has_begun_nothing_is_left() { kills_at begun none create replace move delete; }
test_killed_behind_the_first_row_nothing_is_left() { kills_at row none create replace move delete; }
test_killed_behind_all_rows_nothing_is_left() { kills_at rows none create replace move delete; }
test_killed_behind_post_hooks_nothing_is_left() { kills_at post none create replace move delete; }
test_killed_behind_before_commit_nothing_is_left() { kills_at finished none create replace move delete; }
test_killed_when_after_commit_is_recorded_nothing_is_left() { kills_at recorded none create replace move delete; }
test_killed_before_the_commit_nothing_is_left() { kills_at commit none create replace move delete; }
test_killed_behind_the_commit_all_of_it_is_left() { kills_at committed all create replace move delete; }
test_killed_when_it_is_durable_all_of_it_is_left() { kills_at durable all create replace move delete; }
test_killed_before_the_reply_all_of_it_is_left() { kills_at unanswered all create replace; }
test_killed_behind_the_reply_all_of_it_is_left() { kills_at answered all create replace; }

# ---- a save whose hooks save too: in the directory of their transaction and by their answers, at two levels ----

deep() {
	unmount
	conf <<'END'
store sqlite:shop.db
model orders {
	fields { id integer key
		name string }
	embeds-many lines by order_id
	on pre_save run hooks/early
	on post_save pipe hooks/pipe
	on post_save run hooks/answer
	on before_commit run hooks/last
	on after_commit enqueue jobs order_id=:key
	on after_commit run hooks/told
}
model lines {
	fields { id integer key
		order_id integer required references orders }
	embeds-one tags by line_id
	on pre_save,post_save sql "insert into trail (what) values (:verb)"
}
model tags {
	fields { id integer key
		line_id integer required references lines }
	on post_save run hooks/answer
}
model trail { fields { id integer key
	what string } }
model totals {
	fields { id integer key
		n integer default 0 }
	on post_save sql "insert into trail (what) values ('total ' || :n)"
}
queue jobs { fields { order_id integer } }
END
	program hooks/early <<<$'#!/bin/sh\necho \'{"what": "early"}\' >"$ROWFS_TXN/trail/7.json"'
	program hooks/answer <<<$'#!/bin/sh\necho \'{"save": [{"path": "trail/.new", "put": {"what": "answered"}}]}\''
	program hooks/last <<<$'#!/bin/sh\necho \'{"n": 2}\' >>"$ROWFS_TXN/totals/1.json"'
	program hooks/pipe <<'END'
#!/bin/sh
while read -r line; do
	txn=${line#*'"txn":"'}
	echo '{"n": 1}' >"${txn%%'"'*}/totals/1.json"
	echo '{"version":1}'
done
END
	sql 'drop table orders; drop table lines; drop table trail; drop table jobs'
	mount_rowfs
}

deep_state() {
	sql "select (select count(*) from orders), (select count(*) from lines), (select count(*) from tags),
		(select group_concat(what) from (select what from trail order by id)), (select group_concat(n) from totals),
		(select count(*) from jobs)"
}

all_of_it='1|2|1|early,create,create,create,answered,create,total 1,answered,total 2|2|1'

# deep_kills PHASE none|all
deep_kills() {
	local create='{"name": "a", "lines": [{"tags": {}}, {}]}'
	deep
	arm "$1"
	echo "$create" >mnt/orders/7.json 2>>refused || true
	killed
	if [ "$2" = all ]; then is "$(deep_state)" "$all_of_it"; else is "$(deep_state)" '0|0|0|||0'; fi
	mount_rowfs
	[ "$2" = all ] || saves mnt/orders/7.json "$create"
	is "$(deep_state)" "$all_of_it"
	eventually told create
}

test_killed_when_programs_have_saved_before_the_transaction_nothing_is_left() { deep_kills programs none; }
test_killed_behind_the_first_row_of_many_nothing_is_left() { deep_kills row none; }
test_killed_behind_all_rows_of_a_deep_save_nothing_is_left() { deep_kills rows none; }
test_killed_behind_post_hooks_that_save_nothing_is_left() { deep_kills post none; }
test_killed_behind_before_commit_that_saves_nothing_is_left() { deep_kills finished none; }
test_killed_before_the_commit_of_a_deep_save_nothing_is_left() { deep_kills commit none; }
test_killed_behind_the_commit_of_a_deep_save_all_of_it_is_left() { deep_kills committed all; }
test_killed_when_a_deep_save_is_durable_all_of_it_is_left() { deep_kills durable all; }

# ---- transactions ----

# prepare: one record is replaced, one is made, one goes; what embeds and what is embedded.
prepare() {
	mkdir mnt/.txn/t
	echo '{"name": "b", "lines": [{"id": 2, "qty": 3}, {"id": 3, "qty": 4}]}' >mnt/.txn/t/orders/7.json
	echo '{"name": "c", "lines": [{"id": 4, "qty": 5}]}' >mnt/.txn/t/orders/9.json
	rm mnt/.txn/t/orders/5.json
}
document='{"requests": [
	{"method": "put", "path": "orders/7.json", "body": {"name": "b", "lines": [{"id": 2, "qty": 3}, {"id": 3, "qty": 4}]}},
	{"method": "post", "path": "orders/9.json", "body": {"name": "c", "lines": [{"id": 4, "qty": 5}]}},
	{"method": "delete", "path": "orders/5.json"}]}'
transaction_before='5=e,7=a|1@7=1,2@7=2|2|2'
transaction_after='7=b,9=c|2@7=3,3@7=4,4@9=5|5|5'

# transaction_killed_at PHASE none|all COMMAND...: what commits it.
transaction_killed_at() {
	local phase=$1 left=$2
	shift 2
	echo '{"name": "e"}' >mnt/orders/5.json
	create
	settled
	is "$(state)" "$transaction_before"
	[ "$1" = run_document ] || prepare
	arm "$phase"
	"$@" 2>>refused || true
	killed
	if [ "$left" = all ]; then is "$(state)" "$transaction_after"; else is "$(state)" "$transaction_before"; fi
	mount_rowfs
	settled
	is "$(ls mnt/.txn)" ''
	if [ "$left" = none ]; then
		[ "$1" = run_document ] || prepare
		"$@"
	fi
	is "$(state)" "$transaction_after"
	eventually told delete
	settled
}
commit() { echo commit >mnt/.txn/t/ctl; }
run_document() { echo "$document" >mnt/.txn/.run; }

test_a_transaction_killed_before_its_save_leaves_nothing() { transaction_killed_at committing none commit; }
test_a_transaction_killed_when_its_texts_are_parsed_leaves_nothing() { transaction_killed_at parsed none commit; }
test_a_transaction_killed_when_its_versions_are_right_leaves_nothing() { transaction_killed_at versions none commit; }
test_a_transaction_killed_behind_its_first_row_leaves_nothing() { transaction_killed_at row none commit; }
test_a_transaction_killed_behind_its_rows_leaves_nothing() { transaction_killed_at rows none commit; }
test_a_transaction_killed_behind_post_hooks_leaves_nothing() { transaction_killed_at post none commit; }
test_a_transaction_killed_behind_before_commit_leaves_nothing() { transaction_killed_at finished none commit; }
test_a_transaction_killed_when_after_commit_is_recorded_leaves_nothing() { transaction_killed_at recorded none commit; }
test_a_transaction_killed_before_the_commit_leaves_nothing() { transaction_killed_at commit none commit; }
test_a_transaction_killed_behind_the_commit_is_whole() { transaction_killed_at committed all commit; }
test_a_transaction_killed_when_it_is_durable_is_whole() { transaction_killed_at durable all commit; }
test_a_transaction_killed_before_its_answer_is_whole() { transaction_killed_at reported all commit; }
test_a_document_killed_while_it_is_staged_leaves_nothing() { transaction_killed_at staged none run_document; }
test_a_document_killed_before_the_commit_leaves_nothing() { transaction_killed_at commit none run_document; }
test_a_document_killed_behind_the_commit_is_whole() { transaction_killed_at committed all run_document; }

test_killed_while_a_transaction_is_prepared_nothing_is_left() {
	create
	settled
	mkdir mnt/.txn/t
	arm staged
	echo '{"name": "x"}' >mnt/.txn/t/orders/7.json 2>>refused || true
	killed
	is "$(state)" "${after[create]}"
	mount_rowfs
	is "$(ls mnt/.txn)" ''
}

test_killed_when_a_key_is_durable_nobody_gets_it_twice() {
	local i
	mkdir mnt/.txn/t
	for i in mnt/orders mnt/.txn/t/orders; do
		cat $i/.new $i/.new >>keys
		arm key
		cat $i/.new >>keys 2>>refused || true
		killed
		mount_rowfs
		mkdir mnt/.txn/t
		cat $i/.new >>keys
	done
	is "$(sort -n keys | uniq -d)" ''
	is "$(wc -l <keys)" 6
}

# ---- what runs after the save ----

# killed_later PHASE: the save is durable, the daemon is killed in what follows it, and mounted again.
killed_later() {
	arm "$1"
	create 2>>refused || true # it may be killed before the reply
	killed
	is "$(state)" "${after[create]}"
	mount_rowfs
	settled
	is "$(state)" "${after[create]}"
}

test_killed_before_a_program_of_after_commit_it_runs_with_the_next_mount() {
	killed_later after-starts
	is "$(cat told)" create
}

test_killed_behind_a_program_of_after_commit_it_runs_once_more() {
	killed_later after-ran
	is "$(cat told)" $'create\ncreate'
}

test_killed_when_its_end_is_stored_a_program_of_after_commit_does_not_run_again() {
	killed_later after-settled
	is "$(cat told)" create
}

test_killed_before_a_job_is_claimed_it_runs_as_if_nothing_were() {
	killed_later job-found
	is "$(cat worked)" 1
	is "$(sql 'select attempts from jobs')" 1
}

test_killed_when_a_job_is_claimed_it_runs_and_both_starts_count() {
	killed_later job-claimed
	is "$(cat worked)" 1
	is "$(sql 'select attempts from jobs')" 2
}

test_killed_when_a_job_has_run_it_runs_once_more() {
	killed_later job-ran
	is "$(cat worked)" $'1\n1'
}

test_killed_when_a_jobs_end_is_stored_it_does_not_run_again() {
	killed_later job-finished
	is "$(cat worked)" 1
	is "$(sql 'select attempts from jobs')" 1
}

# ---- the commit that saves share ----

writer() {
	local n
	for ((n = $1; ; n += 6)); do
		echo "{\"name\": \"n$n\", \"lines\": [{\"qty\": $n}]}" >mnt/orders/$n.json || exit 0
		echo "$n" >>"acknowledged.$1"
	done
}

# Six write until the daemon dies. What was acknowledged is there, and of each save all or nothing.
crowd_killed_at() {
	local i writers=()
	arm joined wait
	for i in 1 2 3 4 5 6; do
		writer $i 2>>refused &
		writers+=($!)
	done
	eventually test -e phase.reached # from here on they do share commits
	arm "$1"
	killed
	wait "${writers[@]}"
	sort acknowledged.* >acknowledged 2>/dev/null || true
	sql 'select id from orders' | sort | comm -23 acknowledged - >lost
	is "$(cat lost)" ''
	is "$(sql "select group_concat(id) from orders where id not in (select order_id from lines) or id not in
		(select order_id from trail) or id not in (select order_id from jobs)")" ''
	is "$(sql 'select (select count(*) from lines) - count(*) from orders')" 0
	mount_rowfs
	PATIENCE=50 settled
}

test_a_crowd_killed_when_one_has_joined_a_group_is_saved_whole_or_not_at_all() { crowd_killed_at joined; }
test_a_crowd_killed_before_its_commit_is_saved_whole_or_not_at_all() { crowd_killed_at commit; }
test_a_crowd_killed_behind_its_commit_is_saved_whole_or_not_at_all() { crowd_killed_at committed; }

# ---- writing the log back ----

# The log is written back every so many pages: records of 100 kB get there soon.
checkpoint_killed_at() {
	local i text
	text=$(head -c 100000 /dev/zero | tr '\0' x)
	arm "$1"
	for ((i = 1; ; i++)); do
		printf '{"name": "%s"}' "$text" >mnt/orders/$i.json || break
	done 2>>refused
	killed
	is "$(sql "select count(*) from orders where id < $i and length(name) = 100000")" $((i - 1))
	mount_rowfs
	PATIENCE=50 settled
}

test_killed_before_the_log_is_written_back_nothing_is_lost() { checkpoint_killed_at checkpoint; }
test_killed_when_the_log_is_written_back_nothing_is_lost() { checkpoint_killed_at checkpointed; }

# ---- a name that vanishes between the kernel's look-up and its open ----

# It has stopped at the phase, and goes on with `kill -CONT`.
stops() {
	eventually [ -e phase.reached ]
	eventually grep -q '^State:.*stopped' "/proc/$daemon/status"
}

# opens FLAGS: what an open of orders/7.json says, in the file `opened`, of which the daemon has stopped before it looks.
opens() {
	sql "insert into orders (id, name) values (7, 'of another program')"
	arm opening stop
	errno open mnt/orders/7.json "$1" >opened &
	opening=$!
	stops
}

test_a_record_that_vanishes_while_it_is_opened_is_looked_for_again() {
	opens w
	sql 'delete from orders'
	kill -CONT "$daemon"
	wait $opening
	is "$(cat opened)" 'open: ENOENT'
	opens wc
	sql 'delete from orders'
	kill -CONT "$daemon"
	wait $opening
	is "$(cat opened)" ok
	is "$(ls mnt/orders)" ''
}

test_an_open_whose_record_vanishes_twice_says_so_and_not_that_it_is_stale() {
	opens w
	sql 'delete from orders'
	arm open-gone stop
	kill -CONT "$daemon"
	stops
	sql "insert into orders (id, name) values (7, 'come back')"
	arm opening stop
	kill -CONT "$daemon"
	stops
	sql 'delete from orders'
	kill -CONT "$daemon"
	wait $opening
	is "$(cat opened)" 'open: ENOENT'
	[ ! -e phase ] || fail 'it was opened once only'
	opens w # that was the last of it: the next one is looked for again
	kill -CONT "$daemon"
	wait $opening
	is "$(cat opened)" ok
}

test_killed_while_a_file_is_opened_nothing_has_changed() {
	sql "insert into orders (id, name) values (7, 'a')"
	arm opening
	has "$(errno open mnt/orders/7.json w)" "^open: "
	killed
	sql 'delete from orders'
	mount_rowfs
	opens w
	sql 'delete from orders'
	arm open-gone
	kill -CONT "$daemon"
	killed
	is "$(state)" '||0|0'
}

test_every_phase_that_the_sources_name_is_killed_at_here() {
	local name
	sed -n 's/.*\<phase("\([a-z-]*\)").*/\1/p' "$top"/{store,hooks,fs}/*.c | sort -u >named
	has "$(cat named)" '^durable$'
	while read -r name; do
		grep -qE "(kills_at|killed_later|killed_at|arm) $name\>" "$here/phases.sh" || fail "nothing is killed at $name"
	done <named
}

run "$@"
