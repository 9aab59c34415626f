#!/bin/bash
# The daemon under valgrind through saves, hooks of every kind, jobs, transactions, imports and refusals: no byte is read
# that was not written, none is lost. `make valgrind`; without VALGRIND=1 it is skipped, for it takes long.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	[ -n "${VALGRIND:-}" ] || skip 'make valgrind'
	# valgrind lets no program lower its number of files.
	program hooks/edit <<'END'
#!/bin/sh
exec jq -c '{new: (.new + {note: "edited"})}'
END
	program hooks/inside <<'END'
#!/bin/sh
echo "{\"about\": \"$ROWFS_KEY\"}" >"$ROWFS_TXN/trail/.new"
END
	program hooks/work <<'END'
#!/bin/sh
echo working >&2
echo '{"done": true}'
END
	conf <<END
store sqlite:shop.db
model orders {
	fields {
		id integer key
		name string required max 100
		code string unique
		note string
		at datetime default now
		uid integer default uid
		secret string write-only
		extra json
	}
	owner uid
	visible owner
	embeds-many lines by order_id
	has-many remarks by order_id
	history 5
	checksum in-file
	answer create with jobs id status
	on pre_save run hooks/edit { files 1000000 }
	on pre_save check ":name <> 'bad'" "no"
	on pre_save plugin $BUILD/plugin/price.so
	on post_save sql "insert into trail (about) values (:new_name)"
	on post_save pipe $BUILD/tool/answer { files 1000000 }
	on before_commit create run hooks/inside { files 1000000 }
	on after_commit create enqueue jobs order_id=:key
	on after_commit run /bin/true { files 1000000 }
}
model lines {
	fields {
		id integer key
		order_id integer references orders
		qty integer min 1
		price number
	}
}
model remarks {
	fields {
		id integer key
		order_id integer references orders on-delete cascade
		text string
	}
}
model words {
	fields {
		id string key
		kind string enum new,old
	}
}
model trail {
	fields {
		id integer key
		about string
	}
}
queue jobs {
	fields { order_id integer }
	run hooks/work
	files 1000000
	workers 2
}
END
	# A shell starts what it puts into the background with SIGINT ignored.
	mkdir mnt
	env --default-signal=INT,QUIT valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect \
		--errors-for-leak-kinds=definite,indirect --error-exitcode=99 --log-file=valgrind.%p --child-silent-after-fork=yes rowfs mount.conf mnt -f -o allow_other >>daemon.log 2>&1 </dev/null &
	daemon=$!
	within 120 mountpoint -q mnt || fail "the mount does not answer: $(cat valgrind.*)"
	export PATIENCE=120
}

