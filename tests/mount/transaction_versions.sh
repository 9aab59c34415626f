#!/bin/bash
# transaction_versions.sh - which versions of records a transaction is for, and the keys that it gives.
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'CONF'
store sqlite:shop.db
model orders {
	fields {
		id   integer key
		note string  unique
	}
	embeds-one bills by order_id
	has-one seals by order_id
	embeds-many lines by order_id
	checksum in-file with bills seals
}
model bills { fields { id integer key
	order_id integer required references orders
	sum integer max 100 } }
model seals {
	fields {
		id       integer key
		order_id integer required references orders
		uid      integer default uid
	}
	owner uid
	visible owner
}
model lines { fields { id integer key
	order_id integer required references orders
	text string } }
CONF
	mount_rowfs
	mkdir mnt/.txn/t
}

commit() {
	save mnt/.txn/t/ctl commit
}

checksum() {
	getfattr --only-values -n user.rowfs.checksum "$1"
}

refused_for() {
	is "$(commit)" 'write: EBUSY'
	has "$(last_error)" "^$1: $1 has changed"
	last_error .checksum >told
	is "$(jq -r .supplied told)" "$2"
	is "$(jq -r .current told)" "$(checksum "mnt/$1")"
	is "$(jq -c '[.[].error.checksum // empty]' mnt/.txn/t/answer.json)" "[$(jq -cS . told)]"
}

test_a_change_of_what_has_changed_is_refused_with_both_checksums() {
	saves mnt/orders/1.json '{"note": "a"}'
	local before
	before=$(checksum mnt/orders/1.json)
	echo '{"note": "b"}' >>mnt/.txn/t/orders/1.json
	echo '{"note": "c"}' >>mnt/orders/1.json
	refused_for orders/1.json "$before"
	is "$(value mnt/orders/1.json .note)" c
}

test_a_delete_of_what_has_changed_is_refused_with_both_checksums() {
	saves mnt/orders/1.json '{"note": "a"}'
	local before
	before=$(checksum mnt/orders/1.json)
	rm mnt/.txn/t/orders/1.json
	echo '{"sum": 1, "order_id": 1}' >mnt/bills/1.json
	refused_for orders/1.json "$before"
	is "$(value mnt/orders/1.json .bills.sum)" 1
}

test_a_rename_of_what_has_changed_is_refused() {
	saves mnt/orders/1.json '{"note": "a"}'
	mv mnt/.txn/t/orders/1.json mnt/.txn/t/orders/2.json
	echo '{"note": "c"}' >>mnt/orders/1.json
	is "$(commit)" 'write: EBUSY'
	is "$(ls mnt/orders)" 1.json
}

test_an_in_file_checksum_is_compared_inside() {
	saves mnt/orders/1.json '{"note": "a"}'
	cp mnt/.txn/t/orders/1.json old
	echo '{"note": "b"}' >>mnt/.txn/t/orders/1.json
	is "$(save mnt/.txn/t/orders/1.json "$(cat old)")" 'write: EBUSY, close: EBUSY'
	jq '.note = "c"' mnt/.txn/t/orders/1.json >new
	saves mnt/.txn/t/orders/1.json "$(cat new)"
	is "$(commit)" ok
	is "$(value mnt/orders/1.json .note)" c
}

test_what_its_own_changes_do_to_a_record_is_no_other_version() {
	saves mnt/orders/1.json '{"note": "a", "bills": {"sum": 1}}'
	echo '{"sum": 2}' >>mnt/.txn/t/bills/1.json
	mv mnt/.txn/t/orders/1.json mnt/.txn/t/orders/2.json
	is "$(commit)" ok
	is "$(value mnt/orders/2.json .bills.sum)" 2
}

