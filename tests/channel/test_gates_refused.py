"""Does nothing pass a gate that should not, and does who tries hear why?"""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from lnpd import errors
from lnpd.channel import events, gates
from lnpd.channel.state import Normal
from lnpd.wire.base import Message
from lnpd.wire.message import decode
from lnpd.wire.messages import AuxiliarySignatures, CommitmentSigned, RevokeAndAck
from lnpd.wire.messages import Warning as WarningMessage
from tests.channel.gated import PUT, gated, offered, taken
from tests.channel.harness import WITH_VAULT, Node, Pair, add, opened
from tests.channel.vault import GatedVault

# A peer that breaks a rule: it hears which, the connection ends, and the channel stays


ALTERED: dict[str, tuple[Callable[[AuxiliarySignatures], AuxiliarySignatures], type[errors.ProtocolWarning]]] = {
    "another number": (lambda m: replace(m, commitment_number=9), errors.AuxiliaryForAnotherCommitment),
    "the last number": (lambda m: replace(m, commitment_number=0), errors.AuxiliaryForAnotherCommitment),
    "another funding": (lambda m: replace(m, funding_txid=bytes(32)), errors.AuxiliaryForAnotherCommitment),
    "no such extension": (lambda m: replace(m, namespace=1), errors.AuxiliaryUnasked),
    "the second part first": (lambda m: replace(m, chunk=1, num_chunks=2), errors.AuxiliaryOutOfOrder),
    "a part of none": (lambda m: replace(m, num_chunks=0), errors.AuxiliaryOutOfOrder),
    "too many parts": (lambda m: replace(m, num_chunks=gates.MAX_CHUNKS + 1), errors.AuxiliaryOutOfOrder),
    "an empty part": (lambda m: replace(m, data=b""), errors.AuxiliaryTooLong),
    "too short": (lambda m: replace(m, data=m.data[:-1]), errors.AuxiliaryMissing),
    "too long": (lambda m: replace(m, data=m.data + b"\1"), errors.AuxiliaryTooLong),
    "a part that never comes": (lambda m: replace(m, num_chunks=2), errors.AuxiliaryMissing),
}


@pytest.mark.parametrize(("change", "error"), ALTERED.values(), ids=ALTERED)
def test_a_broken_rule_is_named(
    change: Callable[[AuxiliarySignatures], AuxiliarySignatures], error: type[errors.ProtocolWarning]
) -> None:
    pair = offered(gated())
    holder, signer = pair.nodes
    before = holder.channel.numbers
    sent = taken(signer, AuxiliarySignatures)
    signed = taken(signer, CommitmentSigned)
    holder.run(change(sent))
    if not holder.errors:
        holder.run(signed)
    refuses(holder, error)
    assert holder.channel.numbers == before
    goes_on(pair)


def refuses(node: Node, error: type[Exception]) -> None:
    """A warning, and no more than a lost connection."""
    assert [type(each) for each in node.errors] == [error]
    assert isinstance(decode(node.sent[-1]), WarningMessage) and node.disconnect
    assert isinstance(node.channel.phase, Normal)


def goes_on(pair: Pair) -> None:
    pair.cut()
    pair.reconnect()
    pair.settle()
    pair.check()
    assert pair.nodes[0].channel.numbers[0] >= 1


def test_none_at_all() -> None:
    pair = offered(gated())
    taken(pair.nodes[1], AuxiliarySignatures)
    pair.nodes[0].run(taken(pair.nodes[1], CommitmentSigned))
    refuses(pair.nodes[0], errors.AuxiliaryMissing)
    goes_on(pair)


def test_twice() -> None:
    pair = offered(gated())
    sent = taken(pair.nodes[1], AuxiliarySignatures)
    pair.nodes[0].run(sent)
    pair.nodes[0].run(sent)
    refuses(pair.nodes[0], errors.AuxiliaryOutOfOrder)
    goes_on(pair)


def test_more_parts_than_were_said() -> None:
    pair = offered(gated())
    sent = taken(pair.nodes[1], AuxiliarySignatures)
    pair.nodes[0].run(replace(sent, data=sent.data[:32]))
    pair.nodes[0].run(replace(sent, chunk=1, data=sent.data[32:]))
    refuses(pair.nodes[0], errors.AuxiliaryOutOfOrder)
    goes_on(pair)


