"""Bad input: a clear error to its sender, nothing stored, no other client disturbed, no crash.

Unusual but valid content comes back byte for byte.
"""

import json
import time

import pytest

import expect
from polling import wait_for
from raw_socket import RawSocket, exchange
from routes import all_routes, check_each, description, resolve

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module", autouse=True)
def no_worker_dies(daemon):
    before = [(worker["slot"], worker["pid"]) for worker in daemon.workers()]
    yield
    assert [(worker["slot"], worker["pid"]) for worker in daemon.workers()] == before


@pytest.fixture(autouse=True)
def other_clients_are_served(person):
    """Two other users exchange a message after each test, on sockets opened before it."""
    one, other = person("Bystander"), person("Bystander")
    sockets = one.ws_on_each()
    yield
    sent = other.send(one.id, "still there?")
    for ws in sockets:
        ws.until("message", message_id=sent["message_id"])
        ws.drain()


def stored(who, other):
    return [message["content"] for message in who.history(other.id)]


def post_head(who):
    """The head of a send without its length and the final empty line."""
    return (
        "POST /messages/send_message HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {who.token}\r\nContent-Type: application/json\r\n"
    )


def request(who, head, body=b"", method="POST", path="/messages/send_message"):
    """One request; head and body are sent as they are."""
    start = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {who.token}\r\n"
    return exchange(who.daemon.port, start.encode() + head + b"\r\n" + body)


# --- JSON ---


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b"nonsense",
        b'{"receiver_id":1',
        b'{"receiver_id":1,}',
        b"{'receiver_id':1}",
        b'{"a":01}',
        b'{"a":1.}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":0x10}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":tru}',
        b'{"a":"\t"}',
        b'{"a":"\n"}',
        b'{"a":"\\x"}',
        b'{"a":"\\u12"}',
        b'{"a":"unended}',
        b'{"a":1}{"b":2}',
        b'{"a":1} x',
        b'{"a" 1}',
        b"{1:2}",
        b'\xef\xbb\xbf{}x',
        b"// {}\n",
        b'{"a":1}\x00',
        b"\x00",
        b'{"a":"\x00"}',
    ],
)
def test_malformed_json_is_400(alice, body):
    expect.problem(alice.post("/messages/send_message", data=body, headers=JSON), 400, "bad_json")


@pytest.mark.parametrize(
    "bytes_",
    [
        b"\xff",
        b"\xc3",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"a\x80b",
        b"\xf0\x9f\x98",
    ],
)
def test_invalid_utf8_is_400(alice, bob, bytes_):
    body = b'{"receiver_id":%d,"content":"%s"}' % (bob.id, bytes_)
    expect.problem(alice.post("/messages/send_message", data=body, headers=JSON), 400, "bad_json")
    assert stored(bob, alice) == []


def nested(depth, opening="[", closing="]"):
    return opening * depth + closing * depth


def test_nesting_over_32_is_400_and_32_is_read(alice, bob):
    for depth in (31, 32, 33, 100, 1000, 500000):
        body = '{"receiver_id":%d,"content":"deep","x":%s}' % (bob.id, nested(depth))
        answer = alice.post("/messages/send_message", data=body.encode(), headers=JSON)
        if depth < 32:  # the object itself is the first level
            assert answer.status_code == 201
        else:
            expect.problem(answer, 400, "bad_json")
    objects = '{"a":' * 40 + "1" + "}" * 40
    expect.problem(
        alice.post("/messages/send_message", data=objects.encode(), headers=JSON), 400, "bad_json"
    )


@pytest.mark.parametrize(
    "text",
    [
        "\\u0000",
        "a\\u0000b",
        "\\ud800",
        "\\udc00",
        "\\udc00\\ud800",
        "\\ud83dx",
        "x\\ud83d",
        "\\ud83d\\ud83d",
    ],
)
@pytest.mark.parametrize("field", ["content", "client_id"])
def test_nul_and_lone_surrogates_are_422(alice, bob, field, text):
    fields = {"content": "x", "client_id": "y", field: text}
    body = '{"receiver_id":%d,"content":"%s","client_id":"%s"}' % (
        bob.id,
        fields["content"],
        fields["client_id"],
    )
    expect.problem(
        alice.post("/messages/send_message", data=body.encode(), headers=JSON),
        422,
        "invalid",
        field=field,
    )
    assert stored(bob, alice) == []


