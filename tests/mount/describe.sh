#!/bin/bash
# From a database that is there to mount.conf: rowfs init, models without fields, check --sql; and rowfs graph.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	sql "
create table users (
	id integer primary key, name text not null, email varchar(100) unique, active boolean not null default 1,
	born date, created datetime default current_timestamp, balance decimal(10,2) default 0, meta json, bio text default 'it''s');
create table orders (
	id integer primary key autoincrement, user_id integer not null references users (id) on delete cascade,
	status text default 'new', total real);
create index by_status on orders (status);
create table tags (tag text primary key, n integer) without rowid;
create table files (id integer primary key, data blob not null, title text);
create table selfish (id integer primary key, parent references selfish (id) on delete set null,
	shout text generated always as (upper(id)));
create table \"two words\" (id integer primary key, x any);
create view totals as select user_id as id, sum(total) as total from orders group by user_id;
insert into users (id, name, email, created) values (1, 'A', 'a@x', '2024-01-01 10:00:00');
insert into orders (user_id, total) values (1, 2.5);
insert into files (data, title) values (x'00ff', 'binary');
insert into tags values ('a', 1);"
}

left_out() { # NAME WHY
	has "$(cat mount.conf)" "^# (table|view) $1 is left out: .*$2"
}

init() {
	rowfs init sqlite:shop.db >mount.conf
}

block() { # NAME: its block of mount.conf
	sed -n "/^model $1 /,/^}/p" mount.conf
}

# ---- init ----

test_init_prints_a_conf_that_check_finds_right() {
	init
	is "$(rowfs check mount.conf 2>&1)" ''
	is "$(rowfs check --sql mount.conf)" ''
	is "$(block orders)" 'model orders {
	fields {
		id integer key
		user_id integer required references users on-delete cascade
		status string default "new"
		total number
	}
}'
	has "$(block users)" $'^\t\tactive boolean required default true$'
	has "$(block users)" $'^\t\tbio string default "it'"'"'s"$'
	has "$(block users)" $'^\t\tcreated datetime default now # some values are written otherwise'
	has "$(block two_words)" '^model two_words from "two words" \{'
}

test_the_database_can_be_mounted_and_used() {
	init
	cp mount.conf elsewhere
	mount_rowfs
	is "$(ls mnt | tr '\n' ' ')" 'files orders selfish tags totals two_words users '
	saves mnt/orders/.new '{"user_id": 1, "total": 1}'
	is "$(value mnt/totals/1.json .total)" 3.5
	saves mnt/tags/b.json '{"n": 2}'
	is "$(sql "select n from tags where tag = 'b'")" 2
	is "$(ls mnt/orders/.by/status/new | wc -l)" 2
	saves mnt/selfish/1.json '{"parent": null}'
	is "$(sql 'select shout from selfish')" 1
	rowfs check mount.conf
}

test_binary_data_and_views_are_read_only_and_stay_as_they_are() {
	init
	mount_rowfs
	is "$(value mnt/files/1.json .)" '{"id":1,"title":"binary"}'
	refuses_open files/1.json
	refuses_open totals/1.json
	is "$(sql 'select typeof(data), hex(data) from files')" 'blob|00FF'
}

refuses_open() {
	is "$(errno open "mnt/$1" w)" 'open: EROFS'
}

