"""expect: checks of answers and frames against the shapes of docs/api.md.

Owns: nothing. Knows nothing of: connections.
"""

import http
import re

UNUSED_ID = 9007199254700000  # no user, group or message has it
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

USER = {"user_id", "username", "full_name", "profile_picture", "public_key", "created_at"}
MESSAGE = {
    "message_id",
    "chat_id",
    "seq",
    "mod",
    "sender_id",
    "kind",
    "content",
    "sent_at",
    "edited_at",
    "deleted",
    "reply",
    "thread_id",
    "mentions",
    "mentions_all",
    "forwarded_from",
    "pinned",
}
SERVED = {"replies", "reactions"}  # not in pushes and in last_message
CHAT = {
    "chat_id",
    "kind",
    "name",
    "last_seq",
    "last_mod",
    "read_seq",
    "unread",
    "last_message",
    "member_count",
    "role",
    "description",
    "picture",
    "posting",
    "adding",
}
PROFILE = {"description", "picture", "posting", "adding"}
GROUP = {"group_id", "name", "owner_id", "created_at", "member_count", "members", "next"} | PROFILE
INVITE = {"code", "expires_at", "max_uses", "uses", "created_by"}
# Reason phrases of RFC 9110 that Python's library does not have.
TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}

MEMBER = {"user_id", "username", "full_name", "joined_at", "read_seq", "role"}


def problem(answer, status, code=None, field=None):
    """An error of RFC 9457 with a stable code; a 422 names the field. Returns the body."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:300]}"
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json"
    body = answer.json()
    assert body["type"] == "about:blank"
    assert body["title"] in (http.HTTPStatus(status).phrase, TITLES.get(status)), body
    assert body["status"] == status
    assert re.fullmatch(r"[a-z][a-z0-9_]*", body["code"]), body
    assert isinstance(body["detail"], str) and body["detail"]
    if code is not None:
        assert body["code"] == code, body
    if status == 422 and field is not None:
        assert field in [error["field"] for error in body["errors"]], body
        assert all(isinstance(error["detail"], str) for error in body["errors"])
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if status in (429, 503):
        assert int(answer.headers["Retry-After"]) >= 0
    return body


def error_frame(frame, code=None, **fields):
    """An error frame has a stable code and a detail. Returns the frame."""
    assert frame["type"] == "error", frame
    assert re.fullmatch(r"[a-z][a-z0-9_]*", frame["code"]), frame
    assert isinstance(frame["detail"], str) and frame["detail"]
    if code is not None:
        assert frame["code"] == code, frame
    for key, value in fields.items():
        assert frame.get(key) == value, frame
    return frame


def user(body):
    assert set(body) == USER
    assert isinstance(body["user_id"], int)
    assert TIME.fullmatch(body["created_at"])


def message(body, own=None, pushed=False):
    """A text message. own: the client_id that its sender sees; None if it must be absent. pushed: it is
    a push or the last message of a chat."""
    wanted = MESSAGE | ({"client_id"} if own is not None else set())
    assert set(body) == (wanted if pushed else wanted | SERVED), body
    if own is not None:
        assert body["client_id"] == own
    assert body["kind"] == "text"
    for key in ("message_id", "chat_id", "seq", "mod", "sender_id"):
        assert isinstance(body[key], int), body
    assert TIME.fullmatch(body["sent_at"])
    assert body["edited_at"] is None or TIME.fullmatch(body["edited_at"])
    assert isinstance(body["deleted"], bool)


def chat(body):
    more = {"owner_id"} if body["kind"] == "group" else {"peer", "peer_read_seq"}
    assert CHAT | more <= set(body) <= CHAT | {"owner_id", "peer", "peer_read_seq"}, body
    if body["kind"] == "direct":
        assert [body[key] for key in ("role", *PROFILE)] == [None] * 5


def group(body):
    assert set(body) == GROUP
    assert TIME.fullmatch(body["created_at"])
    if body["next"] is None:
        assert body["member_count"] >= len(body["members"])
    for member in body["members"]:
        assert set(member) == MEMBER
        assert (member["role"] == "owner") == (member["user_id"] == body["owner_id"])
        assert TIME.fullmatch(member["joined_at"])


def gapless(messages, key="seq"):
    """The values of key are 1, 2, 3, ... without a gap or a duplicate."""
    values = [one[key] for one in messages]
    assert sorted(values) == list(range(1, len(values) + 1)), values


def pushed(message):
    """A message as its frame has it, without the type, or as the last message of a chat."""
    return without(message, *SERVED)


def without(body, *keys):
    return {key: value for key, value in body.items() if key not in keys}
