#!/bin/bash
# Scenario 5: a graph of records is one file, one transaction and one order of hooks.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"

setup() {
	cp -r "$here/mount.conf" "$here/hooks" .
	mount_rowfs
}

logged() { [ "$(grep -c "$1" log)" -ge "$2" ]; }

joe='{"first_name": "Joe", "last_name": "Doe", "age": 30,
 "positions": [{"title": "specialist", "department": {"name": "safety"}}, {"title": "manager"}],
 "teams": [{"name": "blue"}]}'

counts() {
	sql 'select (select count(*) from employees), (select count(*) from positions), (select count(*) from department),
		(select count(*) from teams)'
}

test_one_file_is_five_rows_in_one_transaction() {
	saves mnt/employees/1.json "$joe"
	is "$(counts)" '1|2|1|1'
	is "$(sql 'select * from positions')" $'1|1|specialist\n2|1|manager'
	is "$(sql 'select * from department')" '1|1|safety'
	is "$(value mnt/employees/1.json .)" '{"id":1,"first_name":"Joe","last_name":"Doe","age":30,'\
'"positions":[{"id":1,"title":"specialist","department":{"id":1,"name":"safety"}},'\
'{"id":2,"title":"manager","department":null}],"teams":[{"id":1,"name":"blue"}]}'
	jq . mnt/employees/1.json >printed
	cmp printed mnt/employees/1.json
}

test_hooks_run_parents_first_and_after_the_rows_mirrored() {
	saves mnt/employees/1.json "$joe"
	eventually logged after_commit 5
	is "$(cut -d ' ' -f 1,3 log)" 'pre_save employees/1
pre_save positions/1
pre_save department/1
pre_save positions/2
pre_save teams/1
post_save teams/1
post_save positions/2
post_save department/1
post_save positions/1
post_save employees/1
before_commit employees/1
before_commit positions/1
before_commit department/1
before_commit positions/2
before_commit teams/1
after_commit employees/1
after_commit positions/1
after_commit department/1
after_commit positions/2
after_commit teams/1'
}

test_a_position_without_title_leaves_no_row_anywhere() {
	refuses EBADMSG mnt/employees/1.json "${joe/'"title": "specialist", '/}"
	is "$(last_error '[.problems[] | .pointer, .line]')" '["/positions/0/title",2]'
	is "$(counts)" '0|0|0|0'
	[ ! -e log ] || fail 'hooks have run'
}

test_problems_deep_inside_have_their_pointers() {
	refuses EBADMSG mnt/employees/1.json '{"positions": [{"title": "a", "department": []}, {"title": "b", "department": {}}]}'
	is "$(last_error '[.problems[] | .pointer, .message]')" \
		'["/positions/0/department","must be an object","/positions/1/department/name","is required"]'
}

test_a_change_deep_inside_reaches_the_events_of_all_above_it_and_of_none_beside_it() {
	saves mnt/employees/1.json "$joe"
	eventually logged after_commit 5
	: >log
	: >events
	jq '.positions[0].department.name = "security"' mnt/employees/1.json >edited
	cp edited mnt/employees/1.json
	eventually logged after_commit 3
	is "$(grep -v -e pre_save -e before_commit log)" 'post_save replace department/1 modified
post_save replace positions/1 details_modified
post_save replace employees/1 details_modified
after_commit replace employees/1 details_modified
after_commit replace positions/1 details_modified
after_commit replace department/1 modified'
	is "$(jq -c 'select(.event == "post_save" and .model == "employees") | .details.positions |
		[length, .[0].status, .[0].key, .[0].changed, .[0].details.department[0].changed]' events)" \
		'[1,"details_modified",1,[],["name"]]'
}

test_a_change_deep_inside_moves_the_times_of_all_above_it() {
	local before
	saves mnt/employees/1.json "$joe"
	before=$(stat -c %y mnt/employees/1.json mnt/positions/1.json mnt/positions/2.json)
	saves mnt/department/1.json '{"position_id": 1, "name": "security"}'
	is "$(value mnt/employees/1.json '.positions[0].department.name')" security
	is "$(stat -c %y mnt/employees/1.json mnt/positions/1.json mnt/positions/2.json |
		paste -d ' ' <(cat <<<"$before") - | awk '{ print ($2 == $5 ? "same" : "moved") }' | paste -sd ' ')" 'moved moved same'
}

test_removing_the_employee_removes_the_graph_with_the_hooks_of_all() {
	saves mnt/employees/1.json "$joe"
	eventually logged after_commit 5
	: >log
	rm mnt/employees/1.json
	is "$(counts)" '0|0|0|0'
	is "$(grep -e pre_delete -e post_delete log | cut -d ' ' -f 1,3)" 'pre_delete employees/1
pre_delete positions/1
pre_delete department/1
pre_delete positions/2
pre_delete teams/1
post_delete teams/1
post_delete positions/2
post_delete department/1
post_delete positions/1
post_delete employees/1'
}

test_a_position_that_goes_takes_its_department_along() {
	saves mnt/employees/1.json "$joe"
	jq 'del(.positions[0])' mnt/employees/1.json >edited
	cp edited mnt/employees/1.json
	is "$(counts)" '1|1|0|1'
	saves mnt/employees/1.json '{"first_name": "Joe"}'
	is "$(counts)" '1|0|0|0'
}

run "$@"
