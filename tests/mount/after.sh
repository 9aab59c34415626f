#!/bin/bash
# Programs of after_commit: at least once, in order, again after a failure and after a crash; what waits can be seen and dropped.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# with HOOKS [HOOKS-OF-OTHERS]: mounts items and others.
with() {
	write_conf "$@"
	mount_rowfs
}

write_conf() {
	conf <<END
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string
		secret string write-only
	}
	$1
}
model others {
	fields {
		id integer key
		name string
	}
	${2:-}
}
END
}

# hooks/log appends the key to the file log; hooks/try fails until there is a file `go`, hooks/wait waits for it.
setup() {
	allow_log 'after_commit|hooks/'
	program hooks/log <<'END'
#!/bin/sh
cat > last.json
echo "$ROWFS_KEY" >> log
END
	program hooks/try <<'END'
#!/bin/sh
cat > last.json
env > last.env
echo "$ROWFS_KEY" >> tried
[ -e go ] && exit 0
echo "The mail server is away" >&2
exit "${1:-1}"
END
	program hooks/wait <<'END'
#!/bin/sh
echo "$ROWFS_KEY" >> waits
until [ -e go ]; do sleep 0.02; done
echo "$ROWFS_KEY" >> log
END
}

waiting() { [ "$(ls mnt/.after | wc -l)" = "$1" ]; }
lines() { [ "$(cat "$1" 2>/dev/null | wc -l)" -ge "$2" ]; }

test_what_succeeded_is_gone() {
	with 'on after_commit run hooks/log'
	saves mnt/items/1.json '{"name": "a"}'
	eventually lines log 1
	eventually waiting 0
	has "$(cat mnt/.info/status)" '^after_commit: 0 programs wait$'
	is "$(sql 'select count(*) from rowfs_after')" 0
}

test_programs_run_in_the_order_of_the_commits() {
	local i
	with 'on after_commit run hooks/log'
	for i in {1..20}; do saves "mnt/items/$i.json" '{"name": "a"}'; done
	eventually lines log 20
	is "$(cat log)" "$(seq 20)"
}

test_a_failure_is_told_tried_again_and_then_gone() {
	with 'on after_commit run hooks/try'
	saves mnt/items/1.json '{"name": "a", "secret": "s3cret"}'
	eventually grep -q 'The mail server is away' mnt/.errors
	is "$(last_error '[.path, .message]')" '["items/1.json","after_commit run hooks/try: The mail server is away"]'
	touch go
	eventually waiting 0
	lines tried 2 || fail "was not tried again"
	is "$(value last.json '[.event, .verb, .key, .new.name, .old]')" '["after_commit","create",1,"a",null]'
	has "$(cat last.env)" '^new_name=a$'
	has "$(cat last.env)" "^ROWFS_MOUNT=$PWD/mnt\$"
	hasnt "$(cat last.env last.json)" s3cret
}

test_the_environment_is_that_of_the_save() {
	program hooks/env <<'END'
#!/bin/sh
env | grep -v '^ROWFS_EVENT=' | sort > "env.$1.tmp"
sed 's/"event":"[a-z_]*"/"event":""/; s/"txn":"[^"]*",//' > "input.$1"
mv "env.$1.tmp" "env.$1"
END
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		word string key
		i integer; n number; s string; b boolean; d date; t time; at datetime; u uuid; j json
		empty string; long string; inner string hidden default in; secret string write-only
	}
	on before_commit run hooks/env before
	on after_commit run hooks/env after
}
END
	mount_rowfs
	local long
	long=$(printf '%5000s' x)
	saves 'mnt/items/a%2Fb.json' '{"i": 9007199254740993, "n": 3, "s": "a\nb \u00e9 \"", "b": true, "d": "2026-02-28",
		"t": "10:11:12.5", "at": "2026-02-28T10:11:12.5+01:00", "u": "0190163d-8694-739b-aea5-966c26f8ad91",
		"j": {"a": [1, 0.1]}, "empty": "", "long": "'"$long"'", "secret": "s3cret"}'
	eventually test -e env.after
	is "$(cat env.after)" "$(grep -v ^ROWFS_TXN= env.before)"
	has "$(cat env.after)" '^new_i=9007199254740993$'
	is "$(cat input.after)" "$(cat input.before)"
	rm env.after
	echo '{"n": 1e-7, "b": null, "s": null, "j": "text"}' >>'mnt/items/a%2Fb.json'
	eventually test -e env.after
	is "$(cat env.after)" "$(grep -v ^ROWFS_TXN= env.before)"
	is "$(cat input.after)" "$(cat input.before)"
	rm env.after
	rm 'mnt/items/a%2Fb.json'
	eventually test -e env.after
	is "$(cat env.after)" "$(grep -v ^ROWFS_TXN= env.before)"
}

