"""torture: hundreds of clients under all faults; check.py then looks for broken promises.

Owns: the database servers, the daemon, the clients, the ledger. Knows nothing of: the promises.

The programs are those of the build directory $PARLEY_BUILD. The same seed gives the same clients,
chats and faults at the same times; the timing of the machine differs.
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import logging
import os
import random
import re
import secrets
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
sys.path.insert(0, HERE)

import check  # noqa: E402
from faults import Faults  # noqa: E402
from ledger import Ledger  # noqa: E402
from parleyd import DIED, Parleyd, build_dir  # noqa: E402
from servers import Servers  # noqa: E402
from user import User  # noqa: E402

N_USERS = 80
N_SOCKETS = 200
N_GROUPS = 12
GROUP_SIZE = (6, 12)
N_FLOATERS = 3  # members of each group who leave and join again
FLOAT_S = 6  # mean time between their joins and leaves
FAST_FLOAT_S = 0.3  # the same in the first group, whose floaters also sync all the time
SYNC_S = 0.02
FRIENDS = 3
WATCHED = 5
SPARE_TOKENS = 60  # of each user, for devices that log out
LOG_OUT_S = 1  # mean time between logouts of any device
OUTAGE_S = 1  # mean time between outages: all devices of a user disconnect
AWAY_S = (3, 8)  # duration of an outage: less than the grace
PACE = 60  # actions of all users a second
GRACE_S = 10  # docs/api.md: offline only after 10 s without a socket
QUIESCE_S = GRACE_S + 1 + 2  # 2 s for the machine
ANSWER_S = 30
START_S = 60
SETTINGS = {"workers": 4, "ping_interval": 2, "log_level": "info"}


def new_token():
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


class World:
    """The state that all clients share."""

    def __init__(self, seed, daemon, ledger):
        self.seed = seed
        self.rng = random.Random(f"{seed} world")
        self.daemon = daemon
        self.ledger = ledger
        self.ws_url = daemon.ws_url()
        self.address = ("127.0.0.1", daemon.port)
        self.users = []
        self.groups = []  # (group_id, owner, floaters)
        self.vanished = []
        self.unanswered = set()
        self.quiescing = self.ended = False

    def new_rng(self, name):
        return random.Random(f"{self.seed} {name}")

    def devices(self):
        return [device for user in self.users for device in user.devices]

    # --- set-up ---

    def populate(self):
        for n in range(N_USERS):
            tokens = [new_token() for _ in range(1 + SPARE_TOKENS)]
            user_id = self.daemon.sql(
                "with u as (insert into users (username, full_name) values (%s, %s) "
                "returning user_id) "
                "insert into tokens (hash, user_id, expires_at) "
                "select hash, user_id, now() + interval '1 day' from u, unnest(%s) hash "
                "returning user_id",
                f"torture{n}",
                f"Torture {n}",
                [hashlib.sha256(token.encode()).digest() for token in tokens],
            )[0][0]
            n_devices = N_SOCKETS // N_USERS + (n < N_SOCKETS % N_USERS)
            self.users.append(User(self, user_id, tokens[0], n_devices, tokens[1:]))
        for n in range(N_GROUPS):
            self._create_group(n)
        for user in self.users:
            for friend in self.rng.sample(self.users, FRIENDS):
                self._open_chat(user, friend)
        for user in self.users:
            for device in user.devices:
                device.watched = self._watchable(user)

    def _create_group(self, n):
        members = self.rng.sample(self.users, self.rng.randint(*GROUP_SIZE))
        owner, others = members[0], members[1:]
        group = self.daemon.sql("select ((create_group(%s, %s)).conv).conv_id", owner.id, f"Group {n}")[0][
            0
        ]
        for other in others:
            self.daemon.sql("select add_member(%s, %s, %s)", owner.id, group, other.id)
        for member in members:
            member.chats += [group] * 2
        self.groups.append((group, owner, others[:N_FLOATERS], members))

    @staticmethod
    def _open_chat(user, friend):
        if friend.id not in user.chats:
            user.chats.append(friend.id)
        if user.id not in friend.chats:
            friend.chats.append(user.id)

    def _watchable(self, user):
        """Some users who share a group with this one during the whole run."""
        known = set()
        for _, _, floaters, members in self.groups:
            staying = [member for member in members if member not in floaters]
            if user in staying:
                known |= {member.id for member in staying} - {user.id}
        return self.rng.sample(sorted(known), min(WATCHED, len(known)))

    # --- background activity ---

    async def float_member(self, group, owner, other):
        """A member leaves or is removed, and is added again, in turn."""
        pause_s = FAST_FLOAT_S if group == self.groups[0][0] else FLOAT_S
        rng = self.new_rng(f"{group} {other.id}")
        inside = True
        while not self.quiescing:
            await asyncio.sleep(rng.expovariate(1 / pause_s))
            if self.quiescing:
                return
            if not inside:
                await owner.change_member("join", group, other.id)
            else:
                await rng.choice((owner, other)).change_member("leave", group, other.id)
            inside = not inside

    async def keep_syncing(self, user, group):
        while not self.quiescing:
            await asyncio.sleep(self.rng.expovariate(1 / SYNC_S))
            await self.rng.choice(user.devices).sync_again(group, 20)

    async def log_out_some(self):
        candidates = [device for device in self.devices() if len(device.tokens) > 1]
        while not self.quiescing:
            await asyncio.sleep(self.rng.expovariate(1 / LOG_OUT_S))
            device = self.rng.choice(candidates)
            if len(device.tokens) > 1 and not self.quiescing:
                await device.log_out()

    async def cause_outages(self):
        while not self.quiescing:
            await asyncio.sleep(self.rng.expovariate(1 / OUTAGE_S))
            if not self.quiescing:
                away_s = self.rng.uniform(*AWAY_S)
                for device in self.rng.choice(self.users).devices:
                    device.reset(away_s)

    def vanish_some(self):
        for device in self.rng.sample(self.devices(), N_SOCKETS // 20):
            if self.rng.random() < 0.3:
                device.reset()
            else:
                device.vanish()
        while len(self.vanished) > 100:
            self.vanished.pop(0).transport.abort()

    def forget_vanished(self):
        for ws in self.vanished:
            ws.transport.abort()
        self.vanished.clear()

    async def measure_lag(self):
        """Records how late this event loop is, which is a part of every measured delay."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.05)
            late = time.monotonic() - before - 0.05
            if late > 0.1:
                self.ledger.note("lag", s=round(late, 3))


