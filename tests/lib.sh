# shellcheck shell=bash
# lib.sh - what every mount test stands on; sourced by tests/mount/*.sh and tests/scenarios/*/test.sh.
#
# A test file defines functions test_WHAT_HOLDS, one behaviour each, optionally setup and cleanup, and ends with `run "$@"`. Every
# test runs in a process and a fresh directory of its own, with mount.conf, shop.db and the mount as ./mnt, never under
# /tmp, where vim and emacs make no backups. At the end the daemon must stop with status 0, and a line of its log that
# reads like an error fails the test unless allow_log named it. `bash FILE` runs all tests of a file, `bash FILE TEST` one.

set -Eeuo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # for the tests
here=$(cd "$(dirname "$0")" && pwd)
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$top/$BUILD ;; esac
export PATH="$BUILD:$BUILD/tool:$PATH" LC_ALL=C.UTF-8 TZ=UTC
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=0
daemon=
allowed=()

# ---- verdicts ----

fail() {
	echo "$*" >&2
	exit 1
}

skip() {
	echo "$*"
	exit 77
}

# is ACTUAL EXPECTED [WHAT]
is() {
	[ "$1" = "$2" ] || fail "${3:-line ${BASH_LINENO[0]}}: expected $(printf '\n%s\ngot\n%s' "$2" "$1")"
}

# has TEXT EXTENDED-REGEX
has() {
	grep -qE -- "$2" <<<"$1" || fail "line ${BASH_LINENO[0]}: no /$2/ in $(printf '\n%s' "$1")"
}

hasnt() {
	if grep -qE -- "$2" <<<"$1"; then fail "line ${BASH_LINENO[0]}: /$2/ in $(printf '\n%s' "$1")"; fi
}

# fails COMMAND...: it must not succeed; what it says is dropped.
fails() {
	if "$@" >/dev/null 2>&1; then fail "line ${BASH_LINENO[0]}: succeeded: $*"; fi
}

# within SECONDS COMMAND...: waits until it succeeds; 1 if it never does.
within() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.02
	done
}

# eventually COMMAND...: the same for ten seconds, or the test has failed.
eventually() {
	within "${PATIENCE:-10}" "$@" || fail "line ${BASH_LINENO[0]}: still not true: $*"
}

# ---- files ----

# save FILE TEXT: what `echo TEXT > FILE` does, naming the calls that failed.
save() {
	errno open "$1" wct : write "$2" : close
}

# saves FILE TEXT
saves() {
	is "$(save "$1" "$2")" ok "line ${BASH_LINENO[0]}: saving $1"
}

# refuses ERRNO FILE TEXT: the write tells, the close repeats it, and no row has changed.
refuses() {
	local before
	before=$(rows)
	is "$(save "$2" "$3")" "write: $1, close: $1" "line ${BASH_LINENO[0]}: saving $2"
	is "$(rows)" "$before" "line ${BASH_LINENO[0]}: rows after a refusal"
}

# as UID COMMAND...: as that user and group, with no other group.
as() {
	local uid=$1
	shift
	setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
}

# by UID STEPS...: system calls of that user.
by() {
	local uid=$1
	shift
	as "$uid" errno "$@"
}

# value FILE FILTER: compact.
value() {
	jq -cr "$2" "$1"
}

# The last entry of .errors, or a part of it.
last_error() {
	tail -n 1 mnt/.errors | jq -cr "${1:-.message}"
}

# All of the database but the programs of after_commit that wait: they go by themselves.
rows() {
	sqlite3 shop.db .dump | grep -vE "^INSERT INTO (rowfs_after VALUES|sqlite_sequence VALUES\('rowfs_after')"
}

sql() {
	sqlite3 -cmd '.timeout 5000' shop.db "$1"
}

job_is() {
	[ "$(value "$1" .status)" = "$2" ]
}

conf() {
	cat >mount.conf
}

# program NAME: an executable file from standard input.
program() {
	mkdir -p "$(dirname "$1")"
	cat >"$1"
	chmod +x "$1"
}

# ---- the daemon ----

mounted_or_gone() {
	mountpoint -q mnt || gone "$daemon"
}