def sample(described, schema):
    """A value of this schema's type."""
    kind = resolve(described, schema).get("type", "integer")
    kinds = kind if isinstance(kind, list) else [kind]
    if "string" in kinds:
        return "http://x/" if schema.get("format") == "uri" else "long enough"
    return {"integer": 1, "boolean": True, "array": [1], "object": {}}[kinds[0]]


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800"])
def test_nul_and_lone_surrogates_are_422_in_any_text(daemon, alice, http, text):
    """In every member of a request body that is a string, and the same body without it is valid."""
    described = description(daemon)

    def bad_fields(route, name, content):
        fields = route.body["properties"]
        body = {key: sample(described, fields[key]) for key in {*route.body["required"], name}}
        body[name] = body[name] + "BAD"
        data = json.dumps(body).replace("BAD", content).encode()
        who = alice if route.needs_token else http
        answer = who.request(route.method, route.path, data=data, headers=JSON)
        if answer.status_code != 422:
            return set()
        return {error["field"] for error in expect.problem(answer, 422, "invalid")["errors"]}

    def check(route):
        names = [
            name
            for name, schema in route.body["properties"].items()
            if isinstance(sample(described, schema), str)
        ]
        for name in names:
            assert name in bad_fields(route, name, text), name
            # Samples of a username and a client_id have a space; the others are words of a list.
            if name not in ("username", "client_id", "role", "posting", "adding"):
                assert name not in bad_fields(route, name, "x"), name

    check_each([route for route in all_routes(described) if route.body], check)


def test_nul_and_lone_surrogates_are_errors_over_websocket(alice, bob):
    ws = alice.ws()
    for text in ("\\u0000", "\\ud800", "\\udc00x"):
        ws.send('{"type":"send","id":"s","receiver_id":%d,"content":"%s"}' % (bob.id, text))
        expect.error_frame(ws.until("error"), "invalid", id="s")
    ws.drain()
    assert stored(bob, alice) == []


@pytest.mark.parametrize("body", ["[]", "5", '"x"', "null", "true", "[{}]"])
def test_json_that_is_no_object_is_400(alice, body):
    expect.problem(
        alice.post("/messages/send_message", data=body.encode(), headers=JSON), 400, "bad_json"
    )


@pytest.mark.parametrize(
    "number",
    [
        "9007199254740992",
        "99999999999999999999",
        "1e400",
        "-1e400",
        "1e18",
        "-9007199254740993",
        "1" * 1000,
        "0.5",
        "1e-1",
        "-0.1",
    ],
)
def test_numbers_out_of_range_and_fractions_are_422(alice, number):
    body = '{"receiver_id":%s,"content":"x"}' % number
    expect.problem(
        alice.post("/messages/send_message", data=body.encode(), headers=JSON),
        422,
        field="receiver_id",
    )


# --- content is never interpreted ---

UNUSUAL = {
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪",
    "right to left": "שלום עולם مرحبا بالعالم \u202eabc\u202c",
    "zero width": "a\u200bb\u200cc\u200dd\u2060e\ufeff",
    "only a byte order mark": "\ufeff",
    "not normalised": "e\u0301 é Å A\u030a \u1100\u1161 가",
    "zalgo": "Z" + "\u0335\u0321\u0322" * 50,
    "controls": "".join(chr(i) for i in range(1, 32)) + "\x7f\x80\x9f",
    "line ends": "a\r\nb\rc\nd\u2028e\u2029f",
    "outer space": "  \t x \t  ",
    "noncharacters": "\ufffe\uffff\ufdd0\U0001fffe\U0010ffff",
    "quotes": "\"'`\\ \\\\ \\\" \\n \\u0041 \\u0000 {\"a\":1}",
    "html": "<script>alert(1)</script> &amp; <!-- ]]> </textarea>",
    "sql": "'; drop table messages; -- $1 %s %n ${x} {0} E'\\x00'",
    "null words": "null NULL undefined NaN \\N",
    "the last of each length": "\x7f\u07ff\uffff\U0010ffff",
}


