/*
 * Fuzz target: a ring whose memory is overwritten, and the records that are read from it.
 *
 * The input is a list of steps, each an opcode byte and its operands: publish, read, write a word
 * anywhere in the mapping (or at the reader's position), restart the reader. Whatever was written,
 * a reader returns a record that fits, EMPTY, or OVERRUN, and is at the tail then; it reaches the
 * end in at most as many steps as records fit; and after the overwriting the next records published
 * are read whole. Each record, and the input itself, is given to record_decode: what that accepts
 * has valid fields, texts inside the record, and is a message of the contract.
 */
#define _GNU_SOURCE 1
#include <inttypes.h>
#include <string.h>

#include "common/json.h"
#include "common/record.h"
#include "common/ring.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"

#define CAPACITY ((size_t)128 << 10) /* the least */
#define TAIL_WORD 9
#define HEADER_WORDS 32 /* lock, positions, counters, slots: ring.c */
#define PUBLISHES_MAX 16 /* of one input: each may wait 2 ms for the overwritten lock */
#define READS_MAX (CAPACITY / 8 + 2)

static struct ring *ring;
static uint64_t *map, *data, *pristine;
static size_t mapped;

struct input {
	const uint8_t *at;
	size_t left;
};

static uint64_t take(struct input *in, size_t n)
{
	uint64_t value = 0;

	for (; n > 0 && in->left > 0; n--, in->left--)
		value = value << 8 | *in->at++;
	return value;
}

/* Finds the ring's memory, which only this target writes directly. */
static void find_mapping(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	uintptr_t from = 0, to = 0;
	char line[512];

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, "memfd:parley-ring") != NULL &&
			sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2)
			break;
	MUST(maps != NULL && from != 0);
	fclose(maps);
	map = (uint64_t *)from;
	mapped = to - from;
	data = map + (mapped - CAPACITY) / sizeof(*map);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	ring = ring_create(CAPACITY, 2);
	MUST(ring != NULL);
	find_mapping();
	pristine = malloc(mapped);
	MUST(pristine != NULL);
	memcpy(pristine, map, mapped);
	return 0;
}

/* A decoded change as JSON for its sender. */
static void check_json(const struct record_change *c)
{
	struct buf b = BUF_EMPTY;
	const char *why, *kind;
	size_t len;
	cJSON *json;

	buf_add_char(&b, '{');
	proto_put_message(&b, &c->message, &c->conv, c->message.sender_id, MESSAGE_PUSHED);
	buf_add_char(&b, '}');
	json = json_parse(b.data, b.len, &why);
	MUST(json != NULL);
	MUST(json_get_str(json, "kind", &kind, &len) == JSON_OK);
	MUST((strcmp(kind, "text") == 0) == cJSON_HasObjectItem(json, "content"));
	cJSON_Delete(json);
	buf_fini(&b);
}

static void check_text(struct text t, const uint8_t *bytes, size_t len, size_t max)
{
	if (t.data == NULL)
		return;
	MUST(t.len <= max && t.data >= (const char *)bytes);
	MUST(t.data + t.len <= (const char *)bytes + len);
	MUST(utf8_valid(t.data, t.len));
}

static void check_id(int64_t id)
{
	MUST(id > 0 && id <= PROTO_ID_MAX);
}

static void check_conv(const struct conv *c)
{
	check_id(c->id);
	MUST(c->kind == CONV_GROUP
			? c->user_lo == 0 && c->user_hi == 0
			: c->kind == CONV_DIRECT && c->user_lo > 0 && c->user_lo <= c->user_hi);
}

