"""What do an error, a warning, a force-close, a lost connection and a block do in every phase?"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from lnpd_sdk.script import Miniscript

from lnpd.channel import actions, events
from lnpd.channel.deadlines import LOCK_MARGIN_BLOCKS
from lnpd.channel.failure import FUNDED, UNFUNDED
from lnpd.channel.state import (
    AwaitingAccept,
    AwaitingFunding,
    AwaitingFundingCreated,
    AwaitingFundingSigned,
    AwaitingReady,
    Closed,
    Failed,
    Negotiating,
    New,
    Normal,
    OnChain,
    ShuttingDown,
)
from lnpd.crypto.secp import public_key
from lnpd.tx.funding_types import with_funding
from lnpd.tx.transaction import TxOut
from lnpd.wire.message import decode
from lnpd.wire.messages import ChannelReady, ChannelReestablish, StartBatch, StartBatchTlvs
from lnpd.wire.messages import Error as ErrorMessage
from lnpd.wire.messages import Warning as WarningMessage
from tests.channel.harness import (
    PLAIN,
    SCRIPTS,
    Node,
    Pair,
    accept_event,
    add,
    confirm,
    funding_tx,
    open_event,
    opened,
    opening,
    preimage,
)
from tests.channel.test_closing import negotiating


def until(step: int, party: int) -> Node:
    """A side of an opening, stopped after a number of steps."""
    pair = Pair()
    opener, acceptor = pair.nodes
    steps: list[Callable[[], Any]] = [
        lambda: opener.run(open_event(opener)),
        lambda: acceptor.run(accept_event(acceptor, decode(opener.sent.popleft()))),
        lambda: pair.deliver(1),
        lambda: opener.run(events.FundingProvided(1, funding_tx(opener.told(actions.FundingWanted)[0].output))),
    ]
    for each in steps[:step]:
        each()
    return pair.nodes[party]


def shutting_down() -> Node:
    pair = opened()
    pair.command(0, add(1))
    pair.command(0, add(2))
    pair.settle()
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    pair.settle()
    return pair.nodes[0]


def failed() -> Node:
    node = opened().nodes[0]
    node.run(events.ForceClose("enough"))
    return node


def on_chain() -> Node:
    node = failed()
    funding = node.channel.fundings[0]
    node.run(events.OutputSpent(funding.txid, funding.vout, node.broadcast[-1], 500_001))
    return node


def closed() -> Node:
    node = until(1, 0)
    node.run(events.Disconnected())
    return node


PHASES: dict[type, Callable[[], Node]] = {
    New: lambda: until(0, 0),
    AwaitingAccept: lambda: until(1, 0),
    AwaitingFunding: lambda: until(3, 0),
    AwaitingFundingSigned: lambda: until(4, 0),
    AwaitingFundingCreated: lambda: until(2, 1),
    AwaitingReady: lambda: opening().nodes[1],
    Normal: lambda: opened().nodes[0],
    ShuttingDown: shutting_down,
    Negotiating: lambda: negotiating().nodes[0],
    Failed: failed,
    OnChain: on_chain,
    Closed: closed,
}
every_phase = pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)


def in_phase(phase: type) -> Node:
    node = PHASES[phase]()
    assert type(node.channel.phase) is phase
    node.sent.clear()
    node.did.clear()
    node.broadcast.clear()
    return node


@every_phase
def test_an_error_of_the_peer(phase: type) -> None:
    node = in_phase(phase)
    node.run(ErrorMessage(channel_id=node.channel.id, data=b"no \x07"))
    after = Closed if phase in UNFUNDED else Failed if phase in FUNDED else phase
    assert type(node.channel.phase) is after and not node.sent
    assert len(node.broadcast) == (phase in FUNDED)
    assert len(node.told(actions.FundingReleased)) == (phase is AwaitingFundingSigned)
    if phase in FUNDED:
        assert isinstance(node.channel.phase, Failed) and node.channel.phase.error.endswith("no \\x07")


@every_phase
def test_a_warning_of_the_peer(phase: type) -> None:
    node = in_phase(phase)
    before = node.channel
    node.run(WarningMessage(channel_id=node.channel.id, data=b"careful"))
    assert node.channel == before and not node.sent
    assert [a.topic for a in node.did if isinstance(a, actions.Notify)] == ["peer_warning"]


@every_phase
def test_a_force_close(phase: type) -> None:
    node = in_phase(phase)
    if phase in (OnChain, Closed):
        return
    node.run(events.ForceClose())
    assert type(node.channel.phase) is (Closed if phase in UNFUNDED else Failed)
    assert len(node.broadcast) == (phase not in UNFUNDED)
    assert [type(decode(m)) for m in node.sent] == [ErrorMessage]


@every_phase
def test_a_lost_connection_and_the_next_one(phase: type) -> None:
    node = in_phase(phase)
    node.run(events.Disconnected())
    assert node.channel.link == "down"
    assert type(node.channel.phase) is (Closed if phase in UNFUNDED else phase)
    if phase in FUNDED or phase is Failed:
        node.run(events.Connected())
        assert [type(decode(m)) for m in node.sent] == [ErrorMessage if phase is Failed else ChannelReestablish]


@pytest.mark.parametrize("phase", [Failed, OnChain, Closed], ids=lambda phase: phase.__name__)
def test_a_peer_that_does_not_know_that_it_is_over(phase: type) -> None:
    node = in_phase(phase)
    other = opened().nodes[1]
    other.run(events.Disconnected())
    other.run(events.Connected())
    node.run(decode(other.sent[-1]))  # type: ignore[arg-type]
    (answer,) = map(decode, node.sent)
    assert isinstance(answer, ErrorMessage)


@pytest.mark.parametrize("phase", FUNDED, ids=lambda phase: phase.__name__)
def test_the_funding_is_followed_in_every_phase(phase: type) -> None:
    node = in_phase(phase)
    funding = node.channel.fundings[0]
    output = TxOut(funding.capacity_sat, b"\0\x20" + sha256(funding.witness_script).digest())
    tx = funding_tx(output)
    node.run(events.TransactionUnconfirmed(funding.txid))
    assert node.channel.short_channel_id == b""
    node.run(events.TransactionConfirmed(tx, 500_007, 9, 3))
    assert node.channel.short_channel_id[:3] == (500_007).to_bytes(3, "big")
    assert node.channel.depth_reached and type(node.channel.phase) is phase
    node.run(events.Block(500_010))
    assert type(node.channel.phase) is phase
    kept = node.latest().graph
    node.run(events.OutputSpent(funding.txid, funding.vout, kept.tx, 500_010))
    assert isinstance(node.channel.phase, OnChain) and node.channel.phase.spend == "ours"


@pytest.mark.parametrize("phase", [Normal, ShuttingDown, Negotiating], ids=lambda phase: phase.__name__)
def test_a_redundant_channel_ready_brings_an_alias_at_most(phase: type) -> None:
    node = in_phase(phase)
    message = ChannelReady(channel_id=node.channel.id, second_per_commitment_point=node.signer.point(5))
    points = node.channel.their_points
    node.run(message)
    assert node.channel.their_points == points and not node.errors


def test_while_shutting_down_htlcs_are_settled_and_the_fee_may_change() -> None:
    pair = opened()
    for number in range(3):
        pair.command(0, add(number))
    pair.settle()
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    pair.settle()
    pair.command(0, events.Close(SCRIPTS[0], 200, 3000))
    pair.command(0, events.SetFeerate(1200))
    pair.command(1, events.Fail(0, b"r"))
    pair.command(1, events.FailMalformed(1, bytes(32), 0x8001))
    pair.nodes[1].run(StartBatch(channel_id=pair.nodes[1].channel.id, batch_size=1, tlvs=StartBatchTlvs()))
    pair.settle()
    pair.check()
    assert isinstance(pair.nodes[0].channel.phase, ShuttingDown)
    pair.command(1, events.Fulfill(2, preimage(2)))
    pair.settle()
    assert all(isinstance(node.channel.phase, Negotiating) for node in pair.nodes)
    assert pair.nodes[0].channel.closing_range_sat == (200, 3000)


def test_shutdown_before_channel_ready() -> None:
    pair = opening()
    pair.command(1, events.Close(SCRIPTS[1], 100, 3000))
    pair.settle()
    assert all(isinstance(node.channel.phase, Negotiating) for node in pair.nodes)
    assert pair.nodes[0].broadcast[-1] == pair.nodes[1].broadcast[-1]


def test_an_opening_goes_on_after_a_reconnect() -> None:
    pair = opening()
    confirm(pair, 0)
    pair.cut()
    confirm(pair, 1)
    pair.reconnect()
    pair.settle()
    assert all(isinstance(node.channel.phase, Normal) for node in pair.nodes)


def test_funding_that_comes_too_late_is_freed() -> None:
    node = closed()
    node.run(events.FundingProvided(0, funding_tx(TxOut(1, b""))))
    assert len(node.told(actions.FundingReleased)) == 1


def test_an_acceptor_does_not_wait_for_ever() -> None:
    """BOLT 2: it forgets a channel whose funding it has not seen for 2016 blocks; the opener does not."""
    for party in (0, 1):
        node = opening().nodes[party]
        for height in (500_000, 502_015):
            node.run(events.Block(height))
            assert isinstance(node.channel.phase, AwaitingReady)
        node.restart()
        node.run(events.Block(502_016))
        assert isinstance(node.channel.phase, AwaitingReady if party == 0 else Closed)


def test_an_acceptor_does_not_wait_for_ever_for_what_failed() -> None:
    """A stranger may open a channel that it never funds, and send an error: this leaves nothing for ever either."""
    node = opening().nodes[1]
    node.run(events.ForceClose())
    for height in (500_000, 502_015):
        node.run(events.Block(height))
        assert isinstance(node.channel.phase, Failed)
    node.run(events.Block(502_016))
    assert isinstance(node.channel.phase, Closed)


def test_an_acceptor_that_saw_the_funding_keeps_its_channel() -> None:
    pair = opening()
    pair.nodes[1].run(events.Block(500_000))
    confirm(pair, 1)
    pair.nodes[1].run(events.Block(502_016))
    assert isinstance(pair.nodes[1].channel.phase, AwaitingReady)


def test_a_funding_that_others_may_take_soon_is_closed_before() -> None:
    third = public_key(b"\x77" * 32).hex()
    script = Miniscript(f"or_d(multi(2,opener_funding,acceptor_funding),and_v(v:pk({third}),older(5000)))")
    pair = opened(with_funding(PLAIN, script))
    height = 500_000 + 5_000 - LOCK_MARGIN_BLOCKS
    for node in pair.nodes:
        node.run(events.Block(height - 1))
        assert isinstance(node.channel.phase, Normal)
        node.run(events.Block(height))
        assert isinstance(node.channel.phase, Failed)
        (error,) = (each for each in map(decode, node.sent) if isinstance(each, ErrorMessage))
        assert b"From height 505000 on" in error.data
