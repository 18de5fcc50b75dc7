# The HTTP routes: one file for each group of routes.

libparley_a_SOURCES += \
	daemon/api/api.c \
	daemon/api/api.h \
	daemon/api/api_account.c \
	daemon/api/api_chats.c \
	daemon/api/api_groups.c \
	daemon/api/api_invites.c \
	daemon/api/api_messages.c \
	daemon/api/api_presence.c \
	daemon/api/api_reactions.c \
	daemon/api/api_search.c \
	daemon/api/api_users.c \
	daemon/api/openapi.c
nodist_libparley_a_SOURCES += openapi_schemas.c

openapi_schemas.c: daemon/api/openapi_schemas.json common/embed
	$(AM_V_GEN)$(SHELL) $(srcdir)/common/embed files openapi_schemas $(srcdir)/daemon/api/openapi_schemas.json > $@.tmp
	$(AM_V_at)mv $@.tmp $@
CLEANFILES += openapi_schemas.c
EXTRA_DIST += daemon/api/openapi_schemas.json
