#!/bin/bash
# Records that belong to users: what others see of them, and what they can do to them. Real users, without accounts.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	conf <<'END'
store sqlite:shop.db
model users {
	fields {
		id integer key
		uid integer required unique
	}
	has-many orders by owner_id limit 2
	has-one cards by owner_id
}
model orders {
	fields {
		id integer key
		owner_id integer required references users
		about string
		code string unique
	}
	owner owner_id uid
	visible owner
	embeds-many lines by order_id
	has-many remarks by order_id
}
model lines {
	fields {
		id integer key
		order_id integer references orders
		what string
	}
}
model cards {
	fields {
		id integer key
		owner_id integer required unique references users
	}
	owner owner_id uid
	visible owner
}
model remarks {
	fields {
		id integer key
		order_id integer references orders on-delete cascade
		uid integer default uid
		text string
	}
	owner uid
	visible owner
}
model notes {
	fields {
		id integer key
		uid integer default uid
		text string
	}
	owner uid
}
model open {
	fields {
		id integer key
		text string
	}
}
queue jobs {
	fields {
		uid integer
	}
	owner uid
	visible owner
}
END
	mount_rowfs mount.conf -o allow_other
	saves mnt/users/1.json '{"uid": 1001}'
	saves mnt/users/2.json '{"uid": 1002}'
	chmod 755 .
}

order() { # KEY OWNER [MEMBERS]
	saves "mnt/orders/$1.json" "{\"owner_id\": $2${3:+, $3}}"
}

test_a_file_belongs_to_the_owner_of_its_record() {
	order 1 1
	saves mnt/notes/1.json '{"uid": 1002}'
	saves mnt/open/1.json '{}'
	is "$(stat -c '%u %g %a' mnt/orders/1.json mnt/notes/1.json mnt/open/1.json)" $'1001 0 644\n1002 0 644\n0 0 644'
	sql "update users set uid = 1003 where id = 1"
	is "$(stat -c %u mnt/orders/1.json)" 1003
}

test_a_record_whose_owner_is_no_uid_belongs_to_who_mounted() {
	saves mnt/notes/1.json '{"uid": null}'
	saves mnt/notes/2.json '{"uid": -1}'
	saves mnt/notes/3.json '{"uid": 4294967295}'
	is "$(stat -c %u mnt/notes/*.json | sort -u)" 0
	is "$(by 1002 open mnt/notes/1.json wt)" 'open: EACCES'
}

test_the_directory_of_owned_records_is_for_all_others_are_not() {
	is "$(stat -c %a mnt/orders mnt/lines mnt/open)" $'777\n777\n755'
	is "$(stat -c %a mnt/orders/.new mnt/open/.new)" $'666\n600'
}

test_mode_and_dir_mode_are_what_mount_conf_says() {
	unmount
	sed -i 's/^\towner uid$/&\n\tmode 0664\n\tdir-mode 0770/' mount.conf
	mount_rowfs mount.conf -o allow_other
	saves mnt/notes/1.json '{"uid": 1001}'
	is "$(stat -c %a mnt/notes mnt/notes/1.json mnt/notes/.new)" $'770\n664\n660'
	is "$(by 1001 open mnt/notes/1.json r)" 'open: EACCES'
	setpriv --reuid=1002 --regid=0 --clear-groups errno open mnt/notes/1.json wa : write '{"text": "x"}' | grep -qx ok
	setpriv --reuid=1002 --regid=1002 --groups=0 errno open mnt/notes/1.json wa : write '{"text": "y"}' | grep -qx ok
	is "$(value mnt/notes/1.json .text)" y
	is "$(setpriv --reuid=1002 --regid=0 --clear-groups errno open mnt/notes/1.json wa : write '{"uid": 1002}')" \
		'write: EACCES'
}

