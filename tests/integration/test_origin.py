"""Requests that another web site makes a user's browser send: the cookie and the Origin.

docs/api.md: a request that changes something and is authenticated by the cookie must carry an
`Origin` that is the server's own or one of allowed_origins. So must a WebSocket handshake that has
an `Origin`.
"""

import json

import pytest

import expect
from access_matrix import Scenario, snapshot
from access_requests import ROUTE_REQUESTS
from client import Refused

SETTINGS = {"allowed_origins": ["https://chat.example"]}
CHANGING = sorted(
    row
    for row in ROUTE_REQUESTS
    if not row[0].startswith("GET ") and row[0] not in ("POST /users/register", "POST /users/login")
)
LOOKALIKES = [
    "https://evil.example",
    "null",
    "",
    "https://chat.example.evil.example",
    "https://evilchat.example",
    "https://evil.example/https://chat.example",
    "https://chat.example@evil.example",
    "https://chat.exampl",
    "https://chat.examplo",
    "https://chat.example.",
    "https://chat.example:8443",
    "http://chat.example",
    "wss://chat.example",
    "https:chat.example",
    "chat.example",
    "https://chat.example/",
    "https://chat.example, https://evil.example",
    "https://evil.example https://chat.example",
    "*",
]


def own_origin(daemon):
    return f"http://127.0.0.1:{daemon.port}"


def own_lookalikes(daemon):
    return [
        f"https://127.0.0.1:{daemon.port}",
        f"http://127.0.0.1:{daemon.port}0",
        f"http://127.0.0.1:{daemon.port ^ 1}",
        f"http://127.0.0.1:{daemon.port}.evil.example",
        "http://127.0.0.1",
        f"http://localhost:{daemon.port}",
        f"http://127.0.0.2:{daemon.port}",
    ]


def cookie(one, **headers):
    return {"Cookie": f"theme=dark; parley_session={one.token}; other=1", **headers}


@pytest.fixture(scope="module")
def scenario(daemon):
    scenario = Scenario(daemon)
    yield scenario
    scenario.close()


@pytest.mark.parametrize("row", CHANGING, ids=", ".join)
def test_the_cookie_without_an_allowed_origin_is_403(daemon, http, scenario, row):
    """The caller is the group's owner, to whom most requests would be allowed."""
    request, method = ROUTE_REQUESTS[row], row[0].split(" ")[0]
    path = request.path(scenario, scenario.owner)
    body = request.body(scenario, scenario.owner)
    own = own_origin(daemon)
    before = snapshot(daemon)
    for headers in (
        {},
        {"Referer": f"{own}/"},
        {"Referer": "https://chat.example/", "Sec-Fetch-Site": "same-origin"},
        {"Host": "evil.example", "Origin": own},
        *({"Origin": origin} for origin in LOOKALIKES + own_lookalikes(daemon)),
    ):
        answer = http.request(method, path, body, headers=cookie(scenario.owner, **headers))
        expect.problem(answer, 403, "bad_origin")
    assert snapshot(daemon) == before, "the database changed"


def test_the_own_and_an_allowed_origin_may_use_the_cookie(daemon, http, alice):
    change = {"full_name": "Changed"}
    for origin in (own_origin(daemon), "https://chat.example", "HTTPS://Chat.Example:443"):
        answer = http.patch("/users/me", change, headers=cookie(alice, Origin=origin))
        assert answer.status_code == 200, origin


def test_a_get_needs_no_origin_and_allows_no_other_site_to_read_it(http, alice):
    """Without Access-Control headers the browser withholds the answer from the other site."""
    answer = http.get("/users/me", headers=cookie(alice, Origin="https://evil.example"))
    assert answer.json()["user_id"] == alice.id
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_a_bearer_token_needs_no_origin_and_overrides_the_cookie(http, alice, bob):
    """Another site cannot set the header. A bad token in it is not replaced by the cookie's."""
    evil = {"Origin": "https://evil.example"}
    both = cookie(bob, Authorization=f"Bearer {alice.token}", **evil)
    assert http.patch("/users/me", {"full_name": "A"}, headers=both).json()["user_id"] == alice.id
    for bad in ("Bearer ", "Bearer " + "A" * 43):
        headers = cookie(alice, Authorization=bad, Origin=f"{http.base}")
        expect.problem(http.patch("/users/me", {"full_name": "A"}, headers=headers), 401)


def test_schemes_other_than_bearer_do_not_override_the_cookie(daemon, http, alice):
    """A proxy in front may use Basic. The cookie still needs an allowed origin."""
    for other in ("", "Basic eDp5", "Digest username=x", "Bearerx"):
        headers = cookie(alice, Authorization=other, Origin=own_origin(daemon))
        answer = http.patch("/users/me", {"full_name": "A"}, headers=headers)
        assert answer.status_code == 200, other
        headers = cookie(alice, Authorization=other, Origin="https://evil.example")
        answer = http.patch("/users/me", {"full_name": "B"}, headers=headers)
        expect.problem(answer, 403, "bad_origin")
        basic = [("Authorization", other)]
        for how in ("cookie", "subprotocol"):
            ws = alice.ws(headers=basic, how=how)
            assert ws.ready["user_id"] == alice.id, (other, how)
            ws.close()


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_content_types_of_forms_are_rejected(daemon, http, alice, bob, kind):
    """Any page may send these without a CORS preflight, for example to log its visitor in."""
    before = snapshot(daemon)
    headers = cookie(alice, Origin=own_origin(daemon))
    if kind:
        headers["Content-Type"] = kind
    for path, body in (
        ("/messages/send_message", {"receiver_id": bob.id, "content": "x"}),
        ("/users/login", {"username": alice.username, "password": "correct horse", "cookie": True}),
    ):
        answer = http.request("POST", path, data=json.dumps(body).encode(), headers=headers)
        expect.problem(answer, 415, "not_json")
        assert "Set-Cookie" not in answer.headers
    assert snapshot(daemon) == before


def test_a_cors_preflight_is_rejected(http, alice):
    """A browser sends one before a cross-origin request with JSON."""
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = http.request("OPTIONS", "/messages/send_message", headers=headers)
    expect.problem(answer, 405, "method_not_allowed")
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


# --- the WebSocket ---


def test_the_own_and_an_allowed_origin_open_a_socket(daemon, alice):
    for origin in (own_origin(daemon), "https://chat.example"):
        for how in ("bearer", "subprotocol", "cookie", "frame"):
            assert alice.ws(origin=origin, how=how).ready["user_id"] == alice.id


@pytest.mark.parametrize("how", ["bearer", "subprotocol", "cookie", "none"])
def test_no_other_origin_opens_a_socket(daemon, alice, how):
    """Cross-site WebSocket hijacking: the browser sends the cookie, and no preflight."""
    for origin in LOOKALIKES + own_lookalikes(daemon):
        with pytest.raises(Refused) as refused:
            alice.ws(headers=[("Origin", origin)], how=how, ready=False)
        assert refused.value.status == 403, (origin, how)
