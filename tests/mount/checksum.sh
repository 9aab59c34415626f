#!/bin/bash
# Checksums: which bytes they are of, where they are shown, and saves that are meant for one version of a record.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id      integer  key
		name    string
		price   number
		flag    boolean
		at      datetime
		extra   json
		secret  string   write-only
		inner   string   hidden default i
		noted   string
	}
	show name price flag at extra
	embeds-many lines by item_id
	embeds-one label by item_id
	has-one bill by item_id
	has-many notes by item_id
	checksum in-file with lines bill
}
model lines { fields { id integer key; item_id integer references items; sku string; secret string write-only } }
model label { fields { id integer key; item_id integer references items; text string } }
model bill { fields { id integer key; item_id integer references items; total number } }
model notes { fields { id integer key; item_id integer references items; body string } }
model counters { fields { id integer key; count integer default 0 }; checksum in-file }
model plain { fields { id integer key; name string; count integer default 0 } }
model words { fields { word string key; count integer } }
model private { fields { id integer key; pin string }; mode 0600 }
queue jobs { fields { plain_id integer } }
END
	mount_rowfs
	saves mnt/plain/1.json '{"name": "a"}'
}

# What rowfs(1) says: the shown members on one line, without those of relations that do not count.
computed() {
	jq -c 'del(._checksum, .label, .notes, .notes_total)' "$1" | sha256sum | cut -d ' ' -f 1
}

sum() {
	getfattr --only-values -n user.rowfs.checksum "$1" 2>/dev/null
}

# ---- the sum ----

test_another_program_can_compute_it() {
	saves mnt/items/1.json '{"name": "é \"q\" \\ \u0001 \u007f /", "price": 0.1, "flag": true, "extra": {"b": [1, {"a": null}], "é": 1e300},
		"at": "2026-01-02T03:04:05.60+01:00", "secret": "s", "lines": [{"sku": "x", "secret": "t"}, {}]}'
	saves mnt/bill/1.json '{"item_id": 1, "total": 2.50}'
	saves mnt/notes/1.json '{"item_id": 1, "body": "n"}'
	is "$(sum mnt/items/1.json)" "$(computed mnt/items/1.json)"
	is "$(value mnt/items/1.json ._checksum)" "$(computed mnt/items/1.json)"
	is "$(sum mnt/plain/1.json)" "$(computed mnt/plain/1.json)"
	saves mnt/words/a%2Fb.json '{"count": 1}'
	is "$(sum mnt/words/a%2Fb.json)" "$(computed mnt/words/a%2Fb.json)"
}

test_it_is_the_same_after_a_remount_and_in_another_database() {
	local text='{"name": "a", "price": 1.5, "lines": [{"sku": "x"}]}' before
	saves mnt/items/1.json "$text"
	before=$(sum mnt/items/1.json)
	remount
	is "$(sum mnt/items/1.json)" "$before"
	unmount
	rm shop.db*
	mount_rowfs
	saves mnt/items/1.json "$text"
	is "$(sum mnt/items/1.json)" "$before"
}

test_what_no_file_shows_does_not_count() {
	saves mnt/items/1.json '{"name": "a", "secret": "s", "noted": "n", "lines": [{"sku": "x", "secret": "t"}]}'
	local before
	before=$(sum mnt/items/1.json)
	echo '{"secret": "other", "noted": "m"}' >>mnt/items/1.json
	echo '{"secret": "other"}' >>mnt/lines/1.json
	is "$(sum mnt/items/1.json)" "$before"
	echo '{"sku": "y"}' >>mnt/lines/1.json
	hasnt "$(sum mnt/items/1.json)" "$before"
}

