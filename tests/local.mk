# `make check` runs the lints and the unit tests, then the integration tests, then the tests of the page.

check_LIBRARIES = tests/unit/libfixtures.a
tests_unit_libfixtures_a_SOURCES = \
	tests/unit/fault_arm.h \
	tests/unit/pg.c \
	tests/unit/pg.h \
	tests/unit/ring_records.h \
	tests/unit/suite.h \
	tests/unit/worker_fixture.c \
	tests/unit/worker_fixture.h \
	tests/unit/wslay_oracle.c \
	tests/unit/wslay_oracle.h

# The default for all tests. Below are only the programs that need more than their own source.
LDADD = tests/unit/libfixtures.a $(daemon_ldadd) $(CHECK_LIBS) -lwslay

unit_tests = \
	tests/unit/test_auth \
	tests/unit/test_batcher \
	tests/unit/test_buf \
	tests/unit/test_bus \
	tests/unit/test_clock \
	tests/unit/test_close_reason \
	tests/unit/test_command \
	tests/unit/test_conf \
	tests/unit/test_conn \
	tests/unit/test_db \
	tests/unit/test_emoji \
	tests/unit/test_error \
	tests/unit/test_frame \
	tests/unit/test_frames \
	tests/unit/test_hash \
	tests/unit/test_hasher \
	tests/unit/test_hijack \
	tests/unit/test_http \
	tests/unit/test_http_coding \
	tests/unit/test_http_fields \
	tests/unit/test_http_head \
	tests/unit/test_http_limits \
	tests/unit/test_http_origin \
	tests/unit/test_http_proxy \
	tests/unit/test_http_route \
	tests/unit/test_http_static \
	tests/unit/test_json \
	tests/unit/test_json_view \
	tests/unit/test_listen \
	tests/unit/test_log \
	tests/unit/test_master \
	tests/unit/test_migrate \
	tests/unit/test_openapi \
	tests/unit/test_params \
	tests/unit/test_password \
	tests/unit/test_pidfile \
	tests/unit/test_presence \
	tests/unit/test_proto \
	tests/unit/test_races \
	tests/unit/test_ratelimit \
	tests/unit/test_record \
	tests/unit/test_ring \
	tests/unit/test_ring_crash \
	tests/unit/test_ring_hostile \
	tests/unit/test_ring_threads \
	tests/unit/test_room \
	tests/unit/test_room_load \
	tests/unit/test_room_members \
	tests/unit/test_room_reconcile \
	tests/unit/test_room_views \
	tests/unit/test_search_text \
	tests/unit/test_secret \
	tests/unit/test_session \
	tests/unit/test_shlock \
	tests/unit/test_stats \
	tests/unit/test_store_change \
	tests/unit/test_store_epoch \
	tests/unit/test_store_fence \
	tests/unit/test_store_read \
	tests/unit/test_store_rows \
	tests/unit/test_store_search \
	tests/unit/test_store_send \
	tests/unit/test_token \
	tests/unit/test_typing \
	tests/unit/test_unicode \
	tests/unit/test_utf8 \
	tests/unit/test_watch \
	tests/unit/test_watch_check \
	tests/unit/test_ws \
	tests/unit/test_wsframe \
	tests/unit/test_wsframe_wslay
tests_unit_test_bus_CPPFLAGS = $(AM_CPPFLAGS) -DPARLEY_FAULTS
tests_unit_test_bus_SOURCES = tests/unit/test_bus.c common/ring.c
tests_unit_test_emoji_CPPFLAGS = $(AM_CPPFLAGS) -DUNICODE_DATA='"$(UNICODE_DATA)"'
# http_peer.c replaces functions of the store, so it is not in libfixtures.a.
# Two fixtures with users of the same names: a program has one of them.
room_fixture = tests/unit/room_fixture.c tests/unit/room_fixture.h
store_fixture = tests/unit/store_fixture.c tests/unit/store_fixture.h
tests_unit_test_room_SOURCES = tests/unit/test_room.c $(room_fixture)
tests_unit_test_room_load_SOURCES = tests/unit/test_room_load.c $(room_fixture)
tests_unit_test_room_members_SOURCES = tests/unit/test_room_members.c $(room_fixture)
tests_unit_test_room_reconcile_SOURCES = tests/unit/test_room_reconcile.c $(room_fixture)
tests_unit_test_room_views_SOURCES = tests/unit/test_room_views.c $(room_fixture)
tests_unit_test_watch_check_SOURCES = tests/unit/test_watch_check.c $(room_fixture)
tests_unit_test_store_change_SOURCES = tests/unit/test_store_change.c $(store_fixture)
tests_unit_test_store_search_SOURCES = tests/unit/test_store_search.c $(store_fixture)
tests_unit_test_store_epoch_SOURCES = tests/unit/test_store_epoch.c $(store_fixture)
tests_unit_test_store_fence_SOURCES = tests/unit/test_store_fence.c $(store_fixture)
tests_unit_test_store_read_SOURCES = tests/unit/test_store_read.c $(store_fixture)
tests_unit_test_store_send_SOURCES = tests/unit/test_store_send.c $(store_fixture)
tests_unit_test_http_SOURCES = tests/unit/test_http.c tests/unit/http_peer.c tests/unit/http_peer.h
tests_unit_test_http_limits_SOURCES = tests/unit/test_http_limits.c tests/unit/http_peer.c tests/unit/http_peer.h
tests_unit_test_http_static_SOURCES = tests/unit/test_http_static.c tests/unit/http_peer.c tests/unit/http_peer.h
tests_unit_test_ring_crash_CPPFLAGS = $(AM_CPPFLAGS) -DPARLEY_FAULTS
tests_unit_test_ring_crash_SOURCES = tests/unit/test_ring_crash.c common/ring.c
tests_unit_test_secret_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=free

