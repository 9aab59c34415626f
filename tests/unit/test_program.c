/*
 * test_program.c - programs that do what they should not: each is ended, reaped, and leaves nothing open.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../hooks/program.h"
#include "../../store/limits.h"

static const char *const env[] = {"PATH=/usr/bin:/bin", "GREETING=hello", NULL};
static struct program_result result;
static struct err error;

static struct program shell(const char *script, const char **argv)
{
	argv[0] = "sh";
	argv[1] = "-c";
	argv[2] = script;
	argv[3] = NULL;
	return (struct program){.argv = argv, .env = env, .directory = "/", .timeout_ms = 10000, .wake_fd = -1};
}

static int run_shell(const char *script)
{
	const char *argv[4];
	struct program p = shell(script, argv);
	return program_run(&p, &result, &error);
}

static int run_input(const char *script, const char *input, size_t len)
{
	const char *argv[4];
	struct program p = shell(script, argv);
	p.input = input;
	p.input_len = len;
	return program_run(&p, &result, &error);
}

static int run_path(const char *path)
{
	const char *argv[] = {path, NULL};
	struct program p = {.argv = argv, .env = env, .directory = "/tmp", .timeout_ms = 10000, .wake_fd = -1};
	return program_run(&p, &result, &error);
}

static size_t open_descriptors(void)
{
	size_t n = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static long long now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static size_t descriptors_before;

static void set_up(void)
{
	program_init();
	descriptors_before = open_descriptors();
}

static void tear_down(void)
{
	program_result_release(&result);
	err_release(&error);
	ck_assert_uint_eq(open_descriptors(), descriptors_before);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

START_TEST(input_reaches_it_and_output_comes_back)
{
	ck_assert_int_eq(run_input("cat; echo trouble >&2; exit 3", "text", 4), 0);
	ck_assert_str_eq(buf_text(&result.out), "text");
	ck_assert_str_eq(buf_text(&result.err), "trouble\n");
	ck_assert_int_eq(result.status, 3);
	ck_assert_int_eq(result.signal, 0);
}
END_TEST

START_TEST(its_environment_is_what_was_given_and_no_more)
{
	setenv("SECRET", "1", 1);
	ck_assert_int_eq(run_shell("echo $GREETING ${SECRET-none}; pwd"), 0);
	ck_assert_str_eq(buf_text(&result.out), "hello none\n/\n");
}
END_TEST

START_TEST(it_inherits_no_descriptor_but_three)
{
	int fd = open("/dev/null", O_RDONLY);
	int other = fcntl(fd, F_DUPFD, 50);
	ck_assert_int_eq(run_shell("ls /proc/$$/fd"), 0);
	close(fd);
	close(other);
	ck_assert_str_eq(buf_text(&result.out), "0\n1\n2\n");
}
END_TEST

START_TEST(it_has_its_own_session_and_standard_signals)
{
	sigset_t block;
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, NULL);
	ck_assert_int_eq(run_shell("read -r pid name state parent group session rest </proc/self/stat; "
				   "[ $session != $parent ] && grep -E '^Sig(Blk|Ign)' /proc/self/status"),
			 0);
	sigprocmask(SIG_UNBLOCK, &block, NULL);
	unsigned long long blocked, ignored;
	ck_assert_int_eq(sscanf(buf_text(&result.out), "SigBlk:\t%llx\nSigIgn:\t%llx", &blocked, &ignored), 2);
	ck_assert_uint_eq(blocked, 0);
	ck_assert_uint_eq(ignored & 0x7fffffff, 0); /* 32 and 33 are glibc's own; make leaves them ignored */
}
END_TEST

START_TEST(exit_without_reading_the_input_is_no_trouble)
{
	size_t len = 1 << 20;
	char *input = calloc(1, len);
	ck_assert_int_eq(run_input("exit 0", input, len), 0);
	ck_assert_int_eq(result.status, 0);
	free(input);
}
END_TEST

