# The load generator, built by `make bench` only

EXTRA_PROGRAMS += bench/load
bench_load_SOURCES = bench/client.c bench/client.h bench/load.c
bench_load_LDADD = $(tool_ldadd) -lpthread

bench: all bench/load
	@$(check_env) bash $(srcdir)/bench/run '$(abs_builddir)'
.PHONY: bench
EXTRA_DIST += bench/run bench/search
