"""deadlines: the time by which a delivery was due, given the faults and the clients' own delays.

Owns: begin and end of each fault, and the times when the clients' event loop was late.
Knows nothing of: the deliveries.

The bound is 2 s after the fault (docs/reliability.md, "Lateness"). A fault that lasts (a stopped
worker, no database, no master) postpones what is due before its end to 2 s after its end. A kill is
over at once and delays only what was done in the 2 s before it, so that a series of kills does not
excuse an unlimited delay. Frozen connections postpone nothing by more than 10 s, however long the
daemon takes to give them up: a statement has 6 s, and the session of the former connection 3 s.
"""

import bisect

PROMISE_S = 2
FREEZE_S = 10
KILLS = ("kill_worker", "kill_all_workers", "clients_vanish")
OPEN_MAX = 8  # concurrent faults


class Deadlines:
    def __init__(self):
        self.faults = []  # [begin, end, True if it is a kill], by begin
        self._open = {}
        self._freezes = set()
        self.lags = []  # (from, to): the clients' loop was late
        self.worst_lag = 0.0

    def fault(self, number, kind, now):
        self._open[number] = [now, float("inf"), kind in KILLS]
        self.faults.append(self._open[number])
        if kind == "freeze_connections":
            self._freezes.add(number)

    def repaired(self, number, now):
        fault = self._open.pop(number)
        fault[1] = now if number not in self._freezes else min(now, fault[0] + FREEZE_S)

    def lag(self, seconds, now):
        self.lags.append((now - seconds, now))
        self.worst_lag = max(self.worst_lag, seconds)

    def lateness(self, done, arrived):
        """The seconds by which an arrival missed its deadline; negative if it was in time."""
        due = done + PROMISE_S
        first = max(0, bisect.bisect_left(self.faults, [done]) - OPEN_MAX)
        for begin, end, kill in self.faults[first:]:
            if begin > due:
                break
            if end < done or (kill and begin > done + PROMISE_S):
                continue
            due = max(due, min(end, arrived) + PROMISE_S)
        return arrived - due - self._client_delay(done, arrived)

    def _client_delay(self, since, until):
        """The part of this time in which the clients' loop was late."""
        total = 0.0
        at = bisect.bisect_left(self.lags, (since,)) - 1
        for begin, end in self.lags[max(0, at) :]:
            if begin > until:
                break
            total += max(0.0, min(end, until) - max(begin, since))
        return total
