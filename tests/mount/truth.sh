#!/bin/bash
# After every accepted save, on whatever way, the next stat, read and listing by any process tell the truth, also about
# records that a hook or another program has changed; and large records are never read half.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'CONF'
store sqlite:shop.db
model items {
	fields {
		id integer key
		state string default new enum new,old
		text string
	}
	on post_save,post_delete sql "insert into totals (id, n) values (1, 1) on conflict (id) do update set n = n + 1"
	on post_save,post_delete sql "update watched set text = :verb || :key, n = n + 1 where id = 1"
	on post_save,post_delete sql "delete from watched where id = 100 + (select n from totals) - 1"
	on post_save,post_delete sql "insert into watched (id, n) values (100 + (select n from totals), 0)"
}
model totals {
	fields { id integer key; n integer }
}
model watched {
	fields { id integer key; text string; n integer default 0 }
}
CONF
	mount_rowfs
	saves mnt/watched/1.json '{"text": "begin"}'
	saves mnt/items/1.json '{"text": "a"}'
	saves mnt/items/2.json '{"text": "b"}'
	cat >look <<'END'
# look BEFORE COMMAND...: sees everything, lets the command run, sees everything again: what does it say?
import json, os, sqlite3, subprocess, sys

def see():
    seen = {}
    for model in ("items", "totals", "watched"):
        for name in os.listdir(f"mnt/{model}"):
            if not name.endswith(".json"):
                continue
            path = f"mnt/{model}/{name}"
            stat, text = os.stat(path), open(path).read()
            assert stat.st_size == len(text.encode()), (path, stat.st_size, text)
            seen[f"{model}/{name}"] = stat.st_ino, stat.st_mtime_ns, json.loads(text)
    return seen

def rows():
    found = {}
    with sqlite3.connect("shop.db", timeout=10) as db:
        db.row_factory = sqlite3.Row
        for model in ("items", "totals", "watched"):
            for row in db.execute(f"select * from {model}"):
                found[f"{model}/{row['id']}.json"] = dict(row)
    return found

descriptor = os.open("mnt/watched/1.json", os.O_RDONLY) # who has it open still sees the old text
old, before = os.pread(descriptor, 100000, 0), see()
absent = [f"mnt/items/{n}.json" for n in (3, 4, 5, 7)] + [f"mnt/watched/{n}.json" for n in range(100, 130)]
for path in absent: # names that the kernel knows not to be there
    os.path.exists(path)
status = subprocess.run(["bash", "-c", sys.argv[1]]).returncode
after, stored = see(), rows()
assert status == 0, status
assert {path: content for path, (_, _, content) in after.items()} == stored, (after, stored)
for path in absent:
    assert os.path.exists(path) == (path[4:] in stored), path
assert os.pread(descriptor, 100000, 0) == old
for path in before.keys() & after.keys():
    (ino, mtime, content), (ino_now, mtime_now, now) = before[path], after[path]
    assert ino == ino_now and (mtime_now > mtime if now != content else True), path
assert before != after
END
}

# truth COMMAND: what it changes, and what its hooks do, is seen by a process that has looked at everything before.
truth() {
	python3 look "$1" || fail "line ${BASH_LINENO[0]}: $1"
}

test_every_way_of_saving_shows_at_once_to_who_looked_before() {
	truth 'echo "{\"text\": \"longer than before\"}" >mnt/items/1.json'
	truth 'echo "{\"text\": \"c\"}" >>mnt/items/1.json'
	truth 'echo "{\"text\": \"d\"}" >mnt/items/tmp; mv mnt/items/tmp mnt/items/1.json'
	truth 'echo "{\"text\": \"e\"}" >mnt/items/tmp; ln mnt/items/tmp mnt/items/3.json; rm mnt/items/tmp'
	truth 'sed -i s/\"e\"/\"edited\"/ mnt/items/3.json'
	truth 'vim -N -u NONE -es -c "%s/edited/f/" -c wq mnt/items/3.json </dev/null'
	truth 'python3 -c "f = open(\"mnt/items/3.json\", \"r+\"); t = f.read(); f.seek(0); f.write(t.replace(\"f\", \"g\", 1)); f.truncate()"; mv mnt/items/3.json mnt/items/4.json'
	truth 'mv mnt/items/4.json mnt/items/2.json'
	truth 'errno exchange mnt/items/1.json mnt/items/2.json | grep -qx ok'
	truth 'mv mnt/items/.by/state/new/1.json mnt/items/.by/state/old/'
	truth 'rm mnt/items/2.json'
	truth 'mv mnt/items/.deleted/2.json mnt/items/2.json'
	truth 'echo "{\"text\": \"h\"}" >mnt/items/.new'
}

test_many_records_at_once_show_at_once_to_who_looked_before() {
	truth 'mkdir mnt/.txn/t && cd mnt/.txn/t && echo "{\"text\": \"x\"}" >items/5.json && rm items/1.json && mv items/2.json items/3.json && echo commit >ctl'
	truth 'printf "{\"id\":%d}\n" 1 2 7 >mnt/items/.import'
	truth 'echo "{\"requests\":[{\"method\":\"patch\",\"path\":\"items/7.json\",\"body\":{\"text\":\"y\"}},{\"method\":\"delete\",\"path\":\"items/1.json\"}]}" >mnt/.txn/.run'
}

test_another_programs_changes_show_at_once_to_who_looked_before() {
	truth 'sqlite3 shop.db "update watched set text = '\''much longer than it was'\'' where id = 1"'
	truth 'sqlite3 shop.db "insert into items (id) values (3)"'
	truth 'sqlite3 shop.db "delete from items where id = 1"'
}

# A record of 900 kB is some hundred requests of 8 KiB, and seven of the kernel's largest.
test_a_large_record_is_never_read_half() { # 3 times the limit
	cat >large.py <<'END'
import json, os, sys
text = {letter: json.dumps({"id": 1, "state": "new", "text": letter * 900000}).encode() for letter in "ab"}

def save(n, content):
    name = "mnt/items/1.json"
    if n % 3 == 0: # in place, in several writes
        with open(name, "wb", buffering=100000) as f:
            f.write(content)
    elif n % 3 == 1:
        with open("mnt/items/tmp", "wb") as f:
            f.write(content)
        os.rename("mnt/items/tmp", name)
    else: # without truncation: at close
        with open(name, "r+b", buffering=0) as f:
            f.write(content)
            f.truncate()

if sys.argv[1] == "write": # until both readers have seen enough
    save(0, text["a"])
    open("begun", "w")
    n = 1
    while not (os.path.exists("enough.8192") and os.path.exists("enough.500000")):
        save(n, text["ab"[n % 2]])
        n += 1
else:
    size, reads = int(sys.argv[2]), {"a": 0, "b": 0}
    while not os.path.exists("begun"):
        pass
    while min(reads.values()) < 15:
        f = os.open("mnt/items/1.json", os.O_RDONLY)
        pieces, whole = iter(lambda: os.read(f, size), b""), b""
        for piece in pieces:
            whole += piece
        os.close(f)
        content = json.loads(whole)["text"]
        assert content in ("a" * 900000, "b" * 900000), (content[:9], content[-9:], len(content))
        reads[content[0]] += 1
    open(f"enough.{size}", "w")
END
	python3 large.py write & local writer=$!
	python3 large.py read 8192 & local small=$!
	python3 large.py read 500000 & local large=$!
	wait $small
	wait $large
	wait $writer
}

run "$@"
