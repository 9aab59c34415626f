#!/bin/bash
# What belongs to others and is not visible, in all that shows, counts or changes records together: composite documents,
# transactions, history, events, exports, logs. Real users, without accounts.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	program hooks/tell <<'END'
#!/bin/sh
echo "told for $ROWFS_KEY" >&2
END
	conf <<'END'
store sqlite:shop.db
model boards {
	fields {
		id integer key
		name string
	}
	mode 0666
	dir-mode 0777
	has-many pins by board_id
	has-one cards by board_id
	checksum with cards
	answer create with jobs id uid
	on after_commit create enqueue jobs uid=1001
}
model pins {
	fields {
		id integer key
		board_id integer references boards
		uid integer default uid
		text string
		code string unique
	}
	owner uid
	visible owner
	history 10
	checksum in-file
}
model cards {
	fields {
		id integer key
		board_id integer references boards
		uid integer default uid
		text string
	}
	owner uid
	visible owner
}
model notes {
	fields {
		id integer key
		pin_id integer references pins
		uid integer default uid
	}
	owner uid
	embeds-many lines by note_id
}
model lines {
	fields {
		id integer key
		note_id integer references notes
		what string
	}
	history 10
}
queue jobs {
	fields {
		uid integer
	}
	owner uid
	visible owner
	run hooks/tell
}
END
	chmod 755 .
	mount_rowfs mount.conf -o allow_other
	saves mnt/boards/1.json '{"name": "a"}'
	saves mnt/boards/2.json '{"name": "b"}'
	saves mnt/pins/7.json '{"board_id": 1, "uid": 1001, "text": "SECRET", "code": "q"}'
	saves mnt/cards/7.json '{"board_id": 1, "uid": 1001, "text": "SECRET"}'
	saves mnt/pins/8.json '{"board_id": 2, "uid": 1002, "text": "own"}'
}

# composite UID REQUEST...: what reading the answer gives.
composite() {
	local uid=$1 requests
	shift
	requests=$(printf '%s,' "$@")
	# shellcheck disable=SC2016
	as "$uid" sh -c 'exec 3<>mnt/.txn/.run; echo "$1" >&3; cat <&3; exec 3>&-' - "{\"requests\": [${requests%,}]}" 2>/dev/null || true
}

put() { echo "{\"method\": \"put\", \"path\": \"$1\", \"body\": $2}"; }
post() { echo "{\"method\": \"post\", \"path\": \"$1\", \"body\": $2}"; }
patch() { echo "{\"method\": \"patch\", \"path\": \"$1\", \"body\": $2}"; }
delete() { echo "{\"method\": \"delete\", \"path\": \"$1\"}"; }
harmless() { patch boards/2.json "{\"name\": \"$RANDOM\"}"; }

# The keys that were reserved, and jobs, come and go.
records() { sql 'select * from boards; select * from pins; select * from cards; select * from notes; select * from lines'; }

# failed UID ERRNO REQUEST: refused with it, alone and beside another request, in which nothing of others is named.
failed() {
	local uid=$1 errno=$2 before after
	before=$(records)
	for after in '' "$(harmless)"; do
		composite "$uid" "$3" ${after:+"$after"} >answer
		is "$(jq -r '.[0] | .status + " " + .error.errno' answer)" "failed $errno" "line ${BASH_LINENO[0]}: $3"
		hasnt "$(jq -r '.[0].error.message' answer)" 'by pins/7|SECRET'
	done
	is "$(records)" "$before" "line ${BASH_LINENO[0]}: records"
}

# ---- composite documents ----

test_answers_of_a_composite_are_what_its_user_sees() {
	composite 1002 "$(patch boards/1.json '{"name": "c"}')" "$(post boards '{"name": "n"}')" >answer
	is "$(jq -c '.[0].answer' answer)" '{"id":1,"name":"c","pins":[],"cards":null}'
	is "$(jq -c '.[1] | [.status, .answer]' answer)" '["created",null]'
	composite 1001 "$(patch boards/1.json '{"name": "d"}')" "$(harmless)" >answer
	is "$(jq -r '.[0].answer.pins[0].text' answer)" SECRET
}

