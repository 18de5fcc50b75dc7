/*
 * presence: the tables.
 *
 * 1. A table is an array of entries (user, state) with open addressing and linear probing. It is at
 *    most half full, and an entry is at most PROBES places behind its user's first place. The state
 *    has the number of sockets and the time at which it became 0 in one word, so that they are read
 *    together.
 *
 * 2. One process writes a table. Others read it at any time without a lock: user, state, user again.
 *    An erased entry is first marked as such, and later gets a new state and then a new user, all
 *    with release order. So the state of a new user is never read as that of the former one.
 *
 * 3. Entries never move. An entry is erased when its user has had no socket for longer than
 *    PRESENCE_REMEMBER_MS: each presence_remove checks SWEEP further entries. It becomes EMPTY if
 *    the next one is EMPTY, together with the tombstones before it, and a TOMBSTONE otherwise. So
 *    probe chains do not grow with time.
 *
 * 4. A writer may be killed between any two stores: at worst an erased entry has an unused state.
 */
#define _GNU_SOURCE 1
#include "realtime/presence.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/fault.h"

#define EMPTY 0u
#define TOMBSTONE UINT64_MAX

#define PROBES 128 /* several times the longest chain at half full */
#define SWEEP 8
#define CAPACITY_MIN ((size_t)256)

/* Values of ended_ms other than a time. */
#define RUNNING 0
#define NEVER_USED (-1)

struct entry {
	_Atomic uint64_t user; /* or EMPTY, or TOMBSTONE */
	_Atomic uint64_t state; /* sockets: 16 bits; clock_mono_ms when they became 0: 48 bits */
};

struct slot {
	_Alignas(64) _Atomic uint32_t own; /* the table of its present or last process */
	_Atomic int64_t ended_ms[2]; /* by table: its writer's death, RUNNING or NEVER_USED */
};

struct presence {
	struct slot *slots; /* shared */
	struct entry *entries; /* shared: slot 0's two tables, slot 1's two, ... */
	size_t mapped; /* bytes */
	size_t capacity; /* of a table; a power of two */
	size_t sweep_at; /* the worker's own: the first entry of its next sweep */
	unsigned n_slots;
};

static uint64_t state_make(uint64_t sockets, int64_t gone_ms)
{
	return sockets | (uint64_t)gone_ms << 16;
}

static unsigned state_sockets(uint64_t state)
{
	return (unsigned)(state & 0xffff);
}

static int64_t state_gone_ms(uint64_t state)
{
	return (int64_t)(state >> 16);
}

static struct entry *table_of(const struct presence *p, unsigned slot, unsigned table)
{
	assert(slot < p->n_slots);
	return p->entries + (2 * (size_t)slot + (table & 1)) * p->capacity;
}

static struct entry *table_own(const struct presence *p, unsigned slot)
{
	return table_of(p, slot, atomic_load(&p->slots[slot].own));
}

/* The finaliser of splitmix64: ids are consecutive. */
static size_t place_first(const struct presence *p, uint64_t user)
{
	user = (user ^ user >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	user = (user ^ user >> 27) * UINT64_C(0x94d049bb133111eb);
	return (size_t)(user ^ user >> 31) & (p->capacity - 1);
}

struct presence *presence_create(unsigned n_slots, size_t users_max)
{
	size_t capacity = CAPACITY_MIN, head, len;
	struct presence *p;
	char *map;

	assert(n_slots > 0);
	while (capacity / 2 < users_max)
		capacity *= 2;
	head = (n_slots * sizeof(struct slot) + 4095) & ~(size_t)4095;
	len = head + 2 * (size_t)n_slots * capacity * sizeof(struct entry);
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
		-1, 0);
	if (map == MAP_FAILED) {
		free(p);
		return NULL;
	}
	p->slots = (struct slot *)map;
	p->entries = (struct entry *)(map + head);
	p->mapped = len;
	p->capacity = capacity;
	p->n_slots = n_slots;
	for (unsigned i = 0; i < n_slots; i++)
		for (unsigned table = 0; table < 2; table++)
			p->slots[i].ended_ms[table] = NEVER_USED;
	return p;
}

void presence_free(struct presence *p)
{
	if (p)
		munmap(p->slots, p->mapped);
	free(p);
}

static struct entry *find(const struct presence *p, struct entry *table, uint64_t user)
{
	size_t place = place_first(p, user);

