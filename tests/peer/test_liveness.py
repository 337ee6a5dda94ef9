"""Is a dead link noticed, a live one kept, and a flood of pings cut off?"""

import pytest

from lnpd import errors
from lnpd.peer.liveness import Timeouts
from lnpd.peer.outputs import Close, Ponged
from lnpd.wire.message import decode, encode
from lnpd.wire.messages import Ping, Pong, Warning
from tests.peer.ends import ALICE, BOB, End, closed_by, connected, raw, talk

WORDS = Warning(channel_id=bytes(32), data=b"words")


@pytest.mark.parametrize(
    ("num_pong_bytes", "answered"), [(0, True), (1, True), (65531, True), (65532, False), (65535, False)]
)
def test_a_ping_is_answered_with_as_many_bytes_as_it_asks_for(num_pong_bytes: int, answered: bool) -> None:
    alice, bob = connected()
    raw(alice, encode(Ping(num_pong_bytes=num_pong_bytes, ignored=b"any")))
    data, alice.sent = alice.sent, b""
    bob.take(bob.session.receive(data, 0.0))
    seen = [decode(message) for message in alice.session._transport.feed(bob.sent)]  # type: ignore[union-attr]
    assert seen == ([Pong(ignored=bytes(num_pong_bytes))] if answered else [])
    assert not bob.all(Close)


def test_a_silent_peer_is_pinged_and_a_pong_keeps_the_link() -> None:
    alice, bob = connected(timeouts=Timeouts(idle_seconds=45, pong_seconds=30))
    assert alice.session.due_at() == 45.0
    assert alice.session.tick(44.9) == []
    alice.take(alice.session.tick(45.0), 45.0)
    assert alice.session.due_at() == 75.0
    talk(alice, bob, now=50.0)
    assert alice.all(Ponged) == [Ponged(1, 5.0)] and alice.session.due_at() == 95.0


def test_whoever_talks_is_alive_though_a_pong_is_late() -> None:
    alice, bob = connected(timeouts=Timeouts(idle_seconds=45, pong_seconds=30))
    alice.take(alice.session.tick(45.0), 45.0)
    alice.sent = b""
    bob.say(WORDS)
    talk(alice, bob, now=70.0)
    assert alice.session.due_at() == 100.0 and not alice.all(Close)


def test_a_ping_that_nobody_answers_ends_the_link_and_no_channel() -> None:
    alice, _bob = connected()
    alice.take(alice.session.tick(alice.session.due_at()))
    alice.sent = b""
    alice.take(alice.session.tick(alice.session.due_at() - 0.1))
    assert not alice.all(Close)
    alice.take(alice.session.tick(alice.session.due_at()))
    assert isinstance(closed_by(alice), errors.PeerSilent) and not alice.sent


def test_time_in_which_we_did_not_read_is_not_the_peers() -> None:
    alice, _bob = connected()
    alice.session.resumed(1000.0)
    assert alice.session.tick(1000.0) == [] and alice.session.due_at() == 1045.0


@pytest.mark.parametrize("unsent", [0, 1])
def test_who_does_not_finish_the_handshake_or_init_in_time_is_let_go(unsent: int) -> None:
    alice, bob = End(ALICE, to=BOB), End(BOB, timeouts=Timeouts(handshake_seconds=10, init_seconds=20))
    alice.admitting = False
    if unsent:
        alice.take(alice.session.start())
        talk(alice, bob, now=5.0)
    late_at = 25.0 if unsent else 10.0
    assert bob.session.due_at() == late_at and bob.session.tick(late_at - 0.1) == []
    bob.take(bob.session.tick(late_at))
    assert isinstance(closed_by(bob), errors.InitLate if unsent else errors.HandshakeLate)


def test_pings_of_our_own_are_bounded_and_their_pongs_are_told_apart() -> None:
    alice, bob = connected()
    with pytest.raises(errors.PingRefused):
        alice.session.ping(0.0, 65532)
    for size in range(16):
        alice.sent += alice.session.ping(1.0, size)
    with pytest.raises(errors.PingRefused):
        alice.session.ping(1.0, 5)
    talk(alice, bob, now=3.0)
    assert alice.all(Ponged) == [Ponged(size, 2.0) for size in range(16)]
    alice.session.ping(3.0, 5)


def test_a_flood_of_pings_is_cut_off_and_a_steady_one_is_not() -> None:
    alice, bob = connected()
    for second in range(100):
        raw(alice, encode(Ping(num_pong_bytes=60_000, ignored=b"")))
        data, alice.sent = alice.sent, b""
        bob.take(bob.session.receive(data, float(second)))
    assert not bob.all(Close)
    bob.sent = b""
    for _ in range(1000):
        raw(alice, encode(Ping(num_pong_bytes=65531, ignored=b"")))
    bob.take(bob.session.receive(alice.sent, 101.0))
    assert isinstance(closed_by(bob), errors.PingFlood)
    assert len(bob.sent) < 1_200_000
