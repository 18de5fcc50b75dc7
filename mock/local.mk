# parley-mock

bin_PROGRAMS += parley-mock
parley_mock_SOURCES = \
	mock/load.c \
	mock/load.h \
	mock/names.c \
	mock/names.h \
	mock/parley_mock.c \
	mock/rng.h \
	mock/talk.c \
	mock/talk.h \
	mock/world.c \
	mock/world.h
parley_mock_LDADD = $(tool_ldadd) -lm
man_MANS += mock/parley-mock.1
EXTRA_DIST += mock/parley-mock.1
