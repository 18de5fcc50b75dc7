"""docs/security.md: who may do what. One test for each cell of its tables."""

import os
import re
import tempfile

import pytest
import requests

import checks
from client import Http, Ws
from conftest import run_daemon
from raw import exchange
from rights import PASSWORD, Scene, cells, snapshot, table
from waiting import wait_for

ROUTES = table("route", "on")
FRAMES = table("frame", "on")
SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../daemon")


@pytest.fixture(scope="module")
def daemon(cluster):
    with tempfile.TemporaryDirectory(prefix="parley-web-") as root:
        os.chmod(root, 0o755)
        with open(os.path.join(root, "index.html"), "w", encoding="utf-8") as file:
            file.write("<!doctype html><title>parley</title>")
        yield from run_daemon(cluster, web_root=root)


@pytest.fixture(scope="module")
def connections(daemon):
    """A connection without a token to each worker."""

    def counts():
        return {worker["slot"]: worker["http_requests"] for worker in daemon.workers()}

    found = {}
    tried = []
    while len(found) < daemon.settings["workers"]:
        http = Http(daemon.url(""))
        tried.append(http)
        assert len(tried) < 40, "40 connections, all on one worker"
        before = counts()
        for _ in range(3):
            http.get("/healthz")
        after = counts()
        found.setdefault(max(after, key=lambda slot: after[slot] - before[slot]), http)
    yield list(found.values())
    for http in tried:
        http.close()


class Watched:
    """A scene that only refusals are tried on, so that one serves all of them; its members look
    on, on both workers."""

    def __init__(self, daemon):
        self.scene = Scene(daemon)
        people = self.scene.people
        self.watchers = [
            one for who in ("owner", "sender", "member", "oneself") for one in people[who]
        ]
        self.fence_id = self.watchers[0].group("all who look on", *self.watchers[1:])
        self.sockets = [self.watchers[0].ws()]
        for one in self.watchers[1:]:
            self.sockets.append(one.ws_elsewhere(self.sockets[-1]))
        self.actors = {}  # of the frames: one socket on each worker

    def sockets_of(self, one):
        if one.id not in self.actors:
            self.actors[one.id] = one.ws_on_each()
        return self.actors[one.id]

    def is_quiet(self):
        """Nobody was pushed anything: the next that comes is what is sent now."""
        fence = self.watchers[0].send(self.fence_id, "fence")["message_id"]
        for socket in self.sockets:
            seen = len(socket.frames)
            socket.until("message", message_id=fence)
            pushed = socket.frames[seen:-1]
            assert not pushed, pushed


@pytest.fixture(scope="module")
def watched(daemon):
    watched = Watched(daemon)
    yield watched
    watched.scene.close()


@pytest.fixture
def scene(daemon):
    scene = Scene(daemon)
    yield scene
    scene.close()


# --- routes ---


class Route:
    """How the row is asked: path and body, from the scene and whoever asks (None: nobody).

    shows: whether the answer has what the row is about; the status alone where it is None.
    changes: whether a success changes the database; None where it depends.
    """

    def __init__(self, path="", body=None, shows=None, changes=True):
        self.path = path if callable(path) else lambda s, me: path
        self.body = body if callable(body) else lambda s, me: body
        self.shows = shows
        self.changes = changes


def has(list_name, key, value):
    """Whether one of the answer's list has this value."""
    return lambda s, answer: any(one[key] == value(s) for one in answer[list_name])


def registration(s, _):
    return {"username": f"registered.{s.number}", "full_name": "R", "password": PASSWORD}


def log_in(password):
    """As the deleted account, or as the target."""
    return lambda s, me: {"username": (me or s.target).username, "password": password}


def to(receiver, **more):
    return lambda s, me: {"receiver_id": receiver(s), "content": "x", **more}


def in_group(user=None):
    def body(s, me):
        named = {} if user is None else {"user_id": user(s, me)}
        return {"group_id": s.group_id, **named}

    return body


def typing(chat):
    return lambda s, _: {"is_typing": True, "typing_chat_id": chat(s)}


def group(s, _=None):
    return s.group_id


def target(s, _=None):
    return s.target.id


def deleted(s, _=None):
    return s.deleted.id


