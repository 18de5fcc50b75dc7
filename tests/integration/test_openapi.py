"""GET /openapi.json: the description against the contract's routes and against real answers."""

import re

import jsonschema
import pytest
import requests

import expect

NOBODY = 9007199254700000

ROUTES = {
    ("post", "/users/register"),
    ("post", "/users/login"),
    ("post", "/users/logout"),
    ("get", "/users/me"),
    ("patch", "/users/me"),
    ("put", "/users/me/password"),
    ("get", "/users/search"),
    ("get", "/users/user_id/{username}"),
    ("get", "/users/username/{user_id}"),
    ("delete", "/users/delete_user/{user_id}"),
    ("post", "/users/set_typing_status"),
    ("get", "/users/presence"),
    ("post", "/messages/send_message"),
    ("put", "/messages/read"),
    ("get", "/messages/{chat_id}"),
    ("patch", "/messages/{message_id}"),
    ("delete", "/messages/{message_id}"),
    ("get", "/chats"),
    ("post", "/groups/create_group"),
    ("get", "/groups/{group_id}"),
    ("patch", "/groups/{group_id}"),
    ("post", "/groups/add_user_to_group"),
    ("post", "/groups/remove_user_from_group"),
    ("post", "/groups/leave_group"),
    ("get", "/healthz"),
    ("get", "/openapi.json"),
}
OPEN = {"/users/register", "/users/login", "/healthz", "/openapi.json"}
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
    """Checks real answers against the schema that the description gives for their route and
    status."""

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


def test_it_describes_the_routes_of_the_contract_and_no_others(description):
    described = set(operations(description)) - {("get", "/ws"), ("get", "/")}
    assert described == {(method, shape(path)) for method, path in ROUTES}


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
    """A schema that requires nothing conforms to anything; the contract's objects name all their
    members."""
    by_members = {
        frozenset(schema["required"])
        for schema in description["components"]["schemas"].values()
        if "required" in schema
    }
    for wanted in (expect.USER, expect.MESSAGE - {"content"}, expect.CHAT, expect.GROUP):
        assert any(wanted <= members for members in by_members), wanted


def test_every_described_route_answers(description, http):
    for method, path in operations(description):
        answer = http.request(method.upper(), path.replace("{}", "1"))
        if path == "/ws":
            assert answer.status_code == 426
        elif path in OPEN | {"/"}:
            assert answer.status_code in (200, 400, 404, 415), (method, path)
        else:
            expect.problem(answer, 401)


def test_the_open_routes_and_only_they_need_no_token(description):
    everywhere = description.get("security", [])
    for (method, path), operation in operations(description).items():
        security = operation.get("security", everywhere)
        needed = bool(security) and {} not in security
        if path not in ("/ws", "/"):
            assert needed == (path not in OPEN), (method, path)


