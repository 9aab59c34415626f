/*
 * test_coprocess.c - programs of pipe hooks: one for all events, ended and started again when they do what they should
 * not.
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "../../hooks/process_name.h"
#include "saved.h"

static struct saved s;
static size_t descriptors_before;

#define SHOP                                                                                                           \
	"store sqlite:shop.db\ndurability off\n"                                                                       \
	"model log { fields { id integer key; what string required } }\n"                                              \
	"model orders { fields { id integer key; text string; qty integer default 1 }\n%s\n}\n"                        \
	"model lines { fields { id integer key; text string }\n%s\n}\n"

static size_t open_descriptors(void)
{
	size_t n = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void open_shop(const char *orders, const char *lines)
{
	char text[4096];
	snprintf(text, sizeof text, SHOP, orders, lines);
	saved_open(&s, text);
}

/* A pipe hook of orders whose program does this with each $line, having noted that it was started. */
static void open_patient(const char *event, const char *script, const char *timeout)
{
	char program[4000], hook[128];
	snprintf(program, sizeof program, "echo $$ >> started\nwhile read -r line; do\n%s\ndone", script);
	saved_script(&s, "hook", program);
	snprintf(hook, sizeof hook, "on %s pipe ./hook { timeout %s }", event, timeout);
	open_shop(hook, "on pre_save pipe ./hook");
}

static void open_program(const char *event, const char *script)
{
	open_patient(event, script, "300ms");
}

#define GO_ON "echo '{\"version\":1}'"

static size_t lines_of(const char *name)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", s.directory, name);
	FILE *f = fopen(path, "r");
	size_t n = 0;
	for (int c; f && (c = getc(f)) != EOF;)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static pid_t last_started(void)
{
	char path[256];
	long pid = 0, next;
	snprintf(path, sizeof path, "%s/started", s.directory);
	FILE *f = fopen(path, "r");
	while (f && fscanf(f, "%ld", &next) == 1)
		pid = next;
	if (f)
		fclose(f);
	return (pid_t)pid;
}

static int put(const char *text)
{
	char document[256];
	snprintf(document, sizeof document, "{\"text\":\"%s\"}", text);
	return saved_do(&s, REQUEST_PUT, "orders", 1, document);
}

static void set_up(void)
{
	char comm[COMM_SIZE];
	process_name(getpid(), comm); /* one stays open for who saves */
	descriptors_before = open_descriptors();
	saved_directory(&s);
}

static void tear_down(void)
{
	saved_close(&s);
	ck_assert_uint_eq(open_descriptors(), descriptors_before);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- what it is for ---- */

START_TEST(one_program_answers_all_events_of_all_models)
{
	open_program("pre_save,post_save,before_commit", "echo \"$line\" >> asked; " GO_ON);
	ck_assert_int_eq(put("a"), 0);
	ck_assert_int_eq(put("b"), 0);
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "lines", 1, "{\"text\":\"a\"}"), 0);
	ck_assert_uint_eq(lines_of("started"), 1);
	ck_assert_uint_eq(lines_of("asked"), 7);
}
END_TEST

START_TEST(other_words_are_another_program)
{
	saved_script(&s, "hook", "echo $$ >> started; while read -r line; do " GO_ON "; done");
	open_shop("on pre_save pipe ./hook\non post_save pipe ./hook -v", "on pre_save pipe ./hook { timeout 3s }");
	ck_assert_int_eq(put("a"), 0);
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "lines", 1, "{\"text\":\"a\"}"), 0);
	ck_assert_uint_eq(lines_of("started"), 2);
}
END_TEST

START_TEST(it_starts_at_its_first_event)
{
	open_program("pre_save", GO_ON);
	ck_assert_uint_eq(lines_of("started"), 0);
}
END_TEST