READ = {"shows": lambda s, answer: answer["read"] > 0}
HISTORY = {"shows": lambda s, answer: bool(answer["messages"])}
TEXTS = {
    "a text in the group": lambda s, me: s.text_id,
    "a text in a direct chat": lambda s, me: s.direct_id,
    "a former member's text": lambda s, me: s.former_text(me),
    "a join": lambda s, me: s.join_id,
    "a deleted text": lambda s, me: s.erased_id,
}
HASHES = {"POST /users/login", "PUT /users/me/password"}  # for whom one worker is dear enough
NEW_NAME = {"full_name": "Somebody else"}
ASKED = {
    ("POST /users/register", "a new account"): Route("/users/register", registration),
    ("POST /users/login", "a right password"): Route("/users/login", log_in(PASSWORD)),
    ("POST /users/login", "a wrong password"): Route("/users/login", log_in("is not it")),
    ("POST /users/logout", "one's token"): Route("/users/logout"),
    ("GET /users/me", ""): Route("/users/me"),
    ("PATCH /users/me", ""): Route("/users/me", NEW_NAME),
    ("PUT /users/me/password", "with the old one"): Route(
        "/users/me/password", {"old_password": PASSWORD, "new_password": "battery staple"}
    ),
    ("PUT /users/me/password", "without the old one"): Route(
        "/users/me/password", {"old_password": "is not it", "new_password": "battery staple"}
    ),
    ("GET /users/search", "a user"): Route(
        lambda s, _: f"/users/search?q={s.target.username}", shows=has("users", "user_id", target)
    ),
    ("GET /users/search", "a deleted user"): Route(
        lambda s, _: f"/users/search?q={s.deleted.username}", shows=has("users", "user_id", deleted)
    ),
    ("GET /users/user_id/{username}", "a user"): Route(
        lambda s, _: f"/users/user_id/{s.target.username}"
    ),
    ("GET /users/user_id/{username}", "a deleted user"): Route(
        lambda s, _: f"/users/user_id/{s.deleted.username}"
    ),
    ("GET /users/username/{user_id}", "a user"): Route(
        lambda s, _: f"/users/username/{s.target.id}"
    ),
    ("GET /users/username/{user_id}", "a deleted user"): Route(
        lambda s, _: f"/users/username/{s.deleted.id}"
    ),
    ("DELETE /users/delete_user/{user_id}", "a user"): Route(
        lambda s, _: f"/users/delete_user/{s.target.id}"
    ),
    **{
        ("POST /users/set_typing_status", what): Route(
            "/users/set_typing_status", typing(chat), changes=False
        )
        for what, chat in (("the group", group), ("a user", target), ("a deleted user", deleted))
    },
    ("GET /users/presence", "a user"): Route(
        lambda s, _: f"/users/presence?ids={s.target.id}", shows=has("presence", "user_id", target)
    ),
    **{
        ("POST /messages/send_message", what): Route("/messages/send_message", to(chat))
        for what, chat in (("the group", group), ("a user", target), ("a deleted user", deleted))
    },
    ("POST /messages/send_message", "in a user's name"): Route(
        "/messages/send_message", lambda s, me: {**to(group)(s, me), "sender_id": s.target.id}
    ),
    ("PUT /messages/read", "the group's"): Route(
        "/messages/read", lambda s, _: {"message_ids": [s.last_id]}, **READ
    ),
    ("PUT /messages/read", "a direct chat's"): Route(
        "/messages/read", lambda s, _: {"message_ids": [s.direct_id]}, **READ, changes=None
    ),
    ("PUT /messages/read", "in a user's name"): Route(
        "/messages/read",
        lambda s, _: {"message_ids": [s.last_id], "user_id": s.target.id},
        **READ,
    ),
    **{
        ("GET /messages/{chat_id}", what): Route(
            lambda s, _, chat=chat: f"/messages/{chat(s)}", **HISTORY
        )
        for what, chat in (("the group", group), ("a user", target), ("a deleted user", deleted))
    },
    **{
        ("PATCH /messages/{message_id}", what): Route(
            lambda s, me, text=text: f"/messages/{text(s, me)}", {"content": "edited"}
        )
        for what, text in TEXTS.items()
    },
    **{
        ("DELETE /messages/{message_id}", what): Route(
            lambda s, me, text=text: f"/messages/{text(s, me)}"
        )
        for what, text in TEXTS.items()
        if what != "a deleted text"
    },
    ("GET /chats", "the group"): Route("/chats", shows=has("chats", "chat_id", group)),
    ("POST /groups/create_group", "a new group"): Route("/groups/create_group", {"name": "new"}),
    ("GET /groups/{group_id}", "the group"): Route(lambda s, _: f"/groups/{s.group_id}"),
    ("PATCH /groups/{group_id}", "the group"): Route(
        lambda s, _: f"/groups/{s.group_id}", {"name": "renamed"}
    ),
    ("POST /groups/add_user_to_group", "a user"): Route(
        "/groups/add_user_to_group", in_group(lambda s, _: s.newcomer.id)
    ),
    ("POST /groups/add_user_to_group", "a deleted user"): Route(
        "/groups/add_user_to_group", in_group(deleted)
    ),
    ("POST /groups/add_user_to_group", "the caller"): Route(
        "/groups/add_user_to_group",
        in_group(lambda s, me: (me or s.newcomer).id),
        changes=False,  # who may is in already
    ),
    ("POST /groups/remove_user_from_group", "a member"): Route(
        "/groups/remove_user_from_group", in_group(target)
    ),
    ("POST /groups/remove_user_from_group", "no member"): Route(
        "/groups/remove_user_from_group", in_group(lambda s, _: s.newcomer.id)
    ),
    ("POST /groups/leave_group", "the group"): Route("/groups/leave_group", in_group()),
    ("GET /healthz", ""): Route("/healthz"),
    ("GET /openapi.json", ""): Route("/openapi.json"),
    ("GET /", "the page"): Route("/"),
    ("GET /ws", "with the token"): Route("/ws"),
}


