#!/bin/bash
# MODEL/.deleted: a record that was deleted by mistake comes back, and programs that unlink and create lose nothing.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'CONF'
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string required max 20
		qty integer default 1
		pin string write-only
		made_at datetime default now read-only
		secret string hidden default s
		serial string immutable
	}
	has-many parts by item_id
	on pre_save sql "insert into trail (what) values ('save ' || :key || ' ' || :verb)"
	on pre_delete sql "insert into trail (what) values ('delete ' || :key)"
}
model parts {
	fields {
		id integer key
		item_id integer references items on-delete cascade
	}
}
model notes {
	fields {
		slug string key
		body string
		pin string write-only
	}
}
model trail {
	fields {
		id integer key
		what string
	}
}
CONF
	mount_rowfs
	saves mnt/items/7.json '{"name": "a", "qty": 5, "pin": "1234", "serial": "x9"}'
	sql "update items set secret = 'hush', made_at = '2001-02-03T04:05:06Z' where id = 7"
	cat mnt/items/7.json >shown
}

# others DIRECTIVES: with these in the model of items, the mount lets other users in.
others() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	unmount
	sed -i "s/has-many/$1\n\thas-many/" mount.conf
	chmod 755 .
	mount_rowfs mount.conf -o allow_other
}

nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

row() { # KEY: what no file shows, and what no user may write
	sql "select name, pin, secret, made_at, serial from items where id = $1"
}

whole='a|1234|hush|2001-02-03T04:05:06Z|x9'

age() { # SECONDS
	sql "update rowfs_deleted set time = time - $1 * 1000"
}

# A file system that is not the mount's, so that mv copies and removes.
elsewhere() {
	mktemp -d /dev/shm/rowfs.XXXXXX
}

# ---- what is there ----

test_a_deleted_record_can_be_read_as_its_file_was() {
	rm mnt/items/7.json
	is "$(ls mnt/items/.deleted)" 7.json
	cmp shown mnt/items/.deleted/7.json
	is "$(stat -c '%a %u %s %F' mnt/items/.deleted/7.json)" "400 $(id -u) $(wc -c <shown) regular file"
}

test_a_write_only_value_is_never_shown() {
	rm mnt/items/7.json
	hasnt "$(cat mnt/items/.deleted/7.json)" '1234|hush'
	mv mnt/items/.deleted/7.json mnt/items/copy
	hasnt "$(cat mnt/items/copy)" '1234|hush'
}

test_the_directory_is_not_listed() {
	rm mnt/items/7.json
	is "$(ls -A mnt/items)" ''
	is "$(find mnt/items)" mnt/items
	is "$(stat -c %F mnt/items/.deleted)" directory
	is "$(ls -A mnt/notes/.deleted)" ''
}

test_numbers_of_files_differ() {
	local before deleted
	before=$(stat -c %i mnt/items/7.json)
	rm mnt/items/7.json
	deleted=$(stat -c %i mnt/items/.deleted/7.json)
	saves mnt/items/7.json '{"name": "b"}'
	is "$(stat -c %i mnt/items/7.json)" "$before"
	[ "$deleted" != "$before" ]
	is "$(ls -i mnt/items/.deleted)" "$deleted 7.json"
}

test_the_last_version_is_the_one_that_is_kept() {
	rm mnt/items/7.json
	saves mnt/items/7.json '{"name": "b"}'
	rm mnt/items/7.json
	is "$(value mnt/items/.deleted/7.json .name)" b
	is "$(ls mnt/items/.deleted)" 7.json
}

test_many_deleted_records_are_listed_once_each() {
	sql "with recursive n(i) as (select 100 union all select i + 1 from n where i < 399)
		insert into items (id, name) select i, 'n' from n"
	rm mnt/items/???.json
	is "$(ls mnt/items/.deleted | sort -u | wc -l)" 300
	is "$(ls mnt/items/.deleted | wc -l)" 300
	is "$(find mnt/items/.deleted -name '*.json' -size +0 | wc -l)" 300
}

