/*
 * ring: the ring of common/ring.c. Publishers may die at any step, the next publisher repairs the ring, and a
 * reader takes no lock. A cell stands for eight bytes; the first cell of a record is its header. Memory
 * is sequentially consistent here: the fences of ring.c between intent and the bytes are assumed. INTENT_LATE
 * and INTENT_EARLY have the effect of a missing fence in the writer and in the reader.
 *
 * Asserted: a record that the reader accepts is one whole published record; it misses none without an
 * overrun; intent never decreases, and tail == intent when the lock is released; no process is blocked.
 *
 * Seeded bugs:
 *	REPAIR_LOWERS_INTENT	a repair lowers intent instead of raising tail
 *	NO_REPAIR		the next publisher starts at intent and leaves the hole
 *	NO_CHECK		the reader does not check its copy
 *	INTENT_LATE		intent is stored after the bytes instead of before
 *	INTENT_EARLY		intent is read before the copy instead of after
 *	FETCH_ADD		space is claimed by an atomic addition; each publisher waits for its turn
 *	FETCH_ADD_NO_WAIT	the same without waiting
 */
#define CAP 4 /* cells */
#ifndef ATTEMPTS
#define ATTEMPTS 4 /* to publish, in total */
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#define POSITIONS (ATTEMPTS * 3 + 4)
#define AT(pos) ((pos) % CAP)
#define ROOM(pos) (CAP - AT(pos))
#define MIN(a, b) ((a) < (b) -> (a) : (b))
#if defined(FETCH_ADD) || defined(FETCH_ADD_NO_WAIT)
#define CLAIM_BY_ADDING
#endif
#define PAD 255
#define FREE 0

byte tail, intent, lock = FREE;
byte whose[CAP], size[CAP]; /* of a cell: the last writer; of a header: also the length */
byte attempts = ATTEMPTS, deaths = DEATHS, live = 2;

byte truth[POSITIONS], truth_size[POSITIONS]; /* ghosts: what was truly published where */
byte highest;                                /* and the highest intent so far */

/* A step of a publisher: it dies before it, or takes it. */
#define STEP(what) atomic { if :: deaths > 0 -> deaths--; goto dead :: skip fi; what }

inline header_put(pos, who, n)
{
	whose[AT(pos)] = who;
	size[AT(pos)] = n
}

/* Places a record of n cells at or after `begin`, not across the end of the data. */
inline plan()
{
	pad = (n > ROOM(begin) -> ROOM(begin) : 0);
	end = begin + pad + n
}

inline intent_set(to)
{
	intent = to;
#ifndef REPAIR_LOWERS_INTENT /* this bug must be found by its effects */
	assert(intent >= highest);
#endif
	highest = intent
}

proctype publisher(byte me)
{
	byte begin, end, pad, n, span, mine;

again:
	atomic {
		begin = 0; end = 0; pad = 0; n = 0; span = 0; mine = 0; /* fewer states */
		if
		:: attempts == 0 -> live--; goto done
#ifdef CLAIM_BY_ADDING
		:: attempts > 0 -> skip
#else
		:: attempts > 0 && lock == FREE -> lock = me
#endif
		fi;
		mine = attempts;
		attempts--;
		if :: n = 1 :: n = 2 fi;
#ifndef CLAIM_BY_ADDING
		begin = tail;
		span = intent - tail;
		plan()
#endif
	}
#ifdef CLAIM_BY_ADDING
	STEP(begin = intent; plan(); intent_set(end));
#else
	if
	:: span > 0 ->
#ifdef REPAIR_LOWERS_INTENT
		STEP(intent_set(tail); span = 0)
#else
#ifndef NO_REPAIR
		STEP(pad = MIN(span, ROOM(begin)); header_put(begin, PAD, pad));
		if
		:: pad < span ->
			STEP(begin = begin + pad; pad = span - pad; header_put(begin, PAD, pad))
		:: else
		fi;
#endif
		STEP(tail = intent; begin = tail; span = 0; plan())
#endif
	:: else
	fi;
#ifndef INTENT_LATE
	STEP(intent_set(end));
#endif
#endif
	if :: pad > 0 -> STEP(header_put(begin, PAD, pad)) :: else fi;
	STEP(header_put(begin + pad, mine, n));
	if :: n == 2 -> STEP(whose[AT(begin + pad + 1)] = mine) :: else fi;
#ifdef INTENT_LATE
	STEP(intent_set(end));
#endif
#ifdef FETCH_ADD
	tail == begin;
#endif
	STEP(
		tail = (end > tail -> end : tail);
		truth[begin + pad] = mine;
		truth_size[begin + pad] = n
	);
#ifndef CLAIM_BY_ADDING
	STEP(assert(tail == intent); lock = FREE);
#endif
	goto again;

dead:	/* the kernel releases the lock; the successor in the slot continues */
	atomic { if :: lock == me -> lock = FREE :: else fi }
	goto again;
done:
	skip
}

/* Checks an accepted copy. */
inline check_copy()
{
	assert(n > 0);
	if
	:: head == PAD ->
		i = 0;
		do
		:: i < n -> assert(truth[pos + i] == 0); i++
		:: else -> break
		od
	:: else ->
		assert(is_whole && truth[pos] == head && truth_size[pos] == n)
	fi
}

/* Continues at `to`, and clears what is before it: fewer states. */
inline advance(to)
{
	n = to - pos;
	do
	:: n > 0 -> truth[pos] = 0; truth_size[pos] = 0; pos++; n--
	:: else -> break
	od;
	i = 0; head = 0; unread = 0; is_whole = false
}

active proctype reader()
{
	byte pos, unread, head, n, i;
#ifdef INTENT_EARLY
	byte seen;
#endif
	bool is_whole;

again:
	if
	:: atomic {
			tail != pos -> unread = tail - pos;
			if :: unread > CAP -> goto overrun :: else fi
		}
	:: atomic { live == 0 && tail == pos -> goto done }
	fi;
#ifdef INTENT_EARLY
	seen = intent;
#endif
	atomic {
		head = whose[AT(pos)];
		n = size[AT(pos)];
		is_whole = true;
		if
		:: n == 0 || n > unread || n > ROOM(pos) -> goto overrun
		:: else -> unread = 0
		fi;
		if :: head == PAD || n == 1 -> goto copied :: else fi
	}
	is_whole = (whose[AT(pos + 1)] == head);
copied:
	atomic {
#ifndef NO_CHECK
#ifdef INTENT_EARLY
		if :: seen - pos > CAP -> goto overrun :: else fi;
#else
		if :: intent - pos > CAP -> goto overrun :: else fi;
#endif
#endif
		check_copy();
		advance(pos + n)
	}
	goto again;

overrun:	/* only if its records were overwritten */
	atomic {
#ifndef REPAIR_LOWERS_INTENT
		assert(intent - pos > CAP);
#endif
		advance(tail)
	}
	goto again;
done:
	skip
}

init {
	atomic { run publisher(1); run publisher(2) }
}
