"""tcp_forwarder: a TCP port of 127.0.0.1 in front of a server, which can fall silent.

Owns: its listener, its connections and their threads. Knows nothing of: the protocol.

Each connection has two directions, "to_server" and "to_client". A frozen one is not read: its bytes
wait in the kernel's buffers, and its end is not passed on. So a host that vanished looks, from
both sides.
"""

import contextlib
import socket
import threading

DIRECTIONS = ("to_server", "to_client")
# Of the kernel's net/tcp_states.h: the peer has reset the connection, or sent its FIN.
TCP_CLOSE, TCP_CLOSE_WAIT = 7, 8


class _Connection:
    def __init__(self, client, server):
        self.client = client
        self.server = server
        self.flows = {direction: threading.Event() for direction in DIRECTIONS}
        for event in self.flows.values():
            event.set()
        self._n_open = 2
        self._lock = threading.Lock()
        for direction, source, sink in (
            ("to_server", client, server),
            ("to_client", server, client),
        ):
            threading.Thread(
                target=self._forward, args=(self.flows[direction], source, sink), daemon=True
            ).start()

    def _forward(self, flows, source, sink):
        with contextlib.suppress(OSError):
            while True:
                flows.wait()
                data = source.recv(65536)
                flows.wait()
                if not data:
                    break
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        with self._lock:
            self._n_open -= 1
            if self._n_open == 0:
                self.client.close()
                self.server.close()

    @property
    def is_open(self):
        return self._n_open > 0

    @property
    def is_frozen(self):
        return self.is_open and not all(event.is_set() for event in self.flows.values())

    @property
    def is_closed_by_client(self):
        """True if the client has closed its end, even if that is not read."""
        with contextlib.suppress(OSError):
            return self.client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in (
                TCP_CLOSE,
                TCP_CLOSE_WAIT,
            )
        return True

    def cut(self):
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for event in self.flows.values():
            event.set()


class Forwarder:
    """Forwards connections to `target`, a path of a unix socket or a pair of host and port.

    freeze() stops the connections that are open; new ones work.
    mute() lets new connections be accepted and never answered.
    thaw() ends both: what waited flows on, and muted connections are made.
    """

    def __init__(self, target):
        self.target = target
        self.n_accepted = 0
        self._connections = []
        self._lock = threading.Lock()
        self._speaks = threading.Event()
        self._speaks.set()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.n_accepted += 1
            threading.Thread(target=self._open, args=(client,), daemon=True).start()

    def _open(self, client):
        self._speaks.wait()
        family = socket.AF_UNIX if isinstance(self.target, str) else socket.AF_INET
        server = socket.socket(family)
        try:
            server.connect(self.target)
        except OSError:
            server.close()
            client.close()
            return
        with self._lock:
            self._connections = [one for one in self._connections if one.is_open]
            self._connections.append(_Connection(client, server))

    def freeze(self, *directions):
        """Stops the open connections in these directions, by default both; returns their
        number."""
        with self._lock:
            frozen = [one for one in self._connections if one.is_open]
        for connection in frozen:
            for direction in directions or DIRECTIONS:
                connection.flows[direction].clear()
        return len(frozen)

    def n_frozen(self):
        """The number of frozen connections that their client has not closed."""
        with self._lock:
            connections = list(self._connections)
        return sum(one.is_frozen and not one.is_closed_by_client for one in connections)

    def end_frozen(self):
        """Cuts the frozen connections, on both sides."""
        with self._lock:
            frozen = [one for one in self._connections if one.is_frozen]
        for connection in frozen:
            connection.cut()

    def mute(self):
        self._speaks.clear()

    def thaw(self):
        self._speaks.set()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            for event in connection.flows.values():
                event.set()

    def close_open(self):
        """Cuts the open connections, on both sides."""
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.cut()

    def drop(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.close_open()
        self._speaks.set()
