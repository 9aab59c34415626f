#!/bin/bash
# What a program of a hook or a queue gets and may use, and what names and values can't do to it.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	mkdir -p hooks data
}

# one_hook BLOCK: items with a pre_save program hooks/it that has the block.
one_hook() {
	conf <<END
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string
	}
	on pre_save run hooks/it $1
}
END
	program hooks/it
	mount_rowfs
}

refused() { # REGEX
	is "$(save mnt/items/1.json '{"name": "a"}')" "write: ${2:-ECANCELED}, close: ${2:-ECANCELED}"
	has "$(last_error)" "$1"
}

test_a_program_has_three_descriptors_and_no_core() {
	one_hook '' <<'END'
#!/bin/bash
cd /proc/self/fd && echo * >"$OLDPWD/fds"
cd "$OLDPWD" && ulimit -c >core
END
	exec 7<mount.conf 8<mnt/items
	saves mnt/items/1.json '{"name": "a"}'
	exec 7<&- 8<&-
	is "$(cat core)" 0
	hasnt "$(sed 's/255//' fds)" '[4-9]'
}

test_bounds_have_defaults() {
	one_hook '' <<'END'
#!/bin/bash
for each in t d n u; do ulimit -$each; done >bounds
grep NoNewPrivs /proc/self/status >>bounds
END
	saves mnt/items/1.json '{"name": "a"}'
	case $BUILD in */asan | */tsan) sed -i s/unlimited/4194304/ bounds ;; esac
	is "$(cat bounds)" $'3600\n4194304\n1024\n4096\nNoNewPrivs:\t1'
}

test_bounds_are_what_the_block_says() {
	one_hook '{ cpu 2s; memory 512M; files 32; processes 300; new-privileges }' <<'END'
#!/bin/bash
for each in t d n u; do ulimit -$each; done >bounds
grep NoNewPrivs /proc/self/status >>bounds
END
	saves mnt/items/1.json '{"name": "a"}'
	is "$(cat bounds)" $'2\n524288\n32\n300\nNoNewPrivs:\t0'
	has "$(rowfs check mount.conf)" 'hooks/it \{ cpu 2000ms; memory 536870912; files 32; processes 300; new-privileges; \}'
}

test_the_daemons_own_limits_are_not_raised() {
	ulimit -n 500
	one_hook '{ files 4000 }' <<'END'
#!/bin/bash
ulimit -n >bounds
END
	saves mnt/items/1.json '{"name": "a"}'
	is "$(cat bounds)" 500
}

test_a_program_that_uses_too_much_time_is_ended() {
	one_hook '{ cpu 1s; timeout 50s }' <<'END'
#!/bin/sh
while :; do :; done
END
	refused 'hooks/it was ended by signal 24 \(CPU time limit exceeded\)'
}

test_a_program_that_uses_too_much_memory_fails() {
	one_hook '{ memory 32M; timeout 50s }' <<'END'
#!/bin/sh
head -c 200M /dev/zero | tail
END
	refused 'memory'
}

test_a_program_that_opens_too_much_fails() {
	one_hook '{ files 8 }' <<'END'
#!/bin/bash
[ "$new_name" = few ] && exec 4</dev/null 5</dev/null 6</dev/null && exit
exec 4</dev/null 5</dev/null 6</dev/null 7</dev/null 8</dev/null 9</dev/null
END
	saves mnt/items/2.json '{"name": "few"}'
	allow_log 'cannot duplicate fd'
	refused 'Bad file descriptor|Too many open files'
}

test_output_is_bounded() {
	one_hook '{ output 100 }' <<'END'
#!/bin/sh
head -c 101 /dev/zero
END
	refused 'hooks/it wrote more than 100 bytes to its standard output'
}

test_mistakes_in_bounds_are_told() {
	while IFS='|' read -r block told; do
		conf <<END
store sqlite:shop.db
model items {
	fields { id integer key }
	on pre_save run true { $block }
}
END
		has "$(rowfs check mount.conf 2>&1 || true)" "$told"
	done <<-'END'
		cpu 1|'cpu' is a time from 1s to 30d
		memory 10|'memory' is a size from 1M
		memory 9999999999G|'memory' is a size
		files many|'files' is a number from 8
		processes 0|'processes' is a number from 1
		output 2G|'output' is a size
		new-privileges yes|nothing stands behind 'new-privileges'
		memry 5M|did you mean 'memory'
		confine nowhere|nowhere: No such file or directory
	END
	sed -i 's/run true.*/sql "SELECT 1" { cpu 5s }/' mount.conf
	has "$(rowfs check mount.conf 2>&1 || true)" 'only a program has bounds'
}


# The kernel says through check whether it can.
needs_landlock() {
	printf 'store sqlite:x.db\nmodel m {\nfields { id integer key }\non pre_save run true { confine }\n}\n' >can.conf
	rowfs check can.conf >/dev/null 2>&1 || skip "this kernel has no Landlock"
}

