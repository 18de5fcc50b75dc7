# Tokens and password hashing.

libparley_a_SOURCES += \
	daemon/auth/auth.c \
	daemon/auth/auth.h \
	daemon/auth/hasher.c \
	daemon/auth/hasher.h