test_a_closed_directory_stays_closed_when_others_know_its_names() {
	unmount
	sed -i 's/^model open {/&\n\tdir-mode 0700/' mount.conf
	mount_rowfs mount.conf -o allow_other
	saves mnt/open/1.json '{}'
	is "$(cat mnt/open/.info/count)" 1
	is "$(by 1002 open mnt/open/.info/count r)" 'open: EACCES'
	is "$(by 1002 open mnt/open/.info/schema.json r)" 'open: EACCES'
	is "$(by 1002 open mnt/open/.errors r)" 'open: EACCES'
	is "$(by 1002 open mnt/open/1.json r)" 'open: EACCES'
	fails as 1002 ls mnt/open/.rejected
}

test_a_record_of_another_is_not_listed_nor_counted() {
	order 1 1
	order 2 2
	order 3 1
	is "$(as 1001 ls mnt/orders)" $'1.json\n3.json'
	is "$(as 1002 ls mnt/orders)" 2.json
	is "$(as 1003 ls mnt/orders)" ''
	is "$(as 1003 find mnt/orders mnt/lines -type f)" ''
	is "$(ls mnt/orders | wc -l)" 3
	is "$(as 1001 cat mnt/orders/.info/count)" 2
	is "$(as 1003 cat mnt/orders/.info/count)" 0
	has "$(as 1002 cat mnt/.info/status)" 'orders: 1 record'
	# Free ones come and go with the disk.
	is "$(as 1003 stat -fc '%c - %d' mnt | awk '{ print $1 - $3 }')" 2
	is "$(stat -fc '%c - %d' mnt | awk '{ print $1 - $3 }')" 5
}

test_a_record_of_another_is_enoent_to_every_call() {
	order 1 1
	local step
	while read -r step; do
		# shellcheck disable=SC2086
		is "$(by 1002 $step)" "${step%% *}: ENOENT" "$step"
	done <<-END
		open mnt/orders/1.json r
		open mnt/orders/1.json w
		open mnt/orders/1.json b
		open mnt/orders/1.json a
		unlink mnt/orders/1.json
		rename mnt/orders/1.json mnt/orders/5.json
		rename mnt/orders/1.json mnt/orders/scratch
		rename mnt/orders/1.json mnt/notes/1.json
		link mnt/orders/1.json mnt/orders/scratch
		link mnt/orders/1.json mnt/orders/5.json
	END
	fails as 1002 stat mnt/orders/1.json
	has "$(as 1002 truncate -s 0 -c mnt/orders/1.json 2>&1; as 1002 chmod 600 mnt/orders/1.json 2>&1 || true)" 'No such file'
	has "$(as 1002 touch -c -d 2001-01-01 mnt/orders/1.json 2>&1; as 1002 getfattr -d mnt/orders/1.json 2>&1 || true)" 'No such file'
	has "$(as 1002 setfattr -n user.a -v b mnt/orders/1.json 2>&1; as 1002 readlink mnt/orders/1.json 2>&1 || true)" 'No such file'
	is "$(value mnt/orders/1.json .owner_id)" 1
}

test_the_name_of_a_hidden_record_is_taken() {
	order 1 1 '"about": "mine"'
	refuses_as 1002 EACCES mnt/orders/1.json '{"owner_id": 2}'
	is "$(by 1002 open mnt/orders/1.json wx : write '{"owner_id": 2}')" 'write: EEXIST'
	is "$(by 1002 open mnt/orders/1.json wac : write '{"about": "x"}')" 'write: EACCES'
	echo '{"owner_id": 2}' >mnt/orders/2.json
	is "$(by 1002 rename mnt/orders/2.json mnt/orders/1.json)" 'rename: EACCES'
	as 1002 sh -c 'echo "{\"owner_id\": 2}" >mnt/orders/new'
	is "$(by 1002 rename mnt/orders/new mnt/orders/1.json)" 'rename: EACCES'
	is "$(by 1002 link mnt/orders/new mnt/orders/1.json)" 'link: EEXIST'
	is "$(value mnt/orders/1.json .about)" mine
}

# refuses_as UID ERRNO FILE TEXT
refuses_as() {
	local before
	before=$(rows)
	is "$(by "$1" open "$3" wct : write "$4" : close)" "write: $2, close: $2" "line ${BASH_LINENO[0]}: saving $3"
	is "$(rows)" "$before" "line ${BASH_LINENO[0]}: rows after a refusal"
}

