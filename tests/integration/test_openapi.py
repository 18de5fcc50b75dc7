"""GET /openapi.json: the description against docs/api.md and against real answers."""

import re

import jsonschema
import pytest

import expect
from expect import UNUSED_ID
from routes import METHODS, all_routes, description, documented_routes, resolve, shape

# The only routes that need no token (docs/api.md).
OPEN = {"/users/register", "/users/login", "/healthz", "/openapi.json"}


@pytest.fixture(scope="module")
def described(daemon):
    return description(daemon)


def operations(described):
    return {
        (method, shape(path)): operation
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


class Conforms:
    """Checks answers against the schema that the description gives for route and status."""

    def __init__(self, described):
        self.described = described
        self.operations = operations(described)
        self.checked = set()

    def __call__(self, method, path, answer):
        responses = self.operations[(method, shape(path))]["responses"]
        status = str(answer.status_code)
        assert (
            status in responses or "default" in responses
        ), f"{method} {path}: {status} is not described"
        response = resolve(self.described, responses.get(status) or responses["default"])
        self.checked.add((method, shape(path), status))
        if answer.status_code == 204:
            assert "content" not in response and not answer.content
            return
        kind = answer.headers["Content-Type"].split(";")[0]
        assert kind in response["content"], f"{method} {path} {status}: {kind} is not described"
        schema = response["content"][kind]["schema"]
        resolver = jsonschema.RefResolver(base_uri="", referrer=self.described)
        jsonschema.Draft202012Validator(schema, resolver=resolver).validate(answer.json())


@pytest.fixture(scope="module")
def conforms(described):
    return Conforms(described)


def test_it_is_openapi_3_1_with_title_and_version(described):
    assert re.fullmatch(r"3\.1\.\d+", described["openapi"])
    assert described["info"]["title"] and described["info"]["version"]


def test_it_describes_the_routes_of_the_reference_and_no_others(described):
    """docs/api.md has a heading for each route; the page's is described in words only."""
    routes = {shape(str(route)) for route in all_routes(described)}
    assert routes == documented_routes() - {"GET /"}


def test_every_path_parameter_is_declared(described):
    for path, item in described["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                declared = {
                    parameter["name"]
                    for parameter in (
                        resolve(described, one)
                        for one in operation.get("parameters", []) + item.get("parameters", [])
                    )
                    if parameter["in"] == "path"
                }
                assert declared == set(re.findall(r"\{(\w+)\}", path)), (method, path)


def test_operation_ids_are_unique(described):
    ids = [
        operation["operationId"]
        for operation in operations(described).values()
        if "operationId" in operation
    ]
    assert len(ids) == len(set(ids))


def test_every_schema_is_valid(described):
    for schema in described["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_schemas_of_objects_require_all_members(described):
    """Any object conforms to a schema without `required`."""
    by_members = {
        frozenset(schema["required"])
        for schema in described["components"]["schemas"].values()
        if "required" in schema
    }
    for wanted in (expect.USER, expect.MESSAGE - {"content"}, expect.CHAT, expect.GROUP):
        assert any(wanted <= members for members in by_members), wanted


def test_every_described_route_answers(described, http):
    for method, path in operations(described):
        answer = http.request(method.upper(), path.replace("{}", "1"))
        if path == "/ws":
            assert answer.status_code == 426
        elif path in OPEN | {"/"}:
            assert answer.status_code in (200, 400, 404, 415), (method, path)
        else:
            expect.problem(answer, 401)


def test_only_the_open_routes_need_no_token(described):
    assert {route.path for route in all_routes(described) if not route.needs_token} == OPEN


def test_real_answers_conform(conforms, http, alice, bob, carol, username):
    """Every route: a success and the errors that are easy to cause, with messages of all kinds."""

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
    ask(alice, "post", "/messages/send_message", {"receiver_id": UNUSED_ID, "content": "x"})
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
    ask(alice, "post", "/users/set_typing_status", {"typing_chat_id": UNUSED_ID, "is_typing": False})
    ask(alice, "get", "/users/presence", real=f"/users/presence?ids={bob.id}")
    ask(alice, "get", "/users/presence", real="/users/presence?ids=x")
    ask(alice, "delete", "/messages/{message_id}", real=f"/messages/{sent['message_id']}")

    group = ask(alice, "post", "/groups/create_group", {"name": "G"}).json()["group_id"]
    ask(alice, "post", "/groups/create_group", {"name": ""})
    for user_id in (bob.id, carol.id, user["user_id"], UNUSED_ID):
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
        (route.method.lower(), shape(route.template)) for route in all_routes(conforms.described)
    }, "a route is missing above"
