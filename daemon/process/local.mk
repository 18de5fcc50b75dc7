# The processes: who lives when; signals, fork, reload, stop.

libparley_a_SOURCES += \
	daemon/process/alloc.c \
	daemon/process/alloc.h \
	daemon/process/daemonize.c \
	daemon/process/daemonize.h \
	daemon/process/master.c \
	daemon/process/master.h \
	daemon/process/worker.c \
	daemon/process/worker.h