# What the load leaves behind is all refused and all done.
load() {
	local i job
	for i in 1 2 3 4 5; do
		save mnt/orders/$i.json "{\"name\": \"n$i\", \"code\": \"c$i\", \"secret\": \"s\", \"extra\": {\"a\": [1, 2.5, \"é\"]}, \"lines\": [{\"qty\": $i, \"price\": 0.1}]}"
		save mnt/orders/$i.json "{\"name\": \"bad\", \"code\": \"c$i\"}"
		save mnt/orders/$i.json "{\"name\": 1, \"code\": [], \"more\": true, \"lines\": [{\"qty\": 0}]}"
		save mnt/orders/$i.json "{\"name\": \"n$i\", \"lines\": [{\"id\": $i, \"qty\": 7}, {\"qty\": 8}]}"
		save mnt/remarks/$i.json "{\"order_id\": $i, \"text\": \"t\"}"
		save "mnt/words/w $i%2F.json" '{"kind": "new"}'
		save "mnt/words/w$i.json" '{"kind": "new"}'
		printf '{"note": "appended"}' >>mnt/orders/$i.json
		cp mnt/orders/$i.json mnt/orders/tmp && mv mnt/orders/tmp mnt/orders/$i.json
		echo scratch >mnt/orders/scratch$i
		setfattr -n user.a -v b mnt/orders/scratch$i
		mv mnt/orders/scratch$i mnt/orders/other$i
	done
	echo '{"name": "new"}' >mnt/orders/.new
	cat mnt/orders/.new
	mv mnt/words/w1.json mnt/words/moved.json
	mv mnt/words/.by/kind/new/w2.json mnt/words/.by/kind/old/
	ln mnt/words/w3.json mnt/words/copy
	python3 -c 'import ctypes; ctypes.CDLL(None).renameat2(-100, b"mnt/words/w3.json", -100, b"mnt/words/w4.json", 2)'
	rm mnt/orders/5.json mnt/words/w5.json
	mv mnt/words/.deleted/w5.json mnt/words/
	printf '{"id": "i1", "kind": "new"}\n{"id": "i2"}\n' >mnt/words/.import
	printf '{"id": "i3", "kind": "wrong"}\n' >mnt/words/.import
	cat mnt/*/.export mnt/*/*.json mnt/*/.info/* mnt/.info/* mnt/.errors mnt/orders/.history/*/* mnt/orders/.rejected/* mnt/orders/.answer/*
	getfattr -d -m - mnt/*/*.json
	find mnt mnt/*/.by mnt/*/.deleted mnt/.txn
	mkdir mnt/.txn/t mnt/.txn/dropped
	save mnt/.txn/t/orders/20.json '{"name": "staged", "lines": [{"qty": 2}]}'
	save mnt/.txn/t/orders/1.json '{"name": 2}'
	rm mnt/.txn/t/words/w3.json
	mv mnt/.txn/t/words/w4.json mnt/.txn/t/words/w44.json
	save mnt/.txn/t/words/bad.json '{"kind": "new"}'
	save mnt/words/bad.json '{"kind": "old"}'
	echo commit >mnt/.txn/t/ctl
	rm mnt/words/bad.json
	echo commit >mnt/.txn/t/ctl
	cat mnt/.txn/t/answer.json mnt/.txn/t/orders/*
	save mnt/.txn/dropped/words/x.json '{}'
	rmdir mnt/.txn/dropped
	exec 3<>mnt/.txn/.run
	echo '{"requests": [{"method": "post", "path": "orders", "body": {"name": "c"}, "vars": [{"name": "o", "path": "$.id"}]},
		{"method": "post", "path": "remarks", "body": {"order_id": "${o}"}}]}' >&3
	cat <&3
	exec 3>&-
	exec 3<>mnt/.txn/.run
	echo '{"requests": [{"method": "post", "path": "orders", "body": {"name": "c"}}, {"method": "delete", "path": "orders/99.json"}]}' >&3
	cat <&3
	exec 3>&-
	timeout 2 cat mnt/.events &
	save mnt/words/event.json '{}'
	for job in 1 2 3; do
		cat mnt/jobs/.wait/$job.json mnt/jobs/$job.log
		rm mnt/jobs/$job.json
	done
	setpriv --reuid=1002 --regid=1002 --clear-groups cat mnt/orders/*.json mnt/.errors mnt/orders/.info/count
}

settled() { [ "$(sql "select (select count(*) from rowfs_after) + (select count(*) from jobs where status in ('queued', 'running'))")" = 0 ]; }

test_the_daemon_is_clean_under_valgrind() { # 20 times the limit
	chmod 755 .
	set +e
	trap - ERR
	load >said 2>&1
	set -e
	eventually settled
	within 60 fusermount3 -u mnt
	local status=0 pid=$daemon
	daemon=
	within 120 gone "$pid"
	wait "$pid" || status=$?
	cat valgrind.* >told
	[ ! -s told ] || fail "$(head -n 60 told)"
	is "$status" 0
	is "$(sql "select count(*) from orders where name = 'staged'")" 1
	[ "$(sql "select count(*) from jobs where status = 'done'")" -gt 3 ]
	echo "valgrind: clean through $(sql 'select count(*) from trail') trails, $(sql 'select count(*) from jobs') jobs" >>"${FIGURES:-/dev/null}"
}

run "$@"
