"""access_requests: the request or frame for each row of the tables of docs/security.md.

Owns: nothing. Knows nothing of: the answers.

Functions of a request take the scenario and the calling user (None for `nobody`).
"""

from access_matrix import PASSWORD


class RouteRequest:
    """Path and body of a request: values, or functions of scenario and caller.

    shows: function of scenario and answer; True if the answer contains the row's object. None if
    only the status matters.
    changes: True if a success changes the database; None if it depends.
    """

    def __init__(self, path="", body=None, shows=None, changes=True):
        self.path = path if callable(path) else lambda s, me: path
        self.body = body if callable(body) else lambda s, me: body
        self.shows = shows
        self.changes = changes


def has(list_name, key, value):
    """A `shows`: True if an element of the answer's list has this value."""
    return lambda s, answer: any(one[key] == value(s) for one in answer[list_name])


def registration(s, _):
    return {"username": f"registered.{s.number}", "full_name": "R", "password": PASSWORD}


def log_in(password):
    """The log-in of the caller, or else of the target."""
    return lambda s, me: {"username": (me or s.target).username, "password": password}


def to(receiver, **more):
    return lambda s, me: {"receiver_id": receiver(s), "content": "x", **more}


def in_group(user=None):
    def body(s, me):
        named = {} if user is None else {"user_id": user(s, me)}
        return {"group_id": s.group_id, **named}

    return body


def typing(chat):
    return lambda s, _: {"is_typing": True, "typing_chat_id": chat(s)}


def group(s, _=None):
    return s.group_id


def target(s, _=None):
    return s.target.id


def deleted(s, _=None):
    return s.deleted.id


def closed(s, _=None):
    return s.closed_id


def banned(s, _=None):
    return s.banned.id


def invite(s):
    return s.invite


OTHERS = {
    "another member": target,
    "another admin": lambda s, _=None: s.other_admin.id,
    "the owner": lambda s, _=None: s.owner.id,
    "no member": lambda s, _=None: s.newcomer.id,
}
READ = {"shows": lambda s, answer: answer["read"] > 0}
HISTORY = {"shows": lambda s, answer: bool(answer["messages"])}
MESSAGES = {
    "a text in the group": lambda s, me: s.text_id,
    "a text in a direct chat": lambda s, me: s.direct_id,
    "a former member's text": lambda s, me: s.former_text(me),
    "a join": lambda s, me: s.join_id,
    "a deleted text": lambda s, me: s.erased_id,
}
REPLIED = {
    "the group, a reply to a text in it": lambda s: s.text_id,
    "the group, a reply to a text in a direct chat": lambda s: s.direct_id,
}


def chat_of(s, me, message):
    """The chat of one of MESSAGES as the caller sees it."""
    if message != "a text in a direct chat":
        return s.group_id
    return s.people["sender"][0].id if me is s.target else s.target.id


