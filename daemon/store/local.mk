# PostgreSQL. Nothing outside this room knows SQL.

libparley_a_SOURCES += \
	daemon/store/db.c \
	daemon/store/db.h \
	daemon/store/store.c \
	daemon/store/store.h \
	daemon/store/store_batch.c \
	daemon/store/store_private.h \
	daemon/store/store_query.c \
	daemon/store/store_rows.c \
	daemon/store/store_send.c
