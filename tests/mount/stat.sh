#!/bin/bash
# stat: inode numbers, times, owner, mode; what chmod and its like do.
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
	mode 0640
	dir-mode 0750
	fields {
		slug string key
		name string
	}
}
model lines {
	fields {
		id integer key
		item_id integer references items
	}
}
model carts {
	fields {
		id integer key
		name string
	}
	has-many cart_lines by cart_id
}
model cart_lines {
	fields {
		id integer key
		cart_id integer references carts
	}
}
END
	mount_rowfs
}

inode() { stat -c %i "$1"; }
# Nanoseconds since 1970.
changed() { date -d "$(stat -c %y "$1")" +%s%N; }

test_the_inode_number_stays_across_updates_and_remounts() {
	local file before
	for file in mnt/items/1.json mnt/notes/a.json; do
		saves $file '{}'
		before=$(inode $file)
		saves $file '{"name": "x"}'
		is "$(inode $file)" "$before"
		echo '{}' >"${file%/*}/tmp"
		mv "${file%/*}/tmp" $file
		is "$(inode $file)" "$before"
		remount
		is "$(inode $file)" "$before"
	done
}

test_the_inode_number_of_a_listing_is_that_of_stat() {
	saves mnt/notes/a.json '{}'
	saves mnt/items/3.json '{}'
	is "$(ls -i mnt/notes | cut -d' ' -f1)" "$(inode mnt/notes/a.json)"
	is "$(ls -i mnt/items | cut -d' ' -f1)" "$(inode mnt/items/3.json)"
}

test_no_two_records_share_an_inode_number() {
	local i
	for i in 1 2 3; do
		saves mnt/items/$i.json '{}'
		saves mnt/notes/$i.json '{}'
		saves mnt/lines/$i.json '{}'
	done
	is "$(find mnt -printf '%i\n' | sort | uniq -d)" ''
}

test_no_other_key_gets_the_inode_number_of_a_deleted_one() {
	local before
	saves mnt/notes/a.json '{}'
	before=$(inode mnt/notes/a.json)
	rm mnt/notes/a.json
	saves mnt/notes/b.json '{}'
	[ "$(inode mnt/notes/b.json)" != "$before" ]
}

test_mtime_strictly_increases() {
	local i last=0 now
	for i in 1 2 3 4 5 6 7 8 9 10; do
		saves mnt/items/1.json "{\"name\": \"$i\"}"
		now=$(changed mnt/items/1.json)
		[ "$now" -gt "$last" ] || fail "$now is not after $last"
		last=$now
	done
}

test_what_is_renamed_onto_a_record_has_its_number_and_a_later_time() {
	local model before times
	for model in items notes; do
		for times in {1..20}; do
			saves mnt/$model/1.json '{"name": "a"}'
			saves mnt/$model/2.json "{\"name\": \"$times\"}"
			before=$(changed mnt/$model/1.json).$(inode mnt/$model/1.json)
			mv mnt/$model/2.json mnt/$model/1.json
			is "$(inode mnt/$model/1.json)" "${before#*.}"
			[ "$(changed mnt/$model/1.json)" -gt "${before%.*}" ] || fail "$model: not later"
		done
	done
}

test_mtime_survives_a_remount() {
	local before
	saves mnt/items/1.json '{}'
	before=$(stat -c %y mnt/items/1.json)
	remount
	is "$(stat -c %y mnt/items/1.json)" "$before"
}

test_saving_equal_content_moves_no_time() {
	local before
	saves mnt/items/1.json '{"name": "a"}'
	before=$(stat -c '%y %z' mnt/items/1.json)
	saves mnt/items/1.json '{ "id": 1, "name": "a" }'
	cat mnt/items/1.json >copy
	cp copy mnt/items/1.json
	is "$(stat -c '%y %z' mnt/items/1.json)" "$before"
}

test_a_change_by_another_program_moves_mtime() {
	local before
	saves mnt/items/1.json '{"name": "a"}'
	before=$(changed mnt/items/1.json)
	sql "update items set name = 'b' where id = 1"
	[ "$(changed mnt/items/1.json)" -gt "$before" ]
}

