"""One account with very large chats, or a client without a token, while another user of the same worker sends and connects.

The sizes are small, and the bounds generous: `make big-chats` has both at full.
"""

import dataclasses

import pytest

import big_chats

pytestmark = pytest.mark.no_valgrind("bounds of time")

SEND_P99_S = 0.5
CONNECT_S = 1
PING_S = 0.5
MEMORY_MIB = 64

SETTINGS = big_chats.SETTINGS
SIZES = big_chats.Sizes(
    members=2_000,
    online=200,
    renames=5,
    chats=1_000,
    sockets=2,
    erased=50_000,
    group_texts=100_000,
    namesakes=5_000,
    searches=100,
    locked_s=1,
    edits=500,
    long_chats=200,
    unread_answers=20,
    bodies=150,
    guessing_addresses=6,
    warm_s=0.2,
    after_s=0.2,
)
KNOWN_FAULTS = {}
# The load alone takes a quarter of the connections' 30 s.
SCENARIOS = [
    pytest.param(name, marks=pytest.mark.known_fault(KNOWN_FAULTS[name]))
    if name in KNOWN_FAULTS
    else name
    for name in big_chats.SCENARIOS
]


@pytest.mark.parametrize("name", SCENARIOS)
def test_another_user_of_the_worker_does_not_wait(daemon, name):
    """docs/design.md, B1: what a peer can make large is bounded."""
    result = big_chats.measure(daemon, name, SIZES)
    figures = f"\n{big_chats.HEAD}\n{big_chats.row(name, result)}"
    late_s = result.standstill_s
    before, peak, _ = result.memory_mib
    print(figures)
    assert not result.failures, figures
    assert not result.cut_off, figures
    assert result.waits["send"].p99 < SEND_P99_S + late_s, figures
    assert result.waits["connect"].worst < CONNECT_S + late_s, figures
    assert result.waits["ping"].worst < PING_S + late_s, figures
    assert peak - before < MEMORY_MIB, figures
