#!/bin/bash
# transaction_inside.sh - what else stands in a model's directory, inside a transaction: .by, .history, .import, .export,
# .deleted, and two records that change places.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'CONF'
store sqlite:shop.db
model users {
	fields {
		id    integer key
		name  string  required max 20
		email string  unique
	}
}
model orders {
	fields {
		id      integer key
		user_id integer references users
		status  string  default new enum new,running,done
		made    datetime default now read-only
	}
	embeds-many lines by order_id
	history 5
	on post_save patch check ":new_status is not 'done' or :old_status is 'running'" "it did not run"
}
model lines { fields { id integer key
	order_id integer required references orders
	sku string } }
model tags {
	fields {
		name  string key
		kind  string enum a,b
		label string unique
	}
}
CONF
	mount_rowfs
	sql "insert into users values (1, 'Ann', 'a@x'), (2, 'Bob', null)"
	sql "insert into orders (id, user_id) values (1, 1), (2, 1), (3, 2)"
	sql "insert into tags values ('x', 'a', 'X'), ('y', 'a', 'Y'), ('z', 'b', 'Z')"
	mkdir mnt/.txn/t
}

commit() {
	save mnt/.txn/t/ctl commit
}

status() {
	jq -c '[.[].status]' mnt/.txn/t/answer.json
}

names() { # DIRECTORY: what is listed, on one line
	find "$1" -mindepth 1 -maxdepth 1 -printf '%P\n' | sort | tr '\n' ' ' | sed 's/ $//'
}

move() {
	errno rename "$1" "$2"
}

# ---- .by ----

test_links_by_value_are_those_of_the_inside() {
	cd mnt/.txn/t/orders || fail cd
	is "$(names .by)" 'status user_id'
	is "$(names .by/status/new)" '1.json 2.json 3.json'
	echo '{"user_id": 2, "status": "running"}' >9.json
	echo '{"status": "done"}' >>2.json
	rm 3.json
	is "$(names .by/status)" 'done new running'
	is "$(names .by/status/new)" 1.json
	is "$(names .by/status/running)" 9.json
	is "$(names .by/status/done)" 2.json
	is "$(names .by/user_id)" '1 2'
	is "$(names .by/user_id/2)" 9.json
	is "$(readlink .by/user_id/2/9.json)" ../../../9.json
	is "$(jq -c .status .by/user_id/2/9.json)" '"running"'
	is "$(names ../../../orders/.by/status/new)" '1.json 2.json 3.json'
	is "$(names ../../../orders/.by/status/running)" ''
}

test_values_of_a_unique_field_are_listed_in_order_with_those_that_are_staged() {
	cd mnt/.txn/t/users || fail cd
	echo '{"name": "C", "email": "0@x"}' >3.json
	echo '{"email": "b@x"}' >>2.json
	echo '{"email": "c@x"}' >>1.json
	is "$(ls .by/email | tr '\n' ' ')" '0@x b@x c@x '
	is "$(names .by/email/b@x)" 2.json
	is "$(names .by/email/a@x)" ''
	is "$(names .by/email/.null)" ''
	is "$(names ../../../users/.by/email)" '.null a@x'
}

test_links_to_text_keys_are_each_there_once_however_many_are_staged() {
	sql "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
		insert into tags select printf('s%04d', i), 'b', null from n"
	cd mnt/.txn/t/tags || fail cd
	is "$(ls -U .by/kind/b | wc -l)" 3001
	for i in $(seq 1 7 3000); do printf '{"kind": "b", "label": "l%s"}' "$i" >"s$(printf %04d "$i").json"; done
	for i in $(seq 200); do printf '{"kind": "b"}' >"t$i.json"; done
	is "$(ls -U .by/kind/b | wc -l)" 3201
	is "$(ls -U .by/kind/b | sort | uniq -d)" ''
	is "$(ls .by/label | wc -l)" $((3 + 429))
}

