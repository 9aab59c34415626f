/*
 * test_job.c - the runner: what becomes of a job by its program's end, and at start and stop.
 */
#include <sqlite3.h>
#include <time.h>

#include "../../hooks/job.h"
#include "../../hooks/job_log.h"
#include "saved.h"

static struct saved s;
static struct runner *_Atomic runner;

#define QUEUE(options) QUEUE_AFTER("20ms", options)
#define QUEUE_AFTER(backoff, options)                                                                                  \
	"store sqlite:a.db\ndurability off\n"                                                                          \
	"queue jobs { fields { what string }\nrun ./work\nbackoff " backoff "\n" options "\n}\n"                       \
	"queue others { fields { what string } }\n"

static void wake(void *data, const bool *models)
{
	struct runner *r = runner;
	(void)data;
	if (r)
		runner_wake(r, models);
}

static void open_queue(const char *conf, const char *script)
{
	saved_directory(&s);
	saved_script(&s, "work", script);
	saved_open(&s, conf);
	store_on_commit(s.store, wake, NULL);
}

static void start(void)
{
	struct runner *started = NULL;
	ck_assert_msg(runner_start(&started, s.saver, &s.error) == 0, "%s", s.error.text);
	runner = started;
}

static void stop(void)
{
	struct runner *r = runner;
	runner = NULL;
	runner_stop(r);
}

static void tear_down(void)
{
	stop();
	saved_close(&s);
}

static bool has(const char *queue, int64_t key, const char *text)
{
	return strstr(saved_show(&s, queue, key), text) != NULL;
}

static void wait_for(int64_t key, const char *text)
{
	struct timespec pause = {0, 2000000};
	for (int i = 0; i < 5000 && !has("jobs", key, text); i++)
		nanosleep(&pause, NULL);
	ck_assert_msg(has("jobs", key, text), "%s", saved_show(&s, "jobs", key));
}

