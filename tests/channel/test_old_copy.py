"""Can an older copy of the database lose a channel? None leaves before the peer has shown that it is no copy."""

import msgspec
import pytest
from lnpd_sdk.types import Party, other
from msgspec.structs import replace

from lnpd.channel import events
from lnpd.channel.deadlines import GRACE_BLOCKS, PROOF_BLOCKS
from lnpd.channel.reestablish import doubted, restored
from lnpd.channel.state import Channel, Failed, Normal
from lnpd.errors import CommandRefused, DataLost, LastSecretWrong, StateUnproven
from lnpd.wire.message import decode
from lnpd.wire.messages import ChannelReestablish
from lnpd.wire.messages import Error as ErrorMessage
from tests.channel.harness import Pair, add, opened, preimage

EXPIRY = 600_000


def start(pair: Pair, party: Party, stored: bytes = b"", noticed: bool = False) -> None:
    """This side starts again, from what it stored last or from an older copy, which may be noticed."""
    node = pair.nodes[party]
    node.broadcast.clear()
    if stored:
        node.stored = stored
    channel = msgspec.msgpack.decode(node.stored, type=Channel)
    node.store(restored(doubted(channel) if noticed else channel))
    pair.cut()


def says(pair: Pair, party: Party) -> ChannelReestablish:
    """What this side says first on a new connection."""
    pair.nodes[party].run(events.Connected())
    message = decode(pair.nodes[party].sent.popleft())
    assert isinstance(message, ChannelReestablish)
    return message


def error(pair: Pair) -> ErrorMessage:
    return ErrorMessage(channel_id=pair.nodes[0].channel.id, data=b"I lie")


def failed(pair: Pair, party: Party) -> Failed:
    phase = pair.nodes[party].channel.phase
    assert isinstance(phase, Failed)
    return phase


def test_an_error_before_the_peers_word_broadcasts_nothing_until_that_word_is_heard() -> None:
    pair = opened()
    start(pair, 0)
    alice = pair.nodes[0]
    alice.run(events.Connected())
    alice.run(error(pair))
    assert failed(pair, 0).may_broadcast
    assert not alice.broadcast
    alice.run(events.PeerPosition(says(pair, 1)))
    assert [tx.txid for tx in alice.broadcast] == [alice.latest().graph.tx.txid]


def test_a_wrong_channel_reestablish_broadcasts_nothing() -> None:
    pair = opened()
    start(pair, 0)
    alice, word = pair.nodes[0], says(pair, 1)
    alice.run(events.Connected())
    alice.run(events.PeerPosition(replace(word, your_last_per_commitment_secret=b"\x01" * 32)))
    assert isinstance(alice.errors[-1], LastSecretWrong)
    assert failed(pair, 0).may_broadcast
    alice.run(replace(word, your_last_per_commitment_secret=b"\x01" * 32))
    assert not alice.broadcast


def test_a_peer_that_lost_data_itself_is_a_proof() -> None:
    pair = opened()
    copy = pair.nodes[1].stored
    pair.command(0, add(1))
    pair.settle()
    start(pair, 0)
    start(pair, 1, copy)
    alice, word = pair.nodes[0], says(pair, 1)
    alice.run(events.Connected())
    alice.run(events.PeerPosition(word))
    assert not alice.channel.unproven
    alice.run(word)
    assert len(alice.broadcast) == 1


@pytest.mark.parametrize("before", ["living", "failed"])
def test_an_old_copy_never_broadcasts(before: str) -> None:
    pair = opened()
    copy = pair.nodes[0].stored
    pair.command(0, add(1))
    pair.settle()
    start(pair, 0, copy)
    alice = pair.nodes[0]
    alice.run(events.Connected())
    if before == "failed":
        alice.run(error(pair))
    alice.run(events.PeerPosition(says(pair, 1)))
    assert isinstance(alice.errors[-1], DataLost)
    assert not failed(pair, 0).may_broadcast
    for forced in (events.ForceClose(), events.ForceClose(not_restored=True)):
        with pytest.raises(CommandRefused, match="only the peer can close it"):
            alice.run(forced)
    for height in range(EXPIRY - 50, EXPIRY + 50):
        alice.run(events.Block(height))
    assert not alice.broadcast


def test_a_forced_close_before_the_peers_word_needs_the_users() -> None:
    pair = opened()
    start(pair, 0)
    alice = pair.nodes[0]
    with pytest.raises(StateUnproven, match="loses everything in the channel"):
        alice.run(events.ForceClose())
    assert isinstance(alice.channel.phase, Normal)
    alice.run(events.ForceClose(not_restored=True))
    assert len(alice.broadcast) == 1


