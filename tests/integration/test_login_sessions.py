"""Tokens: login, the cookie, logout, PUT /users/me/password, expiry."""

import hashlib
import time

import pytest

import expect
from client import Http, Ws
from polling import wait_for
from procfs import cpu_ticks

SETTINGS = {"allowed_origins": ["https://chat.example"], "trusted_proxies": ["127.0.0.1"]}
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def anna(daemon):
    """A user with a password, for tests that only log in."""
    http = Http(daemon.url(""))
    user = http.post(
        "/users/register",
        {"username": "anna.with.password", "full_name": "Anna", "password": PASSWORD},
    ).json()
    yield user
    http.close()


def login(http, username, password=PASSWORD, **more):
    headers = more.pop("headers", None)
    return http.post(
        "/users/login", {"username": username, "password": password, **more}, headers=headers
    )


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_login_gives_a_token_that_works(http, anna):
    answer = login(http, anna["username"])
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_at", "user"}
    assert body["token_type"] == "bearer"
    assert body["user"] == anna
    assert expect.TIME.fullmatch(body["expires_at"])
    assert http.get("/users/me", headers=bearer(body["access_token"])).json() == anna


def test_login_folds_the_username(http, anna):
    assert login(http, anna["username"].upper()).status_code == 200


def test_a_token_lasts_30_days_and_only_its_sha256_is_stored(http, anna, daemon):
    token = login(http, anna["username"]).json()["access_token"]
    assert len(token) == 43, "256 random bits in base64url"
    rows = daemon.sql(
        "select extract(epoch from expires_at - now()) from tokens where hash = %s",
        hashlib.sha256(token.encode()).digest(),
    )
    assert len(rows) == 1
    assert abs(float(rows[0][0]) - 2592000) < 120
    stored = daemon.sql("select password from users where user_id = %s", anna["user_id"])[0][0]
    assert stored.startswith("scrypt$") and PASSWORD not in stored


def test_every_login_gives_another_token(http, anna):
    first, second = (login(http, anna["username"]).json()["access_token"] for _ in range(2))
    assert first != second
    assert http.get("/users/me", headers=bearer(first)).status_code == 200


def test_an_unknown_user_is_answered_like_a_wrong_password_and_as_slowly(
    http, daemon, anna, person, username
):
    """An unknown username, a deleted account, an account without a password.

    The hasher's processor time must agree within 10 %, which other load hardly affects. The minimum
    of the response times has a wider bound. Samples are taken in turn, up to ten of each: more
    samples remove noise, but not a real difference.
    """
    deleted = person("Deleted")
    deleted.delete(f"/users/delete_user/{deleted.id}")
    tried = {
        "wrong": anna["username"],
        "unknown": username,
        "deleted": deleted.username,
        "without": person("Without a password").username,
    }
    hasher = daemon.status()["hasher_pid"]
    seconds = {kind: [] for kind in tried}
    ticks = dict.fromkeys(tried, 0)
    bodies = {}

    def sample():
        for kind, name in tried.items():
            work, start = cpu_ticks(hasher), time.monotonic()
            answer = login(http, name, "wrong password")
            seconds[kind].append(time.monotonic() - start)
            ticks[kind] += cpu_ticks(hasher) - work
            bodies[kind] = expect.problem(answer, 401)

    def agree():
        least = [min(times) for times in seconds.values()]
        return max(least) < 1.5 * min(least) and max(ticks.values()) < 1.1 * min(ticks.values()) + 2

    sample()
    sample()
    while not agree() and len(seconds["wrong"]) < 10:
        sample()
    assert agree(), (seconds, ticks)
    assert all(body == bodies["wrong"] for body in bodies.values())


@pytest.mark.parametrize(
    "body, field",
    [
        ({"username": "x"}, "password"),
        ({"password": "y"}, "username"),
        ({"username": 1, "password": "y"}, "username"),
    ],
)
def test_login_without_its_fields_is_422(http, body, field):
    expect.problem(http.post("/users/login", body), 422, field=field)


# --- the token in a request ---


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer " + "A" * 43,
        "Bearer " + "A" * 5000,
        "Basic dXNlcjpwYXNz",
        "Bearer ü",
    ],
)
def test_no_or_a_bad_token_is_401(http, header):
    headers = {} if header is None else {"Authorization": header.encode()}
    expect.problem(http.get("/users/me", headers=headers), 401)


def test_an_expired_token_is_401(http, alice, token_for):
    expect.problem(http.get("/users/me", headers=bearer(token_for(alice, "-1 second"))), 401)


