# Each fuzz target is built twice: with replay.c, which runs the committed corpus in `make check`, and with
# clang's libFuzzer, which `make fuzz` builds in a separate directory (tests/fuzz/campaign.py).

fuzz_replays = \
	tests/fuzz/replay_coding \
	tests/fuzz/replay_command \
	tests/fuzz/replay_conf \
	tests/fuzz/replay_emoji \
	tests/fuzz/replay_http \
	tests/fuzz/replay_json \
	tests/fuzz/replay_ring \
	tests/fuzz/replay_search_text \
	tests/fuzz/replay_wsframe
fuzz_programs = \
	tests/fuzz/fuzz_coding \
	tests/fuzz/fuzz_command \
	tests/fuzz/fuzz_conf \
	tests/fuzz/fuzz_emoji \
	tests/fuzz/fuzz_http \
	tests/fuzz/fuzz_json \
	tests/fuzz/fuzz_ring \
	tests/fuzz/fuzz_search_text \
	tests/fuzz/fuzz_wsframe
EXTRA_PROGRAMS += $(fuzz_programs) tests/fuzz/dictionary
tests_fuzz_dictionary_SOURCES = tests/fuzz/dictionary.c

libfuzzer = $(AM_LDFLAGS) -fsanitize=fuzzer
replay_sources = tests/fuzz/fuzz.h tests/fuzz/replay.c
# A worker whose calls to database and hasher the linker redirects to worker_harness_store.c.
worker_sources = tests/fuzz/worker_harness.c tests/fuzz/worker_harness.h tests/fuzz/worker_harness_private.h tests/fuzz/worker_harness_store.c \
	tests/fuzz/peer.c tests/fuzz/peer.h
worker_ldflags = -Wl,--wrap=event_base_dispatch,--wrap=hasher_hash,--wrap=store_add_member,--wrap=store_authenticate \
	-Wl,--wrap=store_create_group,--wrap=store_delete_message,--wrap=store_edit_message,--wrap=store_load \
	-Wl,--wrap=store_mark_read,--wrap=store_open,--wrap=store_pin,--wrap=store_react,--wrap=store_remove_member,--wrap=store_rename_group \
	-Wl,--wrap=store_send

tests_fuzz_fuzz_coding_SOURCES = tests/fuzz/fuzz_coding.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_coding_LDFLAGS = $(libfuzzer)
tests_fuzz_replay_coding_SOURCES = tests/fuzz/fuzz_coding.c $(replay_sources)
tests_fuzz_replay_coding_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"tests/fuzz/corpus/coding"'

tests_fuzz_fuzz_command_SOURCES = tests/fuzz/fuzz_command.c $(worker_sources) tests/fuzz/fuzz.h
tests_fuzz_fuzz_command_LDFLAGS = $(libfuzzer) $(worker_ldflags)
tests_fuzz_replay_command_SOURCES = tests/fuzz/fuzz_command.c $(worker_sources) $(replay_sources)
tests_fuzz_replay_command_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"tests/fuzz/corpus/command"'
tests_fuzz_replay_command_LDFLAGS = $(AM_LDFLAGS) $(worker_ldflags)
tests_fuzz_fuzz_command_LDADD = $(LDADD) -lpthread
tests_fuzz_replay_command_LDADD = $(LDADD) -lpthread

tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_conf_LDFLAGS = $(libfuzzer)
tests_fuzz_replay_conf_SOURCES = tests/fuzz/fuzz_conf.c $(replay_sources)
tests_fuzz_replay_conf_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"tests/fuzz/corpus/conf"'

tests_fuzz_fuzz_emoji_SOURCES = tests/fuzz/fuzz_emoji.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_emoji_LDFLAGS = $(libfuzzer)
tests_fuzz_replay_emoji_SOURCES = tests/fuzz/fuzz_emoji.c $(replay_sources)
tests_fuzz_replay_emoji_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"tests/fuzz/corpus/emoji"'

tests_fuzz_fuzz_http_SOURCES = tests/fuzz/fuzz_http.c tests/fuzz/http_reference.c tests/fuzz/http_reference.h $(worker_sources) tests/fuzz/fuzz.h
tests_fuzz_fuzz_http_LDFLAGS = $(libfuzzer) $(worker_ldflags)
tests_fuzz_replay_http_SOURCES = tests/fuzz/fuzz_http.c tests/fuzz/http_reference.c tests/fuzz/http_reference.h $(worker_sources) $(replay_sources)
tests_fuzz_replay_http_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"tests/fuzz/corpus/http"'
tests_fuzz_replay_http_LDFLAGS = $(AM_LDFLAGS) $(worker_ldflags)
tests_fuzz_fuzz_http_LDADD = $(LDADD) -lpthread
tests_fuzz_replay_http_LDADD = $(LDADD) -lpthread

tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz_json.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_json_LDFLAGS = $(libfuzzer)
tests_fuzz_replay_json_SOURCES = tests/fuzz/fuzz_json.c $(replay_sources)
tests_fuzz_replay_json_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"tests/fuzz/corpus/json"'

tests_fuzz_fuzz_ring_SOURCES = tests/fuzz/fuzz_ring.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_ring_LDFLAGS = $(libfuzzer)
tests_fuzz_replay_ring_SOURCES = tests/fuzz/fuzz_ring.c $(replay_sources)
tests_fuzz_replay_ring_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"tests/fuzz/corpus/ring"'

tests_fuzz_fuzz_search_text_SOURCES = tests/fuzz/fuzz_search_text.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_search_text_LDFLAGS = $(libfuzzer)
tests_fuzz_replay_search_text_SOURCES = tests/fuzz/fuzz_search_text.c $(replay_sources)
tests_fuzz_replay_search_text_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"tests/fuzz/corpus/search_text"'

tests_fuzz_fuzz_wsframe_SOURCES = tests/fuzz/fuzz_wsframe.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_wsframe_LDFLAGS = $(libfuzzer)
tests_fuzz_replay_wsframe_SOURCES = tests/fuzz/fuzz_wsframe.c $(replay_sources)
tests_fuzz_replay_wsframe_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"tests/fuzz/corpus/wsframe"'
EXTRA_DIST += tests/fuzz/campaign.py tests/fuzz/corpus
