#!/bin/bash
# A record is created by whatever way a program writes a new file.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string required max 80
		qty integer default 1
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

created() { # KEY NAME
	is "$(sql "select id, name from items where id = $1")" "$1|$2"
	is "$(value "mnt/items/$1.json" .name)" "$2"
}

test_echo_creates_a_record() {
	echo '{"name": "a"}' >mnt/items/1.json
	created 1 a
}

test_echo_of_dash_creates_a_record() {
	dash -c 'echo "{\"name\": \"a\"}" > mnt/items/1.json'
	created 1 a
}

test_cp_creates_a_record() {
	echo '{"name": "a"}' >new
	cp new mnt/items/1.json
	created 1 a
}

test_cp_p_creates_a_record() {
	echo '{"name": "a"}' >new
	cp -p new mnt/items/1.json
	created 1 a
}

test_tee_creates_a_record() {
	echo '{"name": "a"}' | tee mnt/items/1.json >/dev/null
	created 1 a
}

test_cat_creates_a_record() {
	cat >mnt/items/1.json <<'END'
{
  "name": "a",
  "qty": 3
}
END
	created 1 a
}

test_dd_creates_a_record_from_single_bytes() {
	echo '{"name": "a"}' | dd bs=1 of=mnt/items/1.json 2>/dev/null
	created 1 a
}

test_jq_creates_a_record() {
	jq -n '{name: "a"}' >mnt/items/1.json
	created 1 a
}

# A child that exits closes the file: it is told that the text is incomplete, which stays for the next one.
test_a_group_of_commands_creates_a_record() {
	{
		echo '{"name":'
		/bin/echo '"a"' 2>/dev/null || true
		/bin/echo '}'
	} >mnt/items/1.json
	created 1 a
}

test_python_creates_a_record() {
	python3 -c 'import json; json.dump({"name": "a"}, open("mnt/items/1.json", "w"))'
	created 1 a
}

test_a_temporary_file_renamed_over_the_name_creates_a_record() {
	echo '{"name": "a"}' >mnt/items/.1.json.tmp
	mv mnt/items/.1.json.tmp mnt/items/1.json
	created 1 a
	is "$(errno stat mnt/items/.1.json.tmp)" "stat: ENOENT"
}

test_a_temporary_file_linked_to_the_name_creates_a_record() {
	echo '{"name": "a"}' >mnt/items/tmp
	ln mnt/items/tmp mnt/items/1.json
	created 1 a
}

test_rsync_creates_a_record() {
	mkdir from
	echo '{"name": "a"}' >from/1.json
	rsync -r from/ mnt/items/
	created 1 a
}

test_vim_creates_a_record() {
	vim -u NONE -es mnt/items/1.json <<'END'
i
{"name": "a"}
.
wq
END
	created 1 a
	is "$(ls mnt/items)" 1.json
}

test_vim_with_swap_and_backup_edits_a_record() {
	saves mnt/items/1.json '{"name": "a"}'
	vim -N -u NONE -es -c 'set backup writebackup swapfile' -c '%s/"a"/"b"/' -c wq mnt/items/1.json
	created 1 b
}

test_sed_i_edits_a_record() {
	saves mnt/items/1.json '{"name": "a"}'
	sed -i 's/"a"/"b"/' mnt/items/1.json
	created 1 b
	is "$(ls mnt/items)" 1.json
}

test_the_key_may_stand_in_the_text() {
	saves mnt/items/7.json '{"id": 7, "name": "a"}'
	created 7 a
}

test_a_key_that_differs_from_the_name_is_refused() {
	refuses EBADMSG mnt/items/7.json '{"id": 8, "name": "a"}'
}

test_new_creates_with_the_next_key() {
	saves mnt/items/4.json '{"name": "a"}'
	echo '{"name": "b"}' >mnt/items/.new
	created 5 b
}

