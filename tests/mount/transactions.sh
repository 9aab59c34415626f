#!/bin/bash
# transactions.sh - .txn/NAME/: records prepared with ordinary tools, seen inside only, and saved together.
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model users {
	fields {
		id    integer key
		name  string  required max 20
		email string  unique
	}
	has-many orders by user_id
}
model orders {
	fields {
		id      integer key
		user_id integer required references users
		qty     integer default 1
	}
	on pre_save check "qty < 100" "too many"
}
model tags { fields { name string key
	note string } }
END
	mount_rowfs
	mkdir mnt/.txn/t
}

commit() {
	save mnt/.txn/t/ctl commit
}

status() {
	jq -c '[.[].status]' mnt/.txn/t/answer.json
}

test_a_transaction_looks_like_the_mount() {
	saves mnt/users/1.json '{"name": "Ann"}'
	is "$(ls mnt/.txn)" t
	is "$(ls mnt/.txn/t)" $'ctl\norders\ntags\nusers'
	is "$(ls -A mnt)" $'orders\ntags\nusers'
	is "$(cat mnt/.txn/t/users/1.json)" "$(cat mnt/users/1.json)"
	is "$(stat -c '%a %u' mnt/.txn/t)" "700 $(id -u)"
}

test_what_is_written_inside_is_seen_inside_only_until_the_commit() {
	saves mnt/.txn/t/users/7.json '{"name": "Ann"}'
	is "$(ls mnt/.txn/t/users)" 7.json
	is "$(ls mnt/users)" ''
	is "$(errno open mnt/users/7.json r)" 'open: ENOENT'
	is "$(cat mnt/.txn/t/ctl)" 'open 1'
	is "$(commit)" ok
	is "$(value mnt/users/7.json .name)" Ann
	is "$(status)" '["created"]'
	is "$(value mnt/.txn/t/answer.json '.[0] | [.path, .key, .answer.name]')" '["users/7.json",7,"Ann"]'
}

test_a_reserved_key_is_a_reference_before_anything_is_saved() {
	local id
	id=$(cat mnt/.txn/t/users/.new)
	saves mnt/.txn/t/orders/5.json "{\"user_id\": $id}"
	saves mnt/users/.new '{"name": "other"}'
	is "$(ls mnt/users)" "$((id + 1)).json"
	saves mnt/.txn/t/users/"$id".json '{"name": "Ann"}'
	is "$(value mnt/.txn/t/users/"$id".json '.orders[0].id')" 5
	is "$(commit)" ok
	is "$(value mnt/orders/5.json .user_id)" "$id"
}

test_new_in_a_transaction_answers_the_staged_record() {
	exec 3<>mnt/.txn/t/users/.new
	echo '{"name": "Ann"}' >&3
	is "$(jq -c '[.id, .name]' <&3)" '[1,"Ann"]'
	exec 3>&-
	is "$(ls mnt/.txn/t/users)" 1.json
	is "$(ls mnt/users)" ''
}

test_mistakes_are_told_when_they_are_written() {
	is "$(save mnt/.txn/t/users/1.json '{"name": 5, "x": 1}')" 'write: EBADMSG, close: EBADMSG'
	is "$(last_error '[.path, (.problems | length)]')" '[".txn/t/users/1.json",2]'
	is "$(cat mnt/.txn/t/users/.rejected/1.json)" '{"name": 5, "x": 1}'
	is "$(ls mnt/users/.rejected)" ''
	is "$(ls mnt/.txn/t/users)" ''
	is "$(cat mnt/.txn/t/ctl)" 'open 0'
}

