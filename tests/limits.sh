#!/bin/bash
# mount.conf(5), section LIMITS, names every constant of store/limits.h once, with its value.
set -u
cd "$(dirname "$0")/.." || exit 1

# The header says what each is; the man page's list carries `.It Dv NAME Pq VALUE`.
header() {
	sed -n 's/^[[:space:]]*\(\(LIMIT\|TIMEOUT\|POLL\)_[A-Z_]*\) = \([^,]*\),.*/\1 \3/p' store/limits.h | while read -r name value; do
		echo "$name $((value))"
	done
}
manual() {
	sed -n '/^\.Sh LIMITS/,/^\.Sh [^L]/s/^\.It Dv \([A-Z_]*\) Pq \([0-9]*\).*/\1 \2/p' man/mount.conf.5
}
diff <(header | sort) <(manual | sort)