test_a_visible_record_of_another_can_be_read_and_nothing_else() {
	saves mnt/notes/1.json '{"uid": 1001, "text": "a"}'
	is "$(as 1002 jq -r .text mnt/notes/1.json)" a
	is "$(by 1002 open mnt/notes/1.json w)" 'open: EACCES'
	is "$(by 1002 open mnt/notes/1.json wa)" 'open: EACCES'
	is "$(by 1002 unlink mnt/notes/1.json)" 'unlink: EACCES'
	is "$(by 1002 rename mnt/notes/1.json mnt/notes/2.json)" 'rename: EACCES'
	as 1002 sh -c 'echo "{\"uid\": 1001, \"text\": \"a\"}" >mnt/notes/tmp'
	is "$(by 1002 rename mnt/notes/tmp mnt/notes/1.json)" 'rename: EACCES'
	has "$(as 1002 cat mnt/.errors | tail -n 1)" 'notes/1.json belongs to another user'
	is "$(value mnt/notes/1.json .text)" a
}

test_a_new_record_must_be_ones_own() {
	refuses_as 1002 EACCES mnt/orders/1.json '{"owner_id": 1}'
	has "$(as 1002 cat mnt/.errors | tail -n 1 | jq -c '.problems[0].pointer')" '/owner_id'
	refuses_as 1002 EACCES mnt/notes/1.json '{"uid": 1001}'
	refuses_as 1002 EACCES mnt/notes/1.json '{"uid": null}'
	refuses_as 1002 EBADMSG mnt/orders/1.json '{"owner_id": 77}'
	is "$(by 1002 open mnt/notes/.new w : write '{"uid": 0}')" 'write: EACCES'
	is "$(by 1002 open mnt/orders/1.json wct : write '{"owner_id": 2}' : close)" ok
	is "$(by 1002 open mnt/notes/.new w : write '{}')" ok
	is "$(stat -c %u mnt/orders/1.json mnt/notes/1.json)" $'1002\n1002'
}

test_nobody_but_root_gives_a_record_away() {
	order 1 2
	refuses_as 1002 EACCES mnt/orders/1.json '{"owner_id": 1}'
	is "$(by 1002 open mnt/orders/1.json wa : write '{"owner_id": 1}')" 'write: EACCES'
	as 1002 sh -c 'echo "{\"uid\": 1002}" >mnt/notes/1.json'
	is "$(by 1002 open mnt/notes/1.json wa : write '{"uid": null}')" 'write: EACCES'
	echo '{"owner_id": 1}' >>mnt/orders/1.json
	is "$(stat -c %u mnt/orders/1.json)" 1001
}

test_saving_what_is_there_already_is_refused_too() {
	saves mnt/notes/1.json '{"uid": 1001, "text": "a"}'
	as 1002 cp mnt/notes/1.json copy 2>/dev/null || cp mnt/notes/1.json copy
	is "$(by 1002 open mnt/notes/1.json wt)" 'open: EACCES'
	as 1002 sh -c 'cat copy >mnt/notes/tmp'
	is "$(by 1002 rename mnt/notes/tmp mnt/notes/1.json)" 'rename: EACCES'
}

test_shown_children_are_the_readers() {
	order 1 1
	order 2 1
	order 3 1
	saves mnt/cards/1.json '{"owner_id": 1}'
	is "$(value mnt/users/1.json '[(.orders | map(.id)), .orders_total, .cards.id]')" '[[2,3],3,1]'
	is "$(as 1001 jq -c '[(.orders | map(.id)), .orders_total, .cards.id]' mnt/users/1.json)" '[[2,3],3,1]'
	is "$(as 1002 jq -c '[.orders, .orders_total, .cards]' mnt/users/1.json)" '[[],null,null]'
	for uid in 0 1001 1002; do
		is "$(as $uid stat -c %s mnt/users/1.json)" "$(as $uid cat mnt/users/1.json | wc -c)" "the size for $uid"
	done
}