test_the_error_of_the_commit_is_the_writes_and_names_the_record() {
	saves mnt/users/1.json '{"name": "Ann"}'
	saves mnt/.txn/t/users/2.json '{"name": "Bob"}'
	saves mnt/.txn/t/orders/5.json '{"user_id": 1, "qty": 100}'
	saves mnt/.txn/t/users/3.json '{"name": "Cid"}'
	is "$(commit)" 'write: ECANCELED'
	is "$(last_error '[.path, .message]')" '[".txn/t/ctl","orders/5.json: too many"]'
	is "$(status)" '["not committed","failed","skipped"]'
	is "$(value mnt/.txn/t/answer.json '.[0].answer.name, .[1].error.message, .[2].answer')" $'Bob\ntoo many\nnull'
	is "$(ls mnt/users)" 1.json
	echo '{"qty": 99}' >>mnt/.txn/t/orders/5.json
	is "$(commit)" ok
	is "$(status)" '["created","created","created"]'
	is "$(ls mnt/users | wc -l)" 3
}

test_references_may_come_before_what_they_refer_to() {
	mkdir -p src/orders src/users
	echo '{"user_id": 4}' >src/orders/1.json
	echo '{"name": "Ann"}' >src/users/4.json
	cp -r src/orders src/users mnt/.txn/t
	is "$(commit)" ok
	is "$(value mnt/orders/1.json .user_id)" 4
}

test_a_reference_to_nothing_refuses_the_commit() {
	saves mnt/.txn/t/orders/1.json '{"user_id": 4}'
	is "$(commit)" 'write: EBADMSG'
	is "$(value mnt/.txn/t/answer.json '.[0].error.problems[0].pointer')" /user_id
	is "$(ls mnt/orders)" ''
}

test_a_record_that_has_changed_meanwhile_refuses_the_commit() {
	saves mnt/users/1.json '{"name": "Ann"}'
	echo '{"email": "a"}' >>mnt/.txn/t/users/1.json
	echo '{"name": "Eve"}' >>mnt/users/1.json
	is "$(commit)" 'write: EBUSY'
	has "$(last_error)" '^users/1.json: '
	is "$(value mnt/.txn/t/answer.json '.[0].error.checksum | length')" 2
	echo '{"email": "b"}' >>mnt/.txn/t/users/1.json
	is "$(commit)" ok
	is "$(value mnt/users/1.json '[.name, .email]')" '["Eve","b"]'
}

test_a_removed_record_vanishes_inside_and_goes_with_the_commit() {
	saves mnt/users/1.json '{"name": "Ann"}'
	saves mnt/orders/1.json '{"user_id": 1}'
	is "$(errno unlink mnt/.txn/t/users/1.json)" 'unlink: EBUSY'
	rm mnt/.txn/t/orders/1.json mnt/.txn/t/users/1.json
	is "$(ls mnt/.txn/t/users mnt/.txn/t/orders)" $'mnt/.txn/t/orders:\n\nmnt/.txn/t/users:'
	is "$(ls mnt/users)" 1.json
	is "$(commit)" ok
	is "$(status)" '["deleted","deleted"]'
	is "$(ls mnt/users mnt/orders)" $'mnt/orders:\n\nmnt/users:'
}

test_editors_and_tools_work_inside() {
	saves mnt/users/1.json '{"name": "Ann"}'
	cd mnt/.txn/t/users || fail cd
	jq '.name = "Bob"' 1.json >1.tmp
	is "$(ls)" $'1.json\n1.tmp'
	mv 1.tmp 1.json
	sed -i s/Bob/Cid/ 1.json
	vim -es -c '%s/Cid/Dan/' -c wq 1.json </dev/null
	is "$(value 1.json .name)" Dan
	mv 1.json 2.json
	is "$(ls)" 2.json
	is "$(ls ../../../users)" 1.json
	echo commit >../ctl
	cd - >/dev/null || fail cd
	is "$(value mnt/users/2.json .name)" Dan
	is "$(ls mnt/users)" 2.json
}