@pytest.mark.parametrize("content", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_content_comes_back_byte_for_byte(alice, bob, content):
    receiving = bob.ws_on_each()
    sent = alice.send(bob.id, content)
    assert sent["content"] == content
    alice.ws().ask({"type": "send", "id": "ws", "receiver_id": bob.id, "content": content}, "ack")
    for ws in receiving:
        assert [ws.until("message")["content"] for _ in range(2)] == [content, content]
    raw_utf8 = json.dumps({"receiver_id": bob.id, "content": content}, ensure_ascii=False).encode()
    assert (
        alice.post("/messages/send_message", data=raw_utf8, headers=JSON).json()["content"]
        == content
    )
    assert stored(bob, alice) == [content] * 3
    assert alice.chat(bob.id)["last_message"]["content"] == content
    bob.ws().ask({"type": "sync", "after": {str(alice.id): 0}}, "messages", chat_id=alice.id)
    assert bob.sockets[-1].frames[-1]["messages"][0]["content"] == content
    edited = alice.patch(f"/messages/{sent['message_id']}", {"content": content + content})
    assert edited.json()["content"] == content + content


def test_names_come_back_byte_for_byte(alice, bob):
    for name in ("<b>Böb</b>", "'; drop table users; --", "😀 שלום", "a\"b\\c"):
        assert bob.patch("/users/me", {"full_name": name}).json()["full_name"] == name
        group = alice.group(name, bob)
        assert bob.chat(group)["name"] == name


def test_search_and_look_ups_are_not_interpreted(alice):
    for text in ("%27%3B%20drop%20table%20users%3B--", "%25", "a%27b", "%22", "%5C"):
        assert alice.get(f"/users/search?q={text}").json() == {"users": []}
        expect.problem(alice.get(f"/users/user_id/{text}"), 404)
    assert alice.get("/users/me").status_code == 200
    for text in ("%00", "%ff", "%C3"):  # percent-encoded NUL and invalid UTF-8
        assert alice.get(f"/users/search?q={text}").status_code in (400, 422)
        assert alice.get(f"/users/user_id/{text}").status_code in (400, 404, 422)


# --- HTTP ---


@pytest.mark.parametrize(
    "line",
    [
        b"GET",
        b"GET /users/me",
        b"GET  /users/me HTTP/1.1",
        b"/users/me GET HTTP/1.1",
        b"\x00\x01\x02\x03",
        b"GET /users/me HTTP/9.9",
        b"GET /users/me FTP/1.0",
        b"\x16\x03\x01\x02\x00\x01",
        b"get /users/me HTTP/1.1",
    ],
)
def test_a_malformed_request_line_closes_that_connection_only(daemon, line):
    raw = RawSocket(daemon.port)
    raw.send(line + b"\r\nHost: x\r\n\r\n")
    assert raw.closed()
    if raw.received:
        assert raw.received.startswith(
            (b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 5", b"HTTP/1.0 5")
        ), raw.received
    raw.close()


def test_content_length_with_chunked_is_rejected(alice, bob):
    body = json.dumps({"receiver_id": bob.id, "content": "smuggled"}).encode()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    for length in (len(body), len(chunked), 0):
        head = (
            b"Content-Type: application/json\r\n"
            b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % length
        )
        expect.problem(request(alice, head, chunked), 400, "bad_request")
    assert stored(bob, alice) == []


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: -1",
        b"Content-Length: x",
        b"Content-Length: 1x",
        b"Content-Length: 99999999999999999999999",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: identity",
    ],
)
def test_a_malformed_length_is_rejected(alice, bob, head):
    answer = request(alice, b"Content-Type: application/json\r\n" + head + b"\r\n", b"{}   ")
    assert answer.status_code in (400, 413, 501)
    assert stored(bob, alice) == []