test_readers_at_once_see_each_his_own_bytes() {
	order 1 1
	local mine other
	mine=$(as 1001 md5sum mnt/users/1.json)
	other=$(as 1002 md5sum mnt/users/1.json)
	[ "$mine" != "$other" ]
	as 1001 sh -c 'for i in $(seq 200); do md5sum mnt/users/1.json; done' >of1001 &
	as 1002 sh -c 'for i in $(seq 200); do md5sum mnt/users/1.json; done' >of1002
	wait $!
	is "$(sort -u of1001)" "$mine"
	is "$(sort -u of1002)" "$other"
}

test_what_has_owners_leaves_nothing_in_the_page_cache() {
	order 1 1
	saves mnt/notes/1.json '{"uid": 1001}'
	saves mnt/open/1.json '{}'
	cat >map.py <<'END'
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
print(mmap.mmap(fd, os.fstat(fd).st_size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)[:1])
END
	is "$(as 1001 /usr/bin/python3 map.py mnt/open/1.json)" "b'{'"
	for file in mnt/users/1.json mnt/orders/1.json mnt/notes/1.json; do
		is "$(as 1001 /usr/bin/python3 map.py $file 2>&1 || echo "status $?")" 'status 135' "mapping $file"
	done
}

test_what_has_owners_is_copied_by_any_program() {
	order 1 1
	local file=mnt/users/1.json
	as 1001 cat $file >by_cat
	as 1001 cat $file | cat >by_pipe
	cp $file by_cp
	dd if=$file of=by_dd bs=4096 2>/dev/null
	as 1001 sh -c "cat $file >mnt/orders/inside"
	as 1001 cat mnt/orders/inside >by_inside
	/usr/bin/python3 -c 'import shutil, sys; shutil.copyfile(*sys.argv[1:])' $file by_python
	for copy in by_*; do
		is "$(md5sum <$copy)" "$(as 1001 cat $file | md5sum)" "$copy"
	done
	is "$(ls by_* | wc -l)" 6
}

test_an_embedded_record_follows_its_parent() {
	order 1 1 '"lines": [{"what": "a"}]'
	is "$(stat -c %u mnt/lines/1.json)" 1001
	is "$(as 1002 ls mnt/lines)" ''
	is "$(by 1002 open mnt/lines/1.json r)" 'open: ENOENT'
	refuses_as 1002 EACCES mnt/lines/1.json '{"what": "b"}'
	refuses_as 1002 EACCES mnt/lines/7.json '{"order_id": 1, "what": "b"}'
	refuses_as 1002 EACCES mnt/lines/7.json '{"what": "b"}'
	order 2 2
	is "$(by 1002 open mnt/lines/7.json wct : write '{"order_id": 2, "what": "b"}')" ok
	is "$(by 1002 open mnt/lines/7.json wa : write '{"order_id": 1}')" 'write: EACCES'
	is "$(by 1002 open mnt/orders/2.json wct : write '{"owner_id": 2, "lines": [{"id": 1, "what": "stolen"}]}')" 'write: EBADMSG'
	is "$(as 1001 jq -c '.lines | map(.what)' mnt/orders/1.json)" '["a"]'
}

test_a_record_that_two_models_embed_follows_the_one_that_has_it() {
	unmount
	cat >>mount.conf <<'END'
model bills {
	fields {
		id integer key
		uid integer default uid
	}
	owner uid
	embeds-many lines by bill_id
}
END
	sed -i '/^model lines/,/^}/ s/^\t\twhat string/&\n\t\tbill_id integer references bills/' mount.conf
	sql 'drop table lines; delete from rowfs_deleted'
	sql 'drop table if exists rowfs_stat_lines'
	mount_rowfs mount.conf -o allow_other
	order 1 1 '"lines": [{"what": "of an order"}]'
	is "$(by 1002 open mnt/bills/1.json wct : write '{"lines": [{"what": "of a bill"}]}')" ok
	saves mnt/lines/9.json '{"what": "of nobody"}'
	is "$(stat -c '%n %u' mnt/lines/*)" $'mnt/lines/1.json 1001\nmnt/lines/2.json 1002\nmnt/lines/9.json 0'
	is "$(as 1001 ls mnt/lines)" 1.json
	is "$(as 1002 ls mnt/lines)" 2.json
	is "$(by 1002 open mnt/lines/2.json wa : write '{"order_id": 1, "bill_id": null}')" 'write: EACCES'
}

