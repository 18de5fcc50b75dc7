"""user: a simulated user: writes over WebSocket and HTTP, and retries until there is an answer.

Owns: the user's devices, the client_ids. Knows nothing of: faults.
"""

import asyncio
import collections
import functools
import json
import urllib.parse

from device import Device, Lost
from ledger import row_of

ANSWER_S = 6
PAUSE_S = (0.05, 0.8)
BURST = (1, 1, 1, 2, 4, 12)
REPLIES = 0.3  # of the sends
EMOJI = ("👍", "❤", "🚀")


class Rejected(Exception):
    """The server rejected the request with this code."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class User:
    def __init__(self, world, user_id, token, n_devices, spare_tokens):
        self.world = world
        self.id = user_id
        self.token = token
        self.rng = world.new_rng(user_id)
        self.chats = []  # chat_ids it writes to, also while it is no member
        self.mine = []  # (chat_id, message_id) of its messages
        self.seen = collections.defaultdict(functools.partial(collections.deque, maxlen=20))
        self.reacted = []  # (chat_id, message_id) of messages with an acknowledged reaction of its own
        self.count = 0
        self.devices = [
            Device(world, self, number, spare_tokens if number else [token])
            for number in range(n_devices)
        ]

    @staticmethod
    def op_of(name):
        return {"e": "edit", "d": "delete", "r": "react"}.get(name[0], "send")

    def _name(self, op):
        self.count += 1
        return f"{op[0]}{self.id}-{self.count}"

    # --- actions ---

    async def run(self, pace_s):
        """Acts every pace_s seconds on average, until the world quiesces."""
        while not self.world.quiescing:
            await asyncio.sleep(self.rng.expovariate(1 / pace_s))
            if self.world.quiescing:
                return
            choice = self.rng.random()
            if choice < 0.60 or not self.mine:
                await self.send_burst(self.rng.choice(self.chats))
            elif choice < 0.74 and any(self.seen.values()):
                await self.react()
            elif choice < 0.76 and self.reacted:
                await self.pin()
            elif choice < 0.86:
                await self.edit()
            elif choice < 0.90:
                await self.delete()
            elif choice < 0.97:
                await self.mark_read()
            else:
                await self.read_history(self.rng.choice(self.chats))

    async def send_burst(self, chat):
        """Sends several messages concurrently."""
        burst = [self.send(chat) for _ in range(self.rng.choice(BURST))]
        await asyncio.gather(*burst)

    async def send(self, chat):
        """Sends one message and repeats it, over either way, until there is a final answer."""
        name = self._name("send")
        seen = self.seen[chat]
        reply_to = self.rng.choice(seen) if seen and self.rng.random() < REPLIES else None
        once = functools.partial(self._send_once, reply_to)
        answer = await self._retry("send", name, chat, name, once)
        if answer is not None:
            self.mine.append((chat, answer["message_id"]))
            del self.mine[:-30]

    async def _send_once(self, reply_to, name, chat, content):
        device = self._device()
        body = {"receiver_id": chat, "content": content, "reply_to": reply_to}
        if device is not None and self.rng.random() < 0.7:
            self._note_send("send", name, chat, content, "ws", r=reply_to)
            frame = {"type": "send", "id": name, **body}
            return self._check_answer(await device.request(frame, ANSWER_S))
        self._note_send("send", name, chat, content, "http", r=reply_to)
        body["client_id"] = name
        message = await self._http("POST", "/messages/send_message", body)
        self._note_ack("send", name, message)
        return message

    async def edit(self):
        """A single attempt: a repeated edit would be a second one."""
        chat, message_id = self.rng.choice(self.mine)
        name = self._name("edit")
        await self._try_once("edit", name, chat, name, message_id)

    async def delete(self):
        chat, message_id = self.mine.pop(self.rng.randrange(len(self.mine)))
        await self._try_once("delete", self._name("delete"), chat, None, message_id)

    async def react(self):
        """A single attempt, often to the latest message, to which others react at the same time."""
        chat = self.rng.choice([chat for chat, seen in self.seen.items() if seen])
        seen = self.seen[chat]
        message_id = seen[-1] if self.rng.random() < 0.5 else self.rng.choice(seen)
        emoji, on = self.rng.choice(EMOJI), self.rng.random() < 0.7
        name, device = self._name("react"), self._device()
        try:
            if device is not None and self.rng.random() < 0.7:
                self._note_send("react", name, chat, [emoji, on], "ws", m=message_id)
                frame = {"type": "react", "id": name, "message_id": message_id}
                self._check_answer(await device.request({**frame, "emoji": emoji, "on": on}, ANSWER_S))
            else:
                self._note_send("react", name, chat, [emoji, on], "http", m=message_id)
                path = f"/messages/{message_id}/reactions/{urllib.parse.quote(emoji)}"
                await self._http("PUT" if on else "DELETE", path)
                self._note_ack("react", name, {"chat_id": chat, "message_id": message_id})
            if on:  # the removal of one that is not there changes nothing
                self.reacted = [*self.reacted[-10:], (chat, message_id)]
        except Lost:
            pass
        except Rejected as why:
            self.world.ledger.note("refused", u=self.id, op="react", id=name, code=why.code)

    async def pin(self):
        """Only messages that have had a reaction: check.py compares the pins of those alone."""
        _, message_id = self.rng.choice(self.reacted)
        try:
            method = "PUT" if self.rng.random() < 0.6 else "DELETE"
            await self._http(method, f"/messages/{message_id}/pin")
        except (Lost, Rejected):
            pass

    async def _try_once(self, op, name, chat, content, message_id):
        device = self._device()
        try:
            if device is not None and self.rng.random() < 0.7:
                self._note_send(op, name, chat, content, "ws", m=message_id)
                frame = {"type": op, "id": name, "message_id": message_id}
                if op == "edit":
                    frame["content"] = content
                self._check_answer(await device.request(frame, ANSWER_S))
            elif op == "edit":
                self._note_send(op, name, chat, content, "http", m=message_id)
                message = await self._http("PATCH", f"/messages/{message_id}", {"content": content})
                self._note_ack(op, name, message)
            else:
                self._note_send(op, name, chat, content, "http", m=message_id)
                await self._http("DELETE", f"/messages/{message_id}")
                self._note_ack(op, name, {"chat_id": chat, "message_id": message_id})
        except Lost:
            pass
        except Rejected as why:
            self.world.ledger.note("refused", u=self.id, op=op, id=name, code=why.code)

    async def mark_read(self):
        chat, message_id = self.rng.choice(self.mine)
        device = self._device()
        try:
            if device is not None and self.rng.random() < 0.7:
                await device.send({"type": "read", "chat_id": chat, "seq": 1 << 40})
                await device.send({"type": "typing", "chat_id": chat, "is_typing": True})
            else:
                await self._http("PUT", "/messages/read", {"message_ids": [message_id]})
        except (Lost, Rejected):
            pass

    async def read_history(self, chat):
        try:
            answer = await self._http("GET", f"/messages/{chat}?limit=50")
        except (Lost, Rejected):
            return
        rows = [row_of(message) for message in answer["messages"]]
        self.world.ledger.note("read", u=self.id, c=chat, rows=rows)

    async def change_member(self, op, group, other):
        """Repeats a join or leave (of another user or the own leave) until it is final."""
        name = f"{op[0]}{group}.{other}-{self.world.rng.random():.9f}"

        async def once(name, chat, target):
            self._note_send(op, name, chat, target, "http")
            if op == "leave" and target == self.id:
                path, body = "leave_group", {"group_id": chat}
            else:
                path = "add_user_to_group" if op == "join" else "remove_user_from_group"
                body = {"group_id": chat, "user_id": target}
            try:
                await self._http("POST", f"/groups/{path}", body)
            except Rejected as why:
                # An unanswered attempt has succeeded.
                if op == "join" or why.code not in ("no_such_group", "no_such_member"):
                    raise
            self._note_ack(op, name, {"chat_id": chat, "message_id": None})
            return {}

        return await self._retry(op, name, group, other, once)

    async def revoke_token(self, token):
        """Repeats the logout until it has succeeded."""
        pause = PAUSE_S[0]
        while not self.world.ended:
            try:
                await self._http("POST", "/users/logout", token=token)
                break
            except Rejected as why:
                if why.code != "bad_token":
                    raise
                break
            except Lost:
                await asyncio.sleep(pause * (0.5 + self.rng.random()))
                pause = min(pause * 2, PAUSE_S[1])
        else:
            return
        self.world.ledger.note("revoked", k=token[:8])

    # --- WebSocket and HTTP ---

    def _device(self):
        able = [device for device in self.devices if device.ws is not None]
        return self.rng.choice(able) if able else None

    async def _retry(self, op, name, chat, what, once):
        """Repeats the request; returns the answer, or None if rejected or the run has ended."""
        pause = PAUSE_S[0]
        self.world.unanswered.add(name)
        try:
            while not self.world.ended:
                try:
                    return await once(name, chat, what)
                except Lost:
                    await asyncio.sleep(pause * (0.5 + self.rng.random()))
                    pause = min(pause * 2, PAUSE_S[1])
                except Rejected as why:
                    self.world.ledger.note("refused", u=self.id, op=op, id=name, code=why.code)
                    return None
        finally:
            self.world.unanswered.discard(name)
        return None

    @staticmethod
    def _check_answer(frame):
        if frame["type"] == "ack":
            return frame
        if frame["code"] in ("unavailable", "too_many_requests"):
            raise Lost()
        raise Rejected(frame["code"])

    async def _http(self, method, path, body=None, token=None):
        """The JSON of a 2xx answer. Every request has a new connection, to reach all workers."""
        exchange = self._exchange(method, path, body, token or self.token)
        try:
            status, answer = await asyncio.wait_for(exchange, ANSWER_S)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError):
            raise Lost() from None
        if status in (429, 503):
            raise Lost()
        if status >= 300:
            raise Rejected(answer.get("code", str(status)))
        return answer

    async def _exchange(self, method, path, body, token):
        reader, writer = await asyncio.open_connection(*self.world.address)
        try:
            data = b"" if body is None else json.dumps(body).encode()
            head = [
                f"{method} {path} HTTP/1.1",
                "Host: torture",
                f"Authorization: Bearer {token}",
                "Content-Type: application/json",
                f"Content-Length: {len(data)}",
                "Connection: close",
            ]
            writer.write("\r\n".join([*head, "", ""]).encode() + data)
            status = int((await reader.readline()).split()[1])
            length = None
            while (line := await reader.readline()) not in (b"\r\n", b""):
                key, _, value = line.partition(b":")
                if key.lower() == b"content-length":
                    length = int(value)
            if length is None and status != 204:
                raise EOFError
            text = await reader.readexactly(length or 0)
            return status, json.loads(text) if text else {}
        except (IndexError, UnicodeDecodeError):
            raise EOFError from None
        finally:
            writer.close()

    def _note_send(self, op, name, chat, what, via, **more):
        self.world.ledger.note("send", u=self.id, op=op, id=name, c=chat, via=via, x=what, **more)

    def _note_ack(self, op, name, message):
        self.world.ledger.note(
            "ack",
            u=self.id,
            op=op,
            id=name,
            c=message["chat_id"],
            via="http",
            m=message["message_id"],
            q=message.get("seq"),
            v=message.get("mod"),
            dup=message.get("duplicate", False),
        )
