"""e2e_server: a daemon and its database for tests that are not written in Python.

Owns: one cluster, one parleyd. Knows nothing of: who uses them.

Serves the page's directory, the only argument. Each line of the output is a JSON object: at first
{"port", "conf"}, then one for each command that came as a line on the input:
    kill_worker SLOT    that worker is killed; another one is in its place
    pg_stop             the database is away
    pg_start            and is back
    stop                all ends: {"status", "complaints"}, what was wrong with the daemon's log
The end of the input ends all too, without a word.
"""

import json
import os
import signal
import sys

from cluster import Cluster
from parleyd import Parleyd
from polling import wait_for


def tell(**answer):
    print(json.dumps(answer), flush=True)


def kill_worker(daemon, slot):
    killed = daemon.kill_worker(slot)

    def replaced():
        return any(w["slot"] == slot and w["pid"] not in (0, killed) for w in daemon.workers())

    wait_for(replaced, what=f"no new worker in slot {slot}:\n", tell=daemon.log)


def obey(daemon):
    """Reads and carries out commands until there are no more."""
    for line in sys.stdin:
        command, *args = line.split()
        if command == "kill_worker":
            kill_worker(daemon, int(args[0]))
        elif command == "pg_stop":
            daemon.cluster.stop()
        elif command == "pg_start":
            daemon.cluster.start()
        elif command == "stop":
            status = daemon.stop()
            tell(status=status, complaints=daemon.complaints())
            return
        else:
            raise ValueError(f"unknown command {command!r}")
        tell(done=command)


def main():
    # Whoever started us closes the input at the end; an interrupt from the keyboard reaches them too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cluster = Cluster(fsync=False)
    try:
        daemon = Parleyd(cluster, web_root=os.path.abspath(sys.argv[1]))
        try:
            daemon.start()
            tell(port=daemon.port, conf=daemon.conf)
            obey(daemon)
        finally:
            daemon.drop()
    finally:
        cluster.drop()


if __name__ == "__main__":
    main()
