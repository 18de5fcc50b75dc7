# PostgreSQL. Nothing outside this room knows SQL.

libparley_a_SOURCES += \
	daemon/store/batcher.c \
	daemon/store/batcher.h \
	daemon/store/db.c \
	daemon/store/db.h \
	daemon/store/db_hosts.c \
	daemon/store/db_hosts.h \
	daemon/store/db_lookup.c \
	daemon/store/db_lookup.h \
	daemon/store/db_value.c \
	daemon/store/indexer.c \
	daemon/store/indexer.h \
	daemon/store/store.c \
	daemon/store/store.h \
	daemon/store/store_batch.c \
	daemon/store/store_change.c \
	daemon/store/store_epoch.c \
	daemon/store/store_erase.c \
	daemon/store/store_fence.c \
	daemon/store/store_group.c \
	daemon/store/store_private.h \
	daemon/store/store_query.c \
	daemon/store/store_rows.c \
	daemon/store/store_rows.h \
	daemon/store/store_search.c \
	daemon/store/store_send.c \
	daemon/store/store_writes.c
nodist_libparley_a_SOURCES += queries.c

queries.c: daemon/store/queries.sql common/embed
	$(AM_V_GEN)$(SHELL) $(srcdir)/common/embed queries $(srcdir)/daemon/store/queries.sql > $@.tmp
	$(AM_V_at)mv $@.tmp $@
CLEANFILES += queries.c
EXTRA_DIST += daemon/store/queries.sql
