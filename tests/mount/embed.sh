#!/bin/bash
# Records inside the file of another, through a mount: editors, appending, renames, other programs, and many at once.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model orders {
	fields {
		id integer key
		name string required
	}
	embeds-many lines by order_id
	has-many notes by order_id
	embeds-one address by order_id
}
model lines {
	fields {
		id integer key
		order_id integer required references orders
		sku string required
		qty integer default 1
	}
	embeds-many parts by line_id
}
model parts {
	fields {
		id integer key
		line_id integer required references lines
		name string
	}
}
model notes {
	fields {
		id integer key
		order_id integer references orders
		text string
	}
}
model address {
	fields {
		id integer key
		order_id integer references orders
		city string required
	}
	hidden
}
END
	mount_rowfs
	saves mnt/orders/1.json '{"name": "a", "lines": [{"sku": "x", "parts": [{"name": "p"}]}, {"sku": "y"}], "address": {"city": "Rome"}}'
}

mtimes() {
	stat -c %y "$@"
}

test_members_follow_the_fields_in_the_order_of_mount_conf() {
	is "$(value mnt/orders/1.json keys_unsorted)" '["id","name","lines","notes","address"]'
	is "$(stat -c %s mnt/orders/1.json)" "$(wc -c <mnt/orders/1.json)"
	jq . mnt/orders/1.json >printed
	cmp printed mnt/orders/1.json
}

test_sed_changes_a_line_in_place() {
	sed -i 's/"sku": "y"/"sku": "z"/' mnt/orders/1.json
	is "$(sql 'select id, sku from lines')" $'1|x\n2|z'
	is "$(ls mnt/orders)" 1.json
}

test_vim_adds_a_line() {
	command -v vim >/dev/null || skip 'there is no vim'
	vim -es -u NONE -c '%s/"lines": \[/"lines": [{"sku": "v"},/' -c wq mnt/orders/1.json
	is "$(value mnt/orders/1.json '[.lines[] | [.id, .sku]]')" '[[1,"x"],[2,"y"],[3,"v"]]'
}

test_appending_merges_and_a_list_replaces() {
	echo '{"name": "b"}' >>mnt/orders/1.json
	is "$(value mnt/orders/1.json '[.name, (.lines | length), .address.city]')" '["b",2,"Rome"]'
	echo '{"address": {"city": "Bern"}, "lines": [{"id": 2, "sku": "y"}]}' >>mnt/orders/1.json
	is "$(value mnt/orders/1.json '[[.lines[].id], .address]')" '[[2],{"id":1,"city":"Bern"}]'
	is "$(ls mnt/lines mnt/parts)" $'mnt/lines:\n2.json\n\nmnt/parts:'
}

test_a_copy_of_the_file_is_nobodys_twin() {
	has "$(errno open mnt/orders/2.json wct : write "$(cat mnt/orders/1.json)")" 'write: EBADMSG'
	jq 'del(.id, .address.id) | del(.lines[].id, .lines[].parts[].id)' mnt/orders/1.json >copy
	cp copy mnt/orders/2.json
	is "$(value mnt/orders/2.json '[.lines[].id, .address.id]')" '[3,4,2]'
}

test_a_new_order_and_its_lines_come_through_new() {
	echo '{"name": "n", "lines": [{"sku": "a"}, {"sku": "b"}]}' >mnt/orders/.new
	is "$(value mnt/orders/2.json '[.lines[].id]')" '[3,4]'
}

test_renaming_the_order_takes_its_lines_along() {
	mv mnt/orders/1.json mnt/orders/7.json
	is "$(value mnt/orders/7.json '[.lines[].id, .address.city]')" '[1,2,"Rome"]'
	is "$(value mnt/lines/1.json .order_id)" 7
}

test_a_line_that_sqlite3_changes_moves_times_and_bytes_of_all_above_it() {
	local before
	before=$(mtimes mnt/orders/1.json)
	sql "update parts set name = 'q' where id = 1"
	is "$(value mnt/orders/1.json '.lines[0].parts[0].name')" q
	[ "$(mtimes mnt/orders/1.json)" != "$before" ] || fail 'the time is as it was'
	before=$(mtimes mnt/orders/1.json)
	sql "insert into lines (order_id, sku) values (1, 's')"
	is "$(value mnt/orders/1.json '[.lines[].id]')" '[1,2,3]'
	[ "$(mtimes mnt/orders/1.json)" != "$before" ] || fail 'the time is as it was'
	is "$(stat -c %s mnt/orders/1.json)" "$(wc -c <mnt/orders/1.json)"
}

test_a_line_that_moves_to_another_order_changes_both() {
	local before
	saves mnt/orders/2.json '{"name": "b"}'
	before=$(mtimes mnt/orders/*)
	echo '{"order_id": 2}' >>mnt/lines/2.json
	is "$(value mnt/orders/1.json '[.lines[].id]')$(value mnt/orders/2.json '[.lines[].id]')" '[1][2]'
	is "$(mtimes mnt/orders/* | paste - <(cat <<<"$before") | awk '$2 == $5' | wc -l)" 0
}

version() {
	echo "{\"name\": \"$1\", \"lines\": [{\"id\": 1, \"sku\": \"$1\"}, {\"id\": 2, \"sku\": \"$1\"}]}" >mnt/orders/1.json
}

test_a_reader_sees_all_of_one_version() {
	local i writer
	version 0
	while :; do for i in 1 2; do version $i; done; done &
	writer=$!
	for i in $(seq 50); do
		is "$(value mnt/orders/1.json '[.name, .lines[].sku] | unique | length')" 1
	done
	kill $writer
	wait $writer 2>/dev/null || true
}

test_many_writers_of_one_order_lose_no_line_that_they_add_by_its_own_file() {
	local i writers=()
	for i in 1 2 3 4; do
		(for _ in 1 2 3 4 5; do echo "{\"order_id\": 1, \"sku\": \"$i\"}" >mnt/lines/.new; done) &
		writers+=($!)
	done
	wait "${writers[@]}"
	is "$(value mnt/orders/1.json '.lines | length')" 22
}

test_a_mount_whose_table_lets_an_only_child_have_twins_says_so() {
	unmount
	sql 'drop table address; create table address (id integer primary key, order_id integer references orders, city text not null)'
	has "$(rowfs mount.conf mnt 2>&1 || true)" 'column order_id is not unique, mount.conf says it is'
	allow_log .
	mountpoint -q mnt && fail 'it is mounted'
	true
}

test_what_was_embedded_without_triggers_gets_them_with_the_next_mount() {
	local before
	unmount
	sql 'drop trigger rowfs_parts_update; drop trigger rowfs_lines_update'
	mount_rowfs
	before=$(mtimes mnt/orders/1.json)
	saves mnt/parts/1.json '{"line_id": 1, "name": "later"}'
	[ "$(mtimes mnt/orders/1.json)" != "$before" ] || fail 'the time is as it was'
}

run "$@"