START_TEST(ten_megabytes_of_output_end_it)
{
	ck_assert_int_eq(run_shell("head -c 10000000 /dev/zero; sleep 60"), 0);
	ck_assert(result.too_much);
	ck_assert_uint_eq(result.out.len, LIMIT_HOOK_OUTPUT);
}
END_TEST

START_TEST(of_much_standard_error_the_first_is_kept)
{
	ck_assert_int_eq(run_shell("head -c 1000000 /dev/zero >&2; echo done"), 0);
	ck_assert_uint_eq(result.err.len, LIMIT_HOOK_STDERR);
	ck_assert_str_eq(buf_text(&result.out), "done\n");
}
END_TEST

START_TEST(a_time_out_ends_it_even_when_it_ignores_TERM)
{
	const char *argv[4];
	struct program p = shell("trap '' TERM; sleep 60; sleep 60", argv);
	p.timeout_ms = 100;
	long long before = now_ms();
	ck_assert_int_eq(program_run(&p, &result, &error), 0);
	ck_assert(result.timed_out);
	ck_assert_int_lt(now_ms() - before, 100 + TIMEOUT_TERM_MS + 2000);
}
END_TEST

START_TEST(stop_ends_it)
{
	const char *argv[4];
	struct program p = shell("sleep 60", argv);
	volatile bool stop = true;
	p.stop = &stop;
	p.wake_fd = eventfd(1, EFD_CLOEXEC);
	ck_assert_int_eq(program_run(&p, &result, &error), 0);
	close(p.wake_fd);
	ck_assert(result.stopped);
	ck_assert(!result.timed_out);
	ck_assert_int_eq(result.signal, SIGTERM);
}
END_TEST

START_TEST(a_background_child_that_holds_the_output_is_not_waited_for)
{
	long long before = now_ms();
	ck_assert_int_eq(run_shell("sleep 60 & echo $!"), 0);
	ck_assert_int_lt(now_ms() - before, TIMEOUT_TERM_MS);
	ck_assert_int_eq(result.status, 0);
	ck_assert_int_gt(atol(buf_text(&result.out)), 0);
}
END_TEST

/* Killed, whether or not its new parent has reaped it yet. */
static bool has_ended(long pid)
{
	char path[64], state[256] = "";
	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	FILE *f = fopen(path, "r");
	if (!f)
		return true;
	bool ended = !fgets(state, sizeof state, f) || strstr(state, ") Z") || strstr(state, ") X");
	fclose(f);
	return ended;
}

START_TEST(a_background_child_is_ended_with_it)
{
	ck_assert_int_eq(run_shell("(trap '' TERM; sleep 60) & echo $!"), 0);
	long long until = now_ms() + 2000;
	while (!has_ended(atol(buf_text(&result.out))))
		ck_assert_int_lt(now_ms(), until);
}
END_TEST

START_TEST(a_signal_that_ends_it_is_told)
{
	ck_assert_int_eq(run_shell("kill -9 $$"), 0);
	ck_assert_int_eq(result.signal, SIGKILL);
	ck_assert_int_eq(result.status, -1);
}
END_TEST

START_TEST(what_does_not_exist_is_named)
{
	ck_assert_int_eq(run_path("/tmp/hooks/none"), -ENOENT);
	ck_assert_str_eq(error.text, "hooks/none: No such file or directory");
}
END_TEST

START_TEST(a_name_that_PATH_does_not_have_is_named)
{
	ck_assert_int_eq(run_path("no-such-program"), -ENOENT);
	ck_assert_str_eq(error.text, "no-such-program: No such file or directory");
}
END_TEST

static void write_file(char *path, const char *text, mode_t mode)
{
	int fd = mkstemp(path);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	fchmod(fd, mode);
	close(fd);
}

START_TEST(what_is_not_executable_is_refused)
{
	char path[] = "/tmp/test_programXXXXXX";
	write_file(path, "#!/bin/sh\n", 0600);
	int code = run_path(path);
	unlink(path);
	ck_assert_int_eq(code, -EACCES);
}
END_TEST

