"""Does a channel become quiescent when, and only when, nothing is in flight?"""

import pytest

from lnpd import errors
from lnpd.channel import actions, events
from lnpd.channel.state import ShuttingDown
from lnpd.wire.message import decode
from lnpd.wire.messages import Stfu
from tests.channel.harness import SCRIPTS, Pair, add, opened


def notices(pair: Pair) -> list[str]:
    return [
        dict(a.fields)["initiator"]
        for node in pair.nodes
        for a in node.did
        if isinstance(a, actions.Notify) and a.topic == "channel_quiescent"
    ]  # type: ignore[misc]


def test_one_side_asks() -> None:
    pair = opened()
    pair.command(1, events.Quiesce())
    pair.settle()
    assert all(node.channel.quiescence.quiescent for node in pair.nodes)
    assert notices(pair) == ["peer", "us"]
    with pytest.raises(errors.ChannelNotReady):
        pair.command(0, add(1))


def test_both_ask_at_once_and_the_opener_counts() -> None:
    pair = opened()
    pair.command(0, events.Quiesce())
    pair.command(1, events.Quiesce())
    assert [decode(node.sent[0]) for node in pair.nodes] == [Stfu(channel_id=pair.nodes[0].channel.id, initiator=1)] * 2
    pair.settle()
    assert [node.channel.quiescence.initiator for node in pair.nodes] == [0, 0]


def test_it_waits_for_our_updates_and_for_theirs() -> None:
    pair = opened()
    pair.command(0, add(1))
    pair.command(1, add(2))
    pair.command(0, events.Quiesce())
    assert not any(isinstance(decode(m), Stfu) for m in pair.nodes[0].sent)
    pair.settle()
    assert all(node.channel.quiescence.quiescent for node in pair.nodes)
    assert not any(node.channel.log for node in pair.nodes) and not any(node.errors for node in pair.nodes)
    pair.check()


def test_decisions_wait_until_it_ends() -> None:
    pair = opened()
    pair.command(0, add(1))
    pair.settle()
    pair.command(0, events.Quiesce())
    pair.settle()
    pair.command(1, events.Fail(0, b"later"))
    assert not pair.nodes[1].sent and len(pair.nodes[1].channel.decisions) == 1
    pair.command(0, events.QuiescenceExpired())
    assert not pair.connected
    pair.reconnect()
    pair.settle()
    assert [f.reason for f in pair.nodes[0].told(actions.HtlcFailed)] == [b"later"]
    assert not pair.nodes[0].channel.quiescence.quiescent


def test_expiry_without_quiescence_is_nothing() -> None:
    pair = opened()
    pair.command(0, events.QuiescenceExpired())
    assert pair.connected


def test_stfu_may_cross_a_shutdown() -> None:
    pair = opened()
    pair.command(0, add(1))
    pair.settle()
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    pair.command(1, events.Quiesce())
    pair.settle()
    assert isinstance(pair.nodes[0].channel.phase, ShuttingDown)
    assert all(node.channel.quiescence.quiescent for node in pair.nodes)
    assert not any(node.errors for node in pair.nodes)
    with pytest.raises(errors.CommandRefused):
        pair.command(0, events.Quiesce())
    pair.command(0, events.QuiescenceExpired())
    pair.reconnect()
    pair.settle()
    assert all(node.channel.shutdown == SCRIPTS for node in pair.nodes)
    assert not any(node.errors for node in pair.nodes)
