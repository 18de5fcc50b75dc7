"""Unicode: passwords match, and names are stored and found, in normal form C; names must be visible;
contents are kept as they are."""

import unicodedata

import pytest

import expect

PASSWORD = "pässwörd secure"
NAME = "Zoë Ångström"
INVISIBLE = {
    "U+3164 Hangul filler": "\u3164",
    "U+115F and U+1160 Hangul fillers": "\u115f\u1160",
    "U+FFA0 halfwidth Hangul filler": "\uffa0",
    "U+2800 blank Braille pattern": "\u2800",
    "U+200B zero width space": "\u200b",
    "U+00AD soft hyphen": "\u00ad",
    "U+034F combining grapheme joiner": "\u034f",
    "U+FE0F variation selector": "\ufe0f",
    "U+E0041 tag": "\U000e0041",
    "U+202E right-to-left override": "\u202e",
    "U+3000 ideographic space": "\u3000",
    "U+2029 paragraph separator": "\u2029",
    "U+0001 control": "\x01",
    "U+E000 private use": "\ue000",
    "U+0378 unassigned": "\u0378",
    "several": " \u3164\u2800\u200d\t",
}


def nfd(text):
    decomposed = unicodedata.normalize("NFD", text)
    assert decomposed != unicodedata.normalize("NFC", text)
    return decomposed


def register(http, username, **more):
    return http.post(
        "/users/register",
        {"username": username, "full_name": "New Person", "password": PASSWORD, **more},
    )


def login(http, username, password):
    return http.post("/users/login", {"username": username, "password": password}).status_code


@pytest.mark.parametrize("registered", [PASSWORD, nfd(PASSWORD)], ids=["NFC", "NFD"])
def test_a_password_is_accepted_in_either_normal_form(http, username, registered):
    answer = register(http, username, password=registered)
    assert answer.status_code == 201, answer.text
    assert login(http, username, PASSWORD) == 200
    assert login(http, username, nfd(PASSWORD)) == 200
    assert login(http, username, PASSWORD.upper()) == 401
    assert login(http, username, "password secure") == 401


def test_a_non_ascii_space_in_a_password_is_a_space(http, username):
    """RFC 8265, section 4.2.2."""
    assert register(http, username, password="p\u00e4ss\u00a0w\u00f6rd\u3000x").status_code == 201
    assert login(http, username, "p\u00e4ss w\u00f6rd x") == 200
    assert login(http, username, "p\u00e4ss\u2003w\u00f6rd\u2009x") == 200
    assert login(http, username, "p\u00e4ssw\u00f6rdx") == 401
    assert login(http, username, "p\u00e4ss\tw\u00f6rd x") == 401


def test_a_changed_password_is_accepted_in_either_normal_form(http, username):
    register(http, username)
    http.token = http.post(
        "/users/login", {"username": username, "password": PASSWORD}
    ).json()["access_token"]
    change = {"old_password": nfd(PASSWORD), "new_password": nfd("Größe größer")}
    assert http.put("/users/me/password", change).status_code == 204
    assert login(http, username, "Größe größer") == 200
    assert login(http, username, nfd("Größe größer")) == 200
    assert login(http, username, PASSWORD) == 401


def test_the_limits_of_a_password_hold_for_the_bytes_as_sent(http, username):
    seven, eight = "é" * 3 + "x", "e\u0301" * 2 + "xx"
    expect.problem(register(http, username, password=seven), 422, field="password")
    assert len(unicodedata.normalize("NFC", eight).encode()) == 6
    assert register(http, username, password=eight).status_code == 201
    longest = "\u0958" * 341 + "x"  # 1,024 bytes, twice as many in NFC
    assert register(http, username + ".2", password=longest).status_code == 201
    assert login(http, username + ".2", longest) == 200
    expect.problem(register(http, username + ".3", password=longest + "x"), 422, field="password")


def test_a_full_name_is_stored_in_nfc(http, username):
    user = register(http, username, full_name=nfd(NAME)).json()
    assert user["full_name"] == NAME
    http.token = http.post(
        "/users/login", {"username": username, "password": PASSWORD}
    ).json()["access_token"]
    changed = http.patch("/users/me", {"full_name": nfd("Chloé")}).json()
    assert changed["full_name"] == "Chloé"


def test_a_name_is_counted_in_its_normal_form(http, username):
    assert register(http, username, full_name=nfd("é" * 100)).status_code == 201
    expect.problem(
        register(http, username + ".2", full_name=nfd("é" * 101)), 422, field="full_name"
    )
    # U+0958 is two characters in NFC.
    assert register(http, username + ".3", full_name="\u0958" * 50).status_code == 201
    expect.problem(
        register(http, username + ".4", full_name="\u0958" * 51), 422, field="full_name"
    )


@pytest.mark.parametrize("stored", [NAME, nfd(NAME)], ids=["NFC", "NFD"])
@pytest.mark.parametrize("q", ["Zoë", nfd("Zoë"), nfd("Ångstr"), "ångstr"])
def test_search_finds_a_name_in_either_normal_form(http, alice, username, stored, q):
    user = register(http, username, full_name=stored).json()
    found = alice.get("/users/search", params={"q": q, "limit": 50})
    assert found.status_code == 200
    assert user["user_id"] in [one["user_id"] for one in found.json()["users"]]


def test_a_group_name_is_stored_in_nfc(alice):
    group = alice.post("/groups/create_group", {"name": nfd("Café")}).json()
    assert group["name"] == "Café"
    renamed = alice.patch(f"/groups/{group['group_id']}", {"name": nfd("Bücher")})
    assert renamed.json()["name"] == "Bücher"


def test_a_content_is_never_normalized(alice, bob):
    content = nfd("Ångström") + " \u212b \u1112\u1161\u11ab Ångström"
    sent = alice.post(
        "/messages/send_message", {"receiver_id": bob.id, "content": content}
    ).json()
    assert sent["content"] == content
    assert bob.history(alice.id)[-1]["content"] == content


@pytest.mark.parametrize("name", INVISIBLE.values(), ids=INVISIBLE)
def test_a_name_that_cannot_be_seen_is_422(http, alice, username, name):
    expect.problem(register(http, username, full_name=name), 422, field="full_name")
    expect.problem(alice.patch("/users/me", {"full_name": name}), 422, field="full_name")
    expect.problem(alice.post("/groups/create_group", {"name": name}), 422, field="name")


@pytest.mark.parametrize("name", ["\u3164x", "\u2801", "\U0001f600", "\u200d.", "\u0308", "𓀀"])
def test_a_name_with_a_visible_character_is_kept_whole(http, username, name):
    answer = register(http, username, full_name=name)
    assert answer.status_code == 201
    assert answer.json()["full_name"] == name
