"""many_sockets: many connections at once that do little, or nothing, or nothing but harm.

Owns: the sockets that it opens. Knows nothing of: what the server ought to do with them.
"""

import contextlib
import fcntl
import os
import select
import socket

from polling import DEADLINE_S

BATCH = 100  # opened together, far fewer than the listener's queue holds
SELECT_MAX = 1024  # descriptors that select(2) can wait for, as psycopg and raw_socket.py do


def connect(port, small=False):
    """A connection; small: with as little of the kernel's memory at both ends as can be had, so
    that what is not read soon waits in the server itself."""
    one = socket.socket()
    if small:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # The sender's buffer grows by what a window of segments takes.
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    one.settimeout(DEADLINE_S)
    one.connect(("127.0.0.1", port))
    return one


def connect_many(port, count, small=False):
    """So many, with descriptors out of the way of those who need low ones."""
    return [set_aside(connect(port, small)) for _ in range(count)]


def set_aside(one):
    low = one.detach()
    aside = socket.socket(fileno=fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, SELECT_MAX))
    os.close(low)
    aside.settimeout(DEADLINE_S)
    return aside


def upgrade_head(token):
    return (
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()


def open_ready(port, tokens):
    """For each token a WebSocket that has read up to its `ready` and not a byte more."""
    opened = []
    for first in range(0, len(tokens), BATCH):
        batch = connect_many(port, len(tokens[first : first + BATCH]), small=True)
        for one, token in zip(batch, tokens[first:]):
            one.sendall(upgrade_head(token))
        for one in batch:
            read_to(one, b'"type":"ready"')
            read_to(one, b"}")
            one.setblocking(False)
        opened += batch
    return opened


def read_to(one, mark):
    """Reads byte by byte, so that what is behind the mark stays."""
    came = b""
    while not came.endswith(mark):
        piece = one.recv(1)
        assert piece, f"closed after {came!r}"
        came += piece


def read_away(sockets, mark, within=DEADLINE_S):
    """Reads from all until each has been sent `mark` or was closed; returns how many of each."""
    poll = select.epoll()
    by_fd = {one.fileno(): one for one in sockets}
    tails = dict.fromkeys(by_fd, b"")
    told = closed = 0
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    while told + closed < len(by_fd):
        events = poll.poll(within)
        assert events, f"{told} were told, {closed} closed, and {len(by_fd)} there are"
        for fd, _ in events:
            try:
                piece = by_fd[fd].recv(65536)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                piece = b""
            found = mark in tails[fd] + piece
            tails[fd] = piece[-len(mark) :]
            told += found
            closed += not piece and not found
            if found or not piece:
                poll.unregister(fd)
    poll.close()
    return told, closed


def close_all(sockets):
    for one in sockets:
        with contextlib.suppress(OSError):
            one.close()