test_in_file_it_is_the_last_member_and_the_size_counts_it() {
	saves mnt/items/1.json '{"name": "a"}'
	is "$(jq -r 'keys_unsorted[-1]' mnt/items/1.json)" _checksum
	is "$(stat -c %s mnt/items/1.json)" "$(cat mnt/items/1.json | wc -c)"
	is "$(jq . mnt/items/1.json)" "$(cat mnt/items/1.json)"
	is "$(value mnt/plain/1.json 'has("_checksum")')" false
	is "$(value mnt/items/.info/schema.json '.properties._checksum.type')" string
	is "$(value mnt/items/.info/meta.json '.checksum')" '{"xattr":"user.rowfs.checksum","member":"_checksum","with":["lines","bill"]}'
	is "$(value mnt/items/.info/meta.json '.verbs.get.answer.fields[-1]')" _checksum
	is "$(value mnt/items/.info/meta.json '.verbs.replace.input._checksum')" '{"type":"string","required":false}'
	is "$(value mnt/plain/.info/meta.json '.checksum')" '{"xattr":"user.rowfs.checksum","member":null,"with":[]}'
}

test_an_answer_has_the_checksum_for_the_next_save() {
	exec 3<>mnt/counters/.new
	echo '{"count": 5}' >&3
	local answer
	answer=$(jq -c '.count += 1' <&3)
	exec 3>&-
	saves "mnt/counters/$(jq .id <<<"$answer").json" "$answer"
}

test_the_attribute_is_listed_beside_others() {
	is "$(getfattr mnt/plain/1.json 2>/dev/null | grep rowfs)" user.rowfs.checksum
	has "$(setfattr -n user.rowfs.checksum -v x mnt/plain/1.json 2>&1)" "not supported"
	fails getfattr -n user.rowfs.checksum mnt/plain
	remount -o ro
	has "$(sum mnt/plain/1.json)" '^[0-9a-f]{64}$'
}

test_who_may_not_read_a_record_gets_no_checksum() {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	unmount
	mount_rowfs mount.conf -o allow_other
	saves mnt/private/1.json '{"pin": "1234"}'
	chmod 755 . 2>/dev/null
	has "$(setpriv --reuid 1234 --clear-groups getfattr -n user.rowfs.checksum mnt/private/1.json 2>&1)" 'Permission denied'
	hasnt "$(setpriv --reuid 1234 --clear-groups getfattr mnt/private/1.json 2>&1)" checksum
}

test_it_is_of_the_file_that_the_user_sees() {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	unmount
	cat >>mount.conf <<'END'
model papers { fields { id integer key; n integer }; has-one seals by paper_id; checksum in-file with seals; mode 0666 }
model seals { fields { id integer key; paper_id integer references papers; uid integer }; owner uid; visible owner }
END
	mount_rowfs mount.conf -o allow_other
	chmod 755 .
	saves mnt/papers/1.json '{"n": 1}'
	saves mnt/seals/1.json '{"paper_id": 1, "uid": 0}'
	local mine
	mine=$(as 65534 cat mnt/papers/1.json | jq -r ._checksum)
	hasnt "$(sum mnt/papers/1.json)" "$mine"
	is "$(as 65534 getfattr --only-values -n user.rowfs.checksum mnt/papers/1.json 2>/dev/null)" "$mine"
	as 65534 sh -c 'jq .n=2 mnt/papers/1.json >mnt/papers/1.json'
	is "$(value mnt/papers/1.json .n)" 2
	jq .n=3 mnt/papers/1.json >text
	saves mnt/papers/1.json "$(cat text)"
}

# ---- saves for one version ----

test_the_second_of_two_editors_is_refused_until_it_has_read_again() {
	saves mnt/counters/1.json '{"count": 1}'
	jq '.count = 10' mnt/counters/1.json >mine
	jq '.count = 20' mnt/counters/1.json >yours
	local read_sum
	read_sum=$(jq -r ._checksum mine)
	cp mine mnt/counters/1.json
	refuses EBUSY mnt/counters/1.json "$(cat yours)"
	is "$(last_error .errno)" EBUSY
	is "$(last_error .checksum.supplied)" "$read_sum"
	is "$(last_error .checksum.current)" "$(sum mnt/counters/1.json)"
	has "$(last_error)" '^counters/1.json has changed since it was read'
	has "$(getfattr --only-values -n user.rowfs.error mnt/counters/1.json 2>/dev/null)" 'has changed'
	is "$(cat mnt/counters/.rejected/1.json)" "$(cat yours)"
	fails mv mnt/counters/.rejected/1.json mnt/counters/1.json
	jq '.count += 10' mnt/counters/1.json >yours
	cp yours mnt/counters/1.json
	is "$(value mnt/counters/1.json .count)" 20
	fails cat mnt/counters/.rejected/1.json
}

