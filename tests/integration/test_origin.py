"""Other web sites in the browser of a user: the cookie, and the Origin that must come with it.

docs/api.md: a request that changes something by the cookie must have an `Origin` header that is the
server's own origin or one of the setting allowed_origins; where a WebSocket's handshake has one, it
must be such, too.
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
def test_no_other_site_changes_anything_by_the_cookie(daemon, http, scenario, row):
    """As the group's owner, who may do nearly all of it; but not in the name of another site."""
    asked, method = ROUTE_REQUESTS[row], row[0].split(" ")[0]
    path, body = asked.path(scenario, scenario.owner), asked.body(scenario, scenario.owner)
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
    assert snapshot(daemon) == before, "it changed the database"


def test_its_own_page_and_an_allowed_one_may(daemon, http, alice):
    change = {"full_name": "Changed"}
    for origin in (own_origin(daemon), "https://chat.example", "HTTPS://Chat.Example:443"):
        answer = http.patch("/users/me", change, headers=cookie(alice, Origin=origin))
        assert answer.status_code == 200, origin


def test_what_is_only_read_needs_no_origin(http, alice):
    """The browser keeps the answer from the other site, for nothing allows it to be read."""
    answer = http.get("/users/me", headers=cookie(alice, Origin="https://evil.example"))
    assert answer.json()["user_id"] == alice.id
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_a_header_needs_no_origin_and_hides_the_cookie(http, alice, bob):
    """No other site can set it; and it alone counts, so that a bad one is not made good."""
    evil = {"Origin": "https://evil.example"}
    both = cookie(bob, Authorization=f"Bearer {alice.token}", **evil)
    assert http.patch("/users/me", {"full_name": "A"}, headers=both).json()["user_id"] == alice.id
    for bad in ("", "Bearer ", "Bearer " + "A" * 43, "Basic eDp5"):
        headers = cookie(alice, Authorization=bad, Origin=f"{http.base}")
        expect.problem(http.patch("/users/me", {"full_name": "A"}, headers=headers), 401)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_what_a_form_can_send_is_not_taken(daemon, http, alice, bob, kind):
    """A page may send these anywhere without asking first (CORS), also to log its visitor in."""
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


def test_nobody_is_told_that_other_sites_may(http, alice):
    """The question that a browser asks before a request with JSON (CORS) is not answered."""
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = http.request("OPTIONS", "/messages/send_message", headers=asking)
    expect.problem(answer, 405, "method_not_allowed")
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


# --- the WebSocket ---


def test_a_page_of_ours_opens_a_socket(daemon, alice):
    for origin in (own_origin(daemon), "https://chat.example"):
        for how in ("bearer", "subprotocol", "cookie", "frame"):
            assert alice.ws(origin=origin, how=how).ready["user_id"] == alice.id


@pytest.mark.parametrize("how", ["bearer", "subprotocol", "cookie", "none"])
def test_no_other_site_opens_a_socket(daemon, alice, how):
    """Cross-site WebSocket hijacking: the browser sends the cookie along, and asks nobody first."""
    for origin in LOOKALIKES + own_lookalikes(daemon):
        with pytest.raises(Refused) as refused:
            alice.ws(headers=[("Origin", origin)], how=how, ready=False)
        assert refused.value.status == 403, (origin, how)
