/*
 * test_process_name.c - what a process is called, while it lives, and never by another's number.
 */
#include <check.h>
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../hooks/process_name.h"

/* A process that calls itself so, and has the number where it is not 0; it takes another name for each byte it gets. */
struct child {
	pid_t pid;
	int orders, answers;
};

static void live(const char *name, int orders, int answers)
{
	char byte;
	prctl(PR_SET_NAME, name);
	while (write(answers, "", 1) == 1 && read(orders, &byte, 1) == 1)
		prctl(PR_SET_NAME, "another");
	_exit(0);
}

static bool start(struct child *c, const char *name, pid_t number)
{
	int orders[2], answers[2];
	struct clone_args args = {
	    .exit_signal = SIGCHLD, .set_tid = number ? (uintptr_t)&number : 0, .set_tid_size = number != 0};
	char byte;
	ck_assert_int_eq(pipe(orders) | pipe(answers), 0);
	c->pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (c->pid == 0) {
		close(orders[1]);
		close(answers[0]);
		live(name, orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	c->orders = orders[1];
	c->answers = answers[0];
	return c->pid > 0 && read(c->answers, &byte, 1) == 1;
}

static void rename_itself(struct child *c)
{
	char byte;
	ck_assert_int_eq(write(c->orders, "", 1), 1);
	ck_assert_int_eq(read(c->answers, &byte, 1), 1);
}

static void end(struct child *c)
{
	kill(c->pid, SIGKILL);
	close(c->orders);
	ck_assert_int_eq(waitpid(c->pid, NULL, 0), c->pid);
	close(c->answers);
}

static void called(pid_t pid, const char *name)
{
	char comm[COMM_SIZE];
	process_name(pid, comm);
	ck_assert_str_eq(comm, name);
}

START_TEST(a_process_has_the_name_that_it_has_now)
{
	struct child c;
	ck_assert(start(&c, "one", 0));
	called(c.pid, "one");
	called(c.pid, "one");
	rename_itself(&c);
	called(c.pid, "another");
	end(&c);
	called(c.pid, "");
	called(c.pid, "");
}
END_TEST

START_TEST(processes_that_take_turns_are_told_apart)
{
	struct child one, two;
	ck_assert(start(&one, "one", 0) && start(&two, "two", 0));
	for (int i = 0; i < 3; i++) {
		called(one.pid, "one");
		called(two.pid, "two");
	}
	end(&one);
	called(two.pid, "two");
	called(one.pid, "");
	end(&two);
}
END_TEST

START_TEST(who_gets_the_number_of_one_that_has_gone_has_its_own_name)
{
	struct child old, new;
	ck_assert(start(&old, "old", 0));
	called(old.pid, "old");
	end(&old);
	if (!start(&new, "new", old.pid)) {
		ck_assert_int_ne(geteuid(), 0); /* who is not root can't choose numbers */
		return;
	}
	ck_assert_int_eq(new.pid, old.pid);
	called(new.pid, "new");
	end(&new);
}
END_TEST

START_TEST(bytes_that_are_no_ascii_are_question_marks_and_0_is_rowfs)
{
	struct child c;
	ck_assert(start(&c, "caf\xe9", 0));
	called(c.pid, "caf?");
	end(&c);
	called(0, "rowfs");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("process_name");
	TCase *t = tcase_create("names");
	tcase_add_test(t, a_process_has_the_name_that_it_has_now);
	tcase_add_test(t, processes_that_take_turns_are_told_apart);
	tcase_add_test(t, who_gets_the_number_of_one_that_has_gone_has_its_own_name);
	tcase_add_test(t, bytes_that_are_no_ascii_are_question_marks_and_0_is_rowfs);
	suite_add_tcase(s, t);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