test_mv_between_values_is_a_patch_that_the_commit_saves_with_hooks() {
	cd mnt/.txn/t/orders || fail cd
	is "$(move .by/status/new/1.json .by/status/running/1.json)" ok
	is "$(names .by/status/running)" 1.json
	is "$(value 1.json .status)" running
	is "$(value ../../../orders/1.json .status)" new
	is "$(move .by/status/new/1.json .by/status/done/1.json)" 'rename: ENOENT'
	mv .by/status/new/2.json .by/status/done/
	cd - >/dev/null || fail cd
	is "$(commit)" 'write: ECANCELED'
	is "$(last_error)" 'orders/2.json: it did not run'
	mv mnt/.txn/t/orders/.by/status/done/2.json mnt/.txn/t/orders/.by/status/running/
	is "$(commit)" ok
	is "$(names mnt/orders/.by/status/running)" '1.json 2.json'
	is "$(status)" '["patched","patched"]'
}

test_mv_between_values_refuses_what_it_does_outside() {
	cd mnt/.txn/t/orders || fail cd
	is "$(move .by/status/new/1.json .by/status/running/2.json)" 'rename: EPERM'
	is "$(move .by/status/new/1.json .by/user_id/2/1.json)" 'rename: EPERM'
	is "$(move .by/status/new/1.json 4.json)" 'rename: EPERM'
	is "$(move .by/user_id/1/1.json .by/user_id/77/1.json)" ok # what it refers to may still come
	is "$(errno unlink .by/status/new/2.json)" 'unlink: EPERM'
	is "$(move .by/status/new/2.json ../../../orders/.by/status/running/2.json)" 'rename: EPERM'
	is "$(move ../../../orders/.by/status/new/2.json .by/status/running/2.json)" 'rename: EPERM'
	cd - >/dev/null || fail cd
	is "$(commit)" 'write: EBADMSG'
}

test_a_mv_between_values_of_what_has_changed_outside_is_refused_by_the_commit() {
	mv mnt/.txn/t/orders/.by/status/new/1.json mnt/.txn/t/orders/.by/status/running/
	mv mnt/orders/.by/status/new/1.json mnt/orders/.by/status/running/
	is "$(commit)" 'write: EBUSY'
}

test_of_several_processes_that_move_one_link_one_wins() {
	local movers=()
	for i in 1 2 3 4 5 6 7 8; do
		move mnt/.txn/t/orders/.by/status/new/1.json mnt/.txn/t/orders/.by/status/running/1.json >won$i &
		movers+=($!)
	done
	wait "${movers[@]}"
	is "$(cat won? | sort | uniq -c | sed 's/^ *//' | tr '\n' ';')" '1 ok;7 rename: ENOENT;'
}

test_listing_by_value_in_a_big_model_does_not_read_it_all() { # 2 times the limit
	sql "with recursive n(i) as (select 10 union all select i + 1 from n where i < 200000)
		insert into orders (id, user_id, status) select i, 2, 'done' from n"
	saves mnt/.txn/t/orders/5.json '{"user_id": 1, "status": "running"}'
	is "$(names mnt/.txn/t/orders/.by/status)" 'done new running'
	is "$(names mnt/.txn/t/orders/.by/status/running)" 5.json
	local before after
	before=$(processor)
	for i in $(seq 50); do
		ls mnt/.txn/t/orders/.by/status/running mnt/.txn/t/orders/.by/user_id mnt/.txn/t/orders/.by/user_id/1 >listed
	done
	after=$(processor)
	[ $((after - before)) -lt 100 ] || fail "50 listings took $((after - before)) hundredths of a second of the processor"
}

processor() {
	awk '{print $14 + $15}' "/proc/$daemon/stat"
}

# ---- .history ----