test_a_save_without_a_checksum_is_unconditional_and_changes_it() {
	saves mnt/counters/1.json '{"count": 1}'
	local before
	before=$(sum mnt/counters/1.json)
	saves mnt/counters/1.json '{"count": 2}'
	hasnt "$(sum mnt/counters/1.json)" "$before"
}

test_a_merge_can_be_meant_for_one_version() {
	local before
	before=$(sum mnt/plain/1.json)
	echo "{\"_checksum\": \"$before\", \"count\": 5}" >>mnt/plain/1.json
	is "$(errno open mnt/plain/1.json wa : write "{\"_checksum\": \"$before\", \"count\": 6}")" 'write: EBUSY'
	is "$(value mnt/plain/1.json .count)" 5
}

test_saving_the_same_content_needs_the_current_version_too() {
	local before
	before=$(sum mnt/plain/1.json)
	saves mnt/plain/1.json '{"name": "b"}'
	refuses EBUSY mnt/plain/1.json "{\"_checksum\": \"$before\", \"name\": \"b\"}"
	saves mnt/plain/1.json "{\"_checksum\": \"$(sum mnt/plain/1.json)\", \"name\": \"b\"}"
}

test_a_scratch_file_with_the_attribute_replaces_that_version_only() {
	cp --preserve=xattr mnt/plain/1.json mnt/plain/copy
	is "$(sum mnt/plain/copy)" "$(sum mnt/plain/1.json)"
	jq '.count = 1' mnt/plain/1.json >mnt/plain/copy
	mv mnt/plain/copy mnt/plain/1.json
	is "$(value mnt/plain/1.json .count)" 1
	jq '.count = 2' mnt/plain/1.json >mnt/plain/copy
	setfattr -n user.rowfs.checksum -v "$(sum mnt/plain/1.json)" mnt/plain/copy
	saves mnt/plain/1.json '{"name": "between"}'
	is "$(errno rename mnt/plain/copy mnt/plain/1.json)" 'rename: EBUSY'
	is "$(last_error .checksum.current)" "$(sum mnt/plain/1.json)"
	is "$(value mnt/plain/1.json .name)" between
	is "$(value mnt/plain/copy .count)" 2
	setfattr -x user.rowfs.checksum mnt/plain/copy
	mv mnt/plain/copy mnt/plain/1.json
	is "$(value mnt/plain/1.json .count)" 2
}

test_an_exchange_with_a_record_asks_for_the_version_too() {
	jq '.count = 2' mnt/plain/1.json >mnt/plain/copy
	setfattr -n user.rowfs.checksum -v "$(sum mnt/plain/1.json)" mnt/plain/copy
	saves mnt/plain/1.json '{"name": "between"}'
	is "$(errno exchange mnt/plain/copy mnt/plain/1.json)" 'exchange: EBUSY'
	setfattr -n user.rowfs.checksum -v "$(sum mnt/plain/1.json)" mnt/plain/copy
	is "$(errno exchange mnt/plain/copy mnt/plain/1.json)" ok
	is "$(value mnt/plain/1.json .count)" 2
	is "$(value mnt/plain/copy .name)" between
}

test_the_attribute_counts_for_nothing_where_there_is_no_record() {
	echo '{"name": "n"}' >mnt/plain/scratch
	setfattr -n user.rowfs.checksum -v x mnt/plain/scratch
	mv mnt/plain/scratch mnt/plain/9.json
	is "$(value mnt/plain/9.json .name)" n
	saves mnt/plain/8.json '{"_checksum": "x"}'
}