NEW_NAME = {"full_name": "Another name"}
ROUTE_REQUESTS = {
    ("POST /users/register", "a new account"): RouteRequest("/users/register", registration),
    ("POST /users/login", "a right password"): RouteRequest("/users/login", log_in(PASSWORD)),
    ("POST /users/login", "a wrong password"): RouteRequest(
        "/users/login", log_in("wrong password")
    ),
    ("POST /users/logout", "one's token"): RouteRequest("/users/logout"),
    ("GET /users/me", ""): RouteRequest("/users/me"),
    ("PATCH /users/me", ""): RouteRequest("/users/me", NEW_NAME),
    ("PUT /users/me/password", "with the old one"): RouteRequest(
        "/users/me/password", {"old_password": PASSWORD, "new_password": "battery staple"}
    ),
    ("PUT /users/me/password", "without the old one"): RouteRequest(
        "/users/me/password", {"old_password": "wrong password", "new_password": "battery staple"}
    ),
    ("GET /users/search", "a user"): RouteRequest(
        lambda s, _: f"/users/search?q={s.target.username}", shows=has("users", "user_id", target)
    ),
    ("GET /users/search", "a deleted user"): RouteRequest(
        lambda s, _: f"/users/search?q={s.deleted.username}", shows=has("users", "user_id", deleted)
    ),
    ("GET /users/user_id/{username}", "a user"): RouteRequest(
        lambda s, _: f"/users/user_id/{s.target.username}"
    ),
    ("GET /users/user_id/{username}", "a deleted user"): RouteRequest(
        lambda s, _: f"/users/user_id/{s.deleted.username}"
    ),
    ("GET /users/username/{user_id}", "a user"): RouteRequest(
        lambda s, _: f"/users/username/{s.target.id}"
    ),
    ("GET /users/username/{user_id}", "a deleted user"): RouteRequest(
        lambda s, _: f"/users/username/{s.deleted.id}"
    ),
    ("DELETE /users/delete_user/{user_id}", "a user"): RouteRequest(
        lambda s, _: f"/users/delete_user/{s.target.id}"
    ),
    **{
        ("POST /users/set_typing_status", what): RouteRequest(
            "/users/set_typing_status", typing(chat), changes=False
        )
        for what, chat in (("the group", group), ("a user", target), ("a deleted user", deleted))
    },
    ("GET /users/presence", "a user"): RouteRequest(
        lambda s, _: f"/users/presence?ids={s.target.id}", shows=has("presence", "user_id", target)
    ),
    **{
        ("POST /messages/send_message", what): RouteRequest("/messages/send_message", to(chat))
        for what, chat in (
            ("the group", group),
            ("the closed group", closed),
            ("a user", target),
            ("a deleted user", deleted),
        )
    },
    **{
        ("POST /messages/send_message", what): RouteRequest(
            "/messages/send_message", lambda s, me, text=text: to(group, reply_to=text(s))(s, me)
        )
        for what, text in REPLIED.items()
    },
    ("POST /messages/forward", "a text, to the closed group"): RouteRequest(
        "/messages/forward", lambda s, _: {"message_id": s.text_id, "receiver_id": s.closed_id}
    ),
    **{
        ("POST /messages/forward", what): RouteRequest(
            "/messages/forward",
            lambda s, me, message=message: {
                "message_id": message(s, me),
                "receiver_id": (me or s.newcomer).id,
            },
        )
        for what, message in MESSAGES.items()
    },
    ("POST /messages/send_message", "in a user's name"): RouteRequest(
        "/messages/send_message", lambda s, me: {**to(group)(s, me), "sender_id": s.target.id}
    ),
    ("PUT /messages/read", "the group's"): RouteRequest(
        "/messages/read", lambda s, _: {"message_ids": [s.last_id]}, **READ
    ),
    ("PUT /messages/read", "a direct chat's"): RouteRequest(
        "/messages/read", lambda s, _: {"message_ids": [s.direct_id]}, **READ, changes=None
    ),
    ("PUT /messages/read", "in a user's name"): RouteRequest(
        "/messages/read",
        lambda s, _: {"message_ids": [s.last_id], "user_id": s.target.id},
        **READ,
    ),
    ("GET /messages/search", "the group's texts"): RouteRequest(
        lambda s, _: f"/messages/search?from={s.people['sender'][0].id}",
        shows=has("messages", "message_id", lambda s: s.text_id),
    ),
    ("GET /messages/search", "in the group"): RouteRequest(
        lambda s, _: f"/messages/search?from={s.people['sender'][0].id}&chat_id={s.group_id}",
        shows=has("messages", "message_id", lambda s: s.text_id),
    ),
    ("GET /messages/search", "a direct chat's texts"): RouteRequest(
        lambda s, me: f"/messages/search?from={s.people['sender'][0].id}"
        f"&chat_id={chat_of(s, me, 'a text in a direct chat')}",
        shows=has("messages", "message_id", lambda s: s.direct_id),
    ),
    **{
        ("GET /messages/{chat_id}", what): RouteRequest(
            lambda s, _, chat=chat: f"/messages/{chat(s)}", **HISTORY
        )
        for what, chat in (("the group", group), ("a user", target), ("a deleted user", deleted))
    },
    ("GET /messages/{chat_id}", "the group, around a text"): RouteRequest(
        lambda s, _: f"/messages/{s.group_id}?around=1", **HISTORY
    ),
    ("GET /messages/{chat_id}", "the group, a thread"): RouteRequest(
        lambda s, _: f"/messages/{s.group_id}?thread={s.text_id}", **HISTORY
    ),
    **{
        ("GET /messages/{chat_id}/{message_id}", what): RouteRequest(
            lambda s, me, what=what: f"/messages/{chat_of(s, me, what)}/{MESSAGES[what](s, me)}"
        )
        for what in MESSAGES
    },
    **{
        ("PATCH /messages/{message_id}", what): RouteRequest(
            lambda s, me, message=message: f"/messages/{message(s, me)}", {"content": "edited"}
        )
        for what, message in MESSAGES.items()
    },
    **{
        ("DELETE /messages/{message_id}", what): RouteRequest(
            lambda s, me, message=message: f"/messages/{message(s, me)}"
        )
        for what, message in MESSAGES.items()
        if what != "a deleted text"
    },
    **{
        ("GET /chats/{chat_id}", what): RouteRequest(lambda s, _, chat=chat: f"/chats/{chat(s)}")
        for what, chat in (("the group", group), ("a user", target), ("a deleted user", deleted))
    },
    **{
        (f"{method} /messages/{{message_id}}/{of}", what): RouteRequest(
            lambda s, me, path=path, message=message: f"/messages/{message(s, me)}/{path}",
            changes=None,
        )
        for method in ("PUT", "DELETE")
        for of, path in (("reactions/{emoji}", "reactions/%F0%9F%91%8D"), ("pin", "pin"))
        for what, message in MESSAGES.items()
    },
    **{
        ("GET /chats/{chat_id}/pins", what): RouteRequest(
            lambda s, _, chat=chat: f"/chats/{chat(s)}/pins", **HISTORY
        )
        for what, chat in (("the group", group), ("a user", target))
    },
    ("GET /chats", "the group"): RouteRequest("/chats", shows=has("chats", "chat_id", group)),
    ("POST /groups/create_group", "a new group"): RouteRequest(
        "/groups/create_group", {"name": "new"}
    ),
    ("GET /groups/{group_id}", "the group"): RouteRequest(lambda s, _: f"/groups/{s.group_id}"),
    **{
        ("PATCH /groups/{group_id}", what): RouteRequest(lambda s, _: f"/groups/{s.group_id}", body)
        for what, body in (
            ("its name", {"name": "renamed"}),
            ("its settings", {"description": "d", "posting": "admins", "adding": "admins"}),
        )
    },
    ("POST /groups/add_user_to_group", "a user"): RouteRequest(
        "/groups/add_user_to_group", in_group(lambda s, _: s.newcomer.id)
    ),
    ("POST /groups/add_user_to_group", "a deleted user"): RouteRequest(
        "/groups/add_user_to_group", in_group(deleted)
    ),
    ("POST /groups/add_user_to_group", "the caller"): RouteRequest(
        "/groups/add_user_to_group",
        in_group(lambda s, me: (me or s.newcomer).id),
        changes=False,  # the caller is a member already
    ),
    ("POST /groups/remove_user_from_group", "a member"): RouteRequest(
        "/groups/remove_user_from_group", in_group(target)
    ),
    ("POST /groups/add_user_to_group", "a user, to the closed group"): RouteRequest(
        "/groups/add_user_to_group",
        lambda s, _: {"group_id": s.closed_id, "user_id": s.newcomer.id},
    ),
    ("POST /groups/add_user_to_group", "a banned user"): RouteRequest(
        "/groups/add_user_to_group", in_group(banned)
    ),
    **{
        ("POST /groups/remove_user_from_group", what): RouteRequest(
            "/groups/remove_user_from_group", in_group(other)
        )
        for what, other in OTHERS.items()
    },
    **{
        ("PUT /groups/{group_id}/members/{user_id}/role", what): RouteRequest(
            lambda s, _, what=what: f"/groups/{s.group_id}/members/{OTHERS[what](s)}/role",
            {"role": "admin"},
        )
        for what in ("another member", "no member")
    },
    ("GET /groups/{group_id}/bans", "the group"): RouteRequest(
        lambda s, _: f"/groups/{s.group_id}/bans", shows=has("users", "user_id", banned)
    ),
    **{
        ("PUT /groups/{group_id}/bans/{user_id}", what): RouteRequest(
            lambda s, _, other=other: f"/groups/{s.group_id}/bans/{other(s)}"
        )
        for what, other in OTHERS.items()
    },
    ("DELETE /groups/{group_id}/bans/{user_id}", "a banned user"): RouteRequest(
        lambda s, me: f"/groups/{s.group_id}/bans/{banned(s) if me is not s.banned else s.target.id}"
    ),
    ("POST /groups/{group_id}/invites", "the group"): RouteRequest(
        lambda s, _: f"/groups/{s.group_id}/invites", {}
    ),
    ("GET /groups/{group_id}/invites", "the group"): RouteRequest(
        lambda s, _: f"/groups/{s.group_id}/invites", shows=has("invites", "code", invite)
    ),
    ("DELETE /groups/{group_id}/invites/{code}", "a link"): RouteRequest(
        lambda s, _: f"/groups/{s.group_id}/invites/{s.invite}"
    ),
    ("DELETE /groups/{group_id}/invites/{code}", "another group's link"): RouteRequest(
        lambda s, _: f"/groups/{s.group_id}/invites/{s.foreign}"
    ),
    ("GET /invites/{code}", "a link"): RouteRequest(lambda s, _: f"/invites/{s.invite}"),
    ("GET /invites/{code}", "an ended link"): RouteRequest(lambda s, _: f"/invites/{s.ended}"),
    # A member's join changes nothing.
    ("POST /invites/{code}/join", "a link"): RouteRequest(
        lambda s, _: f"/invites/{s.invite}/join", changes=None
    ),
    ("POST /invites/{code}/join", "an ended link"): RouteRequest(
        lambda s, _: f"/invites/{s.ended}/join", changes=None
    ),
    ("POST /groups/leave_group", "the group"): RouteRequest("/groups/leave_group", in_group()),
    ("GET /healthz", ""): RouteRequest("/healthz"),
    ("GET /openapi.json", ""): RouteRequest("/openapi.json"),
    ("GET /", "the page"): RouteRequest("/"),
    ("GET /ws", "with the token"): RouteRequest("/ws"),
}