test_programs_that_copy_trees_work_inside() {
	mkdir -p src/users
	for i in 1 2 3; do jq -n "{id: $i, name: \"n$i\", email: null, orders: []}" >src/users/$i.json; done
	tar -C src -cf users.tar users
	tar -C mnt/.txn/t --no-same-permissions --touch -xf users.tar
	echo '{"name": "old"}' >mnt/.txn/t/users/9.json
	rsync -r --checksum --delete src/users/ mnt/.txn/t/users/
	is "$(ls mnt/.txn/t/users)" $'1.json\n2.json\n3.json'
	diff -r src/users mnt/.txn/t/users
	printf '{"name": "by install"}' >one
	install -m 644 one mnt/.txn/t/users/4.json
	cp mnt/.txn/t/users/4.json shown
	sed 's/by install/by patch/' shown >wanted
	diff -u shown wanted >changes || true
	patch -s mnt/.txn/t/users/4.json changes
	is "$(grep -rl 'by patch' mnt/.txn/t)" mnt/.txn/t/users/4.json
	find mnt/.txn/t/users -name '[12].json' -delete
	is "$(ls mnt/.txn/t/users mnt/users)" $'mnt/.txn/t/users:\n3.json\n4.json\n\nmnt/users:'
	is "$(commit)" ok
	is "$(cat mnt/users/*.json | jq -c '[.id, .name]')" $'[3,"n3"]\n[4,"by patch"]'
}

test_git_keeps_and_brings_back_what_is_in_it() {
	saves mnt/users/1.json '{"name": "Ann"}'
	saves mnt/users/2.json '{"name": "Bob"}'
	export GIT_DIR=$PWD/repository GIT_WORK_TREE=$PWD/mnt/.txn/t HOME=$PWD
	git init -q
	git add users
	git -c user.name=t -c user.email=t commit -qm first
	echo '{"name": "Eve"}' >mnt/.txn/t/users/1.json
	rm mnt/.txn/t/users/2.json
	is "$(git status --porcelain -uno)" $' M users/1.json\n D users/2.json'
	git checkout -q users
	is "$(git status --porcelain -uno)" ''
	is "$(commit)" ok
	is "$(cat mnt/users/*.json | jq -c .name)" $'"Ann"\n"Bob"'
}

test_eight_prepare_and_commit_at_once() {
	saves mnt/users/1.json '{"name": "Ann"}'
	worker() {
		local i
		mkdir mnt/.txn/w"$1"
		for i in 1 2 3 4 5; do
			echo "{\"user_id\": 1, \"qty\": $1}" >mnt/.txn/w"$1"/orders/$(($1 * 10 + i)).json
		done
		is "$(cd mnt/.txn/w"$1"/orders && echo "$1"*.json)" "$(echo "$1"{1,2,3,4,5}.json)"
		echo commit >mnt/.txn/w"$1"/ctl
	}
	local workers=()
	for n in 1 2 3 4 5 6 7 8; do
		worker $n &
		workers+=($!)
	done
	wait "${workers[@]}"
	is "$(sql 'select qty, count(*) from orders group by qty' | tr '\n' ' ')" '1|5 2|5 3|5 4|5 5|5 6|5 7|5 8|5 '
	is "$(sql 'pragma foreign_key_check')" ''
}

test_nothing_moves_across_its_border() {
	saves mnt/users/1.json '{"name": "Ann"}'
	saves mnt/.txn/t/users/2.json '{"name": "Bob"}'
	is "$(errno rename mnt/users/1.json mnt/.txn/t/users/3.json)" 'rename: EPERM'
	is "$(errno rename mnt/.txn/t/users/2.json mnt/users/3.json)" 'rename: EPERM'
	is "$(errno link mnt/.txn/t/users/2.json mnt/users/3.json)" 'link: EPERM'
	mkdir mnt/.txn/other
	is "$(errno rename mnt/.txn/t/users/2.json mnt/.txn/other/users/2.json)" 'rename: EPERM'
	is "$(errno rename mnt/.txn/t mnt/.txn/new)" 'rename: EPERM'
}