test_a_confined_program_writes_beneath_its_paths_alone() {
	needs_landlock
	echo keep >outside
	ln -s ../outside data/link
	one_hook '{ confine data }' <<'END'
#!/bin/bash
try() { if "$@" 2>/dev/null; then echo "$*: yes"; else echo "$*: no"; fi; }
{
	try touch data/new
	try cp outside data/copy
	try mkdir data/sub
	try mv data/new data/sub/moved
	try rm data/copy
	try touch new
	try bash -c 'echo x >outside'
	try bash -c ': >outside'
	try truncate -s 0 outside
	try bash -c 'echo x >data/link'
	try mv data/sub/moved .
	try ln data/sub/moved stolen
	try rm outside
	try mkdir here
	try ln -s x y
	try bash -c 'echo x >/dev/null'
	try bash -c 'echo x >/tmp/rowfs-confined'
	try cat outside
} >data/said
END
	saves mnt/items/1.json '{"name": "a"}'
	is "$(cat outside)" keep
	is "$(grep -c ': yes$' data/said)" 7
	has "$(cat data/said)" 'mv data/new data/sub/moved: yes'
	has "$(cat data/said)" '^keep$'
	has "$(cat data/said)" '/dev/null: yes'
	is "$(grep -c ': no$' data/said)" 11
	[ ! -e /tmp/rowfs-confined ]
}

test_confine_without_paths_lets_a_program_write_nowhere() {
	needs_landlock
	one_hook '{ confine }' <<'END'
#!/bin/sh
: >data/new
END
	refused 'data/new'
	[ ! -e data/new ]
}

test_a_path_that_has_gone_refuses_the_save() {
	needs_landlock
	one_hook '{ confine data }' <<'END'
#!/bin/sh
END
	rmdir data
	refused 'confine .*/data: No such file or directory'
}

test_a_confined_hook_keeps_its_hands_off_the_database() {
	needs_landlock
	one_hook '{ confine data }' <<'END'
#!/bin/sh
sqlite3 shop.db "delete from items" 2>data/said
true
END
	saves mnt/items/1.json '{"name": "a"}'
	saves mnt/items/2.json '{"name": "b"}'
	is "$(sql 'select count(*) from items')" 2
	has "$(cat data/said)" 'readonly|unable|denied|locked'
}

test_a_queues_program_has_a_user_and_bounds() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	chmod 777 . data
	chmod 755 hooks
	conf <<'END'
store sqlite:shop.db
queue jobs {
	run hooks/it
	as nobody
	files 64
	cpu 30s
}
END
	program hooks/it <<'END'
#!/bin/bash
echo "[\"$(id -un)\", \"$HOME\", $(ulimit -n), $(ulimit -t), $(grep NoNewPrivs /proc/self/status | tr -dc 0-9)]"
END
	mount_rowfs
	saves mnt/jobs/1.json '{}'
	eventually job_is mnt/jobs/1.json 'done'
	is "$(value mnt/jobs/1.json .result)" "[\"nobody\",\"$(getent passwd nobody | cut -d: -f6)\",64,30,1]"
}

test_a_queue_without_a_program_has_nothing_to_bound() {
	conf <<'END'
store sqlite:shop.db
queue jobs {
	cpu 30s
}
END
	has "$(rowfs check mount.conf 2>&1 || true)" "'cpu' needs 'run'"
}

# ---- names and values are data ----

hostile=('$(touch pwned)' '`touch pwned`' ';touch pwned' '| touch pwned' "'; DROP TABLE things; --" '" OR 1=1 --'
	'../../pwned' '-rf' '--help' '*' '~' '%s%n' '$HOME' $'a\nb' $'\e[2J' '() { :; }; touch pwned' 'ROWFS_UID=0' 'a=b' '/etc/passwd')

hostile_conf() {
	conf <<'END'
store sqlite:shop.db
model things from "odd; DROP TABLE x --" {
	fields {
		name string key
		text string unique
		LD_PRELOAD string
	}
	on pre_save run hooks/it "$(touch pwned)"
	on post_save sql "UPDATE seen SET n = n + (:key = :new_name) WHERE id = 1"
}
model seen {
	fields { id integer key; n integer }
}
END
	program hooks/it <<'END'
#!/bin/sh
set -u
printf '%s\0' "$#" "$1" "$ROWFS_KEY" "$new_text" >>said
cat >>events
END
	mount_rowfs
	saves mnt/seen/1.json '{"n": 0}'
}

percent() { # how a key stands in a name
	local name=$1
	name=${name//%/%25}
	name=${name//\//%2F}
	name=${name//$'\n'/%0A}
	name=${name//$'\e'/%1B}
	case $name in .*) name=%2E${name#.} ;; esac
	printf %s "$name"
}

test_hostile_keys_and_values_are_text_everywhere() {
	hostile_conf
	local each n=0
	for each in "${hostile[@]}"; do
		saves "mnt/things/$(percent "$each").json" "$(jq -n --arg v "$each" '{text: $v, LD_PRELOAD: $v}')"
		is "$(jq -r .name "mnt/things/$(percent "$each").json")" "$each"
		n=$((n + 1))
	done
	is "$(sql 'select n from seen')" "$n"
	is "$(sql 'select count(*) from "odd; DROP TABLE x --"')" "$n"
	is "$(tr -dc '\0' <said | wc -c)" $((4 * n))
	is "$(head -c 17 said | tr '\0' '|')" '1|$(touch pwned)|'
	[ -z "$(find . /tmp -maxdepth 2 -name pwned 2>/dev/null)" ]
	for each in "${hostile[@]}"; do
		rm -- "mnt/things/$(percent "$each").json"
	done
	is "$(ls mnt/things)" ''
}

test_hostile_scratch_names_are_names() {
	hostile_conf
	local each
	for each in "${hostile[@]}"; do
		case $each in */*) continue ;; esac
		echo '{"text": "x"}' >"mnt/things/$each"
		mv -T -- "mnt/things/$each" mnt/things/one.json
	done
	is "$(value mnt/things/one.json .text)" x
	[ -z "$(find . -maxdepth 2 -name pwned 2>/dev/null)" ]
}

run "$@"