test_a_new_child_moves_size_and_ctime_of_its_parent_but_not_mtime() {
	local before ctime
	saves mnt/carts/1.json '{"name": "a"}'
	before=$(stat -c %y mnt/carts/1.json)
	ctime=$(stat -c %z mnt/carts/1.json)
	saves mnt/cart_lines/1.json '{"cart_id": 1}'
	is "$(stat -c %y mnt/carts/1.json)" "$before"
	[ "$(stat -c %z mnt/carts/1.json)" != "$ctime" ]
	is "$(stat -c %s mnt/carts/1.json)" "$(wc -c <mnt/carts/1.json)"
}

test_a_copy_of_a_record_needs_permission_to_read_it() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	unmount
	sed -i 's/dir-mode 0750/dir-mode 0777/' mount.conf
	chmod 755 .
	mount_rowfs mount.conf -o allow_other
	saves mnt/notes/a.json '{}'
	saves mnt/items/1.json '{}'
	is "$(setpriv --reuid 65534 --regid 65534 --clear-groups errno rename mnt/notes/a.json mnt/notes/copy)" 'rename: EACCES'
	is "$(setpriv --reuid 65534 --regid 65534 --clear-groups errno link mnt/items/1.json mnt/notes/copy)" ok
}

test_mode_and_dir_mode_are_those_of_mount_conf() {
	saves mnt/items/1.json '{}'
	saves mnt/notes/a.json '{}'
	is "$(stat -c %a mnt/items/1.json mnt/items mnt/notes/a.json mnt/notes | xargs)" '644 755 640 750'
	is "$(stat -c %U mnt/items/1.json)" "$(id -un)"
	is "$(stat -c %F mnt/items/1.json)" 'regular file'
}

test_chmod_chown_and_touch_succeed_and_change_nothing() {
	local before
	allow_log 'chmod|chown|mode|owner|times'
	saves mnt/items/1.json '{}'
	before=$(stat -c '%a %u %g %y' mnt/items/1.json)
	chmod 600 mnt/items/1.json
	[ "$(id -u)" != 0 ] || chown 1:1 mnt/items/1.json
	touch -d 2001-01-01 mnt/items/1.json
	is "$(stat -c '%a %u %g %y' mnt/items/1.json)" "$before"
}

test_what_a_model_directory_cannot_hold_is_refused() {
	saves mnt/items/1.json '{}'
	hasnt "$(errno mkdir mnt/items/d)" '^ok'
	hasnt "$(errno mknod mnt/items/p)" '^ok'
	hasnt "$(errno symlink x mnt/items/2.json)" '^ok'
	hasnt "$(errno truncate mnt/items/1.json 0)" '^ok'
	has "$(errno open mnt/items/1.json b : map)" 'map: ENODEV'
	is "$(ls mnt/items)" 1.json
}

test_models_are_directories_that_cannot_be_removed_or_made() {
	hasnt "$(errno rmdir mnt/items)" '^ok'
	hasnt "$(errno mkdir mnt/more)" '^ok'
	is "$(ls -m mnt)" 'cart_lines, carts, items, lines, notes'
}

test_a_process_sees_the_size_of_its_draft_in_each_of_its_threads() {
	saves mnt/items/1.json '{"name": "a name"}'
	cat >look.py <<'END'
import os, threading
fd = os.open("mnt/items/1.json", os.O_WRONLY | os.O_TRUNC)
os.write(fd, b'{"name"')
sizes = []
def look():
    sizes.append(os.fstat(fd).st_size)
    sizes.append(os.stat("mnt/items/1.json").st_size)
thread = threading.Thread(target=look)
thread.start()
thread.join()
look()
print(*sizes, os.popen("stat -c %s mnt/items/1.json").read().strip())
END
	is "$(python3 look.py)" "7 7 7 7 $(wc -c <mnt/items/1.json)"
}

test_df_counts_records() {
	local before
	before=$(df --output=iused mnt | tail -n 1)
	saves mnt/items/71.json '{}'
	saves mnt/items/72.json '{}'
	is "$(($(df --output=iused mnt | tail -n 1) - before))" 2
}

run "$@"
