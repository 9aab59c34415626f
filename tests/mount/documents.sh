#!/bin/bash
# What is JSON and what isn't, each text of tests/documents through a real mount: accepted and shown, or refused with an error
# and a sentence that has the place. And file names: every byte, every length, every trick.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
durability off
model docs {
	fields {
		id integer key
		v json
		n integer
		x number
		s string
	}
}
model names {
	fields {
		id string key
		n integer
	}
}
END
	mount_rowfs
}

repeat() { head -c "$1" /dev/zero | sed "s/\x00/$2/g"; }

# What stands for itself in a list: "@deep 60" and the like.
deep() { printf '{"v":%s1%s}' "$(repeat "$1" '[')" "$(repeat "$1" ']')"; }
large() { printf '{"s":"%s"}' "$(repeat $(($1 - 8)) x)"; }
laugh() { printf '{"s":"%s"}' "$(repeat "$1" '\\\\u0041')"; }

# put KEY TEXT: writes the document to docs/KEY.json; what cat says goes to `said`.
put() {
	case $2 in
	=@*)
		local word
		read -r -a word <<<"${2#=@}"
		"${word[@]}"
		;;
	=*) printf %b "${2#=}" ;;
	*) printf '{"v": %b}' "$2" ;;
	esac >text
	cat text >"mnt/docs/$1.json" 2>said
}

# read_case LINE: its fields.
read_case() {
	fields=("${1%% | *}" "${1#* | }")
	[[ ${fields[1]} != *' | '* ]] || fields=("${fields[0]}" "${fields[1]%% | *}" "${fields[1]#* | }")
}

# Each is saved as a record of its own; then one jq reads them all.
accepted() {
	local key=0
	while IFS= read -r line; do
		read_case "$line"
		key=$((key + 1))
		put $key "${fields[0]}" || fail "refused: ${fields[0]}: $(last_error)"
		case ${fields[-1]} in
		@*) "deep" "${fields[-1]#@deep }" | jq -c .v ;;
		*) printf '%b\n' "${fields[-1]}" ;;
		esac >>expected
	done
	[ $key -ge "$1" ] || fail "only $key cases"
	for ((n = 1; n <= key; n++)); do echo "mnt/docs/$n.json"; done | xargs jq -c .v >shown
	diff expected shown >&2
}

