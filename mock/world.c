#include "mock/world.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "mock/rng.h"
#include "mock/talk.h"

#define START_MS INT64_C(1736121600000) /* 2025-01-06T00:00:00Z */
#define DAY_MS INT64_C(86400000)
#define WAKE_MS (DAY_MS / 24 * 7) /* the day starts at seven */
#define AWAKE_MS (DAY_MS / 24 * 15) /* and has fifteen hours */
#define DAYS 120
#define NEIGHBOURS 30 /* people form a ring and chat with up to this many on each side */
#define ACTIVE_MIN 3
#define ACTIVE_MAX 64

/* An exchange in progress. Several are, and their lines are interleaved. */
struct active {
	uint32_t conversation;
	uint32_t speaker; /* index of the member who spoke last; n_members at the start */
	struct talk talk;
	bool over;
};

/* A world and the state of its generator. */
struct generator {
	struct world w;
	struct rng rng;
	uint64_t n_texts; /* so far */
	uint64_t n_joins; /* so far */
	int64_t awake_ms; /* elapsed time without the nights */
	int64_t step_ms; /* mean time between two texts */
	uint32_t n_active;
	struct active active[ACTIVE_MAX];
};

/* Returns a copy of the text in b, and empties b. */
static char *take_text(struct buf *b)
{
	char *text = xstrdup(buf_cstr(b));

	buf_reset(b, 256);
	return text;
}

static int64_t wall_ms(int64_t awake_ms)
{
	return START_MS + awake_ms / AWAKE_MS * DAY_MS + WAKE_MS + awake_ms % AWAKE_MS;
}

static void make_people(struct generator *k)
{
	struct buf full_name = BUF_EMPTY, username = BUF_EMPTY;
	struct names *names = names_new();
	uint32_t i;

	k->w.people = xcalloc(k->w.size.users, sizeof(*k->w.people));
	for (i = 0; i < k->w.size.users; i++) {
		struct person *p = &k->w.people[i];

		p->language = names_person(names, &k->rng, &full_name, &username);
		p->full_name = take_text(&full_name);
		p->username = take_text(&username);
		p->created_ms = START_MS - (int64_t)rng_below(&k->rng, 90 * (uint64_t)DAY_MS);
		p->last_seen_ms = wall_ms(
			(int64_t)(DAYS - 1) * AWAKE_MS + (int64_t)rng_below(&k->rng, AWAKE_MS));
	}
	names_free(names);
	buf_fini(&full_name);
	buf_fini(&username);
}

static void shuffle(struct generator *k, uint32_t *cards, uint32_t n)
{
	while (n > 1) {
		uint32_t i = (uint32_t)rng_below(&k->rng, n--), card = cards[i];

		cards[i] = cards[n];
		cards[n] = card;
	}
}

/* Deals people to groups like cards, so that all are in about the same number of groups. */
static void make_groups(struct generator *k)
{
	uint32_t users = k->w.size.users, next = 0, g, i;
	uint32_t *cards = xcalloc(users, sizeof(*cards));
	uint32_t *in_group =
		xcalloc(users, sizeof(*in_group)); /* the last group of each user, from 1 */
	struct buf name = BUF_EMPTY;

	for (i = 0; i < users; i++)
		cards[i] = i;
	shuffle(k, cards + 2, users - 2); /* persons 0 and 1 are dealt first, to group 0 */
	for (g = 0; g < k->w.size.groups; g++) {
		struct conversation *c = &k->w.conversations[g];

		c->is_group = true;
		c->language = rng_chance(&k->rng, 75)
			? LANGUAGE_ENGLISH
			: (enum language)rng_below(&k->rng, LANGUAGE_N);
		c->started_ms = wall_ms(g);
		c->members = xcalloc(k->w.size.members, sizeof(*c->members));
		names_group(&k->rng, g, &name);
		c->name = take_text(&name);
		while (c->n_members < k->w.size.members) {
			if (next == users) {
				shuffle(k, cards, users);
				next = 0;
			}
			i = cards[next++];
			if (in_group[i] == g + 1)
				continue;
			in_group[i] = g + 1;
			c->members[c->n_members++].user = i;
		}
	}
	free(cards);
	free(in_group);
	buf_fini(&name);
}

