"""Access control: a test for each cell of the tables of routes and commands in docs/security.md."""

import os
import tempfile

import pytest

import expect
from access_matrix import GROUP_ROLES, Scenario, cells, snapshot, table
from access_requests import ROUTE_REQUESTS, FRAME_REQUESTS
from client import Http, Ws
from conftest import run_daemon
from raw_socket import exchange, upgrade_request
from routes import all_routes, commands, description, shape

ROUTES = {**table("route", "on"), **table("route", "on", GROUP_ROLES)}
COMMANDS = {**table("frame", "on"), **table("frame", "on", GROUP_ROLES)}


@pytest.fixture(scope="module")
def daemon(cluster):
    with tempfile.TemporaryDirectory(prefix="parley-web-") as root:
        os.chmod(root, 0o755)
        with open(os.path.join(root, "index.html"), "w", encoding="utf-8") as file:
            file.write("<!doctype html><title>parley</title>")
        yield from run_daemon(cluster, web_root=root)


@pytest.fixture(scope="module")
def connections(daemon):
    """An HTTP connection without a token to each worker."""

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


class RejectionScenario:
    """A scenario for rejected requests only, so that all tests can share it. Sockets of its members
    on both workers must not be pushed anything."""

    def __init__(self, daemon):
        self.scenario = Scenario(daemon)
        people = self.scenario.people
        self.watchers = [
            one for who in ("owner", "sender", "member", "oneself") for one in people[who]
        ]
        self.fence_id = self.watchers[0].group("watchers", *self.watchers[1:])
        self.sockets = [self.watchers[0].ws()]
        for one in self.watchers[1:]:
            self.sockets.append(one.ws_elsewhere(self.sockets[-1]))
        self.actors = {}  # user id: one socket on each worker
        self.intact = True

    def sockets_of(self, one):
        if one.id not in self.actors:
            self.actors[one.id] = one.ws_on_each()
        return self.actors[one.id]

    def check_no_pushes(self):
        """The next push is the message that is sent now."""
        fence = self.watchers[0].send(self.fence_id, "fence")["message_id"]
        for socket in self.sockets:
            seen = len(socket.frames)
            socket.until("message", message_id=fence)
            pushed = socket.frames[seen:-1]
            assert not pushed, pushed


@pytest.fixture(scope="module")
def kept(daemon):
    kept = [RejectionScenario(daemon)]
    yield kept
    kept[0].scenario.close()


@pytest.fixture
def rejections(daemon, kept):
    """The shared scenario; a new one after a failed test, which may have changed it."""
    if not kept[0].intact:
        kept[0].scenario.close()
        kept[0] = RejectionScenario(daemon)
    kept[0].intact = False
    yield kept[0]


@pytest.fixture
def scenario(daemon):
    scenario = Scenario(daemon)
    yield scenario
    scenario.close()


# --- routes ---


HASHES = {"POST /users/login", "PUT /users/me/password"}  # slow: tested on one worker only


def test_the_table_has_every_route_and_no_other(daemon):
    routes = {shape(str(route)) for route in all_routes(description(daemon))}
    assert {shape(route) for route, _ in ROUTES} == routes | {"GET /", "GET /ws"}
    assert set(ROUTE_REQUESTS) == set(ROUTES)


def token_of(one):
    return {} if one is None else {"Authorization": f"Bearer {one.token}"}


def request_as(http, route, row, scenario, one):
    if route == "GET /ws":
        return exchange(scenario.daemon.port, upgrade_request(one and one.token))
    headers = {**token_of(one), "Accept": "*/*"}
    path, body = row.path(scenario, one), row.body(scenario, one)
    return http.request(route.split(" ")[0], path, body, headers=headers)


def check_answer(answer, cell, row, scenario):
    """Compares an answer with its cell; a rejection reveals no private text."""
    status, _, code = cell.replace("empty", "200").partition(" ")
    if int(status) >= 400:
        expect.problem(answer, int(status), code or "bad_token")
    else:
        assert answer.status_code == int(status), answer.text[:300]
    if row.shows and int(status) < 300:
        assert row.shows(scenario, answer.json()) == (cell != "empty"), answer.text[:300]
    if int(status) >= 400 or cell == "empty":
        assert scenario.private_text not in answer.text