test_answers_of_a_refused_composite_are_what_its_user_sees() {
	composite 1002 "$(patch boards/1.json '{"name": "c"}')" "$(patch boards/77.json '{"name": "d"}')" >answer
	is "$(jq -r '.[1].status' answer)" failed
	hasnt "$(cat answer)" SECRET
}

test_a_composite_does_to_others_records_what_single_saves_do() {
	failed 1002 ENOENT "$(patch pins/7.json '{"text": "x"}')"
	failed 1002 EACCES "$(put pins/7.json '{"text": "x"}')"
	failed 1002 EEXIST "$(post pins/7.json '{"text": "x"}')"
	failed 1002 EACCES "$(post pins '{"uid": 1001}')"
	failed 1002 EACCES "$(patch pins/8.json '{"uid": 1001}')"
	failed 1002 EEXIST "$(post pins '{"code": "q"}')"
	failed 1002 ENOENT "$(delete pins/7.json)"
	is "$(value mnt/pins/7.json .text)" SECRET
}

test_a_reference_to_a_hidden_record_leads_nowhere_in_a_composite_too() {
	composite 1002 "$(post notes '{"pin_id": 7}')" >answer
	has "$(jq -r '.[0].error.message' answer)" 'pins has no record 7'
	composite 1002 "$(post notes '{"pin_id": 7}')" "$(harmless)" >answer
	has "$(jq -r '.[0].error.message' answer)" 'pins has no record 7'
	is "$(ls mnt/notes)" ''
	composite 1002 "$(post notes '{"pin_id": 8}')" "$(harmless)" >answer
	is "$(jq -r '.[0].status' answer)" created
}

test_a_delete_that_hidden_records_hold_up_names_none_of_them() {
	failed 1002 EBUSY "$(delete boards/1.json)"
	composite 1002 "$(delete boards/1.json)" "$(harmless)" >answer
	is "$(jq -r '.[0].error.message' answer)" "boards/1.json can't be deleted: 1 of pins refer to it by board_id"
	composite 0 "$(delete boards/1.json)" "$(harmless)" >answer
	is "$(jq -r '.[0].error.message' answer)" 'boards/1.json is referred to by pins/7.json'
}

test_an_embedded_record_of_another_is_not_taken_in_a_composite() {
	saves mnt/notes/1.json '{"uid": 1001, "lines": [{"what": "a"}]}'
	saves mnt/notes/2.json '{"uid": 1002}'
	failed 1002 EACCES "$(post lines '{"note_id": 1, "what": "b"}')"
	failed 1002 EACCES "$(patch lines/1.json '{"what": "b"}')"
	failed 1002 EBADMSG "$(put notes/2.json '{"lines": [{"id": 1, "what": "b"}]}')"
	composite 1002 "$(patch notes/2.json '{"lines": [{"what": "c"}]}')" "$(harmless)" >answer
	is "$(jq -r '.[0].status' answer)" patched
	is "$(stat -c %u mnt/lines/*)" $'1001\n1002'
}

# ---- transactions ----

commit() { by "$1" open "mnt/.txn/$2/ctl" w : write commit; }

test_a_transaction_shows_its_user_what_is_his() {
	as 1002 mkdir mnt/.txn/t
	is "$(as 1002 ls mnt/.txn/t/pins)" 8.json
	is "$(as 1002 cat mnt/.txn/t/pins/.info/count)" 1
	is "$(as 1002 jq -c '[.pins, .cards]' mnt/.txn/t/boards/1.json)" '[[],null]'
	is "$(by 1002 open mnt/.txn/t/pins/7.json r)" 'open: ENOENT'
	is "$(by 1002 unlink mnt/.txn/t/pins/7.json)" 'unlink: ENOENT'
	is "$(by 1002 rename mnt/.txn/t/pins/7.json mnt/.txn/t/pins/9.json)" 'rename: ENOENT'
	is "$(by 1002 rename mnt/.txn/t/pins/8.json mnt/.txn/t/pins/7.json)" 'rename: EACCES'
	is "$(by 1002 open mnt/.txn/t/pins/7.json wct : write '{}')" 'write: EACCES'
	is "$(by 1002 open mnt/.txn/t/pins/9.json wct : write '{"uid": 1001}')" 'write: EACCES'
	saves mnt/pins/20.json '{"uid": 1001}'
	is "$(as 1002 ls mnt/.txn/t/pins)" 8.json
}

