# The schema, and the code that applies it.

noinst_LIBRARIES += libmigrations.a
libmigrations_a_SOURCES = \
	migrations/migrate.c \
	migrations/migrate.h
nodist_libmigrations_a_SOURCES = migrations.c

migration_files = $(wildcard $(srcdir)/migrations/[0-9]*.sql)
migrations.c: $(migration_files) migrations/embed
	$(AM_V_GEN)$(SHELL) $(srcdir)/migrations/embed $(migration_files) > $@.tmp
	$(AM_V_at)mv $@.tmp $@
CLEANFILES += migrations.c
EXTRA_DIST += $(migration_files) migrations/embed