def test_real_answers_conform(conforms, http, alice, bob, carol, username):
    """Every route, its success and the errors that it can be brought to; messages of every kind
    among them."""

    def ask(who, method, path, body=None, real=None):
        answer = who.request(method.upper(), real or path, body)
        conforms(method, path, answer)
        return answer

    new = {"username": username, "full_name": "New", "password": "correct horse", "public_key": "k"}
    user = ask(http, "post", "/users/register", new).json()
    ask(http, "post", "/users/register", new)
    ask(http, "post", "/users/register", {})
    login = ask(
        http, "post", "/users/login", {"username": username, "password": "correct horse"}
    ).json()
    ask(http, "post", "/users/login", {"username": username, "password": "wrong password"})
    http.token = login["access_token"]
    ask(http, "get", "/users/me")
    ask(http, "patch", "/users/me", {"profile_picture": "https://example.org/x.png"})
    ask(http, "patch", "/users/me", {"full_name": ""})
    ask(
        http,
        "put",
        "/users/me/password",
        {"old_password": "wrong one", "new_password": "long enough"},
    )
    ask(
        http,
        "put",
        "/users/me/password",
        {"old_password": "correct horse", "new_password": "battery staple"},
    )
    ask(alice, "get", "/users/search", real=f"/users/search?q={username}")
    ask(alice, "get", "/users/search", real="/users/search?q=a&limit=0")
    ask(alice, "get", "/users/user_id/{username}", real=f"/users/user_id/{username}")
    ask(alice, "get", "/users/user_id/{username}", real="/users/user_id/no-such-user")
    ask(alice, "get", "/users/username/{user_id}", real=f"/users/username/{user['user_id']}")
    ask(alice, "get", "/users/username/{user_id}", real="/users/username/x")

    sent = ask(
        alice,
        "post",
        "/messages/send_message",
        {"receiver_id": bob.id, "content": "x", "client_id": "c"},
    ).json()
    ask(
        alice,
        "post",
        "/messages/send_message",
        {"receiver_id": bob.id, "content": "x", "client_id": "c"},
    )
    ask(alice, "post", "/messages/send_message", {"receiver_id": NOBODY, "content": "x"})
    ask(
        alice,
        "post",
        "/messages/send_message",
        {"receiver_id": bob.id, "content": "x", "sender_id": bob.id},
    )
    ask(
        alice,
        "patch",
        "/messages/{message_id}",
        {"content": "y"},
        f"/messages/{sent['message_id']}",
    )
    ask(bob, "patch", "/messages/{message_id}", {"content": "y"}, f"/messages/{sent['message_id']}")
    ask(carol, "delete", "/messages/{message_id}", real=f"/messages/{sent['message_id']}")
    ask(bob, "put", "/messages/read", {"message_ids": [sent["message_id"]]})
    ask(bob, "put", "/messages/read", {"message_ids": []})
    ask(alice, "post", "/users/set_typing_status", {"typing_chat_id": bob.id, "is_typing": False})
    ask(alice, "post", "/users/set_typing_status", {"typing_chat_id": NOBODY, "is_typing": False})
    ask(alice, "get", "/users/presence", real=f"/users/presence?ids={bob.id}")
    ask(alice, "get", "/users/presence", real="/users/presence?ids=x")
    ask(alice, "delete", "/messages/{message_id}", real=f"/messages/{sent['message_id']}")

    group = ask(alice, "post", "/groups/create_group", {"name": "G"}).json()["group_id"]
    ask(alice, "post", "/groups/create_group", {"name": ""})
    for user_id in (bob.id, carol.id, user["user_id"], NOBODY):
        ask(alice, "post", "/groups/add_user_to_group", {"group_id": group, "user_id": user_id})
    ask(
        http,
        "post",
        "/messages/send_message",
        {"receiver_id": group, "content": "soon without a sender"},
    )
    ask(
        http,
        "post",
        "/messages/send_message",
        {"receiver_id": alice.id, "content": "soon without a peer"},
    )
    ask(alice, "patch", "/groups/{group_id}", {"name": "H"}, f"/groups/{group}")
    ask(bob, "patch", "/groups/{group_id}", {"name": "I"}, f"/groups/{group}")
    ask(alice, "get", "/groups/{group_id}", real=f"/groups/{group}")
    ask(alice, "get", "/groups/{group_id}", real="/groups/1")
    ask(alice, "post", "/groups/remove_user_from_group", {"group_id": group, "user_id": carol.id})
    ask(alice, "post", "/groups/remove_user_from_group", {"group_id": group, "user_id": carol.id})
    ask(bob, "post", "/groups/leave_group", {"group_id": group})
    ask(bob, "post", "/groups/leave_group", {"group_id": group})
    ask(http, "delete", "/users/delete_user/{user_id}", real=f"/users/delete_user/{alice.id}")
    ask(
        http, "delete", "/users/delete_user/{user_id}", real=f"/users/delete_user/{user['user_id']}"
    )
    for chat_id in (bob.id, group, user["user_id"]):  # texts, events, erased messages
        ask(alice, "get", "/messages/{chat_id}", real=f"/messages/{chat_id}")
    ask(alice, "get", "/messages/{chat_id}", real=f"/messages/{bob.id}?limit=0")
    assert len(ask(alice, "get", "/chats").json()["chats"]) == 3
    ask(alice, "get", "/healthz")
    ask(alice, "get", "/openapi.json")
    ask(carol, "post", "/users/logout")
    ask(carol, "post", "/users/logout")

    succeeded = {
        (method, path) for method, path, status in conforms.checked if status.startswith("2")
    }
    assert succeeded == {
        (method, shape(path)) for method, path in ROUTES
    }, "a route was left out above"
