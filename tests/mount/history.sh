#!/bin/bash
# MODEL/.history/KEY/: what becomes a version, its name, content and who, bringing one back, and what is pruned.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id      integer  key
		name    string
		qty     integer  default 1
		secret  string   write-only
		inner   string   hidden default i
		made    datetime default now read-only
		kind    string   immutable
		total   integer  read-only
	}
	embeds-many lines by item_id
	has-many notes by item_id
	checksum in-file
	history 5
	on pre_save check ":qty > 0" "nothing"
	on post_save sql "update items set total = 10 * :qty where id = :key"
	on post_save check ":qty < 100" "too many"
}
model lines { fields { id integer key; item_id integer references items; sku string; stamp string read-only default s } }
model notes { fields { id integer key; item_id integer references items on-delete cascade; body string } }
model words { fields { word string key; n integer }; history 30d }
model both { fields { id integer key; n integer }; history 2 30d }
model private { fields { id integer key; pin string }; mode 0600; history 3 }
model plain { fields { id integer key; n integer } }
model never { fields { id integer key; n integer }; history off }
END
	mount_rowfs
}

# versions DIRECTORY: verb and content of each, oldest first.
versions() {
	local file
	for file in "$1"/*; do
		[ ! -e "$file" ] || echo "${file##*Z-} $(jq -c "$2" "$file")"
	done
}

test_versions_are_what_the_record_was_oldest_first() {
	saves mnt/items/1.json '{"name": "a"}'
	is "$(ls mnt/items/.history/1)" ''
	saves mnt/items/1.json '{"name": "b"}'
	echo '{"name": "c"}' >>mnt/items/1.json
	is "$(versions mnt/items/.history/1 .name)" $'create.json "a"\nreplace.json "b"'
	rm mnt/items/1.json
	is "$(versions mnt/items/.history/1 .name)" $'create.json "a"\nreplace.json "b"\npatch.json "c"'
	is "$(ls mnt/items/.history)" 1
	hasnt "$(ls mnt/items)" history
}

test_a_name_has_the_time_of_the_version_and_sorts_by_it() {
	local before after name
	before=$(date -u +%Y-%m-%dT%H:%M:%S)
	saves mnt/items/1.json '{"name": "a"}'
	after=$(date -u +%Y-%m-%dT%H:%M:%S.999)
	saves mnt/items/1.json '{"name": "b"}'
	name=$(ls mnt/items/.history/1)
	has "$name" '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z-create\.json$'
	[[ ! "$name" < "$before" && "$name" < "$after" ]] || fail "$name is not between $before and $after"
	is "$(date -u -d "@$(stat -c %.9Y "mnt/items/.history/1/$name")" +%Y-%m-%dT%H:%M:%S.%N)Z-create.json" "$name"
	for _ in 1 2 3 4 5 6 7 8; do echo '{"name": "b"}' >mnt/items/1.json && echo '{"name": "c"}' >mnt/items/1.json; done
	is "$(ls -U mnt/items/.history/1)" "$(ls mnt/items/.history/1 | sort)"
	is "$(stat -c %s mnt/items/.history/1/* | head -1)" "$(cat "$(echo mnt/items/.history/1/* | cut -d ' ' -f 1)" | wc -c)"
}

test_a_version_tells_who_saved_it() {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	unmount
	sed -i 's/^model plain .*/model plain { fields { id integer key; n integer }; history 9; mode 0666; dir-mode 0777 }/' mount.conf
	mount_rowfs mount.conf -o allow_other
	chmod 755 .
	setpriv --reuid 65534 --regid 65533 --clear-groups sh -c 'echo "{\"n\": 1}" >mnt/plain/1.json'
	saves mnt/plain/1.json '{"n": 2}'
	sql 'update plain set n = 3'
	saves mnt/plain/1.json '{"n": 4}'
	is "$(versions mnt/plain/.history/1 .n)" $'create.json 1\nreplace.json 2\nother.json 3'
	has "$(getfattr --only-values -n user.rowfs.actor mnt/plain/.history/1/*create.json 2>/dev/null)" \
		'^\{"uid":65534,"gid":65533,"pid":[0-9]+,"comm":"sh"\}$'
	fails getfattr -n user.rowfs.actor mnt/plain/.history/1/*other.json
	fails getfattr -n user.rowfs.actor mnt/plain/1.json
	is "$(as 65534 cat mnt/plain/.history/1/*create.json | jq .n)" 1
}

test_who_may_not_read_records_reads_no_versions() {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	unmount
	mount_rowfs mount.conf -o allow_other
	chmod 755 .
	saves mnt/private/1.json '{"pin": "1"}'
	saves mnt/private/1.json '{"pin": "2"}'
	has "$(as 65534 cat mnt/private/.history/1/*create.json 2>&1)" 'Permission denied'
	is "$(stat -c %a mnt/private/.history/1/*create.json)" 400
}

test_versions_belong_to_whom_the_record_belonged() {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	unmount
	cat >>mount.conf <<'END'
model owned { fields { id integer key; uid integer default uid; n integer }; owner uid; mode 0600; history 9 }
model secret { fields { id integer key; uid integer default uid; n integer }; owner uid; visible owner; history 9 }
END
	mount_rowfs mount.conf -o allow_other
	chmod 755 .
	local model
	for model in owned secret; do
		as 65534 sh -c "echo '{\"n\": 1}' >mnt/$model/1.json"
		echo '{"n": 2}' >>mnt/$model/1.json
		echo '{"n": 3, "uid": 0}' >>mnt/$model/1.json
		saves mnt/$model/2.json '{"n": 1}'
		saves mnt/$model/2.json '{"n": 2}'
		is "$(stat -c %u mnt/$model/.history/1/* | tr '\n' ' ')" '65534 65534 '
	done
	is "$(as 65534 cat mnt/owned/.history/1/*create.json | jq .n)" 1
	has "$(getfattr --only-values -n user.rowfs.actor mnt/owned/.history/1/*patch.json 2>/dev/null)" '"uid":0,'
	has "$(as 65534 cat mnt/owned/.history/2/* 2>&1)" 'Permission denied'
	is "$(as 65534 ls mnt/secret/.history)" 1
	is "$(as 65534 cat mnt/secret/.history/1/* | jq -c .n | tr '\n' ' ')" '1 2 '
	fails as 65534 ls mnt/secret/.history/2
	echo '{"n": 4}' >>mnt/secret/1.json
	is "$(as 65534 ls mnt/secret/.history/1 | wc -l)" 2
	is "$(ls mnt/secret/.history/1 | wc -l)" 3
}

test_a_copy_of_a_version_restores_it() {
	saves mnt/items/1.json '{"name": "a", "kind": "k", "secret": "s", "qty": 3, "lines": [{"sku": "x"}, {"sku": "y"}]}'
	local before
	before=$(jq 'del(._checksum)' mnt/items/1.json)
	saves mnt/items/1.json '{"name": "b", "kind": "k", "lines": []}'
	sql "update items set kind = 'other', made = '2001-01-01T00:00:00Z'"
	cp mnt/items/.history/1/*create.json mnt/items/1.json
	is "$(jq 'del(._checksum)' mnt/items/1.json)" "$before"
	is "$(sql 'select secret from items')" s
	is "$(value mnt/items/.history/1/*other.json .kind)" other
}

test_it_does_so_after_a_delete_too() {
	saves mnt/items/1.json '{"name": "a", "kind": "k", "qty": 3, "lines": [{"sku": "x"}]}'
	sql "update items set made = '2001-01-01T00:00:00Z'; update lines set stamp = 'then'"
	echo '{"name": "b"}' >>mnt/items/1.json
	local before
	before=$(jq 'del(._checksum)' mnt/items/1.json)
	rm mnt/items/1.json
	sql 'delete from rowfs_deleted'
	cp "$(echo mnt/items/.history/1/*patch.json)" mnt/items/1.json
	is "$(jq 'del(._checksum)' mnt/items/1.json)" "$before"
	is "$(versions mnt/items/.history/1 .name)" $'create.json "a"\nother.json "a"\npatch.json "b"'
}

test_only_the_text_of_a_version_brings_back_what_is_read_only() {
	saves mnt/items/1.json '{"name": "a", "kind": "k"}'
	saves mnt/items/1.json '{"name": "b", "kind": "k", "qty": 2}'
	jq '.name = "c"' mnt/items/.history/1/*create.json >other
	refuses EPERM mnt/items/1.json "$(cat other)"
	saves mnt/items/2.json '{"name": "d"}'
	jq '.id = 2' mnt/items/.history/1/*create.json >other
	refuses EPERM mnt/items/2.json "$(cat other)"
	saves mnt/items/1.json "$(jq -c . mnt/items/.history/1/*create.json)"
	is "$(value mnt/items/1.json '[.name, .total]')" '["a",10]'
}

test_hooks_judge_a_version_that_comes_back() {
	saves mnt/items/1.json '{"name": "a"}'
	sql 'update items set qty = -1'
	saves mnt/items/1.json '{"name": "b"}'
	refuses ECANCELED mnt/items/1.json "$(cat mnt/items/.history/1/*other.json)"
}

test_nothing_that_no_file_shows_is_in_a_version() {
	saves mnt/items/1.json '{"name": "a", "secret": "geheim"}'
	saves mnt/notes/1.json '{"item_id": 1, "body": "n"}'
	saves mnt/items/1.json '{"name": "b", "secret": "verborgen"}'
	rm mnt/items/1.json
	is "$(jq -c keys_unsorted mnt/items/.history/1/* | sort -u)" '["id","name","qty","made","kind","total","lines"]'
	is "$(sql "select count(*) from rowfs_history where text like '%geheim%' or text like '%verborgen%' or text like '%inner%'")" 0
}

test_what_a_hook_has_made_of_the_record_is_the_version() {
	saves mnt/items/1.json '{"name": "a", "qty": 4}'
	saves mnt/items/1.json '{"name": "b", "qty": 5}'
	is "$(versions mnt/items/.history/1 .total)" 'create.json 40'
}

test_a_refused_save_and_one_that_changes_nothing_leave_no_version() {
	saves mnt/items/1.json '{"name": "a"}'
	refuses ECANCELED mnt/items/1.json '{"name": "b", "qty": 100}'
	refuses ECANCELED mnt/items/2.json '{"name": "b", "qty": 100}'
	saves mnt/items/1.json '{"name": "a"}'
	is "$(ls mnt/items/.history)" 1
	is "$(ls mnt/items/.history/1)" ''
}

test_a_change_by_another_program_is_a_version_of_nobody() {
	sql "insert into items(name) values('sql')"
	saves mnt/items/1.json '{"name": "a"}'
	sql "update items set name = 'again'"
	is "$(versions mnt/items/.history/1 .name)" $'other.json "sql"\nreplace.json "a"'
	rm mnt/items/1.json
	is "$(versions mnt/items/.history/1 .name)" $'other.json "sql"\nreplace.json "a"\nother.json "again"'
}

test_a_part_that_is_saved_by_its_own_file_changes_the_whole() {
	saves mnt/items/1.json '{"name": "a", "lines": [{"sku": "x"}]}'
	echo '{"sku": "y"}' >>mnt/lines/1.json
	saves mnt/items/1.json '{"name": "b", "lines": [{"id": 1, "sku": "z"}]}'
	is "$(versions mnt/items/.history/1 '.lines[0].sku')" $'create.json "x"\nother.json "y"'
}

test_a_number_bounds_the_versions_of_a_record() {
	local i
	for i in 1 2 3 4 5 6 7 8; do echo "{\"name\": \"$i\"}" >mnt/items/1.json; done
	is "$(versions mnt/items/.history/1 .name | tr -d '\n')" \
		'replace.json "3"replace.json "4"replace.json "5"replace.json "6"replace.json "7"'
	saves mnt/items/2.json '{"name": "x"}'
	rm mnt/items/1.json
	is "$(versions mnt/items/.history/1 .name | wc -l)" 5
	is "$(sql 'select count(*) from rowfs_history')" 6
}

test_an_age_bounds_them_too() {
	local i
	for i in 1 2 3 4 5; do echo "{\"n\": $i}" >mnt/words/w.json; done
	for i in 1 2 3 4 5; do echo "{\"n\": $i}" >mnt/both/1.json; done
	is "$(versions mnt/words/.history/w .n | wc -l)" 4
	is "$(versions mnt/both/.history/1 .n)" $'replace.json 3\nreplace.json 4'
	sql 'update rowfs_history set ended = ended - 31 * 86400000000000 where serial in (select serial from rowfs_history
		where ended not null group by record having serial = min(serial))'
	is "$(versions mnt/words/.history/w .n)" $'replace.json 2\nreplace.json 3\nreplace.json 4'
	is "$(versions mnt/both/.history/1 .n)" 'replace.json 4'
	saves mnt/words/v.json '{"n": 1}'
	is "$(sql "select count(*) from rowfs_history where text like '%\"w\"%' and ended not null")" 3
	remount
	is "$(sql 'select count(*) from rowfs_history where ended < (select max(ended) from rowfs_history) - 86400000000000')" 0
}

test_more_versions_than_one_listing_holds_are_all_there() {
	local i
	for i in $(seq 250); do echo "{\"n\": $i}"; done >>mnt/words/w.json
	is "$(ls mnt/words/.history/w | wc -l)" 249
	is "$(jq .n mnt/words/.history/w/* | tr '\n' ' ')" "$(seq 249 | tr '\n' ' ')"
}

test_a_record_that_is_renamed_begins_anew() {
	saves mnt/words/a%2Fb.json '{"n": 1}'
	saves mnt/words/a%2Fb.json '{"n": 2}'
	saves mnt/words/c.json '{"n": 3}'
	mv mnt/words/a%2Fb.json mnt/words/c.json
	is "$(ls mnt/words/.history)" $'a%2Fb\nc'
	is "$(versions mnt/words/.history/a%2Fb .n)" $'create.json 1\nreplace.json 2'
	is "$(versions mnt/words/.history/c .n)" 'create.json 3'
	saves mnt/words/c.json '{"n": 4}'
	is "$(versions mnt/words/.history/c .n)" $'create.json 3\nreplace.json 2'
	cp mnt/words/.history/a%2Fb/*create.json mnt/words/a%2Fb.json
	is "$(value mnt/words/a%2Fb.json .n)" 1
}

test_records_that_change_places_keep_their_names_history() {
	saves mnt/words/a.json '{"n": 1}'
	saves mnt/words/b.json '{"n": 2}'
	is "$(errno exchange mnt/words/a.json mnt/words/b.json)" ok
	is "$(value mnt/words/a.json .n)" 2
	is "$(versions mnt/words/.history/a .n)" 'create.json 1'
	is "$(versions mnt/words/.history/b .n)" 'create.json 2'
	echo '{"n": 5}' >mnt/words/a.json
	is "$(versions mnt/words/.history/a .n)" $'create.json 1\nreplace.json 2'
}

test_history_is_only_read() {
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/items/1.json '{"name": "b"}'
	local file
	file=$(echo mnt/items/.history/1/*)
	fails rm -f "$file"
	fails mv "$file" mnt/items/1.json
	fails ln "$file" mnt/items/copy
	fails sh -c "echo '{}' >'$file'"
	fails sh -c "echo '{}' >>'$file'"
	fails touch mnt/items/.history/1/x
	fails mkdir mnt/items/.history/2
	fails rmdir mnt/items/.history/1
	fails mv mnt/items/1.json mnt/items/.history/1/
	fails rm -rf mnt/items/.history
	is "$(value "$file" .name)" a
	cp -a mnt/items/.history saved
	is "$(ls saved/1)" "${file##*/}"
	is "$(stat -c %a "$file" mnt/items/.history/1 | tr '\n' ' ')" '444 555 '
}

