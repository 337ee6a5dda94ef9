"""Do both sides agree on a closing transaction, by every way that BOLT 2 knows, and fail where they cannot?"""

from typing import Any

import pytest
from msgspec.structs import replace

from lnpd import errors
from lnpd.channel import actions, events, proposals
from lnpd.channel.negotiation import closing_transaction
from lnpd.channel.scripts import dust_limit_sat, shutdown_script_allowed
from lnpd.channel.state import Failed, Negotiating, ShuttingDown
from lnpd.wire.message import decode
from lnpd.wire.messages import ClosingSigned, ClosingSignedTlvs, FeeRange
from tests.channel.harness import SCRIPTS, WITH_VAULT, Node, Pair, add, opened, preimage
from tests.channel.vault import body


def negotiating(opener: tuple[int, int] = (100, 3000), acceptor: tuple[int, int] = (0, 0)) -> Pair:
    """Both sides have sent shutdown; the opener's first closing_signed is under way."""
    pair = opened()
    if acceptor != (0, 0):
        pair.command(1, events.Close(SCRIPTS[1], *acceptor))
    pair.command(0, events.Close(SCRIPTS[0], *opener))
    for _ in range(4):
        for party in (0, 1):
            if pair.nodes[party].sent and not isinstance(decode(pair.nodes[party].sent[0]), ClosingSigned):
                pair.deliver(party)  # type: ignore[arg-type]
    assert all(isinstance(node.channel.phase, Negotiating) for node in pair.nodes)
    return pair


def signed(node: Node, fee: int, fee_range: tuple[int, int] | None, **changes: Any) -> ClosingSigned:
    """A closing_signed of this node for any fee."""
    tx = closing_transaction(node.channel, fee, 354).tx
    low, high = fee_range or (0, 0)
    tlvs = ClosingSignedTlvs(fee_range=FeeRange(min_fee_satoshis=low, max_fee_satoshis=high) if fee_range else None)
    signature = node.signer.sign_closing(node.channel.fundings[0], tx)
    message = ClosingSigned(channel_id=node.channel.id, fee_satoshis=fee, signature=signature, tlvs=tlvs)
    return replace(message, **changes)


def agreed(node: Node) -> int:
    assert isinstance(node.channel.phase, Negotiating)
    return node.channel.phase.agreed_fee_sat


def test_two_messages_agree_within_the_range() -> None:
    pair = negotiating()
    before = pair.delivered
    pair.settle()
    assert pair.delivered - before == 2
    assert {agreed(node) for node in pair.nodes} == {674}
    assert pair.nodes[0].broadcast[-1] == pair.nodes[1].broadcast[-1]
    tx = pair.nodes[0].broadcast[-1]
    assert sorted(o.value_sat for o in tx.outputs) == [300_000, 700_000 - agreed(pair.nodes[0])]
    assert tx.weight <= 674


def test_nothing_is_offered_that_nobody_relays() -> None:
    """Who names the fees does not know what this close weighs: where a provider seals it there is a carrier."""
    pair = negotiating((1, 3000))
    offer = decode(pair.nodes[0].sent[0])
    assert isinstance(offer, ClosingSigned) and offer.tlvs.fee_range is not None
    assert offer.tlvs.fee_range.min_fee_satoshis == 674 * 253 // 1000


def test_three_messages_where_the_acceptor_wants_more() -> None:
    pair = negotiating(opener=(100, 3000), acceptor=(2000, 5000))
    pair.settle()
    assert {agreed(node) for node in pair.nodes} == {2000}


def test_ranges_apart_cost_the_connection_only() -> None:
    pair = negotiating(opener=(100, 500), acceptor=(2000, 5000))
    pair.deliver(0)
    assert [type(e) for e in pair.nodes[1].errors] == [errors.ClosingRangesApart]
    assert isinstance(pair.nodes[1].channel.phase, Negotiating) and not pair.connected


