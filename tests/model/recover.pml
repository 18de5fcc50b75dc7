/*
 * recover: from commit to delivery. One conversation, two workers that write, one worker with a subscriber.
 *
 * A writing worker sends its COMMIT to its own database session, waits for the answer, and then
 * publishes the new mod to the ring. It may die between any two of these steps. A COMMIT that was sent
 * may still be executed after the death of its worker; this is decided only when the session has ended.
 *
 * The subscriber's worker delivers mod head + 1 and drops older mods. It reads the database if there is
 * a gap, after an overrun, and after a death, once the session of the dead worker has ended. Records
 * that arrive during a read are held until the result arrives. A worker may start at any time: it serves
 * when all workers that are dead by then can commit no more. While it has no database connection it
 * cannot wait for sessions, so it repeats the reconcile until it can. A subscriber is registered for live
 * events before the database is read. Reads are asynchronous: the snapshot is taken at some moment
 * between query and result. A wait covers the workers that the master had reaped when it began.
 *
 * Asserted: nothing is delivered before it is committed; when no step is left, the subscriber has
 * everything that was committed (promises 3 and 4 of docs/api.md). No timer is modelled, since a timer
 * would hide every bug.
 *
 * Seeded bugs:
 *	READ_FIRST		the database is read before the subscriber is registered
 *	NO_WAIT			a reconcile does not wait for the dead worker's session
 *	NO_RECHECK		no reconcile after a death
 *	NO_CATCH_UP		no reconcile after an overrun
 *	NO_START_WAIT		a new worker does not wait for the sessions of dead workers
 *	NO_CHECK_AGAIN		a reconcile that is not yet possible is forgotten
 *	NO_HOLD			records that arrive during a read are dropped
 *	PUBLISH_FIRST		a record is published before its COMMIT is answered
 */
#ifndef MESSAGES
#define MESSAGES 2 /* per writer */
#endif
#ifndef OVERRUNS
#define OVERRUNS 1
#endif
#define WRITERS 2
#define RECORDS (WRITERS * MESSAGES)

mtype = { idle, sent, answered, gone };

byte committed;                  /* the conversation's last mod in the database */
mtype session[WRITERS] = idle;   /* the writers' database sessions */
byte answer[WRITERS];            /* the mod that was assigned */
bool is_dead[WRITERS];
bool is_reaped[WRITERS];         /* by the master */

byte ring[RECORDS], tail;
byte deaths = 2;                 /* writers that may die */
byte overruns = OVERRUNS;
bool is_notified;                    /* of a death, by the master */

bool is_connected;
byte view;                       /* the subscriber has 1..view */

#define STEP(what) atomic { if :: deaths > 0 -> deaths--; goto dead :: skip fi; what }
#define REAPED (is_reaped[0] + 2 * is_reaped[1])
#define IS_GONE(me) (session[me] == gone)
#define ARE_GONE(set) ((!((set) & 1) || IS_GONE(0)) && (!((set) & 2) || IS_GONE(1)))

proctype writer(byte me)
{
	byte left = MESSAGES;

	do
	:: left == 0 -> goto done
	:: left > 0 ->
#ifdef PUBLISH_FIRST
		STEP(ring[tail] = committed + 1; tail++);
#endif
		STEP(session[me] = sent; left--);
		if
		:: session[me] == answered
		:: atomic { deaths > 0 && session[me] == sent -> deaths--; goto dead }
		fi;
#ifdef PUBLISH_FIRST
		session[me] = idle
#else
		STEP(session[me] = idle; ring[tail] = answer[me]; tail++)
#endif
	od;
dead:
	atomic { is_dead[me] = true; left = 0 }
	is_reaped[me] = true; /* in a later step */
	is_notified = true;
done:
	skip
}

/* PostgreSQL's side of a writer's connection. It notices the death only between two commands. */
proctype backend(byte me)
{
end:	do
	:: atomic { session[me] == sent ->
			committed++; answer[me] = committed; session[me] = answered }
	:: atomic { session[me] == sent && is_dead[me] -> session[me] = idle } /* never arrived */
	:: atomic { (session[me] == idle || session[me] == answered) && is_dead[me] ->
			session[me] = gone; break }
	od
}

/* One read of the database; its snapshot is taken between query and result. */
chan query = [1] of { bit };
chan result = [1] of { byte };

active proctype reader()
{
end:	do
	:: atomic { query?_ -> result!committed }
	od
}

#define CATCH_UP is_reading = true; query!0
#define IS_HELD(mod) (held & (1 << (mod)))

/* Delivers the held mods that follow view. A gap before the others must be read. */
inline deliver()
{
	do
	:: IS_HELD(view + 1) -> view++
	:: else -> break
	od;
	held = held >> (view + 1) << (view + 1);
	must_read = must_read || held != 0
}

proctype worker()
{
	byte pos, awaited, held, news; /* awaited: a set of writers; held: a set of mods */
	bool is_reading, must_read, must_reconcile, is_waiting, serves;

	atomic {
		pos = tail;
		is_notified = false; /* the worker did not exist yet */
#ifdef NO_START_WAIT
		serves = true
#else
		is_waiting = true;
		awaited = REAPED
#endif
	}
end:	do
	/* a subscriber connects */
#ifdef READ_FIRST
	:: atomic { serves && !is_connected && !is_reading -> CATCH_UP }
	:: atomic { !is_connected && is_reading && nempty(result) -> result?view; is_reading = false };
		is_connected = true
#else
	:: atomic { serves && !is_connected -> is_connected = true; CATCH_UP }
#endif
	/* the ring; without a subscriber the records are skipped */
	:: atomic { tail != pos && !is_connected -> pos++ }
	:: atomic { tail != pos && is_connected ->
			assert(ring[pos] <= committed);
			if
			:: ring[pos] <= view -> skip
#ifdef NO_HOLD
			:: ring[pos] > view && is_reading -> skip
#endif
			:: else ->
				held = held | (1 << ring[pos]);
				if :: is_reading -> skip :: else -> deliver() fi
			fi;
			pos++ }
	:: atomic { tail != pos && overruns > 0 ->
			overruns--; pos = tail;
#ifndef NO_CATCH_UP
			must_read = must_read || is_connected
#endif
		}
	/* the result of a read */
	:: atomic { is_connected && nempty(result) ->
			result?news; is_reading = false;
			view = (news > view -> news : view);
			news = 0;
			deliver() }
	:: atomic { must_read && !is_reading -> must_read = false; CATCH_UP }
	/* a death */
	:: atomic { is_notified -> is_notified = false;
#ifdef NO_CHECK_AGAIN
			must_reconcile = serves
#elif !defined(NO_RECHECK)
			must_reconcile = true
#endif
		}
#ifdef NO_WAIT
	:: atomic { must_reconcile -> must_reconcile = false; must_read = must_read || is_connected }
#endif
	:: atomic { must_reconcile && !is_waiting ->
			must_reconcile = false; is_waiting = true; awaited = REAPED }
	:: atomic { is_waiting && ARE_GONE(awaited) ->
			is_waiting = false; awaited = 0;
			must_read = must_read || is_connected;
			serves = true }
	od
}

active proctype check()
{
	atomic { timeout -> assert(!is_connected || view == committed) }
}

init {
	atomic {
		run writer(0); run writer(1);
		run backend(0); run backend(1);
		run worker()
	}
}
