#!/bin/bash
# rowfs-hooks(5) has a section for each event of the table in hooks/hook.c, in its order and with the same four facts each,
# a line in its overview that names the same verbs, and a section for each kind.
set -eu
cd "$(dirname "$0")/.."
page=man/rowfs-hooks.5

# "pre_save create replace patch", one line an event.
table() {
	sed -n 's/^    \[EVENT_[A-Z_]*\] = {"\([a-z_]*\)", VERBS_\([A-Z]*\), .*/\1 \2/p' hooks/hook.c |
		sed 's/SAVE$/create replace patch/; s/DELETE$/delete/; s/ALL$/create replace patch delete/'
}
overview() {
	sed -n '/^\.Sh EVENTS/,/^\.Ss/s/^\.It \([a-z_]*\) Ta \([a-z ]*\) Ta .*/\1 \2/p' $page
}
sections() {
	sed -n "/^\\.Sh $1/,/^\\.Sh $2/s/^\\.Ss \\([a-z_][a-z_]*\\).*/\\1/p" $page
}
facts() {
	sed -n '/^\.Sh EVENTS/,/^\.Sh KINDS/s/^\.It \(When\|Input\|Effect of a failure\|May change\)$/\1/p' $page
}
kinds() {
	sed -n 's/^    \[HOOK_[A-Z]*\] = {"\([a-z]*\)", .*/\1/p' hooks/hook.c
}

diff <(table) <(overview)
diff <(table | cut -d' ' -f1) <(sections EVENTS KINDS)
diff <(table | while read -r _; do printf '%s\n' When Input 'Effect of a failure' 'May change'; done) <(facts)
diff <(kinds) <(sections KINDS 'THE EVENT')
