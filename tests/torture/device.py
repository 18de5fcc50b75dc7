"""device: one client program of one user: a WebSocket that comes back whenever it breaks, and how
far it knows each chat.

Owns: its socket, its heads. Knows nothing of: what the user does with it, what is checked.

It does what the contract asks of a client and nothing more: it syncs when it comes back, at
`resync` and for a chat that is new to it, from the highest mod with nothing missing below it.
A gap that it was not told of it does not mend: that would hide what is looked for.
"""

import asyncio
import contextlib
import itertools
import json

import websockets

from ledger import row_of

OPEN_S = 10
RETRY_S = (0.05, 1.0)
TROUBLE = (OSError, EOFError, asyncio.TimeoutError, websockets.WebSocketException)

_serials = itertools.count(1)


class Lost(Exception):
    """The socket broke, or nothing came in time: what was asked may have happened or not."""


class Head:
    """How far one chat is known."""

    def __init__(self):
        self.mod = 0
        self.beyond = set()

    def know(self, mod):
        if mod > self.mod:
            self.beyond.add(mod)
            self._go_on()

    def know_all(self, mod):
        """All to this mod: the end of a sync's answer."""
        if mod > self.mod:
            self.mod = mod
            self.beyond = {later for later in self.beyond if later > mod}
            self._go_on()

    def _go_on(self):
        while self.mod + 1 in self.beyond:
            self.mod += 1
            self.beyond.remove(self.mod)


class Device:
    def __init__(self, world, user, number, tokens):
        self.world = world
        self.user = user
        self.name = f"{user.id}.{number}"
        self.tokens = tokens  # the first is in use; one that has others logs out now and then
        self.rng = world.new_rng(self.name)
        self.heads = {}
        self.kept = {}  # of chats that it was removed from, in case it comes back
        self.watched = []
        self.waiting = {}  # id of a command: the future of its answer
        self.ws = None
        self.serial = 0
        self.ready = asyncio.Event()
        self.stopping = False
        self.away_s = 0  # before it comes back the next time
        self._syncing = self._sync_again = self._again = False
        self._named = {}
        self._life = None

    def note(self, event, **fields):
        self.world.ledger.note(event, s=self.serial, **fields)

    # --- the socket's life ---

    async def live(self):
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
                raise OSError(f"{frame['type']} in place of ready")
            self.ws, self.serial = ws, next(_serials)
            self._syncing = self._sync_again = self._again = False
            self.note("open", d=self.name, u=self.user.id, k=token[:8], sid=frame["session_id"])
            await self._watch()
            await self._sync()
            self.ready.set()
            async for text in ws:
                await self._take(json.loads(text))
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
        """From here on the peer hears nothing: no FIN, no pong, nothing read. The socket itself
        is kept open by the world."""
        ws = self.ws
        if ws is None:
            return
        ws.transport.pause_reading()
        self.world.vanished.append(ws)
        self._forget("vanish")
        self._life.cancel()

    async def log_out(self):
        """Ends the token in use; the server is to end its socket, the next one has the next token."""
        token = self.tokens.pop(0)
        self.world.ledger.note("logout", k=token[:8])
        await self.user.end_token(token)

    def cut(self, away_s=0):
        """A reset in place of a close; and then it is out of reach for so long."""
        if self.ws is not None:
            self.away_s = away_s
            self.ws.transport.abort()

    # --- what it says ---

    async def say(self, frame):
        if self.ws is None:
            raise Lost()
        try:
            await self.ws.send(json.dumps(frame, separators=(",", ":")))
        except TROUBLE:
            raise Lost() from None

    async def ask(self, frame, timeout):
        """The ack or error that answers this frame, which has an id."""
        future = asyncio.get_running_loop().create_future()
        self.waiting[frame["id"]] = future
        try:
            await self.say(frame)
            answer = await asyncio.wait_for(future, timeout)
        except asyncio.TimeoutError:
            answer = None
        finally:
            self.waiting.pop(frame["id"], None)
        if answer is None:
            raise Lost()
        return answer

    async def sync_from_before(self, chat, mods):
        """Without need, from so many mods back: a client may, and there is something to tell."""
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
        self.note("sync", after=self._named)
        await self.ws.send(json.dumps({"type": "sync", "after": self._named}))

    async def _ask_again(self):
        """The database was away. The error has no id: it may speak of the watch, or of the sync."""
        ws = self.ws
        await asyncio.sleep(0.3)
        if self.ws is ws:
            self._syncing = self._again = False
            with contextlib.suppress(*TROUBLE):
                await self._watch()
                await self._sync()

    # --- what it hears ---

    async def _take(self, frame):
        kind = frame["type"]
        chat = frame.get("chat_id")
        if kind in ("message", "edited", "deleted"):
            self.note("push", k=kind, c=chat, row=row_of(frame))
            self._head(chat).know(frame["mod"])
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
            await self._sync()
        elif kind == "synced":
            self.note("synced")
            self._syncing = False
            if self._sync_again:
                await self._sync()
        elif kind == "presence":
            self.note("presence", of=frame["user_id"], on=frame["online"])
        elif kind == "error":
            self._refused(frame)

    def _head(self, chat):
        if chat not in self.heads:
            self.heads[chat] = self.kept.pop(chat, None) or Head()
        return self.heads[chat]

    def _page(self, chat, frame):
        rows = [row_of(message) for message in frame["messages"]]
        self.note("page", c=chat, rows=rows, more=frame["more"])
        head = self._head(chat)
        for row in rows:
            head.know(row[2])
        if chat not in self._named:
            self._sync_again = True  # these were the last 50 only
        elif rows and not frame["more"]:
            head.know_all(rows[-1][2])

    def _removed(self, chat):
        """Most clients keep what they have, some forget it and start anew when they come back."""
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
        # The mod of a duplicate may be that of a later edit, which comes by another way.
        if not duplicate:
            self._head(frame["chat_id"]).know(frame["mod"])
        self._answer(frame)

    def _refused(self, frame):
        if "id" in frame:
            self._answer(frame)
        elif not self._again:
            self._again = True
            asyncio.ensure_future(self._ask_again())

    def _answer(self, frame):
        future = self.waiting.get(frame["id"])
        if future is not None and not future.done():
            future.set_result(frame)
