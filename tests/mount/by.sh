#!/bin/bash
# MODEL/.by/FIELD/VALUE/: links to the records that have the value, and mv between two values.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'CONF'
store sqlite:shop.db
model users {
	fields {
		id integer key
		name string required
		email string unique
		pin string unique write-only
		secret string hidden enum a,b
	}
}
model orders {
	fields {
		id integer key
		owner_id integer references users
		status string default new enum new,running,done
		mood string enum good,bad
		seal string immutable enum wax,none
		note string max 20
	}
	on post_save patch check ":new_note is not 'stuck'" "it is stuck"
	on post_save patch sql "insert into trail (what) values (:key || ' is ' || :new_status)"
}
model trail {
	fields {
		id integer key
		what string
	}
}
model notes {
	fields {
		slug string key
		kind string enum a,b
		tag string unique
	}
}
CONF
	mount_rowfs
	sql "insert into users (id, name, email) values (1, 'A', 'a@x'), (2, 'B', null)"
	sql "insert into orders (id, owner_id) values (1, 1), (2, 1), (3, 2)"
}

names() { # DIRECTORY: what is listed, on one line
	find "$1" -mindepth 1 -maxdepth 1 -printf '%P\n' | sort | tr '\n' ' ' | sed 's/ $//'
}

# move FROM TO
move() {
	errno rename "$1" "$2"
}

# ---- what is there ----

test_enum_unique_and_referencing_fields_are_listed() {
	is "$(names mnt/orders/.by)" 'mood owner_id seal status'
	is "$(names mnt/notes/.by)" 'kind tag'
}

test_no_write_only_or_hidden_field_is_there() {
	is "$(names mnt/users/.by)" email
	sql "update users set pin = '1234' where id = 1"
	is "$(errno stat mnt/users/.by/pin)" 'stat: ENOENT'
	is "$(errno stat mnt/users/.by/secret)" 'stat: ENOENT'
	is "$(errno stat mnt/users/.by/id)" 'stat: ENOENT'
}

test_a_field_that_mount_conf_does_not_mark_is_there_when_its_table_has_an_index_over_it() {
	is "$(errno stat mnt/users/.by/name)" 'stat: ENOENT'
	sql 'create index mine on users (name)'
	remount
	is "$(names mnt/users/.by/name)" 'A B'
}

test_dot_by_is_not_listed() {
	hasnt "$(ls -a mnt/orders)" by
}

test_all_words_of_an_enum_are_listed_and_null_where_a_record_has_it() {
	is "$(names mnt/orders/.by/status)" 'done new running'
	is "$(names mnt/orders/.by/mood)" '.null bad good'
}

test_other_fields_list_the_values_that_records_have() {
	is "$(names mnt/orders/.by/owner_id)" '1 2'
	is "$(names mnt/users/.by/email)" '.null a@x'
}

test_a_value_that_no_record_has_resolves_and_is_empty() {
	is "$(names mnt/orders/.by/owner_id/77)" ''
	is "$(names mnt/users/.by/email/b@x)" ''
}

test_what_is_no_value_of_the_field_is_not_there() {
	local name
	for name in 01 +1 x 1.5 .hidden .empty ''; do
		[ -n "$name" ] || continue
		is "$(errno stat "mnt/orders/.by/owner_id/$name")" 'stat: ENOENT' "$name"
	done
	is "$(errno stat mnt/orders/.by/status/lost)" 'stat: ENOENT'
	is "$(errno stat mnt/users/.by/email/%41)" 'stat: ENOENT'
	is "$(errno stat "mnt/users/.by/email/$(printf '%0256d' 7)")" 'stat: ENAMETOOLONG'
}

test_values_are_encoded_as_keys_are() {
	sql "update users set email = '.a/b%' where id = 1; update users set email = '' where id = 2"
	is "$(names mnt/users/.by/email)" '%2Ea%2Fb%25 .empty'
	is "$(names mnt/users/.by/email/%2Ea%2Fb%25)" 1.json
	is "$(names mnt/users/.by/email/.empty)" 2.json
}

test_a_link_leads_to_the_record() {
	is "$(readlink mnt/orders/.by/owner_id/1/2.json)" ../../../2.json
	is "$(cat mnt/orders/.by/owner_id/1/2.json)" "$(cat mnt/orders/2.json)"
	is "$(jq -c .id mnt/orders/.by/status/new/*.json | tr '\n' ' ')" '1 2 3 '
	saves mnt/orders/.by/status/new/3.json '{"owner_id": 1, "note": "x"}'
	is "$(value mnt/orders/3.json .note)" x
}

