#!/bin/bash
# The examples of the manual pages do what the pages say when they are typed in as they stand.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# example PAGE N: the Nth literal block of the section EXAMPLES.
example() {
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh S/p' "$top/man/$1" | awk -v n="$2" '
		/^\.Bd/ { inside = ++seen == n; next }
		/^\.Ed/ { inside = 0 }
		inside' | sed 's/\\e/\\/g'
}

# line PAGE REGEX: the one line of it that is displayed and fits.
line() {
	sed -n "/^\\.Sh EXAMPLES/,\$s/^\\.Dl \\($2.*\\)/\\1/p" "$top/man/$1"
}

test_mount_conf_can_be_typed_in() {
	example mount.conf.5 1 | conf
	program hooks/fulfil <<<'#!/bin/sh'
	rowfs check mount.conf
	mount_rowfs
	saves mnt/users/1.json '{"name": "Ann"}'
	refuses ECANCELED mnt/orders/.new '{"owner_id": 1, "description": ""}'
	is "$(errno open mnt/orders/.new b : write '{"owner_id": 1, "description": "tea", "lines": [{"product": "tea"}]}' : read | jq -c .)" \
		'{"id":1,"started_at":null,"status":"queued"}'
	is "$(value mnt/orders/1.json '[.lines[].quantity]')" '[1]'
	is "$(value mnt/jobs/.wait/1.json .status)" 'done'
}

test_a_program_that_refuses() {
	example rowfs-hooks.5 1 | program refuse
	conf <<-END
		store sqlite:shop.db
		model orders { fields { id integer key; total integer }; on pre_save run ./refuse }
	END
	mount_rowfs
	saves mnt/orders/1.json '{"total": 1000}'
	saves mnt/orders/2.json '{"total": null}'
	refuses EPERM mnt/orders/3.json '{"total": 1001}'
	is "$(last_error)" "Orders above 1000 need a signature"
}

test_programs_that_edit() {
	conf <<-END
		store sqlite:shop.db
		model one { fields { id integer key; name string }; $(line rowfs-hooks.5 'on pre_save run') }
		model other { fields { id integer key; name string }; $(line rowfs-hooks.5 'on pre_save pipe') }
	END
	mount_rowfs
	local model
	for model in one other; do
		saves mnt/$model/1.json '{"name": "ANN"}'
		is "$(value mnt/$model/1.json .name)" ann
		saves mnt/$model/2.json '{}'
		is "$(value mnt/$model/2.json .name)" null
	done
}

test_a_plugin() {
	example rowfs-plugin.3 1 >price.c
	"${CC:-cc}" -shared -fPIC -I "$top/hooks" -o price.so price.c
	conf <<-END
		store sqlite:shop.db
		model things { fields { id integer key; price number }; on pre_save plugin price.so }
	END
	mount_rowfs
	saves mnt/things/1.json '{"price": 0}'
	saves mnt/things/2.json '{}'
	refuses ERANGE mnt/things/3.json '{"price": -0.5}'
	is "$(last_error)" "A price below zero"
}

run "$@"