test_versions_of_the_outside_are_there_and_come_back_by_cp() {
	saves mnt/orders/7.json '{"user_id": 1, "lines": [{"sku": "a"}]}'
	saves mnt/orders/7.json '{"user_id": 2}'
	local version
	version=$(ls mnt/.txn/t/orders/.history/7)
	has "$version" '-create.json$'
	is "$(cat "mnt/.txn/t/orders/.history/7/$version")" "$(cat "mnt/orders/.history/7/$version")"
	is "$(stat -c '%a %s %Y' "mnt/.txn/t/orders/.history/7/$version")" "$(stat -c '%a %s %Y' "mnt/orders/.history/7/$version")"
	is "$(getfattr --only-values -n user.rowfs.actor "mnt/.txn/t/orders/.history/7/$version" | jq .uid)" "$(id -u)"
	is "$(errno open "mnt/.txn/t/orders/.history/7/$version" w)" "$(errno open "mnt/orders/.history/7/$version" w)"
	fails rm -f "mnt/.txn/t/orders/.history/7/$version"
	cp "mnt/.txn/t/orders/.history/7/$version" mnt/.txn/t/orders/7.json
	is "$(value mnt/.txn/t/orders/7.json '[.user_id, .lines[].sku]')" '[1,"a"]'
	is "$(value mnt/orders/7.json .user_id)" 2
	is "$(ls mnt/.txn/t/orders/.history/7)" "$version" # what is staged is no version
	is "$(commit)" ok
	is "$(cat mnt/orders/7.json)" "$(cat "mnt/orders/.history/7/$version")"
	is "$(ls mnt/orders/.history/7 | wc -l)" 2
}

test_a_deleted_record_comes_back_from_its_history_inside() {
	saves mnt/orders/7.json '{"user_id": 1}'
	local made
	made=$(value mnt/orders/7.json .made)
	rm mnt/orders/7.json
	cp mnt/.txn/t/orders/.history/7/*-create.json mnt/.txn/t/orders/7.json
	echo '{"status": "running"}' >>mnt/.txn/t/orders/7.json
	is "$(commit)" ok
	is "$(value mnt/orders/7.json '[.status, .made]')" "[\"running\",\"$made\"]"
}

test_a_version_comes_back_over_what_is_staged_already() {
	saves mnt/orders/7.json '{"user_id": 1}'
	saves mnt/orders/7.json '{"user_id": 2}'
	echo '{"status": "running"}' >>mnt/.txn/t/orders/7.json
	cp mnt/.txn/t/orders/.history/7/*-create.json mnt/.txn/t/orders/7.json
	is "$(commit)" ok
	is "$(value mnt/orders/7.json '[.user_id, .status]')" '[1,"new"]'
}

# ---- .import and .export ----

test_lines_are_staged_and_saved_by_the_commit() {
	printf '%s\n' '{"id": 1, "name": "Anna"}' '{"name": "Cid"}' '' '{"id": 9, "name": "Eve"}' >mnt/.txn/t/users/.import
	is "$(names mnt/.txn/t/users)" '1.json 2.json 3.json 9.json'
	is "$(value mnt/.txn/t/users/1.json .name)" Anna
	is "$(names mnt/users)" '1.json 2.json'
	is "$(cat mnt/.txn/t/ctl)" 'open 3'
	is "$(commit)" ok
	is "$(sql 'select id || name from users order by id' | tr '\n' ' ')" '1Anna 2Bob 3Cid 9Eve '
	is "$(status)" '["replaced","created","created"]'
}

test_lines_may_have_text_keys() {
	printf '%s\n' '{"name": "new", "kind": "b"}' '{"label": "L", "name": "x"}' >mnt/.txn/t/tags/.import
	is "$(names mnt/.txn/t/tags)" 'new.json x.json y.json z.json'
	is "$(commit)" ok
	is "$(sql 'select * from tags order by 1' | tr '\n' ' ')" 'new|b| x||L y|a|Y z|b|Z '
}

test_a_refused_line_takes_all_of_its_import_back() {
	saves mnt/.txn/t/users/1.json '{"name": "One", "email": "1@x"}'
	saves mnt/.txn/t/users/.new '{"name": "Three"}'
	printf '%s\n' '{"id": 1, "name": "Anna"}' '{"name": "Cid"}' '{"name": "Dan"}' '{"id": 3, "name": 5}' >lines
	is "$(cp lines mnt/.txn/t/users/.import 2>&1 | grep -c 'Bad message')" 1
	is "$(last_error '[.path, .problems[0].pointer, .problems[0].line]')" '[".txn/t/users/.import","/name",4]'
	has "$(last_error)" '^line 4: '
	is "$(cat mnt/.txn/t/users/*.json | jq -c '[.id, .name, .email]' | tr '\n' ' ')" \
		'[1,"One","1@x"] [2,"Bob",null] [3,"Three",null] '
	is "$(cat mnt/.txn/t/ctl)" 'open 2'
	is "$(cat mnt/.txn/t/users/.new)" 4 # those of the lines are free again
	saves mnt/.txn/t/users/1.json '{"name": "Uno", "email": "1@x"}'
	is "$(cat mnt/.txn/t/ctl)" 'open 2'
	is "$(commit)" ok
	is "$(sql 'select id || name from users order by id' | tr '\n' ' ')" '1Uno 2Bob 3Three '
}

test_a_refused_import_into_a_fresh_transaction_leaves_nothing() {
	printf '%s\n' '{"id": 5, "name": "Eve"}' 'no' >lines
	fails cp lines mnt/.txn/t/users/.import
	is "$(names mnt/.txn/t/users)" '1.json 2.json'
	is "$(cat mnt/.txn/t/ctl)" 'open 0'
	saves mnt/.txn/t/users/5.json '{"name": "Eva"}'
	is "$(commit)" ok
	is "$(value mnt/users/5.json .name)" Eva
}

test_what_many_lines_make_is_bounded_as_a_transaction_is() { # 4 times the limit
	seq 100001 | sed 's/.*/{"name": "n"}/' >lines
	has "$(cat lines 2>&1 >mnt/.txn/t/users/.import)" 'File too large'
	has "$(last_error)" '^line 100001: a transaction changes at most 100000 records'
	is "$(cat mnt/.txn/t/ctl)" 'open 0'
}

