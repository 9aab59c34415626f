#!/bin/bash
# Field options, references and what their refusals say.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model owners {
	fields {
		id integer key
		name string required unique
	}
	has-many items by owner_id
	has-one badges by owner_id
}
model items {
	fields {
		id        integer key
		owner_id  integer references owners
		boss_id   integer references owners on-delete set-null
		title     string  required min 2 max 5
		qty       integer min 1 max 10
		state     string  default new enum new,running,done
		mail      string  format email
		code      string  pattern "[A-Z]{2}[0-9]+"
		low       integer
		high      integer check "high >= low"
		uuid      uuid    default uuid
		day       date    default today
		by_uid    integer default uid
		by_user   string  default user
	}
}
model badges {
	fields {
		id integer key
		owner_id integer references owners on-delete cascade
	}
}
END
	mount_rowfs
	saves mnt/owners/1.json '{"name": "ada"}'
	saves mnt/owners/2.json '{"name": "bob"}'
}

item() { # MEMBERS: a save of item 1 that is right but for these
	save mnt/items/1.json "{\"title\": \"abc\", $1}"
}

refused() { # POINTER MEMBERS
	local before
	before=$(rows)
	is "$(item "$2")" 'write: EBADMSG, close: EBADMSG' "line ${BASH_LINENO[0]}"
	is "$(rows)" "$before"
	is "$(last_error '.problems | map(.pointer) | join(" ")')" "$1"
}

test_required() {
	refuses EBADMSG mnt/items/1.json '{}'
	is "$(last_error '.problems[].pointer')" /title
	refuses EBADMSG mnt/items/1.json '{"title": null}'
}

test_min_and_max_bound_strings_by_length() {
	refuses EBADMSG mnt/items/1.json '{"title": "a"}'
	refuses EBADMSG mnt/items/1.json '{"title": "abcdef"}'
	saves mnt/items/1.json '{"title": "äöüßé"}'
}

test_min_and_max_bound_numbers_by_value() {
	refused /qty '"qty": 0'
	refused /qty '"qty": 11'
	is "$(item '"qty": 10')" ok
}

test_enum() {
	refused /state '"state": "gone"'
	is "$(item '"state": "done"')" ok
}

test_format() {
	refused /mail '"mail": "nobody"'
	is "$(item '"mail": "a@example.com"')" ok
}

test_pattern_is_matched_against_the_whole_text() {
	refused /code '"code": "xAB1"'
	refused /code '"code": "AB1x"'
	is "$(item '"code": "AB12"')" ok
}

test_check() {
	refused /high '"low": 5, "high": 4'
	is "$(item '"low": 5, "high": 6')" ok
}

test_unique() {
	refuses EEXIST mnt/owners/3.json '{"name": "ada"}'
	saves mnt/owners/1.json '{"name": "ada"}'
	refuses EEXIST mnt/owners/2.json '{"name": "ada"}'
}

test_defaults() {
	saves mnt/items/1.json '{"title": "abc"}'
	is "$(value mnt/items/1.json '[.state, .day, .by_uid, .by_user] | join(" ")')" "new $(date +%F) $(id -u) $(id -un)"
	has "$(value mnt/items/1.json .uuid)" '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
}

test_a_dangling_reference_is_refused() {
	refused /owner_id '"owner_id": 99'
	is "$(item '"owner_id": 1')" ok
}

test_deleting_what_is_referred_to_is_ebusy() {
	local before
	is "$(item '"owner_id": 1')" ok
	before=$(rows)
	is "$(errno unlink mnt/owners/1.json)" 'unlink: EBUSY'
	is "$(rows)" "$before"
	has "$(last_error)" items
	rm mnt/items/1.json mnt/owners/1.json
}

test_on_delete_set_null() {
	is "$(item '"boss_id": 2')" ok
	rm mnt/owners/2.json
	is "$(value mnt/items/1.json .boss_id)" null
}

test_on_delete_cascade() {
	saves mnt/badges/1.json '{"owner_id": 2}'
	rm mnt/owners/2.json
	is "$(ls mnt/badges)" ''
}

test_references_follow_a_key_change() {
	is "$(item '"owner_id": 1')" ok
	mv mnt/owners/1.json mnt/owners/7.json
	is "$(value mnt/items/1.json .owner_id)" 7
	is "$(value mnt/owners/7.json '.items | length')" 1
}

test_a_parent_shows_its_children() {
	is "$(item '"owner_id": 1')" ok
	saves mnt/items/2.json '{"title": "two", "owner_id": 1}'
	saves mnt/badges/1.json '{"owner_id": 1}'
	is "$(value mnt/owners/1.json '[.items[].id]')" '[1,2]'
	is "$(value mnt/owners/1.json '.items[0] | has("owner_id")')" false
	is "$(value mnt/owners/1.json '.badges')" '{"id":1}'
	is "$(value mnt/owners/2.json '[.items, .badges]')" '[[],null]'
	jq . mnt/owners/1.json | cmp - mnt/owners/1.json
	is "$(stat -c %s mnt/owners/1.json)" "$(wc -c <mnt/owners/1.json)"
}

test_what_a_file_says_of_shown_children_is_ignored() {
	is "$(item '"owner_id": 1')" ok
	jq '.items[0].title = "zzz" | .name = "new"' mnt/owners/1.json >copy
	cp copy mnt/owners/1.json
	is "$(value mnt/owners/1.json .name)" new
	is "$(value mnt/items/1.json .title)" abc
}

test_an_entry_without_a_key_among_shown_children_is_eperm() {
	refuses EPERM mnt/owners/1.json '{"name": "ada", "items": [{"title": "abc"}]}'
}

test_more_than_a_hundred_children_show_the_newest_and_a_total() {
	sql "with recursive n(i) as (select 1 union all select i + 1 from n where i < 250)
		insert into items (id, owner_id, title) select i, 1, 'abc' from n"
	is "$(value mnt/owners/1.json '[(.items | length), .items[0].id, .items[-1].id, .items_total]')" '[100,151,250,250]'
	is "$(value mnt/owners/2.json 'has("items_total")')" false
}

test_all_problems_are_reported_at_once() {
	refused '/qty /state /colour /owner_id' '"qty": 0, "state": "gone", "colour": 1, "owner_id": "x"'
	is "$(save mnt/items/1.json '{"qty": 0}')" 'write: EBADMSG, close: EBADMSG'
	is "$(last_error '.problems | map(.pointer) | join(" ")')" '/qty /title'
}

run "$@"
