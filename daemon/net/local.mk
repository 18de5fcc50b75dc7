# Bytes and sockets.

libparley_a_SOURCES += \
	daemon/net/conn.c \
	daemon/net/conn.h \
	daemon/net/frame.c \
	daemon/net/frame.h \
	daemon/net/hijack.c \
	daemon/net/hijack.h \
	daemon/net/listen.c \
	daemon/net/listen.h \
	daemon/net/ws.c \
	daemon/net/ws.h
