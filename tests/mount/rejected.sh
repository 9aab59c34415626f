#!/bin/bash
# rejected.sh - MODEL/.rejected/KEY.json: the bytes of the last refused save, kept for another try.
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string required max 5
	}
}
END
	mount_rowfs
}

test_the_refused_text_is_kept_byte_by_byte() {
	refuses EBADMSG mnt/items/1.json '{"name":  "abcdef"}'
	is "$(cat mnt/items/.rejected/1.json)" '{"name":  "abcdef"}'
	is "$(ls -A mnt/items)" ''
	is "$(ls mnt/items/.rejected)" 1.json
	is "$(stat -c '%s %a' mnt/items/.rejected/1.json)" '19 600'
}

test_moving_it_onto_the_record_tries_again() {
	refuses EBADMSG mnt/items/1.json '{"name": "abcdef"}'
	is "$(errno rename mnt/items/.rejected/1.json mnt/items/1.json)" 'rename: EBADMSG'
	is "$(ls mnt/items/.rejected)" 1.json
	unmount
	sed -i 's/max 5/max 6/' mount.conf
	mount_rowfs
	is "$(ls mnt/items/.rejected)" '' 'unsaved texts are gone with the mount'
	refuses EBADMSG mnt/items/1.json '{"name": "abcdefg"}'
	mv mnt/items/.rejected/1.json mnt/items/mine
	sed -i s/g// mnt/items/mine
	mv mnt/items/mine mnt/items/1.json
	is "$(value mnt/items/1.json .name)" abcdef
	is "$(ls mnt/items/.rejected)" ''
}

test_a_save_of_the_key_ends_it() {
	refuses EBADMSG mnt/items/1.json '{"name": "abcdef"}'
	saves mnt/items/2.json '{"name": "other"}'
	is "$(ls mnt/items/.rejected)" 1.json
	saves mnt/items/1.json '{"name": "abc"}'
	is "$(ls mnt/items/.rejected)" ''
}

test_it_can_be_removed() {
	refuses EBADMSG mnt/items/1.json '{"name": 1}'
	rm mnt/items/.rejected/1.json
	fails cat mnt/items/.rejected/1.json
}

test_it_cannot_be_written() {
	refuses EBADMSG mnt/items/1.json '{"name": 1}'
	has "$(errno open mnt/items/.rejected/1.json wt)" EACCES
	has "$(errno open mnt/items/.rejected/2.json wct)" EPERM
	has "$(errno rename mnt/items/.rejected/1.json mnt/items/.rejected/2.json)" EPERM
}

test_a_refused_rename_keeps_the_text_too() {
	echo '{"name": "abcdef"}' >mnt/items/tmp
	is "$(errno rename mnt/items/tmp mnt/items/1.json)" 'rename: EBADMSG'
	is "$(cat mnt/items/.rejected/1.json)" '{"name": "abcdef"}'
	is "$(cat mnt/items/tmp)" '{"name": "abcdef"}'
}

test_the_newest_256_of_a_user_are_kept() {
	local i
	for i in {1..258}; do save "mnt/items/$i.json" '{}' >/dev/null; done
	is "$(ls mnt/items/.rejected | wc -l)" 256
	fails cat mnt/items/.rejected/2.json
	is "$(cat mnt/items/.rejected/258.json)" '{}'
}

test_a_user_sees_only_his_own() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	unmount
	sed -i 's/^model items {/&\n\tmode 0666\n\tdir-mode 0777/' mount.conf
	mount_rowfs mount.conf -o allow_other
	chmod 755 .
	refuses EBADMSG mnt/items/1.json '{"name": "of root"}'
	is "$(setpriv --reuid 65534 --regid 65534 --clear-groups ls mnt/items/.rejected)" ''
	fails setpriv --reuid 65534 --regid 65534 --clear-groups cat mnt/items/.rejected/1.json
}

test_what_a_tool_removed_before_it_was_refused_stands_beside_the_refused_text() {
	local before
	saves mnt/items/1.json '{"name": "old"}'
	before=$(cat mnt/items/1.json)
	mkdir in
	echo '{"name": 5}' >in/1.json
	tar -C in -cf in.tar 1.json
	for tool in 'install -m 644 in/1.json mnt/items/1.json' 'tar -C mnt/items -xf in.tar' \
		'cp --remove-destination in/1.json mnt/items/1.json'; do
		# shellcheck disable=SC2086
		fails $tool
		is "$(ls mnt/items)" '' "$tool"
		is "$(cat mnt/items/.deleted/1.json)" "$before"
		is "$(cat mnt/items/.rejected/1.json)" '{"name": 5}'
		mv mnt/items/.deleted/1.json mnt/items/1.json
		is "$(cat mnt/items/1.json)" "$before"
	done
}

run "$@"
