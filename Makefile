# rowfs: `make help` lists the targets. Everything that is made lies under build/.

VERSION = 0.1.0
PREFIX  = /usr/local
CFLAGS  = -O2 -g
JOBS    = 2

# SANITIZE=address,undefined or SANITIZE=thread: the same program, instrumented, beside the plain one.
SANITIZE =
BUILD_   = build
BUILD_address,undefined = build/asan
BUILD_thread = build/tsan
BUILD_fuzzer = build/fuzzing
BUILD    = $(or $(BUILD_$(SANITIZE)),build/$(SANITIZE))
ifneq ($(SANITIZE),)
INSTRUMENT = -fsanitize=$(SANITIZE:fuzzer=fuzzer-no-link,address,undefined) -fno-omit-frame-pointer
ifneq ($(SANITIZE),thread)
INSTRUMENT += -fno-sanitize-recover=undefined
endif
endif

WARNINGS = -Wall -Wextra $(if $(WERROR),-Werror)
COMPILE  = $(CC) -std=gnu11 -D_GNU_SOURCE -DROWFS_VERSION='"$(VERSION)"' $(CFLAGS) $(WARNINGS) $(INSTRUMENT) -MMD -MP
LINK     = $(CC) $(CFLAGS) $(INSTRUMENT) $(LDFLAGS)

# Asked when a recipe needs them, not before: `make deps` runs on a machine that has no pkg-config yet.
FUSE_CFLAGS = $(shell pkg-config --cflags fuse3)
FUSE_LIBS   = $(shell pkg-config --libs fuse3)
LIBS        = $(shell pkg-config --libs sqlite3 jansson) -lm -lpthread
CHECK_LIBS  = $(shell pkg-config --libs check)

