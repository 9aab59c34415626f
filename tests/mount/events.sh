#!/bin/bash
# .events: a line for each record that a commit changes, as it happens.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'CONF'
store sqlite:shop.db
model items {
	fields { id integer key; name string required; pin string write-only }
	on post_save create sql "insert into trail (what) values (:new_name); update trail set what = what || '!'"
	on post_save check ":new_name <> 'never'" "never"
}
model mine { fields { id integer key; who integer default uid; text string }; owner who; visible owner; mode 0600 }
model trail { fields { id integer key; what string } }
model notes { fields { slug string key; body string }; mode 0640 }
model inside { fields { id integer key; name string }; hidden }
model parents { fields { id integer key }; embeds-many children by parent_id }
model children { fields { id integer key; parent_id integer references parents on-delete cascade; n integer } }
CONF
	mount_rowfs
}

cleanup() {
	[ -z "${reader:-}" ] || kill "$reader" 2>/dev/null || true
}

# follow [COMMAND...]: starts a reader, as that command does; what it reads goes to the file `events`.
follow() {
	"$@" cat mnt/.events >events &
	reader=$!
	eventually eval 'ls -l /proc/$reader/fd | grep -q "/[.]events$"'
}

# seen N: when so many lines have come the reader ends; prints them in short.
seen() {
	eventually eval '[ "$(wc -l <events)" -ge '"$1"' ]'
	kill "$reader"
	eventually gone "$reader"
	jq -c '[.verb, .path, .uid]' events
}

test_each_committed_change_is_a_line() {
	follow
	saves mnt/notes/a.json '{"body": "x"}'
	saves mnt/notes/a.json '{"body": "y"}'
	mv mnt/notes/a.json mnt/notes/b.json
	rm mnt/notes/b.json
	is "$(seen 5)" "$(printf '["%s","notes/%s.json",%s]\n' create a $UID update a $UID delete a $UID create b $UID delete b $UID)"
	is "$(jq -c keys events | sort -u)" '["key","model","path","time","txn","uid","verb"]'
	is "$(jq -r .key events | tail -n 1)" b
}

test_what_hooks_change_is_there_in_the_same_transaction() {
	follow
	saves mnt/items/1.json '{"name": "a", "pin": "1234"}'
	saves mnt/parents/.new '{"children": [{"n": 1}, {"n": 2}]}'
	rm mnt/parents/1.json
	is "$(seen 8 | jq -c '.[:2]')" '["create","items/1.json"]
["create","trail/1.json"]
["create","parents/1.json"]
["create","children/1.json"]
["create","children/2.json"]
["delete","children/2.json"]
["delete","children/1.json"]
["delete","parents/1.json"]'
	is "$(jq .txn events | uniq -c | awk '{print $1}' | tr '\n' ' ')" '2 3 3 '
	hasnt "$(cat events)" 1234
}

test_what_is_refused_or_changes_nothing_is_not_there() {
	follow
	fails eval "echo '{\"name\": \"never\"}' > mnt/items/1.json"
	fails eval "echo '{\"name\": 7}' > mnt/items/1.json"
	saves mnt/notes/a.json '{"body": "x"}'
	saves mnt/notes/a.json '{"body": "x"}'
	saves mnt/notes/z.json '{}'
	is "$(seen 2 | jq -c '.[:2]')" '["create","notes/a.json"]
["create","notes/z.json"]'
}

test_an_import_that_fails_tells_nothing_and_one_that_does_not_tells_each_line() {
	follow
	is "$(errno open mnt/notes/.import w : write $'{"slug": "a"}\n{"slug": 1}\n' : close)" 'close: EBADMSG'
	printf '{"slug": "b"}\n{"slug": "c"}\n' >mnt/notes/.import
	is "$(seen 2 | jq -r '.[1]' | tr '\n' ' ')" 'notes/b.json notes/c.json '
}

test_saves_side_by_side_come_each_once_in_the_order_of_their_commits() {
	local i pids=()
	follow
	for i in 1 2 3 4; do
		(for n in $(seq 25); do
			echo "{\"body\": \"$n\"}" >"mnt/notes/$i-$n.json"
			echo '{"name": "never"}' >mnt/items/.new || true
		done) 2>/dev/null &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	seen 100 >/dev/null
	is "$(jq -r .path events | sort | uniq | wc -l)" 100
	is "$(jq .txn events)" "$(jq .txn events | sort -n)"
	for i in 1 2 3 4; do
		is "$(jq -r .key events | grep "^$i-" | tr '\n' ' ')" "$(seq 25 | sed "s/^/$i-/" | tr '\n' ' ')"
	done
}

