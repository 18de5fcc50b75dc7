"""Users on different workers: all features of a chat cross the ring. And a full restart."""

import threading

import pytest

import expect
from conftest import run_daemon

SETTINGS = {"workers": 3}


@pytest.fixture(scope="module")
def daemon(own_cluster):
    yield from run_daemon(own_cluster, **SETTINGS)


def test_sockets_are_distributed_over_the_workers(alice, daemon):
    for _ in range(30):
        alice.ws()
    counts = [worker["connections"] for worker in daemon.workers()]
    assert len(counts) == 3 and min(counts) >= 5, counts


def test_messages_cross_between_two_workers(alice, bob, pair):
    hers, his = pair
    for i in range(20):
        ack = hers.ask(
            {"type": "send", "id": f"a{i}", "receiver_id": bob.id, "content": f"ping {i}"},
            "ack",
            id=f"a{i}",
        )
        assert his.until("message", message_id=ack["message_id"])["chat_id"] == alice.id
        ack = his.ask(
            {"type": "send", "id": f"b{i}", "receiver_id": alice.id, "content": f"pong {i}"},
            "ack",
            id=f"b{i}",
        )
        assert hers.until("message", message_id=ack["message_id"])["chat_id"] == bob.id
    expect.gapless(alice.history(bob.id))


def test_typing_read_edit_and_delete_cross_between_two_workers(alice, bob, pair):
    hers, his = pair
    hers.send({"type": "typing", "chat_id": bob.id, "is_typing": True})
    assert his.until("typing") == {
        "type": "typing",
        "chat_id": alice.id,
        "user_id": alice.id,
        "is_typing": True,
    }
    his.send({"type": "read", "chat_id": alice.id, "seq": 1})
    assert hers.until("read") == {"type": "read", "chat_id": bob.id, "user_id": bob.id, "seq": 1}
    ack = hers.ask({"type": "send", "id": "s", "receiver_id": bob.id, "content": "x"}, "ack")
    hers.ask(
        {"type": "edit", "id": "e", "message_id": ack["message_id"], "content": "y"}, "ack", id="e"
    )
    assert his.until("edited")["content"] == "y"
    hers.ask({"type": "delete", "id": "d", "message_id": ack["message_id"]}, "ack", id="d")
    assert his.until("deleted")["message_id"] == ack["message_id"]


def test_presence_crosses_between_two_workers(alice, bob, carol, pair):
    hers, _ = pair
    alice.send(carol.id, "opens the chat")
    hers.send({"type": "presence", "watch": [bob.id, carol.id]})
    first = [hers.until("presence") for _ in range(2)]
    assert {frame["user_id"]: frame["online"] for frame in first} == {bob.id: True, carol.id: False}
    carol.ws_elsewhere(hers)
    assert hers.until("presence")["user_id"] == carol.id


def test_all_workers_deliver_a_group_in_the_same_order(alice, bob, carol, person):
    """With concurrent senders on all workers; mod and seq have no gap on any socket."""
    others = [bob, carol, person("Dave"), person("Eve"), person("Frank")]
    group = alice.group("order", *others)
    start = alice.chat(group)["last_mod"]
    senders = [one.ws() for one in others]
    assert len({ws.slot for ws in senders}) > 1
    watching = alice.ws_on_each()
    each = 60

    def send(number, ws):
        ws.send_all(
            {
                "type": "send",
                "id": f"{number}-{i}",
                "receiver_id": group,
                "content": f"{number}-{i}",
            }
            for i in range(each)
        )

    threads = [threading.Thread(target=send, args=pair) for pair in enumerate(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = each * len(senders)
    views = []
    for ws in watching:
        frames = []
        while len(frames) < total:
            frame = ws.next()
            if frame["type"] == "message":
                frames.append(expect.without(frame, "type"))
        assert [frame["mod"] for frame in frames] == list(range(start + 1, start + total + 1))
        views.append(frames)
    assert views[0] == views[1] == views[2]
    assert views[0] == [
        expect.pushed(m)
        for page in range(start, start + total, 200)
        for m in alice.history(group, f"after={page}&limit=200")
    ]
    for number in range(len(senders)):
        own = [frame["content"] for frame in views[0] if frame["content"].startswith(f"{number}-")]
        assert own == [f"{number}-{i}" for i in range(each)], "the order of each sender is kept"


def test_concurrent_edits_are_in_mod_order_on_every_worker(alice, bob):
    group = alice.group("edits", bob)
    ids = {who: who.send(group, "x")["message_id"] for who in (alice, bob)}
    hers = alice.ws()
    his = bob.ws_elsewhere(hers)
    watching = alice.ws_on_each()
    for i in range(50):
        for ws, who in ((hers, alice), (his, bob)):
            ws.send({"type": "edit", "id": f"e{i}", "message_id": ids[who], "content": str(i)})
    for ws in (hers, his):
        for _ in range(50):
            ws.until("ack")
    for ws in watching:
        mods = [ws.until("edited")["mod"] for _ in range(100)]
        assert mods == list(range(5, 105))


def test_a_membership_change_applies_to_every_worker(alice, bob, carol):
    group = alice.group("members", carol)
    owner = alice.ws()
    sockets = bob.ws_on_each()
    for i in range(5):
        alice.add(group, bob)
        ack = owner.ask(
            {"type": "send", "id": f"in{i}", "receiver_id": group, "content": "in"},
            "ack",
            id=f"in{i}",
        )
        for ws in sockets:
            ws.until("message", message_id=ack["message_id"])
        alice.post("/groups/remove_user_from_group", {"group_id": group, "user_id": bob.id})
        ack = owner.ask(
            {"type": "send", "id": f"out{i}", "receiver_id": group, "content": "out"},
            "ack",
            id=f"out{i}",
        )
        bob.fence(*sockets)
        for ws in sockets:
            assert not ws.got("message", message_id=ack["message_id"])


def test_all_data_survives_a_restart_of_parleyd_and_postgresql(alice, bob, daemon):
    group = alice.group("remembers", bob)
    sent = alice.send(group, "before the restart", client_id="restart")
    direct = bob.send(alice.id, "direct")
    before = alice.chats(), alice.history(group), alice.history(bob.id)
    hers = alice.ws()

    assert daemon.stop() == 0
    assert hers.until_closed() == 1001
    daemon.cluster.restart()
    daemon.start()

    assert (alice.chats(), alice.history(group), alice.history(bob.id)) == before
    repeat = alice.post(
        "/messages/send_message", {"receiver_id": group, "content": "x", "client_id": "restart"}
    )
    assert (repeat.status_code, repeat.json()) == (200, {**sent, "duplicate": True})
    assert alice.send(bob.id, "after")["seq"] == direct["seq"] + 1
    his = bob.ws()
    his.ask({"type": "sync", "after": {str(alice.id): 1}}, "messages", chat_id=alice.id)
    assert [m["content"] for m in his.frames[-1]["messages"]] == ["after"]