test_a_cascade_is_kept_whole() {
	saves mnt/parts/1.json '{"item_id": 7}'
	cat mnt/items/7.json >shown
	rm mnt/items/7.json
	is "$(ls mnt/parts/.deleted)" 1.json
	cmp shown mnt/items/.deleted/7.json
	mv mnt/items/.deleted/7.json mnt/items/7.json
	mv mnt/parts/.deleted/1.json mnt/parts/1.json
	cmp shown mnt/items/7.json
}

test_what_a_key_change_replaces_is_kept() {
	saves mnt/items/8.json '{"name": "b"}'
	mv mnt/items/8.json mnt/items/7.json
	is "$(ls mnt/items/.deleted)" 7.json
	cmp shown mnt/items/.deleted/7.json
}

test_a_key_change_is_no_delete() {
	mv mnt/items/7.json mnt/items/8.json
	is "$(ls mnt/items/.deleted)" ''
}

test_a_refused_delete_keeps_nothing() {
	unmount
	sed -i '/on pre_delete/s/.*/on post_delete check "false" "no"/' mount.conf
	mount_rowfs
	fails rm mnt/items/7.json
	is "$(ls mnt/items/.deleted)" ''
	is "$(row 7)" "$whole"
}

test_a_text_key_is_kept_too() {
	saves mnt/notes/a%2Fb.json '{"body": "x", "pin": "1"}'
	rm mnt/notes/a%2Fb.json
	is "$(ls mnt/notes/.deleted)" a%2Fb.json
	mv mnt/notes/.deleted/a%2Fb.json mnt/notes/a%2Fb.json
	is "$(sql 'select slug, body, pin from notes')" 'a/b|x|1'
}

# ---- who ----

test_others_do_not_see_what_a_user_deleted() {
	others 'dir-mode 0777'
	rm mnt/items/7.json
	is "$(nobody ls -A mnt/items/.deleted)" ''
	is "$(nobody errno stat mnt/items/.deleted/7.json : open mnt/items/.deleted/7.json r)" \
		'stat: ENOENT, open: ENOENT'
	fails nobody rm mnt/items/.deleted/7.json
	fails nobody mv mnt/items/.deleted/7.json mnt/items/7.json
	is "$(ls mnt/items/.deleted)" 7.json
}

test_root_sees_all() {
	others 'dir-mode 0777'
	nobody rm -f mnt/items/7.json
	is "$(nobody ls -A mnt/items/.deleted)" 7.json
	is "$(nobody cat mnt/items/.deleted/7.json)" "$(cat shown)"
	is "$(stat -c '%a %u' mnt/items/.deleted/7.json)" '400 65534'
	cmp shown mnt/items/.deleted/7.json
	mv mnt/items/.deleted/7.json mnt/items/7.json
	is "$(row 7)" "$whole"
}

test_who_could_not_read_the_record_can_not_read_what_is_kept() {
	others 'mode 0600; dir-mode 0777'
	nobody rm -f mnt/items/7.json
	is "$(nobody errno open mnt/items/.deleted/7.json r)" 'open: EACCES'
	is "$(nobody errno rename mnt/items/.deleted/7.json mnt/items/copy)" 'rename: EACCES'
	nobody mv mnt/items/.deleted/7.json mnt/items/7.json
	is "$(row 7)" "$whole"
}

test_nothing_is_written_here() {
	rm mnt/items/7.json
	is "$(errno open mnt/items/.deleted/7.json wt)" 'open: EACCES'
	is "$(errno open mnt/items/.deleted/8.json wct)" 'open: EPERM'
	is "$(errno open mnt/items/.deleted/scratch wct)" 'open: EPERM'
	fails ln -s x mnt/items/.deleted/link
	fails ln mnt/items/.deleted/7.json mnt/items/7.json
	fails mkdir mnt/items/.deleted/x
	fails rmdir mnt/items/.deleted
	saves mnt/items/8.json '{"name": "b"}'
	fails mv mnt/items/8.json mnt/items/.deleted/8.json
	cmp shown mnt/items/.deleted/7.json
	is "$(ls mnt/items)" 8.json
}

# ---- moving it back ----