test_a_transaction_of_who_sees_all_shows_all() {
	mkdir mnt/.txn/t
	is "$(ls mnt/.txn/t/pins)" $'7.json\n8.json'
	is "$(jq -r '.pins[0].text' mnt/.txn/t/boards/1.json)" SECRET
}

test_the_answers_of_a_transaction_are_what_its_user_sees() {
	as 1002 mkdir mnt/.txn/t
	is "$(by 1002 open mnt/.txn/t/boards/1.json wt : write '{"name": "d"}')" ok
	is "$(by 1002 open mnt/.txn/t/boards/5.json wct : write '{"name": "e"}')" ok
	is "$(commit 1002 t)" ok
	is "$(as 1002 jq -c '[.[] | .status, .answer]' mnt/.txn/t/answer.json)" \
		'["replaced",{"id":1,"name":"d","pins":[],"cards":null},"created",null]'
}

# What is hidden from its user counts for no version.
test_a_transaction_is_not_refused_for_children_that_its_user_does_not_see() {
	as 1002 mkdir mnt/.txn/t
	is "$(by 1002 open mnt/.txn/t/boards/1.json wt : write '{"name": "d"}')" ok
	is "$(by 1002 open mnt/.txn/t/boards/2.json wt : write '{"name": "d"}')" ok
	saves mnt/cards/7.json '{"board_id": 1, "uid": 1001, "text": "CHANGED"}'
	is "$(commit 1002 t)" ok
	as 1002 mkdir mnt/.txn/u
	is "$(by 1002 open mnt/.txn/u/boards/1.json wt : write '{"name": "e"}')" ok
	is "$(commit 1002 u)" ok
}

test_a_transaction_with_a_reference_to_a_hidden_record_is_refused() {
	as 1002 mkdir mnt/.txn/t
	is "$(by 1002 open mnt/.txn/t/notes/50.json wct : write '{"pin_id": 7}')" ok
	is "$(by 1002 open mnt/.txn/t/notes/51.json wct : write '{"pin_id": 8}')" ok
	is "$(commit 1002 t)" 'write: EBADMSG'
	is "$(ls mnt/notes)" ''
}

test_what_was_given_away_meanwhile_is_as_removed_for_the_commit() {
	as 1002 mkdir mnt/.txn/t
	is "$(by 1002 open mnt/.txn/t/pins/8.json wa : write '{"text": "x"}')" ok
	is "$(by 1002 open mnt/.txn/t/boards/2.json wa : write '{"name": "x"}')" ok
	saves mnt/pins/8.json '{"board_id": 2, "uid": 1001, "text": "his now"}'
	is "$(commit 1002 t)" 'write: EBUSY'
	hasnt "$(as 1002 tail -n 1 mnt/.errors)" 'his now|current'
	hasnt "$(as 1002 cat mnt/.txn/t/answer.json)" 'his now|current'
	is "$(value mnt/pins/8.json '[.uid, .text]')" '[1001,"his now"]'
	is "$(value mnt/boards/2.json .name)" b
}