START_TEST(it_edits_and_saves_as_any_program)
{
	open_program("pre_save", "echo '{\"version\":1,\"new\":{\"text\":\"b\"},"
				 "\"save\":[{\"path\":\"log/.new\",\"put\":{\"what\":\"more\"}}]}'");
	ck_assert_int_eq(put("a"), 0);
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 1), "\"text\":\"b\""));
	ck_assert_str_eq(saved_log(&s), "more");
}
END_TEST

START_TEST(it_handles)
{
	open_program("apply", "echo '{\"version\":1,\"handled\":true}'");
	ck_assert_int_eq(put("a"), 0);
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

START_TEST(its_refusal_does_not_end_it)
{
	open_program("pre_save", "echo '{\"version\":1,\"message\":\"not today\"}'");
	ck_assert_int_eq(put("a"), -ECANCELED);
	ck_assert_str_eq(s.error.text, "not today");
	ck_assert_int_eq(put("a"), -ECANCELED);
	ck_assert_uint_eq(lines_of("started"), 1);
}
END_TEST

START_TEST(it_sees_the_confs_directory_and_a_clean_environment)
{
	setenv("SECRET", "1", 1);
	open_program("pre_save", "echo '{\"version\":1,\"message\":\"'${SECRET-none}' '$ROWFS_MOUNT' '$(pwd)'\"}'");
	ck_assert_int_eq(put("a"), -ECANCELED);
	char expected[128];
	snprintf(expected, sizeof expected, "none /nowhere %s", s.directory);
	ck_assert_str_eq(s.error.text, expected);
}
END_TEST

START_TEST(much_on_standard_error_stops_nobody)
{
	open_program("pre_save", "head -c 300000 /dev/zero >&2; " GO_ON);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(put(i % 2 ? "a" : "b"), 0);
	ck_assert_uint_eq(lines_of("started"), 1);
}
END_TEST

START_TEST(a_long_event_reaches_a_program_that_answers_first)
{
	static char document[600000];
	memset(document, 'x', sizeof document);
	memcpy(document, "{\"text\":\"", 9);
	strcpy(document + sizeof document - 3, "\"}");
	saved_script(&s, "hook", "echo $$ >> started; while :; do " GO_ON "; read -r line || exit; done");
	open_shop("on pre_save pipe ./hook", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, document);
}
END_TEST

/* ---- what it should not do ---- */

static const struct {
	const char *script;
	int code;
	const char *sentence;
} wrong[] = {
    {"echo '{}'", ECANCELED, "hook answers without \"version\":1"},
    {"echo '{\"version\":2}'", ECANCELED, "hook answers without \"version\":1"},
    {"echo", ECANCELED, "hook answers what is no JSON object"},
    {"echo hello", ECANCELED, "hook answers what is no JSON object"},
    {"echo '{\"version\":1'", ECANCELED, "hook answers what is no JSON object"},
    {"printf '{\"version\":1}\\n{\"version\":1}\\n'", ECANCELED, "hook answers more than one line for one event"},
    {"head -c 2000000 /dev/zero", ECANCELED, "hook wrote more than 1048576 bytes"},
    {"exit 0", ECANCELED, "hook ended without an answer"},
    {"echo '{' | tr -d '\\n'; exit 0", ECANCELED, "hook ended without an answer"},
    {"exit 3", ECANCELED, "hook ended with status 3"},
    {"echo EACCES keep out >&2; exit 1", EACCES, "keep out"},
    {"kill -9 $$", ECANCELED, "hook was ended by signal 9"},
    {"exec >&-; sleep 0.1; exit 4", ECANCELED, "hook ended with status 4"},
    {"sleep 60 & exit 5", ECANCELED, "hook ended with status 5"},
    {":", ETIMEDOUT, "hook took longer than 300 ms"},
    {"sleep 60", ETIMEDOUT, "hook took longer than 300 ms"},
    {"trap '' TERM; sleep 60", ETIMEDOUT, "hook took longer than 300 ms"},
    {"echo ' ' | tr -d '\\n'", ETIMEDOUT, "hook took longer than 300 ms"},
};

START_TEST(what_it_should_not_do_refuses_and_the_next_event_starts_it_again)
{
	char script[1024];
	snprintf(script, sizeof script, "case $line in *bad*)\n%s\n;;\n*)\n" GO_ON ";; esac", wrong[_i].script);
	open_program("pre_save", script);
	ck_assert_int_eq(put("good"), 0);
	ck_assert_int_eq(put("bad"), -wrong[_i].code);
	ck_assert_msg(strstr(s.error.text, wrong[_i].sentence) != NULL, "%s", s.error.text);
	ck_assert_int_eq(kill(last_started(), 0), -1);
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 1), "good"));
	saved_do(&s, REQUEST_DELETE, "orders", 1, NULL);
	ck_assert_msg(put("fine") == 0, "%s", s.error.text);
	ck_assert_uint_eq(lines_of("started"), 2);
}
END_TEST

