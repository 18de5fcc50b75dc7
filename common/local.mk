# C without libevent and libpq, for all programs, tests and fuzzers.

noinst_LIBRARIES += libcommon.a
libcommon_a_SOURCES = \
	common/buf.c \
	common/buf.h \
	common/clock.c \
	common/clock.h \
	common/close_reason.c \
	common/close_reason.def \
	common/close_reason.h \
	common/conf.c \
	common/conf.def \
	common/conf.h \
	common/embedded.h \
	common/error.c \
	common/error.def \
	common/error.h \
	common/fault.h \
	common/hash.c \
	common/hash.h \
	common/json.c \
	common/json.h \
	common/log.c \
	common/log.h \
	common/params.c \
	common/params.h \
	common/password.c \
	common/password.h \
	common/pidfile.c \
	common/pidfile.h \
	common/proto.c \
	common/proto.h \
	common/ratelimit.c \
	common/ratelimit.h \
	common/ring.c \
	common/ring.h \
	common/secret.c \
	common/secret.h \
	common/shlock.c \
	common/shlock.h \
	common/stats.c \
	common/stats.def \
	common/stats.h \
	common/token.c \
	common/token.h \
	common/utf8.c \
	common/utf8.h \
	common/wsframe.c \
	common/wsframe.h \
	common/xalloc.c \
	common/xalloc.h

# The sample configuration and parleyd.conf(5) are generated from the table of settings.

noinst_PROGRAMS += confdoc
confdoc_SOURCES = common/confdoc.c
confdoc_LDADD = $(common_ldadd)

parleyd.conf: confdoc$(EXEEXT)
	$(AM_V_GEN)./confdoc$(EXEEXT) sample > $@.tmp
	$(AM_V_at)mv $@.tmp $@
parleyd.conf.5: confdoc$(EXEEXT) common/parleyd.conf.5.in
	$(AM_V_GEN)./confdoc$(EXEEXT) man $(srcdir)/common/parleyd.conf.5.in > $@.tmp
	$(AM_V_at)mv $@.tmp $@
CLEANFILES += parleyd.conf parleyd.conf.5
EXTRA_DIST += common/embed common/parleyd.conf.5.in
man_MANS += parleyd.conf.5
examples_DATA += parleyd.conf
