"""Do auxiliary signatures go ahead of their commitment_signed, and again, the same, after a lost connection?"""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lnpd_sdk.types import PARTIES, Party

from lnpd import errors
from lnpd.channel import actions, events, gates
from lnpd.channel.state import Channel
from lnpd.wire.message import decode
from lnpd.wire.messages import AuxiliarySignatures, CommitmentSigned, StartBatch, UpdateAddHtlc
from tests.channel.gated import PUT, gated, names, offered
from tests.channel.harness import Pair, add, preimage
from tests.channel.vault import NAME, GatedVault, body

# The way of every day


def test_signatures_of_gated_children_go_ahead_and_nowhere_else() -> None:
    vaults = GatedVault(), GatedVault()
    pair = gated(*vaults)
    pair.command(1, add(1))
    pair.settle()
    offered(pair)
    holder, signer = pair.nodes
    assert names(signer) == [AuxiliarySignatures, CommitmentSigned]
    ahead, signed = (decode(data) for data in signer.sent)
    assert isinstance(ahead, AuxiliarySignatures) and isinstance(signed, CommitmentSigned)
    assert (ahead.commitment_number, ahead.namespace, ahead.chunk, ahead.num_chunks) == (2, 0, 0, 1)
    assert (len(ahead.data), len(signed.htlc_signature)) == (64, 1), "one child is gated, one is an HTLC's"
    pair.settle()
    pair.check()
    kept = holder.latest()
    assert kept.signatures is not None
    assert [child.gated for child in kept.graph.children].count(True) == 1
    (index,) = [i for i, child in enumerate(kept.graph.children) if child.gated]
    assert kept.signatures.children[index] == ahead.data
    assert (vaults[0].asked, vaults[0].shown[0].signature, vaults[1].asked) == (1, ahead.data, 0)
    assert holder.channel.auxiliary == ()


def test_without_gated_children_nothing_is_sent_ahead() -> None:
    pair = gated()
    pair.command(0, add(1))
    pair.command(0, events.Commit())
    assert AuxiliarySignatures not in names(pair.nodes[0])
    pair.settle()
    pair.check()


def test_several_fundings_have_their_own_and_a_batch_is_not_interrupted() -> None:
    pair = offered(gated(fundings=2))
    kinds = names(pair.nodes[1])
    assert kinds == [AuxiliarySignatures, AuxiliarySignatures, StartBatch, CommitmentSigned, CommitmentSigned]
    pair.settle()
    pair.check()


def test_long_ones_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "CHUNK_BYTES", 30)
    pair = offered(gated())
    parts = [decode(data) for data in pair.nodes[1].sent][:3]
    lengths = [len(part.data) for part in parts if isinstance(part, AuxiliarySignatures)]
    assert lengths == [30, 30, 4]
    pair.settle()
    pair.check()


def test_two_gates_never_wait_for_each_other() -> None:
    """Both fill their boxes at once: each signs when it could have without gates."""
    pair = gated()
    for party in PARTIES:
        pair.command(party, PUT)
        pair.command(party, events.Commit())
    pair.settle()
    pair.check()
    for node in pair.nodes:
        assert sum(child.gated for child in node.latest().graph.children) == 1


# A lost connection


def walk(pair: Pair, limit: int) -> int:
    """Deliver at most so many messages, one after the other, committing between; how many it were."""
    for count in range(limit):
        for party in PARTIES:
            pair.command(party, events.Commit())
        ready = [party for party in PARTIES if pair.nodes[party].sent]
        if not ready:
            return count
        pair.deliver(ready[0])
    return limit


def dance() -> Pair:
    pair = gated()
    for party in PARTIES:
        pair.command(party, PUT)
    pair.command(0, add(1))
    return pair


LENGTH = walk(dance(), 100)


def test_the_dance_has_its_messages() -> None:
    assert LENGTH == 13, "3 updates, 4 commitment_signed and as many revoke_and_ack, 2 auxiliary_signatures"


@pytest.mark.parametrize("restart", [None, 0, 1])
@pytest.mark.parametrize("after", range(LENGTH + 1))
def test_a_break_after_each_message(after: int, restart: Party | None) -> None:
    pair = dance()
    walk(pair, after)
    proposed = [len(node.channel.log) for node in pair.nodes]
    if restart is None:
        pair.cut()
    else:
        pair.restart(restart)
    assert all(node.channel.auxiliary == () for node in pair.nodes), "it will be sent again"
    pair.reconnect()
    pair.settle()
    pair.check()
    assert not any(node.errors for node in pair.nodes), proposed
    for party in PARTIES:  # what was forgotten is proposed again
        node = pair.nodes[party]
        if f"{party}" not in {child.id for child in node.latest().graph.children if child.gated}:
            pair.command(party, PUT)
    pair.settle()
    pair.check()
    for node in pair.nodes:
        assert sum(child.gated for child in node.latest().graph.children) == 1


@pytest.mark.parametrize("fundings", [1, 2])
def test_what_is_sent_again_is_the_same_in_the_same_order(fundings: int) -> None:
    pair = gated(fundings=fundings)
    pair.command(1, add(1))
    offered(pair)
    signer = pair.nodes[1]
    sent = list(signer.sent)
    pair.cut()
    pair.reconnect()
    signer.sent.clear()
    pair.deliver(0)
    kinds = [UpdateAddHtlc, AuxiliarySignatures, CommitmentSigned]
    batch = [UpdateAddHtlc, *[AuxiliarySignatures] * 2, StartBatch, *[CommitmentSigned] * 2]
    assert names(signer) == (kinds if fundings == 1 else batch)
    assert list(signer.sent)[1:] == sent, "the update was delivered before"


def test_what_came_ahead_of_no_signature_is_forgotten() -> None:
    pair = offered(gated())
    pair.deliver(1)
    assert len(pair.nodes[0].channel.auxiliary) == 1
    pair.cut()
    assert pair.nodes[0].channel.auxiliary == ()
    pair.reconnect()
    pair.settle()
    pair.check()


# Any order of anything


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("put", "take", "add", "fulfil", "commit", "deliver", "deliver", "cut")),
                          st.integers(0, 1)), max_size=40))  # fmt: skip
def test_any_walk_ends_in_agreement(walked: list[tuple[str, Party]]) -> None:
    pair = gated()
    for number, (what, party) in enumerate(walked):
        _happens(pair, what, party, number)
        if not pair.connected:
            pair.reconnect()
    pair.settle()
    pair.check()
    assert not any(node.errors for node in pair.nodes)


def _happens(pair: Pair, what: str, party: Party, number: int) -> None:
    channel: Channel = pair.nodes[party].channel
    match what:
        case "deliver":
            pair.deliver(party)
        case "cut":
            pair.cut()
        case "commit":
            pair.command(party, events.Commit())
        case "fulfil":
            received = pair.nodes[party].told(actions.HtlcReceived)
            decided = {decision.id for decision in channel.decisions}
            for each in received[-1:]:
                number_of = next(n for n in range(200) if add(n).payment_hash == each.payment_hash)
                if each.id not in decided:
                    _try(pair, party, events.Fulfill(each.id, preimage(number_of)))
        case "add":
            _try(pair, party, add(number))
        case _:
            _try(pair, party, events.Propose(NAME, body(what, 20_000)))


def _try(pair: Pair, party: Party, event: events.Event) -> None:
    with suppress(errors.CommandRefused):
        pair.command(party, event)