test_what_cannot_be_a_model_is_left_out_and_a_comment_says_why() {
	sql "
create table lines (order_id integer, n integer, primary key (order_id, n));
create table nokey (a, b);
create table odd (id integer primary key, \"two words\" text);
create table bad (id integer primary key, u text references users (email));
create table never (id integer primary key, u integer not null references users (id) on delete set null);
create table \"we\"\"ird\" (id integer primary key);
create view names as select name from users;
create view broken as select * from gone;
create virtual table words using fts5 (body);"
	init
	left_out lines 'primary key has more than one column'
	left_out nokey 'no primary key'
	left_out odd 'column two words has a name'
	left_out bad 'column u refers to a column that is not a key'
	left_out never 'ON DELETE'
	left_out 'we"ird' 'name'
	left_out names 'numbers its rows'
	left_out broken 'no such table'
	left_out words 'virtual'
	is "$(rowfs check mount.conf 2>&1)" ''
}

test_a_column_declared_as_a_time_that_holds_numbers_is_a_number() {
	sql 'create table stamps (id integer primary key, at timestamp, on_day date); insert into stamps values (1, 1700000000, 1.5)'
	init
	has "$(block stamps)" $'^\t\tat integer$'
	has "$(block stamps)" $'^\t\ton_day number$'
	is "$(rowfs check mount.conf 2>&1)" ''
}

test_init_of_what_is_no_database_says_so() {
	local status=0
	rowfs init sqlite:gone.db >out 2>err || status=$?
	is "$status" 2
	has "$(cat err)" 'gone.db can.t be opened'
	status=0
	rowfs init shop.db >out 2>err || status=$?
	is "$status" 1
	has "$(cat err)" 'sqlite:FILE'
	status=0
	echo 'no database, but a text that is long enough to be looked at as if it were one of these' >text.db
	rowfs init sqlite:text.db >out 2>err || status=$?
	is "$status" 2
	has "$(cat err)" 'not an SQLite database'
	[ ! -e gone.db ]
}

# ---- models without fields ----

test_a_model_without_fields_takes_them_from_its_table() {
	conf <<'CONF'
store sqlite:shop.db
model people from users {
}
model orders {
	on pre_save check ":new_total >= 0" "less than nothing"
}
model totals { read-only }
CONF
	mount_rowfs
	is "$(value mnt/people/1.json .name)" A
	is "$(save mnt/orders/1.json '{"user_id": 1, "total": -1}')" 'write: ECANCELED, close: ECANCELED'
	is "$(save mnt/orders/1.json '{"user_id": 7}')" 'write: EBADMSG, close: EBADMSG'
	is "$(jq -c '.properties | keys - ["_checksum"]' mnt/orders/.info/schema.json)" '["id","status","total","user_id"]'
}

test_a_model_without_fields_whose_table_does_not_fit_is_a_mistake() {
	sql 'create table lines (order_id integer, n integer, primary key (order_id, n))'
	conf <<'CONF'
store sqlite:shop.db
model lines {
}
model gone {
}
model files {
}
model totals {
}
CONF
	fails rowfs check mount.conf
	is "$(rowfs check mount.conf 2>&1 | grep error:)" "mount.conf:2:7: error: 'lines' can't take its fields from its table: its primary key has more than one column
mount.conf:4:7: error: 'gone' has no fields, and there is no table to take them from
mount.conf:6:7: error: 'files' can't take its fields from its table: it holds binary data, which needs read-only
mount.conf:8:7: error: 'totals' can't take its fields from its table: it is a view, which needs read-only"
}

test_info_mount_conf_has_the_fields_that_tables_gave() {
	init
	cat >mount.conf <<'CONF'
store sqlite:shop.db # mine
model users { on pre_save check ":id > '0;' or 1" "Say \"no\"" }
model orders { }
CONF
	mount_rowfs
	cp mnt/.info/mount.conf resolved.conf
	has "$(cat resolved.conf)" '^		user_id integer required references users on-delete cascade$'
	fusermount3 -u mnt && wait "$daemon"
	rowfs schema mount.conf >schema
	is "$(rowfs schema resolved.conf)" "$(cat schema)"
	is "$(rowfs check resolved.conf)" "$(rowfs check mount.conf)"
	mount_rowfs resolved.conf
	cmp resolved.conf mnt/.info/mount.conf
}

# ---- check --sql ----

test_what_check_sql_prints_closes_the_difference() {
	init
	sql 'alter table orders add column note text; create table gone (id integer primary key)'
	sed -i '/^model orders/,/^}/s/total number$/&\n\t\tkind string/' mount.conf
	fails rowfs check mount.conf
	rowfs check --sql mount.conf >close.sql
	sqlite3 shop.db <close.sql
	rowfs check mount.conf
	is "$(sql 'select user_id, total, kind from orders')" '1|2.5|'
}

test_what_check_sql_prints_tells_which_columns_go_and_how_one_gets_another_name() {
	init
	sql "insert into orders (user_id, total) values (1, 7)"
	sed -i '/^model orders/,/^}/s/total number$/amount number/' mount.conf
	rowfs check --sql mount.conf >close.sql
	is "$(head -n 1 close.sql)" \
		'-- What column "total" holds goes; where it is amount by now: ALTER TABLE "orders" RENAME COLUMN "total" TO "amount";'
	sed 's/^.*by now: //;q' close.sql | sqlite3 shop.db
	rowfs check mount.conf
	is "$(sql 'select amount from orders where id = 2')" 7.0
	sql 'alter table orders add column note text'
	rowfs check --sql mount.conf >close.sql
	is "$(head -n 1 close.sql)" '-- What column "note" holds goes'
	sqlite3 shop.db <close.sql
	rowfs check mount.conf
	sql "alter table orders add column \"a
drop table users;\" text"
	rowfs check --sql mount.conf | sqlite3 shop.db
	rowfs check mount.conf
}

# sqlite3 goes on behind a statement that has failed: nothing after it may take rows away.
test_what_check_sql_prints_changes_nothing_where_a_row_does_not_fit() {
	init
	local fields before
	sql "create table notes (id integer primary key autoincrement, text text, n text) strict;
		insert into notes (text, n) values ('a', 'one'), (null, '2'), ('a', '3'), ('gone', '4'); delete from notes where id = 4"
	before=$(sql '.dump notes' && sql 'select * from sqlite_sequence')
	for fields in 'text string required; n string' 'text string; n integer' 'text string unique; n string' \
		'text string unique; n integer' 'text string; n string; more integer required'; do
		echo "store sqlite:shop.db; model notes { fields { id integer key; $fields } }" >mount.conf
		rowfs check --sql mount.conf >close.sql
		[ -s close.sql ]
		fails sqlite3 shop.db <close.sql
		is "$(sql '.dump notes' && sql 'select * from sqlite_sequence')" "$before" "$fields"
	done
}

test_what_check_sql_prints_keeps_indexes_triggers_the_counter_and_references() {
	init
	sql "create table notes (id integer primary key autoincrement, text text unique, n integer) strict;
		create table lines (id integer primary key autoincrement, note integer references notes (id) on delete cascade) strict;
		create index notes_n on notes (n);
		create trigger notes_note after insert on notes begin update notes set n = 7 where id = new.id; end;
		insert into notes (text) values ('a'), ('b'), ('c'); delete from notes where id = 3; insert into lines (note) values (1)"
	cat >mount.conf <<'CONF'
store sqlite:shop.db
model notes { fields { id integer key; text string required unique; n integer } }
model lines { fields { id integer key; note integer references notes on-delete cascade } }
CONF
	rowfs check --sql mount.conf | sqlite3 -bail shop.db
	rowfs check mount.conf
	is "$(sql "insert into notes (text) values ('d'); select id, text, n from notes; select note from lines;
		select count(*) from sqlite_schema where name like '%old%' or sql like '%old%'; select name from sqlite_schema where name = 'notes_n'")" \
		$'1|a|7\n2|b|7\n4|d|7\n1\n0\nnotes_n'
}

# ---- graph ----

# A graph that is wrong would not be read by anybody; without dot, its shape is looked at.
well_formed() {
	if command -v dot >/dev/null; then
		dot -T canon "$1" >/dev/null
	else
		python3 - "$1" <<'PY'
import re, sys
text = open(sys.argv[1]).read()
word = r'"(?:[^"\\]|\\.)*"'
value = rf'(?:{word}|[A-Za-z]+)'
line = rf'\t(?:rankdir=LR;|{word}(?: -> {word})? \[\w+={value}(?:, \w+={value})*\];|node \[fontname=monospace\];)\n'
assert re.fullmatch(rf'digraph rowfs \{{\n(?:{line})*\}}\n', text), text
PY
	fi
}

test_graph_shows_models_references_queues_and_hooks() {
	cat >mount.conf <<'CONF'
store sqlite:shop.db
model users { }
model orders {
	has-many jobs by order_id
	on pre_save create check ":new_total is not 'say \"no\"'" "never \\ \"that\""
	on after_commit enqueue jobs order_id=:id
}
queue jobs {
	fields { order_id integer references orders }
	run /bin/true
}
CONF
	rowfs graph mount.conf >graph
	well_formed graph
	has "$(cat graph)" '"orders" -> "users" \[style=solid, label="user_id"\]'
	has "$(cat graph)" '"orders" -> "jobs" \[style=dotted, label="has-many"\]'
	has "$(cat graph)" '"hook 2" -> "jobs" \[style=dashed, label="enqueues"\]'
	has "$(cat graph)" 'label="pre_save create\\ncheck never \\\\ \\"that\\""'
	has "$(cat graph)" 'queue jobs.*run /bin/true'
}

test_graph_of_a_conf_with_a_mistake_is_the_mistake() {
	echo 'model x { }' >mount.conf
	fails rowfs graph mount.conf
}

run "$@"
