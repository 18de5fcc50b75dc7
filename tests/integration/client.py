"""client: a user of the server, over HTTP (requests) and WebSocket (websockets).

Owns: the connections it opens. Knows nothing of: how the daemon was started.

The WebSocket library is asynchronous: one event loop in a thread serves all sockets, and Ws is a
blocking interface to one of them. Received frames stay in `frames`, in order, so that a test can
also check what was not received.
"""

import asyncio
import contextlib
import json
import queue
import threading
import time

import requests
import websockets

from polling import DEADLINE_S

CLOSED = object()


class _Loop:
    """The event loop of all sockets, in a thread that starts at the first use."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, coroutine, timeout=DEADLINE_S):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)


_loop = None


def _run(coroutine, timeout=DEADLINE_S):
    global _loop
    if _loop is None:
        _loop = _Loop()
    return _loop.run(coroutine, timeout)


class Refused(Exception):
    """The upgrade was answered with a status other than 101."""

    def __init__(self, status, headers):
        super().__init__(f"upgrade refused with {status}")
        self.status = status
        self.headers = headers


class Ws:
    """One WebSocket.

    how: where the token is sent: bearer, subprotocol, cookie, frame or none.
    ready: wait for the `ready` frame.
    trust: the SSL context of a wss:// URL.
    """

    def __init__(
        self,
        url,
        token=None,
        how="bearer",
        origin=None,
        headers=(),
        subprotocols=None,
        ready=True,
        trust=None,
    ):
        self.frames = []
        self.close_code = None
        self._arrived = queue.Queue()
        headers = list(headers)
        if how == "bearer" and token is not None:
            headers.append(("Authorization", f"Bearer {token}"))
        elif how == "subprotocol":
            subprotocols = ["parley.v1", f"bearer.{token}"]
        elif how == "cookie":
            headers.append(("Cookie", f"parley_session={token}"))
        self._ws = _run(self._connect(url, headers, origin, subprotocols, trust))
        self.subprotocol = self._ws.subprotocol
        if how == "frame":
            self.send({"type": "auth", "token": token})
        self.ready = self.until("ready") if ready else None

    async def _connect(self, url, headers, origin, subprotocols, trust):
        try:
            ws = await websockets.connect(
                url,
                extra_headers=headers,
                origin=origin,
                ssl=trust,
                subprotocols=subprotocols,
                ping_interval=None,
                max_size=None,
                max_queue=None,
                close_timeout=2,
                open_timeout=DEADLINE_S,
            )
        except websockets.InvalidStatusCode as refused:
            raise Refused(refused.status_code, refused.headers) from None
        asyncio.ensure_future(self._read(ws))
        return ws

    async def _read(self, ws):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in ws:
                self._arrived.put(json.loads(text))
        self._arrived.put(CLOSED)

    @property
    def slot(self):
        """The slot of the worker that serves this socket."""
        return int(self.ready["session_id"].split("-")[0])

    def send(self, frame):
        """Sends a dict as JSON, a str as text, bytes as binary, a list of str in fragments."""
        _run(self._ws.send(json.dumps(frame) if isinstance(frame, dict) else frame))

    def send_all(self, frames):
        """Sends many frames without waiting in between."""

        async def burst():
            for frame in frames:
                await self._ws.send(json.dumps(frame))

        _run(burst())

    def next(self, timeout=DEADLINE_S):
        """The next frame as a dict; fails if the socket closes or the timeout expires."""
        try:
            frame = self._arrived.get(timeout=timeout)
        except queue.Empty:
            last = self.frames[-5:]
            raise AssertionError(f"no frame in {timeout} s; last frames: {last}") from None
        if frame is CLOSED:
            self._arrived.put(CLOSED)
            self.close_code = self._ws.close_code
            raise ConnectionError(f"closed with {self.close_code}; last frames: {self.frames[-5:]}")
        self.frames.append(frame)
        return frame

    def until(self, kind, /, timeout=DEADLINE_S, **fields):
        """The next frame of this type with these fields; others are skipped."""
        deadline = time.monotonic() + timeout
        skipped = []
        while True:
            try:
                frame = self.next(max(0.001, deadline - time.monotonic()))
            except AssertionError:
                raise AssertionError(
                    f"no {kind} {fields or ''} in {timeout} s; skipped: {skipped}"
                ) from None
            if frame["type"] == kind and all(
                frame.get(key) == value for key, value in fields.items()
            ):
                return frame
            skipped.append(frame)

    def got(self, kind, /, **fields):
        """The frames of this type with these fields that were read so far."""
        return [
            frame
            for frame in self.frames
            if frame["type"] == kind
            and all(frame.get(key) == value for key, value in fields.items())
        ]

    def ask(self, frame, kind, /, **fields):
        """Sends a frame and returns the next frame of this type."""
        self.send(frame)
        return self.until(kind, **fields)

    def drain(self):
        """Reads the answers to all earlier frames: they precede the pong."""
        self.ask({"type": "ping"}, "pong")

    def until_closed(self, timeout=DEADLINE_S):
        """Reads until the server closes the socket; returns the close code."""
        deadline = time.monotonic() + timeout
        with contextlib.suppress(ConnectionError):
            while True:
                self.next(max(0.001, deadline - time.monotonic()))
        return self.close_code

    def close(self):
        _run(self._ws.close())

    def abort(self):
        """Drops the TCP connection without a close frame."""

        async def cut():
            self._ws.transport.abort()

        _run(cut())


class Http:
    """HTTP, with a bearer token if there is one. Answers are those of the library requests."""

    def __init__(self, base, token=None):
        self.base = base
        self.token = token
        self.requests = requests.Session()
        self.requests.trust_env = False

    def request(self, method, path, body=None, headers=None, data=None, **options):
        """body is sent as JSON, data as it is."""
        headers = dict(headers or {})
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None:
            data = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        return self.requests.request(
            method,
            self.base + path,
            data=data,
            headers=headers,
            timeout=DEADLINE_S,
            allow_redirects=False,
            **options,
        )

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def put(self, path, body=None, **options):
        return self.request("PUT", path, body, **options)

    def patch(self, path, body=None, **options):
        return self.request("PATCH", path, body, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    def close(self):
        self.requests.close()


class Person(Http):
    """A user with a valid token, and the operations that many tests need."""

    def __init__(self, daemon, user_id, username, full_name, token):
        super().__init__(daemon.url(""), token)
        self.daemon = daemon
        self.id = user_id
        self.username = username
        self.full_name = full_name
        self.sockets = []

    def ws(self, **options):
        """A new socket of this user; options are those of Ws."""
        socket = Ws(self.daemon.ws_url(), options.pop("token", self.token), **options)
        self.sockets.append(socket)
        return socket

    def ws_elsewhere(self, *others):
        """A new socket on a worker that serves none of the others."""
        taken = {other.slot for other in others}
        tried = []
        while len(tried) < 40:
            socket = self.ws()
            if socket.slot not in taken:
                for misplaced in tried:
                    misplaced.close()
                return socket
            tried.append(socket)
        raise AssertionError(f"40 sockets, all on the workers {taken}")

    def ws_on_each(self):
        """One socket of this user on every worker."""
        sockets = [self.ws()]
        while len(sockets) < self.daemon.settings["workers"]:
            sockets.append(self.ws_elsewhere(*sockets))
        return sockets

    def send(self, receiver_id, content, **more):
        """Sends over HTTP; returns the stored message."""
        answer = self.post(
            "/messages/send_message", {"receiver_id": receiver_id, "content": content, **more}
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    def group(self, name, *others):
        """Creates a group with these members; returns its id."""
        answer = self.post("/groups/create_group", {"name": name})
        assert answer.status_code == 201, answer.text
        group_id = answer.json()["group_id"]
        for other in others:
            self.add(group_id, other)
        return group_id

    def add(self, group_id, other):
        answer = self.post("/groups/add_user_to_group", {"group_id": group_id, "user_id": other.id})
        assert answer.status_code == 204, answer.text

    def history(self, chat_id, query="after=0&limit=200"):
        answer = self.get(f"/messages/{chat_id}?{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()["messages"]

    def chats(self):
        """This user's chats by chat_id, in the order of the answer."""
        answer = self.get("/chats")
        assert answer.status_code == 200, answer.text
        return {chat["chat_id"]: chat for chat in answer.json()["chats"]}

    def chat(self, chat_id):
        return self.chats()[chat_id]

    def fence(self, *sockets):
        """Returns when these sockets of this user have received all that was published before.

        A note to oneself follows it through the same ring.
        """
        note = self.send(self.id, "fence")
        for socket in sockets:
            socket.until("message", message_id=note["message_id"])

    def close(self):
        for socket in self.sockets:
            with contextlib.suppress(Exception):
                socket.close()
        self.sockets = []
        super().close()
