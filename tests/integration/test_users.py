"""Accounts: registration, profile, search, look-ups, deletion."""

import pytest

import expect


def register(http, username, **more):
    body = {"username": username, "full_name": "New Person", "password": "correct horse", **more}
    return http.post(
        "/users/register", {key: value for key, value in body.items() if value is not ...}
    )


# --- POST /users/register ---


def test_register_is_201_with_the_user_and_without_secrets(http, username):
    answer = register(
        http,
        username,
        full_name="Zoë Ångström",
        password="a very secret word",
        profile_picture="https://example.org/z.png",
        public_key="key of zoë",
    )
    assert answer.status_code == 201
    expect.user(answer.json())
    assert expect.without(answer.json(), "user_id", "created_at") == {
        "username": username,
        "full_name": "Zoë Ångström",
        "profile_picture": "https://example.org/z.png",
        "public_key": "key of zoë",
    }
    assert "secret" not in answer.text


def test_picture_and_key_are_null_by_default(http, username):
    user = register(http, username).json()
    assert user["profile_picture"] is None and user["public_key"] is None


def test_a_username_is_case_folded_and_unique(http, username):
    answer = register(http, username.upper())
    assert answer.status_code == 201
    assert answer.json()["username"] == username
    expect.problem(register(http, username), 409)
    expect.problem(register(http, username.title()), 409)


@pytest.mark.parametrize(
    "bad",
    ["ab", "a" * 33, "", "with space", "a:b", "ümlaut", "at@sign", "a/b", "a\nb", 17, ..., None],
)
def test_a_bad_username_is_422(http, bad):
    expect.problem(register(http, bad), 422, field="username")


def test_usernames_of_3_and_of_32_characters_are_accepted(http, username):
    longest = (username + "_.-" + "x" * 32)[:32]
    assert register(http, longest).json()["username"] == longest
    shortest = username.replace("new", "").replace(".", "")[-3:]
    assert register(http, shortest).status_code in (201, 409)


@pytest.mark.parametrize("bad", ["", "x" * 101, "☃" * 101, ..., None, ["a"]])
def test_a_bad_full_name_is_422(http, username, bad):
    expect.problem(register(http, username, full_name=bad), 422, field="full_name")


@pytest.mark.parametrize("bad", ["1234567", "ééé", "x" * 1025, "é" * 513, ..., None, 12345678])
def test_a_bad_password_is_422(http, username, bad):
    expect.problem(register(http, username, password=bad), 422, field="password")


@pytest.mark.parametrize("good", ["éééé", "x" * 1024])
def test_the_length_of_a_password_counts_bytes(http, username, good):
    assert register(http, username, password=good).status_code == 201
    assert http.post("/users/login", {"username": username, "password": good}).status_code == 200


@pytest.mark.parametrize(
    "bad", ["ftp://example.org/a.png", "javascript:alert(1)", "a.png", "//example.org/a", 5]
)
def test_a_profile_picture_is_an_http_url(http, username, bad):
    expect.problem(register(http, username, profile_picture=bad), 422, field="profile_picture")


def test_a_public_key_over_4_kib_is_422(http, username):
    expect.problem(register(http, username, public_key="k" * 4097), 422, field="public_key")


def test_a_422_names_every_bad_field(http):
    body = expect.problem(register(http, "x", full_name="", password="short"), 422)
    assert {error["field"] for error in body["errors"]} == {"username", "full_name", "password"}


def test_unknown_fields_are_ignored(http, username):
    assert register(http, username, shoe_size=44, nested={"a": [1, 2]}).status_code == 201


# --- /users/me ---


def test_me_is_the_user_of_the_token(alice, bob):
    me = alice.get("/users/me")
    assert me.status_code == 200
    expect.user(me.json())
    assert (me.json()["user_id"], me.json()["username"]) == (alice.id, alice.username)
    assert bob.get("/users/me").json()["user_id"] == bob.id


def test_patch_changes_only_what_it_names(alice):
    assert (
        alice.patch(
            "/users/me", {"profile_picture": "http://example.org/a.png", "public_key": "k1"}
        ).status_code
        == 200
    )
    changed = alice.patch("/users/me", {"full_name": "Alice Liddell"})
    assert changed.status_code == 200
    expect.user(changed.json())
    assert changed.json()["full_name"] == "Alice Liddell"
    assert changed.json()["profile_picture"] == "http://example.org/a.png"
    assert changed.json()["public_key"] == "k1"
    assert alice.get("/users/me").json() == changed.json()


def test_patch_with_null_clears_picture_and_key(alice):
    alice.patch("/users/me", {"profile_picture": "http://example.org/a.png", "public_key": "k1"})
    cleared = alice.patch("/users/me", {"profile_picture": None}).json()
    assert (cleared["profile_picture"], cleared["public_key"]) == (None, "k1")
    cleared = alice.patch("/users/me", {"public_key": None}).json()
    assert (cleared["profile_picture"], cleared["public_key"]) == (None, None)