test_a_failure_holds_up_no_other() {
	with 'on after_commit run hooks/try
	on after_commit run hooks/log'
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/items/2.json '{"name": "a"}'
	eventually lines log 2
	is "$(cat log)" $'1\n2'
}

test_a_program_that_hangs_holds_up_no_other_model() {
	with 'on after_commit run hooks/wait' 'on after_commit run hooks/log'
	saves mnt/items/1.json '{"name": "a"}'
	eventually test -e waits
	saves mnt/items/2.json '{"name": "a"}'
	saves mnt/others/7.json '{"name": "a"}'
	eventually lines log 1
	is "$(cat log waits)" $'7\n1'
	touch go
	eventually lines log 3
	is "$(cat log)" $'7\n1\n2'
}

test_status_75_is_tried_again_and_no_failure() {
	with 'on after_commit run hooks/try 75'
	saves mnt/items/1.json '{"name": "a"}'
	eventually lines tried 1
	eventually grep -q '"attempts": [1-9]' mnt/.after/1.json
	is "$(value mnt/.after/1.json '[.failed, .message]')" '[null,null]'
	hasnt "$(cat mnt/.info/status)" 'last failure'
	touch go
	eventually waiting 0
	is "$(cat mnt/.errors)" ''
}

test_status_tells_how_many_wait_since_when_and_the_last_failure() {
	with 'on after_commit run hooks/try'
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/items/2.json '{"name": "a"}'
	eventually lines tried 2
	eventually grep -q 'items/2.json.*The mail server' mnt/.info/status
	has "$(cat mnt/.info/status)" "^after_commit: 2 programs wait, since $(date +%Y)-[-0-9T:.]+Z\$"
	has "$(cat mnt/.info/status)" '^after_commit: last failure .*: items/2.json: .*hooks/try.*: The mail server is away; attempt [0-9]+, next '
}

test_what_waits_can_be_read_and_removed() {
	with 'on after_commit run hooks/try "x y"'
	saves mnt/items/1.json '{"name": "a"}'
	eventually grep -q mail mnt/.errors
	eventually [ "$(value mnt/.after/1.json .attempts)" != 0 ]
	is "$(value mnt/.after/1.json '[.id, .path, .run, .held, .message, .event.new.name]')" \
		'[1,"items/1.json",["hooks/try","x y"],false,"The mail server is away","a"]'
	is "$(stat -c '%a %s' mnt/.after/1.json)" "600 $(wc -c <mnt/.after/1.json)"
	is "$(stat -c %a mnt/.after)" 700
	hasnt "$(ls -A mnt)" after
	has "$(errno open mnt/.after/1.json wt)" EACCES
	has "$(errno open mnt/.after/9.json wct)" EPERM
	has "$(errno rename mnt/.after/1.json mnt/items/9.json)" EPERM
	fails cat mnt/.after/01.json
	rm mnt/.after/1.json
	waiting 0 || fail "it is there"
	fails rm mnt/.after/1.json
}

test_others_may_not_look() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	write_conf 'mode 0666; dir-mode 0777; on after_commit run hooks/try'
	mount_rowfs mount.conf -o allow_other
	chmod 755 .
	saves mnt/items/1.json '{"name": "a"}'
	eventually grep -q mail mnt/.errors
	fails setpriv --reuid 65534 --regid 65534 --clear-groups ls mnt/.after
	fails setpriv --reuid 65534 --regid 65534 --clear-groups cat mnt/.after/1.json
	fails setpriv --reuid 65534 --regid 65534 --clear-groups rm -f mnt/.after/1.json
	hasnt "$(setpriv --reuid 65534 --regid 65534 --clear-groups cat mnt/.info/status)" mail
}