test_a_transaction_of_another_is_enoent() {
	local step
	as 1001 mkdir mnt/.txn/t
	is "$(by 1001 open mnt/.txn/t/pins/20.json wct : write '{"text": "staged"}')" ok
	for step in 'open mnt/.txn/t/pins/20.json r' 'open mnt/.txn/t/ctl w' 'open mnt/.txn/t/answer.json r' \
		'unlink mnt/.txn/t/pins/20.json' 'rename mnt/.txn/t/pins/20.json mnt/pins/20.json' \
		'link mnt/.txn/t/pins/20.json mnt/pins/x'; do
		# shellcheck disable=SC2086
		is "$(by 1002 $step)" "${step%% *}: ENOENT" "$step"
	done
	fails as 1002 rmdir mnt/.txn/t
	is "$(as 1002 ls -A mnt/.txn)$(ls -A mnt/.txn)" ''
	is "$(as 1001 ls mnt/.txn)" t
}

# A directory is handed on, as by a parent process: what it leads to is asked for as everybody.
test_a_descriptor_of_a_transaction_gives_another_user_nothing() {
	as 1001 mkdir mnt/.txn/t
	is "$(by 1001 open mnt/.txn/t/pins/20.json wct : write '{"text": "staged"}')" ok
	/usr/bin/python3 - <<'END'
import os
def refused(call):
    try: got = call()
    except OSError: return
    raise SystemExit("got %s" % got)
os.setgroups([]); os.setresuid(1001, 1001, 0)
t = os.open("mnt/.txn/t", os.O_PATH)
pins = os.open("mnt/.txn/t/pins", os.O_RDONLY)
pin = os.open("mnt/.txn/t/pins/20.json", os.O_PATH)
os.setresuid(0, 0, 0); os.setresgid(1002, 1002, 1002); os.setresuid(1002, 1002, 1002)
assert os.listdir(pins) == ["8.json"], os.listdir(pins)
refused(lambda: os.open("ctl", os.O_WRONLY, dir_fd=t))
refused(lambda: os.open("answer.json", os.O_RDONLY, dir_fd=t))
refused(lambda: os.listdir("/proc/self/fd/%d/pins" % t))
refused(lambda: os.open("pins/20.json", os.O_RDONLY, dir_fd=t))
refused(lambda: os.open("20.json", os.O_RDONLY, dir_fd=pins))
refused(lambda: os.unlink("20.json", dir_fd=pins))
refused(lambda: os.rename("20.json", "21.json", src_dir_fd=pins, dst_dir_fd=pins))
for flags in os.O_RDONLY, os.O_WRONLY, os.O_RDWR:
    refused(lambda: os.open("/proc/self/fd/%d" % pin, flags))
refused(lambda: os.stat("/proc/self/fd/%d" % pin))
refused(lambda: os.getxattr("/proc/self/fd/%d" % pin, "user.rowfs.checksum"))
END
}

# ---- the transaction of a hook's program ----

test_the_transaction_of_a_hook_is_its_programs_alone() {
	program hooks/slow <<'END'
#!/bin/sh
echo '{"uid": 1001, "text": "by the hook"}' >"$ROWFS_TXN/pins/30.json"
echo "$ROWFS_TXN" >told
while [ ! -e go ]; do sleep 0.02; done
END
	unmount
	sed -i 's|^\ton after_commit create enqueue jobs.*|&\n\ton post_save run hooks/slow { timeout 40s }|' mount.conf
	mount_rowfs mount.conf -o allow_other
	save mnt/boards/3.json '{"name": "c"}' >saved &
	local writer=$! txn
	eventually test -s told
	txn=$(cat told)
	is "$(as 1002 ls -A mnt/.txn)" ''
	fails as 1002 ls "$txn"
	fails as 1002 ls "$txn/pins"
	fails as 1002 cat "$txn/pins/30.json"
	is "$(by 1002 open "$txn/pins/31.json" wct)" 'open: EACCES'
	is "$(by 1002 unlink "$txn/pins/30.json")" 'unlink: EACCES'
	touch go
	wait $writer
	is "$(cat saved)" ok
	is "$(as 1002 ls mnt/pins)" 8.json
	is "$(as 1001 ls mnt/pins)" $'30.json\n7.json'
	is "$(as 1002 ls "$txn" 2>&1 | grep -c 'No such file')" 1
}

