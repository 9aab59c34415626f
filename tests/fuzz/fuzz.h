/*
 * fuzz.h - what the fuzz targets share. Each is one file that defines fuzz_one(): libFuzzer calls it with what it makes
 * up (`make fuzz`), driver.c with the files of tests/fuzz/corpus/NAME (`make test`).
 */
#ifndef ROWFS_FUZZ_H
#define ROWFS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../hooks/hook.h"
#include "../../store/conf.h"
#include "../../store/store.h"

#define fuzz_one LLVMFuzzerTestOneInput
int fuzz_one(const uint8_t *data, size_t size);

/* What must hold for every input. */
#define must(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                  \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* The models of a mount.conf without mistakes, made once and kept. */
static inline const struct schema *fuzz_schema(const char *text, size_t len)
{
	static struct conf conf;
	static struct schema schema;
	err_auto e = ERR_INIT;
	if (!schema.nmodels) {
		must(conf_parse(&conf, "mount.conf", text, len, &e) == 0);
		must(schema_read(&schema, &conf, &e) == 0);
		conf_print_mistakes(&conf, stderr);
		must(conf.nmistakes == 0);
	}
	return &schema;
}

#endif
