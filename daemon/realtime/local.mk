# The current state of conversations, presence and sockets, and the events that are pushed.

libparley_a_SOURCES += \
	daemon/realtime/bus.c \
	daemon/realtime/bus.h \
	daemon/realtime/frames.c \
	daemon/realtime/frames.def \
	daemon/realtime/frames.h \
	daemon/realtime/json_view.c \
	daemon/realtime/json_view.h \
	daemon/realtime/last_seen.c \
	daemon/realtime/last_seen.h \
	daemon/realtime/presence.c \
	daemon/realtime/presence.h \
	daemon/realtime/room.c \
	daemon/realtime/room.h \
	daemon/realtime/room_load.c \
	daemon/realtime/room_order.c \
	daemon/realtime/room_private.h \
	daemon/realtime/room_push.c \
	daemon/realtime/room_reconcile.c \
	daemon/realtime/room_views.c \
	daemon/realtime/session.c \
	daemon/realtime/session.h \
	daemon/realtime/session_auth.c \
	daemon/realtime/session_private.h \
	daemon/realtime/session_revoke.c \
	daemon/realtime/typing.c \
	daemon/realtime/typing.h \
	daemon/realtime/watch.c \
	daemon/realtime/watch.h \
	daemon/realtime/watch_check.c \
	daemon/realtime/watch_check.h