def test_a_negotiation_without_ranges_meets_in_the_middle() -> None:
    pair = negotiating(acceptor=(1000, 5000))
    node, opener = pair.nodes[1], pair.nodes[0]
    node.run(signed(opener, 100, None))
    first = decode(node.sent[-1])
    assert isinstance(first, ClosingSigned) and first.fee_satoshis == 1000
    node.run(signed(opener, 900, None))
    assert [type(e) for e in node.errors] == [errors.ClosingFeeOutsideRange]


def test_a_fee_without_progress() -> None:
    pair = negotiating(acceptor=(1000, 5000))
    node, opener = pair.nodes[1], pair.nodes[0]
    node.run(signed(opener, 100, None))
    node.run(signed(opener, 99, None))
    assert [type(e) for e in node.errors] == [errors.ClosingFeeWithoutProgress]


CASES: dict[str, tuple[int, int, tuple[int, int] | None, dict[str, Any], type[errors.ProtocolError]]] = {
    "a wrong signature": (1, 1000, (1, 3000), {"signature": b"\1" * 64}, errors.ClosingSignatureWrong),
    "a signature of another fee": (1, 1000, (1, 3000), {"fee_satoshis": 1001}, errors.ClosingSignatureWrong),
    "a fee outside both ranges": (0, 9000, (1, 3000), {}, errors.ClosingFeeOutsideRange),
    "more than the opener has": (1, 1000, (1, 3000), {"fee_satoshis": 700_001}, errors.ClosingFeeTooHigh),
}


@pytest.mark.parametrize(("party", "fee", "fee_range", "changes", "error"), CASES.values(), ids=CASES)
def test_a_peers_closing_signed(
    party: int, fee: int, fee_range: tuple[int, int], changes: dict[str, Any], error: type[Exception]
) -> None:
    pair = negotiating()
    node, peer = pair.nodes[party], pair.nodes[1 - party]
    node.run(signed(peer, fee, fee_range, **changes))
    assert [type(e) for e in node.errors] == [error]
    assert isinstance(node.channel.phase, Failed) == (not issubclass(error, errors.ProtocolWarning))


def test_the_opener_must_repeat_the_fee() -> None:
    pair = negotiating(acceptor=(2000, 5000))
    node, opener = pair.nodes[1], pair.nodes[0]
    node.run(signed(opener, 700, (100, 3000)))
    node.run(signed(opener, 701, (100, 3000)))
    assert [type(e) for e in node.errors] == [errors.ClosingFeeChanged]


def test_the_acceptor_does_not_begin() -> None:
    pair = negotiating()
    opener = pair.nodes[0]
    opener.run(events.Disconnected())
    opener.store(replace(opener.channel, link="up"))
    opener.run(signed(pair.nodes[1], 1000, (1, 3000)))
    assert [type(e) for e in opener.errors] == [errors.ClosingTooEarly]


def test_a_dust_output_is_dropped() -> None:
    pair = opened(push_msat=0)
    pair.command(0, add(1, 300_000))
    pair.settle()
    pair.command(1, events.Fulfill(0, preimage(1)))
    pair.settle()
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    pair.settle()
    tx = pair.nodes[1].broadcast[-1]
    assert [o.script_pubkey for o in tx.outputs] == [SCRIPTS[0]]


def test_htlcs_are_settled_before_the_negotiation() -> None:
    pair = opened()
    pair.command(0, add(1))
    pair.settle()
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    pair.settle()
    assert all(isinstance(node.channel.phase, ShuttingDown) for node in pair.nodes)
    pair.command(1, events.Fulfill(0, preimage(1)))
    pair.settle()
    assert {agreed(node) for node in pair.nodes} == {674}


def test_a_provider_that_blocks_is_named() -> None:
    pair = opened(WITH_VAULT)
    pair.command(1, events.Propose("vault", body("put", 50_000)))
    pair.settle()
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    pair.settle()
    assert {node.channel.blocked_by for node in pair.nodes} == {(("vault", "a box is not empty"),)}
    notices = [a for a in pair.nodes[0].did if isinstance(a, actions.Notify) and a.topic == "close_blocked"]
    assert ("blocked by vault", "a box is not empty") in notices[-1].fields
    pair.command(1, events.Propose("vault", body("take", 50_000)))
    pair.settle()
    assert agreed(pair.nodes[0]) > 0 and not pair.nodes[0].channel.blocked_by


