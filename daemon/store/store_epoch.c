/*
 * store_epoch: the name of the database's history, as all workers of the daemon see it.
 *
 * The set-up of each connection returns the name (current_epoch in migrations/functions.sql). The first worker that gets
 * a new one gives it the next generation, a number in the status file; the others find it there. What a worker knows of
 * ids, seq and mod belongs to one generation, and so do its connections: when one of them is of another generation, the
 * others are closed, and no answer of the former generation is left when events->epoch is called.
 */
#include <stdio.h>
#include <string.h>

#include "common/hash.h"
#include "common/log.h"
#include "store/store_private.h"

/* Both words of the status file: the generation in the upper 16 bits. */
#define LOWER_BITS 48
#define LOWER_MASK ((UINT64_C(1) << LOWER_BITS) - 1)

static uint16_t generation_of(uint64_t word)
{
	return (uint16_t)(word >> LOWER_BITS);
}

/* Folded to the lower bits of a word. */
static uint64_t name_hash(const char *name)
{
	uint64_t hash = hash_bytes(name, strlen(name));

	return (hash ^ hash >> LOWER_BITS) & LOWER_MASK;
}

/* Returns the generation of the name, from 1: the current one, or the next one if the name is another. */
static uint16_t generation_for(struct stats *stats, const char *name)
{
	uint64_t hash = name_hash(name), word = atomic_load(&stats->epoch), next;

	do {
		uint16_t generation = (uint16_t)(generation_of(word) + 1);

		if (word != 0 && (word & LOWER_MASK) == hash)
			return generation_of(word);
		next = (uint64_t)(generation != 0 ? generation : 1) << LOWER_BITS | hash;
	} while (!atomic_compare_exchange_weak(&stats->epoch, &word, next));
	return generation_of(next);
}

void store_epoch_put(const struct store *s, struct buf *sql)
{
	uint64_t word = atomic_load(&s->heritage->stats->epoch_xid);

	buf_addf(sql, "current_epoch('%s', ", s->epoch);
	buf_add_u64(sql, generation_of(word) == s->generation ? word & LOWER_MASK : 0);
	buf_add_char(sql, ')');
}

void store_epoch_note_xid(struct store *s, const store_rows *rows)
{
	_Atomic uint64_t *seen = &s->heritage->stats->epoch_xid;
	uint64_t word = atomic_load(seen), next;

	if (store_n(rows) == 0)
		return;
	next = (uint64_t)s->generation << LOWER_BITS |
		((uint64_t)db_i64(rows, 0, "xid") & LOWER_MASK);
	/* A later word has a higher transaction, or a later generation. */
	while ((int64_t)(next - word) > 0 && !atomic_compare_exchange_weak(seen, &word, next))
		;
}

static void reconnect_all(struct store *s, const struct db *except, const char *why)
{
	for (size_t i = 0; i < STORE_CONNECTIONS; i++)
		if (s->db[i] != except)
			db_reconnect(s->db[i], why);
}

/* From now on the queries of the former epoch are answered, with an error, and those to come are of the new one. */
static void epoch_change(struct store *s, struct db *opened, const char *name, uint16_t generation)
{
	bool first = s->generation == 0;

	log_info("epoch name=%s generation=%u", name, generation);
	s->generation = s->followed = generation;
	snprintf(s->epoch, sizeof(s->epoch), "%s", name);
	if (!first)
		reconnect_all(s, opened, "the epoch has changed");
	/* The connections of other workers may be open still. */
	s->was_lost |= generation > 1;
	/* The users of those that wait may be others now, and a repeat would be another message. */
	event_del(s->send_deadline);
	s->send_tries = 0;
	store_sends_stop(s);
	store_changes_stop(s);
	store_erase_stop(s);
	store_searches_stop(s);
	s->events->epoch(s->arg, generation);
}

void store_epoch_opened(void *store, struct db *opened, const PGresult *row)
{
	struct store *s = store;
	const char *name = PQgetvalue(row, 0, 2);
	uint16_t generation = generation_for(s->heritage->stats, name);

	if (generation != s->generation)
		epoch_change(s, opened, name, generation);
}

void store_follow_epoch(struct store *s, uint16_t generation)
{
	if (s->generation == 0 || s->followed == generation)
		return;
	s->followed = generation;
	reconnect_all(s, NULL, "another worker has found a new epoch");
}

const char *store_epoch(const struct store *s)
{
	return s->epoch;
}