test_abort_and_rmdir_drop_it() {
	saves mnt/.txn/t/users/1.json '{"name": "Ann"}'
	is "$(save mnt/.txn/t/ctl abort)" ok
	is "$(ls mnt/.txn)" ''
	mkdir mnt/.txn/t
	is "$(ls mnt/.txn/t/users)" ''
	saves mnt/.txn/t/users/1.json '{"name": "Ann"}'
	rmdir mnt/.txn/t
	is "$(ls mnt/.txn mnt/users)" $'mnt/.txn:\n\nmnt/users:'
}

test_who_still_has_it_open_finds_it_gone() {
	exec 3<>mnt/.txn/t/users/1.json
	cd mnt/.txn/t/users || fail cd
	rmdir ../../t
	fails ls
	cd - >/dev/null || fail cd
	fails sh -c "echo '{\"name\": \"Ann\"}' >&3"
	exec 3>&-
	is "$(ls mnt/users)" ''
}

test_after_the_commit_it_is_read_only() {
	saves mnt/.txn/t/users/1.json '{"name": "Ann"}'
	is "$(commit)" ok
	is "$(errno open mnt/.txn/t/users/2.json wct)" 'open: EROFS'
	is "$(errno unlink mnt/.txn/t/users/1.json)" 'unlink: EROFS'
	is "$(commit)" 'open: EROFS, write: EBADF, close: EBADF'
	is "$(cat mnt/.txn/t/ctl)" 'committed 0'
	is "$(value mnt/.txn/t/users/1.json .name)" Ann
	rmdir mnt/.txn/t
}

test_several_stand_side_by_side() {
	mkdir mnt/.txn/u
	saves mnt/.txn/t/users/1.json '{"name": "Ann"}'
	saves mnt/.txn/u/users/1.json '{"name": "Bob"}'
	is "$(value mnt/.txn/t/users/1.json .name)" Ann
	is "$(save mnt/.txn/u/ctl commit)" ok
	is "$(commit)" 'write: EEXIST'
	is "$(value mnt/users/1.json .name)" Bob
}

test_names_are_the_users_own() {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	chmod 711 . && unmount && mount_rowfs mount.conf -o allow_other
	mkdir mnt/.txn/t
	saves mnt/.txn/t/users/1.json '{"name": "Ann"}'
	as() { setpriv --reuid=1234 --regid=1234 --clear-groups "$@"; }
	is "$(as ls mnt/.txn)" ''
	is "$(as stat mnt/.txn/t 2>&1 | grep -c 'No such file')" 1
	as mkdir mnt/.txn/t
	is "$(as ls mnt/.txn/t/users)" ''
	is "$(ls mnt/.txn/t/users)" 1.json
}

test_a_commit_is_for_the_user_whose_transaction_it_is() {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	cat >>mount.conf <<'END'
model notes {
	fields {
		id    integer key
		owner integer default uid
	}
	owner owner
}
END
	chmod 711 . && unmount && mount_rowfs mount.conf -o allow_other
	saves mnt/users/1.json '{"name": "Ann"}'
	setpriv --reuid=1234 --regid=1234 --clear-groups sh -c 'mkdir mnt/.txn/u && cd mnt/.txn/u/notes && echo "{}" >1.json &&
		! echo "{\"name\": \"Eve\"}" >../users/1.json && exec sleep 100' 2>>refused &
	local inside=$!
	within_it() { [ "$(basename "$(readlink "/proc/$inside/exe")")" = sleep ]; }
	eventually within_it
	fails setpriv --reuid=1235 --regid=1235 --clear-groups ls "/proc/$inside/cwd/"
	is "$(save "/proc/$inside/cwd/../ctl" commit)" ok
	is "$(value mnt/notes/1.json .owner)" 1234
	kill "$inside"
}

test_there_are_limits() {
	for i in $(seq 31); do mkdir mnt/.txn/n"$i"; done
	fails mkdir mnt/.txn/more
	is "$(last_error '[.path, .errno, .message]')" \
		'[".txn/more","ENOSPC","A user prepares at most 32 transactions; rmdir some of .txn"]'
	rmdir mnt/.txn/n7
	mkdir mnt/.txn/more
	fails mkdir mnt/.txn/.hidden
	fails mkdir mnt/.txn/t
	fails mkdir mnt/.txn/t/dir
	fails rmdir mnt/.txn/t/users
}