def test_what_may_be_the_last_change_is_waited_for_and_then_one_may_propose_again() -> None:
    """Both have a box, and the peer empties its own: while that is under way, it could be what the close waited for."""
    pair = opened(WITH_VAULT)
    for party in (0, 1):
        pair.command(party, events.Propose("vault", body("put", 50_000)))  # type: ignore[arg-type]  # the parties
        pair.settle()
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    pair.settle()
    pair.command(0, events.Propose("vault", body("take", 50_000)))
    pair.command(0, events.Commit())
    ours, waited = events.Propose("vault", body("take", 50_000)), False
    while not waited:
        if not (pair.deliver(0) or pair.deliver(1)):
            assert pair.nodes[1].run(events.Commit()) and pair.nodes[1].sent, "it was never waited for"
        try:
            proposals.may_propose(pair.nodes[1].channel)
        except errors.ChannelNotReady as error:
            waited = "propose it again" in str(error)
    pair.settle()
    pair.command(1, ours)
    pair.settle()
    assert agreed(pair.nodes[0]) == agreed(pair.nodes[1]) > 0


def test_the_upfront_script_binds() -> None:
    pair = Pair()
    signer = pair.nodes[0].signer
    pair = opened(pair=pair, terms=signer.terms(upfront_shutdown_script=SCRIPTS[0]))
    with pytest.raises(errors.CommandRefused):
        pair.command(0, events.Close(SCRIPTS[1], 1, 2))
    opener = pair.nodes[0]
    opener.store(replace(opener.channel, terms=(signer.terms(), opener.channel.terms[1])))
    pair.command(0, events.Close(SCRIPTS[1], 1, 2))
    pair.deliver(0)
    assert [type(e) for e in pair.nodes[1].errors] == [errors.ShutdownScriptChanged]


def test_nothing_is_negotiated_before_the_peer_has_sent_again_what_it_had_signed() -> None:
    pair = opened()
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    pair.command(1, add(1))
    pair.deliver(0)
    pair.deliver(1)
    pair.command(0, events.SetFeerate(1100))
    pair.command(0, events.Commit())
    pair.cut()  # the acceptor forgets its HTLC, and knows nothing of the signed fee
    pair.reconnect()
    pair.settle()
    assert not any(node.errors for node in pair.nodes)
    assert agreed(pair.nodes[0]) == agreed(pair.nodes[1]) > 0


SCRIPT_CASES: list[tuple[bytes, bool, bool, int]] = [
    (b"\x00\x14" + bytes(20), False, True, 294),
    (b"\x00\x20" + bytes(32), False, True, 330),
    (b"\x51\x20" + bytes(32), True, True, 354),
    (b"\x51\x20" + bytes(32), False, False, 354),
    (b"\x60\x02" + bytes(2), True, True, 354),
    (b"\x60\x28" + bytes(40), True, True, 354),
    (b"\x60\x29" + bytes(41), True, False, 546),
    (b"\x51\x01" + bytes(1), True, False, 546),
    (b"\x00\x15" + bytes(21), True, False, 546),
    (b"\x00\x14" + bytes(19), True, False, 546),
    (b"\x6a\x06" + bytes(6), True, False, 546),
    (b"\x76\xa9\x14" + bytes(20) + b"\x88\xac", True, False, 546),
    (b"", True, False, 546),
]


@pytest.mark.parametrize(("script", "anysegwit", "allowed", "dust"), SCRIPT_CASES)
def test_scripts(script: bytes, anysegwit: bool, allowed: bool, dust: int) -> None:
    assert shutdown_script_allowed(script, anysegwit) == allowed
    assert dust_limit_sat(script) == dust