test_moving_it_back_restores_it_whole() {
	rm mnt/items/7.json
	age 3600
	mv mnt/items/.deleted/7.json mnt/items/7.json
	is "$(row 7)" "$whole"
	cmp shown mnt/items/7.json
	is "$(ls mnt/items/.deleted)" ''
}

test_moving_it_back_is_a_create_with_hooks() {
	rm mnt/items/7.json
	mv mnt/items/.deleted/7.json mnt/items/7.json
	is "$(sql "select what from trail order by id")" $'save 7 create\ndelete 7\nsave 7 create'
}

test_moving_it_to_another_key_creates_that() {
	rm mnt/items/7.json
	mv mnt/items/.deleted/7.json mnt/items/9.json
	is "$(value mnt/items/9.json .id)" 9
	is "$(row 9)" "$whole"
	is "$(ls mnt/items)" 9.json
	is "$(ls mnt/items/.deleted)" ''
}

test_moving_it_to_a_scratch_name_copies_it() {
	rm mnt/items/7.json
	mv mnt/items/.deleted/7.json mnt/items/7.json~
	cmp shown mnt/items/7.json~
	cmp shown mnt/items/.deleted/7.json
}

test_a_refused_return_leaves_it_there() {
	rm mnt/items/7.json
	unmount
	sed -i '/on pre_save/s/.*/on pre_save check "false" "not now"/' mount.conf
	mount_rowfs
	is "$(errno rename mnt/items/.deleted/7.json mnt/items/7.json)" 'rename: ECANCELED'
	is "$(last_error .path)" items/7.json
	is "$(last_error)" 'not now'
	cmp shown mnt/items/.deleted/7.json
}

test_it_replaces_only_when_it_may() {
	rm mnt/items/7.json
	saves mnt/items/7.json '{"name": "b"}'
	mv -n mnt/items/.deleted/7.json mnt/items/7.json 2>/dev/null || true
	is "$(value mnt/items/7.json .name)" b
	mv -f mnt/items/.deleted/7.json mnt/items/7.json
	is "$(row 7)" "$whole"
}

test_another_model_is_no_place_for_it() {
	rm mnt/items/7.json
	is "$(errno rename mnt/items/.deleted/7.json mnt/parts/7.json)" 'rename: EPERM'
	cmp shown mnt/items/.deleted/7.json
}

test_removing_it_forgets_it() {
	rm mnt/items/7.json
	rm -f mnt/items/.deleted/7.json
	is "$(ls mnt/items/.deleted)" ''
	is "$(errno stat mnt/items/.deleted/7.json)" 'stat: ENOENT'
	is "$(sql 'select count(*) from rowfs_deleted')" 0
	saves mnt/items/7.json '{"name": "b"}'
	is "$(sql 'select pin, secret from items')" '|s'
}

# ---- programs that unlink and create ----

test_a_create_after_an_unlink_takes_what_no_file_shows() {
	rm mnt/items/7.json
	saves mnt/items/7.json "$(cat shown)"
	is "$(row 7)" "$whole"
}

test_a_new_value_is_taken_where_the_document_has_one() {
	rm mnt/items/7.json
	saves mnt/items/7.json '{"name": "b", "pin": "9"}'
	is "$(sql 'select name, pin, secret, serial from items')" 'b|9|hush|'
	[ "$(value mnt/items/7.json .made_at)" != 2001-02-03T04:05:06Z ]
}

test_a_create_of_another_key_takes_nothing() {
	rm mnt/items/7.json
	saves mnt/items/8.json '{"name": "b"}'
	is "$(sql 'select pin, secret from items')" '|s'
}

test_a_create_later_than_a_minute_takes_nothing() {
	rm mnt/items/7.json
	age 59
	saves mnt/items/7.json '{"name": "b"}'
	is "$(sql 'select pin, secret from items')" '1234|hush'
	rm mnt/items/7.json
	age 61
	saves mnt/items/7.json '{"name": "b"}'
	is "$(sql 'select pin, secret from items')" '|s'
}

test_a_create_by_another_user_takes_nothing() {
	others 'dir-mode 0777'
	rm mnt/items/7.json
	nobody sh -c 'cat > mnt/items/7.json' <shown
	is "$(sql 'select pin, secret from items')" '|s'
	[ "$(value mnt/items/7.json .made_at)" != 2001-02-03T04:05:06Z ]
}

