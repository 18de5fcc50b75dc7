"""deadlines: until when something had to reach a client, given the faults and the clients' own slowness.

Owns: when each fault began and ended, when the clients' loop stood still. Knows nothing of: what
was to arrive.

The promise is 2 s after the fault that delayed it (design.md, D4). A fault that leaves something
unable to work until it is mended (a stopped worker, a database or master that is away) moves what
is due by then to 2 s after it is mended. A kill is over at once, and can only delay what was done
in the 2 s before it: so kills that follow each other excuse nothing for ever.
"""

import bisect

PROMISE_S = 2
KILLS = ("kill_worker", "kill_all_workers", "clients_vanish")
OPEN_MAX = 8  # faults that may be under way at once


class Due:
    def __init__(self):
        self.faults = []  # [begin, end, whether it is a kill], by begin
        self._open = {}
        self.lags = []  # (from, to): the clients' loop did nothing
        self.worst_lag = 0.0

    def fault(self, number, kind, now):
        self._open[number] = [now, float("inf"), kind in KILLS]
        self.faults.append(self._open[number])

    def mended(self, number, now):
        self._open.pop(number)[1] = now

    def lag(self, seconds, now):
        self.lags.append((now - seconds, now))
        self.worst_lag = max(self.worst_lag, seconds)

    def lateness(self, done, arrived):
        """By how many seconds what was done then, and arrived now, has missed the 2 s; below 0
        where it has not."""
        due = done + PROMISE_S
        first = max(0, bisect.bisect_left(self.faults, [done]) - OPEN_MAX)
        for begin, end, kill in self.faults[first:]:
            if begin > due:
                break
            if end < done or (kill and begin > done + PROMISE_S):
                continue
            due = max(due, min(end, arrived) + PROMISE_S)
        return arrived - due - self._stood_still(done, arrived)

    def _stood_still(self, since, until):
        """For how long of that time nothing could arrive, for the clients did not look."""
        total = 0.0
        at = bisect.bisect_left(self.lags, (since,)) - 1
        for begin, end in self.lags[max(0, at) :]:
            if begin > until:
                break
            total += max(0.0, min(end, until) - max(begin, since))
        return total
