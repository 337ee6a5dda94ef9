"""Does a channel whose funding was reorganised away risk nothing, and go on once it is back?"""

import pytest
from lnpd_sdk.types import Party

from lnpd.channel import actions, events
from lnpd.channel.state import Closed, Failed, Normal, OnChain
from lnpd.channel.undone import FAILING_DEPTH, MAX_COINS
from lnpd.errors import ChannelNotReady
from lnpd.tx.states import htlcs_of
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.channel.harness import POLICY, Pair, add, confirm, opened, preimage


def undo(pair: Pair, *parties: Party) -> None:
    for party in parties:
        pair.command(party, events.TransactionUnconfirmed(pair.nodes[party].channel.fundings[0].txid))


def rival() -> Tx:
    """It spends the coin of the harness's funding."""
    return Tx((TxIn(b"\x05" * 32, 0),), (TxOut(7, b"\x51"),))


def spent(pair: Pair, party: Party, depth: int, tx: Tx | None = None) -> None:
    pair.command(party, events.OutputSpent(b"\x05" * 32, 0, tx or rival(), 500_001, depth))


@pytest.mark.parametrize("party", [0, 1])
def test_either_side_broadcasts_the_funding_again_and_watches_its_coins(party: Party) -> None:
    pair = opened()
    node = pair.nodes[party]
    node.broadcast.clear()
    node.did.clear()
    undo(pair, party)
    assert [tx.txid for tx in node.broadcast] == [node.channel.fundings[0].txid]
    watched = [(a.txid, a.vout, a.depth) for a in node.did if isinstance(a, actions.WatchOutput)]
    assert watched == [(b"\x05" * 32, 0, FAILING_DEPTH), (b"\x05" * 32, 0, POLICY.resolution_depth)]
    assert len(watched) <= 2 * MAX_COINS


@pytest.mark.parametrize("party", [0, 1])
def test_nothing_new_is_proposed_until_it_is_deep_again(party: Party) -> None:
    pair = opened()
    undo(pair, party)
    for command in (add(1), events.SetFeerate(2_000)):
        with pytest.raises(ChannelNotReady, match="reorganisation"):
            pair.command(party, command)
    assert isinstance(pair.nodes[party].channel.phase, Normal)
    confirm(pair, party, depth=1)
    with pytest.raises(ChannelNotReady, match="reorganisation"):
        pair.command(party, add(1))
    confirm(pair, party)
    pair.command(party, add(1))
    pair.settle()
    pair.check()


def test_no_preimage_leaves_and_no_htlc_is_shown_until_it_is_deep_again() -> None:
    pair = opened()
    pair.command(0, add(1))
    pair.settle()
    bob = pair.nodes[1]
    undo(pair, 1)
    pair.command(1, events.Fulfill(0, preimage(1)))
    pair.command(0, add(2))  # alice has not seen the reorganisation
    bob.did.clear()
    pair.settle()
    pair.cut()
    pair.reconnect()
    pair.settle()
    assert not pair.nodes[0].told(actions.HtlcFulfilled)
    assert not bob.told(actions.HtlcReceived)
    confirm(pair, 1)
    assert [told.id for told in bob.told(actions.HtlcReceived)] == [1]
    pair.settle()
    assert [told.id for told in pair.nodes[0].told(actions.HtlcFulfilled)] == [0]
    pair.check()


def test_what_was_agreed_already_goes_on() -> None:
    pair = opened()
    pair.command(0, add(1))
    pair.nodes[0].run(events.Commit())
    undo(pair, 0, 1)
    pair.settle()
    pair.check()
    assert [h.id for h in htlcs_of(pair.nodes[0].channel.base.states)] == [0]


@pytest.mark.parametrize("party", [0, 1])
def test_a_double_spend_fails_the_channel_once_it_is_deep(party: Party) -> None:
    pair = opened()
    pair.command(party, add(1))
    pair.settle()
    node = pair.nodes[party]
    undo(pair, party)
    spent(pair, party, 1)
    assert isinstance(node.channel.phase, Normal)
    spent(pair, party, FAILING_DEPTH)
    assert isinstance(node.channel.phase, Failed)
    assert rival().txid[::-1].hex() in node.channel.phase.error
    assert not node.told(actions.HtlcFailed), "the other one could still be undone"
    spent(pair, party, POLICY.resolution_depth)
    assert isinstance(node.channel.phase, Closed)
    assert "The funding never happened" in node.channel.phase.reason
    assert [told.id for told in node.told(actions.HtlcFailed)] == [0]


def test_an_htlc_that_nobody_signed_is_failed_too() -> None:
    pair = opened()
    pair.command(0, add(1))
    pair.settle()
    node = pair.nodes[0]
    pair.command(0, add(2))
    undo(pair, 0)
    spent(pair, 0, FAILING_DEPTH)
    spent(pair, 0, POLICY.resolution_depth)
    assert isinstance(node.channel.phase, Closed)
    assert [told.id for told in node.told(actions.HtlcFailed)] == [0, 1]


@pytest.mark.parametrize("closed", [False, True], ids=["failed", "on chain"])
def test_a_channel_that_has_ended_needs_its_funding_too(closed: bool) -> None:
    pair = opened()
    node = pair.nodes[0]
    funding = node.channel.fundings[0]
    node.run(events.ForceClose())
    if closed:
        node.run(events.OutputSpent(funding.txid, funding.vout, node.broadcast[-1], 500_001, 1))
    assert isinstance(node.channel.phase, OnChain if closed else Failed)
    node.broadcast.clear()
    node.did.clear()
    undo(pair, 0)
    assert [tx.txid for tx in node.broadcast] == [funding.txid]
    assert [a.depth for a in node.did if isinstance(a, actions.WatchOutput)] == [FAILING_DEPTH, POLICY.resolution_depth]


def test_the_funding_itself_is_no_double_spend() -> None:
    pair = opened()
    undo(pair, 0)
    funding = next(tx for tx in pair.nodes[0].broadcast)
    for depth in (1, FAILING_DEPTH, POLICY.resolution_depth):
        spent(pair, 0, depth, funding)
    assert isinstance(pair.nodes[0].channel.phase, Normal)
