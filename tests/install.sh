#!/bin/bash
# What `make install` puts down is enough to build a plugin with pkg-config, and `make uninstall` takes all of it away.
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

make -s install BUILD="$BUILD" PREFIX="$place/usr"
for page in man1/rowfs.1 man3/rowfs-plugin.3 man5/mount.conf.5 man5/rowfs-hooks.5; do test -s "$place/usr/share/man/$page"; done
"$place/usr/bin/rowfs" --version >/dev/null

export PKG_CONFIG_PATH=$place/usr/share/pkgconfig
# shellcheck disable=SC2046
"${CC:-cc}" -Wall -Wextra -Werror -shared -fPIC $(pkg-config --cflags rowfs) -o "$place/sample.so" tests/plugin/sample.c

make -s uninstall BUILD="$BUILD" PREFIX="$place/usr"
test -z "$(find "$place/usr" -type f)"