test_a_refused_create_after_an_unlink_loses_nothing() {
	rm mnt/items/7.json
	refuses EBADMSG mnt/items/7.json '{"name": 1}'
	cmp shown mnt/items/.deleted/7.json
	saves mnt/items/7.json "$(cat shown)"
	is "$(row 7)" "$whole"
}

test_mv_from_another_file_system_keeps_what_no_file_shows() {
	local other
	[ -w /dev/shm ] || skip "needs another file system"
	other=$(elsewhere)
	sed 's/"a"/"b"/' shown >"$other/7.json"
	mv -f "$other/7.json" mnt/items/7.json
	rmdir "$other"
	is "$(row 7)" "b${whole#a}"
}

test_install_keeps_what_no_file_shows() {
	sed 's/"a"/"b"/' shown >new
	install -m 644 new mnt/items/7.json
	is "$(row 7)" "b${whole#a}"
}

test_tar_x_keeps_what_no_file_shows() {
	mkdir old
	sed 's/"a"/"b"/' shown >old/7.json
	tar cf old.tar -C old 7.json
	tar xf old.tar -C mnt/items
	is "$(row 7)" "b${whole#a}"
}

test_cp_remove_destination_keeps_what_no_file_shows() {
	sed 's/"a"/"b"/' shown >new
	cp --remove-destination new mnt/items/7.json
	is "$(row 7)" "b${whole#a}"
}

test_git_checkout_keeps_what_no_file_shows() {
	local git="git --git-dir=$PWD/repository --work-tree=$PWD/mnt/items -c user.name=x -c user.email=x@x -c core.fileMode=false"
	git init -q --bare repository
	$git config core.bare false
	(cd mnt/items && $git add 7.json && $git commit -q -m one)
	saves mnt/items/7.json "$(sed 's/"a"/"b"/' shown)"
	is "$(sql 'select name from items')" b
	(cd mnt/items && $git checkout -q -- 7.json)
	is "$(row 7)" "$whole"
}

# ---- how long ----

test_it_is_gone_after_a_day() {
	rm mnt/items/7.json
	age 86390
	is "$(ls mnt/items/.deleted)" 7.json
	age 20
	is "$(ls mnt/items/.deleted)" ''
	is "$(errno stat mnt/items/.deleted/7.json)" 'stat: ENOENT'
}

test_a_delete_takes_old_ones_out_of_the_table() {
	saves mnt/items/8.json '{"name": "b"}'
	rm mnt/items/7.json
	age 86401
	rm mnt/items/8.json
	is "$(sql 'select key from rowfs_deleted')" 8
}

test_a_mount_takes_old_ones_out_of_the_table() {
	rm mnt/items/7.json
	age 86401
	remount
	is "$(sql 'select count(*) from rowfs_deleted')" 0
}

test_a_crash_keeps_it() {
	rm mnt/items/7.json
	crash
	mount_rowfs
	cmp shown mnt/items/.deleted/7.json
	mv mnt/items/.deleted/7.json mnt/items/7.json
	is "$(row 7)" "$whole"
}

test_a_read_only_mount_reads_it() {
	rm mnt/items/7.json
	unmount
	mount_rowfs mount.conf -o ro
	cmp shown mnt/items/.deleted/7.json
	is "$(ls mnt/items/.deleted)" 7.json
	is "$(errno rename mnt/items/.deleted/7.json mnt/items/7.json)" 'rename: EROFS'
	is "$(errno unlink mnt/items/.deleted/7.json)" 'unlink: EROFS'
}

test_a_read_only_mount_of_a_database_without_the_table_has_none() {
	unmount
	sql 'drop table rowfs_deleted'
	mount_rowfs mount.conf -o ro
	is "$(ls mnt/items/.deleted)" ''
	is "$(errno stat mnt/items/.deleted/7.json)" 'stat: ENOENT'
	unmount
	mount_rowfs
	rm mnt/items/7.json
	is "$(ls mnt/items/.deleted)" 7.json
}

run "$@"
