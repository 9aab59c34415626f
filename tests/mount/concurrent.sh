#!/bin/bash
# Many clients at once: every save counts, no reader sees half of one. Also run with ThreadSanitizer.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	program hooks/work <<'END'
#!/bin/sh
exec cat >/dev/null
END
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		left string
		right string
		count integer default 0
	}
	on after_commit create enqueue jobs item_id=:id
	on post_save replace sql "update items set count = coalesce(:old_count, 0) + 1 where id = :key"
}
queue jobs {
	fields {
		item_id integer references items
	}
	run hooks/work
	workers 2
}
END
	mount_rowfs
}

test_eight_writers_and_readers_lose_nothing() {
	local writer writers=()
	for writer in 1 2 3 4 5 6 7 8; do
		(
			for i in $(seq 1 20); do echo "{\"left\": \"$writer\"}" >mnt/items/.new; done
		) &
		writers+=($!)
	done
	(
		until [ -e stop ]; do
			ls -l mnt/items >/dev/null
			cat mnt/items/*.json >/dev/null 2>&1 || true
		done
	) &
	for writer in "${writers[@]}"; do wait "$writer"; done
	touch stop
	wait $!
	is "$(ls mnt/items | wc -l)" 160
	is "$(sql 'select count(distinct item_id) from jobs')" 160
	PATIENCE=60 eventually all_done
}
all_done() { [ "$(sql "select count(*) from jobs where status = 'done'")" = 160 ]; }

test_no_reader_sees_a_torn_record() {
	saves mnt/items/1.json '{"left": "0", "right": "0"}'
	(
		for i in $(seq 1 150); do
			text=$(printf "%${i}s" "$i")
			echo "{\"left\": \"$text\", \"right\": \"$text\"}" >mnt/items/1.json
		done
		touch stop
	) &
	local writer=$!
	until [ -e stop ]; do
		is "$(value mnt/items/1.json '.left == .right')" true
	done
	wait $writer
}

test_updates_of_one_record_by_many_are_all_counted() {
	local writer writers=()
	saves mnt/items/1.json '{"left": "0"}'
	for writer in 1 2 3 4; do
		(
			for i in $(seq 1 20); do echo "{\"left\": \"$writer.$i\"}" >mnt/items/1.json; done
		) &
		writers+=($!)
	done
	for writer in "${writers[@]}"; do wait "$writer"; done
	is "$(value mnt/items/1.json .count)" 80
}

run "$@"
