#!/bin/bash
# rename(2), its flags and link(2): what stands at the source against what stands at the target, a line a cell.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'CONF'
store sqlite:shop.db
durability off
model items {
	fields { id integer key; name string required max 9 }
	on post_save,post_delete sql "insert into seen (what) values (:verb || ' ' || :key)"
}
model goods {
	fields { id integer key; name string required max 9 }
	on post_save,post_delete sql "insert into seen (what) values (:verb || ' goods ' || :key)"
}
model seen {
	fields { n integer key; what string }
}
CONF
	mount_rowfs
	cd mnt || fail cd
}

# What a name may lead to, at the source and at the target: a record, one of another model, a scratch file, one with a text
# that is refused, nothing; a free key or name, and names that nothing may have.
source_of() {
	case $1 in
	record) echo items/1.json ;;
	other) echo goods/4.json ;;
	scratch) echo items/s ;;
	bad) echo items/b ;;
	nothing) echo items/8.json ;;
	esac
}
target_of() {
	case $1 in
	record) echo items/2.json ;;
	other) echo goods/5.json ;;
	scratch) echo items/t ;;
	key) echo items/9.json ;;
	name) echo items/n ;;
	no-key) echo items/x.json ;;
	digits) echo items/4913 ;;
	esac
}

prepare() {
	rm -f items/* goods/*
	local file name
	for file in items/1.json items/2.json goods/4.json goods/5.json items/s items/t; do
		name=${file%.json}
		echo "{\"name\": \"${name/\//}\"}" >$file
	done
	echo '{"name": "longer than nine"}' >items/b
	sqlite3 ../shop.db 'delete from seen'
}

# What a name leads to: the name that the text holds, or what is there else.
holds() {
	local what
	what=$(jq -r .name "$1" 2>/dev/null) || what=-
	echo "$what"
}

# cell OPERATION SOURCE TARGET: what it gives, what source and target lead to then, what hooks saw.
cell() {
	local from to told
	from=$(source_of "$2") to=$(target_of "$3")
	prepare
	told=$(errno "$1" "$from" "$to")
	echo "$1 $2 $3: ${told#*: }, $(holds "$from") $(holds "$to"), $(sqlite3 ../shop.db "select coalesce(group_concat(what, ' '), '-') from seen")"
}

table() {
	local line operation from to
	while IFS= read -r line; do
		read -r operation from to <<<"${line%%:*}"
		is "$(cell "$operation" "$from" "$to")" "$line" "$operation $from $to"
	done
}
test_rename_means_what_each_cell_of_the_table_says() { # 3 times the limit
	table <<'END'
rename record record: ok, - items1, replace 2 delete 2
rename record scratch: ok, items1 items1, -
rename record key: ok, - items1, replace 9
rename record name: ok, items1 items1, -
rename record other: ok, - items1, delete 1 replace goods 5
rename record no-key: EBADMSG, items1 -, -
rename record digits: EACCES, items1 -, -
rename scratch record: ok, - itemss, replace 2
rename scratch scratch: ok, - itemss, -
rename scratch key: ok, - itemss, create 9
rename scratch name: ok, - itemss, -
rename scratch other: ok, - itemss, replace goods 5
rename scratch no-key: EBADMSG, itemss -, -
rename scratch digits: EACCES, itemss -, -
rename bad record: EBADMSG, longer than nine items2, -
rename bad scratch: ok, - longer than nine, -
rename bad key: EBADMSG, longer than nine -, -
rename bad name: ok, - longer than nine, -
rename bad other: EBADMSG, longer than nine goods5, -
rename bad no-key: EBADMSG, longer than nine -, -
rename bad digits: EACCES, longer than nine -, -
rename nothing record: ENOENT, - items2, -
rename nothing scratch: ENOENT, - itemst, -
rename nothing key: ENOENT, - -, -
rename nothing name: ENOENT, - -, -
rename nothing other: ENOENT, - goods5, -
rename nothing no-key: ENOENT, - -, -
rename nothing digits: ENOENT, - -, -
rename other record: ok, - goods4, delete goods 4 replace 2
rename other scratch: ok, goods4 goods4, -
rename other key: ok, - goods4, delete goods 4 create 9
rename other name: ok, goods4 goods4, -
rename other other: ok, - goods4, replace goods 5 delete goods 5
rename other no-key: EBADMSG, goods4 -, -
rename other digits: EACCES, goods4 -, -
END
}

test_rename_without_replacing_means_what_each_cell_says() { # 3 times the limit
	table <<'END'
noreplace record record: EEXIST, items1 items2, -
noreplace record scratch: EEXIST, items1 itemst, -
noreplace record key: ok, - items1, replace 9
noreplace record name: ok, items1 items1, -
noreplace record other: EEXIST, items1 goods5, -
noreplace record no-key: EBADMSG, items1 -, -
noreplace record digits: EACCES, items1 -, -
noreplace scratch record: EEXIST, itemss items2, -
noreplace scratch scratch: EEXIST, itemss itemst, -
noreplace scratch key: ok, - itemss, create 9
noreplace scratch name: ok, - itemss, -
noreplace scratch other: EEXIST, itemss goods5, -
noreplace scratch no-key: EBADMSG, itemss -, -
noreplace scratch digits: EACCES, itemss -, -
noreplace bad record: EEXIST, longer than nine items2, -
noreplace bad scratch: EEXIST, longer than nine itemst, -
noreplace bad key: EBADMSG, longer than nine -, -
noreplace bad name: ok, - longer than nine, -
noreplace bad other: EEXIST, longer than nine goods5, -
noreplace bad no-key: EBADMSG, longer than nine -, -
noreplace bad digits: EACCES, longer than nine -, -
noreplace nothing record: ENOENT, - items2, -
noreplace nothing scratch: ENOENT, - itemst, -
noreplace nothing key: ENOENT, - -, -
noreplace nothing name: ENOENT, - -, -
noreplace nothing other: ENOENT, - goods5, -
noreplace nothing no-key: ENOENT, - -, -
noreplace nothing digits: ENOENT, - -, -
noreplace other record: EEXIST, goods4 items2, -
noreplace other scratch: EEXIST, goods4 itemst, -
noreplace other key: ok, - goods4, delete goods 4 create 9
noreplace other name: ok, goods4 goods4, -
noreplace other other: EEXIST, goods4 goods5, -
noreplace other no-key: EBADMSG, goods4 -, -
noreplace other digits: EACCES, goods4 -, -
END
}

test_exchange_means_what_each_cell_says() { # 3 times the limit
	table <<'END'
exchange record record: ok, items2 items1, replace 1 replace 2
exchange record scratch: ok, itemst items1, replace 1
exchange record key: ENOENT, items1 -, -
exchange record name: ENOENT, items1 -, -
exchange record other: EOPNOTSUPP, items1 goods5, -
exchange record no-key: ENOENT, items1 -, -
exchange record digits: ENOENT, items1 -, -
exchange scratch record: ok, items2 itemss, replace 2
exchange scratch scratch: ok, itemst itemss, -
exchange scratch key: ENOENT, itemss -, -
exchange scratch name: ENOENT, itemss -, -
exchange scratch other: ok, goods5 itemss, replace goods 5
exchange scratch no-key: ENOENT, itemss -, -
exchange scratch digits: ENOENT, itemss -, -
exchange bad record: EBADMSG, longer than nine items2, -
exchange bad scratch: ok, itemst longer than nine, -
exchange bad key: ENOENT, longer than nine -, -
exchange bad name: ENOENT, longer than nine -, -
exchange bad other: EBADMSG, longer than nine goods5, -
exchange bad no-key: ENOENT, longer than nine -, -
exchange bad digits: ENOENT, longer than nine -, -
exchange nothing record: ENOENT, - items2, -
exchange nothing scratch: ENOENT, - itemst, -
exchange nothing key: ENOENT, - -, -
exchange nothing name: ENOENT, - -, -
exchange nothing other: ENOENT, - goods5, -
exchange nothing no-key: ENOENT, - -, -
exchange nothing digits: ENOENT, - -, -
exchange other record: EOPNOTSUPP, goods4 items2, -
exchange other scratch: ok, itemst goods4, replace goods 4
exchange other key: ENOENT, goods4 -, -
exchange other name: ENOENT, goods4 -, -
exchange other other: ok, goods5 goods4, replace goods 4 replace goods 5
exchange other no-key: ENOENT, goods4 -, -
exchange other digits: ENOENT, goods4 -, -
END
}

test_link_means_what_each_cell_says() { # 3 times the limit
	table <<'END'
link record record: EEXIST, items1 items2, -
link record scratch: EEXIST, items1 itemst, -
link record key: EPERM, items1 -, -
link record name: ok, items1 items1, -
link record other: EEXIST, items1 goods5, -
link record no-key: EBADMSG, items1 -, -
link record digits: EACCES, items1 -, -
link scratch record: EEXIST, itemss items2, -
link scratch scratch: EEXIST, itemss itemst, -
link scratch key: ok, itemss itemss, create 9
link scratch name: ok, itemss itemss, -
link scratch other: EEXIST, itemss goods5, -
link scratch no-key: EBADMSG, itemss -, -
link scratch digits: EACCES, itemss -, -
link bad record: EEXIST, longer than nine items2, -
link bad scratch: EEXIST, longer than nine itemst, -
link bad key: EBADMSG, longer than nine -, -
link bad name: ok, longer than nine longer than nine, -
link bad other: EEXIST, longer than nine goods5, -
link bad no-key: EBADMSG, longer than nine -, -
link bad digits: EACCES, longer than nine -, -
link nothing record: ENOENT, - items2, -
link nothing scratch: ENOENT, - itemst, -
link nothing key: ENOENT, - -, -
link nothing name: ENOENT, - -, -
link nothing other: ENOENT, - goods5, -
link nothing no-key: ENOENT, - -, -
link nothing digits: ENOENT, - -, -
link other record: EEXIST, goods4 items2, -
link other scratch: EEXIST, goods4 itemst, -
link other key: EPERM, goods4 -, -
link other name: ok, goods4 goods4, -
link other other: EEXIST, goods4 goods5, -
link other no-key: EBADMSG, goods4 -, -
link other digits: EACCES, goods4 -, -
END
}

test_a_record_takes_along_what_its_file_does_not_show() {
	cd .. && unmount
	rm shop.db
	conf <<'CONF'
store sqlite:shop.db
model users {
	fields { id integer key; name string; pin string required write-only; mark string hidden; since datetime default now read-only
		rest string; secret string write-only }
	show name since
}
model gone {
	fields { id integer key; name string; pin string required write-only max 4; mark string hidden; since datetime default now read-only
		rest string; secret string; more string hidden default own }
	show name since secret
}
CONF
	mount_rowfs
	saves mnt/users/1.json '{"name": "Ann", "pin": "1234", "rest": "r", "secret": "s"}'
	sql "update users set mark = 'm', since = '2020-01-01T00:00:00Z'"
	mv mnt/users/1.json mnt/gone/7.json
	is "$(sql 'select * from gone')" '7|Ann|1234|m|2020-01-01T00:00:00Z|r||own'
	is "$(value mnt/gone/7.json '[.since, .secret]')" '["2020-01-01T00:00:00Z",null]'
	mkdir mnt/.txn/t
	mv mnt/.txn/t/gone/7.json mnt/.txn/t/users/
	echo commit >mnt/.txn/t/ctl
	is "$(sql 'select * from users')" '7|Ann|1234|m|2020-01-01T00:00:00Z|r|'
	saves mnt/users/8.json '{"name": "Bob", "pin": "12345"}'
	is "$(errno rename mnt/users/8.json mnt/gone/8.json)" 'rename: EBADMSG'
	is "$(last_error)" '/pin: must be at most 4 characters long, it has 5'
	saves mnt/gone/7.json '{"name": "Cid", "pin": "9"}'
	sql "update gone set since = '2020-01-01T00:00:00Z'"
	mv mnt/users/7.json mnt/gone/7.json
	is "$(sql 'select name, pin, mark, rest from gone')" 'Ann|1234|m|r'
}

run "$@"
