"""Access control of pushes: a test for each cell of the table of server frames in docs/security.md.

Each event is caused once; sockets of all roles on both workers record what they receive.
"""

import os

import pytest

from access_matrix import Scenario, cells, table
from client import Ws
from conftest import new_person
from routes import server_frames

PUSHES = table("frame", "when")


def test_the_table_has_every_frame_and_no_other():
    assert {frame for frame, _ in PUSHES} == server_frames()
    assert set(EVENTS) == set(PUSHES)


class PushScenario:
    """A scenario in which every role has a socket on each worker."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.scenario = Scenario(daemon)
        people = self.scenario.people
        self.owner, self.sender = people["owner"][0], people["sender"][0]
        self.quiet, self.leaver, gone, left, removed = (new_person(daemon) for _ in range(5))
        self.extra = [self.quiet, self.leaver, gone, left, removed]
        for one in self.extra:
            self.owner.add(self.scenario.group_id, one)
        self.sockets = {
            who: [socket for one in people[who] for socket in one.ws_on_each()]
            for who in ("stranger", "former", "member", "owner")
        }
        self.acting, *others = self.sender.ws_on_each()
        self.sockets["sender"] = [self.acting]
        self.others = [*others, self.sender.ws()]
        self.targets = self.scenario.target.ws_on_each()
        self.newcomers = self.scenario.newcomer.ws_on_each()
        self.sockets["deleted"] = gone.ws_on_each()
        assert gone.delete(f"/users/delete_user/{gone.id}").status_code == 204
        # Two more former members, whose sockets stay open.
        self.sockets["former"] += left.ws_on_each() + removed.ws_on_each()
        named = {"group_id": self.scenario.group_id, "user_id": removed.id}
        for one, what, body in (
            (left, "leave_group", {"group_id": self.scenario.group_id}),
            (self.owner, "remove_user_from_group", named),
        ):
            assert one.post(f"/groups/{what}", body).status_code == 204
        self.outcomes = {}

    def fence(self):
        """Returns when every open socket has received all that was published before."""
        open_ = [
            *self.others,
            *self.targets,
            *self.newcomers,
            *(one for who in self.sockets if who != "deleted" for one in self.sockets[who]),
        ]
        for one in self.scenario.all_users() + self.extra:
            own = [socket for socket in open_ if socket.ready["user_id"] == one.id]
            if own:
                one.fence(*own)

    def outcome(self, kind, when):
        """The frames of this event by role, a list for each socket. Causes it at the first call."""
        if (kind, when) not in self.outcomes:
            self.outcomes[(kind, when)] = self._cause(kind, when)
        return self.outcomes[(kind, when)]

    def _cause(self, kind, when):
        nobody = Ws(self.daemon.ws_url(), how="none", ready=False)
        oneself = self.others
        if when.endswith(": oneself"):
            oneself = self.newcomers if "added" in when else self.targets
        sockets = {**self.sockets, "nobody": [nobody], "oneself": oneself}
        EVENTS[(kind, when)].prepare(self)
        self.fence()
        seen = {id(one): len(one.frames) for who in sockets for one in sockets[who]}
        made = EVENTS[(kind, when)].cause(self)
        if made is not None:
            sockets["sender"] = [made]
            seen[id(made)] = 0
        self.fence()
        for socket in sockets["deleted"]:
            assert socket.until_closed() == 4501
        nobody.send({"type": "ping"})
        nobody.until_closed()
        return {
            who: [
                [
                    frame
                    for frame in socket.frames[seen[id(socket)] :]
                    if frame["type"] == kind
                    and frame.get("content") != "fence"
                    and frame.get("online") is not False
                ]
                for socket in sockets[who]
            ]
            for who in sockets
        }

    def close(self):
        self.scenario.close()
        for one in self.extra:
            one.close()


class Event:
    """cause(stage) causes the event; it returns the new socket if that is the `sender`."""

    def __init__(self, cause, prepare=lambda stage: None):
        self.cause = cause
        self.prepare = prepare


def sends(receiver):
    def cause(stage):
        receiver_id = receiver(stage.scenario)
        stage.acting.ask(
            {"type": "send", "id": os.urandom(8).hex(), "receiver_id": receiver_id, "content": "x"},
            "ack",
        )

    return Event(cause)


def acts(answer, **frame):
    """The acting socket sends a frame and waits for the answer."""

    def cause(stage):
        named = {key: value(stage) if callable(value) else value for key, value in frame.items()}
        stage.acting.ask(named, answer)

    return Event(cause)


def shows(kind, **frame):
    """As acts(), for frames without an answer: waits until the owner has received the effect."""

    def prepare(stage):
        stage.owner.send(the_group(stage), "to be read")

    def cause(stage):
        named = {key: value(stage) if callable(value) else value for key, value in frame.items()}
        stage.acting.send(named)
        stage.sockets["owner"][0].until(kind, user_id=stage.sender.id)

    return Event(cause, prepare)


def owner_asks(method, path, body):
    def cause(stage):
        answer = stage.owner.request(
            method, path.format(group=stage.scenario.group_id, text=stage.scenario.text_id), body(stage.scenario)
        )
        assert answer.status_code in (200, 204), answer.text

    return Event(cause)


def appoints(stage):
    member = stage.scenario.people["member"][0]
    path = f"/groups/{the_group(stage)}/members/{member.id}/role"
    assert stage.owner.put(path, {"role": "admin"}).status_code == 204


def all_watch(stage):
    for socket in (one for who in stage.sockets if who != "deleted" for one in stage.sockets[who]):
        socket.send({"type": "presence", "watch": [stage.quiet.id]})
        socket.ask({"type": "sync", "after": {}}, "synced")


def connects(stage):
    """The watched user connects; waits until all who share a chat with them have received it."""
    stage.quiet.ws()
    for who in ("member", "owner"):
        for socket in stage.sockets[who]:
            socket.until("presence", online=True)


def is_deleted(stage):
    path = f"/users/delete_user/{stage.leaver.id}"
    assert stage.leaver.delete(path).status_code == 204


def the_group(stage):
    return stage.scenario.group_id


SYNC = {"type": "sync", "after": {}}
EVENTS = {
    ("ready", "a socket has its user"): Event(lambda stage: stage.sender.ws()),
    ("message", "a text is sent to the group"): sends(lambda s: s.group_id),
    ("message", "a text is sent to a user: oneself"): sends(lambda s: s.target.id),
    ("edited", "a text in the group is edited"): acts(
        "ack", type="edit", message_id=lambda stage: stage.scenario.text_id, content="edited"
    ),
    ("deleted", "a text in the group is deleted"): acts(
        "ack",
        type="delete",
        message_id=lambda stage: stage.sender.send(the_group(stage), "gone")["message_id"],
    ),
    ("reaction", "a text in the group is reacted to"): acts(
        "ack",
        type="react",
        message_id=lambda stage: stage.sender.send(the_group(stage), "liked")["message_id"],
        emoji="👍",
        on=True,
    ),
    ("pinned", "a pin in the group ends"): owner_asks(
        "DELETE", "/messages/{text}/pin", lambda s: None
    ),
    ("typing", "a user types in the group"): shows(
        "typing", type="typing", chat_id=the_group, is_typing=True
    ),
    ("read", "a user reads in the group"): shows(
        "read", type="read", chat_id=the_group, seq=1000
    ),
    ("presence", "a watched user comes"): Event(connects, all_watch),
    ("chat", "the group is renamed"): owner_asks(
        "PATCH", "/groups/{group}", lambda s: {"name": "renamed"}
    ),
    ("chat", "a role is changed"): Event(appoints),
    ("chat", "a user is added: oneself"): owner_asks(
        "POST",
        "/groups/add_user_to_group",
        lambda s: {"group_id": s.group_id, "user_id": s.newcomer.id},
    ),
    ("chat_removed", "a user is removed: oneself"): owner_asks(
        "POST",
        "/groups/remove_user_from_group",
        lambda s: {"group_id": s.group_id, "user_id": s.target.id},
    ),
    ("resync", "a member is deleted"): Event(is_deleted),
    ("ack", "a text is sent to the group"): sends(lambda s: s.group_id),
    ("messages", "a user syncs"): acts("synced", **SYNC),
    ("synced", "a user syncs"): acts("synced", **SYNC),
    ("pong", "a user pings"): acts("pong", type="ping"),
    ("error", "a frame fails"): acts("error", type="nonsense"),
}


@pytest.fixture(scope="module")
def stage(daemon):
    stage = PushScenario(daemon)
    yield stage
    stage.close()


@pytest.mark.parametrize("cell", cells(PUSHES).values(), ids=cells(PUSHES).keys())
def test_push(stage, cell):
    kind, when, who, says = cell
    assert says in ("yes", "no", "closed")
    for frames in stage.outcome(kind, when)[who]:
        if says != "yes":
            assert frames == []
        elif kind == "messages":  # one frame for each chat
            assert frames
        else:
            assert len(frames) == 1, frames
