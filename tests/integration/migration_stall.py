"""migration_stall: how long sends wait while the schema of a large database is updated, on demand.

usage: PARLEY_BUILD=BUILD migration_stall.py OLD_BUILD [--messages N]

OLD_BUILD has the parleyctl and parley-mock of the version to update from, BUILD the new parleyctl.
Prints the longest send before and during the update. A sender calls the SQL function of the daemon,
first the old one, then the new one.
"""

import argparse
import os
import subprocess
import threading
import time

import psycopg

from cluster import Cluster
from parleyd import build_dir

SENDERS = 4
BEFORE_S = 10
SENDS = (
    "select status from send_messages(array[%s::int8], array[%s::int8], array['x'], array[%s])",
    "select status from send_messages(array[%s::int8], array[%s::int8], array['x'], array[%s], "
    "array[null::int8])",
)


class Sender(threading.Thread):
    def __init__(self, cluster, database, sender, receiver):
        super().__init__(daemon=True)
        self.db = cluster.connect(database)
        self.who = (sender, receiver)
        self.times = []  # (when it began, how long it took)
        self.version = self.n = 0
        self.stopping = False

    def run(self):
        while not self.stopping:
            began = time.monotonic()
            self.send()
            self.times.append((began, time.monotonic() - began))
            time.sleep(0.005)

    def send(self):
        self.n += 1
        arguments = (*self.who, f"stall-{self.who[0]}-{self.n}")
        while True:
            try:
                status = self.db.execute(SENDS[self.version], arguments).fetchone()[0]
                assert status == "ok", status
                return
            except (psycopg.errors.UndefinedFunction, psycopg.errors.CannotCoerce):
                # The old function was dropped, or was waiting and finds the new columns.
                self.version = 1

    def longest(self, since, until):
        return max(took for began, took in self.times if since <= began + took and began <= until)


def program(directory, name, conf, *arguments):
    path = os.path.join(directory, name)
    subprocess.run([path, "-c", conf, *arguments], check=True, stdout=subprocess.DEVNULL)


def measure(cluster, old, messages):
    conf = os.path.join(cluster.directory, "parleyd.conf")
    with open(conf, "w", encoding="utf-8") as file:
        file.write(f'database = "{cluster.conninfo("stall")}"\n')
    program(old, "parleyctl", conf, "migrate")
    program(old, "parley-mock", conf, "--users", "1000", "--messages", str(messages))
    with cluster.connect("stall") as db:
        db.execute("vacuum analyze")
        users = [row[0] for row in db.execute("select user_id from users order by 1 limit %s", [SENDERS + 1])]
    senders = [Sender(cluster, "stall", users[n], users[n + 1]) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    begun = time.monotonic()
    time.sleep(BEFORE_S)
    updated = time.monotonic()
    program(build_dir(), "parleyctl", conf, "migrate")
    done = time.monotonic()
    time.sleep(1)
    for sender in senders:
        sender.stopping = True
        sender.join()
    before = max(sender.longest(begun, updated) for sender in senders)
    during = max(sender.longest(updated, done) for sender in senders)
    print(
        f"messages={messages} update={done - updated:.3f}s longest_send_before={before * 1000:.0f}ms "
        f"longest_send_during={during * 1000:.0f}ms"
    )


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("old", metavar="OLD_BUILD")
    options.add_argument("--messages", type=int, default=5_000_000)
    options = options.parse_args()
    cluster = Cluster()
    try:
        measure(cluster, options.old, options.messages)
    finally:
        cluster.drop()


if __name__ == "__main__":
    main()