test_a_hidden_record_is_no_target_of_references_and_its_values_have_no_name() {
	order 1 1 '"code": "x"'
	order 2 2
	refuses_as 1002 EBADMSG mnt/remarks/1.json '{"order_id": 1}'
	refuses_as 1002 EEXIST mnt/orders/2.json '{"owner_id": 2, "code": "x"}'
	hasnt "$(as 1002 cat mnt/.errors | tail -n 1)" 'orders 1'
	saves mnt/remarks/1.json '{"order_id": 2, "uid": 1001}'
	is "$(by 1002 open mnt/remarks/2.json wct : write '{"order_id": 2}')" ok
}

test_views_by_value_show_each_user_what_is_his() {
	order 1 1 '"code": "x"'
	order 2 2 '"code": "y"'
	is "$(as 1001 ls mnt/orders/.by/code)" x
	is "$(as 1002 ls mnt/orders/.by/code)" y
	is "$(as 1002 ls mnt/orders/.by/code/x)" ''
	is "$(as 1002 ls mnt/orders/.by/owner_id/1 2>/dev/null)" ''
	is "$(as 1001 ls mnt/orders/.by/owner_id/1)" 1.json
	fails as 1002 readlink mnt/orders/.by/code/x/1.json
	is "$(by 1002 rename mnt/orders/.by/code/x/1.json mnt/orders/.by/code/z/1.json)" 'rename: ENOENT'
	is "$(by 1002 rename mnt/orders/.by/owner_id/2/2.json mnt/orders/.by/owner_id/1/2.json)" 'rename: EACCES'
	is "$(by 1002 rename mnt/orders/.by/code/y/2.json mnt/orders/.by/code/z/2.json)" ok
	is "$(value mnt/orders/2.json .code)" z
}

test_moves_between_models_ask_at_both_ends() {
	saves mnt/notes/1.json '{"uid": 1001, "text": "a"}'
	is "$(by 1002 rename mnt/notes/1.json mnt/open/1.json)" 'rename: EACCES'
	saves mnt/notes/2.json '{"uid": 1002}'
	is "$(by 1001 rename mnt/notes/1.json mnt/notes/2.json)" 'rename: EACCES'
	saves mnt/remarks/1.json '{"uid": 1001, "text": "r"}'
	is "$(by 1002 rename mnt/remarks/1.json mnt/notes/5.json)" 'rename: ENOENT'
	is "$(ls mnt/notes mnt/open)" $'mnt/notes:\n1.json\n2.json\n\nmnt/open:'
}

test_names_are_exchanged_only_between_ones_own() {
	saves mnt/notes/1.json '{"uid": 1001, "text": "a"}'
	saves mnt/notes/2.json '{"uid": 1002, "text": "b"}'
	fails as 1002 /usr/bin/python3 -c '
import ctypes, sys
sys.exit(ctypes.CDLL(None).renameat2(-100, b"mnt/notes/1.json", -100, b"mnt/notes/2.json", 2) < 0)'
	is "$(value mnt/notes/1.json .text)" a
}

test_what_was_refused_or_answered_is_told_to_its_user_alone() {
	refuses_as 1002 EACCES mnt/orders/1.json '{"owner_id": 1}'
	is "$(as 1002 ls mnt/orders/.rejected)" 1.json
	is "$(as 1001 ls mnt/orders/.rejected)" ''
	is "$(as 1001 cat mnt/.errors)" ''
	has "$(cat mnt/.errors)" orders/1.json
	is "$(by 1002 open mnt/orders/2.json wct : write '{"owner_id": 2}')" ok
	is "$(as 1002 jq .id mnt/orders/.answer/2.json)" 2
	is "$(as 1001 ls mnt/orders/.answer)" ''
	echo '{"owner_id": 1}' >>mnt/orders/2.json
	fails as 1002 cat mnt/orders/.answer/2.json
}

