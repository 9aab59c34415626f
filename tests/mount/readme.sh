#!/bin/bash
# The session at the top of README.md works as printed, after the tour that `make run` takes.
#
# In the expected output `…` stands for any text, on a line of its own for any lines. `make run` stands for the tour
# without the installation and the build. ls prints columns as it does to a terminal, and bash's messages are those of
# an interactive one.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# The session as a script that prints each command before it runs it.
script() {
	echo 'make() { tests/tour; }; ls() { command ls -C -T 0 "$@"; }'
	sed -n '/^```console$/,/^```$/s/^\$ //p' "$top/README.md" | while IFS= read -r command; do
		printf 'printf "%%s\\n" %q\n%s\n' "\$ $command" "$command"
	done
}

# Prints the first difference of two files; the first may hold …
compare() {
	python3 - "$1" "$2" <<'END'
import re, sys
expected, actual = (open(name).read() for name in sys.argv[1:])
pattern = re.escape(expected).replace(re.escape("\n…\n"), "\n(?:.*\n)*?").replace("…", "[^\n]*")
if not re.fullmatch(pattern, actual):
    print("README.md says:\n" + expected + "\nbut it is:\n" + actual)
    sys.exit(1)
END
}

test_the_session_works_as_printed() {
	mkdir hooks tests
	ln -s "$BUILD" build
	cp "$top/mount.conf" .
	cp "$top/hooks/fulfil" hooks
	cp "$top/tests/tour" tests
	script >session.sh
	bash session.sh 2>&1 | sed 's/^session.sh: line [0-9]*: /bash: /' >actual || true
	eventually fusermount3 -u mnt
	sed -n '/^```console$/,/^```$/p' "$top/README.md" | sed '1d;$d' >expected
	compare expected actual || exit 1
}

test_the_tour_can_be_taken_twice() {
	mkdir hooks
	ln -s "$BUILD" build
	cp "$top/mount.conf" .
	cp "$top/hooks/fulfil" hooks
	"$top/tests/tour" >first
	"$top/tests/tour" >second
	eventually fusermount3 -u mnt
	has "$(cat first)" '^\$ build/rowfs mount.conf mnt$'
	has "$(cat second)" 'mounted already'
	has "$(cat second)" '"id": 2,'
	hasnt "$(cat first second)" 'waiting|not found|[Nn]o such'
}

run "$@"