# mount_rowfs [CONF [OPTION...]]: returns when the mount answers.
# shellcheck disable=SC2120
mount_rowfs() {
	local file=${1:-mount.conf}
	[ $# = 0 ] || shift
	mkdir -p mnt
	# A shell starts what it puts into the background with SIGINT ignored.
	env --default-signal=INT,QUIT rowfs "$file" mnt -f "$@" >>daemon.log 2>&1 </dev/null &
	daemon=$!
	within 30 mounted_or_gone || fail "the mount does not answer"
	mountpoint -q mnt && return
	daemon=
	! grep -q "only allowed if 'user_allow_other'" daemon.log || skip "/etc/fuse.conf has no user_allow_other"
	fail "line ${BASH_LINENO[0]}: the daemon ended"
}

# Lines of the daemon that may look like errors in this test.
allow_log() {
	allowed+=("$1")
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# Another mount namespace, in which it is still mounted, or what its threads wait for.
tell_what_holds() {
	grep -ls " $PWD/mnt .* fuse\.rowfs " /proc/[0-9]*/mountinfo | sed 's/^/it is mounted in the namespace of /'
	grep -s . "/proc/$1/task/"*/{comm,wchan,syscall}
}

# Unmounts and prints what is wrong with the daemon's end.
stop() {
	local status=0 pid=$daemon
	daemon=
	if ! within 5 fusermount3 -u mnt; then
		echo "the mount is busy"
	elif ! within 20 gone "$pid"; then
		echo "the daemon does not end"
		tell_what_holds "$pid"
	else
		wait "$pid" || status=$?
		[ $status = 0 ] && return
		echo "the daemon ended with status $status"
	fi
	kill -9 "$pid" 2>/dev/null || true
	return 1
}

unmount() {
	stop || exit 1
}

remount() {
	unmount
	mount_rowfs
}

crash() {
	kill -9 "$daemon"
	wait "$daemon" 2>/dev/null || true
	daemon=
	fusermount3 -uz mnt
}

suspicious() {
	local pattern
	grep -iE 'error|warning|sanitizer|leak|assert' daemon.log 2>/dev/null >suspicious || return 1
	for pattern in ${allowed[@]+"${allowed[@]}"}; do
		grep -vE -- "$pattern" suspicious >rest || true
		mv rest suspicious
	done
	[ -s suspicious ]
}

finish() {
	local status=$?
	trap - EXIT ERR
	set +eE
	exec >&2 # it may still be a file of the mount
	cd "$WORK" || exit 1
	[ -z "$daemon" ] || stop || [ $status -ne 0 ] || status=1
	if declare -F cleanup >/dev/null; then cleanup; fi
	# shellcheck disable=SC2046
	[ -z "$(jobs -p)" ] || kill -9 $(jobs -p) 2>/dev/null
	if mountpoint -q mnt 2>/dev/null || [ "$(stat mnt 2>&1 | grep -c 'not connected')" = 1 ]; then fusermount3 -uz mnt; fi
	if suspicious; then
		echo "the daemon's log reads like an error:"
		cat suspicious
		[ $status -ne 0 ] || status=1
	fi
	if [ $status -ne 0 ] && [ $status -ne 77 ] && [ -s daemon.log ]; then
		echo "daemon.log:"
		tail -n 20 daemon.log
	fi
	cd /
	[ -n "${KEEP:-}" ] || rm -rf --one-file-system "$WORK"
	exit $status
}

# ---- running ----

list() {
	sed -n 's/^\(test_[a-z0-9_]*\)().*/\1/p' "$0"
}

# A directory for one test, on a real disk and not under /tmp.
work_directory() {
	local base=$BUILD
	case $base in /tmp/*) base=/var/tmp ;; esac
	mkdir -p "$base"
	mktemp -d "$base/test.XXXXXX"
}

run_one() {
	WORK=${WORK:-$(work_directory)}
	cd "$WORK"
	trap 'exit 143' TERM INT
	trap finish EXIT
	trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR
	[ -e /dev/fuse ] || skip "there is no /dev/fuse"
	if declare -F setup >/dev/null; then setup; fi
	"$1"
}

run() {
	local name status failed=0
	if [ $# -gt 0 ]; then
		run_one "$1"
		return
	fi
	for name in $(list); do
		status=0
		bash "$0" "$name" || status=$?
		case $status in
		0) echo "ok   $name" ;;
		77) echo "skip $name" ;;
		*)
			echo "FAIL $name"
			failed=1
			;;
		esac
	done
	exit $failed
}
