/*
 * graph.c - `rowfs graph`.
 *
 *     model  a box with its fields           -> solid: references, by the field's name
 *     queue  a box with another colour       -> bold: embeds
 *     hook   an ellipse                      -> dashed: runs for; enqueues
 *
 * Every text is quoted: a label may hold anything.
 */
#include "graph.h"

#include <string.h>

static void quoted(struct buf *b, const char *text)
{
	buf_char(b, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_char(b, '\\');
		if (*text == '\n')
			buf_str(b, "\\n");
		else
			buf_char(b, *text);
	}
	buf_char(b, '"');
}

static const char *const relation_words[] = {
    [HAS_MANY] = "has-many", [HAS_ONE] = "has-one", [EMBEDS_MANY] = "embeds-many", [EMBEDS_ONE] = "embeds-one"};

static const char *const kind_words[HOOK_KIND_COUNT] = {
    [HOOK_SQL] = "sql",   [HOOK_CHECK] = "check",   [HOOK_RUN] = "run",
    [HOOK_PIPE] = "pipe", [HOOK_PLUGIN] = "plugin", [HOOK_ENQUEUE] = "enqueue",
};

/* ---- models ---- */

static bool is_in_conf(const struct model *m, const struct field *f)
{
	return f == m->key || f->where;
}

static void write_model(struct buf *b, const struct model *m)
{
	buf_auto label = BUF_INIT;
	buf_printf(&label, "%s%s%s", m->queue ? "queue " : "", m->name, m->read_only ? " (read-only)" : "");
	for (size_t i = 0; i < m->nfields; i++) {
		const struct field *f = &m->fields[i];
		if (is_in_conf(m, f))
			buf_printf(&label, "\n%s %s%s", f->name, field_type_name(f->type), f == m->key ? " key" : "");
	}
	if (m->queue && m->queue->argv)
		buf_printf(&label, "\nrun %s", m->queue->argv[0]);
	buf_char(b, '\t');
	quoted(b, m->name);
	buf_str(b, " [shape=box, style=filled, fillcolor=");
	buf_str(b, m->queue ? "lightyellow" : "white");
	buf_str(b, ", label=");
	quoted(b, buf_text(&label));
	buf_str(b, "];\n");
	b->failed |= buf_failed(&label);
}

static void write_edge(struct buf *b, const char *from, const char *to, const char *style, const char *label)
{
	buf_char(b, '\t');
	quoted(b, from);
	buf_str(b, " -> ");
	quoted(b, to);
	buf_printf(b, " [style=%s, label=", style);
	quoted(b, label);
	buf_str(b, "];\n");
}

static void write_relations(struct buf *b, const struct model *m)
{
	for (size_t i = 0; i < m->nfields; i++)
		if (m->fields[i].references)
			write_edge(b, m->name, m->fields[i].references->name, "solid", m->fields[i].name);
	for (size_t i = 0; i < m->nrelations; i++)
		write_edge(b, m->name, m->relations[i].child->name,
			   relation_embeds(&m->relations[i]) ? "bold" : "dotted", relation_words[m->relations[i].kind]);
}

/* ---- hooks ---- */

static const char *what(const struct hook *h)
{
	if (h->kind == HOOK_ENQUEUE)
		return h->queue->name;
	return h->argv ? h->argv[0] : h->message ? h->message : h->sql ? h->sql : "";
}

static void write_verbs(struct buf *b, const struct hook *h)
{
	const unsigned all = (1u << VERB_COUNT) - 1;
	for (int verb = 0; h->verbs != all && verb < VERB_COUNT; verb++)
		if (h->verbs & 1u << verb)
			buf_printf(b, " %s", verb_name((enum verb)verb));
}

static void write_hook(struct buf *b, const struct hook *h, size_t number)
{
	enum { SHOWN = 60 };
	buf_auto label = BUF_INIT, name = BUF_INIT;
	const char *text = what(h);
	size_t len = strlen(text);
	buf_str(&label, event_name(h->event));
	write_verbs(&label, h);
	buf_printf(&label, "\n%s ", kind_words[h->kind]);
	for (len = len > SHOWN ? SHOWN : len; len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80;)
		len--;
	buf_add(&label, text, len);
	buf_printf(&name, "hook %zu", number + 1);
	buf_char(b, '\t');
	quoted(b, buf_text(&name));
	buf_str(b, " [shape=ellipse, label=");
	quoted(b, buf_text(&label));
	buf_str(b, "];\n");
	if (h->model)
		write_edge(b, h->model->name, buf_text(&name), "dashed", "");
	if (h->kind == HOOK_ENQUEUE)
		write_edge(b, buf_text(&name), h->queue->name, "dashed", "enqueues");
	b->failed |= buf_failed(&label) || buf_failed(&name);
}

void hooks_graph(struct buf *out, const struct hooks *h, const struct schema *s)
{
	buf_str(out, "digraph rowfs {\n\trankdir=LR;\n\tnode [fontname=monospace];\n");
	for (size_t i = 0; i < s->nmodels; i++)
		write_model(out, &s->models[i]);
	for (size_t i = 0; i < s->nmodels; i++)
		write_relations(out, &s->models[i]);
	for (size_t i = 0; i < h->n; i++)
		write_hook(out, &h->all[i], i);
	buf_str(out, "}\n");
}