test_a_deleted_record_comes_back_for_who_deleted_it() {
	order 1 2 '"about": "a"'
	as 1002 rm mnt/orders/1.json
	is "$(as 1001 ls mnt/orders/.deleted)" ''
	is "$(as 1002 jq -r .about mnt/orders/.deleted/1.json)" a
	as 1002 mv mnt/orders/.deleted/1.json mnt/orders/1.json
	is "$(value mnt/orders/1.json .about)" a
}

test_what_goes_with_a_deleted_record_is_kept_for_its_owner() {
	order 1 2
	saves mnt/remarks/1.json '{"order_id": 1, "uid": 1001, "text": "secret"}'
	is "$(as 1002 jq -c .remarks mnt/orders/1.json)" '[]'
	as 1002 rm mnt/orders/1.json
	is "$(sql 'select count(*) from remarks')" 0
	is "$(as 1002 ls mnt/remarks/.deleted)" ''
	is "$(as 1001 jq -r .text mnt/remarks/.deleted/1.json)" secret
	hasnt "$(as 1002 cat mnt/orders/.deleted/1.json)" secret
}

test_a_descriptor_reads_what_it_read_and_saves_nothing_after_a_change_of_owner() {
	order 1 2 '"about": "a"'
	cat >late <<'END'
exec 5<mnt/orders/1.json 6<>mnt/orders/1.json 7>>mnt/orders/1.json
echo ready
read -r _
jq -r .about <&5
errno fstat <&5 2>/dev/null
printf '{"owner_id": 2, "about": "b"}' >&7
cat </proc/self/fd/5 >/dev/null || echo no reading
printf '{"owner_id": 2}' >/proc/self/fd/6 || echo no writing
END
	mkfifo go
	as 1002 bash late <go >out 2>/dev/null &
	exec 9>go
	eventually grep -q ready out
	echo '{"owner_id": 1}' >>mnt/orders/1.json
	echo >&9
	exec 9>&-
	wait $! || true
	has "$(cat out)" '^a$'
	has "$(cat out)" 'no reading'
	has "$(cat out)" 'no writing'
	is "$(value mnt/orders/1.json '[.owner_id, .about]')" '[1,"a"]'
}

test_a_path_descriptor_gives_nothing() {
	order 1 1
	as 1002 /usr/bin/python3 - <<'END'
import errno, os
def refused(call):
    try:
        call()
    except OSError as e:
        return e.errno
d = os.open("mnt/orders", os.O_PATH)
assert refused(lambda: os.open("1.json", os.O_PATH, dir_fd=d)) == errno.ENOENT
assert refused(lambda: os.stat("1.json", dir_fd=d)) == errno.ENOENT
assert refused(lambda: os.open("../orders/./1.json", os.O_RDONLY, dir_fd=d)) == errno.ENOENT
assert os.listdir("/proc/self/fd/%d" % d) == []
END
	order 2 2
	/usr/bin/python3 - <<'END'
import errno, os
fd = os.open("mnt/orders/1.json", os.O_PATH)     # by root, handed on
os.setgroups([]); os.setresgid(1002, 1002, 1002); os.setresuid(1002, 1002, 1002)
for flags in os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_TRUNC:
    try:
        os.close(os.open("/proc/self/fd/%d" % fd, flags))
        print("opened", flags)
        raise SystemExit(1)
    except OSError as e:
        assert e.errno == errno.ENOENT, e
for call in (lambda: os.stat("/proc/self/fd/%d" % fd), lambda: os.fstat(fd),
             lambda: os.link("/proc/self/fd/%d" % fd, "mnt/orders/got", follow_symlinks=True),
             lambda: os.getxattr("/proc/self/fd/%d" % fd, "user.rowfs.error")):
    try:
        call()
        raise SystemExit("seen")
    except OSError as e:
        assert e.errno in (errno.ENOENT, errno.EXDEV), e
END
}

