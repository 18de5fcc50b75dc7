# What is true now, and which sockets are notified.

libparley_a_SOURCES += \
	daemon/realtime/bus.c \
	daemon/realtime/bus.h \
	daemon/realtime/json_view.c \
	daemon/realtime/json_view.h \
	daemon/realtime/presence.c \
	daemon/realtime/presence.h \
	daemon/realtime/room.c \
	daemon/realtime/room.h \
	daemon/realtime/room_order.c \
	daemon/realtime/room_private.h \
	daemon/realtime/room_push.c \
	daemon/realtime/session.c \
	daemon/realtime/session.h \
	daemon/realtime/session_auth.c \
	daemon/realtime/session_private.h \
	daemon/realtime/typing.c \
	daemon/realtime/typing.h \
	daemon/realtime/watch.c \
	daemon/realtime/watch.h
