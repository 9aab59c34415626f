/*
 * by_table.c - which values and links the kernel knows by number, and how often it was told; open listings of values.
 *
 * A table by number, with open chains. A number that something else has is taken one higher, so that what the kernel
 * has is always one thing; two numbers for one thing do no harm.
 */
#include "by.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct known {
	struct known *next;
	uint64_t ino, lookups;
	struct by_node node;
	char texts[];
};

struct by_table {
	struct known **slots;
	size_t nslots, n; /* a power of two */
};

enum { FIRST_SLOTS = 64 };

/* ---- numbers ---- */

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 1099511628211U;
	return hash;
}

static uint64_t hash_value(uint64_t hash, const struct value *v)
{
	hash = hash_bytes(hash, &v->kind, sizeof v->kind);
	if (v->kind == VALUE_TEXT)
		return hash_bytes(hash, v->text.data, v->text.len);
	return v->kind == VALUE_NULL ? hash : hash_bytes(hash, &v->integer, sizeof v->integer);
}

uint64_t by_number(const struct mount *m, const struct by_node *n)
{
	uint64_t hash = hash_bytes(14695981039346656037U, n->field->name, strlen(n->field->name));

	hash = hash_value(hash, &n->value);
	if (n->kind == NODE_BY_LINK)
		hash = hash_value(hash, &n->key);
	return node_by(n->kind, mount_number(m, n->model), hash ^ hash >> NODE_HASH_BITS);
}

static uint64_t next_number(uint64_t ino)
{
	struct node node = node_decode(ino);

	return node_by(node.kind, node.model, (uint64_t)node.serial + 1);
}

static bool is_same(const struct by_node *a, const struct by_node *b)
{
	return a->kind == b->kind && a->model == b->model && a->field == b->field &&
	       value_equal(&a->value, &b->value) && (a->kind == NODE_BY_VALUE || value_equal(&a->key, &b->key));
}

/* ---- the table ---- */

static struct known **slot_of(const struct by_table *t, uint64_t ino)
{
	return &t->slots[(ino ^ ino >> 17) & (t->nslots - 1)];
}

/* Where the number stands, or the end of its chain. */
static struct known **find(const struct by_table *t, uint64_t ino)
{
	struct known **at = slot_of(t, ino);

	while (*at && (*at)->ino != ino)
		at = &(*at)->next;
	return at;
}

static bool grow(struct by_table *t)
{
	size_t nslots = t->nslots ? 2 * t->nslots : FIRST_SLOTS;
	struct by_table grown = {calloc(nslots, sizeof(*grown.slots)), nslots, t->n};

	if (!grown.slots)
		return false;
	for (size_t i = 0; i < t->nslots; i++)
		for (struct known *k = t->slots[i], *next; k; k = next) {
			struct known **at = slot_of(&grown, k->ino);
			next = k->next;
			k->next = *at;
			*at = k;
		}
	free(t->slots);
	*t = grown;
	return true;
}

static size_t text_len(const struct value *v)
{
	return v->kind == VALUE_TEXT ? v->text.len + 1 : 0;
}

static void move_text(struct value *v, char *to)
{
	if (v->kind != VALUE_TEXT)
		return;
	memcpy(to, v->text.data, v->text.len);
	to[v->text.len] = '\0';
	v->text.data = to;
}

static struct known *new_known(const struct by_node *node, uint64_t ino)
{
	struct known *k = malloc(sizeof(*k) + text_len(&node->value) + text_len(&node->key));

	if (!k)
		return NULL;
	*k = (struct known){.ino = ino, .node = *node};
	move_text(&k->node.value, k->texts);
	move_text(&k->node.key, k->texts + text_len(&node->value));
	return k;
}

static struct by_table *table_of(struct mount *m)
{
	if (!m->by)
		m->by = calloc(1, sizeof(*m->by));
	if (!m->by || (m->by->n >= m->by->nslots && !grow(m->by)))
		return NULL;
	return m->by;
}

static struct known *known_as(struct mount *m, const struct by_node *node, uint64_t ino)
{
	struct by_table *t = table_of(m);
	struct known **at;

	if (!t)
		return NULL;
	while (*(at = find(t, ino)) && !is_same(&(*at)->node, node))
		ino = next_number(ino);
	if (!*at) {
		*at = new_known(node, ino);
		t->n += *at != NULL;
	}
	return *at;
}

int by_hold(struct mount *m, struct entry *entry)
{
	const struct by_node node = {node_decode(entry->st.st_ino).kind, entry->model, entry->field, entry->value,
				     entry->key};

	pthread_mutex_lock(&m->lock);
	struct known *k = known_as(m, &node, entry->st.st_ino);
	if (k) {
		k->lookups++;
		entry->st.st_ino = k->ino;
	}
	pthread_mutex_unlock(&m->lock);
	return k ? 0 : -ENOMEM;
}

void by_forget(struct mount *m, uint64_t ino, uint64_t lookups)
{
	enum node_kind kind = node_decode(ino).kind;

	if (kind != NODE_BY_VALUE && kind != NODE_BY_LINK)
		return;
	pthread_mutex_lock(&m->lock);
	struct known **at = m->by ? find(m->by, ino) : NULL;
	struct known *k = at ? *at : NULL;
	if (k) {
		k->lookups -= lookups < k->lookups ? lookups : k->lookups;
		if (k->lookups == 0) {
			*at = k->next;
			m->by->n--;
			free(k);
		}
	}
	pthread_mutex_unlock(&m->lock);
}

bool by_get(struct mount *m, const struct node *node, struct arena *a, struct by_node *out)
{
	pthread_mutex_lock(&m->lock);
	struct known **at = m->by ? find(m->by, node_by(node->kind, node->model, (uint64_t)node->serial)) : NULL;
	bool found = at && *at;
	if (found) {
		*out = (*at)->node;
		found = value_copy(a, &(*at)->node.value, &out->value) == 0 &&
			value_copy(a, &(*at)->node.key, &out->key) == 0;
	}
	pthread_mutex_unlock(&m->lock);
	return found;
}

static void release_table(struct by_table *t)
{
	for (size_t i = 0; i < t->nslots; i++)
		for (struct known *k = t->slots[i], *next; k; k = next) {
			next = k->next;
			free(k);
		}
	free(t->slots);
	free(t);
}

/* ---- open listings ---- */

int by_place_open(struct mount *m, struct by_place **out)
{
	struct by_place *place = calloc(1, sizeof(*place));

	if (!place)
		return -ENOMEM;
	pthread_mutex_lock(&m->lock);
	place->next = m->by_places;
	place->link = &m->by_places;
	if (place->next)
		place->next->link = &place->next;
	m->by_places = place;
	pthread_mutex_unlock(&m->lock);
	*out = place;
	return 0;
}

void by_place_close(struct mount *m, struct by_place *place)
{
	if (!place)
		return;
	pthread_mutex_lock(&m->lock);
	*place->link = place->next;
	if (place->next)
		place->next->link = place->link;
	pthread_mutex_unlock(&m->lock);
	arena_release(&place->arena);
	free(place->values);
	free(place);
}

void by_release_all(struct mount *m)
{
	while (m->by_places)
		by_place_close(m, m->by_places);
	if (m->by)
		release_table(m->by);
	m->by = NULL;
}