# ---- what tells of records ----

test_versions_belong_to_whom_the_record_belonged() {
	is "$(by 1002 open mnt/pins/8.json wa : write '{"text": "second"}')" ok
	saves mnt/pins/8.json '{"uid": 1001, "text": "third"}'
	is "$(by 1001 open mnt/pins/8.json wa : write '{"text": "fourth"}')" ok
	is "$(as 1001 sh -c 'cat mnt/pins/.history/8/*' | jq -r .text)" third
	is "$(as 1002 sh -c 'cat mnt/pins/.history/8/*' | jq -r .text)" $'own\nsecond'
	is "$(as 1003 ls mnt/pins/.history)" ''
	fails as 1003 ls mnt/pins/.history/8
}

test_versions_of_embedded_records_are_their_parents() {
	unmount
	sed -i '/^model notes/,/^}/ s/^\towner uid/&\n\tvisible owner/' mount.conf
	mount_rowfs mount.conf -o allow_other
	saves mnt/notes/1.json '{"uid": 1001, "lines": [{"what": "a"}]}'
	saves mnt/notes/1.json '{"uid": 1001, "lines": [{"id": 1, "what": "b"}]}'
	is "$(as 1001 sh -c 'cat mnt/lines/.history/1/*' | jq -r .what)" a
	is "$(as 1002 ls mnt/lines/.history)" ''
	is "$(as 1002 ls mnt/lines)" ''
	is "$(as 1002 cat mnt/lines/.export)" ''
	is "$(by 1002 open mnt/lines/1.json r)" 'open: ENOENT'
	saves mnt/notes/1.json '{"uid": 1002, "lines": [{"id": 1, "what": "c"}]}'
	is "$(as 1002 ls mnt/lines)" 1.json
	is "$(as 1001 ls mnt/lines)" ''
}

test_an_export_and_an_import_are_of_ones_own() {
	is "$(as 1002 jq -c .id mnt/pins/.export)" 8
	is "$(as 1002 jq -c .pins mnt/boards/.export)" $'null\nnull'
	is "$(by 1002 open mnt/pins/.import w : write $'{"id": 7, "text": "x"}\n' : close)" 'close: EACCES'
	is "$(by 1002 open mnt/pins/.import w : write $'{"uid": 1001}\n' : close)" 'close: EACCES'
	is "$(by 1002 open mnt/notes/.import w : write $'{"pin_id": 7}\n' : close)" 'close: EBADMSG'
	is "$(by 1002 open mnt/pins/.import w : write $'{"id": 8, "text": "x"}\n{"id": 9}\n' : close)" ok
	is "$(as 1002 ls mnt/pins)" $'8.json\n9.json'
	is "$(value mnt/pins/7.json .text)" SECRET
}

test_events_tell_of_ones_own_and_of_what_one_did() {
	setpriv --reuid=1002 --regid=1002 --clear-groups cat mnt/.events >events &
	local reader=$!
	reads() { find "/proc/$reader/fd" -lname '*\.events' | grep -q .; }
	eventually reads
	is "$(by 1001 open mnt/pins/7.json wa : write '{"text": "SECRET2"}')" ok
	is "$(by 1001 open mnt/boards/1.json wa : write '{"name": "z"}')" ok
	is "$(by 1002 open mnt/pins/8.json wa : write '{"text": "y"}')" ok
	eventually grep -q pins/8.json events
	kill $reader
	is "$(jq -r .path events)" $'boards/1.json\npins/8.json'
}

