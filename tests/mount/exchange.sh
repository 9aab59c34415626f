#!/bin/bash
# rename(2) with RENAME_EXCHANGE: two records, two scratch files, or the texts of one of each.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'CONF'
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string required unique
		pin string write-only
	}
	embeds-many parts by item_id
	on pre_save check ":new_name is not 'fixed' or :old_name is 'fixed' and :key = 1" "fixed things stay"
	on post_save sql "insert into trail (what) values (:verb || ' ' || :old_id || ' to ' || :new_id)"
}
model parts {
	fields {
		id integer key
		item_id integer references items
		size integer
	}
}
model orders {
	fields {
		id integer key
		item_id integer references items
	}
}
model notes {
	fields {
		slug string key
		body string
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
	saves mnt/items/1.json '{"name": "a", "pin": "1111", "parts": [{"size": 1}]}'
	saves mnt/items/2.json '{"name": "b", "pin": "2222", "parts": [{"size": 2}, {"size": 3}]}'
	sql 'delete from trail'
}

test_two_records_get_each_others_key() {
	local inodes times
	inodes=$(stat -c %i mnt/items/1.json mnt/items/2.json)
	times=$(stat -c %.9Y mnt/items/1.json mnt/items/2.json)
	is "$(errno exchange mnt/items/1.json mnt/items/2.json)" 'ok'
	is "$(jq -c '[.id, .name, [.parts[].size]]' mnt/items/1.json)" '[1,"b",[2,3]]'
	is "$(jq -c '[.id, .name, [.parts[].size]]' mnt/items/2.json)" '[2,"a",[1]]'
	is "$(sql 'select id, name, pin from items order by id')" $'1|b|2222\n2|a|1111'
	is "$(sql 'select item_id, size from parts order by size')" $'2|1\n1|2\n1|3'
	is "$(stat -c %i mnt/items/1.json mnt/items/2.json)" "$inodes"
	is "$(paste <(echo "$times") <(stat -c %.9Y mnt/items/1.json mnt/items/2.json) | awk '$2 "" <= $1 ""')" ''
	is "$(ls mnt/items)" $'1.json\n2.json'
}

test_references_follow() {
	saves mnt/orders/5.json '{"item_id": 1}'
	is "$(errno exchange mnt/items/1.json mnt/items/2.json)" 'ok'
	is "$(value mnt/orders/5.json .item_id)" 2
	is "$(sql 'pragma foreign_key_check')" ''
}

test_both_are_updates_with_their_hooks() {
	is "$(errno exchange mnt/items/1.json mnt/items/2.json)" 'ok'
	is "$(sql 'select what from trail order by what')" $'replace 1 to 2\nreplace 2 to 1'
}

test_a_refusal_changes_neither() {
	sql "update items set name = 'fixed' where id = 1"
	local before
	before=$(cat mnt/items/*.json)
	sql 'delete from trail'
	is "$(errno exchange mnt/items/2.json mnt/items/1.json)" 'exchange: ECANCELED'
	is "$(cat mnt/items/*.json)" "$before"
	is "$(sql 'select count(*) from trail')" 0
	has "$(tail -n 1 mnt/.errors)" 'fixed things stay'
}

test_text_keys_keep_their_numbers() {
	saves mnt/notes/x.json '{"body": "1"}'
	saves mnt/notes/y.json '{"body": "2"}'
	local inodes
	inodes=$(stat -c %i mnt/notes/x.json mnt/notes/y.json)
	is "$(errno exchange mnt/notes/x.json mnt/notes/y.json)" 'ok'
	is "$(value mnt/notes/x.json .body) $(value mnt/notes/y.json .body)" '2 1'
	is "$(stat -c %i mnt/notes/x.json mnt/notes/y.json)" "$inodes"
	is "$(sql 'select count(*) from rowfs_stat_notes')" 2
}

test_a_scratch_file_gets_the_text_that_its_own_replaces() {
	local before
	before=$(cat mnt/items/1.json)
	echo '{"name": "new"}' >mnt/items/incoming
	is "$(errno exchange mnt/items/incoming mnt/items/1.json)" 'ok'
	is "$(value mnt/items/1.json .name)" new
	is "$(cat mnt/items/incoming)" "$before"
	is "$(errno exchange mnt/items/1.json mnt/items/incoming)" 'ok'
	is "$(value mnt/items/1.json .name)" a
	is "$(value mnt/items/incoming .name)" new
}

test_a_refused_text_stays_where_it_is() {
	local before
	before=$(cat mnt/items/1.json)
	echo '{"name": 5}' >mnt/items/incoming
	is "$(errno exchange mnt/items/incoming mnt/items/1.json)" 'exchange: EBADMSG'
	is "$(cat mnt/items/incoming)" '{"name": 5}'
	is "$(cat mnt/items/1.json)" "$before"
}

test_two_scratch_files_change_names() {
	echo 1 >mnt/items/a~
	echo 2 >mnt/notes/b~
	is "$(errno exchange mnt/items/a~ mnt/notes/b~)" 'ok'
	is "$(cat mnt/items/a~ mnt/notes/b~)" $'2\n1'
}

test_both_must_be_there() {
	is "$(errno exchange mnt/items/1.json mnt/items/9.json)" 'exchange: ENOENT'
	is "$(errno exchange mnt/items/9.json mnt/items/1.json)" 'exchange: ENOENT'
	is "$(ls mnt/items)" $'1.json\n2.json'
}

test_records_of_two_models_are_told_apart() {
	saves mnt/orders/5.json '{"item_id": 1}'
	is "$(errno exchange mnt/items/1.json mnt/orders/5.json)" 'exchange: EOPNOTSUPP'
	has "$(tail -n 1 mnt/.errors)" 'of one model'
	is "$(errno exchange mnt/items/1.json mnt/items/.new)" 'exchange: EPERM'
}

test_a_handled_exchange_is_refused() {
	unmount
	sed -i 's/^model notes {/model notes {\n\ton apply run .\/handle/' mount.conf
	printf '#!/bin/sh\n[ $ROWFS_KEY != y ] || echo '\''{"handled":true}'\''\n' >handle
	chmod +x handle
	mount_rowfs
	saves mnt/notes/x.json '{"body": "1"}'
	sql "insert into notes (slug, body) values ('y', '2')"
	hasnt "$(errno exchange mnt/notes/x.json mnt/notes/y.json)" '^ok'
	is "$(sql 'select slug, body from notes order by slug')" $'x|1\ny|2'
}

test_two_records_are_exchanged_where_no_key_is_left() {
	saves mnt/orders/1.json '{"item_id": 1}'
	saves mnt/orders/281474976710655.json '{"item_id": 2}'
	saves mnt/orders/281474976710654.json '{}'
	is "$(errno exchange mnt/orders/1.json mnt/orders/281474976710655.json)" ok
	is "$(sql 'select id, item_id from orders order by id')" $'1|2\n281474976710654|\n281474976710655|1'
}

run "$@"