def shape(route):
    """A route without the names of its parameters."""
    return re.sub(r"\{\w+\}", "{}", route)


def test_the_table_has_every_route_and_no_other(daemon):
    described = requests.get(daemon.url("/openapi.json"), timeout=20).json()["paths"]
    routes = {shape(f"{method.upper()} {path}") for path in described for method in described[path]}
    assert {shape(route) for route, _ in ROUTES} == routes | {"GET /", "GET /ws"}
    assert set(ASKED) == set(ROUTES)


def token_of(one):
    return {} if one is None else {"Authorization": f"Bearer {one.token}"}


def upgrade(daemon, one):
    """The answer to a handshake by hand."""
    head = (
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in token_of(one).items())
    return exchange(daemon.port, f"{head}{lines}\r\n".encode())


def ask(http, route, asked, scene, one):
    method = route.split(" ")[0]
    if route == "GET /ws":
        return upgrade(scene.daemon, one)
    headers = {**token_of(one), "Accept": "*/*"}
    return http.request(method, asked.path(scene, one), asked.body(scene, one), headers=headers)


def agrees(answer, cell, asked, scene):
    """The answer is what the cell says, and does not say more than that."""
    status, _, code = cell.replace("empty", "200").partition(" ")
    if int(status) >= 400:
        checks.problem(answer, int(status), code or "bad_token")
    else:
        assert answer.status_code == int(status), answer.text[:300]
    if asked.shows and int(status) < 300:
        assert asked.shows(scene, answer.json()) == (cell != "empty"), answer.text[:300]
    if int(status) >= 400 or cell == "empty":
        assert scene.words not in answer.text


@pytest.mark.parametrize("cell", cells(ROUTES).values(), ids=cells(ROUTES).keys())
def test_route(daemon, connections, watched, request, cell):
    route, what, who, says = cell
    asked = ASKED[(route, what)]
    if says.startswith("2") and not route.startswith("GET "):
        allowed(daemon, connections, request.getfixturevalue("scene"), cell)
        return
    before = snapshot(daemon)
    for http in connections[: 1 if route in HASHES else None]:
        for one in watched.scene.people[who] or [None]:
            agrees(ask(http, route, asked, watched.scene, one), says, asked, watched.scene)
    assert snapshot(daemon) == before, "it changed the database"
    if not says.startswith("2"):
        watched.is_quiet()


def allowed(daemon, connections, scene, cell):
    route, what, who, says = cell
    asked = ASKED[(route, what)]
    before = snapshot(daemon)
    http = connections[scene.number % len(connections)]
    one = (scene.people[who] or [None])[0]
    agrees(ask(http, route, asked, scene, one), says, asked, scene)
    if asked.changes is not None:
        assert (snapshot(daemon) != before) == asked.changes, "whether it changed the database"


# --- frames to the server ---


def frame_types():
    """What command.c's table and its first frame know, from the source: nothing else tells."""
    names = {"auth"}
    for name in sorted(os.listdir(SOURCES)):
        if name == "command.c" or name.startswith("cmd_") and name.endswith(".c"):
            with open(os.path.join(SOURCES, name), encoding="utf-8") as file:
                names |= set(re.findall(r"^\t\.name = \"(\w+)\"", file.read(), re.MULTILINE))
    return names


def change(kind, text, **more):
    return lambda s, me: {
        "type": kind,
        "id": "change",
        "message_id": text(s, me),
        **more,
    }


def sending(receiver):
    return lambda s, _: {"type": "send", "id": "x", "receiver_id": receiver(s), "content": "x"}


