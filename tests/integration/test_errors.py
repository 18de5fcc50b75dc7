"""Errors over HTTP: every code, its shape, and the order of checks (docs/api.md).

404 of the route, 405, 401, 415, 413, 400, 422, then 403, 404 and 409 of the object. Each request
breaks one rule and all later ones, so that a check in the wrong order gives another status.
"""

import json
import pathlib
import re

import pytest

import expect
from expect import UNUSED_ID
from raw_socket import exchange
from routes import all_routes, check_each, description, shape

MIB = 1024 * 1024
ERROR_DEF = pathlib.Path(__file__).parents[2] / "common" / "error.def"


@pytest.fixture(scope="module")
def routes(daemon):
    return all_routes(description(daemon))


@pytest.fixture(scope="module")
def routes_with_body(routes):
    return [route for route in routes if route.body]


def methods_of(routes, path):
    """All methods of a path, whatever its parameters are called."""
    return {route.method for route in routes if shape(route.template) == shape(path)}


def raw_request(who, method, path, head="", body=b"", token=True):
    """A request with a head of our own; the answer is read while the request is being sent."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    if token:
        lines.append(f"Authorization: Bearer {who.token}")
    text = "\r\n".join(lines) + "\r\n" + head + f"Content-Length: {len(body)}\r\n\r\n"
    return exchange(who.daemon.port, text.encode() + body)


# --- the order of checks ---


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/nope"),
        ("PUT", "/users"),
        ("DELETE", "/users/nope/1"),
        ("GET", "/users/me/x"),
        ("PATCH", "/groups/1/2"),
        ("POST", "/messages/1/x/y"),
        ("POST", "//users/login"),
    ],
)
def test_an_unknown_path_is_404_before_all_else(alice, method, path):
    for token in (True, False):
        answer = raw_request(alice, method, path, "Content-Type: text/plain\r\n", b"{", token)
        expect.problem(answer, 404, "no_such_route")


def test_another_method_is_405_with_allow_before_401(alice, routes):
    def check(route):
        methods = methods_of(routes, route.template)
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods:
            answer = raw_request(
                alice, method, route.path, "Content-Type: text/plain\r\n", b"{", token=False
            )
            expect.problem(answer, 405, "method_not_allowed")
            allowed = {one.strip() for one in answer.headers["Allow"].split(",")}
            assert methods <= allowed
            assert method not in allowed
            assert allowed - methods <= {"HEAD", "OPTIONS"}

    check_each({route.path: route for route in routes}.values(), check)


def test_no_token_is_401_before_415_413_and_400(alice, routes):
    def check(route):
        expect.problem(raw_request(alice, route.method, route.path, token=False), 401, "bad_token")
        if route.body:
            head = "Content-Type: text/plain\r\n"
            body = b"{" * (MIB + 1)
            answer = raw_request(alice, route.method, route.path, head, body, token=False)
            expect.problem(answer, 401, "bad_token")

    check_each([route for route in routes if route.needs_token], check)


@pytest.mark.parametrize("path", ["/messages/x", "/groups/x", "/users/username/x"])
def test_no_token_is_401_before_a_bad_path(http, path):
    expect.problem(http.get(path), 401)


def test_a_body_that_is_not_json_is_415_before_413_and_400(alice, routes_with_body):
    def check(route):
        for kind in (
            "Content-Type: text/plain\r\n",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            "",
            "Content-Type: application/jsonx\r\n",
        ):
            answer = raw_request(alice, route.method, route.path, kind, b"{")
            expect.problem(answer, 415, "not_json")
        head, body = "Content-Type: text/plain\r\n", b"{" * (MIB + 1)
        answer = raw_request(alice, route.method, route.path, head, body)
        expect.problem(answer, 415, "not_json")

    check_each(routes_with_body, check)


def test_a_body_over_1_mib_is_413_before_400(alice, routes_with_body):
    def check(route):
        head, body = "Content-Type: application/json\r\n", b"{" * (MIB + 1)
        answer = raw_request(alice, route.method, route.path, head, body)
        expect.problem(answer, 413, "too_large")

    check_each(routes_with_body, check)


def test_a_body_of_1_mib_is_accepted(alice, bob):
    body = json.dumps({"receiver_id": bob.id, "content": "x", "pad": ""}).encode()
    body = body[:-2] + b"p" * (MIB - len(body)) + body[-2:]
    assert len(body) == MIB
    answer = alice.post(
        "/messages/send_message", data=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 201


def test_malformed_json_is_400_before_422(alice, routes_with_body):
    def check(route):
        for body in (b"{", b"", b'{"content":1,}'):
            head = "Content-Type: application/json\r\n"
            answer = raw_request(alice, route.method, route.path, head, body)
            expect.problem(answer, 400, "bad_json")

    check_each(routes_with_body, check)


def test_an_id_that_is_no_number_is_400_before_422(alice, routes_with_body):
    def check(route):
        path = route.template.replace(f"{{{route.ids[0]}}}", "x")
        expect.problem(alice.request(route.method, path, {}), 400, "bad_path")

    check_each([route for route in routes_with_body if route.ids], check)


def test_a_missing_field_is_422_before_403_and_404(alice, routes_with_body):
    def check(route):
        expect.problem(alice.request(route.method, route.path, {}), 422, "invalid")

    check_each([route for route in routes_with_body if route.body["required"]], check)


def test_a_bad_field_is_422_before_403_404_and_409(alice, bob, username):
    theirs = bob.send(alice.id, "bob's")["message_id"]
    group = bob.group("bob's", alice)
    for method, path, body in (
        ("PATCH", f"/messages/{theirs}", {"content": ""}),
        ("PATCH", f"/messages/{UNUSED_ID}", {"content": ""}),
        ("PATCH", f"/groups/{group}", {"name": ""}),
        ("PATCH", f"/groups/{UNUSED_ID}", {"name": ""}),
        (
            "POST",
            "/messages/send_message",
            {"sender_id": bob.id, "receiver_id": UNUSED_ID, "content": ""},
        ),
        ("PUT", "/messages/read", {"user_id": bob.id, "message_ids": []}),
        ("PUT", "/users/me/password", {"old_password": "wrong one", "new_password": "short"}),
        (
            "POST",
            "/users/register",
            {"username": alice.username, "full_name": "", "password": "long enough"},
        ),
    ):
        expect.problem(alice.request(method, path, body), 422, "invalid")
    expect.problem(alice.get(f"/messages/{UNUSED_ID}?limit=0"), 422, "invalid")


def test_403_of_the_body_comes_before_404_of_the_thing(alice, bob):
    expect.problem(
        alice.post(
            "/messages/send_message", {"sender_id": bob.id, "receiver_id": UNUSED_ID, "content": "x"}
        ),
        403,
    )


# --- accepted requests ---


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"],
)
def test_json_with_parameters_and_in_any_case_is_json(alice, kind):
    answer = alice.patch("/users/me", data=b'{"full_name":"A"}', headers={"Content-Type": kind})
    assert answer.status_code == 200


def test_a_request_without_a_body_needs_no_content_type(alice, bob):
    path = f"/messages/{alice.send(bob.id, 'x')['message_id']}"
    assert alice.delete(path).status_code == 204
    assert alice.post("/users/logout").status_code == 204


def test_a_head_over_16_kib_is_431(alice):
    expect.problem(
        raw_request(alice, "GET", "/users/me", f"X-Pad: {'x' * 17000}\r\n"),
        431,
        "headers_too_large",
    )
    many = "".join(f"X-Pad-{i}: {'x' * 100}\r\n" for i in range(170))
    expect.problem(raw_request(alice, "GET", "/users/me", many), 431, "headers_too_large")
    assert raw_request(alice, "GET", "/users/me", f"X-Pad: {'x' * 15000}\r\n").status_code == 200


# --- every code ---


def test_every_code_has_its_status(alice, bob, carol, http, daemon, username):
    """Every entry of common/error.def is caused once, or names the test that causes it."""
    elsewhere = {
        "unavailable": "test_faults",
        "too_many": "test_limits",
        "not_allowed": "test_pins",
        "too_many_requests": "test_limits",
        "too_many_sockets": "test_limits",
        "headers_too_large": "this file",
        "too_large": "this file",
        "search_not_ready": "test_search",
        "internal": "none: it is a bug of the daemon",
        "unknown_type": "test_ws_auth",
        "already_authenticated": "test_ws_auth",
    }
    group = alice.group("errors", bob)
    closed = alice.group("closed", bob)
    alice.patch(f"/groups/{closed}", {"adding": "admins"})
    alice.put(f"/groups/{closed}/bans/{carol.id}")
    sent = alice.send(group, "x")["message_id"]
    join = alice.history(group)[0]["message_id"]
    json_type = {"Content-Type": "application/json"}
    http.post(
        "/users/register", {"username": username, "full_name": "P", "password": "correct horse"}
    )
    login = http.post("/users/login", {"username": username, "password": "correct horse"}).json()
    own = {"Authorization": f"Bearer {login['access_token']}"}
    cookie = {"Cookie": f"parley_session={alice.token}", "Origin": "https://evil.example"}
    raised = {
        "bad_json": alice.post("/groups/create_group", data=b"{", headers=json_type),
        "bad_request": exchange(daemon.port, b"NONSENSE\r\n\r\n"),
        "bad_path": alice.get("/groups/x"),
        "bad_token": http.get("/users/me"),
        "bad_login": http.post(
            "/users/login", {"username": username, "password": "wrong password"}
        ),
        "not_yourself": alice.delete(f"/users/delete_user/{bob.id}"),
        "bad_origin": http.post("/groups/create_group", {"name": "x"}, headers=cookie),
        "wrong_password": http.put(
            "/users/me/password",
            {"old_password": "wrong one", "new_password": "long enough"},
            headers=own,
        ),
        "not_owner": bob.put(f"/groups/{group}/members/{alice.id}/role", {"role": "member"}),
        "not_admin": bob.patch(f"/groups/{group}", {"name": "x"}),
        "not_allowed": bob.post(
            "/groups/add_user_to_group", {"group_id": closed, "user_id": carol.id}
        ),
        "banned": alice.post(
            "/groups/add_user_to_group", {"group_id": closed, "user_id": carol.id}
        ),
        "no_such_invite": bob.get("/invites/x"),
        "not_sender": bob.patch(f"/messages/{sent}", {"content": "x"}),
        "not_text": alice.patch(f"/messages/{join}", {"content": "x"}),
        "no_such_route": http.post("/nope", {}),
        "no_such_user": alice.get(f"/users/username/{UNUSED_ID}"),
        "no_such_chat": alice.get(f"/messages/{UNUSED_ID}"),
        "no_such_group": carol.get(f"/groups/{group}"),
        "no_such_member": alice.post(
            "/groups/remove_user_from_group", {"group_id": group, "user_id": carol.id}
        ),
        "no_such_message": carol.delete(f"/messages/{sent}"),
        "method_not_allowed": http.delete("/chats"),
        "username_taken": http.post(
            "/users/register", {"username": username, "full_name": "P", "password": "long enough"}
        ),
        "not_json": alice.post(
            "/groups/create_group", data=b"{}", headers={"Content-Type": "text/plain"}
        ),
        "expectation_failed": alice.post(
            "/groups/create_group", {"name": "x"}, headers={"Expect": "the impossible"}
        ),
        "invalid": alice.post("/groups/create_group", {"name": ""}),
        "upgrade_required": alice.get("/ws"),
        "not_implemented": exchange(daemon.port, b"BREW /users/me HTTP/1.1\r\nHost: x\r\n\r\n"),
    }
    table = dict(re.findall(r"^ERROR\((\w+), (\d+),", ERROR_DEF.read_text(), re.MULTILINE))
    assert set(table) == set(raised) | set(elsewhere)
    for code, answer in raised.items():
        expect.problem(answer, int(table[code]), code)