test_an_export_is_what_stands_inside() {
	saves mnt/.txn/t/users/9.json '{"name": "Eve"}'
	echo '{"name": "Anna"}' >>mnt/.txn/t/users/1.json
	rm mnt/.txn/t/orders/3.json mnt/.txn/t/users/2.json
	is "$(jq -c '[.id, .name]' <mnt/.txn/t/users/.export | tr '\n' ' ')" '[1,"Anna"] [9,"Eve"] '
	is "$(jq -c '[.id, .name]' <mnt/users/.export | tr '\n' ' ')" '[1,"Ann"] [2,"Bob"] '
	is "$(jq -c '[.name, .kind]' <mnt/.txn/t/tags/.export | wc -l)" 3
}

test_an_export_of_one_transaction_is_an_import_of_another() {
	mkdir mnt/.txn/u
	saves mnt/.txn/t/users/9.json '{"name": "Eve"}'
	cat mnt/.txn/t/users/.export >mnt/.txn/u/users/.import
	is "$(cat mnt/.txn/u/ctl)" 'open 1' # the others are what they were
	is "$(save mnt/.txn/u/ctl commit)" ok
	is "$(value mnt/users/9.json .name)" Eve
}

test_a_committed_transaction_takes_no_lines_and_shows_what_is_stored() {
	saves mnt/.txn/t/users/9.json '{"name": "Eve"}'
	is "$(commit)" ok
	is "$(errno open mnt/.txn/t/users/.import wc)" 'open: EROFS'
	is "$(move mnt/.txn/t/orders/.by/status/new/1.json mnt/.txn/t/orders/.by/status/done/1.json)" 'rename: EROFS'
	is "$(wc -l <mnt/.txn/t/users/.export)" 3
	is "$(names mnt/.txn/t/users/.by/email)" '.null a@x'
}

