"""ledger: the events of a run, one JSON object a line, in order.

Owns: the file. Knows nothing of: the meaning of the events, which check.py has.

Every line has `t`, the monotonic clock in seconds, and `e`, the kind of event:

  start     wall, seed, grace           first; wall is the wall clock at t
  open      d, s, u, k                  socket s of device d of user u is ready, with token k
  watch     s, ids                      the socket watches these users
  sync      s, after                    the socket sends a sync
  close     s, code                     the socket is closed, by either side
  vanish    s                           the client stops reading and writing
  send      u, op, id, c, via, x, m?, r?
                                        before an attempt: op send, edit, delete, react, join, leave; x the
                                        content, the target, or emoji and on; r the message replied to
  ack       u, op, id, c, via, s?, m, q, v, dup
  refused   u, op, id, code             a final error
  logout    k                           before the logout of token k
  revoked   k                           the logout is acknowledged
  push      s, k, c, row, p?            k message, edited, deleted; row from row_of(); p: it is pinned
  mark      s, k, c, row, mark          k reaction, pinned; row message_id, seq, mod; mark user, emoji, on
  page      s, c, rows, more, marks?    a piece of the answer to a sync; marks: message_id to pinned and
                                        reactions_of(), of those that have some
  read      u, c, rows                  an answer of GET /messages
  synced, resync, chat                  s, and c for the last
  reset     s, c                        the client drops what it has of the chat, of another epoch
  removed   s, c, forgot                forgot: the client drops what it has of the chat
  presence  s, of, on
  fault     n, k                        fault n begins
  repaired  n                           fault n is over: the process runs, the server answers
  quiet                                 no fault for some seconds
  lag       s                           the clients' event loop was late by s seconds
  quiesce                               no more faults, no more writes
  end
  complaint text                        from the daemon's log, or a client that was not served

c is the chat_id that the user of the event sees.
"""

import json
import threading
import time


def row_of(frame):
    """A message as [message_id, seq, mod, kind, sender, content or target, deleted, message that it
    replies to, thread].

    Fields that a `deleted` frame lacks are None.
    """
    if frame.get("type") == "deleted":
        return [frame["message_id"], frame["seq"], frame["mod"], None, None, None, True, None, None]
    kind = frame["kind"]
    what = frame["content"] if kind == "text" else frame.get("user_id", frame.get("name"))
    return [
        frame["message_id"],
        frame["seq"],
        frame["mod"],
        kind,
        frame["sender_id"],
        what,
        frame.get("deleted", False),
        frame["reply"] and frame["reply"]["message_id"],
        frame["thread_id"],
    ]


def reactions_of(message):
    """The reactions of a message that was served, as [emoji, count, user_ids]."""
    return [[one["emoji"], one["count"], one["user_ids"]] for one in message["reactions"]]


class Ledger:
    def __init__(self, path):
        self._file = open(path, "w", encoding="utf-8", buffering=1 << 20)
        self._lock = threading.Lock()

    def note(self, event, **fields):
        """Writes an event. Takes the time under the lock, since faults have their own thread."""
        with self._lock:
            fields = {"t": round(time.monotonic(), 6), "e": event, **fields}
            self._file.write(json.dumps(fields, separators=(",", ":"), ensure_ascii=False))
            self._file.write("\n")

    def close(self):
        self._file.close()
