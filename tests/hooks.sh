#!/bin/bash
# rowfs-hooks(5) has a section for each event of the table in hooks/hook.c, in its order and with the same four facts each,
# a line in its overview that names the same verbs, whether it may refuse and what it may change (the table of answers in
# hooks/reply.c), and a section for each kind, which says where it is not for after_commit.
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
# "pre_save refuse new": what the tables let an event do.
powers() {
	sed -n 's/^    \[EVENT_\([A-Z_]*\)\] = {"\([a-z_]*\)", [A-Z_]*, KINDS_\([A-Z]*\)},.*/\1 \2 \3/p' hooks/hook.c |
		while read -r constant event kinds; do
			echo "$event $([ "$kinds" = AFTER ] && echo - || echo refuse)" \
				"$(sed -n "s/.*= {\"\([a-z]*\)\",.* true, EVENT_$constant},.*/\1/p" hooks/reply.c | grep . || echo -)"
		done
}
told_powers() {
	sed -n '/^\.Sh EVENTS/,/^\.Ss/s/^\.It \([a-z_]*\) Ta [a-z ]* Ta \([a-z-]*\) Ta \(.*\)/\1 \2 \3/p' $page |
		sed 's/the record$/new/; s/whether the row changes$/handled/'
}
# Kinds that are not for after_commit: those that the table leaves out, those whose sections say so.
not_after() {
	for kind in $(kinds); do
		grep -A1 'KINDS_AFTER =' hooks/hook.c | grep -q "BIT(HOOK_${kind^^})" || echo "$kind"
	done
}
told_not_after() {
	sed -n '/^\.Sh KINDS/,/^\.Ss Options/p' $page | sed -n 's/^\.Ss \([a-z]*\).*/\1/p; s/^Not for after_commit\.$/no/p' |
		grep -B1 '^no$' | grep -vE '^(no|--)$'
}
kinds() {
	sed -n 's/^    \[HOOK_[A-Z]*\] = {"\([a-z]*\)", .*/\1/p' hooks/hook.c
}

diff <(table) <(overview)
diff <(table | cut -d' ' -f1) <(sections EVENTS KINDS)
diff <(table | while read -r _; do printf '%s\n' When Input 'Effect of a failure' 'May change'; done) <(facts)
diff <(kinds) <(sections KINDS 'THE EVENT')
diff <(powers) <(told_powers)
diff <(not_after) <(told_not_after)
