"""GET /openapi.json: a valid description, and real answers against it. test_reference.py compares it with
docs/api.md."""

import re

import jsonschema
import pytest
import requests

import expect

NO_SUCH_ID = 9007199254700000

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture(scope="module")
def description(daemon):
    answer = requests.get(daemon.url("/openapi.json"), timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.json()


def shape(path):
    """A path without the names of its parameters."""
    return re.sub(r"\{\w+\}", "{}", path)


def operations(description):
    return {
        (method, shape(path)): operation
        for path, item in description["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def resolve(description, node):
    while "$ref" in node:
        target = description
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


class Conforms:
    """Checks real answers against the schema of their route and status."""

    def __init__(self, description):
        self.description = description
        self.operations = operations(description)
        self.checked = set()

    def __call__(self, method, path, answer):
        responses = self.operations[(method, shape(path))]["responses"]
        status = str(answer.status_code)
        assert (
            status in responses or "default" in responses
        ), f"{method} {path}: {status} is not described"
        response = resolve(self.description, responses.get(status) or responses["default"])
        self.checked.add((method, shape(path), status))
        if answer.status_code == 204:
            assert "content" not in response and not answer.content
            return
        kind = answer.headers["Content-Type"].split(";")[0]
        assert kind in response["content"], f"{method} {path} {status}: {kind} is not described"
        schema = response["content"][kind]["schema"]
        resolver = jsonschema.RefResolver(base_uri="", referrer=self.description)
        jsonschema.Draft202012Validator(schema, resolver=resolver).validate(answer.json())


@pytest.fixture(scope="module")
def conforms(description):
    return Conforms(description)


def test_it_is_openapi_3_1_with_title_and_version(description):
    assert re.fullmatch(r"3\.1\.\d+", description["openapi"])
    assert description["info"]["title"] and description["info"]["version"]


def test_every_path_parameter_is_declared(description):
    for path, item in description["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                declared = {
                    parameter["name"]
                    for parameter in (
                        resolve(description, one)
                        for one in operation.get("parameters", []) + item.get("parameters", [])
                    )
                    if parameter["in"] == "path"
                }
                assert declared == set(re.findall(r"\{(\w+)\}", path)), (method, path)


def test_operation_ids_are_unique(description):
    ids = [
        operation["operationId"]
        for operation in operations(description).values()
        if "operationId" in operation
    ]
    assert len(ids) == len(set(ids))


def test_every_schema_is_a_schema(description):
    for schema in description["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_objects_say_what_they_require(description):
    """Anything conforms to a schema without required members."""
    by_members = {
        frozenset(schema["required"])
        for schema in description["components"]["schemas"].values()
        if "required" in schema
    }
    for wanted in (expect.USER, expect.MESSAGE - {"content"}, expect.CHAT, expect.GROUP):
        assert any(wanted <= members for members in by_members), wanted


def is_open(operation):
    return operation.get("security") == []


def test_every_route_but_the_open_ones_needs_a_token(description, http):
    assert description["security"] == [{"bearer": []}, {"cookie": []}]
    for (method, path), operation in operations(description).items():
        answer = http.request(method.upper(), path.replace("{}", "1"))
        if is_open(operation):
            assert answer.status_code in (200, 400), (method, path)
        else:
            expect.problem(answer, 401)


def test_real_answers_conform(description, conforms, http, person, alice, bob, carol, username):
    """Every route: success, and the errors that a client can cause; messages of every kind."""

    def call(who, method, path, body=None, real=None):
        answer = who.request(method.upper(), real or path, body)
        conforms(method, path, answer)
        return answer

    new = {"username": username, "full_name": "New", "password": "correct horse", "public_key": "k"}
    user = call(http, "post", "/users/register", new).json()
    call(http, "post", "/users/register", new)
    call(http, "post", "/users/register", {})
    login = call(
        http, "post", "/users/login", {"username": username, "password": "correct horse"}
    ).json()
    call(http, "post", "/users/login", {"username": username, "password": "wrong password"})
    http.token = login["access_token"]
    call(http, "get", "/users/me")
    call(http, "patch", "/users/me", {"profile_picture": "https://example.org/x.png"})
    call(http, "patch", "/users/me", {"full_name": ""})
    call(
        http,
        "put",
        "/users/me/password",
        {"old_password": "wrong one", "new_password": "long enough"},
    )
    call(
        http,
        "put",
        "/users/me/password",
        {"old_password": "correct horse", "new_password": "battery staple"},
    )
    call(alice, "get", "/users/search", real=f"/users/search?q={username}")
    call(alice, "get", "/users/search", real="/users/search?q=a&limit=0")
    call(alice, "get", "/users/user_id/{username}", real=f"/users/user_id/{username}")
    call(alice, "get", "/users/user_id/{username}", real="/users/user_id/no-such-user")
    call(alice, "get", "/users/username/{user_id}", real=f"/users/username/{user['user_id']}")
    call(alice, "get", "/users/username/{user_id}", real="/users/username/x")

    sent = call(
        alice,
        "post",
        "/messages/send_message",
        {"receiver_id": bob.id, "content": "x", "client_id": "c"},
    ).json()
    call(
        alice,
        "post",
        "/messages/send_message",
        {"receiver_id": bob.id, "content": "x", "client_id": "c"},
    )
    call(alice, "post", "/messages/send_message", {"receiver_id": NO_SUCH_ID, "content": "x"})
    call(
        alice,
        "post",
        "/messages/send_message",
        {"receiver_id": bob.id, "content": "x", "sender_id": bob.id},
    )
    call(
        alice,
        "patch",
        "/messages/{message_id}",
        {"content": "y"},
        f"/messages/{sent['message_id']}",
    )
    call(bob, "patch", "/messages/{message_id}", {"content": "y"}, f"/messages/{sent['message_id']}")
    call(carol, "delete", "/messages/{message_id}", real=f"/messages/{sent['message_id']}")
    for message_id in (sent["message_id"], NO_SUCH_ID):
        copy = {"message_id": message_id, "receiver_id": carol.id}
        call(bob, "post", "/messages/forward", copy)
    call(bob, "put", "/messages/read", {"message_ids": [sent["message_id"]]})
    call(bob, "put", "/messages/read", {"message_ids": []})
    call(alice, "post", "/users/set_typing_status", {"typing_chat_id": bob.id, "is_typing": False})
    call(alice, "post", "/users/set_typing_status", {"typing_chat_id": NO_SUCH_ID, "is_typing": False})
    call(alice, "get", "/users/presence", real=f"/users/presence?ids={bob.id}")
    call(alice, "get", "/users/presence", real="/users/presence?ids=x")
    call(alice, "post", "/messages/forward", {"message_id": sent["message_id"], "receiver_id": bob.id})
    for method in ("put", "delete"):
        path = "/messages/{message_id}/reactions/{emoji}"
        for who, emoji in ((bob, "👍"), (bob, "x"), (carol, "👍")):
            call(who, method, path, real=f"/messages/{sent['message_id']}/reactions/{emoji}")
        for who in (bob, carol):
            path = f"/messages/{sent['message_id']}/pin"
            call(who, method, "/messages/{message_id}/pin", real=path)
    call(alice, "put", "/messages/{message_id}/pin", real=f"/messages/{sent['message_id']}/pin")
    for chat_id in (bob.id, NO_SUCH_ID):
        call(alice, "get", "/chats/{chat_id}/pins", real=f"/chats/{chat_id}/pins")
    call(alice, "delete", "/messages/{message_id}", real=f"/messages/{sent['message_id']}")

    group = call(alice, "post", "/groups/create_group", {"name": "G"}).json()["group_id"]
    call(alice, "post", "/groups/create_group", {"name": ""})
    for user_id in (bob.id, carol.id, user["user_id"], NO_SUCH_ID):
        call(alice, "post", "/groups/add_user_to_group", {"group_id": group, "user_id": user_id})
    call(
        http,
        "post",
        "/messages/send_message",
        {"receiver_id": group, "content": "soon without a sender"},
    )
    call(
        http,
        "post",
        "/messages/send_message",
        {"receiver_id": alice.id, "content": "soon without a peer"},
    )
    call(alice, "patch", "/groups/{group_id}", {"name": "H"}, f"/groups/{group}")
    call(bob, "patch", "/groups/{group_id}", {"name": "I"}, f"/groups/{group}")
    describe = {"description": "d", "picture": "https://example.org/", "posting": "admins"}
    call(alice, "patch", "/groups/{group_id}", describe, f"/groups/{group}")
    call(alice, "patch", "/groups/{group_id}", {"adding": "none"}, f"/groups/{group}")
    call(bob, "post", "/messages/send_message", {"receiver_id": group, "content": "x"})
    role, guest = "/groups/{group_id}/members/{user_id}/role", person()
    for who, named, body in (
        (alice, bob.id, {"role": "admin"}),
        (bob, carol.id, {"role": "admin"}),
        (alice, NO_SUCH_ID, {"role": "member"}),
        (alice, alice.id, {"role": "member"}),
    ):
        call(who, "put", role, body, f"/groups/{group}/members/{named}/role")
    bans = "/groups/{group_id}/bans/{user_id}"
    for who, method, named in (
        (alice, "put", guest.id),
        (bob, "put", alice.id),
        (carol, "put", bob.id),
        (alice, "put", NO_SUCH_ID),
        (alice, "delete", alice.id),
    ):
        call(who, method, bans, real=f"/groups/{group}/bans/{named}")
    call(alice, "get", "/groups/{group_id}/bans", real=f"/groups/{group}/bans")
    call(alice, "delete", bans, real=f"/groups/{group}/bans/{guest.id}")
    call(alice, "get", "/groups/{group_id}/bans", real=f"/groups/{group}/bans")
    call(carol, "get", "/groups/{group_id}/bans", real=f"/groups/{group}/bans")
    invites, real = "/groups/{group_id}/invites", f"/groups/{group}/invites"
    code = call(alice, "post", invites, {"expires_in": 60, "max_uses": 2}, real).json()["code"]
    call(alice, "post", invites, {"expires_in": 1}, real)
    call(carol, "post", invites, {}, real)
    call(alice, "get", invites, real=real)
    for named in (code, "x"):
        call(guest, "get", "/invites/{code}", real=f"/invites/{named}")
        call(guest, "post", "/invites/{code}/join", real=f"/invites/{named}/join")
        call(alice, "delete", invites + "/{code}", real=f"{real}/{named}")
    call(alice, "get", "/groups/{group_id}", real=f"/groups/{group}")
    call(alice, "get", "/groups/{group_id}", real="/groups/1")
    call(alice, "post", "/groups/remove_user_from_group", {"group_id": group, "user_id": carol.id})
    call(alice, "post", "/groups/remove_user_from_group", {"group_id": group, "user_id": carol.id})
    call(bob, "post", "/groups/leave_group", {"group_id": group})
    call(bob, "post", "/groups/leave_group", {"group_id": group})
    call(http, "delete", "/users/delete_user/{user_id}", real=f"/users/delete_user/{alice.id}")
    call(
        http, "delete", "/users/delete_user/{user_id}", real=f"/users/delete_user/{user['user_id']}"
    )
    for chat_id in (bob.id, group, user["user_id"]):  # texts, events, erased messages
        call(alice, "get", "/messages/{chat_id}", real=f"/messages/{chat_id}")
        call(alice, "get", "/messages/{chat_id}", real=f"/messages/{chat_id}?around=1")
    call(alice, "get", "/messages/{chat_id}", real=f"/messages/{bob.id}?limit=0")
    search = "/messages/search"
    call(alice, "get", search, real=f"{search}?from={alice.id}&limit=1")
    call(alice, "get", search, real=f"{search}?q=*x")
    one = "/messages/{chat_id}/{message_id}"
    call(alice, "get", one, real=f"/messages/{bob.id}/{sent['message_id']}")
    call(alice, "get", one, real=f"/messages/{group}/{sent['message_id']}")
    call(alice, "get", one, real=f"/messages/{bob.id}/x")
    for chat_id in (bob.id, group, NO_SUCH_ID):
        call(alice, "get", "/chats/{chat_id}", real=f"/chats/{chat_id}")
    assert len(call(alice, "get", "/chats").json()["chats"]) == 3
    call(alice, "get", "/healthz")
    call(alice, "get", "/openapi.json")
    call(carol, "post", "/users/logout")
    call(carol, "post", "/users/logout")

    succeeded = {
        (method, path) for method, path, status in conforms.checked if status.startswith("2")
    }
    assert succeeded == set(operations(description)), "a route was left out above"