test_two_processes_that_write_new_make_two_records() {
	echo '{"name": "a"}' >mnt/items/.new
	echo '{"name": "b"}' >mnt/items/.new
	created 1 a
	created 2 b
}

test_reading_new_reserves_a_key() {
	is "$(cat mnt/items/.new)" 1
	is "$(cat mnt/items/.new)" 2
	echo '{"name": "a"}' >mnt/items/.new
	created 3 a
	saves mnt/items/1.json '{"name": "b"}'
	created 1 b
}

test_reading_new_gives_a_random_key_where_keys_are_random_and_says_why_where_users_give_them() {
	local key
	fusermount3 -u mnt && wait "$daemon"
	conf <<'END'
store sqlite:shop.db
model tokens { fields { id uuid key default uuid; name string } }
model words { fields { word string key } }
END
	mount_rowfs
	key=$(cat mnt/tokens/.new)
	[[ $key =~ ^[0-9a-f-]{14}7[0-9a-f-]{21}$ ]]
	[ "$(cat mnt/tokens/.new)" != "$key" ]
	saves "mnt/tokens/$key.json" '{"name": "a"}'
	mkdir mnt/.txn/t
	key=$(cat mnt/.txn/t/tokens/.new)
	saves "mnt/.txn/t/tokens/$key.json" '{"name": "b"}'
	saves mnt/.txn/t/ctl commit
	is "$(value "mnt/tokens/$key.json" .name)" b
	is "$(errno open mnt/words/.new r : read)" 'read: EBADMSG'
	is "$(wc -l <mnt/.errors)" 1
	is "$(last_error '[.path, .message]')" '["words/.new","words gives no keys: the document must name its word"]'
}

test_a_read_only_mount_gives_no_random_key() {
	fusermount3 -u mnt && wait "$daemon"
	echo 'store sqlite:shop.db; model tokens { fields { id uuid key default uuid } }' >mount.conf
	mount_rowfs
	fusermount3 -u mnt && wait "$daemon"
	mount_rowfs mount.conf -o ro
	is "$(errno open mnt/tokens/.new r)" 'open: EROFS'
}

test_a_reserved_key_survives_a_crash() {
	is "$(cat mnt/items/.new)" 1
	crash
	mount_rowfs
	is "$(cat mnt/items/.new)" 2
}

# Many are taken from the database at once; a crash skips some, and no key comes twice.
test_many_reserved_keys_survive_a_crash() {
	for _ in $(seq 40); do cat mnt/items/.new; done >keys
	echo '{"name": "a"}' >mnt/items/.new
	crash
	mount_rowfs
	for _ in $(seq 40); do cat mnt/items/.new; done >>keys
	echo '{"name": "b"}' >mnt/items/.new
	ls mnt/items | sed 's/.json//' >>keys
	is "$(sort -n keys | uniq -d)" ''
	is "$(head -n 40 keys | tr '\n' ' ')" "$(seq 40 | tr '\n' ' ')"
	created 41 a
}

test_an_unmount_gives_back_what_was_not_reserved() {
	for _ in 1 2 3 4 5; do cat mnt/items/.new; done >/dev/null
	remount
	echo '{"name": "a"}' >mnt/items/.new
	created 6 a
}

test_reading_back_from_new_gives_the_record() {
	is "$(errno open mnt/items/.new b : write '{"name":"a"}' : rewind : read : close | tr -d ' \n')" \
		'{"id":1,"name":"a","qty":1}'
}

test_the_key_of_a_deleted_record_is_not_given_again() {
	echo '{"name": "a"}' >mnt/items/.new
	rm mnt/items/1.json
	echo '{"name": "b"}' >mnt/items/.new
	is "$(ls mnt/items)" 2.json
	remount
	rm mnt/items/2.json
	echo '{"name": "c"}' >mnt/items/.new
	is "$(ls mnt/items)" 3.json
}

test_a_refused_save_uses_up_no_key() {
	is "$(save mnt/items/.new '{"qty": 1}')" "write: EBADMSG, close: EBADMSG"
	echo '{"name": "a"}' >mnt/items/.new
	created 1 a
}