def test_after_the_peers_word_a_forced_close_is_as_ever() -> None:
    pair = opened()
    start(pair, 0)
    pair.reconnect()
    pair.settle()
    assert not pair.nodes[0].channel.unproven
    pair.command(0, events.ForceClose())
    assert len(pair.nodes[0].broadcast) == 1


def test_two_sides_that_both_failed_unproven_tell_each_other_where_they_are() -> None:
    pair = opened()
    for party in (0, 1):
        start(pair, party)
    for node in pair.nodes:
        node.run(events.Connected())
        node.run(error(pair))
    pair.cut()
    assert not any(node.broadcast for node in pair.nodes)
    words = (says(pair, 0), says(pair, 1))
    for node, word in zip(pair.nodes, reversed(words), strict=True):
        node.run(events.PeerPosition(word))
        assert len(node.broadcast) == 1


@pytest.mark.parametrize(("party", "due"), [(0, EXPIRY + GRACE_BLOCKS), (1, EXPIRY - 18)])
def test_a_deadline_is_met_without_the_peers_word(party: Party, due: int) -> None:
    pair = opened()
    pair.command(0, add(1, cltv_expiry=EXPIRY))
    pair.settle()
    if party == 1:
        pair.nodes[1].run(events.Fulfill(0, preimage(1)))
    start(pair, party)
    node = pair.nodes[party]
    for height in range(due - PROOF_BLOCKS - 2, due):
        node.run(events.Block(height))
    assert not node.broadcast
    node.run(events.Block(due))
    assert len(node.broadcast) == 1


@pytest.mark.parametrize("before", ["living", "failed"])
def test_a_deadline_that_is_over_at_the_start_gives_the_peer_a_few_blocks(before: str) -> None:
    pair = opened()
    pair.command(0, add(1, cltv_expiry=EXPIRY))
    pair.settle()
    start(pair, 0)
    alice = pair.nodes[0]
    if before == "failed":
        alice.run(error(pair))
    for height in range(EXPIRY + 900, EXPIRY + 900 + PROOF_BLOCKS):
        alice.run(events.Block(height))
    assert not alice.broadcast
    alice.run(events.Block(EXPIRY + 900 + PROOF_BLOCKS))
    assert len(alice.broadcast) == 1
    assert not alice.channel.unproven


def test_what_was_decided_before_the_start_is_not_doubted() -> None:
    pair = opened()
    pair.command(0, events.ForceClose())
    start(pair, 0)
    assert not pair.nodes[0].channel.unproven
    pair.command(0, events.ForceClose())


@pytest.mark.parametrize("before", ["living", "failed"])
@pytest.mark.parametrize("party", [0, 1])
def test_what_is_known_to_be_a_copy_meets_no_deadline_without_the_peers_word(party: Party, before: str) -> None:
    pair = opened()
    pair.command(0, add(1, cltv_expiry=EXPIRY))
    pair.settle()
    if party == 1:
        pair.nodes[1].run(events.Fulfill(0, preimage(1)))
    start(pair, party, noticed=True)
    node = pair.nodes[party]
    if before == "failed":
        node.run(error(pair))
    for restarted in range(3):
        for height in range(EXPIRY - 30 + 400 * restarted, EXPIRY + 400 * restarted):
            node.run(events.Block(height))
        assert node.channel.doubted
        start(pair, party)
    assert not node.broadcast
    if before == "living":
        pair.reconnect()
        pair.settle()
    else:
        node.run(events.Connected())
        node.run(events.PeerPosition(says(pair, other(party))))
    assert not node.channel.doubted
    if party == 0 or before == "failed":  # else the HTLC is settled by now
        node.run(events.Block(EXPIRY + 1200))
        assert len(node.broadcast) == 1


def test_starts_without_the_peers_word_postpone_a_deadline_less_and_less() -> None:
    pair = opened()
    pair.command(0, add(1, cltv_expiry=EXPIRY))
    pair.settle()
    height = EXPIRY + GRACE_BLOCKS
    for blocks in (PROOF_BLOCKS, PROOF_BLOCKS // 2, 1, 1, 1):
        start(pair, 0)
        for _ in range(blocks):
            pair.nodes[0].run(events.Block(height))
            height += 1
        assert not pair.nodes[0].broadcast
    assert height < EXPIRY + GRACE_BLOCKS + 3 * PROOF_BLOCKS
    pair.nodes[0].run(events.Block(height))
    assert len(pair.nodes[0].broadcast) == 1


def test_the_peers_word_begins_the_count_of_starts_anew() -> None:
    pair = opened()
    for _ in range(3):
        start(pair, 0)
    assert pair.nodes[0].channel.unproven_starts == 2
    pair.reconnect()
    pair.settle()
    start(pair, 0)
    assert pair.nodes[0].channel.unproven_starts == 0
