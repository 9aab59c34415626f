#!/bin/bash
# One record that 8 processes read, write in place, replace by rename and merge into at once behaves as one register does.
# LINEAR=150 operations of each; `make soak` makes 5,000.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

LINEAR=${LINEAR:-150}

setup() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		a integer default 0
		b integer default 0
	}
}
END
}

# linearizable [DIRECTIVE]: a run on a mount whose items have it.
linearizable() {
	sed -i "s|^model items {|&\n\t${1:-}|" mount.conf
	mount_rowfs
	saves mnt/items/1.json '{}'
	linear run mnt/items/1.json 8 "$LINEAR" "$RANDOM" >history
	linear check <history >verdict || fail "$(cat verdict)"
	echo "one record, 8 processes${1:+, $1}: $(cat verdict)" >>"${FIGURES:-/dev/null}"
	is "$(ls mnt/items)" "$(printf '1.json\n')"
}

test_saves_and_reads_of_one_record_by_eight_processes_are_linearizable() {
	linearizable
}

test_they_are_linearizable_with_hooks_history_and_jobs_too() {
	cat >>mount.conf <<'END'
queue jobs {
	fields { item integer }
}
END
	linearizable 'history 20; on post_save sql "update items set id = id where id = :key"; on after_commit enqueue jobs item=:id'
}

test_they_are_linearizable_through_a_transaction_that_others_commit_beside() {
	mount_rowfs
	saves mnt/items/1.json '{}'
	saves mnt/items/2.json '{}'
	(
		until [ -e stop ]; do
			mkdir mnt/.txn/t
			echo '{"a": 1}' >mnt/.txn/t/items/2.json
			echo commit >mnt/.txn/t/ctl || true
			rmdir mnt/.txn/t
		done 2>>beside
	) &
	linear run mnt/items/1.json 8 "$LINEAR" "$RANDOM" >history
	touch stop
	wait $!
	linear check <history >verdict || fail "$(cat verdict)"
}

# The checker can tell: histories that are none of a register.
test_the_checker_knows_histories_that_no_register_has() {
	local file
	for file in "$top"/tests/linear/right-*; do
		linear check <"$file" >verdict || fail "$file: $(cat verdict)"
	done
	for file in "$top"/tests/linear/wrong-*; do
		if linear check <"$file" >verdict; then fail "$file: $(cat verdict)"; fi
		has "$(cat verdict)" 'no order of the operations explains'
	done
	is "$(find "$top"/tests/linear -name 'wrong-*' | wc -l)" 6
}

# A read that is moved behind a save that it has not seen is found, wherever it stands.
test_the_checker_finds_one_old_read_in_a_long_history() {
	linearizable
	awk '$2 == "r" && !done && NR > 20 { $3 += 60000000000; $4 += 60000000000; done = 1 } { print }' history >moved
	if linear check <moved >verdict; then fail "$(cat verdict)"; fi
}

run "$@"