static void check_change(const struct record_change *c, const uint8_t *bytes, size_t len)
{
	const struct message *m = &c->message;

	check_conv(&c->conv);
	check_id(m->message_id);
	check_id(m->seq);
	check_id(m->mod);
	check_text(m->content, bytes, len, PROTO_CONTENT_MAX);
	check_text(m->client_id, bytes, len, PROTO_CLIENT_ID_MAX);
	check_text(m->forwarded_name, bytes, len, UTF8_BYTES_MAX * PROTO_NAME_MAX);
	check_text(m->reply.content, bytes, len, UTF8_BYTES_MAX * PROTO_CUT_MAX);
	if (m->reply.message_id != 0) {
		check_id(m->reply.message_id);
		check_id(m->thread_id);
		MUST(m->reply.seq > 0 && m->reply.seq < m->seq);
		MUST(m->reply.deleted == (m->reply.content.data == NULL));
	}
	check_json(c);
}

static void check_token_revoked(const struct record_token_revoked *t)
{
	check_id(t->user_id != 0 ? t->user_id : t->token_id);
	MUST(t->user_id == 0 ? t->keep_token_id == 0 : t->token_id == 0);
}

/* Every field of the member that the type selects is valid. */
static void check_fields(const struct record *r, const uint8_t *bytes, size_t len)
{
	switch (r->type) {
	case RECORD_CHANGE:
		check_change(&r->change, bytes, len);
		break;
	case RECORD_ERASED:
		check_conv(&r->erased.conv);
		MUST(r->erased.from_mod >= 0 && r->erased.mod >= r->erased.from_mod);
		break;
	case RECORD_GROUP_GONE:
		check_conv(&r->group_gone.conv);
		check_id(r->group_gone.user_id);
		break;
	case RECORD_CHAT:
		check_conv(&r->chat.conv);
		check_id(r->chat.revision);
		break;
	case RECORD_READ:
		check_conv(&r->read.conv);
		check_id(r->read.user_id);
		break;
	case RECORD_TYPING:
		check_conv(&r->typing.conv);
		check_id(r->typing.user_id);
		break;
	case RECORD_PRESENCE:
		check_id(r->presence.user_id);
		break;
	case RECORD_TOKEN_REVOKED:
		check_token_revoked(&r->token_revoked);
		break;
	default:
		MUST(r->type == RECORD_RECONCILE);
		break;
	}
}