def test_patch_has_the_limits_of_registration(alice):
    before = alice.get("/users/me").json()
    expect.problem(alice.patch("/users/me", {"full_name": ""}), 422, field="full_name")
    expect.problem(alice.patch("/users/me", {"full_name": "☃" * 101}), 422, field="full_name")
    expect.problem(
        alice.patch("/users/me", {"profile_picture": "gopher://x"}), 422, field="profile_picture"
    )
    expect.problem(alice.patch("/users/me", {"public_key": "k" * 4097}), 422, field="public_key")
    assert alice.get("/users/me").json() == before
    assert (
        alice.patch("/users/me", {"full_name": "☃" * 100, "public_key": "k" * 4096}).status_code
        == 200
    )


def test_patch_changes_neither_username_nor_user_id(alice):
    after = alice.patch("/users/me", {"full_name": "A", "username": "other", "user_id": 1}).json()
    assert (after["username"], after["user_id"]) == (alice.username, alice.id)


# --- GET /users/search ---


def found(who, query):
    answer = who.get(f"/users/search?{query}")
    assert answer.status_code == 200, answer.text
    for user in answer.json()["users"]:
        expect.user(user)
    return [user["user_id"] for user in answer.json()["users"]]


def test_search_finds_prefixes_of_the_username_and_of_words_of_the_name(alice, person):
    other = person("Xaverius van Quinten", username="zq-xerxes")
    for prefix in ("zq-x", "zq-xerxes", "ZQ-XER", "xaver", "Xaverius", "QUINT", "van"):
        assert other.id in found(alice, f"q={prefix}"), prefix
    for other_part in ("averius", "uinten", "erxes", "xaveriusq"):
        assert other.id not in found(alice, f"q={other_part}"), other_part


def test_search_folds_case_in_other_alphabets(alice, person):
    other = person("Ольга Ёлкина")
    assert other.id in found(alice, "q=ольга")
    assert other.id in found(alice, "q=ЁЛКИ")


def test_search_leaves_out_the_caller(alice, person):
    twin = person(alice.full_name)
    ids = found(alice, "q=alice&limit=50")
    assert alice.id not in ids
    assert alice.id not in found(alice, f"q={alice.username}")
    assert alice.id in found(twin, f"q={alice.username}")


def test_search_has_no_wildcards(alice, person):
    person("Wanda Percent")
    for pattern in ("%25", "_", "%25anda", "w_nda", "%5C", ".*"):
        assert found(alice, f"q={pattern}") == [], pattern


def test_search_finds_the_new_name_and_not_the_old_one(alice, bob):
    bob.patch("/users/me", {"full_name": "Tantalus Renamed"})
    assert bob.id in found(alice, "q=tantal")
    bob.patch("/users/me", {"full_name": "Sisyphus Renamed"})
    assert bob.id not in found(alice, "q=tantal")
    assert bob.id in found(alice, "q=sisyph")


def test_search_returns_at_most_limit_users(alice, person):
    for _ in range(4):
        person("Limes Limitatus")
    assert len(found(alice, "q=limitat&limit=3")) == 3
    assert len(found(alice, "q=limitat&limit=50")) == 4


@pytest.mark.parametrize("limit", ["51", "0", "-1", "x", "1.5", "99999999999999999999"])
def test_a_bad_limit_of_a_search_is_422(alice, limit):
    expect.problem(alice.get(f"/users/search?q=a&limit={limit}"), 422, field="limit")


def test_a_search_without_q_is_422(alice):
    expect.problem(alice.get("/users/search"), 422, field="q")


# --- look-ups ---


def test_user_id_of_a_username(alice, bob):
    bob.patch("/users/me", {"public_key": "bob's key"})
    answer = alice.get(f"/users/user_id/{bob.username}")
    assert answer.status_code == 200
    assert answer.json() == {"user_id": bob.id, "username": bob.username, "public_key": "bob's key"}


def test_names_of_a_user_id(alice, bob):
    answer = alice.get(f"/users/username/{bob.id}")
    assert answer.status_code == 200
    assert answer.json() == {
        "user_id": bob.id,
        "username": bob.username,
        "full_name": bob.full_name,
    }


def test_look_ups_of_unknown_users_are_404(alice, username):
    expect.problem(alice.get(f"/users/user_id/{username}"), 404)
    expect.problem(alice.get("/users/username/9007199254740000"), 404)


def test_a_group_id_is_no_user(alice):
    group = alice.group("group")
    expect.problem(alice.get(f"/users/username/{group}"), 404)