test_models_without_history_have_none() {
	saves mnt/plain/1.json '{"n": 1}'
	saves mnt/never/1.json '{"n": 1}'
	saves mnt/never/1.json '{"n": 2}'
	fails ls mnt/plain/.history
	fails ls mnt/never/.history
	fails ls mnt/items/.history/1
	fails ls mnt/items/.history/007
	is "$(sql 'select count(*) from rowfs_history')" 0
}

test_a_model_with_another_name_for_its_table_keeps_all_that_it_had() {
	local before
	saves mnt/plain/1.json '{"n": 1}'
	saves mnt/both/1.json '{"n": 1}'
	saves mnt/both/1.json '{"n": 2}'
	saves mnt/both/2.json '{"n": 3}'
	rm mnt/both/2.json
	before=$(stat -c %i mnt/both/1.json)
	unmount
	sed -i 's/^model both {/model pairs from both {/; s/^model plain {/model both from plain {/' mount.conf
	mount_rowfs
	is "$(stat -c %i mnt/pairs/1.json)" "$before"
	is "$(cat mnt/pairs/.history/1/*-create.json | jq -c .)" '{"id":1,"n":1}'
	is "$(ls mnt/pairs/.deleted)" 2.json
	is "$(ls mnt/both/.deleted)" ''
	mv mnt/pairs/.deleted/2.json mnt/pairs/
	is "$(value mnt/pairs/2.json .n)" 3
}

test_a_read_only_mount_shows_it() {
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/items/1.json '{"name": "b"}'
	unmount
	mount_rowfs mount.conf -o ro
	is "$(versions mnt/items/.history/1 .name)" 'create.json "a"'
}

test_a_crash_leaves_a_version_for_each_save() {
	local i
	(for i in $(seq 300); do echo "{\"n\": $i}" >mnt/words/w.json || exit 0; done) 2>/dev/null &
	eventually test -e mnt/words/w.json
	eventually sh -c '[ "$(jq .n mnt/words/w.json)" -gt 20 ]'
	crash
	wait $! || true
	mount_rowfs
	is "$(sql 'select count(*) from rowfs_history where text is null')" 0
	is "$(jq -s 'map(.n) == [range(1; length + 1)]' mnt/words/.history/w/* mnt/words/w.json)" true
}

test_the_directory_of_a_record_can_be_stood_in() {
	saves mnt/words/w.json '{"n": 1}'
	(
		cd mnt/words/.history/w
		saves ../../w.json '{"n": 2}'
		saves ../../w.json '{"n": 3}'
		is "$(ls | wc -l)" 2
		is "$(find . -name '*.json' | wc -l)" 2
	)
}

run "$@"
