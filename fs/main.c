/*
 * main.c - rowfs(1): which command is meant.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../hooks/graph.h"
#include "../store/describe.h"
#include "../store/log.h"
#include "../store/store.h"
#include "command.h"
#include "declared.h"

static const char usage[] = "usage: rowfs CONF MOUNTPOINT [-f] [-d] [-o OPT[,OPT...]]\n"
			    "       rowfs check [--sql] CONF\n"
			    "       rowfs init sqlite:FILE\n"
			    "       rowfs schema CONF [MODEL]\n"
			    "       rowfs graph CONF\n"
			    "       rowfs -h | --help, -V | --version\n"
			    "\n"
			    "Mounts the database that CONF declares on the directory MOUNTPOINT.\n"
			    "  -f      stay in the foreground, messages to standard error\n"
			    "  -d      the same, and print every request of the kernel\n"
			    "  -o OPT  mount options: ro, allow_other, and those of mount(8) and mount.fuse3(8)\n"
			    "See rowfs(1), mount.conf(5) and rowfs-hooks(5).\n";

static int command_help(int argc, char **argv)
{
	(void)argc, (void)argv;
	fputs(usage, stdout);
	return 0;
}

static int command_version(int argc, char **argv)
{
	(void)argc, (void)argv;
	printf("rowfs %s\n", ROWFS_VERSION);
	return 0;
}

void command_complain(const struct err *e)
{
	fprintf(stderr, "rowfs: %s\n", e->text);
	for (size_t i = 0; i < e->nproblems; i++)
		fprintf(stderr, "rowfs:   %s%s%s\n", e->problems[i].pointer, *e->problems[i].pointer ? ": " : "",
			e->problems[i].text);
}

/* Reads mount.conf and prints its mistakes; 0 or an exit code. */
static int read_declared(struct declared *d, const char *path)
{
	struct err e = ERR_INIT;
	int rc = declared_read(d, path, &e);

	conf_print_mistakes(&d->conf, stderr);
	if (rc < 0)
		command_complain(&e);
	err_release(&e);
	return rc == 0 || rc == -ENOMEM ? (rc ? EXIT_SYSTEM : 0) : EXIT_USAGE;
}

static int print_differences(const struct declared *d)
{
	struct err e = ERR_INIT;
	int rc = store_print_differences(&d->schema, stdout, &e);

	if (rc < 0)
		command_complain(&e);
	err_release(&e);
	return rc < 0 ? EXIT_SYSTEM : 0;
}

/* Tables that differ from the conf are mistakes too; a database that is not there yet has none. */
static int check_tables(struct declared *d)
{
	struct err e = ERR_INIT;
	int rc = store_compare(&d->schema, &e);

	if (rc < 0) {
		declared_differs(d, &e);
		conf_print_mistakes(&d->conf, stderr);
		command_complain(&e);
	}
	err_release(&e);
	return rc < 0 ? EXIT_USAGE : 0;
}

int command_check(int argc, char **argv)
{
	bool first = argc > 0 && strcmp(argv[0], "--sql") == 0;
	bool sql = first || (argc > 1 && strcmp(argv[1], "--sql") == 0);
	declared_auto d = DECLARED_INIT;
	int rc;

	if (argc != 1 + sql)
		return fputs(usage, stderr), EXIT_USAGE;
	rc = read_declared(&d, argv[first]);
	if (rc)
		return rc;
	if (sql)
		return print_differences(&d);
	hooks_print(&d.hooks, &d.schema, stdout);
	return check_tables(&d);
}

int command_schema(int argc, char **argv)
{
	declared_auto d = DECLARED_INIT;
	buf_auto out = BUF_INIT;
	const struct model *model;
	int rc;

	if (argc < 1 || argc > 2)
		return fputs(usage, stderr), EXIT_USAGE;
	rc = read_declared(&d, argv[0]);
	if (rc)
		return rc;
	model = argc > 1 ? schema_model(&d.schema, argv[1]) : NULL;
	if (argc > 1 && !model)
		return fprintf(stderr, "rowfs: %s has no model %s\n", argv[0], argv[1]), EXIT_USAGE;
	schema_json(&out, &d.schema, model);
	fputs(buf_text(&out), stdout);
	return 0;
}

int command_init(int argc, char **argv)
{
	static const char sqlite[] = "sqlite:";
	struct err e = ERR_INIT;

	if (argc != 1)
		return fputs(usage, stderr), EXIT_USAGE;
	if (strncmp(argv[0], sqlite, strlen(sqlite)) != 0 || argv[0][strlen(sqlite)] == '\0')
		return fprintf(stderr, "rowfs: '%s' is no database; it is written sqlite:FILE\n", argv[0]), EXIT_USAGE;
	int rc = describe_database(argv[0] + strlen(sqlite), stdout, &e);
	if (rc < 0)
		command_complain(&e);
	err_release(&e);
	return rc < 0 ? EXIT_SYSTEM : 0;
}

int command_graph(int argc, char **argv)
{
	declared_auto d = DECLARED_INIT;
	buf_auto out = BUF_INIT;
	int rc;

	if (argc != 1)
		return fputs(usage, stderr), EXIT_USAGE;
	rc = read_declared(&d, argv[0]);
	if (rc)
		return rc;
	hooks_graph(&out, &d.hooks, &d.schema);
	fputs(buf_text(&out), stdout);
	return buf_failed(&out) ? EXIT_SYSTEM : 0;
}

static const struct {
	const char *word;
	int (*run)(int argc, char **argv);
} commands[] = {
    {"check", command_check}, {"init", command_init},   {"schema", command_schema}, {"graph", command_graph},
    {"-h", command_help},     {"--help", command_help}, {"-V", command_version},    {"--version", command_version},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].word) == 0)
			return commands[i].run(argc - 2, argv + 2);
	if (argc < 3)
		return fputs(usage, stderr), EXIT_USAGE;
	return command_mount(argc - 1, argv + 1);
}