/* A set of pairs with open addressing, at most half full. */
struct pairs {
	uint64_t *slots; /* (lo << 32 | hi) + 1; 0 if free */
	uint64_t mask;
};

/* Returns false if the pair is already in the set. */
static bool pairs_add(struct pairs *p, uint32_t lo, uint32_t hi)
{
	uint64_t key = ((uint64_t)lo << 32 | hi) + 1;
	struct rng hash = { key };
	uint64_t i = rng_next(&hash) & p->mask;

	while (p->slots[i] && p->slots[i] != key)
		i = (i + 1) & p->mask;
	if (p->slots[i] == key)
		return false;
	p->slots[i] = key;
	return true;
}

/* Draws the members of a direct chat: persons 0 and 1 for the first one, else neighbours, or one person alone. */
static void draw_pair(struct generator *k, bool first, uint32_t *lo, uint32_t *hi)
{
	uint32_t users = k->w.size.users, reach = users - 1 < NEIGHBOURS ? users - 1 : NEIGHBOURS;
	uint32_t a = first ? 0 : (uint32_t)rng_below(&k->rng, users), b = 1;

	if (!first)
		b = rng_chance(&k->rng, 2)
			? a
			: (uint32_t)((a + 1 + rng_below(&k->rng, reach)) % users);
	*lo = a < b ? a : b;
	*hi = a < b ? b : a;
}

static void make_chats(struct generator *k, uint32_t n_pairs)
{
	struct pairs pairs = { NULL, 16 };
	uint32_t tries, lo, hi;

	while (pairs.mask < 2 * (uint64_t)n_pairs)
		pairs.mask *= 2;
	pairs.slots = xcalloc(pairs.mask, sizeof(*pairs.slots));
	pairs.mask--;
	for (tries = 0; tries < n_pairs; tries++) {
		struct conversation *c = &k->w.conversations[k->w.n_conversations];
		struct person *people = k->w.people;

		draw_pair(k, tries == 0, &lo, &hi);
		if (!pairs_add(&pairs, lo, hi))
			continue;
		c->n_members = lo == hi ? 1 : 2;
		c->members = xcalloc(c->n_members, sizeof(*c->members));
		c->members[0].user = lo;
		c->members[c->n_members - 1].user = hi;
		c->language = people[lo].language == people[hi].language ? people[lo].language
									 : LANGUAGE_ENGLISH;
		k->w.n_conversations++;
	}
	free(pairs.slots);
}

struct world *world_new(const struct world_size *size)
{
	struct generator *k = xcalloc(1, sizeof(*k));
	uint64_t chats = 2 * (uint64_t)size->users;

	k->w.size = *size;
	k->rng.state = size->seed;
	if (chats > size->messages / 10 + 1)
		chats = size->messages / 10 + 1;
	if (size->messages == 0)
		chats = 0;
	k->w.n_conversations = size->groups;
	k->w.conversations = xcalloc(size->groups + chats, sizeof(*k->w.conversations));
	make_people(k);
	make_groups(k);
	make_chats(k, (uint32_t)chats);

	k->awake_ms = AWAKE_MS / 2;
	k->step_ms = (DAYS - 2) * AWAKE_MS / (int64_t)(size->messages + 1);
	k->n_active = size->messages / 10000 > ACTIVE_MAX ? ACTIVE_MAX
							  : (uint32_t)(size->messages / 10000);
	if (k->n_active < ACTIVE_MIN)
		k->n_active = ACTIVE_MIN;
	for (uint32_t i = 0; i < k->n_active; i++)
		k->active[i].over = true;
	return &k->w;
}

