"""Errors over HTTP: every code, its shape, and the order in which a request is checked.

Route 404, 405, 401, 415, 413, 400, 422, then 403, 404 and 409 of the thing itself: each request
below breaks one rule and all
that stand behind it, so that a check in the wrong place answers with another status.
"""

import json
import pathlib
import re

import pytest

import expect
from raw_socket import exchange

NOBODY = 9007199254700000
MIB = 1024 * 1024
ERROR_DEF = pathlib.Path(__file__).parents[2] / "common" / "error.def"

# Method, path, what the path takes.
ROUTES = [
    ("POST", "/users/register"),
    ("POST", "/users/login"),
    ("POST", "/users/logout"),
    ("GET", "/users/me"),
    ("PATCH", "/users/me"),
    ("PUT", "/users/me/password"),
    ("GET", "/users/search"),
    ("GET", "/users/user_id/x"),
    ("GET", "/users/username/1"),
    ("DELETE", "/users/delete_user/1"),
    ("POST", "/users/set_typing_status"),
    ("GET", "/users/presence"),
    ("POST", "/messages/send_message"),
    ("PUT", "/messages/read"),
    ("GET", "/messages/1"),
    ("PATCH", "/messages/1"),
    ("DELETE", "/messages/1"),
    ("GET", "/chats"),
    ("POST", "/groups/create_group"),
    ("GET", "/groups/1"),
    ("PATCH", "/groups/1"),
    ("POST", "/groups/add_user_to_group"),
    ("POST", "/groups/remove_user_from_group"),
    ("POST", "/groups/leave_group"),
    ("GET", "/healthz"),
    ("GET", "/openapi.json"),
]
OPEN = {"/users/register", "/users/login", "/healthz", "/openapi.json"}
WITH_BODY = [
    (method, path)
    for method, path in ROUTES
    if method in ("POST", "PUT", "PATCH") and path != "/users/logout"
]


def methods_of(path):
    """All methods that a path takes; ids stand for any id."""
    return {method for method, other in ROUTES if other == path}


def raw_request(who, method, path, head="", body=b"", token=True):
    """A request whose head is all ours; its answer is read while it is still being sent."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    if token:
        lines.append(f"Authorization: Bearer {who.token}")
    text = "\r\n".join(lines) + "\r\n" + head + f"Content-Length: {len(body)}\r\n\r\n"
    return exchange(who.daemon.port, text.encode() + body)


# --- the first rule broken is the answer ---


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


@pytest.mark.parametrize("path", sorted({path for _, path in ROUTES}))
def test_another_method_is_405_with_allow_before_401(alice, path):
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods_of(path):
        answer = raw_request(alice, method, path, "Content-Type: text/plain\r\n", b"{", token=False)
        expect.problem(answer, 405, "method_not_allowed")
        allowed = {one.strip() for one in answer.headers["Allow"].split(",")}
        assert methods_of(path) <= allowed
        assert method not in allowed
        assert allowed - methods_of(path) <= {"HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    "method, path", [(method, path) for method, path in ROUTES if path not in OPEN]
)
def test_no_token_is_401_before_415_413_and_400(alice, method, path):
    expect.problem(raw_request(alice, method, path, token=False), 401, "bad_token")
    if (method, path) in WITH_BODY:
        answer = raw_request(
            alice, method, path, "Content-Type: text/plain\r\n", b"{" * (MIB + 1), token=False
        )
        expect.problem(answer, 401, "bad_token")


@pytest.mark.parametrize("path", ["/messages/x", "/groups/x", "/users/username/x"])
def test_no_token_is_401_before_a_bad_path(http, path):
    expect.problem(http.get(path), 401)


@pytest.mark.parametrize("method, path", WITH_BODY)
def test_a_body_that_is_not_json_is_415_before_413_and_400(alice, method, path):
    for kind in (
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "",
        "Content-Type: application/jsonx\r\n",
    ):
        expect.problem(raw_request(alice, method, path, kind, b"{"), 415, "not_json")
    answer = raw_request(alice, method, path, "Content-Type: text/plain\r\n", b"{" * (MIB + 1))
    expect.problem(answer, 415, "not_json")


@pytest.mark.parametrize("method, path", WITH_BODY)
def test_a_body_over_1_mib_is_413_before_400(alice, method, path):
    answer = raw_request(
        alice, method, path, "Content-Type: application/json\r\n", b"{" * (MIB + 1)
    )
    expect.problem(answer, 413, "too_large")


def test_a_body_of_1_mib_is_taken(alice, bob):
    body = json.dumps({"receiver_id": bob.id, "content": "x", "pad": ""}).encode()
    body = body[:-2] + b"p" * (MIB - len(body)) + body[-2:]
    assert len(body) == MIB
    answer = alice.post(
        "/messages/send_message", data=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 201


@pytest.mark.parametrize("method, path", WITH_BODY)
def test_broken_json_is_400_before_422(alice, method, path):
    for body in (b"{", b"", b'{"content":1,}'):
        expect.problem(
            raw_request(alice, method, path, "Content-Type: application/json\r\n", body),
            400,
            "bad_json",
        )


@pytest.mark.parametrize("method, path", [("PATCH", "/messages/x"), ("PATCH", "/groups/x")])
def test_a_bad_path_is_400_before_422(alice, method, path):
    expect.problem(alice.request(method, path, {}), 400, "bad_path")


@pytest.mark.parametrize(
    "method, path", [(m, p) for m, p in WITH_BODY if (m, p) != ("PATCH", "/users/me")]
)
def test_a_missing_field_is_422_before_403_and_404(alice, method, path):
    expect.problem(alice.request(method, path, {}), 422, "invalid")


def test_a_bad_field_is_422_before_403_404_and_409(alice, bob, username):
    theirs = bob.send(alice.id, "bob's")["message_id"]
    group = bob.group("bob's", alice)
    for method, path, body in (
        ("PATCH", f"/messages/{theirs}", {"content": ""}),
        ("PATCH", f"/messages/{NOBODY}", {"content": ""}),
        ("PATCH", f"/groups/{group}", {"name": ""}),
        ("PATCH", f"/groups/{NOBODY}", {"name": ""}),
        (
            "POST",
            "/messages/send_message",
            {"sender_id": bob.id, "receiver_id": NOBODY, "content": ""},
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
    expect.problem(alice.get(f"/messages/{NOBODY}?limit=0"), 422, "invalid")


def test_403_of_the_body_comes_before_404_of_the_thing(alice, bob):
    expect.problem(
        alice.post(
            "/messages/send_message", {"sender_id": bob.id, "receiver_id": NOBODY, "content": "x"}
        ),
        403,
    )


# --- what is taken ---


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
    """Each entry of the error table, raised once on purpose; what only other tests can raise is
    named."""
    elsewhere = {
        "unavailable": "test_faults",
        "too_many_requests": "test_limits",
        "too_many_sockets": "test_limits",
        "headers_too_large": "above",
        "too_large": "above",
        "internal": "nothing may raise it",
        "unknown_type": "test_ws_auth",
        "already_authenticated": "test_ws_auth",
    }
    group = alice.group("errors", bob)
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
        "not_owner": bob.patch(f"/groups/{group}", {"name": "x"}),
        "not_sender": bob.patch(f"/messages/{sent}", {"content": "x"}),
        "not_text": alice.patch(f"/messages/{join}", {"content": "x"}),
        "no_such_route": http.post("/nope", {}),
        "no_such_user": alice.get(f"/users/username/{NOBODY}"),
        "no_such_chat": alice.get(f"/messages/{NOBODY}"),
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
