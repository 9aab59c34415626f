/*
 * actor.c - processes that carry calls out, one at a time, on descriptors of their own.
 *
 * The checker itself never touches the mount: should a call hang, it can say so. Call and answer pass through memory
 * that both share, a byte through a pipe says whose turn it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor.h"

struct crew {
	struct desk *desk;
	struct {
		pid_t pid;
		int orders, answers;
	} actors[ACTORS];
};

static void run_actor(struct actor *a, int orders, int answers)
{
	struct call *c = &a->desk->call;
	struct got *got = &a->desk->got;
	char turn;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	umask(022);
	while (read(orders, &turn, 1) == 1) {
		got->result = actor_do(a, c, got);
		if (write(answers, &turn, 1) != 1)
			break;
	}
	_exit(0);
}

static int start_actor(struct crew *crew, int i, const char *mount)
{
	int orders[2], answers[2];
	struct actor a = {.mount = mount, .desk = crew->desk};

	memset(a.slots, -1, sizeof(a.slots));
	if (pipe2(orders, O_CLOEXEC) < 0 || pipe2(answers, O_CLOEXEC) < 0)
		return -errno;
	crew->actors[i].pid = fork();
	if (crew->actors[i].pid == 0) {
		close(orders[1]);
		run_actor(&a, orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	crew->actors[i].orders = orders[1];
	crew->actors[i].answers = answers[0];
	return crew->actors[i].pid < 0 ? -errno : 0;
}

struct crew *crew_start(const char *mount)
{
	struct crew *crew = calloc(1, sizeof(*crew));

	if (!crew)
		return NULL;
	crew->desk = mmap(NULL, sizeof(*crew->desk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < ACTORS && crew->desk != MAP_FAILED; i++)
		if (start_actor(crew, i, mount) < 0)
			return NULL;
	return crew->desk == MAP_FAILED ? NULL : crew;
}

const struct got *crew_call(struct crew *crew, const struct call *c)
{
	struct pollfd answer = {.fd = crew->actors[c->actor].answers, .events = POLLIN};
	char turn = 0;

	crew->desk->call = *c;
	if (c->data) {
		memcpy(crew->desk->payload, c->data, c->len);
		crew->desk->payload[c->len] = '\0';
	}
	if (write(crew->actors[c->actor].orders, &turn, 1) != 1 || poll(&answer, 1, 60000) != 1 ||
	    read(answer.fd, &turn, 1) != 1)
		return NULL;
	return &crew->desk->got;
}

void crew_stop(struct crew *crew)
{
	for (int i = 0; crew && i < ACTORS; i++) {
		close(crew->actors[i].orders);
		close(crew->actors[i].answers);
	}
	for (int i = 0; crew && i < ACTORS; i++)
		waitpid(crew->actors[i].pid, NULL, 0);
	if (crew)
		munmap(crew->desk, sizeof(*crew->desk));
	free(crew);
}