test_who_opened_decides_not_who_writes() {
	order 1 2
	mkfifo go
	as 1002 sh -c 'exec 5>>mnt/orders/1.json; cat go >/dev/null; printf "{\"about\": \"b\"}" >&5'  &
	exec 9>go
	exec 9>&-
	wait $!
	is "$(value mnt/orders/1.json .about)" b
	# A program with more rights is given a descriptor: it lends it none.
	as 1002 /usr/bin/python3 - <<'END' >passed &
import os, socket
s = socket.socket(socket.AF_UNIX)
s.bind("\0rowfs-access-%d" % os.getppid())
s.listen(1)
print("rowfs-access-%d" % os.getppid(), flush=True)
c, _ = s.accept()
fd = os.open("mnt/orders/1.json", os.O_WRONLY | os.O_TRUNC)
socket.send_fds(c, [b"x"], [fd])
c.recv(1)
END
	local holder=$!
	eventually test -s passed
	/usr/bin/python3 - "$(cat passed)" <<'END'
import errno, os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("\0" + sys.argv[1])
_, fds, _, _ = socket.recv_fds(s, 1, 1)
try:
    os.write(fds[0], b'{"owner_id": 1}')
    raise SystemExit("given away by root's hand")
except OSError as e:
    assert e.errno == errno.EACCES, e
END
	wait $holder
	is "$(value mnt/orders/1.json .owner_id)" 2
}

test_scratch_files_are_each_users_own() {
	order 1 1 '"about": "secret"'
	as 1001 sh -c 'cat mnt/orders/1.json >mnt/orders/1.json~; chmod 666 mnt/orders/1.json~'
	is "$(as 1002 ls -A mnt/orders)" ''
	is "$(by 1002 open mnt/orders/1.json~ r)" 'open: ENOENT'
	is "$(by 1002 unlink mnt/orders/1.json~)" 'unlink: ENOENT'
	as 1002 sh -c 'echo other >mnt/orders/1.json~'
	has "$(as 1001 cat mnt/orders/1.json~)" secret
	is "$(as 1002 cat mnt/orders/1.json~)" other
	as 1002 ln -s /etc/passwd mnt/orders/1.json.tmp
	as 1001 sh -c 'echo safe >mnt/orders/1.json.tmp'
	is "$(as 1001 cat mnt/orders/1.json.tmp)" safe
}

test_what_only_its_owner_may_read_no_other_saves() {
	chmod 777 mnt 2>/dev/null || true
	unmount
	sed -i '/^model open/a\	dir-mode 0777' mount.conf
	mount_rowfs mount.conf -o allow_other
	as 1001 sh -c 'umask 077; echo "{\"text\": \"secret\"}" >mnt/open/tmp'
	is "$(by 1002 open mnt/open/tmp r)" 'open: EACCES'
	is "$(by 1002 rename mnt/open/tmp mnt/open/1.json)" 'rename: EACCES'
	is "$(by 1002 link mnt/open/tmp mnt/open/1.json)" 'link: EACCES'
	is "$(by 1001 rename mnt/open/tmp mnt/open/1.json)" ok
}

test_a_name_that_was_never_saved_is_its_users() {
	mkfifo go
	as 1001 sh -c 'exec 5>mnt/orders/9.json; echo ready; cat go >/dev/null; echo "{\"owner_id\": 1}" >&5' >out &
	eventually grep -q ready out
	is "$(by 1002 unlink mnt/orders/9.json)" 'unlink: ENOENT'
	fails as 1002 stat mnt/orders/9.json
	is "$(as 1001 stat -c %u mnt/orders/9.json)" 1001
	: >go
	wait $!
	is "$(stat -c %u mnt/orders/9.json)" 1001
}

test_jobs_are_their_owners() {
	saves mnt/jobs/1.json '{"uid": 1001}'
	is "$(as 1001 ls mnt/jobs)" 1.json
	is "$(as 1002 ls mnt/jobs)" ''
	is "$(by 1002 unlink mnt/jobs/1.json)" 'unlink: ENOENT'
	refuses_as 1002 EACCES mnt/jobs/1.json '{"uid": 1002, "status": "done"}'
	as 1001 rm mnt/jobs/1.json
}

