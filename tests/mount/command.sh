#!/bin/bash
# The command line: mounting, exit codes, signals, check, help; mount(8); read-only mounts.
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
END
	mkdir mnt
}

# status COMMAND...: its exit status; its output goes to `out` and `err`.
status() {
	local status=0
	"$@" >out 2>err </dev/null || status=$?
	echo $status
}

stop_daemon() {
	local pid
	pid=$(pgrep -f "rowfs mount.conf $PWD/mnt|rowfs.*$PWD/mnt" || true)
	eventually fusermount3 -u mnt
	[ -z "$pid" ] || PATIENCE=20 eventually gone "$pid"
}

test_the_daemon_returns_0_once_the_mount_answers() {
	is "$(status timeout 20 rowfs mount.conf "$PWD/mnt")" 0
	mountpoint -q mnt
	is "$(ls mnt)" items
	saves mnt/items/1.json '{"name": "a"}'
	stop_daemon
	is "$(sql 'select name from items')" a
}

test_the_daemon_leaves_the_terminal_and_closes_its_streams() {
	is "$(timeout 20 bash -c "rowfs mount.conf '$PWD/mnt'; echo mounted" | cat)" mounted
	stop_daemon
}

test_term_and_int_stop_cleanly_with_0() {
	local signal status
	for signal in TERM INT HUP; do
		mount_rowfs
		saves mnt/items/1.json "{\"name\": \"$signal\"}"
		kill -$signal "$daemon"
		status=0
		wait "$daemon" || status=$?
		daemon=
		is "$status" 0 $signal
		fails mountpoint -q mnt
		is "$(sql 'select name from items')" $signal
	done
}

test_a_signal_ends_it_beside_open_files() {
	local status=0
	mount_rowfs
	saves mnt/items/1.json '{"name": "a"}'
	exec 5<mnt/items/1.json 6>mnt/items/2.json 7>mnt/items/tmp
	echo '{"name":' >&6
	kill -TERM "$daemon"
	wait "$daemon" || status=$?
	daemon=
	exec 5<&- 6>&- 7>&-
	is "$status" 0
	is "$(sql 'select id from items')" 1
}

test_a_clean_unmount_loses_nothing_and_leaves_no_wal() {
	mount_rowfs
	saves mnt/items/1.json '{"name": "a"}'
	unmount
	is "$(sql 'select name from items')" a
	is "$(sql 'pragma integrity_check')" ok
}

test_usage_mistakes_exit_1() {
	is "$(status rowfs)" 1
	has "$(cat err)" '[Uu]sage'
	is "$(status rowfs mount.conf)" 1
	is "$(status rowfs mount.conf mnt extra)" 1
	is "$(status rowfs --colour mount.conf mnt)" 1
	is "$(status rowfs mount.conf mnt -o colour)" 1
	has "$(cat err)" colour
	is "$(status rowfs check)" 1
	fails mountpoint -q mnt
}

test_a_mistake_in_mount_conf_exits_1_and_mounts_nothing() {
	echo 'colour red' >>mount.conf
	is "$(status rowfs mount.conf mnt -f)" 1
	has "$(cat err)" '^mount.conf:8:1: error: '
	fails mountpoint -q mnt
	test ! -e shop.db
}

test_a_mount_conf_that_is_not_there_exits_1() {
	is "$(status rowfs nowhere.conf mnt -f)" 1
	has "$(cat err)" 'nowhere.conf.*No such file'
}

test_a_database_that_cannot_be_opened_exits_2() {
	sed -i s,shop.db,nowhere/shop.db, mount.conf
	is "$(status rowfs mount.conf mnt -f)" 2
	has "$(cat err)" 'nowhere/shop.db'
}

test_a_mountpoint_that_is_not_there_exits_32() {
	is "$(status rowfs mount.conf nowhere -f)" 32
	has "$(cat err)" nowhere
}

test_a_table_that_differs_is_named_and_nothing_is_changed() {
	local before
	sql 'create table items (id integer primary key, name integer)'
	before=$(rows)
	is "$(status rowfs mount.conf mnt -f)" 1
	has "$(cat err)" 'items.*name'
	is "$(rows)" "$before"
	is "$(status rowfs check mount.conf)" 1
	has "$(cat out err)" 'items.*name'
}

test_a_table_that_is_there_is_used() {
	sql "create table items (id integer primary key, name text); insert into items values (5, 'old')"
	mount_rowfs
	is "$(value mnt/items/5.json .name)" old
	saves mnt/items/6.json '{"name": "new"}'
	is "$(sql 'select name from items where id = 6')" new
}

