# parleyd. libparley.a has everything except main.c, for tests and fuzzers.

noinst_LIBRARIES += libparley.a
libparley_a_SOURCES = daemon/heritage.h
nodist_libparley_a_SOURCES =
include $(srcdir)/daemon/net/local.mk
include $(srcdir)/daemon/auth/local.mk
include $(srcdir)/daemon/store/local.mk
include $(srcdir)/daemon/http/local.mk
include $(srcdir)/daemon/realtime/local.mk
include $(srcdir)/daemon/api/local.mk
include $(srcdir)/daemon/command/local.mk
include $(srcdir)/daemon/process/local.mk

sbin_PROGRAMS += parleyd
parleyd_SOURCES = daemon/main.c
parleyd_LDADD = $(daemon_ldadd)
man_MANS += daemon/parleyd.8
EXTRA_DIST += daemon/parleyd.8

# parleyd with fault points (common/fault.h), for tests.
EXTRA_PROGRAMS += parleyd-faults
parleyd_faults_SOURCES = daemon/main.c $(libcommon_a_SOURCES) $(libparley_a_SOURCES)
nodist_parleyd_faults_SOURCES = $(nodist_libparley_a_SOURCES)
parleyd_faults_CPPFLAGS = $(AM_CPPFLAGS) -DPARLEY_FAULTS
parleyd_faults_LDADD = libmigrations.a libcommon.a $(DAEMON_LIBS) $(LIBPQ_LIBS) $(COMMON_LIBS)