comma    = ,
object   = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)/*.c))
program  = $(patsubst tests/%.c,$(BUILD)/%,$(wildcard $(1)))
STORE   := $(call object,store)
HOOKS   := $(call object,hooks)
FS      := $(call object,fs)
UNIT    := $(call program,tests/unit/test_*.c)
UNIT_FS := $(call program,tests/unit/test_fs_*.c)
TOOLS   := $(call program,tests/tool/*.c)
PLUGINS := $(patsubst tests/plugin/%.c,$(BUILD)/plugin/%.so,$(wildcard tests/plugin/*.c))
BENCH   := $(call object,tests/bench)
CHECKER := $(call object,tests/checker)
TURNS   := $(patsubst %,$(BUILD)/tests/faults/%.o,turns loads plan)
FUZZ    := $(filter-out %/driver,$(call program,tests/fuzz/*.c))
MAN1    := $(wildcard man/*.1)
MAN3    := $(wildcard man/*.3)
MAN5    := $(wildcard man/*.5)

DEPS_RUN  = gcc libc6-dev make pkg-config libfuse3-dev fuse3 libsqlite3-dev sqlite3 libjansson-dev jq
DEPS_TEST = check mandoc attr util-linux procps vim rsync python3 perl \
	    busybox curl ed emacs-nox gawk git joe libglib2.0-bin logrotate mawk mksh moreutils nano neovim nodejs \
	    patch unzip xxd zip zsh
DEPS_CI   = clang shellcheck

.PHONY: all help deps deps-test deps-ci run stop test test-asan test-tsan valgrind tools-table programs bench checker soak soak-checker soak-operations fuzz fuzz-programs lint install uninstall clean
.DELETE_ON_ERROR:

all: $(BUILD)/rowfs

help:
	@echo 'all        build/rowfs'
	@echo 'run        install what is missing, build, mount mount.conf on ./mnt and take a short tour'
	@echo 'stop       unmount ./mnt'
	@echo 'test       unit tests and mount tests (test-asan, test-tsan: instrumented)'
	@echo 'valgrind   the daemon under valgrind, through saves, hooks, jobs and transactions'
	@echo 'bench      measure against raw SQLite and ext4; BENCHFLAGS are its options'
	@echo 'checker    random operations against a model in memory: OPS=$(OPS), SEED=$(SEED), CHECKERFLAGS'
	@echo 'tools-table write tests/tools/TABLE.md anew: what some 200 invocations of programs do to records'
	@echo 'soak       10,000 saves with hooks, 500 crashes with jobs at random points and 200 at named phases, every call failing in turn, 200 power cuts, then the mount tests over and over, ROUNDS=10 times'
	@echo 'soak-checker  the checker, 1,000,000 operations over 20 seeds, and 600,000 of six at once'
	@echo 'soak-operations  1,000,000 operations on one mount, with the memory and descriptors of its daemon'
	@echo 'fuzz       random texts for every parser, FUZZ_SECONDS=$(FUZZ_SECONDS) each; FUZZ_ONLY="conf name" chooses'
	@echo 'lint       man pages and shell scripts'
	@echo 'install    PREFIX=$(PREFIX), DESTDIR; uninstall takes it away'
	@echo 'deps       install missing Debian packages (deps-test, deps-ci: what the tests and .ci/run need)'
	@echo 'WERROR=1, SANITIZE=address,undefined, SANITIZE=thread, CC=clang change how it is built'

# ---- building ----

$(BUILD)/rowfs: $(BUILD)/fs/main.o $(BUILD)/libfs.a $(BUILD)/libhooks.a $(BUILD)/libstore.a
	$(LINK) -o $@ $^ $(FUSE_LIBS) $(LIBS)

$(BUILD)/libstore.a: $(STORE)
$(BUILD)/libhooks.a: $(HOOKS)
$(BUILD)/libfs.a: $(filter-out %/main.o,$(FS))
$(BUILD)/%.a:
	rm -f $@
	$(AR) rcs $@ $^

# Only fs/ is told where libfuse's headers are.
$(BUILD)/fs/%.o: fs/%.c
	@mkdir -p $(@D)
	$(COMPILE) $(FUSE_CFLAGS) -c -o $@ $<
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

# Unit tests link without libfuse: what lies below fs/ works without it.
$(filter-out $(UNIT_FS),$(UNIT)): $(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libhooks.a $(BUILD)/libstore.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(CHECK_LIBS) $(LIBS)
$(UNIT_FS): $(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libfs.a $(BUILD)/libhooks.a $(BUILD)/libstore.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(CHECK_LIBS) $(FUSE_LIBS) $(LIBS)
$(BUILD)/unit/test_memory $(BUILD)/unit/test_memory_stage: LDFLAGS += $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc reallocarray strdup asprintf vasprintf)
$(BUILD)/tests/unit/test_fs_%.o: tests/unit/test_fs_%.c
	@mkdir -p $(@D)
	$(COMPILE) $(FUSE_CFLAGS) -c -o $@ $<

$(TOOLS): $(BUILD)/tool/%: tests/tool/%.c
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $(filter %.c %.o,$^)
$(BUILD)/tool/fault: $(BUILD)/tests/faults/plan.o

# Loaded into the daemon before all others, to make calls fail; without instruments of its own.
$(BUILD)/faults.so $(BUILD)/power.so: $(BUILD)/%.so: tests/faults/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARNINGS) -MMD -MP -MF $(@:.so=.d) -fPIC -shared -o $@ $< -ldl

# As somebody else builds one: with nothing but the header.
$(PLUGINS): $(BUILD)/plugin/%.so: tests/plugin/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Ihooks $(CFLAGS) $(WARNINGS) $(INSTRUMENT) -MMD -MP -MF $(@:.so=.d) -fPIC -shared -o $@ $<

$(BUILD)/bench: $(BENCH)
	$(LINK) -o $@ $^ $(LIBS)

$(BUILD)/checker: $(CHECKER)
	$(LINK) -o $@ $^ $(LIBS)

$(BUILD)/turns: $(TURNS)
	$(LINK) -o $@ $^ $(LIBS)

# The daemon that a test can stop at a named phase (store/phase.h): what names one is compiled anew, the rest is the same.
PHASED := $(patsubst %.c,$(BUILD)/phases/%.o,$(shell grep -l 'include.*phase\.h"' store/*.c hooks/*.c fs/*.c))
$(BUILD)/phases/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -DROWFS_PHASES $(FUSE_CFLAGS) -c -o $@ $<
$(BUILD)/phases/rowfs: $(BUILD)/fs/main.o $(PHASED) $(BUILD)/phases/tests/phase/phase.o $(BUILD)/libfs.a $(BUILD)/libhooks.a $(BUILD)/libstore.a
	$(LINK) -o $@ $^ $(FUSE_LIBS) $(LIBS)

# Fuzz targets: with libFuzzer, or with a driver that reads files.
FUZZ_MAIN = $(if $(filter fuzzer,$(SANITIZE)),-fsanitize=fuzzer,$(BUILD)/tests/fuzz/driver.o)
$(FUZZ): $(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/driver.o $(BUILD)/libhooks.a $(BUILD)/libstore.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $< $(BUILD)/libhooks.a $(BUILD)/libstore.a $(FUZZ_MAIN) $(LIBS)

programs: $(BUILD)/rowfs $(BUILD)/phases/rowfs $(UNIT) $(TOOLS) $(PLUGINS) $(FUZZ) $(BUILD)/faults.so $(BUILD)/power.so $(BUILD)/checker $(BUILD)/turns
fuzz-programs: $(FUZZ)

# ---- using ----

deps:
	@tests/deps $(DEPS_RUN)
deps-test: deps
	@tests/deps $(DEPS_TEST)
deps-ci: deps-test
	@tests/deps $(DEPS_CI)

run: deps
	@$(MAKE) --no-print-directory all
	@tests/tour

stop:
	fusermount3 -u mnt

SHARE = $(DESTDIR)$(PREFIX)/share

install: $(BUILD)/rowfs
	install -D -m 755 $(BUILD)/rowfs $(DESTDIR)$(PREFIX)/bin/rowfs
	install -d $(SHARE)/man/man1 $(SHARE)/man/man3 $(SHARE)/man/man5 $(SHARE)/pkgconfig
	install -m 644 $(MAN1) $(SHARE)/man/man1
	install -m 644 $(MAN3) $(SHARE)/man/man3
	install -m 644 $(MAN5) $(SHARE)/man/man5
	install -D -m 644 hooks/rowfs-plugin.h $(DESTDIR)$(PREFIX)/include/rowfs-plugin.h
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' rowfs.pc.in >$(SHARE)/pkgconfig/rowfs.pc

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/rowfs
	rm -f $(MAN1:man/%=$(SHARE)/man/man1/%) $(MAN3:man/%=$(SHARE)/man/man3/%) $(MAN5:man/%=$(SHARE)/man/man5/%)
	rm -f $(DESTDIR)$(PREFIX)/include/rowfs-plugin.h $(SHARE)/pkgconfig/rowfs.pc

# ---- testing ----

test: deps-test
	@$(MAKE) --no-print-directory programs
	@BUILD=$(BUILD) tests/run -j $(JOBS) $(TESTS)

test-asan: deps-test
	@$(MAKE) --no-print-directory SANITIZE=address,undefined programs
	@BUILD=build/asan tests/run -j $(JOBS) $(TESTS)

# Races can only be where there are threads: the store's group commit, the job runner, the mount under many clients.
test-tsan: deps-test
	@$(MAKE) --no-print-directory SANITIZE=thread programs
	@BUILD=build/tsan tests/run -j $(JOBS) $(or $(TESTS),unit/.*threads unit/.*store unit/.*job unit/.*save unit/.*coprocess concurrent linear/saves linear/they checker/four checker/a_crowd)

# The daemon under valgrind, through a load of everything.
valgrind: deps-test
	@tests/deps valgrind
	@$(MAKE) --no-print-directory programs
	@VALGRIND=1 BUILD=$(BUILD) tests/run mount/valgrind

# What real programs do to records, written anew; the tests compare with it.
tools-table: deps-test
	@$(MAKE) --no-print-directory programs
	@BUILD=$(BUILD) tests/tools/page >$(BUILD)/TABLE.md
	mv $(BUILD)/TABLE.md tests/tools/TABLE.md

bench: deps
	@tests/deps python3
	@$(MAKE) --no-print-directory all build/bench build/tool/answer build/plugin/price.so
	build/bench $(BENCHFLAGS)
	tests/bench/jobs build/rowfs
	tests/bench/transactions build/rowfs

# Random operations against a model of the contract in memory.
OPS  = 20000
SEED = 1
checker: deps
	@$(MAKE) --no-print-directory $(BUILD)/rowfs $(BUILD)/checker
	$(BUILD)/checker --program $(BUILD)/rowfs --directory $(BUILD) --ops $(OPS) --seed $(SEED) $(CHECKERFLAGS)

# The first line shows what the daemon holds after a tenth of the operations, the last one after all of them.
soak-operations:
	@$(MAKE) --no-print-directory checker OPS=1000000 CHECKERFLAGS=--figures

soak-checker:
	@$(MAKE) --no-print-directory checker OPS=50000 CHECKERFLAGS='--seeds 20'
	@$(MAKE) --no-print-directory checker OPS=50000 CHECKERFLAGS='--workers 6'
	@$(MAKE) --no-print-directory checker OPS=50000 CHECKERFLAGS='--workers 6 --crowd'

# Each target for so many seconds; what is found lies in build/fuzzing, new inputs in build/fuzzing/corpus.
FUZZ_SECONDS = 60
fuzz: deps-ci
	@$(MAKE) --no-print-directory SANITIZE=fuzzer CC=clang fuzz-programs
	@tests/fuzz/all build/fuzzing $(FUZZ_SECONDS) $(FUZZ_ONLY)

ROUNDS = 10
FIGURES = $(CURDIR)/$(BUILD)/figures
soak: deps-test
	@$(MAKE) --no-print-directory programs
	@rm -f $(FIGURES)
	@FIGURES=$(FIGURES) BUILD=$(BUILD) SAVES=10000 LIMIT=3600 tests/run -j $(JOBS) mount/leaks
	@FIGURES=$(FIGURES) BUILD=$(BUILD) STEP=1 ROWFS_STEP=1 ROUNDS=200 LIMIT=7200 tests/run -j $(JOBS) unit/memory mount/faults mount/power
	@BUILD=$(BUILD) FIGURES=$(FIGURES) CRASHES=500 PATIENCE=300 LIMIT=3600 tests/run -j $(JOBS) mount/crash_jobs
	@FIGURES=$(FIGURES) BUILD=$(BUILD) LINEAR=5000 LIMIT=3600 tests/run -j $(JOBS) mount/linear
	@cat $(FIGURES)
	@for round in $$(seq $(ROUNDS)); do BUILD=$(BUILD) tests/run -q -j $(JOBS) mount/ scenarios/ || exit 1; done

lint:
	mandoc -T lint -W warning $(MAN1) $(MAN3) $(MAN5)
	if command -v shellcheck >/dev/null; then shellcheck -x -S warning tests/run tests/deps tests/tour tests/namespace tests/*.sh tests/*/*.sh tests/scenarios/*/*.sh tests/tools/page tests/tools/repository tests/fuzz/all .ci/run; fi

clean:
	rm -rf build

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d $(BUILD)/tests/*/*.d $(BUILD)/phases/*/*.d)