void world_free(struct world *w)
{
	struct generator *k = (struct generator *)w;
	uint32_t i;

	for (i = 0; i < w->size.users; i++) {
		free(w->people[i].username);
		free(w->people[i].full_name);
	}
	for (i = 0; i < w->n_conversations; i++) {
		free(w->conversations[i].members);
		free(w->conversations[i].name);
	}
	free(w->people);
	free(w->conversations);
	free(k);
}

uint64_t world_n_messages(const struct world *w)
{
	return (uint64_t)w->size.groups * w->size.members + w->size.messages;
}

static void append(struct generator *k, struct message *m, uint32_t conversation, uint32_t member)
{
	struct conversation *c = &k->w.conversations[conversation];

	m->conversation = conversation;
	m->seq = ++c->last_seq;
	c->activity = k->n_joins + k->n_texts + 1;
	m->sender = c->members[member].user;
	c->members[member].last_sent = m->seq;
	if (c->started_ms == 0)
		c->started_ms = m->sent_ms;
}

/* The first join of a group is that of its owner, who then adds the others. */
static void join_next(struct generator *k, struct message *m)
{
	uint32_t group = (uint32_t)(k->n_joins / k->w.size.members);
	struct conversation *c = &k->w.conversations[group];

	m->is_join = true;
	m->joined = c->members[k->n_joins % k->w.size.members].user;
	m->sent_ms = c->started_ms + c->last_seq;
	append(k, m, group, 0);
	k->n_joins++;
}

/* Draws a number below n; lower ones are more likely, so that some are more active than others. */
static uint32_t draw_low(struct generator *k, uint32_t n)
{
	uint64_t a = rng_below(&k->rng, n), b = rng_below(&k->rng, n);

	return (uint32_t)(a < b ? a : b);
}

static void start_exchange(struct generator *k, struct active *a)
{
	uint32_t groups = k->w.size.groups, chats = k->w.n_conversations - groups;
	const struct conversation *c;

	if (groups > 0 && (chats == 0 || rng_chance(&k->rng, 60)))
		a->conversation = draw_low(k, groups);
	else
		a->conversation = groups + draw_low(k, chats);
	c = &k->w.conversations[a->conversation];
	a->speaker = c->n_members;
	a->over = false;
	talk_start(&a->talk, &k->rng, c->language);
}

/* Draws a member other than the last speaker, if there is one. */
static uint32_t draw_speaker(struct generator *k, const struct conversation *c, uint32_t last)
{
	uint32_t speaker;

	do {
		speaker = draw_low(k, c->n_members);
	} while (speaker == last && c->n_members > 1);
	return speaker;
}

static void say_next(struct generator *k, struct message *m)
{
	struct active *a = &k->active[rng_below(&k->rng, k->n_active)];

	if (a->over)
		start_exchange(k, a);
	m->is_join = false;
	k->awake_ms += 1 + (int64_t)rng_below(&k->rng, 2 * (uint64_t)k->step_ms + 1);
	m->sent_ms = wall_ms(k->awake_ms);
	a->speaker = draw_speaker(k, &k->w.conversations[a->conversation], a->speaker);
	append(k, m, a->conversation, a->speaker);
	a->over = !talk_line(&a->talk, &k->rng, &m->content);
	k->n_texts++;
}

bool world_next(struct world *w, struct message *m)
{
	struct generator *k = (struct generator *)w;

	buf_reset(&m->content, 4096);
	if (k->n_joins < (uint64_t)w->size.groups * w->size.members)
		join_next(k, m);
	else if (k->n_texts < w->size.messages)
		say_next(k, m);
	else
		return false;
	return true;
}

uint32_t world_read_seq(struct world *w, const struct conversation *c, uint32_t i)
{
	struct generator *k = (struct generator *)w;
	uint32_t seq_min = c->members[i].last_sent, unread;

	if (c->is_group && seq_min < i + 1)
		seq_min = i + 1; /* of the member's join */
	if (rng_chance(&k->rng, 70))
		return c->last_seq;
	unread = c->last_seq - seq_min;
	return c->last_seq - (uint32_t)rng_below(&k->rng, (unread < 20 ? unread : 20) + 1);
}
