/*
 * Commit, publish, recover: one conversation, two workers that write and one that has a
 * subscriber. A writing worker sends its COMMIT to its own database session, waits for the
 * answer, then publishes the new mod to the ring; it may die between any two of these. A COMMIT
 * that was sent may still land after its worker's death, or not; only when the session is gone is
 * that decided.
 *
 * The subscriber's worker delivers mod head+1, drops what is not newer, reads the database when
 * there is a gap, when it was lapped, and after a death, once the dead worker's session is gone.
 * What comes from the ring while the database is being read is held until the answer is there.
 * A worker may be started at any time: it serves when those dead by then can commit no more. Of
 * deaths that it is told of before that it cannot ask, since it has no connection to wait with; so
 * it asks again until it can. A subscriber who connects is registered for live events
 * first, and then what is in the database is read. Reads are asynchronous: the snapshot is of
 * some moment between question and answer. Who waits for the dead waits for those that the master
 * had reaped when the wait began.
 *
 * Asserted: D5 nothing is delivered before it is committed; D3 and D4 when nothing moves any
 * more, the subscriber has everything that was committed. No timer is modelled: it would hide
 * every mistake.
 *
 * Seeded bugs:
 *	READ_FIRST		the database is read before the subscriber is registered
 *	NO_WAIT			for the dead worker's session: the heads are checked at once
 *	NO_RECHECK		of the heads after a death
 *	NO_CATCH_UP		after a lap
 *	NO_START_WAIT		a new worker serves without waiting for dead ones' sessions
 *	NO_CHECK_AGAIN		a check that cannot be asked for yet is forgotten
 *	NO_HOLD			what the ring brings while the database is read is dropped
 *	PUBLISH_FIRST		before the COMMIT is answered
 */
#ifndef MESSAGES
#define MESSAGES 2 /* a writer */
#endif
#ifndef LAPS
#define LAPS 1
#endif
#define WRITERS 2
#define RECORDS (WRITERS * MESSAGES)

mtype = { idle, sent, answered, gone };

byte committed;                  /* the conversation's last mod in the database */
mtype session[WRITERS] = idle;   /* the writers' database sessions */
byte answer[WRITERS];            /* the mod that was given */
bool is_dead[WRITERS];
bool is_reaped[WRITERS];         /* the master knows of it */

byte ring[RECORDS], tail;
byte deaths = 2;                 /* writers that may die */
byte laps = LAPS;
bool is_told;                    /* by the master, of a death */

bool is_connected;
byte view;                       /* what the subscriber has: 1..view */

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
	is_reaped[me] = true; /* some time later */
	is_told = true;
done:
	skip
}

/* PostgreSQL's side of a writer's connection. It sees the death only between two commands. */
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

/* One read of the database: asked now, true of some moment before it is answered. */
chan question = [1] of { bit };
chan result = [1] of { byte };

active proctype reader()
{
end:	do
	:: atomic { question?_ -> result!committed }
	od
}

#define CATCH_UP is_asked = true; question!0
#define IS_HELD(mod) (held & (1 << (mod)))

/* Delivers what is held and has its turn. A gap that is left is to be read. */
inline go_on()
{
	do
	:: IS_HELD(view + 1) -> view++
	:: else -> break
	od;
	held = held >> (view + 1) << (view + 1);
	again = again || held != 0
}

proctype worker()
{
	byte pos, awaited, held, news; /* sets: of writers; of mods */
	bool is_asked, again, recheck, is_waiting, serves;

	atomic {
		pos = tail;
		is_told = false; /* it was not there yet */
#ifdef NO_START_WAIT
		serves = true
#else
		is_waiting = true;
		awaited = REAPED
#endif
	}
end:	do
	/* a subscriber comes */
#ifdef READ_FIRST
	:: atomic { serves && !is_connected && !is_asked -> CATCH_UP }
	:: atomic { !is_connected && is_asked && nempty(result) -> result?view; is_asked = false };
		is_connected = true
#else
	:: atomic { serves && !is_connected -> is_connected = true; CATCH_UP }
#endif
	/* the ring; without a subscriber its records are of no interest */
	:: atomic { tail != pos && !is_connected -> pos++ }
	:: atomic { tail != pos && is_connected ->
			assert(ring[pos] <= committed);
			if
			:: ring[pos] <= view -> skip
#ifdef NO_HOLD
			:: ring[pos] > view && is_asked -> skip
#endif
			:: else ->
				held = held | (1 << ring[pos]);
				if :: is_asked -> skip :: else -> go_on() fi
			fi;
			pos++ }
	:: atomic { tail != pos && laps > 0 ->
			laps--; pos = tail;
#ifndef NO_CATCH_UP
			again = again || is_connected
#endif
		}
	/* the database's answer */
	:: atomic { is_connected && nempty(result) ->
			result?news; is_asked = false;
			view = (news > view -> news : view);
			news = 0;
			go_on() }
	:: atomic { again && !is_asked -> again = false; CATCH_UP }
	/* a death */
	:: atomic { is_told -> is_told = false;
#ifdef NO_CHECK_AGAIN
			recheck = serves
#elif !defined(NO_RECHECK)
			recheck = true
#endif
		}
#ifdef NO_WAIT
	:: atomic { recheck -> recheck = false; again = again || is_connected }
#endif
	:: atomic { recheck && !is_waiting ->
			recheck = false; is_waiting = true; awaited = REAPED }
	:: atomic { is_waiting && ARE_GONE(awaited) ->
			is_waiting = false; awaited = 0;
			again = again || is_connected;
			serves = true }
	od
}

active proctype judge()
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