def test_a_chunked_body_is_accepted(alice, bob):
    body = json.dumps({"receiver_id": bob.id, "content": "in pieces"}).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    assert (
        request(
            alice, b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", chunks
        ).status_code
        == 201
    )
    assert stored(bob, alice) == ["in pieces"]


def test_an_endless_chunked_body_is_413(alice):
    raw = RawSocket(alice.daemon.port)
    raw.send(f"{post_head(alice)}Transfer-Encoding: chunked\r\n\r\n".encode())
    for _ in range(64):
        if raw.received or not raw.send(b"10000\r\n" + b"x" * 65536 + b"\r\n"):
            break
    expect.problem(raw.answer(), 413, "too_large")
    raw.close()


@pytest.mark.parametrize(
    "chunk", [b"x\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n", b"5\r\nabc", b"5;ext\r\nabcdeX"]
)
def test_a_malformed_chunk_does_no_harm(alice, chunk):
    raw = RawSocket(alice.daemon.port)
    raw.send(f"{post_head(alice)}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk)
    assert alice.get("/users/me").status_code == 200
    raw.close()


def test_incomplete_requests_delay_no_other(alice, bob):
    """Thirty requests stop within head or body. Others are served, and none of these is stored."""
    stuck = []
    for i in range(30):
        raw = RawSocket(alice.daemon.port)
        head = (
            f"{post_head(alice)}Content-Length: 1000\r\n\r\n"
            f'{{"receiver_id":{bob.id},"content":"never whole"'
        ).encode()
        raw.send(head if i % 2 else head[:50])
        stuck.append(raw)
    started = time.monotonic()
    alice.send(bob.id, "whole")
    assert time.monotonic() - started < 5
    for raw in stuck:
        raw.close()
    assert stored(bob, alice) == ["whole"]


def test_a_head_in_single_bytes_is_accepted(alice):
    raw = RawSocket(alice.daemon.port)
    for (
        byte
    ) in (
        f"GET /users/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n\r\n".encode()
    ):
        raw.send(bytes([byte]))
    assert raw.answer().json()["user_id"] == alice.id
    raw.close()


def test_an_endless_head_is_431(alice):
    raw = RawSocket(alice.daemon.port)
    raw.send(b"GET /users/me HTTP/1.1\r\nHost: x\r\n")
    for i in range(4000):
        if raw.received or not raw.send(b"X-Header-%d: %s\r\n" % (i, b"x" * 80)):
            break
    expect.problem(raw.answer(), 431, "headers_too_large")
    raw.close()


def test_an_endless_request_line_is_rejected(daemon):
    raw = RawSocket(daemon.port)
    raw.send(b"GET /")
    for _ in range(64):
        if raw.received or not raw.send(b"x" * 8192):
            break
    assert raw.answer().status_code in (400, 414, 431)
    raw.close()


def test_pipelined_requests_are_answered_in_order(alice, bob):
    """RFC 9112 9.3.2."""
    raw = RawSocket(alice.daemon.port)
    raw.send(
        b"".join(
            f"GET /users/username/{who} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {alice.token}\r\n\r\n".encode()
            for who in (alice.id, bob.id, alice.id)
        )
    )
    assert [raw.answer().json()["user_id"] for _ in range(3)] == [alice.id, bob.id, alice.id]
    raw.close()


def test_clients_that_close_before_the_answer_do_no_harm(alice, bob):
    for i in range(50):
        raw = RawSocket(alice.daemon.port)
        body = json.dumps(
            {"receiver_id": bob.id, "content": "sent and gone", "client_id": f"gone-{i}"}
        ).encode()
        raw.send((f"{post_head(alice)}Content-Length: {len(body)}\r\n\r\n").encode() + body)
        raw.close()
    alice.send(bob.id, "after them")
    wait_for(lambda: stored(bob, alice))
    expect.gapless(bob.history(alice.id))


# --- WebSocket frames ---


@pytest.mark.parametrize(
    "what, code",
    [
        ({"opcode": 1, "payload": b"{}", "mask": False}, 1002),  # RFC 6455 5.1
        ({"opcode": 3, "payload": b"{}"}, 1002),  # reserved opcodes
        ({"opcode": 0xB, "payload": b""}, 1002),
        ({"opcode": 0x41, "payload": b"{}"}, 1002),  # a reserved bit without an extension
        ({"opcode": 0, "payload": b"{}"}, 1002),  # no message to continue
        ({"opcode": 9, "payload": b"x" * 126}, 1002),  # control frames have at most 125 bytes
        ({"opcode": 9, "payload": b"", "fin": False}, 1002),  # and are never fragmented
        ({"opcode": 2, "payload": b"{}"}, 1003),
        ({"opcode": 1, "payload": b"\xff{}"}, 1007),
        ({"opcode": 1, "payload": b"\xed\xa0\x80"}, 1007),
        ({"opcode": 1, "payload": b"", "length": 65537}, 1009),  # rejected by its header
        ({"opcode": 1, "payload": b"", "length": 1 << 62}, 1009),
        ({"opcode": 8, "payload": b"\x03"}, 1002),  # half a close code
        ({"opcode": 8, "payload": b"\x03\xec"}, 1002),  # 1004 is reserved
    ],
)
def test_an_invalid_frame_closes_with_the_code_of_rfc_6455(alice, what, code):
    raw = RawSocket(alice.daemon.port)
    raw.upgrade(alice.token)
    raw.send_frame(**what)
    assert raw.until_close_code() == code
    raw.close()


def test_endless_fragments_close_1009(alice):
    raw = RawSocket(alice.daemon.port)
    raw.upgrade(alice.token)
    raw.send_frame(1, b"x" * 1000, fin=False)
    for _ in range(100):
        if not raw.send_frame(0, b"x" * 1000, fin=False):
            break
    assert raw.until_close_code() == 1009
    raw.close()


def test_thousands_of_empty_fragments_do_no_harm(alice):
    raw = RawSocket(alice.daemon.port)
    raw.upgrade(alice.token)
    raw.send_frame(1, b"", fin=False)
    for _ in range(5000):
        if not raw.send_frame(0, b"", fin=False):
            break
    raw.send_frame(0, b'{"type":"ping"}')
    raw.close()


def test_a_frame_in_single_bytes_is_accepted(alice):
    raw = RawSocket(alice.daemon.port)
    raw.upgrade(alice.token)
    payload = b'{"type":"ping"}'
    for byte in bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload:
        raw.send(bytes([byte]))
    assert b"ready" in raw.frame()[1]
    assert b"pong" in raw.frame()[1]
    raw.close()


def test_a_connection_closed_within_a_frame_does_no_harm(alice):
    for cut in (1, 2, 5, 6, 10):
        raw = RawSocket(alice.daemon.port)
        raw.upgrade(alice.token)
        raw.send((bytes([0x81, 0x80 | 15, 0, 0, 0, 0]) + b'{"type":"ping"}')[:cut])
        raw.close()
    assert alice.get("/users/me").status_code == 200


def test_values_out_of_range_in_frames_are_errors(alice, bob):
    ws = alice.ws()
    for text in (
        '{"type":"send","id":"h","receiver_id":1e400,"content":"x"}',
        '{"type":"read","chat_id":99999999999999999999,"seq":1}',
        '{"type":"sync","after":{"99999999999999999999":1}}',
        '{"type":"presence","watch":[1e400]}',
        '{"type":"typing","chat_id":{},"is_typing":[]}',
        '{"type":"edit","message_id":-1,"content":"x"}',
        '{"type":["send"]}',
        '{"type":{"a":1}}',
    ):
        ws.send(text)
        expect.error_frame(ws.until("error"))
    ws.drain()
    assert len(ws.got("error")) == 8
