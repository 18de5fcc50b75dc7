"""Compressed answers: which ones, what they save and what they cost; the bytes of a first visit."""

import gzip
import html.parser
import os
import shutil
import tempfile

import pytest

import big_data
import procfs
from client import Http
from conftest import new_person, run_daemon
from raw_socket import exchange
from test_headers import FRONTEND

BUILT = os.path.join(FRONTEND, "dist")
PASSWORD = "correct horse"
COLD_START_MAX = 160_000  # bytes
CODED = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}

# Texts of twelve words out of two thousand; each row has others.
WORDS = (
    "(select string_agg(substr(md5(floor(random() * 2000)::text), 1, 3 + floor(random() * 6)::int), ' ')"
    " from generate_series(1, 12) where {row} is not null)"
)


@pytest.fixture(scope="module")
def daemon(cluster):
    """One worker, whose processor time is measured. It serves the built page, if there is one."""
    with tempfile.TemporaryDirectory(prefix="parley-web-") as directory:
        os.chmod(directory, 0o755)
        root = os.path.join(directory, "page")
        if os.path.exists(BUILT):
            shutil.copytree(BUILT, root)
        yield from run_daemon(cluster, workers=1, **({"web_root": root} if os.path.exists(root) else {}))


def user_with_chats(daemon, n, public_key=None):
    """A user with n chats, half of them groups, whose last messages differ."""
    db = daemon.db()
    me, *others = big_data.users(db, 1 + n, f"chats{n}.", full_name="Person of name")
    big_data.directs(db, me, others[: n // 2])
    big_data.groups(db, n - n // 2, [me, *others[:3]])
    db.execute(f"update messages m set content = {WORDS.format(row='m.message_id')}")
    db.execute("update users set public_key = %s where user_id = any(%s)", (public_key, others))
    big_data.analyze(db)
    return Http(daemon.url(""), big_data.token_of(me))


def on_the_wire(http, path, headers):
    """The bytes of the body as they are sent, the answer's headers, and the decoded body."""
    answer = http.get(path, headers=headers, stream=True)
    assert answer.status_code == 200, answer.text
    body = answer.raw.read(decode_content=False)
    coded = answer.headers.get("Content-Encoding")
    assert coded in (None, "gzip")
    return body, answer.headers, gzip.decompress(body) if coded else body


@pytest.fixture(scope="module")
def busy(daemon):
    http = user_with_chats(daemon, 200)
    yield http
    http.close()


@pytest.fixture(scope="module")
def group_of_busy(busy):
    return next(c["chat_id"] for c in busy.get("/chats").json()["chats"] if c["kind"] == "group")


@pytest.mark.parametrize("path", ["/chats", "/users/search?q=person&limit=50", "/openapi.json"])
def test_a_long_answer_is_compressed_for_clients_that_accept_it(busy, path):
    plain, headers, _ = on_the_wire(busy, path, PLAIN)
    assert "Content-Encoding" not in headers and headers["Vary"] == "Accept-Encoding"
    coded, headers, decoded = on_the_wire(busy, path, CODED)
    assert headers["Content-Encoding"] == "gzip" and headers["Vary"] == "Accept-Encoding"
    assert headers["Content-Type"] == "application/json"
    assert int(headers["Content-Length"]) == len(coded) < len(plain) / 2
    assert decoded == plain
    for accept in ("gzip;q=0", "br", "identity, gzip;q=0.5", ""):
        assert "Content-Encoding" not in on_the_wire(busy, path, {"Accept-Encoding": accept})[1], accept
    head = busy.request("HEAD", path, headers=CODED)
    assert (head.headers["Content-Encoding"], head.content) == ("gzip", b"")
    assert int(head.headers["Content-Length"]) == len(coded)


def test_pages_of_messages_and_members_are_compressed(daemon):
    alice, bob = new_person(daemon, "Alice"), new_person(daemon, "Bob")
    group = alice.group("compressed", bob, *(new_person(daemon) for _ in range(10)))
    alice.send(group, "a text " * 300)
    for path in (f"/messages/{group}", f"/messages/{group}?around=1", f"/groups/{group}"):
        assert on_the_wire(bob, path, CODED)[1]["Content-Encoding"] == "gzip", path
        assert on_the_wire(bob, path, CODED)[2] == on_the_wire(bob, path, PLAIN)[2]


def test_a_short_answer_is_not_compressed(daemon):
    alice = new_person(daemon, "Alice")
    alice.send(alice.id, "a note")
    for path in ("/chats", f"/messages/{alice.id}", "/users/search?q=alice&limit=1"):
        body, headers, _ = on_the_wire(alice, path, CODED)
        assert len(body) < 1024 and "Content-Encoding" not in headers
        assert headers["Vary"] == "Accept-Encoding"


def test_an_answer_that_is_too_long_is_not_compressed(daemon):
    """Compression takes place on the worker's thread: docs/design.md, "Compressed answers"."""
    alice = user_with_chats(daemon, 199, public_key="k" * 4096)
    body, headers, _ = on_the_wire(alice, "/chats", CODED)
    assert len(body) > 192 << 10 and "Content-Encoding" not in headers
    body, headers, decoded = on_the_wire(alice, "/chats?limit=40", CODED)
    assert headers["Content-Encoding"] == "gzip" and 1024 < len(decoded) <= 192 << 10
    alice.close()


def test_an_answer_with_a_token_is_not_compressed(daemon, username):
    """docs/security.md, "Compression"."""
    http = Http(daemon.url(""))
    body = {"username": username, "full_name": "N", "password": PASSWORD, "public_key": "k" * 4096}
    assert http.post("/users/register", body).status_code == 201
    answer = http.post("/users/login", {**body, "cookie": True}, headers=CODED)
    assert answer.status_code == 200 and "access_token" in answer.json()
    assert len(answer.content) > 4096 and "Content-Encoding" not in answer.headers
    http.token = answer.json()["access_token"]
    assert "Content-Encoding" not in http.get("/users/me", headers=CODED).headers
    http.close()


@pytest.mark.no_valgrind("measures processor time")
def test_a_list_of_2000_chats_is_compressed_at_a_bounded_cost(daemon):
    http = user_with_chats(daemon, 2000)
    worker = daemon.workers()[0]["pid"]
    used, sent = {True: 0.0, False: 0.0}, {True: 0, False: 0}
    rounds, pages = 10, 0
    for coded in (True, False) * rounds:
        before, after = procfs.run_s(worker), ""
        while after is not None:
            body, _, _ = on_the_wire(http, f"/chats?limit=200{after}", CODED if coded else PLAIN)
            sent[coded] += len(body)
            cursor = next_of(body, coded)
            after = None if cursor is None else f"&after={cursor}"
            pages += coded
        used[coded] += procfs.run_s(worker) - before
    http.close()
    print(
        f"a page of 200 chats: {sent[False] // pages} bytes in {used[False] * 1000 / pages:.1f} ms,"
        f" compressed {sent[True] // pages} bytes in {used[True] * 1000 / pages:.1f} ms"
        f" ({pages} pages each)"
    )
    assert pages == rounds * 10
    assert sent[True] < sent[False] / 3
    assert used[True] < 3 * used[False] + 0.1


def next_of(body, coded):
    """The cursor of the next page of chats."""
    text = gzip.decompress(body) if coded else body
    cursor = text.rpartition(b'"next":')[2].strip(b'"}')
    return None if cursor == b"null" else cursor.decode()


class Needs(html.parser.HTMLParser):
    """The files that a page requests at once: scripts, their static imports, styles, icons, the manifest."""

    def __init__(self, text):
        super().__init__()
        self.paths = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        if tag == "script":
            self.paths.append(names["src"])
        elif tag == "link":
            self.paths.append(names["href"])


@pytest.mark.skipif(not os.path.exists(os.path.join(BUILT, "index.html")), reason="the page is not built")
def test_a_first_visit_with_200_chats_takes_at_most_160_kb(daemon, busy):
    """All bytes of all answers, headers included, before anything that is loaded later."""

    def get(path, accept="*/*"):
        request = (
            f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nAccept-Encoding: br, gzip\r\n"
            f"Authorization: Bearer {busy.token}\r\nConnection: close\r\n\r\n"
        )
        answer = exchange(daemon.port, request.encode())
        assert answer.status_code == 200, path
        size = len(answer.body) + sum(len(n) + len(v) + 4 for n, v in answer.headers.items())
        print(f"{size:8} {answer.headers.get('Content-Encoding', '-'):5} {path}")
        return size

    with open(os.path.join(BUILT, "index.html"), encoding="utf-8") as file:
        files = sorted(set(Needs(file.read()).paths))
    assert any(path.endswith(".js") for path in files)
    total = get("/", "text/html") + sum(get(path) for path in files)
    total += get("/users/me") + get("/chats?limit=100")
    print(f"{total:8} bytes in all")
    assert total <= COLD_START_MAX
