#!/bin/bash
# Rows that another program changes show up at the next open, read, stat or listing; and listings at size.
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
}
model notes {
	fields {
		slug string key
		body string
	}
}
END
	mount_rowfs
}

fill() { # COUNT
	sql "with recursive n(i) as (select 1 union all select i + 1 from n where i < $1)
		insert into items (id, name) select i, 'name ' || i from n"
}

test_a_row_that_sqlite3_inserts_is_a_file() {
	is "$(errno stat mnt/items/1.json)" 'stat: ENOENT'
	sql "insert into items (id, name) values (1, 'a')"
	is "$(value mnt/items/1.json .name)" a
	is "$(ls mnt/items)" 1.json
}

# sendfile(2) reads as far as the size that the kernel has, and busybox cat asks for none.
test_what_sends_a_file_without_asking_for_its_size_sends_all_of_it() {
	local name
	for name in a 'longer than it is in what was written' b; do
		saves mnt/items/1.json "{\"name\":\"$name\"}"
		is "$(busybox cat mnt/items/1.json | jq -r .name)" "$name"
	done
	sql "update items set name = 'a name that is longer by far than any before'"
	is "$(busybox cat mnt/items/1.json | jq -r .name)" 'a name that is longer by far than any before'
}

test_a_row_that_sqlite3_updates_shows_at_once() {
	local i
	saves mnt/items/1.json '{"name": "a"}'
	for i in 1 22 333; do
		sql "update items set name = '$i' where id = 1"
		is "$(value mnt/items/1.json .name)" "$i"
		is "$(stat -c %s mnt/items/1.json)" "$(wc -c <mnt/items/1.json)"
	done
}

test_a_row_that_sqlite3_deletes_is_gone_at_once() {
	saves mnt/items/1.json '{"name": "a"}'
	stat mnt/items/1.json >/dev/null
	sql 'delete from items'
	is "$(errno stat mnt/items/1.json)" 'stat: ENOENT'
	is "$(ls mnt/items)" ''
}

test_a_text_key_that_sqlite3_inserts_is_a_file() {
	sql "insert into notes (slug, body) values ('a', 'x')"
	is "$(value mnt/notes/a.json .body)" x
	is "$(ls mnt/notes)" a.json
}

test_a_backup_works_while_mounted() {
	saves mnt/items/1.json '{"name": "a"}'
	sqlite3 shop.db '.backup copy.db'
	is "$(sqlite3 copy.db 'select name from items')" a
}

test_the_database_is_ordinary_sql_with_typed_columns() {
	saves mnt/items/1.json '{"name": "a"}'
	is "$(sql "select id, typeof(id), typeof(name) from items")" '1|integer|text'
	is "$(sql "pragma journal_mode")" wal
	is "$(sql "select count(*) from sqlite_schema where type = 'table' and name not in ('items', 'notes')
		and name not like 'rowfs\_%' escape '\' and name not like 'sqlite\_%' escape '\'")" 0
}

test_a_listing_of_5000_records_is_complete() {
	fill 5000
	is "$(ls -U mnt/items | wc -l)" 5000
	is "$(ls -U mnt/items | sort -u | wc -l)" 5000
	is "$(find mnt/items -name '*.json' -size +0 | wc -l)" 5000
}

test_a_listing_is_in_key_order() {
	fill 300
	is "$(ls -U mnt/items)" "$(ls -v mnt/items)"
}

test_a_listing_is_complete_while_others_create_and_delete() {
	fill 5000
	(
		i=5001
		while [ ! -e stop ]; do
			echo '{}' >mnt/items/$i.json
			[ $((i % 2)) = 0 ] || rm mnt/items/$i.json
			i=$((i + 1))
		done
	) &
	local writer=$! round
	for round in 1 2 3 4 5 6 7 8; do
		ls -U mnt/items >listing
		is "$(grep -cE '^([1-9]|[1-9][0-9]{1,2}|[1-4][0-9]{3}|5000)\.json$' listing)" 5000 "round $round"
		is "$(sort listing | uniq -d)" '' "round $round"
	done
	touch stop
	wait $writer
}

test_a_record_that_is_deleted_during_a_listing_hides_no_other() {
	fill 3000
	python3 - <<'END'
import os
with os.scandir("mnt/items") as listing:
    seen = [next(listing).name for _ in range(50)]
    for i in range(1, 1001):
        os.unlink(f"mnt/items/{i}.json")
    seen += [entry.name for entry in listing]
left = {f"{i}.json" for i in range(1001, 3001)}
assert left <= set(seen), "missing"
assert len(seen) == len(set(seen)), "twice"
END
}

test_memory_does_not_grow_with_the_records_seen() {
	local before after
	case $BUILD in */asan | */tsan) skip "an instrumented program's memory says nothing" ;; esac
	before=$(ps -o rss= -p "$daemon")
	fill 20000
	ls -l mnt/items >/dev/null
	after=$(ps -o rss= -p "$daemon")
	[ "$after" -lt 16384 ] || fail "resident: $before KiB before, $after KiB after"
}

# ---- names that are not listed ----

test_dot_names_resolve_and_are_not_listed() {
	saves mnt/items/1.json '{"name": "a"}'
	is "$(ls -A mnt)" $'items\nnotes'
	is "$(ls -A mnt/items)" 1.json
	test -f mnt/items/.new
	test -f mnt/.errors
	is "$(stat -c %F mnt/items/.info)" directory
}

test_info_schema_is_json_schema() {
	is "$(value mnt/items/.info/schema.json '[."$schema", .properties.name.type | tostring] | join(" ")' | cut -d' ' -f1)" \
		https://json-schema.org/draft/2020-12/schema
	is "$(value mnt/items/.info/schema.json '.properties | keys_unsorted | join(" ")')" 'id name _checksum'
	fails rm mnt/items/.info/schema.json
	fails sh -c 'echo x > mnt/items/.info/schema.json'
}

test_grep_find_tar_and_cp_see_records_only() {
	saves mnt/items/1.json '{"name": "needle"}'
	saves mnt/notes/a.json '{}'
	is "$(grep -rl needle mnt)" mnt/items/1.json
	is "$(find mnt -type f | sort)" $'mnt/items/1.json\nmnt/notes/a.json'
	cp -a mnt copy
	diff -r mnt copy
	tar cf - mnt | tar tf - | grep -c json >count
	is "$(cat count)" 2
}

run "$@"
