"""Conformance to RFC 6455, case by case.

The sections have the numbers of the public Autobahn test suite; the cases are written from the RFC.
That suite expects an echo. Here a text that is a `ping` object is answered with `pong`, and one that
is not JSON with the error `bad_json`; either shows that the frames before it were understood.
Rules of parley itself: binary closes 1003, a message above 64 KiB closes 1009.
"""

import asyncio
import json
import os
import struct
import time

import pytest
import websockets

from polling import DEADLINE_S
from raw_socket import RawSocket

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MESSAGE_MAX = 65536
APP_PING = b'{"type":"ping"}'
GREETING = "Hello-µ@ßöäüàá-UTF-8!!".encode()


def frame(opcode, payload=b"", fin=True, rsv=0, mask=True, length=None, form=None):
    """The bytes of one frame. length may be wrong; form is the bits of the length: 7, 16 or 64."""
    length = len(payload) if length is None else length
    form = form or (7 if length < 126 else 16 if length < 65536 else 64)
    bit = 0x80 if mask else 0
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    head += {7: lambda: bytes([bit | length]),
             16: lambda: struct.pack("!BH", bit | 126, length),
             64: lambda: struct.pack("!BQ", bit | 127, length)}[form]()
    if mask:
        key = os.urandom(4)
        head += key
        stream = (key * (len(payload) // 4 + 1))[:len(payload)]
        payload = (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(payload), "big")
    return head + payload


def fragments(payload, size, opcode=TEXT):
    """The message in frames of at most size bytes each."""
    pieces = [payload[at:at + size] for at in range(0, len(payload), size)] or [b""]
    return b"".join(frame(CONTINUATION if i else opcode, piece, fin=i == len(pieces) - 1)
                    for i, piece in enumerate(pieces))


def app_ping(size):
    """A text of exactly size bytes that is answered with pong."""
    empty = len(b'{"type":"ping","pad":""}')
    return b'{"type":"ping","pad":"' + b"*" * (size - empty) + b'"}'


def padded(text):
    """A text that contains these bytes and is answered with pong if they are valid UTF-8."""
    return b'{"type":"ping","pad":"' + text + b'"}'


class Peer:
    """A client that may send anything, and accepts only what the RFC allows a server to send."""

    def __init__(self, daemon, token):
        self.raw = RawSocket(daemon.port)
        self.raw.upgrade(token)
        self.user_id = self.json()["user_id"]

    def send(self, *data, chop=None):
        """Sends frames, all at once or in pieces of chop bytes."""
        data = b"".join(data)
        for at in range(0, len(data), chop or max(1, len(data))):
            if not self.raw.send(data[at:at + (chop or len(data))]):
                return

    def _have(self, size, deadline):
        while len(self.raw.received) < size:
            if not self.raw.read_more(deadline - time.monotonic()):
                return False
        return True

    def frame(self):
        """(opcode, payload) of the next frame, except pings; None at the end of the connection."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            if not self._have(2, deadline):
                assert not self.raw.received, "the connection ended inside a frame"
                return None
            first, second = self.raw.received[:2]
            assert first & 0x70 == 0, "5.2: without an extension no reserved bit may be set"
            assert second & 0x80 == 0, "5.1: a server MUST NOT mask"
            size, at = second & 0x7F, 2
            if size > 125:
                at = 4 if size == 126 else 10
                assert self._have(at, deadline)
                least, size = (126 if size == 126 else 65536), int.from_bytes(self.raw.received[2:at], "big")
                assert size >= least, "5.2: the minimal number of bytes MUST be used"
            assert self._have(at + size, deadline)
            payload = self.raw.received[at:at + size]
            self.raw.received = self.raw.received[at + size:]
            opcode, fin = first & 0x0F, first & 0x80
            assert opcode in (TEXT, CLOSE, PING, PONG) and fin
            assert opcode == TEXT or size <= 125
            if opcode != PING:
                return opcode, payload

    def json(self):
        got = self.frame()
        assert got is not None and got[0] == TEXT, got
        return json.loads(got[1].decode())

    def expect_pong(self, payload=b""):
        assert self.frame() == (PONG, payload)

    def expect_answer(self):
        """The next frame is the answer to one `ping` object."""
        assert self.json() == {"type": "pong"}

    def expect_alive(self):
        """There are no further answers to the frames so far, and the connection is usable."""
        self.send(frame(TEXT, APP_PING))
        self.expect_answer()

    def expect_bad_json(self):
        got = self.json()
        assert (got["type"], got["code"]) == ("error", "bad_json")

    def expect_close(self, *codes):
        """The next frame is a close with one of these codes (None: no code), then the end."""
        got = self.frame()
        assert got is not None, "the connection ended without a close frame"
        opcode, payload = got
        assert opcode == CLOSE, got
        assert len(payload) != 1
        payload[2:].decode()    # 5.5.1: the reason is UTF-8
        assert (struct.unpack("!H", payload[:2])[0] if payload else None) in codes
        self.send(frame(CLOSE, payload[:2]))
        self.expect_end()

    def expect_end(self):
        assert self.frame() is None, "5.5.1: nothing MUST be sent after a close frame"

    def close(self):
        self.raw.close()


@pytest.fixture
def peer(daemon, alice):
    peer = Peer(daemon, alice.token)
    yield peer
    peer.close()


# 1. Framing: every encoding of a length, in one and in several TCP segments


SIZES = [24, 125, 126, 127, 128, 255, 256, 4096, 16384, 65535, 65536]


@pytest.mark.parametrize("size", SIZES)
def test_1_1_a_text_of_any_size_is_one_message(peer, size):
    peer.send(frame(TEXT, app_ping(size)))
    peer.expect_answer()
    peer.expect_alive()


def test_1_1_1_an_empty_text_is_a_message(peer):
    peer.send(frame(TEXT))
    peer.expect_bad_json()
    peer.expect_alive()


@pytest.mark.parametrize("size,chop", [(24, 1), (125, 1), (126, 1), (128, 1), (300, 7), (65535, 997), (65536, 997)])
def test_1_1_8_a_text_may_arrive_in_several_segments(peer, size, chop):
    peer.send(frame(TEXT, app_ping(size)), chop=chop)
    peer.expect_answer()
    peer.expect_alive()


@pytest.mark.parametrize("size", [1, 2, 99, 100, 101, 2000, 16384])
def test_1_1_9_content_arrives_byte_for_byte(peer, alice, size):
    content = "".join(chr(0x100 + i % 1000) if i % 5 == 0 else chr(0x21 + i % 90) for i in range(size))
    content = content.encode()[:size].decode("utf-8", "ignore") or "x"
    send = {"type": "send", "id": f"size-{size}", "receiver_id": alice.id, "content": content}
    for text in json.dumps(send, ensure_ascii=False).encode(), json.dumps(send | {"id": f"escaped-{size}"}).encode():
        if len(text) > MESSAGE_MAX:
            continue
        peer.send(fragments(text, 1000), chop=333)
        while peer.json()["type"] != "ack":
            pass
        assert alice.history(alice.id)[-1]["content"] == content


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_1_2_binary_of_any_size_closes_1003(peer, size):
    peer.send(frame(BINARY, bytes(range(256)) * (size // 256) + bytes(size % 256)))
    peer.expect_close(1003)


def test_1_2_binary_is_rejected_before_its_payload_arrives(peer):
    peer.send(frame(BINARY, b"", length=60000))
    peer.expect_close(1003)


def test_1_2_binary_in_fragments_closes_1003(peer):
    peer.send(fragments(b"abcdef", 2, opcode=BINARY))
    peer.expect_close(1003)


def test_1_3_many_messages_in_one_segment_are_each_answered(peer):
    peer.send(*[frame(TEXT, app_ping(24 + i)) for i in range(300)])
    for _ in range(300):
        peer.expect_answer()


# 2. Pings and pongs (5.5.2, 5.5.3)


@pytest.mark.parametrize("payload", [b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125],
                         ids=["empty", "text", "binary", "125 bytes"])
@pytest.mark.parametrize("chop", [None, 1])
def test_2_1_a_ping_is_answered_with_its_own_payload(peer, payload, chop):
    peer.send(frame(PING, payload), chop=chop)
    peer.expect_pong(payload)
    peer.expect_alive()


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_2_5_a_control_frame_over_125_bytes_closes_1002(peer, opcode):
    peer.send(frame(opcode, struct.pack("!H", 1000) + b"x" * 124))
    peer.expect_close(1002)


@pytest.mark.parametrize("payload", [b"", b"unsolicited", b"\xff" * 125], ids=["empty", "text", "125 bytes"])
def test_2_7_an_unsolicited_pong_has_no_answer(peer, payload):
    peer.send(frame(PONG, payload))
    peer.expect_alive()


def test_2_9_a_ping_after_an_unsolicited_pong_is_answered(peer):
    peer.send(frame(PONG, b"unsolicited"), frame(PING, b"ping"))
    peer.expect_pong(b"ping")
    peer.expect_alive()


@pytest.mark.parametrize("chop", [None, 1])
def test_2_10_of_ten_pings_the_last_is_answered_last(peer, chop):
    """5.5.3: an endpoint may answer only the most recent of several pings."""
    payloads = [b"payload %d" % i for i in range(10)]
    peer.send(*[frame(PING, payload) for payload in payloads], chop=chop)
    got = []
    while not got or got[-1] != payloads[-1]:
        opcode, payload = peer.frame()
        assert opcode == PONG
        got.append(payload)
    assert got == [payload for payload in payloads if payload in got]
    peer.expect_alive()


# 3. Reserved bits (5.2: "If a nonzero value is received ... Fail the WebSocket Connection")


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_3_1_a_reserved_bit_closes_1002(peer, rsv, opcode):
    peer.send(frame(opcode, struct.pack("!H", 1000), rsv=rsv))
    peer.expect_close(1002)


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("chop", [None, 1])
def test_3_2_frames_before_a_reserved_bit_are_answered(peer, rsv, chop):
    peer.send(frame(TEXT, APP_PING), frame(TEXT, APP_PING, rsv=rsv), frame(PING), chop=chop)
    peer.expect_answer()
    peer.expect_close(1002)


@pytest.mark.parametrize("rsv", range(1, 8))
def test_3_8_a_reserved_bit_in_a_later_fragment_closes_1002(peer, rsv):
    peer.send(frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"b", rsv=rsv))
    peer.expect_close(1002)


# 4. Opcodes


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"reserved opcode payload"], ids=["empty", "payload"])
def test_4_a_reserved_opcode_closes_1002(peer, opcode, payload):
    peer.send(frame(opcode, payload))
    peer.expect_close(1002)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("chop", [None, 1])
def test_4_3_frames_before_a_reserved_opcode_are_answered(peer, opcode, chop):
    peer.send(frame(TEXT, APP_PING), frame(opcode, b"payload"), frame(PING), chop=chop)
    peer.expect_answer()
    peer.expect_close(1002)


# 5. Fragmentation (5.4)


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_5_1_a_fragmented_control_frame_closes_1002(peer, opcode):
    peer.send(frame(opcode, b"frag", fin=False), frame(CONTINUATION, b"ment"))
    peer.expect_close(1002)


@pytest.mark.parametrize("chop", [None, 1])
@pytest.mark.parametrize("size", [1, 2, 7, 14, 15])
def test_5_3_a_text_in_fragments_is_one_message(peer, size, chop):
    peer.send(fragments(APP_PING, size), chop=chop)
    peer.expect_answer()
    peer.expect_alive()


@pytest.mark.parametrize("chop", [None, 1])
def test_5_6_a_ping_between_fragments_is_answered_at_once(peer, chop):
    peer.send(frame(TEXT, APP_PING[:5], fin=False), frame(PING, b"between"), chop=chop)
    peer.expect_pong(b"between")
    peer.send(frame(CONTINUATION, APP_PING[5:]), chop=chop)
    peer.expect_answer()
    peer.expect_alive()


@pytest.mark.parametrize("chop", [None, 1])
@pytest.mark.parametrize("fin", [True, False])
def test_5_9_a_continuation_of_nothing_closes_1002(peer, fin, chop):
    peer.send(frame(CONTINUATION, b"non-continuation payload", fin=fin), frame(TEXT, APP_PING), chop=chop)
    peer.expect_close(1002)


@pytest.mark.parametrize("fin", [True, False])
def test_5_15_a_continuation_after_the_last_fragment_closes_1002(peer, fin):
    peer.send(fragments(APP_PING, 8), frame(CONTINUATION, b"more", fin=fin), frame(TEXT, APP_PING))
    peer.expect_answer()
    peer.expect_close(1002)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_5_18_a_new_message_inside_another_closes_1002(peer, opcode, fin):
    peer.send(frame(TEXT, b"fragment1", fin=False), frame(opcode, b"fragment2", fin=fin))
    peer.expect_close(1002)


@pytest.mark.parametrize("chop", [None, 1])
def test_5_19_pings_between_five_fragments_are_answered_in_order(peer, chop):
    text = app_ping(50)
    peer.send(frame(TEXT, text[:10], fin=False), frame(CONTINUATION, text[10:20], fin=False), frame(PING, b"one"),
              chop=chop)
    peer.expect_pong(b"one")
    peer.send(frame(CONTINUATION, text[20:30], fin=False), frame(CONTINUATION, text[30:40], fin=False),
              frame(PING, b"two"), frame(CONTINUATION, text[40:]), chop=chop)
    peer.expect_pong(b"two")
    peer.expect_answer()
    peer.expect_alive()


@pytest.mark.parametrize("empty_at", [0, 1, 2])
def test_5_21_an_empty_fragment_changes_nothing(peer, empty_at):
    pieces = [APP_PING[:7], APP_PING[7:]]
    pieces.insert(empty_at, b"")
    peer.send(*[frame(CONTINUATION if i else TEXT, piece, fin=i == 2) for i, piece in enumerate(pieces)])
    peer.expect_answer()
    peer.expect_alive()


def test_5_22_fragments_of_one_message_do_not_leak_into_the_next(peer):
    peer.send(fragments(b"no json", 3), fragments(APP_PING, 4), fragments(b"{", 1), frame(TEXT, APP_PING))
    peer.expect_bad_json()
    peer.expect_answer()
    peer.expect_bad_json()
    peer.expect_answer()


# 6. UTF-8 (8.1: "Fail the WebSocket Connection"; 7.4.1: 1007)


VALID = {
    "greeting": GREETING,
    "kosme": "κόσμε".encode(),
    "first of 2 bytes": b"\xc2\x80",
    "first of 3 bytes": b"\xe0\xa0\x80",
    "first of 4 bytes": b"\xf0\x90\x80\x80",
    "last of 1 byte": b"\x7f",
    "last of 2 bytes": b"\xdf\xbf",
    "last of 3 bytes": b"\xef\xbf\xbf",
    "last of all": b"\xf4\x8f\xbf\xbf",
    "before surrogates": b"\xed\x9f\xbf",
    "after surrogates": b"\xee\x80\x80",
    "replacement": b"\xef\xbf\xbd",
    "noncharacter": b"\xef\xbf\xbe",
    "noncharacter of plane 1": b"\xf0\x9f\xbf\xbf",
    "private use": b"\xef\xa3\xbf",
    "byte order mark": b"\xef\xbb\xbf",
}

INVALID = {
    "continuation": b"\x80",
    "last continuation": b"\xbf",
    "two continuations": b"\x80\xbf",
    "lone first of 2": b"\xc3 ",
    "lone first of 3": b"\xe2 ",
    "lone first of 4": b"\xf0 ",
    "cut after 1 of 2": b"\xc3",
    "cut after 2 of 3": b"\xe2\x82",
    "cut after 3 of 4": b"\xf0\x9f\x98",
    "fe": b"\xfe",
    "ff": b"\xff",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "overlong /, 2 bytes": b"\xc0\xaf",
    "overlong /, 3 bytes": b"\xe0\x80\xaf",
    "overlong /, 4 bytes": b"\xf0\x80\x80\xaf",
    "overlong NUL": b"\xc0\x80",
    "longest overlong of 2": b"\xc1\xbf",
    "longest overlong of 3": b"\xe0\x9f\xbf",
    "longest overlong of 4": b"\xf0\x8f\xbf\xbf",
    "first surrogate": b"\xed\xa0\x80",
    "last surrogate": b"\xed\xbf\xbf",
    "pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "beyond the last": b"\xf4\x90\x80\x80",
    "far beyond the last": b"\xf7\xbf\xbf\xbf",
    "greeting with a surrogate": GREETING + b"\xed\xa0\x80edited",
}


def test_6_1_empty_fragments_are_an_empty_text(peer):
    peer.send(frame(TEXT, fin=False), frame(CONTINUATION, fin=False), frame(CONTINUATION))
    peer.expect_bad_json()
    peer.send(frame(TEXT, fin=False), frame(CONTINUATION, APP_PING, fin=False), frame(CONTINUATION))
    peer.expect_answer()


@pytest.mark.parametrize("text", VALID.values(), ids=VALID.keys())
def test_6_2_valid_text_is_accepted_whole_and_in_fragments_of_one_byte(peer, text):
    peer.send(frame(TEXT, padded(text)), fragments(padded(text), 1), frame(TEXT, text))
    peer.expect_answer()
    peer.expect_answer()
    peer.expect_bad_json()


def test_6_2_a_nul_byte_is_valid_text_and_invalid_json(peer):
    peer.send(frame(TEXT, b"\0"), frame(TEXT, APP_PING + b"\0"))
    peer.expect_bad_json()
    peer.expect_bad_json()
    peer.expect_alive()


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID.keys())
def test_6_3_invalid_text_closes_1007(peer, text):
    peer.send(frame(TEXT, text))
    peer.expect_close(1007)


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID.keys())
def test_6_3_invalid_text_in_fragments_of_one_byte_closes_1007(peer, text):
    peer.send(frame(TEXT, APP_PING), fragments(GREETING + text, 1))
    peer.expect_answer()
    peer.expect_close(1007)


@pytest.mark.parametrize("good,bad", [(GREETING, b"\xf4\x90"), (GREETING + b"\xf4", b"\x90"), (b"", b"\xc0"),
                                      (b"\xe2\x82", b"x"), (b"\xed", b"\xa0")],
                         ids=["beyond the last", "beyond the last, cut", "overlong", "no continuation", "surrogate"])
def test_6_4_invalid_text_closes_at_the_invalid_fragment(peer, good, bad):
    peer.send(frame(TEXT, good, fin=False))
    peer.send(frame(PING, b"so far so good"))
    peer.expect_pong(b"so far so good")
    peer.send(frame(CONTINUATION, bad, fin=False))
    peer.expect_close(1007)


# 7. Closing (5.5.1, 7)


def code(number, reason=b""):
    return struct.pack("!H", number) + reason


def test_7_1_1_a_close_after_a_message_is_answered(peer):
    peer.send(frame(TEXT, APP_PING), frame(CLOSE, code(1000)))
    peer.expect_answer()
    peer.expect_close(1000)


@pytest.mark.parametrize("late", [frame(CLOSE, code(1000)), frame(PING, b"late"), frame(TEXT, APP_PING),
                                    frame(CONTINUATION, b"x"), frame(BINARY, b"x"), b"garbage"],
                         ids=["close", "ping", "text", "continuation", "binary", "garbage"])
def test_7_1_2_frames_after_a_close_are_not_answered(peer, late):
    peer.send(frame(CLOSE, code(1000)), late)
    peer.expect_close(1000)


def test_7_1_5_a_close_inside_a_fragmented_message_is_answered(peer):
    peer.send(frame(TEXT, APP_PING[:5], fin=False), frame(CLOSE, code(1000)), frame(CONTINUATION, APP_PING[5:]))
    peer.expect_close(1000)


def test_7_1_6_a_close_after_a_large_message_is_answered(peer):
    peer.send(frame(TEXT, app_ping(MESSAGE_MAX)), frame(CLOSE, code(1000)), frame(PING, b"late"))
    peer.expect_answer()
    peer.expect_close(1000)


def test_7_3_1_a_close_without_a_code_is_answered(peer):
    peer.send(frame(CLOSE))
    peer.expect_close(None, 1000)


def test_7_3_2_a_close_of_one_byte_closes_1002(peer):
    peer.send(frame(CLOSE, b"\x03"))
    peer.expect_close(1002)


@pytest.mark.parametrize("reason", [b"", b"Hello World!", GREETING, b"*" * 123],
                         ids=["none", "ascii", "utf-8", "123 bytes"])
@pytest.mark.parametrize("chop", [None, 1])
def test_7_3_3_a_close_with_a_reason_is_answered(peer, reason, chop):
    peer.send(frame(CLOSE, code(1000, reason)), chop=chop)
    peer.expect_close(1000)


def test_7_3_6_a_reason_of_124_bytes_closes_1002(peer):
    peer.send(frame(CLOSE, code(1000, b"*" * 124)))
    peer.expect_close(1002)


@pytest.mark.parametrize("reason", INVALID.values(), ids=INVALID.keys())
def test_7_5_a_reason_that_is_not_utf_8_closes_1007(peer, reason):
    peer.send(frame(CLOSE, code(1000, reason)))
    peer.expect_close(1007)


@pytest.mark.parametrize("number", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
                                    3000, 3999, 4000, 4501, 4999])
def test_7_7_a_code_of_the_registry_is_answered_with_itself(peer, number):
    """5.5.1: an endpoint "typically echos the status code it received"."""
    peer.send(frame(CLOSE, code(number)))
    peer.expect_close(number)


@pytest.mark.parametrize("number", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
@pytest.mark.parametrize("reason", [b"", b"Reason"], ids=["bare", "reason"])
def test_7_9_a_code_that_must_not_be_sent_closes_1002(peer, number, reason):
    peer.send(frame(CLOSE, code(number, reason)))
    peer.expect_close(1002)


def test_7_14_the_server_ends_the_connection_first(peer):
    """7.1.1: "the server MUST close the TCP connection"."""
    peer.send(frame(CLOSE, code(1000)))
    assert peer.frame() == (CLOSE, code(1000))
    peer.expect_end()


def test_7_15_clients_that_disconnect_without_a_close_do_no_harm(daemon, alice):
    for cut in [frame(TEXT, APP_PING)[:5], frame(TEXT, app_ping(5000))[:3000], frame(TEXT, b"a", fin=False), b""]:
        broken = Peer(daemon, alice.token)
        broken.send(cut)
        broken.close()
    peer = Peer(daemon, alice.token)
    peer.expect_alive()
    peer.close()


# 8. Masking and lengths (5.1, 5.2)


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_8_1_an_unmasked_frame_closes_1002(peer, opcode):
    peer.send(frame(opcode, code(1000), mask=False))
    peer.expect_close(1002)


def test_8_2_a_mask_of_zeros_is_valid(peer):
    peer.send(bytes([0x80 | TEXT, 0x80 | len(APP_PING)]) + bytes(4) + APP_PING)
    peer.expect_answer()


@pytest.mark.parametrize("size,form", [(24, 16), (125, 16), (24, 64), (125, 64), (126, 64), (65535, 64)])
def test_8_3_a_length_in_more_bytes_than_needed_closes_1002(peer, size, form):
    peer.send(frame(TEXT, app_ping(size), form=form))
    peer.expect_close(1002)


def test_8_4_a_length_with_the_top_bit_set_closes_1002(peer):
    peer.send(frame(TEXT, length=1 << 63 | 5))
    peer.expect_close(1002)


# 9. Limits


@pytest.mark.parametrize("size", [64, 256, 1024, 4096, 16384, 65536])
def test_9_3_a_text_of_64_kib_may_have_fragments_of_any_size(peer, size):
    peer.send(fragments(app_ping(MESSAGE_MAX), size))
    peer.expect_answer()
    peer.expect_alive()


@pytest.mark.parametrize("chop", [64, 128, 256, 512, 1024, 2048])
def test_9_5_a_text_of_64_kib_may_arrive_in_many_segments(peer, chop):
    peer.send(frame(TEXT, app_ping(MESSAGE_MAX)), chop=chop)
    peer.expect_answer()
    peer.expect_alive()


@pytest.mark.parametrize("size", [24, 64, 125, 256, 1024])
def test_9_7_a_thousand_messages_are_answered_one_by_one(peer, size):
    for _ in range(10):
        peer.send(*[frame(TEXT, app_ping(size)) for _ in range(100)])
        for _ in range(100):
            peer.expect_answer()


@pytest.mark.parametrize("length", [MESSAGE_MAX + 1, 1 << 20, 1 << 32, (1 << 32) + 5, (1 << 63) - 1])
def test_9_9_a_header_with_too_large_a_length_closes_1009(peer, length):
    peer.send(frame(TEXT, length=length))
    peer.expect_close(1009)


def test_9_9_one_byte_too_many_closes_1009(peer):
    peer.send(frame(TEXT, app_ping(MESSAGE_MAX + 1)))
    peer.expect_close(1009)


@pytest.mark.parametrize("size", [4000, 65536])
def test_9_10_fragments_with_too_large_a_sum_close_1009(peer, size):
    peer.send(fragments(app_ping(MESSAGE_MAX + 1), size))
    peer.expect_close(1009)


def test_9_10_a_control_frame_does_not_count(peer):
    text = app_ping(MESSAGE_MAX)
    peer.send(frame(TEXT, text[:-1], fin=False), frame(PING, b"p" * 125), frame(CONTINUATION, text[-1:]))
    peer.expect_pong(b"p" * 125)
    peer.expect_answer()
    peer.expect_alive()


# 10. Fragments of a typical library


def test_10_1_a_text_of_64_kib_in_fragments_of_1300_is_one_message(peer):
    peer.send(fragments(app_ping(MESSAGE_MAX), 1300))
    peer.expect_answer()
    peer.expect_alive()


# The library python3-websockets


def with_library(daemon, token, conversation, **options):
    """Runs conversation(socket) on a socket of python3-websockets, after `ready`."""
    async def run():
        async with websockets.connect(daemon.ws_url(), extra_headers={"Authorization": f"Bearer {token}"},
                                      ping_interval=None, open_timeout=DEADLINE_S, **options) as socket:
            assert json.loads(await socket.recv())["type"] == "ready"
            return await conversation(socket)
    return asyncio.run(asyncio.wait_for(run(), 3 * DEADLINE_S))


def test_library_messages_whole_and_in_fragments_are_answered(daemon, alice):
    async def conversation(socket):
        for size in SIZES:
            text = app_ping(size).decode()
            await socket.send(text)
            assert json.loads(await socket.recv()) == {"type": "pong"}
            await socket.send([text[:10], text[10:20], text[20:]])
            assert json.loads(await socket.recv()) == {"type": "pong"}
    with_library(daemon, alice.token, conversation)


def test_library_pings_are_answered(daemon, alice):
    async def conversation(socket):
        for payload in b"", b"p", os.urandom(125):
            await asyncio.wait_for(await socket.ping(payload), DEADLINE_S)
    with_library(daemon, alice.token, conversation)


def test_library_closing_handshake_is_clean(daemon, alice):
    async def conversation(socket):
        await socket.close(1000, "good bye")
        return socket
    assert with_library(daemon, alice.token, conversation).close_code == 1000


def test_library_receives_the_close_code(daemon, alice):
    async def conversation(socket):
        await socket.send(b"binary")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await socket.recv()
        return closed.value
    closed = with_library(daemon, alice.token, conversation)
    assert closed.rcvd.code == 1003
    assert closed.rcvd_then_sent


def test_12_no_extension_is_negotiated(daemon, alice):
    """9.1: the server declines every offered extension."""
    async def conversation(socket):
        assert socket.extensions == []
        assert "Sec-WebSocket-Extensions" not in socket.response_headers
        await socket.send(APP_PING.decode())
        assert json.loads(await socket.recv()) == {"type": "pong"}
    with_library(daemon, alice.token, conversation, compression="deflate")