def change_frame(kind, message, **more):
    return lambda s, me: {
        "type": kind,
        "id": "change",
        "message_id": message(s, me),
        **more,
    }


def send_frame(receiver, reply_to=lambda s: None):
    return lambda s, _: {
        "type": "send",
        "id": "x",
        "receiver_id": receiver(s),
        "content": "x",
        "reply_to": reply_to(s),
    }


FRAME_REQUESTS = {
    ("auth", "one's token, first"): lambda s, me: {
        "type": "auth",
        "token": me.token if me else "A" * 43,
    },
    ("auth", "another's token, later"): lambda s, _: {"type": "auth", "token": s.owner.token},
    **{
        ("send", what): send_frame(chat)
        for what, chat in (
            ("the group", group),
            ("the closed group", closed),
            ("a user", target),
            ("a deleted user", deleted),
        )
    },
    **{("send", what): send_frame(group, text) for what, text in REPLIED.items()},
    ("typing", "the group"): lambda s, _: {
        "type": "typing",
        "chat_id": s.group_id,
        "is_typing": True,
    },
    ("read", "the group"): lambda s, _: {"type": "read", "chat_id": s.group_id, "seq": 1000},
    **{
        (kind, what): change_frame(kind, message, **more)
        for kind, more in (("edit", {"content": "edited"}), ("delete", {}))
        for what, message in MESSAGES.items()
        if what != "a deleted text"
    },
    **{
        ("react", what): change_frame("react", message, emoji="👍", on=True)
        for what, message in MESSAGES.items()
    },
    ("sync", "the group"): lambda s, _: {"type": "sync", "after": {str(s.group_id): 0}},
    ("presence", "a user"): lambda s, _: {"type": "presence", "watch": [s.target.id]},
    ("ping", ""): lambda s, _: {"type": "ping"},
}
