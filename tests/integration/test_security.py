"""docs/security.md: who may do what. One test for each cell of its tables."""

import os
import re
import tempfile

import pytest
import requests

import expect
from access_matrix import Scenario, cells, snapshot, table
from access_requests import ROUTE_REQUESTS, FRAME_REQUESTS
from client import Http, Ws
from conftest import run_daemon
from raw_socket import exchange

ROUTES = table("route", "on")
FRAMES = table("frame", "on")
SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../daemon/command")


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
    """A scenario that only refusals are tried on, so that one serves all of them; its members look
    on, on both workers."""

    def __init__(self, daemon):
        self.scenario = Scenario(daemon)
        people = self.scenario.people
        self.watchers = [
            one for who in ("owner", "sender", "member", "oneself") for one in people[who]
        ]
        self.fence_id = self.watchers[0].group("all who look on", *self.watchers[1:])
        self.sockets = [self.watchers[0].ws()]
        for one in self.watchers[1:]:
            self.sockets.append(one.ws_elsewhere(self.sockets[-1]))
        self.actors = {}  # of the frames: one socket on each worker
        self.whole = True

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
def kept(daemon):
    kept = [Watched(daemon)]
    yield kept
    kept[0].scenario.close()


@pytest.fixture
def watched(daemon, kept):
    """The same for all, but for one that a test has found fault with, and perhaps broken."""
    if not kept[0].whole:
        kept[0].scenario.close()
        kept[0] = Watched(daemon)
    kept[0].whole = False
    yield kept[0]


@pytest.fixture
def scenario(daemon):
    scenario = Scenario(daemon)
    yield scenario
    scenario.close()


# --- routes ---


HASHES = {"POST /users/login", "PUT /users/me/password"}  # for whom one worker is dear enough


def shape(route):
    """A route without the names of its parameters."""
    return re.sub(r"\{\w+\}", "{}", route)


def test_the_table_has_every_route_and_no_other(daemon):
    described = requests.get(daemon.url("/openapi.json"), timeout=20).json()["paths"]
    routes = {shape(f"{method.upper()} {path}") for path in described for method in described[path]}
    assert {shape(route) for route, _ in ROUTES} == routes | {"GET /", "GET /ws"}
    assert set(ROUTE_REQUESTS) == set(ROUTES)


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


def ask(http, route, asked, scenario, one):
    method = route.split(" ")[0]
    if route == "GET /ws":
        return upgrade(scenario.daemon, one)
    headers = {**token_of(one), "Accept": "*/*"}
    return http.request(method, asked.path(scenario, one), asked.body(scenario, one), headers=headers)


def agrees(answer, cell, asked, scenario):
    """The answer is what the cell says, and does not say more than that."""
    status, _, code = cell.replace("empty", "200").partition(" ")
    if int(status) >= 400:
        expect.problem(answer, int(status), code or "bad_token")
    else:
        assert answer.status_code == int(status), answer.text[:300]
    if asked.shows and int(status) < 300:
        assert asked.shows(scenario, answer.json()) == (cell != "empty"), answer.text[:300]
    if int(status) >= 400 or cell == "empty":
        assert scenario.private_text not in answer.text


@pytest.mark.parametrize("cell", cells(ROUTES).values(), ids=cells(ROUTES).keys())
def test_route(daemon, connections, watched, request, cell):
    route, what, who, says = cell
    asked = ROUTE_REQUESTS[(route, what)]
    if says.startswith("2") and not route.startswith("GET "):
        allowed(daemon, connections, request.getfixturevalue("scenario"), cell)
        watched.whole = True
        return
    before = snapshot(daemon)
    for http in connections[: 1 if route in HASHES else None]:
        for one in watched.scenario.people[who] or [None]:
            agrees(ask(http, route, asked, watched.scenario, one), says, asked, watched.scenario)
    assert snapshot(daemon) == before, "it changed the database"
    if not says.startswith("2"):
        watched.is_quiet()
    watched.whole = True


def allowed(daemon, connections, scenario, cell):
    route, what, who, says = cell
    asked = ROUTE_REQUESTS[(route, what)]
    before = snapshot(daemon)
    http = connections[scenario.number % len(connections)]
    one = (scenario.people[who] or [None])[0]
    agrees(ask(http, route, asked, scenario, one), says, asked, scenario)
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


def test_the_table_has_every_command_and_no_other():
    assert {frame for frame, _ in FRAMES} == frame_types()
    assert set(FRAME_REQUESTS) == set(FRAMES)


def synced(socket):
    """All answers to what was sent before have come; a synced of an earlier one passes by, too."""
    socket.ask({"type": "sync", "after": {}}, "synced")


def told(socket, says, frame, scenario):
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
        assert socket.ask(frame, says)["user_id"] == scenario.target.id
    elif says in ("messages", "chat_removed"):
        socket.ask(frame, says, chat_id=scenario.group_id)
        socket.until("synced")
    else:
        expect.error_frame(socket.ask(frame, "error"), says)


def keeps_quiet(socket, seen, scenario):
    assert all(scenario.private_text not in str(frame) for frame in socket.frames[seen:])


@pytest.mark.parametrize("cell", cells(FRAMES).values(), ids=cells(FRAMES).keys())
def test_frame(daemon, watched, request, cell):
    kind, what, who, says = cell
    if kind == "auth" and "first" in what or who in ("nobody", "deleted"):
        first_frame(daemon, watched.scenario, cell)
    elif says in ("ack", "done"):
        obeyed(daemon, request.getfixturevalue("scenario"), cell)
    else:
        before = snapshot(daemon)
        for one in watched.scenario.people[who]:
            for socket in watched.sockets_of(one):
                seen = len(socket.frames)
                told(socket, says, FRAME_REQUESTS[(kind, what)](watched.scenario, one), watched.scenario)
                if says not in ("messages", "pong", "presence"):
                    keeps_quiet(socket, seen, watched.scenario)
        assert snapshot(daemon) == before, "it changed the database"
        watched.is_quiet()
    watched.whole = True


def first_frame(daemon, scenario, cell):
    """On sockets that have no user yet. Whose token has ended says so first, and is not heard
    further."""
    kind, what, who, says = cell
    before = snapshot(daemon)
    for one in scenario.people[who] or [None]:
        frame = FRAME_REQUESTS[(kind, what)](scenario, one)
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


def obeyed(daemon, scenario, cell):
    """The frame has its effect: a row changes, or others are shown that one types."""
    kind, what, who, says = cell
    one = scenario.people[who][0]
    other = scenario.people["member" if who == "owner" else "owner"][0]
    watcher = other.ws()
    socket = one.ws_elsewhere(watcher)
    frame = FRAME_REQUESTS[(kind, what)](scenario, one)
    before = snapshot(daemon)
    if says == "ack":
        told(socket, says, frame, scenario)
        assert snapshot(daemon) != before
    else:
        socket.send(frame)
        watcher.until(kind, chat_id=scenario.group_id, user_id=one.id)
        socket.drain()
        assert not socket.got("error")
        assert kind == "typing" or snapshot(daemon) != before