/* As another program changes it. */
static void foreign(const char *sql)
{
	sqlite3 *db;
	ck_assert_int_eq(sqlite3_open(s.schema.database, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void wait_for_file(const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", s.directory, name);
	struct timespec pause = {0, 2000000};
	for (int i = 0; i < 5000 && access(path, F_OK) != 0; i++)
		nanosleep(&pause, NULL);
	ck_assert_int_eq(access(path, F_OK), 0);
}

START_TEST(a_job_runs_and_its_output_is_its_result)
{
	open_queue(QUEUE(""),
		   "cat > event; echo \"{\\\"said\\\":\\\"$new_what\\\",\\\"event\\\":\\\"$ROWFS_EVENT\\\"}\"");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{\"what\":\"hello\"}");
	wait_for(1, "\"status\":\"done\",\"attempts\":1");
	ck_assert(has("jobs", 1, "\"result\":{\"said\":\"hello\",\"event\":\"job\"}"));
	ck_assert(has("jobs", 1, "\"worker\":\"rowfs\",\"lease_until\":null"));
	ck_assert(!has("jobs", 1, "\"finished_at\":null"));
}
END_TEST

static const struct {
	const char *script, *result;
} results[] = {
    {"exit 0", "\"result\":null"},
    {"echo", "\"result\":null"},
    {"echo 7", "\"result\":7"},
    {"echo plain words", "\"result\":\"plain words\""},
    {"echo '1,\"status\":\"queued\"'", "\"result\":\"1,\\\"status\\\":\\\"queued\\\"\""},
};

START_TEST(output_that_is_no_JSON_is_a_string)
{
	open_queue(QUEUE(""), results[_i].script);
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	wait_for(1, "\"status\":\"done\"");
	ck_assert_msg(has("jobs", 1, results[_i].result), "%s", saved_show(&s, "jobs", 1));
}
END_TEST

START_TEST(a_failed_job_runs_again_until_its_attempts_are_used_up)
{
	open_queue(QUEUE("attempts 3"), "echo run >> runs; echo first >&2; echo last words >&2; exit 1");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	wait_for(1, "\"status\":\"failed\",\"attempts\":3");
	ck_assert(has("jobs", 1, "\"attempt\":1,\"message\":\"last words\""));
	ck_assert(has("jobs", 1, "\"attempt\":3,\"message\":\"last words\""));
	buf_auto text = BUF_INIT;
	ck_assert_int_eq(journal_last(s.journal, 0, "jobs/1.json", &text), 0);
	ck_assert_str_eq(buf_text(&text), "last words");
}
END_TEST

START_TEST(status_75_means_later_and_does_not_count)
{
	open_queue(QUEUE(""), "exit 75");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	for (int i = 0; i < 5000 && has("jobs", 1, "\"started_at\":null"); i++)
		usleep(1000);
	wait_for(1, "\"status\":\"queued\",\"attempts\":0");
	ck_assert(has("jobs", 1, "\"errors\":null"));
}
END_TEST

START_TEST(a_job_that_takes_too_long_fails)
{
	open_queue(QUEUE("timeout 100ms"), "sleep 60");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	wait_for(1, "\"status\":\"failed\"");
	ck_assert(has("jobs", 1, "work took longer than 100 ms"));
}
END_TEST

START_TEST(a_program_that_is_not_there_fails_the_job)
{
	open_queue(QUEUE(""), "exit 0");
	char path[128];
	snprintf(path, sizeof path, "%s/work", s.directory);
	unlink(path);
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	wait_for(1, "work: No such file or directory");
}
END_TEST

START_TEST(jobs_that_were_running_are_queued_again_at_start)
{
	open_queue(QUEUE(""), "exit 0");
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{\"what\":\"x\"}");
	saved_ok(&s, REQUEST_PUT, "others", -1, "{\"what\":\"x\"}");
	struct request r[] = {saved_request(&s, REQUEST_MERGE, "jobs", 1, "{\"status\":\"running\",\"attempts\":1}"),
			      saved_request(&s, REQUEST_MERGE, "others", 1, "{\"status\":\"running\"}")};
	r[0].trusted = r[1].trusted = r[0].runner = true;
	ck_assert_int_eq(saved_all(&s, r, 2, NULL), 0);
	start();
	wait_for(1, "\"status\":\"done\",\"attempts\":2");
	ck_assert(has("jobs", 1, "\"attempt\":1,\"message\":\"rowfs ended while it ran\""));
	ck_assert(has("others", 1, "\"status\":\"running\""));
}
END_TEST

START_TEST(no_more_run_at_once_than_there_are_workers)
{
	open_queue(QUEUE("workers 2"), "mkdir a 2>/dev/null || mkdir b 2>/dev/null || > toomany; sleep 0.02;"
				       "rmdir b 2>/dev/null || rmdir a; exit 0");
	start();
	for (int i = 0; i < 12; i++)
		saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	for (int i = 1; i <= 12; i++)
		wait_for(i, "\"status\":\"done\"");
	char path[128];
	snprintf(path, sizeof path, "%s/toomany", s.directory);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(removing_a_job_that_runs_ends_its_program_and_cancels_it)
{
	open_queue(QUEUE(""), "trap 'echo TERM > ended; exit 0' TERM; > started; while :; do sleep 0.01; done");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	wait_for_file("started");
	saved_ok(&s, REQUEST_DELETE, "jobs", 1, NULL);
	wait_for(1, "\"status\":\"cancelled\",\"attempts\":1");
	wait_for_file("ended");
	saved_ok(&s, REQUEST_DELETE, "jobs", 1, NULL);
	stop();
	ck_assert_int_eq(saved_count(&s, "jobs"), 0);
}
END_TEST

START_TEST(a_job_that_SQL_ends_while_it_runs_is_ended)
{
	open_queue(QUEUE(""), "trap 'echo TERM > ended; exit 0' TERM; > started; while :; do sleep 0.01; done");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	wait_for_file("started");
	foreign("UPDATE jobs SET status = 'cancelled'");
	wait_for_file("ended");
	ck_assert(has("jobs", 1, "\"status\":\"cancelled\""));
}
END_TEST

START_TEST(a_job_that_somebody_cancelled_while_it_ran_stays_cancelled)
{
	open_queue(QUEUE(""), "> started; while [ ! -e go ]; do sleep 0.01; done");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	wait_for_file("started");
	struct request r = saved_request(&s, REQUEST_MERGE, "jobs", 1, "{\"status\":\"cancelled\"}");
	r.trusted = true;
	ck_assert_int_eq(saved_all(&s, &r, 1, NULL), 0);
	saved_file(&s, "go", "", 0600);
	stop();
	ck_assert(has("jobs", 1, "\"status\":\"cancelled\""));
}
END_TEST

START_TEST(stop_ends_what_runs_after_a_while_and_queues_it_again)
{
	open_queue(QUEUE(""), "> started; sleep 60");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	wait_for_file("started");
	stop();
	ck_assert_msg(has("jobs", 1, "\"status\":\"queued\",\"attempts\":0"), "%s", saved_show(&s, "jobs", 1));
	saved_script(&s, "work", "exit 0");
	start();
	wait_for(1, "\"status\":\"done\",\"attempts\":1");
}
END_TEST

START_TEST(a_job_that_another_program_queued_is_found)
{
	open_queue(QUEUE(""), "echo $new_what");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{\"what\":\"one\"}");
	wait_for(1, "\"status\":\"done\"");
	foreign("INSERT INTO jobs(id, what, status, attempts, max_attempts, priority, run_at, created_at)"
		" SELECT 2, 'two', 'queued', 0, max_attempts, priority, run_at, created_at FROM jobs");
	wait_for(2, "\"result\":\"two\"");
}
END_TEST

START_TEST(a_job_whose_end_a_hook_refuses_fails)
{
	open_queue(QUEUE("on pre_save check \"status <> 'done'\" \"never done\""), "exit 0");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	wait_for(1, "\"status\":\"failed\"");
	ck_assert(has("jobs", 1, "never done"));
}
END_TEST

START_TEST(an_ended_job_goes_after_the_time_it_is_kept)
{
	open_queue(QUEUE("keep 50ms"), "exit 0");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{\"run_at\":\"2999-01-01T00:00:00Z\"}");
	for (int i = 0; i < 5000 && saved_count(&s, "jobs") > 1; i++)
		usleep(2000);
	ck_assert(has("jobs", 2, "\"status\":\"queued\""));
	ck_assert_str_eq(saved_show(&s, "jobs", 1), "");
}
END_TEST

START_TEST(a_lease_that_ran_out_frees_the_job)
{
	open_queue(QUEUE(""), "exit 0");
	start();
	saved_ok(&s, REQUEST_PUT, "others", -1, "{}");
	saved_ok(&s, REQUEST_MERGE, "others", 1, "{\"status\":\"running\"}");
	foreign("UPDATE others SET lease_until = '2020-01-01T00:00:00Z'");
	struct timespec pause = {0, 2000000};
	for (int i = 0; i < 5000 && !has("others", 1, "\"status\":\"queued\",\"attempts\":1"); i++)
		nanosleep(&pause, NULL);
	ck_assert_msg(has("others", 1, "\"attempt\":1,\"message\":\"its lease ran out\""), "%s",
		      saved_show(&s, "others", 1));
	ck_assert(has("others", 1, "\"worker\":null,\"lease_until\":null"));
}
END_TEST

START_TEST(no_more_run_than_the_limit)
{
	open_queue(QUEUE("workers 8\nlimit 2"), "mkdir a 2>/dev/null || mkdir b 2>/dev/null || > toomany; sleep 0.02;"
						"rmdir b 2>/dev/null || rmdir a; exit 0");
	start();
	for (int i = 0; i < 8; i++)
		saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	for (int i = 1; i <= 8; i++)
		wait_for(i, "\"status\":\"done\"");
	char path[128];
	snprintf(path, sizeof path, "%s/toomany", s.directory);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_paused_queue_starts_nothing_until_it_goes_on)
{
	open_queue(QUEUE(""), "exit 0");
	start();
	const struct model *jobs = saved_model(&s, "jobs");
	ck_assert_int_eq(runner_pause(runner, s.saver, jobs, true, &s.error), 0);
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	saved_ok(&s, REQUEST_PUT, "others", -1, "{}");
	saved_ok(&s, REQUEST_MERGE, "others", 1, "{\"status\":\"running\"}");
	ck_assert_int_eq(saved_do(&s, REQUEST_MERGE, "jobs", 1, "{\"status\":\"running\"}"), -EBUSY);
	ck_assert_str_eq(s.error.text, "jobs is paused");
	err_release(&s.error);
	stop();
	start();
	ck_assert(has("jobs", 1, "\"status\":\"queued\""));
	ck_assert_int_eq(runner_pause(runner, s.saver, jobs, false, &s.error), 0);
	wait_for(1, "\"status\":\"done\"");
}
END_TEST

START_TEST(what_a_program_writes_to_standard_error_is_its_log)
{
	open_queue(QUEUE("attempts 2"),
		   "echo start >&2; > started; while [ ! -e go ]; do sleep 0.01; done; echo end >&2; exit 1");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	wait_for_file("started");
	const struct model *jobs = saved_model(&s, "jobs");
	struct value key = value_integer(1);
	buf_auto text = BUF_INIT;
	int64_t size = 0;
	for (int i = 0; i < 5000 && size < 6; i++, usleep(1000))
		ck_assert_int_eq(job_log_size(runner_logs(runner), s.store, jobs, &key, &size, &s.error), 0);
	ck_assert_int_eq(job_log_read(runner_logs(runner), s.store, jobs, &key, 0, 100, &text, &s.error), 0);
	ck_assert_str_eq(buf_text(&text), "start\n");
	saved_file(&s, "go", "", 0600);
	wait_for(1, "\"status\":\"failed\",\"attempts\":2");
	buf_reset(&text);
	ck_assert_int_eq(job_log_read(NULL, s.store, jobs, &key, 2, 100, &text, &s.error), 0);
	ck_assert_str_eq(buf_text(&text), "art\nend\nstart\nend\n");
}
END_TEST

START_TEST(a_long_result_or_log_is_bounded)
{
	open_queue(QUEUE(""), "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo the end >&2; exit 3");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	wait_for(1, "\"status\":\"failed\"");
	ck_assert(has("jobs", 1, "\"message\":\"the end\""));
	struct value key = value_integer(1);
	int64_t size;
	ck_assert_int_eq(job_log_size(NULL, s.store, saved_model(&s, "jobs"), &key, &size, &s.error), 0);
	ck_assert_int_le(size, LIMIT_JOB_LOG);
	ck_assert_int_ge(size, LIMIT_JOB_LOG / 2);
}
END_TEST

START_TEST(errors_are_bounded)
{
	open_queue(QUEUE_AFTER("0s", "attempts 30"), "exit 1");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{}");
	wait_for(1, "\"status\":\"failed\",\"attempts\":30");
	ck_assert(!has("jobs", 1, "\"attempt\":10,"));
	ck_assert(has("jobs", 1, "\"attempt\":11,"));
	ck_assert(has("jobs", 1, "\"attempt\":30,"));
}
END_TEST

START_TEST(a_job_whose_start_a_hook_refuses_holds_up_no_other)
{
	open_queue(QUEUE("on pre_save check \"status <> 'running' or what <> 'bad'\" \"not this one\""), "exit 0");
	start();
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{\"what\":\"bad\"}");
	saved_ok(&s, REQUEST_PUT, "jobs", -1, "{\"what\":\"good\"}");
	wait_for(2, "\"status\":\"done\"");
	ck_assert(has("jobs", 1, "\"status\":\"queued\",\"attempts\":0"));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("job");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, NULL, tear_down);
	tcase_add_test(tc, a_job_runs_and_its_output_is_its_result);
	tcase_add_loop_test(tc, output_that_is_no_JSON_is_a_string, 0, sizeof results / sizeof *results);
	tcase_add_test(tc, a_failed_job_runs_again_until_its_attempts_are_used_up);
	tcase_add_test(tc, status_75_means_later_and_does_not_count);
	tcase_add_test(tc, a_job_that_takes_too_long_fails);
	tcase_add_test(tc, a_program_that_is_not_there_fails_the_job);
	tcase_add_test(tc, jobs_that_were_running_are_queued_again_at_start);
	tcase_add_test(tc, no_more_run_at_once_than_there_are_workers);
	tcase_add_test(tc, removing_a_job_that_runs_ends_its_program_and_cancels_it);
	tcase_add_test(tc, a_job_that_SQL_ends_while_it_runs_is_ended);
	tcase_add_test(tc, a_job_that_somebody_cancelled_while_it_ran_stays_cancelled);
	tcase_add_test(tc, stop_ends_what_runs_after_a_while_and_queues_it_again);
	tcase_add_test(tc, a_job_that_another_program_queued_is_found);
	tcase_add_test(tc, a_job_whose_end_a_hook_refuses_fails);
	tcase_add_test(tc, an_ended_job_goes_after_the_time_it_is_kept);
	tcase_add_test(tc, a_lease_that_ran_out_frees_the_job);
	tcase_add_test(tc, no_more_run_than_the_limit);
	tcase_add_test(tc, a_paused_queue_starts_nothing_until_it_goes_on);
	tcase_add_test(tc, what_a_program_writes_to_standard_error_is_its_log);
	tcase_add_test(tc, a_long_result_or_log_is_bounded);
	tcase_add_test(tc, errors_are_bounded);
	tcase_add_test(tc, a_job_whose_start_a_hook_refuses_holds_up_no_other);
	Suite *suite = suite_create("job");
	suite_add_tcase(suite, tc);
	return saved_main(suite);
}