static void wait_until_gone(pid_t pid)
{
	char path[64], state[64] = "";
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	for (int i = 0; i < 1000 && !strchr(state, 'Z'); i++) {
		FILE *f = fopen(path, "r");
		if (f && fscanf(f, "%*d %*s %1s", state) != 1)
			state[0] = '\0';
		if (f)
			fclose(f);
		usleep(10000);
	}
}

START_TEST(one_that_ended_between_two_events_costs_no_save)
{
	open_program("pre_save", GO_ON "\nexit 0");
	ck_assert_int_eq(put("a"), 0);
	wait_until_gone(last_started());
	ck_assert_int_eq(put("b"), 0);
	ck_assert_uint_eq(lines_of("started"), 2);
}
END_TEST

START_TEST(a_line_that_nobody_asked_for_is_no_answer)
{
	open_program("pre_save", GO_ON "; { while [ ! -e go ]; do sleep 0.01; done; " GO_ON "; > gone; } &");
	ck_assert_int_eq(put("a"), 0);
	saved_file(&s, "go", "", 0600);
	char path[256];
	snprintf(path, sizeof path, "%s/gone", s.directory);
	for (int i = 0; i < 1000 && access(path, F_OK) < 0; i++)
		usleep(10000);
	snprintf(path, sizeof path, "%s/go", s.directory);
	unlink(path);
	ck_assert_int_eq(put("b"), 0);
	ck_assert_uint_eq(lines_of("started"), 2);
}
END_TEST

START_TEST(one_that_can_not_be_started_is_named)
{
	open_shop("on pre_save pipe ./nowhere", "");
	ck_assert_int_eq(put("a"), -ECANCELED);
	ck_assert_str_eq(s.error.text, "./nowhere: No such file or directory");
}
END_TEST

/* ---- with others ---- */

START_TEST(its_session_is_known_though_nobody_asks)
{
	open_program("pre_save", GO_ON);
	ck_assert_int_eq(put("a"), 0);
	ck_assert(saver_waits_for(s.saver, last_started()));
	ck_assert(!saver_waits_for(s.saver, getpid()));
}
END_TEST

static void *put_many(void *number)
{
	err_auto e = ERR_INIT;
	arena_auto arena = ARENA_INIT;
	struct actor actor = {.uid = 1000, .gid = 1000, .pid = getpid()};
	for (long i = 0; i < 50; i++) {
		char text[64];
		struct request r = saved_request(&s, REQUEST_PUT, "orders", (long)number, text);
		snprintf(text, sizeof text, "{\"text\":\"%ld\"}", i);
		r.len = strlen(text);
		if (save(s.saver, &actor, &r, 1, NULL, &arena, &e) < 0)
			return number;
	}
	return NULL;
}

START_TEST(threads_ask_it_one_after_another)
{
	open_patient("pre_save,post_save", GO_ON, "30s"); /* each waits for the others, whose disk may be slow */
	pthread_t threads[4];
	for (long i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, put_many, (void *)(i + 1));
	for (int i = 0; i < 4; i++) {
		void *result;
		pthread_join(threads[i], &result);
		ck_assert_ptr_null(result);
	}
	ck_assert_uint_eq(lines_of("started"), 1);
}
END_TEST