test_poll_and_nonblocking_reads_and_interrupts() {
	python3 - <<'PY'
import errno, os, select, signal, threading
f = os.open('mnt/.events', os.O_RDONLY | os.O_NONBLOCK)
def fails(code, call):
    try: call()
    except OSError as e: assert e.errno == code, e
    else: assert False
fails(errno.EAGAIN, lambda: os.read(f, 100))
p = select.poll()
p.register(f, select.POLLIN)
assert p.poll(0) == []
# A save wakes who polls, and what woke it can be read.
t = threading.Timer(0.2, lambda: open('mnt/notes/a.json', 'w').write('{}'))
t.start()
assert p.poll(20000) == [(f, select.POLLIN)]
t.join()
assert b'notes/a.json' in os.read(f, 1000)
assert p.poll(0) == []
# By small reads nothing is lost.
open('mnt/notes/b.json', 'w').write('{}')
text = b''
while not text.endswith(b'\n'):
    assert p.poll(20000)
    text += os.read(f, 7)
assert b'"path":"notes/b.json"}\n' in text, text
fails(errno.EAGAIN, lambda: os.read(f, 100))
e = select.epoll()
e.register(f, select.EPOLLIN)
assert e.poll(0) == []
open('mnt/notes/c.json', 'w').write('{}')
assert e.poll(20)
g = os.open('mnt/.events', os.O_RDONLY)
class Alarm(Exception): pass
def alarm(*_): raise Alarm
signal.signal(signal.SIGALRM, alarm)
signal.setitimer(signal.ITIMER_REAL, 0.2)
try: os.read(g, 100)
except Alarm: pass
else: assert False
fails(errno.ESPIPE, lambda: os.lseek(g, 0, os.SEEK_SET))
r = os.open('mnt/notes/a.json', os.O_RDONLY)
q = select.poll()
q.register(r, select.POLLIN)
assert q.poll(0) == [(r, select.POLLIN)]
PY
}

test_readers_that_wait_use_up_no_thread() {
	python3 - <<'PY'
import os, threading
files = [os.open('mnt/.events', os.O_RDONLY) for _ in range(700)]
got, started = [], threading.Semaphore(0)
def read(f):
    started.release()
    got.append(os.read(f, 1000))
threads = [threading.Thread(target=read, args=(f,)) for f in files]
for t in threads: t.start()
for _ in threads: started.acquire()
open('mnt/notes/a.json', 'w').write('{}')
for t in threads:
    t.join(30)
    while t.is_alive(): # it read after the save
        open('mnt/notes/b.json', 'a').write('{"body": "%d"}' % len(got))
        t.join(1)
assert len(got) == 700
PY
}

test_a_reader_that_falls_behind_is_told_how_much_it_has_lost() {
	exec 9<mnt/.events
	seq 5000 | sed 's/.*/{"slug": "&"}/' >mnt/notes/.import
	saves mnt/notes/last.json '{}'
	dd bs=4M count=1 status=none <&9 >text
	exec 9<&-
	is "$(jq -s 'map(.lost // 0) | add' text)" "$(jq -s '5001 - (map(select(.key)) | length)' text)"
	is "$(tail -n 1 text | jq -r .path)" notes/last.json
	has "$(cat text)" '^\{"lost":[0-9]+\}$'
}

test_each_user_sees_only_models_that_he_may_read() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	unmount
	chmod 755 .
	mount_rowfs mount.conf -o allow_other
	follow setpriv --reuid 65534 --regid 65534 --clear-groups
	saves mnt/notes/a.json '{}'
	saves mnt/mine/1.json '{"text": "his"}'
	saves mnt/items/1.json '{"name": "a"}'
	setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'echo "{}" > mnt/mine/.new'
	is "$(seen 3 | jq -r '.[1]' | tr '\n' ' ')" 'items/1.json trail/1.json mine/2.json '
}

test_what_has_no_directory_is_not_there() {
	follow
	sql "insert into inside (name) values ('x')"
	saves mnt/notes/a.json '{}'
	is "$(seen 1 | wc -l)" 1
}

test_a_reader_does_not_hold_up_the_end() {
	follow
	kill -TERM "$daemon"
	wait "$daemon"
	daemon=
	eventually gone "$reader"
	reader=
}

test_it_is_only_read() {
	is "$(errno open mnt/.events w)" 'open: EACCES'
	is "$(errno unlink mnt/.events)" 'unlink: EPERM'
}

run "$@"
