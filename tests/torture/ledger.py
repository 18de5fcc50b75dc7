"""ledger: what happened, one JSON object a line, in the order in which it happened.

Owns: the file. Knows nothing of: what the events mean; check.py does.

Every line has `t`, seconds of the monotonic clock, and `e`, the kind of event:

  start     wall, seed, grace           the clocks side by side, once, first
  open      d, s, u, k                  socket s of device d (of user u) is ready, by token k
  watch     s, ids                      it watches these users' presence
  sync      s, after                    it asks for what changed
  close     s, code                     it is over for the client, whoever ended it
  vanish    s                           the client reads no more and says nothing
  send      u, op, id, c, via, x, m?    before an attempt: op send, edit, delete, join, leave;
                                        x the content or the target
  ack       u, op, id, c, via, s?, m, q, v, dup
  refused   u, op, id, code             a definite no
  logout    k                           before token k is ended
  ended     k                           that is acknowledged
  push      s, k, c, row                k message, edited, deleted; row as row_of() makes it
  page      s, c, rows, more            a part of the answer to a sync
  read      u, c, rows                  an answer of GET /messages
  synced, resync, chat                  s, and c for the last
  removed   s, c, forgot                forgot: the client throws away what it had of the chat
  presence  s, of, on
  fault     n, k                        fault n begins
  mended    n                           and is over: the process runs again, the server answers
  quiet                                 no fault for some seconds; the next is about to come
  lag       s                           the clients' own loop was late by so many seconds
  settle                                no more faults, nothing more is written
  end
  complaint text                        of the daemon's log, or of a client who was not served

c is a chat_id as the user of the event sees it.
"""

import json
import threading
import time


def row_of(frame):
    """A message as [message_id, seq, mod, kind, sender, content or target, deleted]; a `deleted`
    frame knows less."""
    if frame.get("type") == "deleted":
        return [frame["message_id"], frame["seq"], frame["mod"], None, None, None, True]
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
    ]


class Ledger:
    def __init__(self, path):
        self._file = open(path, "w", encoding="utf-8", buffering=1 << 20)
        self._lock = threading.Lock()

    def note(self, event, **fields):
        """Faults come from another thread: the time is taken under the lock, so the file is in
        its order."""
        with self._lock:
            fields = {"t": round(time.monotonic(), 6), "e": event, **fields}
            self._file.write(json.dumps(fields, separators=(",", ":"), ensure_ascii=False))
            self._file.write("\n")

    def close(self):
        self._file.close()