test_a_model_may_have_another_name_than_its_table() {
	sed -i 's/model items/model things from items/' mount.conf
	mount_rowfs
	saves mnt/things/1.json '{"name": "a"}'
	is "$(sql 'select name from items')" a
}

test_help_and_version() {
	local flag
	for flag in -h --help; do
		is "$(status rowfs $flag)" 0
		has "$(cat out)" 'CONF MOUNTPOINT'
		is "$(cat err)" ''
	done
	for flag in -V --version; do
		is "$(status rowfs $flag)" 0
		has "$(cat out)" '^rowfs [0-9]+\.[0-9]+'
	done
}

test_check_sql_prints_what_would_close_the_difference_and_runs_nothing() {
	local before
	sql 'create table items (id integer primary key)'
	before=$(rows)
	is "$(status rowfs check --sql mount.conf)" 0
	has "$(cat out)" '^ALTER TABLE .*items.* ADD .*name'
	is "$(rows)" "$before"
	sqlite3 shop.db <out
	is "$(status rowfs check mount.conf)" 0
}

test_check_takes_sql_behind_the_conf_too() {
	sql 'create table items (id integer primary key)'
	is "$(status rowfs check mount.conf --sql)" 0
	has "$(cat out)" '^ALTER TABLE .*items.* ADD .*name'
}

test_init_without_a_file_is_a_mistake() {
	is "$(status rowfs init sqlite:)" 1
	has "$(cat err)" "'sqlite:' is no database; it is written sqlite:FILE"
}

test_schema_prints_json_schema() {
	is "$(status rowfs schema mount.conf items)" 0
	is "$(value out '.["$schema"], (.properties | keys_unsorted | join(" "))')" \
		$'https://json-schema.org/draft/2020-12/schema\nid name _checksum'
	is "$(status rowfs schema mount.conf)" 0
	value out . >/dev/null
	is "$(status rowfs schema mount.conf nothing)" 1
}

test_a_hidden_model_has_no_directory() {
	printf 'model inner {\n\thidden\n\tfields { id integer key }\n}\n' >>mount.conf
	mount_rowfs
	is "$(ls -A mnt)" items
	is "$(errno stat mnt/inner)" 'stat: ENOENT'
	is "$(sql 'select count(*) from "inner"')" 0
}

# ---- check ----

test_check_is_silent_about_mistakes_when_there_are_none_and_makes_no_database() {
	is "$(status rowfs check mount.conf)" 0
	hasnt "$(cat out err)" error
	test ! -e shop.db
}

test_check_reports_every_mistake_with_its_place_and_a_caret() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id intger key
		name string requird
	}
	colour red
}
END
	is "$(status rowfs check mount.conf)" 1
	cat out err >all
	has "$(cat all)" "^mount.conf:4:6: error: .*intger.*did you mean 'integer'"
	has "$(cat all)" "^mount.conf:5:15: error: .*requird.*did you mean 'required'"
	has "$(cat all)" '^mount.conf:7:2: error: .*colour'
	is "$(grep -c ': error: ' all)" 3
	grep -A 2 '^mount.conf:4:6' all | cmp - <(
		grep '^mount.conf:4:6' all
		printf '\t\tid intger key\n\t\t   ^~~~~~\n'
	)
}

test_check_reports_mistakes_of_syntax_and_of_meaning_together() {
	printf 'store sqlite:shop.db\nmodel items {\n\tfields {\n\t\tid intger key\n\t\tname "unclosed\n\t}\n' >mount.conf
	is "$(status rowfs check mount.conf)" 1
	has "$(cat out err)" '^mount.conf:4:6: error: '
	has "$(cat out err)" '^mount.conf:5:8: error: '
}

test_check_counts_a_mistake_in_a_hook_of_every_model_once() {
	conf <<'END'
store sqlite:shop.db
model a { fields { id integer key } }
model b { fields { id integer key } }
queue log { fields { note string } }
on pre_delete enqueue log note=:key
END
	is "$(status rowfs check mount.conf)" 1
	is "$(grep -c 'error: ' err)" 1
	has "$(cat err)" '^rowfs: mount.conf has 1 mistake$'
}