static void *put_order_one(void *unused)
{
	err_auto e = ERR_INIT;
	arena_auto arena = ARENA_INIT;
	struct actor actor = {.uid = 1000, .gid = 1000, .pid = getpid()};
	struct request r = saved_request(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"a\"}");
	(void)unused;
	return save(s.saver, &actor, &r, 1, NULL, &arena, &e) < 0 ? "refused" : NULL;
}

START_TEST(nobody_waits_longer_for_a_turn_than_for_an_answer)
{
	saved_script(&s, "hook",
		     "while read -r line; do > asked; while [ ! -e go ]; do sleep 0.01; done; " GO_ON "; done");
	open_shop("on pre_save pipe ./hook { timeout 30s }", "on pre_save pipe ./hook { timeout 100ms }");
	pthread_t thread;
	void *result;
	char path[256];
	pthread_create(&thread, NULL, put_order_one, NULL);
	snprintf(path, sizeof path, "%s/asked", s.directory);
	while (access(path, F_OK) < 0)
		usleep(1000);
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "lines", 1, "{\"text\":\"a\"}"), -ETIMEDOUT);
	ck_assert_str_eq(s.error.text, "./hook was busy with other saves for 100 ms");
	saved_file(&s, "go", "", 0600);
	pthread_join(thread, &result);
	ck_assert_ptr_null(result);
}
END_TEST

START_TEST(it_ends_with_the_saver)
{
	saved_script(&s, "hook",
		     "echo $$ >> started; trap 'echo x >> term' TERM; while read -r line; do " GO_ON "; done; > ended");
	open_shop("on pre_save pipe ./hook", "");
	ck_assert_int_eq(put("a"), 0);
	saver_free(s.saver);
	s.saver = NULL;
	ck_assert_int_eq(kill(last_started(), 0), -1);
	ck_assert_uint_eq(lines_of("term"), 0);
}
END_TEST

START_TEST(one_that_does_not_want_to_end_is_killed)
{
	saved_script(&s, "hook",
		     "trap '' TERM; echo $$ >> started; read -r line; " GO_ON "; while :; do sleep 0.1; done");
	open_shop("on pre_save pipe ./hook", "");
	ck_assert_int_eq(put("a"), 0);
	saver_free(s.saver);
	s.saver = NULL;
	ck_assert_int_eq(kill(last_started(), 0), -1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("coprocess");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, one_program_answers_all_events_of_all_models);
	tcase_add_test(tc, other_words_are_another_program);
	tcase_add_test(tc, it_starts_at_its_first_event);
	tcase_add_test(tc, it_edits_and_saves_as_any_program);
	tcase_add_test(tc, it_handles);
	tcase_add_test(tc, its_refusal_does_not_end_it);
	tcase_add_test(tc, it_sees_the_confs_directory_and_a_clean_environment);
	tcase_add_test(tc, much_on_standard_error_stops_nobody);
	tcase_add_test(tc, a_long_event_reaches_a_program_that_answers_first);
	tcase_add_loop_test(tc, what_it_should_not_do_refuses_and_the_next_event_starts_it_again, 0,
			    sizeof wrong / sizeof *wrong);
	tcase_add_test(tc, one_that_ended_between_two_events_costs_no_save);
	tcase_add_test(tc, a_line_that_nobody_asked_for_is_no_answer);
	tcase_add_test(tc, one_that_can_not_be_started_is_named);
	tcase_add_test(tc, its_session_is_known_though_nobody_asks);
	tcase_add_test(tc, threads_ask_it_one_after_another);
	tcase_add_test(tc, nobody_waits_longer_for_a_turn_than_for_an_answer);
	tcase_add_test(tc, it_ends_with_the_saver);
	tcase_add_test(tc, one_that_does_not_want_to_end_is_killed);
	Suite *suite = suite_create("coprocess");
	suite_add_tcase(suite, tc);
	return saved_main(suite);
}