test_a_link_is_where_the_value_is_and_nowhere_else() {
	echo '{"status": "done"}' >>mnt/orders/2.json
	is "$(names mnt/orders/.by/status/new)" '1.json 3.json'
	is "$(names mnt/orders/.by/status/done)" 2.json
	is "$(errno stat mnt/orders/.by/status/new/2.json)" 'stat: ENOENT'
	is "$(errno stat mnt/orders/.by/status/new/02.json)" 'stat: ENOENT'
	rm mnt/orders/2.json
	is "$(names mnt/orders/.by/status/done)" ''
}

test_text_keys_are_found_too() {
	saves mnt/notes/x.json '{"kind": "a"}'
	saves 'mnt/notes/%2Ey.json' '{"kind": "a", "tag": "t"}'
	is "$(names mnt/notes/.by/kind/a)" '%2Ey.json x.json'
	is "$(value 'mnt/notes/.by/tag/t/%2Ey.json' .slug)" .y
}

test_listed_numbers_are_those_of_stat() {
	is "$(ls -1i mnt/orders/.by/status/new)" "$(cd mnt/orders/.by/status/new && stat -c '%i %n' -- *)"
	is "$(ls -1i mnt/orders/.by/status)" "$(cd mnt/orders/.by/status && stat -c '%i %n' -- *)"
	is "$(ls -1i mnt/orders/.by)" "$(cd mnt/orders/.by && stat -c '%i %n' -- *)"
	is "$(stat -c '%F %s %h' mnt/orders/.by/status/new/1.json)" 'symbolic link 15 1'
}

test_who_may_not_read_records_finds_nothing_by_their_values() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	unmount
	sed -i 's/^model orders {/&\n\tmode 0600/' mount.conf
	chmod 755 .
	mount_rowfs mount.conf -o allow_other
	is "$(setpriv --reuid 65534 --regid 65534 --clear-groups ls mnt/orders | wc -l)" 3
	fails setpriv --reuid 65534 --regid 65534 --clear-groups ls mnt/orders/.by
	fails setpriv --reuid 65534 --regid 65534 --clear-groups ls mnt/orders/.by/status/new
}

# ---- large directories ----

test_a_long_listing_is_whole_while_others_come_and_go() {
	sql "with recursive c(x) as (select 4 union all select x + 1 from c where x < 20000)
		insert into orders (id, owner_id, note) select x, 1 + x % 2, 'n' || x from c"
	(
		for i in $(seq 300); do
			mv mnt/orders/.by/status/new/$((i * 7)).json mnt/orders/.by/status/done/
			echo '{"owner_id": 1}' >mnt/orders/.new
		done
	) &
	local mover=$! stay
	stay=$(seq 20000 | awk '$1 % 7 || $1 > 2100' | sed 's/$/.json/' | sort)
	while kill -0 $mover 2>/dev/null; do
		ls -f mnt/orders/.by/status/new | sort >listed
		is "$(uniq -d listed)" ''
		is "$(comm -13 listed <(echo "$stay"))" '' 'left out'
	done
	wait $mover
	is "$(ls mnt/orders/.by/status/done | wc -l)" 300
	is "$(ls mnt/orders/.by/status/new | wc -l)" 20000
}

test_as_many_values_as_records_are_all_listed_once() {
	sql "with recursive c(x) as (select 10 union all select x + 1 from c where x < 5000)
		insert into users (id, name, email) select x, 'n', 'mail' || x from c"
	is "$(ls -f mnt/users/.by/email | sort | uniq -d)" ''
	is "$(ls mnt/users/.by/email | wc -l)" 4992
}

test_a_listing_goes_on_from_where_it_was_told_to() {
	sql "with recursive c(x) as (select 10 union all select x + 1 from c where x < 3000)
		insert into users (id, name, email) select x, 'n', 'mail' || x from c"
	python3 - <<'PY'
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
class dirent(ctypes.Structure):
    _fields_ = [('ino', ctypes.c_uint64), ('off', ctypes.c_int64), ('len', ctypes.c_uint16), ('type', ctypes.c_uint8), ('name', ctypes.c_char * 256)]
libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
libc.telldir.restype = ctypes.c_long
for f in (libc.readdir, libc.telldir, libc.closedir): f.argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
d = libc.opendir(b'mnt/users/.by/email')
def read():
    p = libc.readdir(d)
    return ctypes.cast(p, ctypes.POINTER(dirent)).contents.name if p else None
names, places = [], []
while True:
    place, name = libc.telldir(d), read()
    if name is None: break
    places.append(place)
    names.append(name)
assert len(names) == len(set(names)) == 2995, len(names)
for at in (2500, 3, 700, 2994, 0):
    libc.seekdir(d, places[at])
    assert [read() for _ in names[at:at + 20]] == names[at:at + 20], at
libc.closedir(d)
PY
}