test_what_failed_runs_again_with_the_next_mount() {
	with 'on after_commit run hooks/try'
	saves mnt/items/1.json '{"name": "a"}'
	eventually grep -q mail mnt/.errors
	unmount
	touch go
	mount_rowfs
	eventually waiting 0
	is "$(value last.json '[.key, .new.name]')" '[1,"a"]'
}

test_what_ran_when_the_daemon_was_killed_runs_again() {
	with 'on after_commit run hooks/wait'
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/items/2.json '{"name": "a"}'
	eventually test -e waits
	crash
	is "$(sql 'select count(*) from rowfs_after')" 2
	mount_rowfs
	eventually lines waits 2
	touch go
	eventually waiting 0
	is "$(cat waits)" $'1\n1\n2'
}

test_no_save_that_was_acknowledged_is_forgotten_by_a_crash() {
	local round
	with 'on after_commit create run hooks/log'
	for round in 1 2 3; do
		write_until_it_fails $((round * 1000)) &
		eventually lines log $((round * 20))
		crash
		wait $!
		mount_rowfs
	done
	PATIENCE=40 eventually waiting 0
	is "$(sort -u saved | comm -23 - <(sort -u log))" ''
	is "$(cat saved log | sort -u | wc -l)" "$(sql 'select count(*) from items')"
}
# A program between two saves, as one runs behind each: who writes without it is a thousand programs ahead at the crash.
write_until_it_fails() {
	local i
	trap - ERR EXIT
	set +e
	for ((i = $1; i < $1 + 999; i++)); do
		{ echo '{"name": "a"}' >"mnt/items/$i.json"; } 2>/dev/null || return 0
		echo "$i" >>saved
		sleep 0.01
	done
	return 0
}

test_a_save_that_is_refused_records_nothing() {
	with 'on after_commit run hooks/log
	on before_commit check ":name <> '\''bad'\''" "No bad names"'
	refuses ECANCELED mnt/items/1.json '{"name": "bad"}'
	saves mnt/items/2.json '{"name": "good"}'
	eventually lines log 1
	is "$(cat log)" 2
}

test_a_hook_that_mount_conf_lost_is_reported_and_kept_until_it_is_back() {
	with 'on after_commit run hooks/try'
	saves mnt/items/1.json '{"name": "a"}'
	eventually grep -q mail mnt/.errors
	unmount
	: >tried
	touch go
	write_conf ''
	mount_rowfs
	has "$(last_error)" 'hooks/try.*mount.conf has no such hook of items any more'
	is "$(last_error .path)" items/1.json
	is "$(value mnt/.after/1.json .held)" true
	has "$(cat mnt/.info/status)" '1 of hooks that mount.conf does not have'
	unmount
	is "$(cat tried)" ''
	with 'on after_commit run hooks/try'
	eventually waiting 0
	is "$(cat tried)" 1
}

test_a_hook_that_mount_conf_lost_can_be_dropped() {
	with 'on after_commit run hooks/try'
	saves mnt/items/1.json '{"name": "a"}'
	eventually grep -q mail mnt/.errors
	unmount
	write_conf ''
	mount_rowfs
	rm mnt/.after/*.json
	remount
	is "$(cat mnt/.errors)" ''
}

test_a_read_only_mount_leaves_it_alone() {
	with 'on after_commit run hooks/try'
	saves mnt/items/1.json '{"name": "a"}'
	eventually grep -q mail mnt/.errors
	unmount
	touch go
	: >tried
	mount_rowfs mount.conf -o ro
	is "$(ls mnt/.after)" 1.json
	has "$(errno unlink mnt/.after/1.json)" EROFS
	unmount
	is "$(cat tried)" ''
}

test_without_such_hooks_there_is_no_table() {
	with ''
	saves mnt/items/1.json '{"name": "a"}'
	is "$(ls mnt/.after)" ''
	hasnt "$(cat mnt/.info/status)" after_commit
	hasnt "$(rows)" rowfs_after
}

run "$@"
