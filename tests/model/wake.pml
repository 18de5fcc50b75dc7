/*
 * The sleeping flag and the wake of common/ring.c, on a machine that lets a load pass an earlier
 * store of the same processor (x86, total store order): each process's stores wait in its own
 * buffer and reach memory in order, some time later. Read-modify-writes and system calls drain
 * the buffer first. One sleeper, two publishers that may die anywhere; the master pokes after
 * each death. The sleeper's own 200 ms timer is left out: it would hide every mistake.
 *
 * Asserted when nothing moves any more (R5): the sleeper has read all there is.
 *
 * Seeded bugs:
 *	NO_FENCE_SLEEPER	between setting the flag and looking again
 *	NO_FENCE_WAKER		between letting go of the lock and looking at the flags
 *	NO_POKE			by the master
 *	NO_LOOK			before going to sleep
 */
#ifndef RECORDS
#define RECORDS 3
#endif
#define SLEEPER 0
#define PROCESSES 3
#define NOBODY 0

mtype = { tail_is, flag_is, lock_is };

byte tail, lock = NOBODY;       /* memory */
bool flag, is_edge;             /* is_edge: the eventfd was written since the sleeper last looked */
chan buffer[PROCESSES] = [3] of { mtype, byte };
byte unsent = RECORDS, deaths = 2, live = 2;
byte pos;                       /* the sleeper's */

#define DRAINED(me) empty(buffer[me])

/* The processors' buffers, each in its own time. */
active [PROCESSES] proctype drain()
{
	byte value;

end:	do
	:: atomic { buffer[_pid]?tail_is(value) -> tail = value; value = 0 }
	:: atomic { buffer[_pid]?flag_is(value) -> flag = value; value = 0 }
	:: atomic { buffer[_pid]?lock_is(value) -> lock = value; value = 0 }
	od
}

active proctype sleeper()
{
end_awake:
	do
	:: atomic { tail != pos -> pos = tail }
	:: buffer[SLEEPER]!flag_is(1);
#ifndef NO_FENCE_SLEEPER
		DRAINED(SLEEPER);
#endif
#ifndef NO_LOOK
		if
		:: tail != pos -> buffer[SLEEPER]!flag_is(0); goto end_awake
		:: tail == pos
		fi;
#endif
end_asleep:	atomic { DRAINED(SLEEPER) && is_edge -> is_edge = false }
		buffer[SLEEPER]!flag_is(0)
	od
}

#define STEP(what) atomic { if :: deaths > 0 -> deaths--; goto dead :: skip fi; what }

proctype publisher(byte me)
{
again:
	atomic {
		if
		:: unsent == 0 -> goto done
		:: else -> unsent--
		fi
	}
	atomic { DRAINED(me) && lock == NOBODY -> lock = me }
	STEP(buffer[me]!tail_is(tail + 1));
	STEP(buffer[me]!lock_is(NOBODY));
#ifndef NO_FENCE_WAKER
	STEP(skip);
	DRAINED(me);
#endif
	if
	:: !flag -> goto again
	:: flag
	fi;
	if
	:: atomic { DRAINED(me) && flag -> flag = false } /* claimed */
	:: atomic { DRAINED(me) && !flag -> goto again }  /* another one's */
	fi;
	STEP(is_edge = true);
	goto again;

dead:	/* its stores still arrive; then the kernel frees the lock, and the master hears of it */
	DRAINED(me);
	atomic {
		if :: lock == me -> lock = NOBODY :: else fi;
#ifndef NO_POKE
		is_edge = true
#endif
	}
	goto again;
done:
	live--
}

active proctype judge()
{
	atomic { timeout -> assert(live == 0 && pos == tail) }
}

init {
	atomic { run publisher(1); run publisher(2) }
}
