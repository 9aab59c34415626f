/*
 * test_job_state.c - the picture in hooks/job_state.h: which status may follow which, for whom, and what else changes.
 */
#include "../../hooks/job_state.h"
#include "saved.h"

static struct saved s;

enum { QUEUED, RUNNING, DONE, FAILED, CANCELLED, STATES };
static const char *const states[STATES] = {"queued", "running", "done", "failed", "cancelled"};

static void set_up(void)
{
	saved_directory(&s);
	saved_open(&s, "store sqlite:a.db\ndurability off\n"
		       "queue jobs { fields { what string }\nbackoff 20s\n}\n");
}

static void tear_down(void)
{
	saved_close(&s);
}

static bool has(const char *text)
{
	return strstr(saved_show(&s, "jobs", 1), text) != NULL;
}

static const char *patch(int state)
{
	static char text[64];
	snprintf(text, sizeof text, "{\"status\":\"%s\"}", states[state]);
	return text;
}

static void make(int state)
{
	saved_ok(&s, REQUEST_PUT, "jobs", 1, patch(state));
}

/* In the words of another user than the one who has claimed it. */
static int by_another(const char *text)
{
	struct actor other = {.uid = 2000, .gid = 2000, .pid = getpid()};
	struct request r = saved_request(&s, REQUEST_MERGE, "jobs", 1, text);
	err_release(&s.error);
	return save(s.saver, &other, &r, 1, NULL, &s.arena, &s.error);
}

enum { OK, NO = -EBUSY };
static const int by_worker[STATES][STATES] = {
    /*               queued running done failed cancelled */
    [QUEUED] = {OK, OK, NO, NO, OK}, [RUNNING] = {OK, NO, OK, OK, OK},   [DONE] = {OK, NO, OK, NO, NO},
    [FAILED] = {OK, NO, NO, OK, NO}, [CANCELLED] = {OK, NO, NO, NO, OK},
};

START_TEST(a_status_changes_as_the_picture_says)
{
	int from = _i / STATES, to = _i % STATES, wanted = by_worker[from][to];
	make(from);
	ck_assert_msg(saved_do(&s, REQUEST_MERGE, "jobs", 1, patch(to)) == wanted, "%s to %s: %s", states[from],
		      states[to], s.error.text);
	char now[32];
	snprintf(now, sizeof now, "\"status\":\"%s\"", states[wanted == OK ? to : from]);
	ck_assert_msg(has(now), "%s", saved_show(&s, "jobs", 1));
}
END_TEST

START_TEST(who_is_not_the_worker_may_only_cancel_a_job_that_runs)
{
	make(RUNNING);
	ck_assert_int_eq(by_another(patch(_i)), _i == CANCELLED ? OK : NO);
	ck_assert(has(_i == CANCELLED ? "\"status\":\"cancelled\"" : "\"status\":\"running\""));
}
END_TEST

START_TEST(what_is_no_status_is_a_mistake)
{
	make(QUEUED);
	ck_assert_int_eq(saved_do(&s, REQUEST_MERGE, "jobs", 1, "{\"status\":\"sleeping\"}"), -EBADMSG);
	ck_assert_int_eq(saved_do(&s, REQUEST_MERGE, "jobs", 1, "{\"status\":null}"), -EBADMSG);
}
END_TEST

START_TEST(a_claim_counts_and_names_the_worker_and_its_lease)
{
	make(QUEUED);
	saved_ok(&s, REQUEST_MERGE, "jobs", 1, patch(RUNNING));
	ck_assert(has("\"attempts\":1") && has("\"worker\":\"1000\""));
	ck_assert(!has("\"started_at\":null") && !has("\"lease_until\":null") && has("\"finished_at\":null"));
}
END_TEST

START_TEST(an_end_has_a_time_and_no_lease)
{
	make(RUNNING);
	saved_ok(&s, REQUEST_MERGE, "jobs", 1, "{\"status\":\"done\",\"result\":{\"n\":1}}");
	ck_assert(!has("\"finished_at\":null") && has("\"lease_until\":null") && has("\"result\":{\"n\":1}"));
}
END_TEST

START_TEST(what_is_given_back_waits_and_may_start_once_more)
{
	make(RUNNING);
	saved_ok(&s, REQUEST_MERGE, "jobs", 1, patch(QUEUED));
	ck_assert(has("\"worker\":null,\"lease_until\":null") && has("\"attempts\":1,\"max_attempts\":2"));
	ck_assert_int_eq(saved_do(&s, REQUEST_MERGE, "jobs", 1, patch(RUNNING)), -EBUSY);
	ck_assert_ptr_nonnull(strstr(s.error.text, "not due before"));
}
END_TEST

START_TEST(a_retry_is_at_once_and_forgets_the_end)
{
	make(RUNNING);
	saved_ok(&s, REQUEST_MERGE, "jobs", 1, "{\"status\":\"failed\",\"result\":5}");
	saved_ok(&s, REQUEST_MERGE, "jobs", 1, patch(QUEUED));
	ck_assert(has("\"finished_at\":null") && has("\"result\":null") && has("\"attempts\":1,\"max_attempts\":2"));
	saved_ok(&s, REQUEST_MERGE, "jobs", 1, patch(RUNNING));
	ck_assert(has("\"attempts\":2"));
}
END_TEST

START_TEST(a_retry_may_say_when)
{
	make(FAILED);
	saved_ok(&s, REQUEST_MERGE, "jobs", 1, "{\"status\":\"queued\",\"run_at\":\"2999-01-01T00:00:00Z\"}");
	ck_assert(has("\"run_at\":\"2999-01-01T00:00:00Z\""));
}
END_TEST

START_TEST(a_backoff_doubles_up_to_a_day_and_varies_by_a_quarter)
{
	const struct queue *q = saved_model(&s, "jobs")->queue;
	long long least = 20000, day = 24 * 3600 * 1000LL, seen = 0;
	for (int attempts = 1; attempts <= 20; attempts++, least = least * 2 < day ? least * 2 : day) {
		long long ms = job_backoff_ms(q, attempts);
		ck_assert_int_ge(ms, least);
		ck_assert_int_le(ms, least + least / 4);
	}
	for (int i = 0; i < 50; i++)
		seen |= job_backoff_ms(q, 1) ^ job_backoff_ms(q, 1);
	ck_assert_int_ne(seen, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("job_state");
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, a_status_changes_as_the_picture_says, 0, STATES * STATES);
	tcase_add_loop_test(tc, who_is_not_the_worker_may_only_cancel_a_job_that_runs, 0, STATES);
	tcase_add_test(tc, what_is_no_status_is_a_mistake);
	tcase_add_test(tc, a_claim_counts_and_names_the_worker_and_its_lease);
	tcase_add_test(tc, an_end_has_a_time_and_no_lease);
	tcase_add_test(tc, what_is_given_back_waits_and_may_start_once_more);
	tcase_add_test(tc, a_retry_is_at_once_and_forgets_the_end);
	tcase_add_test(tc, a_retry_may_say_when);
	tcase_add_test(tc, a_backoff_doubles_up_to_a_day_and_varies_by_a_quarter);
	Suite *suite = suite_create("job_state");
	suite_add_tcase(suite, tc);
	return saved_main(suite);
}