test_check_tells_where_tables_differ() {
	sql 'create table items (id integer primary key, name integer, gone text)'
	cat >want <<'END'
mount.conf:2:7: error: table items: column gone is not in mount.conf
model items {
      ^~~~~
mount.conf:5:3: error: table items: column name is INTEGER, mount.conf says string
		name string
		^~~~
rowfs: mount.conf has 2 mistakes; `rowfs check --sql` prints the statements that change the tables
END
	is "$(status rowfs check mount.conf)" 1
	cmp err want
	is "$(status rowfs mount.conf mnt -f)" 1
	cmp err want
}

test_check_tells_the_place_of_sql_that_does_not_compile_beside_all_else() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string check "nmae <> ''"
		size integer check "size > (select 1)"
	}
	on pre_save check ":nmae <> ''" "A name is missing"
	on post_save sql "update itms set size = 1"
	on post_save sql "selec 1"
	on pre_sav sql "select 1"
}
END
	is "$(status rowfs check mount.conf)" 1
	is "$(grep -o '^mount.conf.*' err)" "mount.conf:5:21: error: no such column: nmae
mount.conf:6:22: error: subqueries prohibited in CHECK constraints
mount.conf:8:20: error: unknown parameter :nmae
mount.conf:9:19: error: no such table: itms
mount.conf:10:19: error: near \"selec\": syntax error
mount.conf:11:5: error: unknown event 'pre_sav'; did you mean 'pre_save'?"
}

# What a name in SQL stands for is not known then.
test_check_tells_of_sql_what_is_wrong_in_any_case_where_models_have_mistakes() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string
	}
	on pre_save check ":nmae <> ''" "A name is missing"
	on post_save sql "update orders set size = 1"
	on post_save sql "selec 1"
	on post_save sql "commit"
}
model orders {
	fields {
		id integer key
		siez integre
	}
	on pre_save check ":size > 1" "Too small"
}
END
	is "$(status rowfs check mount.conf)" 1
	is "$(grep -o '^mount.conf.*' err)" "mount.conf:7:20: error: unknown parameter :nmae
mount.conf:9:19: error: near \"selec\": syntax error
mount.conf:10:19: error: transaction control is not allowed in a hook
mount.conf:15:8: error: unknown type 'integre'; did you mean 'integer'?"
}

test_check_finds_what_names_nothing() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		owner_id integer references owners
	}
	has-many lines by item_id
	on pre_sav check "1" "x"
	on after_commit enqueue jobs item_id=:id
}
END
	is "$(status rowfs check mount.conf)" 1
	local line
	for line in 5 7 8 9; do has "$(cat out err)" "^mount.conf:$line:[0-9]+: error: "; done
}

test_check_finds_a_kind_that_its_event_does_not_allow() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		qty integer
	}
	on after_commit check ":qty > 1" "too late"
}
END
	is "$(status rowfs check mount.conf)" 1
	has "$(cat out err)" '^mount.conf:7:[0-9]+: error: '
}

test_check_prints_hooks_so_that_they_can_be_written_again() {
	local base='store sqlite:shop.db
		queue jobs { fields { s string; i integer } }
		model items {
			fields { id integer key; name string }'
	conf <<END
$base
	on pre_save run /bin/sh -c "echo \"a\\\\b\" 'c'" { timeout 500ms; as nobody; output 2K }
	on pre_save pipe /bin/cat { timeout 5s }
	on after_commit run /bin/true { timeout 5s }
	on post_save check ":name <> \"id\"" "two\\nlines"
	on post_save enqueue jobs s='a "b' i=:id
}
END
	rowfs check mount.conf >first
	has "$(cat first)" '^items: pre_save .* run /bin/sh -c "echo .\"a..b.\" .c.\" \{ timeout 500ms; as nobody; output 2048; \}$'
	has "$(cat first)" '^items: pre_save .* pipe /bin/cat$'
	has "$(cat first)" '^items: after_commit .* run /bin/true \{ timeout 5000ms \}$'
	has "$(cat first)" ' "two.nlines"$'
	has "$(cat first)" 'enqueue jobs s="a .\"b" i=:id$'
	{
		echo "$base"
		sed 's/^items:/on/' first
		echo '}'
	} >mount.conf
	is "$(rowfs check mount.conf)" "$(cat first)"
}

test_check_prints_the_hooks_in_the_order_they_run() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
	}
	on post_save run hooks/two
	on pre_save run hooks/one
}
on pre_save run hooks/zero
END
	is "$(status rowfs check mount.conf)" 0
	is "$(grep -oE 'hooks/(zero|one|two)' out | tr '\n' ' ')" 'hooks/zero hooks/one hooks/two '
}