test_others_find_none_of_it() {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	chmod 711 . && unmount
	sed -i '/^model tags/a mode 0600; dir-mode 0755' mount.conf
	mount_rowfs mount.conf -o allow_other
	as() { setpriv --reuid=1234 --regid=1234 --clear-groups "$@"; }
	as mkdir mnt/.txn/u
	fails as ls mnt/.txn/u/tags/.by/kind
	fails as cat mnt/.txn/u/tags/.export
	fails as sh -c 'echo "{}" >mnt/.txn/u/users/.import'
	fails as mv mnt/.txn/u/orders/.by/status/new/1.json mnt/.txn/u/orders/.by/status/done/
	is "$(as ls mnt/.txn/u/orders/.by/status/new | wc -l)" 3
}

# ---- .deleted and .info ----

test_what_is_removed_inside_can_be_brought_back_there() {
	local made
	saves mnt/orders/1.json '{"user_id": 1, "lines": [{"sku": "a"}]}'
	made=$(value mnt/orders/1.json .made)
	rm mnt/.txn/t/orders/1.json
	is "$(names mnt/.txn/t/orders/.deleted)" 1.json
	is "$(names mnt/.txn/t/lines/.deleted)" 1.json
	is "$(cat mnt/.txn/t/orders/.deleted/1.json)" "$(cat mnt/orders/1.json)"
	is "$(names mnt/orders/.deleted)" ''
	mv mnt/.txn/t/orders/.deleted/1.json mnt/.txn/t/orders/8.json
	is "$(names mnt/.txn/t/orders/.deleted)" ''
	is "$(value mnt/.txn/t/orders/8.json '[.user_id, .lines[].sku]')" '[1,"a"]'
	is "$(commit)" ok
	is "$(value mnt/orders/8.json '[.user_id, .lines[].sku, .made]')" "[1,\"a\",\"$made\"]"
	is "$(names mnt/orders)" '2.json 3.json 8.json'
	is "$(names mnt/orders/.deleted)" ''
}

test_what_was_removed_outside_comes_back_inside_once() {
	rm mnt/orders/1.json
	is "$(names mnt/.txn/t/orders/.deleted)" 1.json
	mv mnt/.txn/t/orders/.deleted/1.json mnt/.txn/t/orders/
	is "$(names mnt/.txn/t/orders/.deleted)" ''
	is "$(names mnt/orders/.deleted)" 1.json
	is "$(move mnt/.txn/t/orders/.deleted/1.json mnt/.txn/t/orders/5.json)" 'rename: ENOENT'
	is "$(commit)" ok
	is "$(names mnt/orders)" '1.json 2.json 3.json'
	is "$(names mnt/orders/.deleted)" ''
}

test_what_is_made_and_removed_inside_was_never_there() {
	saves mnt/.txn/t/tags/new.json '{"label": "n"}'
	rm mnt/.txn/t/tags/new.json
	is "$(names mnt/.txn/t/tags/.deleted)" ''
	is "$(cat mnt/.txn/t/ctl)" 'open 0'
	is "$(commit)" ok
	is "$(names mnt/tags/.deleted)" ''
}

test_nothing_is_forgotten_for_good_inside() {
	rm mnt/orders/1.json mnt/.txn/t/orders/2.json
	is "$(errno unlink mnt/.txn/t/orders/.deleted/1.json)" 'unlink: EPERM'
	is "$(errno unlink mnt/.txn/t/orders/.deleted/2.json)" 'unlink: EPERM'
	has "$(last_error)" 'is forgotten outside of transactions'
	is "$(names mnt/orders/.deleted)" 1.json
	rmdir mnt/.txn/t
	is "$(names mnt/orders)" '2.json 3.json'
	is "$(names mnt/orders/.deleted)" 1.json
}

