/*
 * options.c - the words of the command line that mounts: ours, libfuse's, and those of fstab(5) that are nobody's here.
 */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../store/buf.h"
#include "command.h"

/* Words of fstab(5) and mount(8) that are not for a filesystem, and those that decide what we do ourselves. */
static bool is_for_others(const char *option)
{
	static const char *const exact[] = {"defaults", "noauto", "auto",  "nofail", "_netdev", "user",
					    "users",    "nouser", "owner", "group",  "rw"};

	for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++)
		if (strcmp(option, exact[i]) == 0)
			return true;
	return strncmp(option, "x-", 2) == 0 || strncmp(option, "comment=", 8) == 0 || strncmp(option, "user=", 5) == 0;
}

static int take_options(struct options *o, const char *list)
{
	char *copy = strdup(list), *state, *each;
	int rc = copy ? 0 : -1;

	for (each = copy ? strtok_r(copy, ",", &state) : NULL; each && rc == 0; each = strtok_r(NULL, ",", &state)) {
		o->read_only = strcmp(each, "ro") == 0 || (o->read_only && strcmp(each, "rw") != 0);
		if (!is_for_others(each))
			rc = fuse_opt_add_arg(&o->args, "-o") | fuse_opt_add_arg(&o->args, each);
	}
	free(copy);
	return rc;
}

static int usage_error(const char *what, const char *word)
{
	fprintf(stderr, "rowfs: %s '%s'; see rowfs --help\n", what, word);
	return EXIT_USAGE;
}

static int take_word(struct options *o, const char *word)
{
	if (strcmp(word, "-f") == 0)
		o->foreground = true;
	else if (strcmp(word, "-d") == 0)
		o->foreground = o->debug = true;
	else if (word[0] == '-')
		return usage_error("unknown option", word);
	else if (!o->conf)
		o->conf = word;
	else if (!o->mountpoint)
		o->mountpoint = word;
	else
		return usage_error("one word too many:", word);
	return 0;
}

/* What mount(8) lists: the type fuse.rowfs, and mount.conf as the source. */
static int add_source(struct options *o)
{
	char *path = realpath(o->conf, NULL), *list = NULL;
	buf_auto source = BUF_INIT;
	int rc;

	buf_printf(&source, "fsname=%s", path ? path : o->conf);
	free(path);
	rc = buf_failed(&source) ? -1 : fuse_opt_add_opt_escaped(&list, buf_text(&source));
	if (rc == 0)
		rc = fuse_opt_add_arg(&o->args, "-osubtype=rowfs") | fuse_opt_add_arg(&o->args, "-o") |
		     fuse_opt_add_arg(&o->args, list);
	free(list);
	return rc;
}

int options_read(struct options *o, int argc, char **argv)
{
	int rc = fuse_opt_add_arg(&o->args, "rowfs");

	for (int i = 0; i < argc && rc == 0; i++) {
		if (strcmp(argv[i], "-o") == 0)
			rc = i + 1 < argc ? take_options(o, argv[++i]) : usage_error("no word behind", "-o");
		else if (strncmp(argv[i], "-o", 2) == 0)
			rc = take_options(o, argv[i] + 2);
		else
			rc = take_word(o, argv[i]);
	}
	if (rc == 0 && !o->mountpoint)
		rc = usage_error("no mountpoint for", o->conf ? o->conf : "");
	if (rc == 0 && o->debug)
		rc = fuse_opt_add_arg(&o->args, "-d");
	if (rc == 0)
		rc = add_source(o);
	return rc < 0 ? EXIT_SYSTEM : rc;
}

void options_release(struct options *o)
{
	fuse_opt_free_args(&o->args);
}
