#!/bin/bash
# The layers only look down: store/ includes nothing of hooks/ and fs/, hooks/ nothing of fs/, neither libfuse; and every
# header compiles alone.
set -u
cd "$(dirname "$0")/.." || exit 1
status=0
errors=$(mktemp)

complain() {
	echo "$1"
	status=1
}

looks_up() { # LAYER REGEX
	local found
	found=$(grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"][^>\"]*($2)" "$1"/*.[ch]) && complain "$1/ looks up: $found"
}

looks_up store '(^|/|")(hooks|fs)/|fuse'
looks_up hooks '(^|/|")fs/|fuse'

# What the kernel asks is asked by somebody, who may see only part of the records.
found=$(grep -n 'store_read_begin' fs/*.c) && complain "fs/ reads as nobody; use mount_read: $found"

# libfuse's headers are found by fs/ alone, so that an include of them elsewhere can't compile either.
for header in store/*.h hooks/*.h fs/*.h; do
	flags=
	case $header in fs/*) flags=$(pkg-config --cflags fuse3) ;; esac
	# shellcheck disable=SC2086
	${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-function $flags -fsyntax-only -x c "$header" 2>"$errors" ||
		complain "$header does not compile alone: $(cat "$errors")"
done
rm -f "$errors"
exit $status
