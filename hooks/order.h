/*
 * order.h - one call of save(), for the files that carry its requests out: save.c, where the order is, early.c,
 * carry.c, relocate.c for names, stream.c, and outcome.c.
 */
#ifndef ROWFS_ORDER_H
#define ROWFS_ORDER_H

#include "change.h"

/* One call of save(). */
struct order {
	struct saving v;
	const struct request *requests;
	size_t n;
	json_t **documents;       /* by request */
	struct change **results;  /* by request: the change that stands for it */
	struct change *early;     /* resolved on a snapshot, its first programs have run */
	int64_t *planned;         /* saving.planned of those programs */
	bool nothing;             /* the snapshot has the content already */
	const struct request *at; /* being carried out: its text has the places of problems */
	int64_t recorded;         /* the first program of after_commit; 0: there is none */
	struct outcome *outcomes;
	struct arena *outcomes_arena;
	save_next *next; /* of a stream, instead of requests */
	void *data;
	size_t kept;           /* bytes of a stream's documents whose changes can't be forgotten */
	struct report *report; /* NULL: nobody asks */
	size_t *starts;        /* by request: how many changes there were before it; those that were carried out */
	size_t carried;        /* requests that were */
};

/* Reads the documents of o->requests. */
int order_parse(struct order *o, struct err *e);
/*
 * The first programs of the change, before the transaction, on a snapshot; o->nothing where the record has the content
 * already.
 */
int order_early(struct order *o, struct err *e);
/* Lays what they made of it over the change, where they saw what is stored now. */
void order_take_early(struct order *o, struct change *c);
/* The hooks of the event from that place in the list on, and what they cause. */
int order_hooks(struct saving *v, enum event event, struct change *c, size_t at, struct err *e);
/* post_save and post_delete of the changes from there on that have not had them. */
int order_post(struct saving *v, size_t from, struct err *e);
/* All requests of a stream, each with its post hooks (stream.c). */
int order_stream(struct order *o, struct err *e);
/* The key that a line's document says; what is wrong with it is told when it is bound. */
int stream_key(const struct model *m, const json_t *document, struct arena *a, struct value *key, struct err *e);
/* The checksum that the record must still have when the request is carried out; NULL: any. */
const char *order_version(const struct order *o, const char *checksum);
/* The change that stands for the request. NULL: an error is in *e. */
struct change *order_change(struct order *o, size_t i, struct err *e);

/* Carries a change out up to its rows, with all that belongs to it. NULL: an error is in *e. */
int order_carry(struct order *o, struct change *c, struct err *e);

/* The steps of order_carry, of the change at `from` in the list, which is resolved. */

/* The record and what changes of what it embeds, in the order of the file; its pre hooks may edit what comes below. */
int order_prepare(struct saving *v, struct change *c, struct err *e);
/* What it deletes, itself or of what it embeds, with all that goes with it: from *first on; rows not yet. */
int order_prepare_deletes(struct saving *v, size_t from, size_t *first, struct err *e);
/* Rows that go do so from the last to the first, and before others come, which may have their unique values. */
int order_apply(struct saving *v, size_t from, size_t first, size_t to, struct err *e);

/* Before the commit, for there may be no memory for it. */
int order_fill_outcomes(struct order *o, struct err *e);
/* Also of those before the one that is refused, for as long as what they have done is there to be read. */
void order_report_answers(struct order *o, size_t n);
/* The request that the failing change belongs to. */
size_t order_failed_request(const struct order *o);

/* A request of REQUEST_MOVE and above: *result is the change that stands for it. */
int relocate(struct order *o, const struct request *r, struct change **result, struct err *e);

#endif