async def run_clients(world, cluster, seconds):
    """The run, from the first socket to the end."""
    loop = asyncio.get_running_loop()
    tasks = [asyncio.ensure_future(device.run()) for device in world.devices()]
    tasks.append(asyncio.ensure_future(world.measure_lag()))
    ready = asyncio.gather(*(device.ready.wait() for device in world.devices()))
    await asyncio.wait_for(ready, START_S)
    writers = [user.run(N_USERS / PACE) for user in world.users]
    writers += [
        world.float_member(group, owner, other)
        for group, owner, floaters, _ in world.groups
        for other in floaters
    ]
    writers += [world.keep_syncing(one, world.groups[0][0]) for one in world.groups[0][2]]
    writers += [world.log_out_some(), world.cause_outages()]
    tasks += [asyncio.ensure_future(writer) for writer in writers]
    faults = Faults(
        world.seed,
        cluster,
        world.daemon,
        world.ledger,
        lambda: loop.call_soon_threadsafe(world.vanish_some),
    )
    faults.start()
    until = time.monotonic() + seconds
    while time.monotonic() < until and faults.is_alive():
        await asyncio.sleep(0.1)
        fail_with(tasks)
    await quiesce(world, faults)
    fail_with(tasks)
    world.ledger.note("end")
    world.ended = True
    for device in world.devices():
        device.stopping = True
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if faults.broken:
        raise faults.broken


def fail_with(tasks):
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception():
            raise task.exception()


