"""device: a client of one user: a WebSocket that reconnects, and the known mod of each chat.

Owns: its socket, its heads. Knows nothing of: the user's actions, the checks.

It does what docs/api.md requires of a client and nothing more: it syncs after a reconnect, after
`resync` and for a new chat, from the highest mod without a gap below it. It does not repair a gap
without a `resync`, because that would hide the violation.
"""

import asyncio
import contextlib
import itertools
import json

import websockets

from ledger import reactions_of, row_of

OPEN_S = 10
RETRY_S = (0.05, 1.0)
TROUBLE = (OSError, EOFError, asyncio.TimeoutError, websockets.WebSocketException)

_serials = itertools.count(1)


class Lost(Exception):
    """The socket broke or the answer timed out: the result of the request is unknown."""


class Head:
    """The mods of one chat that are known."""

    def __init__(self):
        self.mod = 0
        self.beyond = set()

    def add(self, mod):
        if mod > self.mod:
            self.beyond.add(mod)
            self._advance()

    def add_all(self, mod):
        """All mods up to this one are known: the end of a sync."""
        if mod > self.mod:
            self.mod = mod
            self.beyond = {later for later in self.beyond if later > mod}
            self._advance()

    def _advance(self):
        while self.mod + 1 in self.beyond:
            self.mod += 1
            self.beyond.remove(self.mod)


