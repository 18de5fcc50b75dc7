# The processes: fork, signals, reload, stop.

libparley_a_SOURCES += \
	daemon/process/alloc.c \
	daemon/process/alloc.h \
	daemon/process/daemonize.c \
	daemon/process/daemonize.h \
	daemon/process/master.c \
	daemon/process/master.h \
	daemon/process/master_children.c \
	daemon/process/master_open.c \
	daemon/process/master_private.h \
	daemon/process/migrator.c \
	daemon/process/migrator.h \
	daemon/process/notify.c \
	daemon/process/notify.h \
	daemon/process/worker.c \
	daemon/process/worker.h