test_a_child_that_its_user_does_not_see_is_no_other_version() {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	sed -i '/^model orders/a dir-mode 0777; mode 0666' mount.conf
	chmod 711 . && unmount && mount_rowfs mount.conf -o allow_other
	saves mnt/orders/1.json '{"note": "a"}'
	as 1234 mkdir mnt/.txn/u
	as 1234 sh -c "echo '{\"note\": \"b\"}' >>mnt/.txn/u/orders/1.json"
	saves mnt/seals/1.json '{"order_id": 1}'
	as 1234 sh -c 'echo commit >mnt/.txn/u/ctl'
	is "$(value mnt/orders/1.json .note)" b
	as 1234 mkdir mnt/.txn/v
	as 1234 sh -c "echo '{\"note\": \"c\"}' >>mnt/.txn/v/orders/1.json"
	rm mnt/seals/1.json
	as 1234 sh -c "echo '{\"order_id\": 1}' >mnt/seals/2.json"
	fails as 1234 sh -c 'echo commit >mnt/.txn/v/ctl'
	is "$(as 1234 sed -n '$p' mnt/.errors | jq -r .checksum.current)" "$(as 1234 getfattr --only-values -n user.rowfs.checksum mnt/orders/1.json)"
}

test_transactions_that_count_in_one_record_lose_nothing() { # 4 times the limit
	saves mnt/orders/1.json '{"note": "0"}'
	counter() {
		local i=0 there=mnt/.txn/c$1
		while [ $i -lt 10 ]; do
			mkdir "$there"
			jq '.note = (.note | tonumber + 1 | tostring)' "$there"/orders/1.json >"$there"/orders/x.tmp
			if mv "$there"/orders/x.tmp "$there"/orders/1.json && echo commit >"$there"/ctl; then i=$((i + 1)); fi
			rmdir "$there"
		done 2>>refused
	}
	local counters=()
	for n in 1 2 3; do
		counter $n &
		counters+=($!)
	done
	wait "${counters[@]}"
	is "$(value mnt/orders/1.json .note)" 30
}

# ---- keys ----

test_a_refused_save_uses_up_no_key() {
	saves mnt/orders/.new '{"note": "a"}'
	is "$(save mnt/.txn/t/orders/.new '{"note": "a"}')" 'write: EEXIST, close: EEXIST'
	is "$(save mnt/.txn/t/orders/.new '{"note": "b", "bills": {"sum": 101}}')" 'write: EBADMSG, close: EBADMSG'
	is "$(cat mnt/.txn/t/orders/.new)" 2
	is "$(cat mnt/.txn/t/bills/.new)" 1
	is "$(save mnt/.txn/.run '{"requests": [{"method": "post", "path": "orders", "body": {"note": "a"}}]}')" 'write: EEXIST'
	is "$(cat mnt/orders/.new)" 3
}

test_a_key_that_was_shown_is_never_given_again() {
	saves mnt/.txn/t/orders/.new '{"note": "a"}'
	is "$(ls mnt/.txn/t/orders)" 1.json
	is "$(cat mnt/.txn/t/orders/.new)" 2
	rmdir mnt/.txn/t
	is "$(cat mnt/orders/.new)" 3
	crash
	mount_rowfs
	saves mnt/orders/.new '{"note": "b"}'
	[ "$(basename mnt/orders/*.json .json)" -gt 3 ]
}

test_the_keys_of_only_children_are_known_with_their_parents() {
	exec 3<>mnt/.txn/t/orders/.new
	echo '{"bills": {"sum": 1}, "lines": [{"text": "a"}, {"text": "b"}]}' >&3
	is "$(jq -c '[.id, .bills.id, .lines[].id]' <&3)" '[1,1,null,null]'
	exec 3>&-
	is "$(cat mnt/bills/.new)" 2
	is "$(commit)" ok
	is "$(value mnt/orders/1.json '[.bills.id, .lines[].id]')" '[1,1,2]'
	is "$(jq -c '[.[0].answer | .bills.id, .lines[].id]' mnt/.txn/t/answer.json)" '[1,1,2]'
}

test_an_only_child_that_comes_later_gets_its_key_with_the_commit() {
	saves mnt/orders/1.json '{}'
	echo '{"bills": {"sum": 1}}' >>mnt/.txn/t/orders/1.json
	is "$(value mnt/.txn/t/orders/1.json .bills.id)" null
	is "$(commit)" ok
	is "$(value mnt/orders/1.json .bills.id)" 1
}

test_a_key_given_by_name_raises_the_counter() {
	saves mnt/.txn/t/orders/70.json '{}'
	is "$(cat mnt/.txn/t/orders/.new)" 1
	is "$(commit)" ok
	is "$(cat mnt/orders/.new)" 71
}

run "$@"