async def quiesce(world, faults):
    """Waits for the last fault and for all answers. Kills a last worker while every fifth user
    disconnects, and waits for the grace and for all syncs."""
    world.quiescing = True
    faults.stopping.set()
    while faults.is_alive():
        await asyncio.sleep(0.05)
    deadline = time.monotonic() + ANSWER_S
    while world.unanswered and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    for name in world.unanswered:
        world.ledger.note("complaint", text=f"{name} was not answered within {ANSWER_S} s")
    world.forget_vanished()
    if faults.broken is None:
        await asyncio.to_thread(faults.kill_worker)
    for user in world.users[::5]:
        for device in user.devices:
            device.stopping = True
            device.reset()
    world.ledger.note("quiesce")
    await asyncio.sleep(QUIESCE_S)
    deadline = time.monotonic() + ANSWER_S
    while any(d.is_syncing for d in world.devices()) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    for device in world.devices():
        if device.ws is None and not device.stopping:
            world.ledger.note("complaint", text=f"{device.name} has no socket after {QUIESCE_S} s")


def dump(daemon, path):
    """Writes the database for check.py: one JSON object a line."""
    queries = {
        "conv": "select conv_id, kind, user_lo, user_hi, last_seq, last_mod from conversations",
        "member": "select conv_id, user_id from members",
        "message": "select message_id, conv_id, seq, mod, sender_id, kind, content, target_id, "
        "client_id, extract(epoch from sent_at)::float8, extract(epoch from edited_at)::float8, "
        "deleted, reply_to, thread_id, reacted is not null, pinned is not null from messages "
        "order by conv_id, seq",
        "replied": "select message_id, replies from replied",
        "reaction": "select message_id, user_id, emoji from reactions",
    }
    with open(path, "w", encoding="utf-8") as file:
        for kind, query in queries.items():
            for row in daemon.sql(query):
                file.write(json.dumps({kind: list(row)}, default=lambda b: b.decode()) + "\n")


def run(seed, seconds, directory):
    """One whole run; returns the paths of the ledger and the dump."""
    os.makedirs(directory, exist_ok=True)
    paths = [os.path.join(directory, name) for name in ("ledger.jsonl", "database.jsonl")]
    with contextlib.ExitStack() as stack:
        ledger = Ledger(paths[0])
        stack.callback(ledger.close)
        cluster = Servers()
        stack.callback(cluster.drop)
        daemon = Parleyd(cluster, **SETTINGS)
        stack.callback(daemon.drop)
        daemon.start()
        world = World(seed, daemon, ledger)
        world.populate()
        ledger.note("start", wall=time.time(), seed=seed, grace=GRACE_S)
        try:
            asyncio.run(run_clients(world, cluster, seconds))
            dump(daemon, paths[1])
            status = daemon.stop()
            if status != 0:
                ledger.note("complaint", text=f"the master exited with {status}")
        finally:
            with open(os.path.join(directory, "parleyd.log"), "w", encoding="utf-8") as log:
                log.write(daemon.log())
        # A child that did not die by SIGKILL has crashed.
        died = [line for line in daemon.log().splitlines() if DIED.search(line)]
        crashes = [line for line in died if not re.search(r" signal=9\b", line)]
        for text in daemon.complaints() + crashes:
            ledger.note("complaint", text=text)
    return paths


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--seconds", type=float, help="instead of minutes")
    options.add_argument("--seed", default=None, help="that of an earlier run; default: a new one")
    options.add_argument("--directory", default=os.path.join(build_dir(), "torture"))
    options = options.parse_args()
    seconds = options.seconds or options.minutes * 60
    seed = options.seed or str(secrets.randbelow(10**9))
    # Exit by an exception, so that the daemon and the database are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("torture: terminated"))
    # asyncio warns about every write to a broken socket.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    print(f"torture: {N_SOCKETS} sockets, {seconds:.0f} s, seed {seed}", flush=True)
    ledger, database = run(seed, seconds, options.directory)
    return check.main([ledger, database])


if __name__ == "__main__":
    sys.exit(main())