test_files_open_inside_count_with_those_outside() {
	saves mnt/users/1.json '{"name": "Ann"}'
	is "$(python3 - <<'END'
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (12000, 12000))
for path in "mnt/users/1.json", "mnt/.txn/t/users/1.json":
    try:
        for i in range(6000): os.open(path, os.O_RDONLY)
    except OSError as e: print(path, i, e.strerror)
END
	)" 'mnt/.txn/t/users/1.json 4000 No space left on device'
	is "$(last_error '[.path, .message]')" '[".txn/t/users/1.json","You have 10000 files open; close some"]'
}

test_what_all_transactions_of_a_user_hold_is_bounded() {
	mkdir mnt/.txn/u mnt/.txn/v
	cat >fill.py <<'END'
import sys
text = '{"note": "%s"}' % ("x" * 1000000)
def fill(directory, name, n):
    for i in range(n):
        try:
            with open("mnt/.txn/%s/tags/%s" % (directory, name % i), "w") as f: f.write(text)
        except OSError as e: return "%d %s" % (i, e.strerror)
    return n
END
	is "$(python3 -c 'from fill import fill; print(fill("t", "%d.json", 60), fill("t", "%d.tmp", 20), fill("u", "%d.json", 60))')" \
		'60 20 60'
	has "$(python3 -c 'from fill import fill; print(fill("v", "%d.json", 60))')" 'No space left on device'
	has "$(last_error)" 'in transactions holds 256 MiB'
	saves mnt/tags/a.json '{}'
	rmdir mnt/.txn/t
	is "$(python3 -c 'from fill import fill; print(fill("u", "%d.json", 60))')" 60
	is "$(save mnt/.txn/u/ctl commit)" ok
	is "$(ls mnt/tags | wc -l)" 61
}

impatient() {
	unmount
	sed -i '1a transaction-timeout 1s' mount.conf
	mount_rowfs
	mkdir mnt/.txn/t
}

dropped() { grep -qF ".txn/$1 was not used for 1 s and is dropped" daemon.log; }

test_one_that_is_not_used_goes_though_nobody_looks() {
	impatient
	saves mnt/.txn/t/users/1.json '{"name": "Ann"}'
	echo text >mnt/.txn/t/users/scratch
	eventually dropped t
	fails ls mnt/.txn/t
	is "$(ls mnt/.txn mnt/users)" $'mnt/.txn:\n\nmnt/users:'
	mkdir mnt/.txn/t
	is "$(ls mnt/.txn/t/users)" ''
	eventually eval '[ "$(grep -c "txn/t was not used" daemon.log)" = 2 ]'
}

test_one_that_is_committed_for_long_is_not_unused() {
	program slow <<'END'
#!/bin/sh
until [ -e go ]; do sleep 0.02; done
END
	sed -i 's|on pre_save .*|on post_save run ./slow { timeout 60s }|' mount.conf
	impatient
	saves mnt/.txn/t/users/1.json '{"name": "Ann"}'
	saves mnt/.txn/t/orders/1.json '{"user_id": 1}'
	commit >committed &
	mkdir mnt/.txn/u
	eventually dropped u
	! dropped t
	touch go
	wait $!
	is "$(cat committed)" ok
	is "$(ls mnt/orders)" 1.json
	eventually dropped t # by now
}

test_an_unmount_drops_what_is_prepared() {
	saves mnt/.txn/t/users/1.json '{"name": "Ann"}'
	echo text >mnt/.txn/t/users/scratch
	remount
	is "$(ls mnt/.txn mnt/users)" $'mnt/.txn:\n\nmnt/users:'
}