@pytest.mark.parametrize("by_the_peer", [False, True])
def test_what_came_ahead_is_forgotten_with_the_channel(by_the_peer: bool) -> None:
    pair = offered(gated())
    holder = pair.nodes[0]
    holder.run(taken(pair.nodes[1], AuxiliarySignatures))
    assert holder.channel.auxiliary
    if by_the_peer:
        pair.command(1, events.ForceClose())
        tx = pair.nodes[1].broadcast[-1]
        holder.run(events.OutputSpent(tx.inputs[0].txid, tx.inputs[0].vout, tx, 600))
    else:
        pair.command(0, events.ForceClose())
    assert holder.channel.auxiliary == ()


def test_for_a_commitment_that_has_no_gated_child() -> None:
    pair = gated()
    pair.command(1, add(1))
    pair.command(1, events.Commit())
    pair.deliver(1)
    holder = pair.nodes[0]
    funding = holder.channel.fundings[0]
    holder.run(ahead_of(holder, funding.txid, bytes(64)))
    holder.run(taken(pair.nodes[1], CommitmentSigned))
    refuses(holder, errors.AuxiliaryUnasked)
    goes_on(pair)


def ahead_of(holder: Node, funding_txid: bytes, data: bytes, chunk: int = 0, num_chunks: int = 1) -> Message:
    return AuxiliarySignatures(
        channel_id=holder.channel.id,
        funding_txid=funding_txid,
        commitment_number=holder.channel.numbers[holder.us] + 1,
        namespace=0,
        chunk=chunk,
        num_chunks=num_chunks,
        data=data,
    )


def test_for_an_extension_without_a_gate() -> None:
    pair = opened(WITH_VAULT)
    holder = pair.nodes[0]
    holder.run(ahead_of(holder, holder.channel.fundings[0].txid, bytes(64)))
    refuses(holder, errors.AuxiliaryUnasked)


def test_more_than_a_commitment_may_have() -> None:
    pair = gated()
    holder = pair.nodes[0]
    txid = holder.channel.fundings[0].txid
    for chunk in range(6):
        holder.run(ahead_of(holder, txid, bytes(60_000), chunk, 6))
    refuses(holder, errors.AuxiliaryTooLong)
    assert sum(len(each.data) for each in holder.channel.auxiliary) <= gates.MAX_BYTES


def test_a_wrong_signature_is_as_bad_as_in_commitment_signed() -> None:
    pair = offered(gated())
    holder, signer = pair.nodes
    sent, signed = taken(signer, AuxiliarySignatures), taken(signer, CommitmentSigned)
    holder.run(replace(sent, data=signed.signature))
    holder.run(signed)
    assert [type(each) for each in holder.errors] == [errors.WrongSignature]
    assert not any(isinstance(decode(data), RevokeAndAck) for data in holder.sent)


def test_a_signature_too_few_in_commitment_signed_is_found() -> None:
    pair = gated()
    pair.command(1, add(1))
    pair.settle()
    offered(pair)
    holder, signer = pair.nodes
    pair.deliver(1)
    holder.run(replace(taken(signer, CommitmentSigned), htlc_signature=()))
    assert [type(each) for each in holder.errors] == [errors.WrongSignature]


# A gate that stays shut


def test_a_gate_that_waits_costs_a_reconnect_and_then_freezes() -> None:
    shut = GatedVault("the terms are not met")
    pair = gated(shut, GatedVault())
    offered(pair)
    holder = pair.nodes[0]
    secrets = holder.signer.released
    pair.deliver(1)
    pair.deliver(1)
    assert [type(each) for each in holder.errors] == [errors.GateClosed]
    assert "vault does not accept commitment 1: the terms are not met" in str(holder.errors[0])
    assert (holder.channel.numbers[0], holder.channel.refused_number, holder.signer.released) == (0, 1, secrets)
    pair.reconnect()
    pair.deliver(0)
    pair.deliver(1)
    with pytest.raises(errors.GateStillClosed, match="vault"):  # the driver freezes the channel
        while pair.deliver(1):
            pass
    pair.cut()
    shut.refuses = ""
    pair.reconnect()
    pair.settle()
    pair.check()
    assert (holder.channel.numbers[0], holder.channel.refused_number) == (1, -1)


def test_a_forced_close_does_not_ask_a_gate() -> None:
    shut = GatedVault()
    pair = gated(shut, GatedVault())
    pair.command(0, PUT)
    pair.settle()
    asked, shut.refuses = shut.asked, "never again"
    pair.command(0, events.ForceClose())
    assert len(pair.nodes[0].broadcast) == 2 and shut.asked == asked