# Each is refused; then .errors has told of each, in order, with error and place.
refused() {
	local key=0 answers n=0
	while IFS= read -r line; do
		read_case "$line"
		key=$((key + 1))
		if put $key "${fields[0]}"; then fail "accepted: ${fields[0]}"; fi
	done <cases
	[ $key -ge "$1" ] || fail "only $key cases"
	is "$(ls mnt/docs)" ''
	mapfile -t answers < <(jq -r '"\(.errno) \(.problems[0] | "\(.pointer) line \(.line), column \(.column):") \(.message)"' mnt/.errors)
	is ${#answers[@]} $key
	while IFS= read -r line; do
		read_case "$line"
		[[ ${answers[$n]} =~ ^${fields[1]}\ .*${fields[2]} ]] || fail "${fields[0]}: expected ${fields[1]} ${fields[2]}, got ${answers[$n]}"
		n=$((n + 1))
	done <cases
}

test_every_text_that_is_json_is_accepted() {
	accepted 50 <"$top/tests/documents/accept"
}

test_every_text_that_is_no_json_is_refused_with_its_place() {
	cp "$top/tests/documents/reject" cases
	refused 90
}

test_what_the_rfc_leaves_open_is_decided() {
	grep -v ' | ok | ' "$top/tests/documents/either" >cases
	refused 10
	grep ' | ok | ' "$top/tests/documents/either" | sed 's/ | ok | / | /' | accepted 8
}

# Whole reals have no exponent in a file up to 32 digits, in what node writes up to 21.
test_a_large_real_is_taken_as_it_is_shown_and_as_programs_write_it() {
	local real
	for real in 1.2345678901234567e19 -9223372036854775808e3 1.5e20 1e21 98765432109876540000 100000000000000000000; do
		saves mnt/docs/1.json "{\"x\": $real, \"v\": [$real]}"
		is "$(jq -c --arg r "$real" '[.x == ($r | tonumber), .v == [.x]]' mnt/docs/1.json)" '[true,true]' "$real"
		sed 's/"s": null/"s": "again"/' mnt/docs/1.json >text
		saves mnt/docs/1.json "$(cat text)"
		cmp text mnt/docs/1.json
		python3 -c 'import json; print(json.dumps(json.load(open("text")), indent=2, ensure_ascii=False))' >again
		saves mnt/docs/1.json "$(cat again)"
		cmp text mnt/docs/1.json
		rm mnt/docs/1.json
	done
}

# What is short on the way in may be long as a file: a control character has six bytes there, each element a line.
test_what_grows_beyond_the_limit_as_a_file_is_refused() {
	local text
	for text in "$(printf '{"s":"%s"}' "$(repeat 200000 '\x7f')")" "$(printf '{"v":[%s1]}' "$(repeat 300000 '1,')")"; do
		printf %s "$text" >text
		fails cp text mnt/docs/1.json
		is "$(last_error .errno)" EFBIG
		is "$(ls mnt/docs)" ''
	done
}

test_a_record_of_the_limit_is_saved_and_read_back() {
	large 1048000 >text
	cat text >mnt/docs/1.json
	is "$(jq -r '.s | length' mnt/docs/1.json)" $((1048000 - 8))
}

# ---- names ----

# A name for each byte alone and between letters; / and NUL can't be in one.
test_every_byte_in_a_name_is_a_key_or_refused() {
	local byte name code kept=0
	for ((byte = 1; byte < 256; byte++)); do
		[ $byte != 47 ] || continue
		printf -v name '\\x%02x' $byte
		printf -v name "a${name}b"
		code=$(errno open "mnt/names/$name.json" wct : write '{"n": 1}' : close)
		if ((byte < 32 || byte == 37 || byte == 127 || byte > 127)); then
			is "$code" 'open: EBADMSG, write: EBADF, close: EBADF' "byte $byte"
			[ ! -e "mnt/names/$name.json" ] || fail "byte $byte is there"
		else
			is "$code" ok "byte $byte"
			kept=$((kept + 1))
		fi
	done
	is "$(sql 'select count(*) from names')" $kept
	is "$(find mnt/names -type f | wc -l)" $kept
}

# NAME and what the database has for it.
named() {
	saves "mnt/names/$1" '{"n": 1}'
	is "$(sql 'select quote(id) from names')" "'$2'"
	is "$(ls -A mnt/names)" "$1"
	rm "mnt/names/$1"
}

test_a_key_has_one_name() {
	named 'a.json' a
	named 'a b.json' 'a b'
	named 'A.json' A
	named 'é.json' é
	named '%2F.json' /
	named '%2Fetc%2Fpasswd.json' /etc/passwd
	named '%2E..json' ..
	named '%25.json' %
	named '%252F.json' %2F
	named '%0A.json' $'\n'
	named 'a.json.json' a.json
	named '-rf.json' -rf
	named "it's.json" "it''s"
	named '$(id);`id`|&<>*?.json' '$(id);`id`|&<>*?'
	named '~.json' '~'
	named ' .json' ' '
}

test_names_that_are_no_keys_name_is_refused() {
	local name
	for name in '%41.json' '%2f.json' '%.json' '%2.json' '%zz.json' '%00.json' 'a%2eb.json' '%C3%A9.json' $'\xc3.json' \
		$'\xed\xa0\x80.json' 'a%20b.json' '%80.json' '%2E%2E.json' '%61.json'; do
		is "$(errno open "mnt/names/$name" wct)" 'open: EBADMSG' "$name"
		is "$(errno open "mnt/names/$name" r)" 'open: ENOENT' "$name"
	done
	for name in 007 +7 -1 ' 7' 7.0 1e1 0x7 '' ٧ 281474976710656 99999999999999999999; do
		is "$(errno open "mnt/docs/$name.json" r)" 'open: ENOENT' "$name"
	done
	for name in 007 +7 -1 ' 7' 7.0 1e1 0x7 ٧ 281474976710656 99999999999999999999; do
		is "$(errno open "mnt/docs/$name.json" wct)" 'open: EBADMSG' "$name"
	done
	is "$(sql 'select count(*) from docs')" 0
}

test_case_makes_another_key_but_no_other_ending() {
	saves mnt/names/a.json '{"n": 1}'
	saves mnt/names/A.json '{"n": 2}'
	is "$(sql 'select group_concat(id || n) from names order by id')" a1,A2
	echo '{"n": 3}' >mnt/names/a.JSON # a scratch file
	is "$(sql 'select count(*) from names')" 2
}

test_a_name_has_at_most_255_bytes() {
	local long
	long=$(repeat 250 a)
	saves "mnt/names/$long.json" '{"n": 1}'
	is "$(errno open "mnt/names/${long}a.json" wct)" 'open: ENAMETOOLONG'
	long=$(repeat 83 '%0A')
	saves "mnt/names/$long.json" '{"n": 1}'
	is "$(errno open "mnt/names/$long%0A.json" wct)" 'open: ENAMETOOLONG'
	is "$(sql 'select group_concat(length(id)) from (select id from names order by length(id))')" 83,250
}

test_dots_lead_nowhere() {
	saves mnt/names/a.json '{"n": 1}'
	is "$(stat -c %i mnt/names/../names/a.json)" "$(stat -c %i mnt/names/a.json)"
	is "$(stat -c %i mnt/names/..)" "$(stat -c %i mnt)"
	fails cat mnt/names/%2E%2E/docs
	fails ls mnt/../mnt/names/a.json/..
	is "$(errno open mnt/...json r)" 'open: ENOENT'
}

run "$@"
