#!/bin/bash
# Random operations, also in transactions, against a model of the contract in memory: a short run; `make soak-checker` is the long one.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

check() {
	checker --program "$BUILD/rowfs" --directory . --ops 2500 --seed "$1" --seeds 4
}

test_a_model_in_memory_finds_no_difference_in_ten_thousand_operations() {
	check 1
}

test_a_model_in_memory_finds_no_difference_with_other_seeds() {
	check 101
}

test_four_at_once_find_no_difference_in_what_is_theirs() {
	checker --program "$BUILD/rowfs" --directory . --ops 1500 --seed 201 --workers 4
}

test_a_crowd_on_the_same_records_leaves_files_and_tables_alike() {
	checker --program "$BUILD/rowfs" --directory . --ops 1500 --seed 301 --workers 4 --crowd
}

run "$@"