TOLD = {
    ("auth", "one's token, first"): lambda s, me: {
        "type": "auth",
        "token": me.token if me else "A" * 43,
    },
    ("auth", "another's token, later"): lambda s, _: {"type": "auth", "token": s.owner.token},
    **{
        ("send", what): sending(chat)
        for what, chat in (("the group", group), ("a user", target), ("a deleted user", deleted))
    },
    ("typing", "the group"): lambda s, _: {
        "type": "typing",
        "chat_id": s.group_id,
        "is_typing": True,
    },
    ("read", "the group"): lambda s, _: {"type": "read", "chat_id": s.group_id, "seq": 1000},
    **{
        (kind, what): change(kind, text, **more)
        for kind, more in (("edit", {"content": "edited"}), ("delete", {}))
        for what, text in TEXTS.items()
        if what != "a deleted text"
    },
    ("sync", "the group"): lambda s, _: {"type": "sync", "after": {str(s.group_id): 0}},
    ("presence", "a user"): lambda s, _: {"type": "presence", "watch": [s.target.id]},
    ("ping", ""): lambda s, _: {"type": "ping"},
}


def test_the_table_has_every_command_and_no_other():
    assert {frame for frame, _ in FRAMES} == frame_types()
    assert set(TOLD) == set(FRAMES)


def synced(socket):
    """All answers to what was sent before have come; a synced of an earlier one passes by, too."""
    socket.ask({"type": "sync", "after": {}}, "synced")


def told(socket, says, frame, scene):
    """The answer to the frame is what the cell says."""
    seen = len(socket.frames)
    if says == "nothing":
        socket.send(frame)
        synced(socket)
        came = {one["type"] for one in socket.frames[seen:]} - {"messages", "synced"}
        assert not came, came
    elif says in ("ack", "pong"):
        socket.ask(frame, says)
    elif says == "presence":
        assert socket.ask(frame, says)["user_id"] == scene.target.id
    elif says in ("messages", "chat_removed"):
        socket.ask(frame, says, chat_id=scene.group_id)
        socket.until("synced")
    else:
        checks.error_frame(socket.ask(frame, "error"), says)


def keeps_quiet(socket, seen, scene):
    assert all(scene.words not in str(frame) for frame in socket.frames[seen:])


@pytest.mark.parametrize("cell", cells(FRAMES).values(), ids=cells(FRAMES).keys())
def test_frame(daemon, watched, request, cell):
    kind, what, who, says = cell
    if kind == "auth" and "first" in what or who in ("nobody", "deleted"):
        first_frame(daemon, watched.scene, cell)
    elif says in ("ack", "done"):
        obeyed(daemon, request.getfixturevalue("scene"), cell)
    else:
        before = snapshot(daemon)
        for one in watched.scene.people[who]:
            for socket in watched.sockets_of(one):
                seen = len(socket.frames)
                told(socket, says, TOLD[(kind, what)](watched.scene, one), watched.scene)
                if says not in ("messages", "pong", "presence"):
                    keeps_quiet(socket, seen, watched.scene)
        assert snapshot(daemon) == before, "it changed the database"
        watched.is_quiet()


def first_frame(daemon, scene, cell):
    """On sockets that have no user yet. Whose token has ended says so first, and is not heard
    further."""
    kind, what, who, says = cell
    before = snapshot(daemon)
    for one in scene.people[who] or [None]:
        frame = TOLD[(kind, what)](scene, one)
        socket = Ws(daemon.ws_url(), how="none", ready=False)
        if who == "deleted" and "first" not in what:
            socket.send_all([{"type": "auth", "token": one.token}, frame])
        else:
            socket.send(frame)
        if says == "ready":
            assert socket.until("ready")["user_id"] == one.id
        else:
            assert socket.until_closed() == int(says)
            assert socket.frames == []
        socket.close()
    assert snapshot(daemon) == before, "it changed the database"


def obeyed(daemon, scene, cell):
    """The frame has its effect: a row changes, or others are shown that one types."""
    kind, what, who, says = cell
    one = scene.people[who][0]
    other = scene.people["member" if who == "owner" else "owner"][0]
    watcher = other.ws()
    socket = one.ws_elsewhere(watcher)
    frame = TOLD[(kind, what)](scene, one)
    before = snapshot(daemon)
    if says == "ack":
        told(socket, says, frame, scene)
        assert snapshot(daemon) != before
    else:
        socket.send(frame)
        watcher.until(kind, chat_id=scene.group_id, user_id=one.id)
        socket.drain()
        assert not socket.got("error")
        assert kind == "typing" or snapshot(daemon) != before
