/* actor.h - what actor.c and its calls share. */
#ifndef ACTOR_H
#define ACTOR_H

#include "checker.h"

enum { ACTOR_PATH = PATH_SIZE + 800 };

struct desk {
	struct call call;
	struct got got;
	char payload[PAYLOAD_MAX];
};

/* What an actor works with. */
struct actor {
	const char *mount;
	int slots[SLOTS];
	struct desk *desk;
	char path[ACTOR_PATH], path2[ACTOR_PATH];
};

/* Carries the call out. */
int actor_do(struct actor *a, const struct call *c, struct got *got);

#endif