test_a_commit_of_two_thousand_records() {
	python3 - <<'END'
for i in range(1, 2001):
    with open("mnt/.txn/t/users/%d.json" % i, "w") as f: f.write('{"name": "u%d"}' % i)
END
	is "$(ls mnt/.txn/t/users | wc -l)" 2000
	is "$(commit)" ok
	is "$(sql 'select count(*) from users')" 2000
	is "$(value mnt/.txn/t/answer.json length)" 2000
}

test_a_read_only_mount_has_none() {
	unmount
	mount_rowfs mount.conf -o ro
	is "$(mkdir mnt/.txn/x 2>&1 | grep -c 'Read-only')" 1
}

test_a_process_that_is_killed_leaves_nothing_half() {
	saves mnt/users/1.json '{"name": "Ann"}'
	for i in $(seq 50); do echo "{\"user_id\": 1}" >mnt/.txn/t/orders/"$i".json; done
	crash
	mount_rowfs
	is "$(ls mnt/orders mnt/.txn)" $'mnt/.txn:\n\nmnt/orders:'
	is "$(ls mnt/users)" 1.json
}

test_a_reference_to_nothing_is_found_under_a_new_key_too() {
	saves mnt/.txn/t/orders/1.json '{"user_id": 4}'
	mv mnt/.txn/t/orders/1.json mnt/.txn/t/orders/2.json
	is "$(commit)" 'write: EBADMSG'
	is "$(value mnt/.txn/t/answer.json '.[0].error.problems[0].pointer')" /user_id
	is "$(sql 'select count(*) from orders')" 0
}

test_a_descriptor_that_reads_and_writes_saves_again() {
	saves mnt/.txn/t/users/1.json '{"name": "Ann"}'
	is "$(errno open mnt/.txn/t/users/1.json b : ftruncate 0 : write '{"name": "Bob"}' : ftruncate 0 : pwrite 0 '{"name": "Cid"}' : close)" ok
	is "$(value mnt/.txn/t/users/1.json .name)" Cid
}

test_ctl_tells_how_many_changes_wait() {
	saves mnt/.txn/t/orders/1.json '{"user_id": 4}'
	saves mnt/.txn/t/orders/2.json '{"user_id": 4}'
	rm mnt/.txn/t/orders/1.json
	is "$(cat mnt/.txn/t/ctl)" 'open 1'
}

test_ctl_says_what_it_takes() {
	is "$(errno open mnt/.txn/t/ctl w : write bogus)" 'write: EBADMSG'
	is "$(last_error '.path + ": " + .message')" ".txn/t/ctl: ctl takes 'commit' or 'abort'"
}

test_a_move_finds_at_its_end_what_it_found_when_it_was_made() {
	local i
	for i in 1 2 3; do saves mnt/users/$i.json '{"name": "Ann"}'; done
	mkdir mnt/.txn/u
	mv mnt/.txn/t/users/1.json mnt/.txn/t/users/2.json
	mv mnt/.txn/u/users/3.json mnt/.txn/u/users/9.json
	saves mnt/users/2.json '{"name": "Eve"}'
	saves mnt/users/9.json '{"name": "Eve"}'
	is "$(commit)" 'write: EBUSY'
	is "$(save mnt/.txn/u/ctl commit)" 'write: EEXIST'
	saves mnt/.txn/t/users/5.json '{"name": "Bob"}' # of several changes
	is "$(commit)" 'write: EBUSY'
	has "$(last_error)" '^users/1.json: '
	is "$(jq -r .name mnt/users/*.json | xargs)" 'Ann Eve Ann Eve'
}

test_what_another_change_has_moved_can_be_moved_itself() {
	saves mnt/users/1.json '{"name": "Ann"}'
	saves mnt/orders/1.json '{"user_id": 1}'
	mv mnt/.txn/t/users/1.json mnt/.txn/t/users/2.json
	mv mnt/.txn/t/orders/1.json mnt/.txn/t/orders/3.json
	is "$(commit)" ok
	is "$(value mnt/orders/3.json .user_id)" 2
}

