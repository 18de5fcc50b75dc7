"""crowd: the sockets of many users, whose frames are counted and not parsed.

Owns: its sockets, a thread that reads them. Knows nothing of: the users.
"""

import select
import threading
import time

from many_sockets import close_all, connect, move_above_select_max
from raw_socket import upgrade_request

CHUNK = 1 << 18
PER_ADDRESS = 16


def address(i):
    """A loopback address for the i-th connection, so that no address has too many."""
    i //= PER_ADDRESS
    return f"127.78.{i // 250}.{i % 250 + 1}"


def ws_frame(text):
    """A text frame of a client, with the masking key 0."""
    payload = text.encode()
    if len(payload) < 126:
        return bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload
    return bytes([0x81, 0xFE]) + len(payload).to_bytes(2, "big") + bytes(4) + payload


class Crowd:
    """Reads its sockets, and counts the bytes and the frames that contain the mark."""

    def __init__(self, port):
        self.port = port
        self.sockets = []
        self.mark = b'"type":"ready"'
        self.n_marked = 0
        self.n_bytes = 0
        self._last = time.monotonic()  # when something was received, or the count began
        self._poll = select.epoll()
        self._by_fd = {}
        self._tails = {}
        self._closing = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def open(self, tokens):
        """Opens a WebSocket for each token. The caller waits for the frames `ready`."""
        for token in tokens:
            one = connect(self.port, source=address(len(self.sockets)))
            one = move_above_select_max(one)
            one.sendall(upgrade_request(token))
            one.setblocking(False)
            self.sockets.append(one)
            self._by_fd[one.fileno()] = one
            self._tails[one.fileno()] = b""
            self._poll.register(one.fileno(), select.EPOLLIN)

    def send(self, one, data):
        """Sends all data on one of the sockets, which may be more than the server reads at once."""
        view = memoryview(data)
        writable = select.poll()
        writable.register(one.fileno(), select.POLLOUT)
        while view:
            writable.poll()
            view = view[one.send(view) :]

    def _read(self):
        buffer = memoryview(bytearray(CHUNK))
        while not self._closing:
            for fd, _ in self._poll.poll(0.05):
                try:
                    n = self._by_fd[fd].recv_into(buffer)
                except BlockingIOError:
                    continue
                except OSError:
                    n = 0
                if n == 0:
                    self._poll.unregister(fd)
                    continue
                data = self._tails[fd] + bytes(buffer[:n])
                self._tails[fd] = data[-len(self.mark) + 1 :]
                self.n_marked += data.count(self.mark)
                self.n_bytes += n
                self._last = time.monotonic()

    def count(self, mark):
        """Begins to count the frames with this mark."""
        self.mark = mark
        self._tails = dict.fromkeys(self._tails, b"")
        self.n_marked = 0
        self._last = time.monotonic()

    def quiet_s(self):
        """Seconds since something was received, or the count began."""
        return time.monotonic() - self._last

    def close(self):
        self._closing = True
        self._thread.join()
        self._poll.close()
        close_all(self.sockets)