test_the_grammar_takes_one_line_semicolons_quotes_and_comments() {
	cat >mount.conf <<'END'
# a comment
store 'sqlite:shop.db'; model items { fields { id integer key; name string default "a # b
c" } }   # another
END
	mount_rowfs
	echo '{}' >mnt/items/.new
	is "$(value mnt/items/1.json .name)" $'a # b\nc'
}

test_paths_are_relative_to_mount_conf() {
	mkdir sub
	mv mount.conf sub
	mount_rowfs sub/mount.conf
	saves mnt/items/1.json '{"name": "a"}'
	test -e sub/shop.db
}

test_a_model_that_embeds_what_is_not_there_is_a_mistake() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string
	}
	embeds-many items by id
}
END
	is "$(status rowfs check mount.conf)" 1
	has "$(cat out err)" '^mount.conf:7:[0-9]+: error: '
}

# ---- mount(8) ----

root_only() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

test_mount_t_fuse_rowfs() {
	root_only
	command -v mount.fuse.rowfs mount.fuse3 >/dev/null || skip "no mount.fuse3"
	# mount(8) looks in the usual places only: in a namespace of its own, /usr/local/bin is the build.
	cat >session <<'END'
set -e
mount --bind "$BUILD" /usr/local/bin
mount -t fuse.rowfs "$PWD/mount.conf" "$PWD/mnt" -o nosuid
findmnt -n -o FSTYPE,SOURCE "$PWD/mnt"
echo '{"name": "a"}' > mnt/items/1.json
umount mnt
END
	is "$(BUILD=$BUILD timeout 30 "$top/tests/namespace" sh session | tr -s ' ')" "fuse.rowfs $PWD/mount.conf"
	eventually sql "select 1 / (name = 'a') from items"
}

test_mount_8_options_are_taken() {
	root_only
	is "$(status timeout 20 rowfs mount.conf "$PWD/mnt" -o rw,nosuid,nodev,noatime,allow_other,_netdev,noauto,nofail,user)" 0
	chmod 755 .
	is "$(setpriv --reuid 65534 --regid 65534 --clear-groups ls mnt)" items
	stop_daemon
}

test_a_user_without_root_can_mount() {
	root_only
	[ "$(stat -c %a /dev/fuse)" = 666 ] || skip "/dev/fuse is for root only"
	chmod 777 . mnt
	chown 65534:65534 . mnt
	is "$(status as 65534 timeout 20 env PATH="$PATH" rowfs "$PWD/mount.conf" "$PWD/mnt")" 0
	as 65534 sh -c 'echo "{\"name\": \"a\"}" > mnt/items/1.json'
	is "$(as 65534 cat mnt/items/1.json | jq -r .name)" a
	is "$(as 65534 stat -c %u mnt/items/1.json)" 65534
	as 65534 fusermount3 -u mnt
	eventually sql "select 1 / (name = 'a') from items"
}

test_a_read_only_mount_is_erofs_and_makes_no_table() {
	sql "create table items (id integer primary key, name text); insert into items values (1, 'a')"
	local before
	before=$(rows)
	mount_rowfs mount.conf -o ro
	is "$(value mnt/items/1.json .name)" a
	has "$(errno open mnt/items/1.json wt)" 'EROFS'
	has "$(errno open mnt/items/2.json wct)" 'EROFS'
	is "$(errno unlink mnt/items/1.json)" 'unlink: EROFS'
	is "$(errno rename mnt/items/1.json mnt/items/2.json)" 'rename: EROFS'
	has "$(errno open mnt/items/tmp wct)" 'EROFS'
	unmount
	is "$(rows)" "$before"
}

test_a_read_only_mount_runs_no_jobs() {
	conf <<'END'
store sqlite:shop.db
queue jobs {
	fields {
		note string
	}
	run hooks/work
}
END
	program hooks/work <<'END'
#!/bin/sh
touch ran
END
	mount_rowfs
	unmount
	sql "insert into jobs (note, status, attempts, max_attempts, priority, run_at, created_at)
		values ('a', 'queued', 0, 1, 0, '2020-01-01T00:00:00Z', '2020-01-01T00:00:00Z')"
	mount_rowfs mount.conf -o ro
	is "$(value mnt/jobs/1.json .status)" queued
	unmount
	test ! -e ran
}

run "$@"