def test_a_socket_is_closed_when_its_token_expires(alice, token_for):
    lasting = alice.ws()
    ending = alice.ws(token=token_for(alice, "2 seconds"))
    assert ending.until_closed() == 4501
    lasting.drain()


def test_a_token_in_the_query_is_ignored(http, alice):
    expect.problem(http.get(f"/users/me?token={alice.token}&access_token={alice.token}"), 401)


# --- the cookie ---


def test_login_sets_the_cookie_only_when_asked(http, anna):
    assert "Set-Cookie" not in login(http, anna["username"]).headers
    assert "Set-Cookie" not in login(http, anna["username"], cookie=False).headers


def test_the_cookie_is_httponly_strict_and_over_https_secure(http, anna):
    answer = login(http, anna["username"], cookie=True)
    value, *attributes = [part.strip() for part in answer.headers["Set-Cookie"].split(";")]
    assert value == "parley_session=" + answer.json()["access_token"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    assert "Secure" not in attributes

    answer = login(http, anna["username"], cookie=True, headers={"X-Forwarded-Proto": "https"})
    value, *attributes = [part.strip() for part in answer.headers["Set-Cookie"].split(";")]
    assert value == "__Host-parley_session=" + answer.json()["access_token"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Secure"} <= set(attributes)
    assert not any(attribute.startswith("Domain") for attribute in attributes)
    assert http.get("/users/me", headers={"Cookie": value}).status_code == 200


def cookie(one, **headers):
    return {"Cookie": f"theme=dark; parley_session={one.token}; other=1", **headers}


def test_the_cookie_authenticates_like_the_header(http, alice):
    assert http.get("/users/me", headers=cookie(alice)).json()["user_id"] == alice.id


# --- logout ---


def test_logout_revokes_the_token_and_closes_its_sockets_on_every_worker(alice, token_for):
    other = token_for(alice)
    staying = alice.ws(token=other)
    sockets = alice.ws_on_each()
    assert alice.post("/users/logout").status_code == 204
    assert [socket.until_closed() for socket in sockets] == [4501] * len(sockets)
    expect.problem(alice.get("/users/me"), 401)
    assert alice.get("/users/me", headers=bearer(other)).status_code == 200
    staying.drain()


def test_every_worker_rejects_a_revoked_token(alice, daemon):
    """No worker keeps it in a cache."""
    alice.ws_on_each()
    alice.post("/users/logout")
    for _ in range(8):
        http = Http(daemon.url(""), alice.token)
        wait_for(lambda: http.get("/users/me").status_code == 401)
        http.close()


def test_logout_with_the_cookie(http, alice, daemon):
    origin = f"http://127.0.0.1:{daemon.port}"
    assert http.post("/users/logout", headers=cookie(alice, Origin=origin)).status_code == 204
    expect.problem(alice.get("/users/me"), 401)


# --- PUT /users/me/password ---


def test_a_new_password_replaces_the_old_and_revokes_every_other_token(http, daemon, username):
    http.post("/users/register", {"username": username, "full_name": "P", "password": PASSWORD})
    first, second = (login(http, username).json()["access_token"] for _ in range(2))
    kept = Ws(daemon.ws_url(), first)
    ended = Ws(daemon.ws_url(), second)

    answer = http.put(
        "/users/me/password",
        {"old_password": "wrong one", "new_password": "battery staple"},
        headers=bearer(first),
    )
    expect.problem(answer, 403)
    assert http.get("/users/me", headers=bearer(second)).status_code == 200

    answer = http.put(
        "/users/me/password",
        {"old_password": PASSWORD, "new_password": "battery staple"},
        headers=bearer(first),
    )
    assert answer.status_code == 204
    assert ended.until_closed() == 4501
    expect.problem(http.get("/users/me", headers=bearer(second)), 401)
    assert http.get("/users/me", headers=bearer(first)).status_code == 200
    kept.drain()
    kept.close()
    expect.problem(login(http, username), 401)
    assert login(http, username, "battery staple").status_code == 200


@pytest.mark.parametrize(
    "body, field",
    [
        ({"old_password": "correct horse"}, "new_password"),
        ({"new_password": "battery staple"}, "old_password"),
        ({"old_password": "correct horse", "new_password": "short"}, "new_password"),
        ({"old_password": "correct horse", "new_password": "x" * 1025}, "new_password"),
    ],
)
def test_a_new_password_has_the_limits_of_registration(alice, body, field):
    expect.problem(alice.put("/users/me/password", body), 422, field=field)