@pytest.mark.parametrize("path", ["abc", "1x", "-1", "0x10", "1.0", "%31x", "99999999999999999999"])
def test_an_id_that_is_no_number_is_400(alice, path):
    expect.problem(alice.get(f"/users/username/{path}"), 400)


# --- DELETE /users/delete_user ---


def test_deleting_another_user_is_403(alice, bob):
    expect.problem(alice.delete(f"/users/delete_user/{bob.id}"), 403)
    assert bob.get("/users/me").status_code == 200


def test_deletion_revokes_every_token_and_closes_every_socket(alice, token_for):
    other_token = token_for(alice)
    sockets = alice.ws_on_each() + [alice.ws(token=other_token)]
    assert alice.delete(f"/users/delete_user/{alice.id}").status_code == 204
    assert [socket.until_closed() for socket in sockets] == [4501] * len(sockets)
    expect.problem(alice.get("/users/me"), 401)
    expect.problem(alice.get("/users/me", headers={"Authorization": f"Bearer {other_token}"}), 401)


def test_a_deleted_user_is_not_found(alice, bob):
    name = bob.username
    bob.delete(f"/users/delete_user/{bob.id}")
    expect.problem(alice.get(f"/users/user_id/{name}"), 404)
    expect.problem(alice.get(f"/users/username/{bob.id}"), 404)
    assert bob.id not in found(alice, f"q={name}")
    expect.problem(
        alice.post("/messages/send_message", {"receiver_id": bob.id, "content": "are you there?"}),
        404,
    )


def test_the_username_of_a_deleted_user_stays_taken(http, alice):
    alice.delete(f"/users/delete_user/{alice.id}")
    expect.problem(register(http, alice.username), 409)


def test_a_deleted_user_cannot_log_in(http, username):
    user_id = register(http, username).json()["user_id"]
    login = {"username": username, "password": "correct horse"}
    token = http.post("/users/login", login).json()["access_token"]
    answer = http.delete(
        f"/users/delete_user/{user_id}", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 204
    expect.problem(http.post("/users/login", login), 401)


def test_after_a_deletion_the_peer_keeps_the_chat_without_peer_and_contents(alice, bob):
    alice.send(bob.id, "from alice 1")
    bob.send(alice.id, "from bob")
    alice.send(bob.id, "from alice 2")
    before = bob.chat(alice.id)
    assert alice.delete(f"/users/delete_user/{alice.id}").status_code == 204

    chat = bob.chat(alice.id)
    assert (chat["peer"], chat["name"], chat["kind"]) == (None, "", "direct")
    assert chat["last_mod"] == before["last_mod"] + 2, "each erased message takes a mod"
    messages = bob.history(alice.id)
    assert [(m["seq"], m["sender_id"], m["content"]) for m in messages] == [
        (1, None, None),
        (2, bob.id, "from bob"),
        (3, None, None),
    ]
    assert sorted(m["mod"] for m in messages) == [2, 4, 5]


def test_after_a_deletion_groups_lose_the_member_and_keep_their_seq(alice, bob, carol):
    group = alice.group("deletion", bob, carol)
    alice.send(group, "one")
    bob.send(group, "two")
    alice.send(group, "three")
    alice.delete(f"/users/delete_user/{alice.id}")

    body = bob.get(f"/groups/{group}").json()
    assert [member["user_id"] for member in body["members"]] == [bob.id, carol.id]
    assert body["owner_id"] == bob.id, "the longest-standing member becomes owner"
    messages = bob.history(group)
    expect.gapless(messages)
    assert [m["content"] for m in messages if m["kind"] == "text"] == [None, "two", None]
    assert alice.id not in [m["sender_id"] for m in messages]
    assert bob.chat(group)["last_mod"] == max(m["mod"] for m in messages)


def test_after_a_deletion_members_get_resync_and_sync_the_erased_messages(alice, bob, carol):
    group = alice.group("erased", bob)
    alice.send(group, "to be erased")
    bob.send(carol.id, "opens another chat")
    sockets = bob.ws_on_each()
    uninvolved = carol.ws()
    mod = bob.chat(group)["last_mod"]
    alice.delete(f"/users/delete_user/{alice.id}")
    for socket in sockets:
        socket.until("resync")
        socket.send({"type": "sync", "after": {str(group): mod}})
        changed = socket.until("messages", chat_id=group)["messages"]
        assert [m["content"] for m in changed if m["kind"] == "text"] == [None]
        assert all(m["mod"] > mod for m in changed)
    carol.fence(uninvolved)
    assert not uninvolved.got("resync")


def test_a_group_whose_only_member_is_deleted_is_removed(alice, bob):
    group = alice.group("alone")
    alice.delete(f"/users/delete_user/{alice.id}")
    expect.problem(bob.get(f"/groups/{group}"), 404)
    expect.problem(
        bob.post("/messages/send_message", {"receiver_id": group, "content": "hello?"}), 404
    )