test_touch_leaves_nothing() {
	touch mnt/items/9.json
	is "$(ls mnt/items)" ''
	is "$(sql 'select count(*) from items')" 0
}

test_an_exclusive_create_of_an_existing_record_is_eexist() {
	saves mnt/items/1.json '{"name": "a"}'
	is "$(errno open mnt/items/1.json wx)" "open: EEXIST"
}

test_an_exclusive_create_saves() {
	is "$(errno open mnt/items/1.json wx : write '{"name":"a"}' : close)" ok
	created 1 a
}

test_text_keys_are_names() {
	saves mnt/notes/hello.json '{"body": "x"}'
	is "$(value mnt/notes/hello.json .)" '{"slug":"hello","body":"x"}'
	is "$(ls mnt/notes)" hello.json
}

test_why_a_key_can_not_be_reserved_is_told() {
	is "$(errno open mnt/notes/.new r : read)" 'read: EBADMSG'
	is "$(last_error '.path + ": " + .message')" 'notes/.new: notes gives no keys: the document must name its slug'
}

test_a_text_key_with_a_slash_is_percent_encoded() {
	sql "insert into notes (slug, body) values ('a/b%c', 'x'), ('.d', 'y')"
	is "$(ls mnt/notes | sort)" "$(printf '%%2Ed.json\na%%2Fb%%25c.json')"
	is "$(value mnt/notes/a%2Fb%25c.json .slug)" 'a/b%c'
	saves mnt/notes/%2Ee.json '{"body": "z"}'
	is "$(sql "select body from notes where slug = '.e'")" z
}

test_a_text_key_may_be_unicode() {
	saves 'mnt/notes/grüße 1.json' '{"body": "x"}'
	is "$(sql 'select slug from notes')" 'grüße 1'
	is "$(ls mnt/notes)" 'grüße 1.json'
}

test_a_key_has_one_spelling() {
	saves mnt/items/7.json '{"name": "a"}'
	local name
	for name in 007 +7 -0 7.0 ' 7' %37 x 99999999999999999999; do
		is "$(errno stat "mnt/items/$name.json")" "stat: ENOENT" "$name"
		is "$(save "mnt/items/$name.json" '{"name": "a"}' | cut -d, -f1)" "open: EBADMSG" "$name"
	done
	saves mnt/notes/A.json '{}'
	is "$(errno stat mnt/notes/%41.json)" "stat: ENOENT"
	is "$(errno open mnt/notes/%41.json wct)" "open: EBADMSG"
}

test_a_name_that_is_no_key_is_refused_at_rename_and_link() {
	echo '{"name": "a"}' >mnt/items/tmp
	is "$(errno rename mnt/items/tmp mnt/items/007.json)" "rename: EBADMSG"
	is "$(errno link mnt/items/tmp mnt/items/007.json)" "link: EBADMSG"
	is "$(cat mnt/items/tmp)" '{"name": "a"}'
}

test_a_name_over_255_bytes_is_too_long() {
	local name
	name=$(printf 'a%.0s' {1..251})
	is "$(errno stat "mnt/notes/$name.json")" "stat: ENAMETOOLONG"
	is "$(errno open "mnt/notes/$name.json" wct)" "open: ENAMETOOLONG"
	saves "mnt/notes/${name:1}.json" '{}'
}

# The descriptor of the refused name may be closed between the look-up of the name and the open that follows it.
test_a_new_name_that_was_refused_can_be_written_again_at_once() {
	local i
	for ((i = 0; i < 300; i++)); do
		if echo '{"name": 7}' 2>>refusals >mnt/items/9.json; then fail "a number was taken for a name"; fi
		echo '{"name": "Nine"}' >mnt/items/9.json || fail "refused in round $i: $(last_error)"
		rm mnt/items/9.json
	done
}

run "$@"
