/*
 * wake: the sleeping flag and the wake-up of common/ring.c, on a machine that lets a load pass an earlier
 * store of the same processor (x86, total store order): the stores of each process wait in its own
 * buffer and reach memory in order, at a later time. Read-modify-writes and system calls drain the
 * buffer first. There are one sleeper and two publishers that may die at any step; the master pokes the
 * sleeper after each death. The sleeper's poll every 200 ms is left out, since it would hide every bug.
 *
 * Asserted when no step is left: the sleeper has read every record.
 *
 * Seeded bugs:
 *	NO_FENCE_SLEEPER	no fence between setting the flag and checking the ring again
 *	NO_FENCE_WAKER		no fence between releasing the lock and reading the flags
 *	NO_POKE			the master does not poke
 *	NO_LOOK			the ring is not checked before sleeping
 */
#ifndef RECORDS
#define RECORDS 3
#endif
#define SLEEPER 0
#define PROCESSES 3
#define FREE 0

mtype = { tail_is, flag_is, lock_is };

byte tail, lock = FREE;       /* memory */
bool flag, is_edge;             /* is_edge: the eventfd was written since the sleeper last read it */
chan buffer[PROCESSES] = [3] of { mtype, byte };
byte unsent = RECORDS, deaths = 2, live = 2;
byte pos;                       /* of the sleeper */

#define DRAINED(me) empty(buffer[me])

/* The store buffers drain at any time. */
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
	atomic { DRAINED(me) && lock == FREE -> lock = me }
	STEP(buffer[me]!tail_is(tail + 1));
	STEP(buffer[me]!lock_is(FREE));
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
	:: atomic { DRAINED(me) && !flag -> goto again }  /* by another publisher */
	fi;
	STEP(is_edge = true);
	goto again;

dead:	/* its stores still drain; then the kernel releases the lock, and the master reaps it */
	DRAINED(me);
	atomic {
		if :: lock == me -> lock = FREE :: else fi;
#ifndef NO_POKE
		is_edge = true
#endif
	}
	goto again;
done:
	live--
}

active proctype check()
{
	atomic { timeout -> assert(live == 0 && pos == tail) }
}

init {
	atomic { run publisher(1); run publisher(2) }
}
