#!/bin/bash
# Ordinary programs edit a record, each in its own way; afterwards the new text is stored and nothing else is left.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

setup() {
	conf <<'END'
store sqlite:shop.db
model items {
	fields {
		id integer key
		name string required
		note string write-only
	}
	on pre_save sql "insert into saves (text) values (:new_name)"
}
model saves {
	fields {
		id integer key
		text string
	}
}
END
	mount_rowfs
	saves mnt/items/1.json '{"name": "old"}'
}

# edits PROGRAM COMMAND: the command makes "new" of "old" with one save.
edits() {
	command -v "$1" >/dev/null || skip "there is no $1"
	echo '{"name": "new"}' >new.json
	bash -c "$2" >/dev/null
	is "$(sql 'select group_concat(text) from saves')" old,new
	is "$(value mnt/items/1.json .name)" new
	rm -f mnt/items/*~ mnt/items/*.bak
	is "$(ls -A mnt/items)" 1.json
}

test_vim() { edits vim 'vim -N -u NONE -es -c %s/old/new/ -c wq mnt/items/1.json'; }
test_vim_with_backup() { edits vim 'vim -N -u NONE -es -c "set backup" -c %s/old/new/ -c wq mnt/items/1.json'; }
test_neovim() { edits nvim 'nvim --headless -u NONE -c %s/old/new/ -c wq mnt/items/1.json'; }
test_ed() { edits ed 'printf "%s\n" ,s/old/new/ w q | ed -s mnt/items/1.json'; }
test_sed_i() { edits sed 'sed -i s/old/new/ mnt/items/1.json'; }
test_sed_i_with_backup() { edits sed 'sed -i.bak s/old/new/ mnt/items/1.json'; }
test_perl_i() { edits perl 'perl -pi -e s/old/new/ mnt/items/1.json'; }
test_perl_i_with_backup() { edits perl 'perl -pi.bak -e s/old/new/ mnt/items/1.json'; }
test_emacs() {
	edits emacs 'emacs -Q --batch mnt/items/1.json --eval \
		"(progn (search-forward \"old\") (replace-match \"new\") (save-buffer))" 2>&1'
}
test_patch() { edits patch 'sed s/old/new/ mnt/items/1.json | diff -u mnt/items/1.json - | patch mnt/items/1.json'; }
test_cp() { edits cp 'cp new.json mnt/items/1.json'; }
test_cp_p() { edits cp 'cp -p new.json mnt/items/1.json'; }
test_cp_a() { edits cp 'mkdir d && mv new.json d/1.json && cp -a d/. mnt/items/'; }
test_install() { edits install 'install new.json mnt/items/1.json'; }
test_mv_from_another_filesystem() { edits mv 'mv new.json mnt/items/1.json'; }
test_mv_b() { edits mv 'cp new.json mnt/items/t && mv -b mnt/items/t mnt/items/1.json'; }
test_tar() { edits tar 'mv new.json 1.json && tar cf - 1.json | tar xf - -C mnt/items'; }
test_rsync() { edits rsync 'mkdir d && mv new.json d/1.json && rsync -a d/ mnt/items/'; }
test_rsync_inplace() { edits rsync 'mkdir d && mv new.json d/1.json && rsync -a --inplace d/ mnt/items/'; }
test_tee() { edits tee 'tee mnt/items/1.json < new.json'; }
test_dd() { edits dd 'dd if=new.json of=mnt/items/1.json status=none'; }
test_sort_o() { edits sort 'sort -o mnt/items/1.json new.json'; }
test_jq_redirected_onto_its_input() { edits jq "jq '.name = \"new\"' mnt/items/1.json > mnt/items/1.json"; }
test_curl() { edits curl 'curl -s -o mnt/items/1.json "file://$PWD/new.json"'; }
test_python_replace() {
	edits python3 'cp new.json mnt/items/t && python3 -c "import os; os.replace(\"mnt/items/t\", \"mnt/items/1.json\")"'
}
test_python_unbuffered() {
	edits python3 'python3 -c "
f = open(\"mnt/items/1.json\", \"wb\", 0)
for byte in open(\"new.json\", \"rb\").read(): f.write(bytes([byte]))
f.close()"'
}

run "$@"
