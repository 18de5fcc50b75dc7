"""history: the conversations in the database after a run, and their members over time.

Owns: the rows. Knows nothing of: the ledger.
"""

import bisect
import collections
import json

Message = collections.namedtuple(
    "Message",
    "id conv seq mod sender kind content target client_id sent_at edited_at deleted reply_to thread "
    "reacted pinned at",
    defaults=(False, False, 0),
)


class Conv:
    """One conversation at the end of the run."""

    def __init__(self, conv_id, kind, lo, hi, last_seq, last_mod):
        self.id = conv_id
        self.direct = kind == "d"
        self.pair = (lo, hi)
        self.last_seq, self.last_mod = last_seq, last_mod
        self.messages = []
        self.by_mod = {}
        self.members = set()
        self.moves = {}  # user: ([mods], [seqs], [joined], [when]) of joins and leaves
        self.acked_seq = 0  # the highest acknowledged so far

    def was_member(self, user, place, by_seq=False):
        """True if the user was a member at this mod (or seq)."""
        if self.direct:
            return user in self.pair
        mods, seqs, joined, _ = self.moves.get(user, ((), (), (), ()))
        n = bisect.bisect_right(seqs if by_seq else mods, place)
        return n > 0 and joined[n - 1]

    def may_read(self, user, mod, wall):
        """True if the user may read this mod at this time: as a member at that mod, or as a user who
        has joined since, who sees the whole history."""
        if self.was_member(user, mod):
            return True
        mods, _, joined, when = self.moves.get(user, ((), (), (), ()))
        n = bisect.bisect_right(mods, mod)
        return n < len(mods) and joined[n] and when[n] <= wall + 0.001


class Database:
    def __init__(self, lines):
        self.convs = {}
        self.direct = {}
        self.messages = {}
        self.replied = {}  # message id: the stored number of replies
        self.reactions = collections.defaultdict(set)  # message: pairs of user and emoji
        for line in lines:
            ((kind, row),) = json.loads(line).items()
            if kind == "conv":
                conv = self.convs[row[0]] = Conv(*row)
                if conv.direct:
                    self.direct[conv.pair] = conv
            elif kind == "member":
                self.convs[row[0]].members.add(row[1])
            elif kind == "replied":
                self.replied[row[0]] = row[1]
            elif kind == "reaction":
                self.reactions[row[0]].add((row[1], row[2]))
            else:
                self._add(row)

    def _add(self, row):
        conv = self.convs[row[1]]
        message = Message(*row, at=len(conv.messages))
        conv.messages.append(message)
        self.messages[message.id] = message
        conv.by_mod[message.mod] = message
        if message.kind in "jl":
            mods, seqs, joined, when = conv.moves.setdefault(message.target, ([], [], [], []))
            when.append(message.sent_at)
            mods.append(message.mod)
            seqs.append(message.seq)
            joined.append(message.kind == "j")

    def conv(self, user, chat):
        """The conversation that chat_id names for this user, or None."""
        conv = self.convs.get(chat)
        if conv is not None and not conv.direct:
            return conv
        return self.direct.get((min(user, chat), max(user, chat)))
