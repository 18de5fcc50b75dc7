"""faults: the schedule of faults, derived from a seed.

Owns: its thread, the stopped processes. Knows nothing of: clients.

A worker is killed about every two seconds; in between the other faults follow in an order given by
the seed. After every eighth kill there are some seconds without faults, so that a delay by one
fault cannot be excused by the next.
"""

import contextlib
import itertools
import os
import random
import signal
import threading
import time

from deadlines import FREEZE_S
from polling import wait_for

TICK_S = (1.4, 2.6)
TICKS_TO_QUIET = 8
QUIET_S = 5


class Faults(threading.Thread):
    def __init__(self, seed, cluster, daemon, ledger, vanish):
        super().__init__(daemon=True)
        self.rng = random.Random(f"{seed} faults")
        self.cluster, self.daemon, self.ledger = cluster, daemon, ledger
        self.vanish = vanish
        self.stopping = threading.Event()
        self.stopped = {}  # pid: number of the fault
        self.numbers = itertools.count(1)
        self.broken = None
        self.others = [
            self.stop_worker,
            self.stop_worker,
            self.terminate_backends,
            self.restart_postgres,
            self.kill_backend,
            self.freeze_connections,
            self.fail_over,
            self.kill_master,
            self.clients_vanish,
            self.clients_vanish,
            self.kill_all_workers,
        ]

    def run(self):
        try:
            self._run()
        except Exception as why:  # reported by the main thread
            self.broken = why
        finally:
            self.continue_all()

    def _run(self):
        turn = []
        for tick in itertools.count(1):
            if self.stopping.wait(self.rng.uniform(*TICK_S)):
                return
            self.kill_worker()
            if self.rng.random() < 0.6:
                if not turn:
                    turn = self.rng.sample(self.others, len(self.others))
                if self.stopping.wait(self.rng.uniform(0, 0.6)):
                    return
                turn.pop()()
            if tick % TICKS_TO_QUIET == 0:
                self.continue_all()
                if self.stopping.wait(QUIET_S):
                    return
                self.ledger.note("quiet")

    # --- one fault ---

    @contextlib.contextmanager
    def _fault(self, kind, **fields):
        number = next(self.numbers)
        self.ledger.note("fault", n=number, k=kind, **fields)
        yield number
        self.ledger.note("repaired", n=number)

    def _workers(self):
        """The running workers; after many kills all may still wait for their restart."""

        def living():
            return [worker for worker in self.daemon.workers() if worker["pid"]]

        return wait_for(living, 30, "no worker is restarted:\n", self.daemon.log)

    def kill_worker(self):
        worker = self.rng.choice(self._workers())
        with self._fault("kill_worker", slot=worker["slot"], pid=worker["pid"]):
            self._kill(worker["pid"])

    def kill_all_workers(self):
        workers = self._workers()
        with self._fault("kill_all_workers", pids=[worker["pid"] for worker in workers]):
            for worker in workers:
                self._kill(worker["pid"])

    def _kill(self, pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.daemon.killed += 1

    def stop_worker(self):
        """Stops a worker; a timer continues it."""
        worker = self.rng.choice(self._workers())
        number = next(self.numbers)
        seconds = self.rng.choice((0.05, 0.3, 1, 3))
        self.ledger.note(
            "fault",
            n=number,
            k="stop_worker",
            slot=worker["slot"],
            pid=worker["pid"],
            seconds=seconds,
        )
        self.stopped[worker["pid"]] = number
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker["pid"], signal.SIGSTOP)
        threading.Timer(seconds, self._continue, (worker["pid"],)).start()

    def _continue(self, pid):
        number = self.stopped.pop(pid, None)
        if number is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            self.ledger.note("repaired", n=number)

    def continue_all(self):
        for pid in list(self.stopped):
            self._continue(pid)

    def terminate_backends(self):
        with self._fault("terminate_backends"), self.cluster.connect() as postgres:
            postgres.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                (self.daemon.database,),
            )

    def kill_backend(self):
        """Like the OOM killer: PostgreSQL terminates all other backends and recovers."""
        with self._fault("kill_backend"):
            with self.cluster.connect() as postgres:
                pids = postgres.execute(
                    "select pid from pg_stat_activity where datname = %s", (self.daemon.database,)
                ).fetchall()
            if pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.rng.choice(pids)[0], signal.SIGKILL)
            time.sleep(0.1)
            self._until_healthy()
            self.cluster.wait_replicated()

    def restart_postgres(self):
        with self._fault("restart_postgres"):
            self.cluster.stop(immediate=True)
            time.sleep(self.rng.choice((0, 0.5, 1.5)))
            self.cluster.start()
            self.cluster.wait_replicated()
            self._until_healthy()

    def fail_over(self):
        """To the synchronous standby. Then a new one is made, which is no fault."""
        by_kill = self.rng.random() < 0.5
        with self._fault("fail_over", by_kill=by_kill):
            self.cluster.fail_over(by_kill)
            self._until_healthy()
        self.cluster.replace_standby()

    def freeze_connections(self):
        """As when a host vanishes without a word. The fault is over when the daemon has given up
        all of them; the server's ends are closed then."""
        self.continue_all()
        directions = self.rng.choice(((), ("to_client",)))
        with self._fault("freeze_connections", directions=directions):
            self.cluster.freeze(*directions)
            deadline = time.monotonic() + 3 * FREEZE_S
            while self.cluster.n_frozen() and time.monotonic() < deadline:
                time.sleep(0.05)
            self._until_healthy()
        if self.cluster.n_frozen():
            self.ledger.note("complaint", text="the daemon keeps frozen connections")
        self.cluster.end_frozen()

    def kill_master(self):
        # A stopped worker would keep the listening sockets open.
        self.continue_all()
        with self._fault("kill_master"):
            self.daemon.kill_master()
            self.daemon.start()

    def clients_vanish(self):
        with self._fault("clients_vanish"):
            self.vanish()

    def _until_healthy(self):
        deadline = time.monotonic() + 30
        while not self.daemon.healthy():
            if time.monotonic() > deadline:
                raise AssertionError("the server is not healthy 30 s after the start of PostgreSQL")
            time.sleep(0.05)
