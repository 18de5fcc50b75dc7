"""many_sockets: hundreds of plain TCP connections at once, for slow and hostile clients.

Owns: the sockets that it opens. Knows nothing of: the answers it should get.
"""

import contextlib
import fcntl
import os
import select
import socket

from polling import DEADLINE_S
from raw_socket import upgrade_request

BATCH = 100  # opened together; the listener's backlog is much longer
SELECT_MAX = 1024  # limit of select(2), which psycopg and raw_socket.py use


def connect(port, small=False, source=None):
    """A connection. small: with minimal kernel buffers at both ends, so that unread data soon
    accumulates in the server. source: the client's address."""
    one = socket.socket()
    if source:
        one.bind((source, 0))
    if small:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # The peer's send buffer grows with the segment size.
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    one.settimeout(DEADLINE_S)
    one.connect(("127.0.0.1", port))
    return one


def connect_many(port, count, small=False):
    """This many connections, with descriptors that leave the low ones free for select(2)."""
    return [move_above_select_max(connect(port, small)) for _ in range(count)]


def move_above_select_max(one):
    low = one.detach()
    moved = socket.socket(fileno=fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, SELECT_MAX))
    os.close(low)
    moved.settimeout(DEADLINE_S)
    return moved


def open_websockets(port, tokens):
    """For each token a WebSocket that has read its `ready` and not a byte more."""
    opened = []
    for first in range(0, len(tokens), BATCH):
        batch = connect_many(port, len(tokens[first : first + BATCH]), small=True)
        for one, token in zip(batch, tokens[first:]):
            one.sendall(upgrade_request(token))
        for one in batch:
            read_until(one, b'"type":"ready"')
            read_until(one, b"}")
            one.setblocking(False)
        opened += batch
    return opened


def read_until(one, mark):
    """Reads byte by byte to the end of the mark and not further."""
    received = b""
    while not received.endswith(mark):
        piece = one.recv(1)
        assert piece, f"closed after {received!r}"
        received += piece


def drain_until(sockets, mark, within=DEADLINE_S):
    """Reads each socket until it has received mark or is closed; returns the two counts."""
    poll = select.epoll()
    by_fd = {one.fileno(): one for one in sockets}
    tails = dict.fromkeys(by_fd, b"")
    marked = closed = 0
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    while marked + closed < len(by_fd):
        events = poll.poll(within)
        assert events, f"{marked} marked and {closed} closed of {len(by_fd)} sockets"
        for fd, _ in events:
            try:
                piece = by_fd[fd].recv(65536)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                piece = b""
            found = mark in tails[fd] + piece
            tails[fd] = piece[-len(mark) :]
            marked += found
            closed += not piece and not found
            if found or not piece:
                poll.unregister(fd)
    poll.close()
    return marked, closed


def close_all(sockets):
    for one in sockets:
        with contextlib.suppress(OSError):
            one.close()