test_who_reads_and_writes_by_one_descriptor_replaces_what_it_read() {
	is "$(errno open mnt/plain/1.json b : ftruncate 0 : write '{"name":"x"}' : ftruncate 0 : pwrite 0 '{"name":"y"}' : close)" ok
	exec 3<>mnt/plain/1.json
	saves mnt/plain/1.json '{"name": "between"}'
	fails eval 'jq -c ".name = \"late\"" mnt/plain/1.json >&3'
	is "$(errno open mnt/plain/1.json bt : write '{"name":"z"}' : close)" ok
	exec 3>&-
	is "$(value mnt/plain/1.json .name)" z
	python3 - <<'END'
import errno, json, os
path = "mnt/plain/1.json"
with open(path, "r+") as f:
    row = json.load(f)
    open(path, "w").write('{"name": "between"}')
    row["name"] = "late"
    f.seek(0)
    f.truncate()
    try:
        json.dump(row, f)
        f.flush()
        raise SystemExit("saved over another's change")
    except OSError as e:
        assert e.errno == errno.EBUSY, e
    try:
        f.close()
    except OSError as e:
        assert e.errno == errno.EBUSY, e
END
	is "$(value mnt/plain/1.json .name)" between
}

test_a_descriptor_for_writing_alone_asks_for_no_version() {
	exec 3>>mnt/plain/1.json
	saves mnt/plain/1.json '{"name": "between"}'
	echo '{"count": 7}' >&3
	exec 3>&-
	is "$(value mnt/plain/1.json '[.name, .count]')" '["between",7]'
}

test_a_deleted_record_comes_back_over_another_version() {
	saves mnt/counters/1.json '{"count": 1}'
	rm mnt/counters/1.json
	saves mnt/counters/1.json '{"count": 2}'
	mv mnt/counters/.deleted/1.json mnt/counters/1.json
	is "$(value mnt/counters/1.json .count)" 1
	rm mnt/counters/1.json
	cp mnt/counters/.deleted/1.json mnt/counters/1.json
	is "$(value mnt/counters/1.json .count)" 1
}

test_a_hook_can_save_one_version_of_another_record() {
	unmount
	program hooks/other <<'END'
#!/bin/sh
jq -c '{save: [{path: "counters/1.json", put: (.new.extra | fromjson)}]}'
END
	cat >>mount.conf <<'END'
model asks { fields { id integer key; extra string }; on post_save run hooks/other }
END
	mount_rowfs
	saves mnt/counters/1.json '{"count": 1}'
	local before
	before=$(jq -c '.count = 2' mnt/counters/1.json)
	saves mnt/asks/1.json "$(jq -n --arg x "$before" '{extra: $x}')"
	is "$(value mnt/counters/1.json .count)" 2
	is "$(save mnt/asks/2.json "$(jq -n --arg x "$before" '{extra: $x}')")" 'write: EBUSY, close: EBUSY'
	is "$(value mnt/counters/1.json .count)" 2
}

# ---- nothing is lost ----

# Whoever was too slow steps back for a moment, on a pipe that nobody writes: else most of the work is done in vain.
increment() {
	local file=mnt/counters/1.json
	for _ in $(seq "$2"); do
		until jq '.count += 1' "$file" >"mnt/counters/new.$1" && mv "mnt/counters/new.$1" "$file"; do
			read -rt "0.0$((RANDOM % 90 + 10))" <>quiet || true
		done 2>/dev/null
	done
}

test_four_processes_increment_by_jq_and_mv_and_lose_none() { # 10 times the limit
	local n=200 i pids=()
	mkfifo quiet
	saves mnt/counters/1.json '{"count": 0}'
	for i in 1 2 3 4; do
		increment "$i" "$n" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	is "$(value mnt/counters/1.json .count)" "$((4 * n))"
}

run "$@"