test_the_kernel_may_check_permissions_as_well() {
	unmount
	mount_rowfs mount.conf -o allow_other,default_permissions
	order 1 1 '"about": "a"'
	saves mnt/notes/1.json '{"uid": 1001}'
	is "$(as 1001 jq -r .about mnt/orders/1.json)" a
	is "$(as 1002 ls mnt/orders)" ''
	is "$(by 1002 open mnt/orders/1.json r)" 'open: ENOENT'
	is "$(by 1002 open mnt/notes/1.json w)" 'open: EACCES'
	is "$(by 1002 unlink mnt/notes/1.json)" 'unlink: EACCES'
	is "$(by 1002 open mnt/orders/2.json wct : write '{"owner_id": 2}' : close)" ok
	is "$(by 1001 open mnt/orders/1.json wct : write '{"owner_id": 1, "about": "b"}' : close)" ok
	refuses_as 1002 EACCES mnt/orders/1.json '{"owner_id": 2}'
	is "$(by 1002 open mnt/notes/.new b : write '{}')" ok
}

test_without_allow_other_nobody_else_gets_in() {
	unmount
	mount_rowfs
	fails as 1001 ls mnt
}

test_a_database_that_others_read_is_told() {
	unmount
	: >daemon.log
	chmod 644 shop.db
	mount_rowfs mount.conf -o allow_other
	has "$(cat daemon.log)" "shop.db can be read by every user \(mode 644\), with all that 'visible owner' hides"
	unmount
	: >daemon.log
	chmod 640 shop.db
	mount_rowfs mount.conf -o allow_other
	hasnt "$(cat daemon.log)" 'every user'
}

test_hooks_are_exempt_and_act_for_who_saves() {
	unmount
	program hooks/other <<'END'
#!/bin/sh
echo '{"save": [{"path": "notes/1.json", "merge": {"text": "by a hook"}}]}'
END
	sed -i 's|^model open {|model drafts {\n\tfields {\n\t\tid integer key\n\t\tuid integer\n\t\ttext string\n\t}\n\towner uid\n\tvisible owner\n\ton pre_save create sql "select coalesce(:new_uid, :uid) as uid"\n\ton post_save run hooks/other\n\ton after_commit create enqueue jobs uid=1001\n}\n&|' mount.conf
	mount_rowfs mount.conf -o allow_other
	saves mnt/notes/1.json '{"uid": 1001}'
	is "$(by 1002 open mnt/drafts/.new w : write '{"text": "x"}')" ok
	is "$(stat -c %u mnt/drafts/1.json)" 1002
	is "$(value mnt/notes/1.json .text)" 'by a hook'
	is "$(stat -c %u mnt/jobs/1.json)" 1001
	is "$(by 1002 open mnt/drafts/.new w : write '{"uid": 1001}')" 'write: EACCES'
}

test_in_a_transaction_a_new_record_must_name_its_owner_for_hooks_run_at_the_commit() {
	unmount
	sed -i '/^model notes/,/^}/ { s/ default uid//; s/^\towner uid/&\n\ton pre_save sql "select coalesce(:new_uid, :uid) as uid"/ }' mount.conf
	mount_rowfs mount.conf -o allow_other
	as 1002 mkdir mnt/.txn/t
	is "$(by 1002 open mnt/.txn/t/notes/1.json wct : write '{"text": "x"}')" 'write: EACCES'
	has "$(last_error)" '^/uid: is empty; in a transaction a new record must name who makes it'
	is "$(by 1002 open mnt/.txn/t/notes/1.json wct : write '{"uid": 1002, "text": "x"}')" ok
	echo commit | as 1002 tee mnt/.txn/t/ctl >commit.out
	is "$(stat -c %u mnt/notes/1.json)" 1002
}

test_a_new_record_that_hooks_leave_without_owner_is_refused() {
	unmount
	sed -i '/^model notes/,/^}/ { s/ default uid//; s/^\towner uid/&\n\ton pre_save sql "select char(120) as text"/ }' mount.conf
	mount_rowfs mount.conf -o allow_other
	is "$(by 1002 open mnt/notes/1.json wct : write '{"text": "x"}')" 'write: EACCES'
	is "$(ls mnt/notes)" ''
}

run "$@"