	for (unsigned i = 0; i < PROBES; i++) {
		struct entry *e = &table[(place + i) & (p->capacity - 1)];
		uint64_t there = atomic_load_explicit(&e->user, memory_order_acquire);

		if (there == user)
			return e;
		if (there == EMPTY)
			return NULL;
	}
	return NULL;
}

/* Reads the state of a user in another process' table. Returns false if the user is not in it. */
static bool peek(const struct presence *p, struct entry *table, uint64_t user, uint64_t *state)
{
	struct entry *e = find(p, table, user);

	if (!e)
		return false;
	*state = atomic_load_explicit(&e->state, memory_order_acquire);
	return atomic_load_explicit(&e->user, memory_order_relaxed) == user;
}

/* Inserts a user who is not in the table into the first free place. Returns false if it is full. */
static bool insert(const struct presence *p, struct entry *table, uint64_t user, uint64_t state)
{
	size_t place = place_first(p, user);

	for (unsigned i = 0; i < PROBES; i++) {
		struct entry *e = &table[(place + i) & (p->capacity - 1)];
		uint64_t there = atomic_load_explicit(&e->user, memory_order_relaxed);

		if (there != EMPTY && there != TOMBSTONE)
			continue;
		atomic_store_explicit(&e->state, state, memory_order_release);
		FAULT("presence.state");
		atomic_store_explicit(&e->user, user, memory_order_release);
		FAULT("presence.added");
		return true;
	}
	return false;
}

/* Keeps a user of a dead writer in a table that no process writes yet. */
static void remember(const struct presence *p, struct entry *table, uint64_t user, int64_t gone_ms)
{
	struct entry *e = find(p, table, user);

	if (!e)
		insert(p, table, user, state_make(0, gone_ms));
	else if (state_sockets(e->state) == 0 && state_gone_ms(e->state) < gone_ms)
		atomic_store_explicit(&e->state, state_make(0, gone_ms), memory_order_release);
}

/* A slot may die twice within the grace: the users of the first death keep theirs. */
static void carry_over(const struct presence *p, unsigned slot, unsigned table, int64_t now_ms)
{
	const struct entry *entries = table_of(p, slot, table);
	int64_t ended_ms = p->slots[slot].ended_ms[table], gone_ms;

	if (ended_ms == NEVER_USED)
		return;
	for (size_t i = 0; i < p->capacity; i++) {
		const struct entry *e = &entries[i];

		if (e->user == EMPTY || e->user == TOMBSTONE)
			continue;
		gone_ms = state_sockets(e->state) > 0 ? ended_ms : state_gone_ms(e->state);
		if (now_ms - gone_ms < PRESENCE_GRACE_MS)
			remember(p, table_of(p, slot, !table), e->user, gone_ms);
	}
}

void presence_begin(struct presence *p, unsigned slot, int64_t now_ms)
{
	unsigned table = !(p->slots[slot].own & 1);
	struct entry *entries = table_of(p, slot, table);
	size_t len = p->capacity * sizeof(*entries);

	assert(p->slots[slot].ended_ms[!table] != RUNNING && now_ms > 0);
	carry_over(p, slot, table, now_ms);
	/* MADV_REMOVE frees the memory too; with CAPACITY_MIN a table is whole pages. */
	if (madvise(entries, len, MADV_REMOVE) != 0)
		memset(entries, 0, len);
	atomic_store(&p->slots[slot].own, table);
	atomic_store(&p->slots[slot].ended_ms[table], RUNNING);
}

void presence_end(struct presence *p, unsigned slot, int64_t now_ms)
{
	assert(slot < p->n_slots && now_ms > 0);
	atomic_store(&p->slots[slot].ended_ms[p->slots[slot].own & 1], now_ms);
}

int presence_add(struct presence *p, unsigned slot, int64_t user_id)
{
	struct entry *table = table_own(p, slot), *e;
	unsigned sockets;

	assert(user_id > 0);
	e = find(p, table, (uint64_t)user_id);
	if (!e)
		return insert(p, table, (uint64_t)user_id, state_make(1, 0)) ? 1 : -1;
	sockets = state_sockets(e->state);
	if (sockets == PRESENCE_SOCKETS_MAX)
		return -1;
	atomic_store_explicit(&e->state, state_make(sockets + 1, 0), memory_order_release);
	return (int)sockets + 1;
}

