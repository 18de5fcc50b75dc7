# C without libevent and libpq, for all programs, tests and fuzzers.

noinst_LIBRARIES += libcommon.a
libcommon_a_SOURCES = \
	common/buf.c \
	common/buf.h \
	common/clock.c \
	common/clock.h \
	common/code_points.h \
	common/close_reason.c \
	common/close_reason.def \
	common/close_reason.h \
	common/conf.c \
	common/conf.def \
	common/conf.h \
	common/embedded.h \
	common/emoji.c \
	common/emoji.h \
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
	common/record.c \
	common/record.h \
	common/ring.c \
	common/ring.h \
	common/search_text.c \
	common/search_text.h \
	common/secret.c \
	common/secret.h \
	common/shlock.c \
	common/shlock.h \
	common/stats.c \
	common/stats.def \
	common/stats.h \
	common/token.c \
	common/token.h \
	common/unicode.c \
	common/unicode.h \
	common/utf8.c \
	common/utf8.h \
	common/wsframe.c \
	common/wsframe.h \
	common/xalloc.c \
	common/xalloc.h
nodist_libcommon_a_SOURCES = emoji_properties.c

emoji_data = $(UNICODE_DATA)/emoji/emoji-data.txt
emoji_properties.c: common/properties $(emoji_data) $(UNICODE_DATA)/PropList.txt
	$(AM_V_GEN)$(SHELL) $(srcdir)/common/properties \
		emoji_characters $(emoji_data) Emoji \
		emoji_modifiers $(emoji_data) Emoji_Modifier \
		emoji_modifier_bases $(emoji_data) Emoji_Modifier_Base \
		emoji_regional_indicators $(UNICODE_DATA)/PropList.txt Regional_Indicator > $@.tmp
	$(AM_V_at)mv $@.tmp $@
CLEANFILES += emoji_properties.c

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
EXTRA_DIST += common/embed common/parleyd.conf.5.in common/properties
man_MANS += parleyd.conf.5
examples_DATA += parleyd.conf