test_counts_and_schemas_are_those_of_the_inside() {
	saves mnt/.txn/t/users/.new '{"name": "New"}'
	is "$(cat mnt/.txn/t/users/.info/count)" 3
	is "$(cat mnt/users/.info/count)" 2
	is "$(cat mnt/.txn/t/users/.info/schema.json)" "$(cat mnt/users/.info/schema.json)"
	is "$(cat mnt/.txn/t/users/.info/meta.json)" "$(cat mnt/users/.info/meta.json)"
	is "$(value mnt/.txn/t/users/.answer/3.json .name)" New
	is "$(ls mnt/users/.answer)" ''
	is "$(save mnt/.txn/t/users/1.json '{"name": 1}')" 'write: EBADMSG, close: EBADMSG'
	is "$(names mnt/.txn/t/users/.rejected)" 1.json
	is "$(names mnt/users/.rejected)" ''
}

# ---- exchange ----

test_two_records_exchange_keys_inside() {
	saves mnt/orders/1.json '{"user_id": 1, "status": "done", "lines": [{"sku": "a"}]}'
	is "$(errno exchange mnt/.txn/t/users/1.json mnt/.txn/t/users/2.json)" ok
	is "$(errno exchange mnt/.txn/t/orders/1.json mnt/.txn/t/orders/3.json)" ok
	is "$(value mnt/.txn/t/users/1.json .name)" Bob
	is "$(cat mnt/.txn/t/orders/*.json | jq -c '[.id, .user_id, .status, .lines[].sku]' | tr '\n' ' ')" \
		'[1,1,"new"] [2,2,"new"] [3,2,"done","a"] '
	is "$(value mnt/users/1.json .name)" Ann
	is "$(commit)" ok
	is "$(status)" '["exchanged","exchanged"]'
	is "$(cat mnt/orders/*.json | jq -c '[.id, .user_id, .status, .lines[].sku]' | tr '\n' ' ')" \
		'[1,1,"new"] [2,2,"new"] [3,2,"done","a"] '
	is "$(sql 'select id || name from users order by id' | tr '\n' ' ')" '1Bob 2Ann '
	is "$(sql 'pragma foreign_key_check')" ''
}

test_an_exchange_keeps_inode_numbers_with_names_and_goes_on() {
	local x y
	x=$(stat -c %i mnt/.txn/t/tags/x.json) y=$(stat -c %i mnt/.txn/t/tags/y.json)
	is "$(errno exchange mnt/.txn/t/tags/x.json mnt/.txn/t/tags/y.json)" ok
	is "$(stat -c %i mnt/.txn/t/tags/x.json) $(stat -c %i mnt/.txn/t/tags/y.json)" "$x $y"
	is "$(value mnt/.txn/t/tags/x.json .label)" Y
	is "$(names mnt/.txn/t/tags/.by/label/Y)" x.json
	echo '{"kind": "b"}' >>mnt/.txn/t/tags/x.json
	printf '{"kind": "b"}' >mnt/.txn/t/tags/new.json
	is "$(errno exchange mnt/.txn/t/tags/new.json mnt/.txn/t/tags/x.json)" ok
	is "$(names mnt/.txn/t/tags)" 'new.json x.json y.json z.json'
	is "$(commit)" ok
	is "$(sql 'select * from tags order by 1' | tr '\n' ' ')" 'new|b|Y x|b| y|a|X z|b|Z '
}

test_an_exchange_is_for_what_both_were() {
	mkdir mnt/.txn/u
	errno exchange mnt/.txn/t/users/1.json mnt/.txn/t/users/2.json >told
	errno exchange mnt/.txn/u/users/1.json mnt/.txn/u/users/2.json >>told
	echo '{"name": "Bert"}' >>mnt/users/2.json
	is "$(commit)" 'write: EBUSY'
	echo '{"name": "Anna"}' >>mnt/users/1.json
	saves mnt/.txn/u/tags/q.json '{}' # several changes
	is "$(save mnt/.txn/u/ctl commit)" 'write: EBUSY'
	echo '{"name": "Second"}' >>mnt/.txn/t/users/2.json
	is "$(commit)" 'write: EBUSY'
	echo '{"name": "First"}' >>mnt/.txn/t/users/1.json
	is "$(commit)" ok
	is "$(sql 'select id || name from users order by id' | tr '\n' ' ')" '1First 2Second '
}

run "$@"