static void erase(const struct presence *p, struct entry *table, size_t place)
{
	size_t mask = p->capacity - 1;

	if (table[(place + 1) & mask].user != EMPTY) {
		atomic_store_explicit(&table[place].user, TOMBSTONE, memory_order_release);
		return;
	}
	do {
		FAULT("presence.erase");
		atomic_store_explicit(&table[place].user, EMPTY, memory_order_release);
		place = (place - 1) & mask;
	} while (table[place].user == TOMBSTONE);
}

static bool is_expired(const struct entry *e, int64_t now_ms)
{
	return e->user != EMPTY && e->user != TOMBSTONE && state_sockets(e->state) == 0 &&
		now_ms - state_gone_ms(e->state) > PRESENCE_REMEMBER_MS;
}

static void sweep(struct presence *p, struct entry *table, int64_t now_ms)
{
	for (unsigned i = 0; i < SWEEP; i++) {
		if (is_expired(&table[p->sweep_at], now_ms))
			erase(p, table, p->sweep_at);
		p->sweep_at = (p->sweep_at + 1) & (p->capacity - 1);
	}
}

int presence_remove(struct presence *p, unsigned slot, int64_t user_id, int64_t now_ms)
{
	struct entry *table = table_own(p, slot);
	struct entry *e = find(p, table, (uint64_t)user_id);
	unsigned sockets;

	assert(e && state_sockets(e->state) > 0 && now_ms > 0);
	sockets = state_sockets(e->state) - 1;
	atomic_store_explicit(
		&e->state, state_make(sockets, sockets > 0 ? 0 : now_ms), memory_order_release);
	FAULT("presence.removed");
	sweep(p, table, now_ms);
	return (int)sockets;
}

unsigned presence_sockets(const struct presence *p, int64_t user_id)
{
	unsigned sockets = 0;
	uint64_t state;

	for (unsigned i = 0; i < p->n_slots; i++)
		for (unsigned table = 0; table < 2; table++)
			if (atomic_load(&p->slots[i].ended_ms[table]) == RUNNING &&
				peek(p, table_of(p, i, table), (uint64_t)user_id, &state))
				sockets += state_sockets(state);
	return sockets;
}

/* The time of the user's last disconnect in this table; INT64_MAX: has a socket, 0: unknown. */
static int64_t gone_from(const struct presence *p, unsigned slot, unsigned table, uint64_t user)
{
	int64_t ended_ms = atomic_load(&p->slots[slot].ended_ms[table]);
	uint64_t state;

	if (ended_ms == NEVER_USED || !peek(p, table_of(p, slot, table), user, &state))
		return 0;
	if (state_sockets(state) == 0)
		return state_gone_ms(state);
	return ended_ms == RUNNING ? INT64_MAX : ended_ms;
}

enum presence_level presence_lookup(
	const struct presence *p, int64_t user_id, int64_t now_ms, int64_t *gone_ms)
{
	int64_t last = 0;

	if (gone_ms)
		*gone_ms = 0;
	for (unsigned i = 0; i < p->n_slots; i++) {
		for (unsigned table = 0; table < 2; table++) {
			int64_t gone = gone_from(p, i, table, (uint64_t)user_id);

			if (gone == INT64_MAX)
				return PRESENCE_ONLINE;
			if (gone > last)
				last = gone;
		}
	}
	/* The table of a dead worker may have an old time, after the newer one was swept. */
	if (last == 0 || now_ms - last > PRESENCE_REMEMBER_MS)
		return PRESENCE_OFFLINE;
	if (gone_ms)
		*gone_ms = last;
	return now_ms - last < PRESENCE_GRACE_MS ? PRESENCE_GRACE : PRESENCE_OFFLINE;
}

void presence_each_orphan(
	const struct presence *p, unsigned slot, void (*cb)(void *arg, int64_t user_id), void *arg)
{
	unsigned table = !(p->slots[slot].own & 1);
	const struct entry *entries = table_of(p, slot, table);

	if (p->slots[slot].ended_ms[table] == NEVER_USED)
		return;
	for (size_t i = 0; i < p->capacity; i++) {
		uint64_t user = entries[i].user;

		if (user != EMPTY && user != TOMBSTONE && state_sockets(entries[i].state) > 0)
			cb(arg, (int64_t)user);
	}
}