test_logs_and_waits_of_jobs_are_their_owners() {
	saves mnt/boards/3.json '{"name": "c"}'
	local job
	job=$(find mnt/jobs -name '*.json' | sort -V | tail -n 1)
	job=${job##*/}
	eventually job_is "mnt/jobs/$job" 'done'
	eventually grep -q told "mnt/jobs/${job%.json}.log"
	is "$(as 1002 ls mnt/jobs mnt/jobs/.wait)" $'mnt/jobs:\n\nmnt/jobs/.wait:'
	is "$(by 1002 open "mnt/jobs/${job%.json}.log" r)" 'open: ENOENT'
	is "$(by 1002 open "mnt/jobs/.wait/$job" r)" 'open: ENOENT'
	is "$(as 1001 cat "mnt/jobs/${job%.json}.log")" "told for ${job%.json}"
	is "$(as 1001 jq -r .status "mnt/jobs/.wait/$job")" 'done'
	has "$(as 1002 cat mnt/.info/status)" '^queue jobs: 0 records'
	hasnt "$(as 1002 cat mnt/.info/metrics.prom)" 'rowfs_(records|jobs)'
}

test_names_of_files_tell_nothing_by_exchange_or_link() {
	as 1002 /usr/bin/python3 - <<'END'
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def rename(a, b, flags):
    done = libc.renameat2(-100, ("mnt/pins/" + a).encode(), -100, ("mnt/pins/" + b).encode(), flags)
    return "ok" if done == 0 else errno.errorcode[ctypes.get_errno()]
NOREPLACE, EXCHANGE = 1, 2
open("mnt/pins/scratch", "w").write('{"text": "x"}')
for a, b, flags, wanted in (("8.json", "7.json", EXCHANGE, "ENOENT"), ("7.json", "8.json", EXCHANGE, "ENOENT"),
                            ("scratch", "7.json", EXCHANGE, "ENOENT"), ("7.json", "scratch", EXCHANGE, "ENOENT"),
                            ("8.json", "7.json", NOREPLACE, "EEXIST"), ("8.json", "7.json", 0, "EACCES"),
                            ("scratch", "7.json", 0, "EACCES"), ("7.json", "9.json", 0, "ENOENT"),
                            (".deleted/7.json", "9.json", 0, "ENOENT"), (".rejected/1.json", "9.json", 0, "ENOENT"),
                            ("7.json", ".deleted/7.json", 0, "ENOENT")):
    got = rename(a, b, flags)
    assert got == wanted, (a, b, flags, got, wanted)
END
	is "$(value mnt/pins/7.json .text)" SECRET
	is "$(value mnt/pins/8.json .text)" own
}

# ---- what one user can do to another's .errors ----

test_a_user_with_many_refusals_pushes_out_none_of_anothers() {
	is "$(by 1002 open mnt/pins/8.json wt : write '{"text": 1}')" 'write: EBADMSG'
	as 1001 sh -c 'i=0; while [ $i -lt 300 ]; do echo "{\"text\": 2}" >mnt/pins/7.json; i=$((i + 1)); done' 2>noise || true
	has "$(as 1002 cat mnt/.errors)" 'pins/8.json'
	is "$(as 1002 cat mnt/.errors | wc -l)" 1
	is "$(as 1001 cat mnt/.errors | wc -l)" 256
	is "$(as 1002 getfattr --only-values -n user.rowfs.error mnt/pins/8.json)" \
		"$(as 1002 jq -r .message mnt/.errors)"
	has "$(head -n 1 mnt/.errors)" pins/8.json
}

# The removal that vim or node makes after a refused save is that of its own save, whatever others have tried since.
test_a_refusal_of_another_program_makes_no_cleanup_a_removal() {
	saves mnt/notes/1.json '{"uid": 1002}'
	as 1002 /usr/bin/python3 - <<'END'
import os, subprocess
def refused(call):
    try: call()
    except OSError as e: return e.strerror
    raise SystemExit("not refused")
fd = os.open("mnt/notes/1.json", os.O_WRONLY | os.O_TRUNC)
refused(lambda: os.write(fd, b'{"pin_id": "x"}'))
subprocess.run(["sh", "-c", "! echo '{\"pin_id\": 3}' >mnt/notes/1.json"], check=True, stderr=subprocess.DEVNULL)
assert refused(lambda: os.unlink("mnt/notes/1.json")) == "Device or resource busy"
END
	is "$(ls mnt/notes)" 1.json
}

run "$@"
