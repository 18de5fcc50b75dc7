"""raw_socket: bytes on a TCP connection, for requests and frames that no library sends.

Owns: its connection. Knows nothing of: the contents, except heads of HTTP answers and WebSocket
frames.
"""

import contextlib
import json
import os
import select
import socket
import struct
import time

from requests.structures import CaseInsensitiveDict

from polling import DEADLINE_S


class Answer:
    """One HTTP answer, as far as it was received."""

    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status_code = int(lines[0].split(" ")[1])
        self.headers = CaseInsensitiveDict(
            (name.strip(), value.strip())
            for name, _, value in (line.partition(":") for line in lines[1:])
        )

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


def upgrade_request(token=None):
    """The handshake of a WebSocket."""
    head = (
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    return (head + "\r\n").encode()


class RawSocket:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def send(self, data):
        """Sends all data, and reads at the same time; False if the server closes first."""
        view = memoryview(data)
        deadline = time.monotonic() + DEADLINE_S
        try:
            while view:
                readable, writable, _ = select.select(
                    [self.socket], [self.socket], [], deadline - time.monotonic()
                )
                assert readable or writable, "the server does not read"
                if readable:
                    piece = self.socket.recv(65536)
                    if not piece:
                        return False
                    self.received += piece
                elif writable:
                    view = view[self.socket.send(view[:65536]) :]
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def read_more(self, timeout=DEADLINE_S):
        """Reads once; False if the server has closed."""
        self.socket.settimeout(max(0.001, timeout))
        try:
            piece = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        except socket.timeout:
            raise AssertionError(
                f"nothing received in {timeout} s after {self.received[-200:]!r}"
            ) from None
        self.received += piece
        return bool(piece)

    def answer(self, timeout=DEADLINE_S):
        """The next HTTP answer, with its whole body."""
        deadline = time.monotonic() + timeout
        while b"\r\n\r\n" not in self.received:
            assert self.read_more(
                deadline - time.monotonic()
            ), f"closed without an answer: {self.received!r}"
        head = Answer(self.received)
        length = int(head.headers.get("Content-Length", 0))
        if head.status_code == 101:
            length = 0
        total = self.received.index(b"\r\n\r\n") + 4 + length
        while len(self.received) < total:
            assert self.read_more(deadline - time.monotonic()), "closed within a body"
        answer = Answer(self.received[:total])
        self.received = self.received[total:]
        return answer

    def closed(self, timeout=DEADLINE_S):
        """Reads until the server closes; returns True."""
        deadline = time.monotonic() + timeout
        while self.read_more(deadline - time.monotonic()):
            pass
        return True

    def upgrade(self, token=None):
        """Upgrades the connection to a WebSocket."""
        self.send(upgrade_request(token))
        answer = self.answer()
        assert answer.status_code == 101, answer.status_code
        return answer

    def send_frame(self, opcode, payload=b"", fin=True, mask=True, length=None):
        """Sends one WebSocket frame. length may differ from the payload's."""
        length = len(payload) if length is None else length
        first = (0x80 if fin else 0) | opcode
        bit = 0x80 if mask else 0
        if length < 126:
            head = struct.pack("!BB", first, bit | length)
        elif length < 65536:
            head = struct.pack("!BBH", first, bit | 126, length)
        else:
            head = struct.pack("!BBQ", first, bit | 127, length)
        if mask:
            key = os.urandom(4)
            payload = key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
        return self.send(head + payload)

    def frame(self, timeout=DEADLINE_S):
        """The next frame from the server: (opcode, payload)."""
        deadline = time.monotonic() + timeout
        while True:
            data = self.received
            if len(data) >= 2:
                size, offset = data[1] & 0x7F, 2
                if size == 126:
                    size, offset = (
                        struct.unpack("!H", data[2:4])[0] if len(data) >= 4 else 1 << 62
                    ), 4
                elif size == 127:
                    size, offset = (
                        struct.unpack("!Q", data[2:10])[0] if len(data) >= 10 else 1 << 62
                    ), 10
                if len(data) >= offset + size:
                    self.received = data[offset + size :]
                    return data[0] & 0x0F, data[offset : offset + size]
            if not self.read_more(deadline - time.monotonic()):
                raise ConnectionError("closed without a close frame")

    def until_close_code(self, timeout=DEADLINE_S):
        """Reads frames until the close frame; returns its code, 1005 if it has none."""
        deadline = time.monotonic() + timeout
        while True:
            opcode, payload = self.frame(deadline - time.monotonic())
            if opcode == 8:
                return struct.unpack("!H", payload[:2])[0] if payload else 1005

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()


def exchange(port, data, timeout=DEADLINE_S):
    """Sends bytes on a new connection; returns the first answer."""
    raw = RawSocket(port)
    try:
        raw.send(data)
        return raw.answer(timeout)
    finally:
        raw.close()
