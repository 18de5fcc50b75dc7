# The schema, and the code that applies it.

noinst_LIBRARIES += libmigrations.a
libmigrations_a_SOURCES = \
	migrations/migrate.c \
	migrations/migrate.h \
	migrations/migrate_names.c \
	migrations/migrate_names.h \
	migrations/pg_session.c \
	migrations/pg_session.h
nodist_libmigrations_a_SOURCES = migrations.c

migration_files = $(sort $(wildcard $(srcdir)/migrations/*.sql))
migrations.c: $(migration_files) common/embed
	$(AM_V_GEN)$(SHELL) $(srcdir)/common/embed files migration_files $(migration_files) > $@.tmp
	$(AM_V_at)mv $@.tmp $@
CLEANFILES += migrations.c
EXTRA_DIST += $(migration_files) migrations/README.md