@pytest.mark.parametrize("cell", cells(ROUTES).values(), ids=cells(ROUTES).keys())
def test_access_to_route(daemon, connections, rejections, request, cell):
    route, what, who, says = cell
    row = ROUTE_REQUESTS[(route, what)]
    if says.startswith("2") and not route.startswith("GET "):
        check_allowed(daemon, connections, request.getfixturevalue("scenario"), cell)
        rejections.intact = True
        return
    before = snapshot(daemon)
    for http in connections[: 1 if route in HASHES else None]:
        for one in rejections.scenario.people[who] or [None]:
            answer = request_as(http, route, row, rejections.scenario, one)
            check_answer(answer, says, row, rejections.scenario)
    assert snapshot(daemon) == before, "the database changed"
    if not says.startswith("2"):
        rejections.check_no_pushes()
    rejections.intact = True


def check_allowed(daemon, connections, scenario, cell):
    """A successful request, in a scenario of its own."""
    route, what, who, says = cell
    row = ROUTE_REQUESTS[(route, what)]
    before = snapshot(daemon)
    http = connections[scenario.number % len(connections)]
    one = (scenario.people[who] or [None])[0]
    check_answer(request_as(http, route, row, scenario, one), says, row, scenario)
    if row.changes is not None:
        assert (snapshot(daemon) != before) == row.changes, "a change of the database"


# --- commands: frames to the server ---


def test_the_table_has_every_command_and_no_other():
    assert {frame for frame, _ in COMMANDS} == commands()
    assert set(FRAME_REQUESTS) == set(COMMANDS)


def read_answers(socket):
    """Reads the answers to all frames sent before."""
    socket.ask({"type": "sync", "after": {}}, "synced")


def check_reply(socket, says, frame, scenario):
    """Sends the frame and compares the answer with its cell."""
    seen = len(socket.frames)
    if says == "nothing":
        socket.send(frame)
        read_answers(socket)
        received = {one["type"] for one in socket.frames[seen:]} - {"messages", "synced"}
        assert not received, received
    elif says in ("ack", "pong"):
        socket.ask(frame, says)
    elif says == "presence":
        assert socket.ask(frame, says)["user_id"] == scenario.target.id
    elif says in ("messages", "chat_removed"):
        socket.ask(frame, says, chat_id=scenario.group_id)
        socket.until("synced")
    else:
        expect.error_frame(socket.ask(frame, "error"), says)


def check_nothing_private(socket, seen, scenario):
    assert all(scenario.private_text not in str(frame) for frame in socket.frames[seen:])


@pytest.mark.parametrize("cell", cells(COMMANDS).values(), ids=cells(COMMANDS).keys())
def test_access_to_command(daemon, rejections, request, cell):
    kind, what, who, says = cell
    if kind == "auth" and "first" in what or who in ("nobody", "deleted"):
        check_first_frame(daemon, rejections.scenario, cell)
    elif says in ("ack", "done"):
        check_executed(daemon, request.getfixturevalue("scenario"), cell)
    else:
        before = snapshot(daemon)
        for one in rejections.scenario.people[who]:
            for socket in rejections.sockets_of(one):
                seen = len(socket.frames)
                frame = FRAME_REQUESTS[(kind, what)](rejections.scenario, one)
                check_reply(socket, says, frame, rejections.scenario)
                if says not in ("messages", "pong", "presence"):
                    check_nothing_private(socket, seen, rejections.scenario)
        assert snapshot(daemon) == before, "the database changed"
        rejections.check_no_pushes()
    rejections.intact = True


def check_first_frame(daemon, scenario, cell):
    """The frame on a socket without a user. The deleted user sends its token first: the frame
    behind it must not be executed."""
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
    assert snapshot(daemon) == before, "the database changed"


def check_executed(daemon, scenario, cell):
    """The frame takes effect: a row changes, or another member receives the typing state."""
    kind, what, who, says = cell
    one = scenario.people[who][0]
    other = scenario.people["member" if who == "owner" else "owner"][0]
    watcher = other.ws()
    socket = one.ws_elsewhere(watcher)
    frame = FRAME_REQUESTS[(kind, what)](scenario, one)
    before = snapshot(daemon)
    if says == "ack":
        check_reply(socket, says, frame, scenario)
        assert snapshot(daemon) != before
    else:
        socket.send(frame)
        watcher.until(kind, chat_id=scenario.group_id, user_id=one.id)
        socket.drain()
        assert not socket.got("error")
        assert kind == "typing" or snapshot(daemon) != before
