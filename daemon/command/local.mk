# The WebSocket commands: one file for each command.

libparley_a_SOURCES += \
	daemon/command/cmd_edit.c \
	daemon/command/cmd_presence.c \
	daemon/command/cmd_read.c \
	daemon/command/cmd_send.c \
	daemon/command/cmd_sync.c \
	daemon/command/cmd_typing.c \
	daemon/command/command.c \
	daemon/command/command.h \
	daemon/command/command_conv.c
