#!/bin/bash
# Scenario 4: a before_commit hook numbers the positions of an employee anew on create and delete.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"

setup() {
	cp "$here/mount.conf" "$here/told" .
	mount_rowfs
	saves mnt/employees/800.json '{"name": "Ann"}'
	saves mnt/employees/900.json '{"name": "Bob"}'
	saves mnt/departments/5.json '{"name": "Tower"}'
	sql "insert into positions (id, employee_id, title, created_at, historical_index) values
		(1, 900, 'Engineer', '2021-05-01T00:00:00Z', 1),
		(2, 900, 'Intern', '2020-05-01T00:00:00Z', 2),
		(3, 800, 'Manager', '2019-05-01T00:00:00Z', 1)"
}

indexes() { sql 'select id, employee_id, historical_index from positions order by id'; }
told() { [ "$(wc -l <log)" -ge "$1" ]; }

test_a_new_position_gets_1_and_the_others_move() {
	saves mnt/positions/4.json '{"employee_id": 900, "department_id": 5, "title": "Director"}'
	is "$(indexes)" $'1|900|2\n2|900|3\n3|800|1\n4|900|1'
	eventually told 1
	is "$(cat log)" 'create 4'
}

test_of_two_created_at_the_same_time_the_later_key_comes_first() {
	sql "update positions set created_at = '2021-05-01T00:00:00Z' where id = 2"
	saves mnt/positions/4.json '{"employee_id": 900, "title": "Director"}'
	is "$(indexes)" $'1|900|3\n2|900|2\n3|800|1\n4|900|1'
}

test_the_others_close_up_behind_a_deleted_one() {
	rm mnt/positions/1.json
	is "$(indexes)" $'2|900|1\n3|800|1'
}

test_a_change_of_the_title_moves_nothing() {
	sql "update positions set historical_index = historical_index + 10"
	saves mnt/positions/1.json '{"employee_id": 900, "title": "Chief"}'
	is "$(value mnt/positions/1.json .title)" Chief
	is "$(indexes)" $'1|900|11\n2|900|12\n3|800|11'
}

test_a_refusal_leaves_no_position_and_the_indexes() {
	local before
	before=$(indexes)
	refuses ECANCELED mnt/positions/4.json '{"employee_id": 900, "title": "King"}'
	is "$(last_error)" 'Nobody is king here'
	is "$(indexes)" "$before"
	is "$(ls mnt/positions)" $'1.json\n2.json\n3.json'
	saves mnt/positions/4.json '{"employee_id": 800, "title": "Clerk"}'
	eventually told 1
	is "$(cat log)" 'create 4'
}

test_the_index_and_the_department_are_not_shown() {
	saves mnt/positions/4.json '{"employee_id": 900, "department_id": 5, "title": "Director"}'
	is "$(jq -c keys_unsorted mnt/positions/4.json)" '["id","employee_id","title","active","created_at"]'
	is "$(sql 'select department_id from positions where id = 4')" 5
	refuses EBADMSG mnt/positions/4.json '{"employee_id": 900, "title": "Director", "historical_index": 7}'
}

test_an_entry_without_a_key_can_not_be_written_in_the_employee() {
	local before
	before=$(rows)
	refuses EPERM mnt/employees/900.json '{"name": "Bob", "positions": [{"title": "Director"}]}'
	has "$(last_error)" "can't be written here"
	is "$(rows)" "$before"
	saves mnt/employees/900.json '{"name": "Rob", "positions": [{"id": 1, "title": "Nothing"}]}'
	is "$(sql 'select title from positions where id = 1')" Engineer
	is "$(value mnt/employees/900.json .name)" Rob
}

test_positions_that_are_read_only_are_erofs() {
	unmount
	sed -i 's/^model positions {/model positions {\n\tread-only/' mount.conf
	mount_rowfs
	local before
	before=$(rows)
	is "$(errno open mnt/positions/1.json wt)" 'open: EROFS'
	is "$(errno unlink mnt/positions/1.json)" 'unlink: EROFS'
	is "$(rows)" "$before"
}

run "$@"
