#!/bin/bash
# Open files: what a process sees of its own drafts, and what becomes of a descriptor when its record goes.
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
model notes {
	fields {
		slug string key
		name string
	}
}
END
	mount_rowfs
	saves mnt/items/1.json '{"name": "a"}'
}

test_a_new_name_may_be_opened_for_reading_and_goes_with_its_descriptor() {
	is "$(errno open mnt/items/9.json c : stat mnt/items/9.json : close)" ok
	is "$(errno stat mnt/items/9.json)" 'stat: ENOENT'
	flock mnt/notes/lock.json true
	is "$(ls mnt/notes)" ''
}

test_a_descriptor_of_a_record_that_is_gone_can_still_be_read() {
	is "$(python3 - <<'END'
import os
fd = os.open("mnt/items/1.json", os.O_RDONLY)
os.unlink("mnt/items/1.json")
print(os.fstat(fd).st_nlink, os.read(fd, 100).decode().split('"')[5], os.lseek(fd, 0, os.SEEK_END))
END
	)" '0 a 29'
}

test_after_the_save_the_writer_sees_the_size_of_the_record() {
	is "$(python3 - <<'END'
import os
for path in "mnt/items/1.json", "mnt/notes/a.json":
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(fd, b'{"name":')
    sizes = [os.stat(path).st_size]
    os.write(fd, b'"b"}')
    sizes.append(os.stat(path).st_size == len(open(path).read()))
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, 0)
    os.write(fd, b'{')
    sizes.append(os.stat(path).st_size)
    os.ftruncate(fd, 0)
    print(*sizes)
END
	)" $'8 True 1\n8 True 1'
}

test_threads_of_a_process_share_the_sight_of_its_drafts() {
	is "$(python3 - <<'END'
import os, threading
def write():
    global fd
    fd = os.open("mnt/items/1.json", os.O_WRONLY | os.O_TRUNC)
    os.write(fd, b'{"na')
    written.set()
    seen.wait()
written, seen = threading.Event(), threading.Event()
thread = threading.Thread(target=write)
thread.start()
written.wait()
print(os.stat("mnt/items/1.json").st_size)
seen.set()
thread.join()
os.ftruncate(fd, 0)
END
	)" 4
}

test_seeking_from_the_end_counts_what_the_descriptor_reads() {
	is "$(python3 - <<'END'
import os
reader = os.open("mnt/items/1.json", os.O_RDONLY)
before = os.lseek(reader, 0, os.SEEK_END)
writer = os.open("mnt/items/1.json", os.O_RDWR)
os.pwrite(writer, b'{"name": "a much longer name than before"}', 0)
print(os.lseek(reader, 0, os.SEEK_END) == before, os.lseek(writer, 0, os.SEEK_END))
END
	)" 'True 42'
}

test_what_is_appended_goes_behind_the_draft_whatever_others_see() {
	is "$(python3 - <<'END'
import os, subprocess
for flags in os.O_CREAT, os.O_TRUNC:
    fd = os.open("mnt/items/2.json", os.O_WRONLY | os.O_APPEND | flags)
    os.write(fd, b'{"name":')
    subprocess.run(["stat", "mnt/items/2.json"], stdout=subprocess.DEVNULL)
    os.write(fd, b'"b"}' if flags == os.O_CREAT else b'"c"}')
    os.close(fd)
    print(open("mnt/items/2.json").read().split('"')[5])
END
	)" $'b\nc'
}

test_truncating_while_appending_cuts_the_record_and_what_was_appended() {
	local size
	size=$(stat -c %s mnt/items/1.json)
	is "$(errno open mnt/items/1.json wa : ftruncate "$size" : write '{"name": "b"}' : close)" ok
	is "$(value mnt/items/1.json .name)" b
	is "$(errno open mnt/items/1.json wa : ftruncate $((size - 2)) : write ',"name": "c"}' : close)" 'close: EBADMSG'
	is "$(errno open mnt/items/1.json wa : ftruncate $((size - 3)) : write '"}' : close)" 'close: EBADMSG'
	is "$(errno open mnt/items/1.json wa : ftruncate $((size - 4)) : write 'z"}' : close)" ok
	is "$(value mnt/items/1.json .name)" bz
}

test_rm_removes_the_name_also_when_another_has_it_open_unsaved() {
	exec 3>mnt/items/9.json
	saves mnt/items/9.json '{"name": "b"}'
	rm mnt/items/9.json
	is "$(errno stat mnt/items/9.json)" 'stat: ENOENT'
	exec 3>&-
}

test_mv_removes_the_old_name_also_when_another_has_it_open_unsaved() {
	exec 3>mnt/items/9.json
	saves mnt/items/9.json '{"name": "b"}'
	mv mnt/items/9.json mnt/items/10.json
	is "$(errno stat mnt/items/9.json)" 'stat: ENOENT'
	exec 3>&-
}

test_an_open_name_can_be_created_again_after_its_record_came_and_went() {
	exec 7>>mnt/items/9.json
	exec 8>mnt/items/9.json
	echo '{"name": "c"}' >&8
	sql 'delete from items where id = 9'
	is "$(errno open mnt/items/9.json wca : close)" ok
	saves mnt/items/9.json '{"name": "d"}'
	exec 7>&- 8>&-
}

test_a_name_of_digits_is_refused_at_rename_too() {
	: >mnt/items/tmp
	is "$(errno rename mnt/items/tmp mnt/items/4913)" 'rename: EACCES'
	is "$(errno rename mnt/items/1.json mnt/items/4913)" 'rename: EACCES'
	is "$(ls mnt/items)" $'1.json\ntmp'
}

run "$@"