test_a_listing_is_a_walk_over_the_index() {
	has "$(sql "explain query plan select t.id, t.status from orders as t
		where t.status is ?1 and t.id > ?2 and t.id <= 9 order by t.id")" 'SEARCH t USING COVERING INDEX rowfs_orders_status'
}

test_a_table_without_the_index_works() {
	unmount
	sql 'drop index rowfs_orders_status'
	mount_rowfs mount.conf -o ro
	is "$(names mnt/orders/.by/status/new)" '1.json 2.json 3.json'
}

# ---- mv ----

test_mv_between_two_values_sets_the_field_with_hooks() {
	mv mnt/orders/.by/status/new/2.json mnt/orders/.by/status/running/
	is "$(value mnt/orders/2.json .status)" running
	is "$(sql 'select what from trail')" '2 is running'
	is "$(names mnt/orders/.by/status/running)" 2.json
}

test_mv_to_and_from_null() {
	mv mnt/orders/.by/mood/.null/1.json mnt/orders/.by/mood/good/
	is "$(value mnt/orders/1.json .mood)" good
	mv mnt/orders/.by/mood/good/1.json mnt/orders/.by/mood/.null/
	is "$(value mnt/orders/1.json .mood)" null
}

test_mv_of_what_has_another_value_is_enoent() {
	is "$(move mnt/orders/.by/status/done/1.json mnt/orders/.by/status/running/1.json)" 'rename: ENOENT'
	is "$(move mnt/orders/.by/status/new/9.json mnt/orders/.by/status/running/9.json)" 'rename: ENOENT'
	is "$(cat mnt/.errors)" ''
}

test_of_many_who_move_a_record_one_wins() {
	local i round winners movers
	for round in 1 2 3; do
		movers=()
		for i in 1 2 3 4 5 6 7 8; do
			(mv mnt/orders/.by/status/new/"$round".json mnt/orders/.by/status/running/ 2>/dev/null && echo won >>"won.$round") &
			movers+=($!)
		done
		for i in "${movers[@]}"; do wait "$i" || true; done
		winners=$(wc -l <"won.$round")
		is "$winners" 1 "round $round"
	done
	is "$(sql 'select count(*) from trail')" 3
}

test_a_hook_refuses_mv_and_nothing_moves() {
	echo '{"note": "stuck"}' >>mnt/orders/1.json || true
	sql "update orders set note = 'stuck' where id = 1"
	is "$(move mnt/orders/.by/status/new/1.json mnt/orders/.by/status/done/1.json)" 'rename: ECANCELED'
	is "$(value mnt/orders/1.json .status)" new
	has "$(last_error)" 'it is stuck'
}

test_mv_to_another_name_field_or_model_is_refused() {
	is "$(move mnt/orders/.by/status/new/1.json mnt/orders/.by/status/done/7.json)" 'rename: EPERM'
	is "$(move mnt/orders/.by/status/new/1.json mnt/orders/.by/mood/good/1.json)" 'rename: EPERM'
	is "$(move mnt/orders/.by/status/new/1.json mnt/notes/.by/kind/a/1.json)" 'rename: EPERM'
	is "$(move mnt/orders/1.json mnt/orders/.by/status/done/1.json)" 'rename: EPERM'
	is "$(move mnt/orders/.by/status/new/1.json mnt/orders/7.json)" 'rename: EPERM'
	is "$(move mnt/orders/.by/status/new/1.json mnt/orders/copy)" 'rename: EPERM'
	is "$(sql 'select status from orders where id = 1')" new
}

test_mv_into_a_dangling_reference_or_onto_an_immutable_field_is_refused_as_a_save_is() {
	is "$(move mnt/orders/.by/owner_id/1/1.json mnt/orders/.by/owner_id/77/1.json)" 'rename: EBADMSG'
	is "$(move mnt/orders/.by/seal/.null/1.json mnt/orders/.by/seal/wax/1.json)" 'rename: EPERM'
}

test_nothing_else_can_be_done_there() {
	is "$(errno unlink mnt/orders/.by/status/new/1.json)" 'unlink: EPERM'
	is "$(errno rmdir mnt/orders/.by/status/done)" 'rmdir: EPERM'
	is "$(errno mkdir mnt/orders/.by/status/lost)" 'mkdir: EPERM'
	fails ln -s x mnt/orders/.by/status/new/x
	fails ln mnt/orders/1.json mnt/orders/.by/status/done/1.json
	fails touch mnt/orders/.by/status/new/77.json
	remount_read_only
	is "$(move mnt/orders/.by/status/new/1.json mnt/orders/.by/status/done/1.json)" 'rename: EROFS'
}

remount_read_only() {
	unmount
	mount_rowfs mount.conf -o ro
}

run "$@"