test_a_move_onto_an_equal_record_of_another_model_removes_what_was_moved() {
	unmount
	cat >>mount.conf <<'END'
model marks { fields { name string key
	note string } }
END
	mount_rowfs
	mkdir mnt/.txn/t
	saves mnt/tags/a.json '{"note": "x"}'
	saves mnt/marks/a.json '{"note": "x"}'
	mv mnt/.txn/t/tags/a.json mnt/.txn/t/marks/a.json
	is "$(cat mnt/.txn/t/ctl)" 'open 1'
	is "$(commit)" ok
	is "$(sql 'select count(*) from tags')" 0
}

test_a_unique_value_goes_from_one_record_to_another_that_was_changed_before() {
	saves mnt/users/1.json '{"name": "Ann", "email": "a"}'
	saves mnt/users/2.json '{"name": "Bob", "email": "b"}'
	echo '{"name": "Anna"}' >>mnt/.txn/t/users/1.json
	echo '{"email": "c"}' >>mnt/.txn/t/users/2.json
	echo '{"email": "b"}' >>mnt/.txn/t/users/1.json
	is "$(cat mnt/.txn/t/ctl)" 'open 3'
	is "$(commit)" ok
	is "$(sql 'select name, email from users order by id')" $'Anna|b\nBob|c'
}

test_a_reference_is_what_was_written_last_also_when_its_target_has_moved() {
	saves mnt/users/1.json '{"name": "Ann"}'
	saves mnt/.txn/t/orders/5.json '{"user_id": 1}'
	mv mnt/.txn/t/users/1.json mnt/.txn/t/users/2.json
	is "$(value mnt/.txn/t/orders/5.json .user_id)" 2
	saves mnt/.txn/t/orders/5.json '{"user_id": 1}'
	is "$(commit)" 'write: EBADMSG'
	saves mnt/.txn/t/users/1.json '{"name": "Eve"}'
	is "$(commit)" ok
	is "$(sql 'select user_id from orders')" 1
}

test_several_writes_of_one_record_are_one_change() {
	saves mnt/.txn/t/users/1.json '{"name": "Ann", "email": "a"}'
	saves mnt/.txn/t/users/2.json '{"name": "Bob"}'
	saves mnt/.txn/t/users/1.json '{"name": "Anna", "email": "a"}'
	echo '{"name": "Annie"}' >>mnt/.txn/t/users/1.json
	is "$(cat mnt/.txn/t/ctl)" 'open 2'
	is "$(commit)" ok
	is "$(sql 'select name, email from users where id = 1')" 'Annie|a'
}

test_what_was_refused_for_having_changed_is_renewed_by_any_further_change_of_it() {
	saves mnt/users/1.json '{"name": "Ann", "email": "a"}'
	saves mnt/users/2.json '{"name": "Bob"}'
	echo '{"name": "Anna"}' >>mnt/.txn/t/users/1.json
	echo '{"name": "Bobby"}' >>mnt/.txn/t/users/2.json
	saves mnt/users/1.json '{"name": "Eve", "email": "a"}'
	is "$(commit)" 'write: EBUSY'
	echo '{"email": "x"}' >>mnt/.txn/t/users/1.json
	saves mnt/users/2.json '{"name": "Eve"}'
	is "$(commit)" 'write: EBUSY'
	rm mnt/.txn/t/users/2.json
	is "$(commit)" ok
	is "$(sql 'select * from users')" '1|Anna|x'
}

test_a_record_renamed_over_another_has_its_inode_number() {
	saves mnt/tags/a.json '{"note": "a"}'
	saves mnt/tags/b.json '{"note": "b"}'
	local before
	before=$(stat -c %i mnt/.txn/t/tags/b.json)
	mv mnt/.txn/t/tags/a.json mnt/.txn/t/tags/b.json
	is "$(stat -c %i mnt/.txn/t/tags/b.json)" "$before"
}

run "$@"
