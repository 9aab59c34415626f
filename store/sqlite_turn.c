/*
 * sqlite_turn.c - whose turn it is to use the writing connection, and the line of those who wait for theirs.
 */
#include "sqlite.h"

#include <errno.h>

void turn_sleep(sem_t *wake)
{
	while (sem_wait(wake) < 0 && errno == EINTR)
		;
	sem_destroy(wake);
}

void turn_line(struct store *s, struct waiter *me)
{
	pthread_mutex_lock(&s->turn_lock);
	bool mine = !s->taken;
	s->taken = true;
	if (!mine) {
		sem_init(&me->wake, 0, 0);
		*(s->line ? &s->line_end->next : &s->line) = me;
		s->line_end = me;
		if (s->expecting)
			pthread_cond_signal(&s->arrived);
	}
	pthread_mutex_unlock(&s->turn_lock);
	if (!mine)
		turn_sleep(&me->wake);
}

void turn_wait(struct store *s)
{
	turn_line(s, &(struct waiter){.next = NULL});
}

/* Each is woken alone: a crowd that wakes to look whose turn it is costs more than the saves themselves. */
void turn_pass(struct store *s)
{
	pthread_mutex_lock(&s->turn_lock);
	struct waiter *next = s->line;
	s->taken = next;
	if (next)
		s->line = next->next;
	pthread_mutex_unlock(&s->turn_lock);
	if (next)
		sem_post(&next->wake);
}

bool turn_try(struct store *s)
{
	pthread_mutex_lock(&s->turn_lock);
	bool mine = !s->taken;
	s->taken = true;
	pthread_mutex_unlock(&s->turn_lock);
	return mine;
}