class Device:
    def __init__(self, world, user, number, tokens):
        self.world = world
        self.user = user
        self.name = f"{user.id}.{number}"
        self.tokens = tokens  # the first is in use; the others are for after a logout
        self.rng = world.new_rng(self.name)
        self.heads = {}
        self.kept = {}  # heads of chats that the user was removed from
        self.epoch = None  # of the heads; None if the server has none
        self.server_epoch = None
        self.watched = []
        self.waiting = {}  # id of a frame: the future of its answer
        self.ws = None
        self.serial = 0
        self.ready = asyncio.Event()
        self.stopping = False
        self.away_s = 0  # before the next reconnect
        self._syncing = self._sync_again = self._retrying = False
        self._named = {}
        self._synced_epoch = None  # the server's when the sync began
        self._life = None

    def note(self, event, **fields):
        self.world.ledger.note(event, s=self.serial, **fields)

    # --- the socket ---

    async def run(self):
        pause = RETRY_S[0]
        while not self.stopping:
            self._life = asyncio.ensure_future(self._one_socket())
            await asyncio.wait([self._life])
            if self._life.cancelled() or self._life.exception() is None:
                pause = RETRY_S[0]
            elif isinstance(self._life.exception(), TROUBLE):
                pause = min(pause * 2, RETRY_S[1])
            else:
                raise self._life.exception()
            if not self.stopping:
                away_s, self.away_s = self.away_s, 0
                await asyncio.sleep(away_s or pause * self.rng.random())

    async def _one_socket(self):
        token = self.tokens[0]
        ws = await websockets.connect(
            self.world.ws_url,
            extra_headers=[("Authorization", f"Bearer {token}")],
            compression=None,
            ping_interval=None,
            max_size=None,
            max_queue=None,
            close_timeout=1,
            open_timeout=OPEN_S,
        )
        try:
            frame = json.loads(await asyncio.wait_for(ws.recv(), OPEN_S))
            if frame["type"] != "ready":
                raise OSError(f"{frame['type']} instead of ready")
            self.ws, self.serial = ws, next(_serials)
            self._syncing = self._sync_again = self._retrying = False
            self._is_of_epoch(frame.get("epoch"))
            self.note("open", d=self.name, u=self.user.id, k=token[:8], sid=frame["session_id"])
            await self._watch()
            await self._sync()
            self.ready.set()
            async for text in ws:
                await self._receive(json.loads(text))
        finally:
            if self.ws is ws:
                self._forget("close", code=ws.close_code)
                ws.transport.abort()

    def _forget(self, event, **fields):
        self.note(event, **fields)
        self.ws = None
        self.ready.clear()
        for future in self.waiting.values():
            if not future.done():
                future.set_result(None)
        self.waiting.clear()

    def vanish(self):
        """Stops reading and writing without a FIN. The world keeps the socket open."""
        ws = self.ws
        if ws is None:
            return
        ws.transport.pause_reading()
        self.world.vanished.append(ws)
        self._forget("vanish")
        self._life.cancel()

    async def log_out(self):
        """Revokes the token in use, which closes the socket. The next socket has the next token."""
        token = self.tokens.pop(0)
        self.world.ledger.note("logout", k=token[:8])
        await self.user.revoke_token(token)

    def reset(self, away_s=0):
        """Resets the connection, and reconnects after this time."""
        if self.ws is not None:
            self.away_s = away_s
            self.ws.transport.abort()

    # --- sending ---

    async def send(self, frame):
        if self.ws is None:
            raise Lost()
        try:
            await self.ws.send(json.dumps(frame, separators=(",", ":")))
        except TROUBLE:
            raise Lost() from None

    async def request(self, frame, timeout):
        """Sends a frame with an id; returns the ack or error that answers it."""
        future = asyncio.get_running_loop().create_future()
        self.waiting[frame["id"]] = future
        try:
            await self.send(frame)
            answer = await asyncio.wait_for(future, timeout)
        except asyncio.TimeoutError:
            answer = None
        finally:
            self.waiting.pop(frame["id"], None)
        if answer is None:
            raise Lost()
        return answer

    @property
    def is_syncing(self):
        """True if a sync was sent on the present socket and is not complete."""
        return self.ws is not None and self._syncing

    async def sync_again(self, chat, mods):
        """An unneeded sync from this many mods back, which a client may send."""
        if self.ready.is_set() and chat in self.heads:
            earlier = Head()
            earlier.mod = max(0, self.heads[chat].mod - mods)
            self.heads[chat] = earlier
            with contextlib.suppress(*TROUBLE):
                await self._sync()

    async def _watch(self):
        if self.watched:
            self.note("watch", ids=self.watched)
            await self.ws.send(json.dumps({"type": "presence", "watch": self.watched}))

    async def _sync(self):
        if self._syncing:
            self._sync_again = True
            return
        self._syncing, self._sync_again = True, False
        self._named = {chat: head.mod for chat, head in self.heads.items()}
        self._synced_epoch = self.server_epoch
        self.note("sync", after=self._named)
        frame = {"type": "sync", "after": self._named}
        if self.epoch is not None:
            frame["epoch"] = self.epoch
        await self.ws.send(json.dumps(frame))

    async def _retry(self):
        """After `unavailable`. The error has no id: it may be for the watch or the sync."""
        ws = self.ws
        await asyncio.sleep(0.3)
        if self.ws is ws:
            self._syncing = self._retrying = False
            with contextlib.suppress(*TROUBLE):
                await self._watch()
                if self.ws is ws:  # else it was lost meanwhile
                    await self._sync()

    # --- receiving ---

    async def _receive(self, frame):
        kind = frame["type"]
        chat = frame.get("chat_id")
        if kind in ("message", "edited", "deleted"):
            more = {"p": True} if frame.get("pinned") else {}
            self.note("push", k=kind, c=chat, row=row_of(frame), **more)
            self._head(chat).add(frame["mod"])
            if frame.get("kind") == "text":
                self.user.seen[chat].append(frame["message_id"])
        elif kind in ("reaction", "pinned"):
            place = [frame["message_id"], frame["seq"], frame["mod"]]
            mark = [frame["user_id"], frame.get("emoji"), frame["on" if kind == "reaction" else kind]]
            self.note("mark", k=kind, c=chat, row=place, mark=mark)
            self._head(chat).add(frame["mod"])
        elif kind == "ack":
            self._acknowledged(frame)
        elif kind == "messages":
            self._page(chat, frame)
        elif kind == "chat":
            self.note("chat", c=chat)
            if chat not in self.heads:
                self._head(chat)
                await self._sync()
        elif kind == "chat_removed":
            self._removed(chat)
        elif kind == "resync":
            self.note("resync")
            if "epoch" in frame:
                self._is_of_epoch(frame["epoch"])
            await self._sync()
        elif kind == "synced":
            self.note("synced")
            self._syncing = False
            self.epoch = self._synced_epoch
            if self.epoch != self.server_epoch:
                self._sync_again = True
            if self._sync_again:
                await self._sync()
        elif kind == "presence":
            self.note("presence", of=frame["user_id"], on=frame["online"])
        elif kind == "error":
            self._failed(frame)

    def _head(self, chat):
        if chat not in self.heads:
            self.heads[chat] = self.kept.pop(chat, None) or Head()
        return self.heads[chat]

    def _is_of_epoch(self, epoch):
        """The server's epoch. Until a sync has ended, the heads are of the former one."""
        self.server_epoch = epoch
        if self.epoch is None:
            self.epoch = epoch
        if self.epoch != epoch:
            self.kept.clear()

    def _page(self, chat, frame):
        if frame.get("reset"):
            self.note("reset", c=chat)
            self.heads[chat] = Head()
            self._named.pop(chat, None)
        rows = [row_of(message) for message in frame["messages"]]
        marks = {
            message["message_id"]: [message["pinned"], reactions_of(message)]
            for message in frame["messages"]
            if message["pinned"] or message["reactions"]
        }
        self.note("page", c=chat, rows=rows, more=frame["more"], **({"marks": marks} if marks else {}))
        head = self._head(chat)
        for row in rows:
            head.add(row[2])
        if chat not in self._named:
            self._sync_again = True  # only the last 50 were sent
        elif rows and not frame["more"]:
            head.add_all(rows[-1][2])

    def _removed(self, chat):
        """Most clients keep the messages of the chat, some drop them."""
        head = self.heads.pop(chat, None)
        keeps = head is not None and self.rng.random() < 0.8
        if keeps:
            self.kept[chat] = head
        self.note("removed", c=chat, forgot=head is not None and not keeps)

    def _acknowledged(self, frame):
        op = self.user.op_of(frame["id"])
        duplicate = frame.get("duplicate", False)
        self.world.ledger.note(
            "ack",
            u=self.user.id,
            op=op,
            id=frame["id"],
            c=frame["chat_id"],
            via="ws",
            s=self.serial,
            m=frame["message_id"],
            q=frame["seq"],
            v=frame["mod"],
            dup=duplicate,
        )
        # The mod of a duplicate may belong to a later edit, which is pushed separately.
        if not duplicate:
            self._head(frame["chat_id"]).add(frame["mod"])
        self._answer(frame)

    def _failed(self, frame):
        if "id" in frame:
            self._answer(frame)
        elif not self._retrying:
            self._retrying = True
            asyncio.ensure_future(self._retry())

    def _answer(self, frame):
        future = self.waiting.get(frame["id"])
        if future is not None and not future.done():
            future.set_result(frame)
