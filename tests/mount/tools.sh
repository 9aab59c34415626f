#!/bin/bash
# Real programs: what each does to a record is what tests/tools/TABLE.md says; `make tools-table` writes it anew.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	local hooks="
	on pre_save check \":new_name <> 'refused'\" \"The name refused is refused\"
	on pre_delete check \":old_name <> 'kept'\" \"The record named kept is kept\"
	on post_save,post_delete sql \"insert into seen (verb, item) values (:verb, :key)\""
	conf <<CONF
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string required
		qty integer default 1
	}$hooks
}
model large {
	fields {
		id integer key
		name string required
		qty integer default 1
		note string
	}$hooks
}
model seen {
	fields {
		n integer key
		verb string
		item integer
	}
}
CONF
	mount_rowfs
	export HOME=$PWD/home
	mkdir home
}

# as_the_table_says SECTION: compares, or with TABLE naming a directory writes what happened there.
as_the_table_says() {
	local page=$top/tests/tools/TABLE.md title
	"$top/tests/tools/drive" "$1" "$page" >"$1.md"
	[ -z "${TABLE:-}" ] || {
		cp "$1.md" "$TABLE"
		return
	}
	title=$(head -n 1 "$1.md")
	awk -v title="$title" '/^## / { here = $0 == title } here' "$page" >expected
	diff -B expected "$1.md"
}

test_shells_do_to_records_what_the_table_says() { # 3 times the limit
	as_the_table_says shells
}
test_tools_that_write_in_place_do_what_the_table_says() { # 3 times the limit
	as_the_table_says place
}
test_tools_that_rename_do_what_the_table_says() { # 3 times the limit
	as_the_table_says renames
}
test_tools_that_remove_first_do_what_the_table_says() { # 3 times the limit
	as_the_table_says removal
}
test_editors_do_what_the_table_says() { # 3 times the limit
	as_the_table_says editors
}
test_editors_on_a_terminal_do_what_the_table_says() { # 3 times the limit
	as_the_table_says terminals
}
test_tools_do_with_large_records_what_the_table_says() { # 3 times the limit
	as_the_table_says large
}
test_programs_in_python_do_what_the_table_says() { # 3 times the limit
	as_the_table_says python
}
test_programs_on_node_do_what_the_table_says() { # 3 times the limit
	as_the_table_says node
}
test_tools_that_read_or_remove_do_what_the_table_says() { # 3 times the limit
	as_the_table_says readers
}

run "$@"