START_TEST(a_script_without_interpreter_line_is_not_given_to_a_shell)
{
	char path[] = "/tmp/test_programXXXXXX";
	write_file(path, "exit 0\n", 0700);
	int code = run_path(path);
	unlink(path);
	ck_assert_int_eq(code, -ENOEXEC);
}
END_TEST

START_TEST(a_missing_interpreter_is_told_apart)
{
	char path[] = "/tmp/test_programXXXXXX";
	write_file(path, "#!/no/such/shell\n", 0700);
	int code = run_path(path);
	unlink(path);
	ck_assert_int_eq(code, -ENOENT);
	ck_assert_ptr_nonnull(strstr(error.text, "interpreter"));
}
END_TEST

struct seen {
	pid_t started, ended;
};

static void note_start(void *data, pid_t session)
{
	((struct seen *)data)->started = session;
}

static void note_end(void *data, pid_t session)
{
	((struct seen *)data)->ended = session;
}

START_TEST(started_and_ended_are_called_with_its_session)
{
	const char *argv[4];
	struct seen seen = {0, 0};
	struct program p = shell("echo $$", argv);
	p.started = note_start;
	p.ended = note_end;
	p.data = &seen;
	ck_assert_int_eq(program_run(&p, &result, &error), 0);
	ck_assert_int_eq(seen.started, atol(buf_text(&result.out)));
	ck_assert_int_eq(seen.ended, seen.started);
}
END_TEST

START_TEST(ended_is_called_when_it_could_not_be_started)
{
	const char *argv[] = {"/hooks/none", NULL};
	struct seen seen = {0, 0};
	struct program p = {.argv = argv,
			    .env = env,
			    .directory = "/",
			    .wake_fd = -1,
			    .started = note_start,
			    .ended = note_end,
			    .data = &seen};
	ck_assert_int_eq(program_run(&p, &result, &error), -ENOENT);
	ck_assert_int_gt(seen.started, 0);
	ck_assert_int_eq(seen.ended, seen.started);
}
END_TEST

START_TEST(a_thousand_runs_leave_no_descriptor_and_no_child)
{
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(run_path("/bin/true"), 0);
		ck_assert_int_eq(result.status, 0);
		program_result_release(&result);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("program");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, input_reaches_it_and_output_comes_back);
	tcase_add_test(tc, its_environment_is_what_was_given_and_no_more);
	tcase_add_test(tc, it_inherits_no_descriptor_but_three);
	tcase_add_test(tc, it_has_its_own_session_and_standard_signals);
	tcase_add_test(tc, exit_without_reading_the_input_is_no_trouble);
	tcase_add_test(tc, ten_megabytes_of_output_end_it);
	tcase_add_test(tc, of_much_standard_error_the_first_is_kept);
	tcase_add_test(tc, a_time_out_ends_it_even_when_it_ignores_TERM);
	tcase_add_test(tc, stop_ends_it);
	tcase_add_test(tc, a_background_child_that_holds_the_output_is_not_waited_for);
	tcase_add_test(tc, a_background_child_is_ended_with_it);
	tcase_add_test(tc, a_signal_that_ends_it_is_told);
	tcase_add_test(tc, what_does_not_exist_is_named);
	tcase_add_test(tc, a_name_that_PATH_does_not_have_is_named);
	tcase_add_test(tc, what_is_not_executable_is_refused);
	tcase_add_test(tc, a_script_without_interpreter_line_is_not_given_to_a_shell);
	tcase_add_test(tc, a_missing_interpreter_is_told_apart);
	tcase_add_test(tc, started_and_ended_are_called_with_its_session);
	tcase_add_test(tc, ended_is_called_when_it_could_not_be_started);
	tcase_add_test(tc, a_thousand_runs_leave_no_descriptor_and_no_child);
	Suite *suite = suite_create("program");
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