include $(srcdir)/tests/fuzz/local.mk

check_PROGRAMS =
if UNIT_TESTS
check_PROGRAMS += $(unit_tests) $(fuzz_replays)
endif

lint_tests = \
	tests/lint/analyze \
	tests/lint/embed \
	tests/lint/hardening \
	tests/lint/layers \
	tests/lint/mutants \
	tests/lint/self-test \
	tests/lint/sources
model_tests = tests/model/run
thread_tests = tests/unit/tsan
TESTS = $(lint_tests) $(model_tests) $(thread_tests) $(check_PROGRAMS)
AM_TESTS_ENVIRONMENT = srcdir='$(abs_srcdir)'; export srcdir; \
	PARLEY_BUILD='$(abs_builddir)'; export PARLEY_BUILD; CC='$(CC)'; export CC; \
	PYTHON='$(PYTHON)'; export PYTHON;
EXTRA_DIST += $(lint_tests) $(thread_tests) tests/lint/layers.list tests/lint/layers.py

# An allocator that is preloaded into the daemon; built without the flags of our programs.
tests/integration/failing_malloc.so: tests/integration/failing_malloc.c
	$(AM_V_GEN)$(MKDIR_P) tests/integration
	$(AM_V_at)$(CC) -std=gnu11 -O2 -Wall -Wextra -fno-builtin -fPIC -shared -o $@ \
		$(srcdir)/tests/integration/failing_malloc.c
CLEANFILES += tests/integration/failing_malloc.so

check_env = PYTHON='$(PYTHON)' PARLEY_BUILD='$(abs_builddir)'
# valgrind does not run programs with AddressSanitizer.
if !SANITIZERS
memory_check = check-valgrind-short
endif
check-local: check-units check-integration $(memory_check) check-page check-e2e
check-units:
if !UNIT_TESTS
	@echo 'unit tests skipped: configure did not find check and wslay' >&2; exit "$${PARLEY_REQUIRE_ALL:-0}"
endif
check-integration: all parleyd-faults
check-integration: all tests/integration/failing_malloc.so
	@$(check_env) $(SHELL) $(srcdir)/tests/run-integration
check-valgrind-short: all
	@$(check_env) $(SHELL) $(srcdir)/tests/run-valgrind --short
check-valgrind: all
	@$(check_env) $(SHELL) $(srcdir)/tests/run-valgrind
check-page: all
	@$(check_env) $(SHELL) $(srcdir)/tests/run-page
check-e2e: all
	@$(check_env) $(SHELL) $(srcdir)/tests/run-e2e
# make expands SECONDS; in a recipe it would be bash's timer.
torture: all
	@$(PYTHON) -c 'import psycopg, websockets' || { \
		echo 'torture needs what ./dev check installs: python3-psycopg and python3-websockets' >&2; exit 1; }
	@$(check_env) $(PYTHON) -B '$(srcdir)/tests/torture/torture.py' --minutes "$${MINUTES:-10}" \
		$(if $(SECONDS),--seconds '$(SECONDS)') $(if $(SEED),--seed '$(SEED)')
# What another user waits meanwhile; SCENARIOS may name some of them.
big-chats: all
	@$(PYTHON) -c 'import psycopg, requests' || { \
		echo 'big-chats needs what ./dev check installs: python3-psycopg and python3-requests' >&2; exit 1; }
	@$(check_env) $(PYTHON) -B '$(srcdir)/tests/integration/big_chats.py' $(SCENARIOS)
models:
	@CC='$(CC)' $(SHELL) $(srcdir)/tests/model/run --long
fuzz:
	@$(check_env) $(PYTHON) -B '$(srcdir)/tests/fuzz/campaign.py' --minutes "$${MINUTES:-1}" --jobs "$${JOBS:-1}" $(TARGETS)
fuzz-corpus:
	@$(check_env) $(PYTHON) -B '$(srcdir)/tests/fuzz/campaign.py' --merge $(TARGETS)
mutants: all
	@$(PYTHON) -B '$(srcdir)/tests/mutants/mutants.py' --only '$(ONLY)' '$(abs_builddir)'
mutants-table:
	@$(PYTHON) -B '$(srcdir)/tests/mutants/mutants.py' --update-table '$(srcdir)'
analyze:
	@srcdir='$(srcdir)' CC='$(CC)' $(SHELL) $(srcdir)/tests/lint/analyze --all
.PHONY: torture big-chats models fuzz fuzz-corpus mutants mutants-table analyze
.PHONY: check-units check-integration check-valgrind check-valgrind-short check-page check-e2e
EXTRA_DIST += tests/README.md tests/count tests/run-e2e tests/run-integration tests/run-page tests/run-valgrind
CLEANFILES += check-integration.xml check-valgrind.xml check-page.json check-e2e.json check-e2e-*.png

EXTRA_DIST += \
	tests/integration \
	tests/model \
	tests/mutants \
	tests/torture