static size_t encode(const struct record *r, uint8_t *out)
{
	uint8_t fixed[RECORD_FIXED_SIZE];
	struct iovec iov[RECORD_IOV];
	size_t len = 0;

	record_encode(r, fixed, iov);
	for (int i = 0; i < RECORD_IOV; i++) {
		if (iov[i].iov_len > 0)
			memcpy(out + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	return len;
}

/* A record that decodes has valid fields, and is the same after another encoding. */
static void check_record(const uint8_t *bytes, size_t len)
{
	static uint8_t first[RECORD_FIXED_SIZE + PROTO_CONTENT_MAX + PROTO_CLIENT_ID_MAX +
		UTF8_BYTES_MAX * (PROTO_NAME_MAX + PROTO_CUT_MAX)],
		second[sizeof(first)];
	struct record r, again;
	size_t first_len;

	if (!record_decode(&r, bytes, len))
		return;
	check_fields(&r, bytes, len);
	first_len = encode(&r, first);
	MUST(first_len == len && record_decode(&again, first, len));
	MUST(encode(&again, second) == len && memcmp(first, second, len) == 0);
}

/* A record was read at this position: it ends before the end of the data and before the tail, and
 * the next one can begin behind it. */
static void check_place(const struct ring_reader *reader, uint64_t pos, size_t len)
{
	uint64_t tail = map[TAIL_WORD] & ~(uint64_t)7;

	MUST(reader->pos % 8 == 0 && reader->pos - pos >= len + 8);
	MUST((reader->pos - (len + 7) / 8 * 8 - 8) % CAPACITY + 8 + len <= CAPACITY);
	MUST(tail - reader->pos <= CAPACITY);
}

/* Reads once, into memory of the longest record's size, and checks the record. */
static enum ring_read read_one(struct ring_reader *reader)
{
	size_t max = ring_max_record(ring), len;
	uint8_t *bytes = malloc(max), *exact;
	uint64_t pos = reader->pos;
	enum ring_read got;

	MUST(bytes != NULL);
	got = ring_read(reader, bytes, max, &len);
	if (got == RING_RECORD) {
		MUST(len <= max);
		check_place(reader, pos, len);
		exact = malloc(len);
		MUST(exact != NULL || len == 0);
		if (len > 0)
			check_record(memcpy(exact, bytes, len), len);
		free(exact);
	}
	free(bytes);
	return got;
}

/* Without a writer the end is reached with at most one overrun. */
static void read_all(struct ring_reader *reader)
{
	uint64_t laps = reader->overruns;
	enum ring_read got = RING_RECORD;

	for (size_t n = 0; got != RING_EMPTY; n++) {
		MUST(n < READS_MAX);
		got = read_one(reader);
		MUST(reader->overruns == laps || got != RING_RECORD);
	}
	MUST(reader->overruns - laps <= 1);
	MUST(ring_sleep(reader)); /* it is empty */
	ring_awake(reader);
}

static enum ring_publish publish(struct input *in, size_t len)
{
	static uint8_t padding[RECORD_FIXED_SIZE + PROTO_CONTENT_MAX];
	size_t given = len < in->left ? len : in->left;
	struct iovec iov[2] = { { (void *)(uintptr_t)in->at, given }, { padding, len - given } };

	in->at += given;
	in->left -= given;
	return ring_publish(ring, iov, 2);
}

static void step(struct input *in, struct ring_reader *reader, unsigned *publishes)
{
	uint64_t at;

	switch (take(in, 1) % 8) {
	case 0: /* a short record */
		if ((*publishes)++ < PUBLISHES_MAX)
			publish(in, take(in, 1));
		break;
	case 1: /* one of any length */
		if ((*publishes)++ < PUBLISHES_MAX)
			publish(in, take(in, 2) % (RECORD_FIXED_SIZE + PROTO_CONTENT_MAX));
		break;
	case 2: /* a word of the ring's header */
		at = take(in, 1) % HEADER_WORDS;
		map[at] = take(in, 8);
		break;
	case 3: /* near its value */
		at = take(in, 1) % HEADER_WORDS;
		map[at] += (uint64_t)(int64_t)(int8_t)take(in, 1) * 8;
		break;
	case 4: /* anywhere in the data */
		at = take(in, 2) % (CAPACITY / 8);
		data[at] = take(in, 8);
		break;
	case 5: /* the reader's next header: the right mark, any size */
		at = reader->pos / 8;
		data[at % (CAPACITY / 8)] =
			take(in, 4) << 32 | (at & 0x7fffffff) | take(in, 1) >> 7 << 31;
		break;
	case 6:
		read_all(reader);
		break;
	case 7:
		ring_reader_init(reader, ring, 0);
		break;
	}
}

/* After the overwriting: the first publish repairs the ring, and the next ones are read whole. */
static void check_recovery(void)
{
	static uint8_t sent[1000];
	const struct iovec iov = { sent, sizeof(sent) };
	static uint8_t got[CAPACITY];
	struct ring_reader reader;
	size_t len = 0;

	memset(map, 0, 8); /* a lock that is never released cannot be repaired */
	for (unsigned i = 0; i < 3; i++) {
		ring_reader_init(&reader, ring, 1);
		memset(sent, 'a' + (int)i, sizeof(sent));
		MUST(ring_publish(ring, &iov, 1) == RING_PUBLISHED);
		if (i == 0)
			continue;
		MUST(ring_read(&reader, got, sizeof(got), &len) == RING_RECORD);
		MUST(len == sizeof(sent) && memcmp(got, sent, len) == 0);
		MUST(ring_read(&reader, got, sizeof(got), &len) == RING_EMPTY);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	struct ring_reader reader;
	unsigned publishes = 0;

	memcpy(map, pristine, mapped);
	ring_reader_init(&reader, ring, 0);
	check_record(bytes, len);
	while (in.left > 0)
		step(&in, &reader, &publishes);
	read_all(&reader);
	check_recovery();
	return 0;
}
