"""Is every number of channel_reestablish judged as BOLT 2 says, and is what was lost sent again as it was?"""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from lnpd import errors
from lnpd.channel import actions, events
from lnpd.channel.state import Channel, Failed, Normal
from lnpd.crypto.shachain import per_commitment_secret
from lnpd.wire.message import decode, encode
from lnpd.wire.messages import (
    ChannelReestablish,
    ChannelReestablishTlvs,
    CommitmentSigned,
    RevokeAndAck,
    UpdateAddHtlc,
)
from lnpd.wire.messages import Error as ErrorMessage
from tests.channel.harness import WITH_VAULT, Node, Pair, add, opened, preimage
from tests.channel.vault import body


def paid(count: int = 3) -> Pair:
    pair = opened()
    for number in range(count):
        pair.command(0, add(number))
        pair.settle()
    return pair


def reestablishing(pair: Pair) -> tuple[Node, ChannelReestablish]:
    """Node 0, waiting for node 1's channel_reestablish, which is returned."""
    pair.cut()
    pair.reconnect()
    message = decode(pair.nodes[1].sent.popleft())
    assert isinstance(message, ChannelReestablish)
    pair.nodes[0].sent.clear()
    return pair.nodes[0], message


def secret(pair: Pair, number: int) -> bytes:
    return per_commitment_secret(pair.nodes[0].signer.seed, number)


# With both sides at commitment 3 (each revoked 0 to 2): what node 1 claims, and node 0's error.
CASES: dict[str, tuple[dict[str, Any], int | None, type[errors.ProtocolError]]] = {
    "commitment 0": ({"next_commitment_number": 0}, 2, errors.CommitmentNumberZero),
    "one commitment behind": ({"next_commitment_number": 3}, 2, errors.NextCommitmentNumberWrong),
    "one commitment ahead": ({"next_commitment_number": 5}, 2, errors.NextCommitmentNumberWrong),
    "two revocations behind": ({"next_revocation_number": 1}, 0, errors.NextRevocationNumberWrong),
    "a wrong secret": ({"your_last_per_commitment_secret": b"\7" * 32}, None, errors.LastSecretWrong),
    "a secret of nothing": ({"next_revocation_number": 0}, 2, errors.LastSecretWrong),
    "ahead without proof": ({"next_revocation_number": 5}, None, errors.LastSecretWrong),
    "ahead with proof": ({"next_revocation_number": 5}, 4, errors.DataLost),
}


@pytest.mark.parametrize(("changes", "revealed", "error"), CASES.values(), ids=CASES)
def test_numbers(changes: dict[str, Any], revealed: int | None, error: type[Exception]) -> None:
    pair = paid()
    node, message = reestablishing(pair)
    assert (message.next_commitment_number, message.next_revocation_number) == (4, 3)
    if revealed is not None:
        message = replace(message, your_last_per_commitment_secret=secret(pair, revealed))
    before = len(node.broadcast)
    node.run(replace(message, **changes))
    assert [type(e) for e in node.errors] == [error]
    assert isinstance(node.channel.phase, Failed) and isinstance(decode(node.sent[-1]), ErrorMessage)
    assert len(node.broadcast) == before + (error is not errors.DataLost)
    if error is errors.DataLost:
        with pytest.raises(errors.CommandRefused):
            node.run(events.ForceClose())
        node.run(ErrorMessage(channel_id=node.channel.id, data=b"bye"))
        assert len(node.broadcast) == before


def test_a_failed_channel_repeats_its_error() -> None:
    pair = opened()
    node = pair.nodes[0]
    node.run(events.ForceClose("enough"))
    node.sent.clear()
    pair.cut()
    node.run(events.Connected())
    assert [decode(m).data for m in node.sent] == [b"enough"]  # type: ignore[union-attr]
    assert len(node.broadcast) == 2


def test_a_restored_old_snapshot_notices() -> None:
    pair = paid(1)
    node = pair.nodes[0]
    old = node.stored
    for number in (1, 2):
        pair.command(0, add(number))
        pair.settle()
    node.store(msgspec.msgpack.decode(old, type=Channel))
    before = len(node.broadcast)
    pair.cut()
    pair.reconnect()
    pair.deliver(0)
    pair.deliver(1)
    assert [type(e) for e in node.errors] == [errors.DataLost]
    assert len(node.broadcast) == before
    pair.deliver(0)
    other = pair.nodes[1]
    assert isinstance(other.channel.phase, Failed) and len(other.broadcast) == 1  # the peer closes for us


@pytest.mark.parametrize("revoke_first", [False, True])
def test_retransmission_keeps_the_order_and_the_bytes(revoke_first: bool) -> None:
    pair = opened()
    us, peer = pair.nodes
    pair.command(0, add(1))
    pair.command(1, add(2))
    if revoke_first:
        pair.command(1, events.Commit())
        for _ in range(3):
            pair.deliver(1)  # update, commitment_signed: node 0 revokes
        pair.deliver(1)
        pair.command(0, events.Commit())
    else:
        pair.command(0, events.Commit())
        pair.command(1, events.Commit())
        pair.deliver(1)
        pair.deliver(1)  # node 0 revokes after it has signed
    sent = [bytes(m) for m in us.sent]
    kinds = [type(decode(m)) for m in sent]
    assert kinds == (
        [UpdateAddHtlc, RevokeAndAck, CommitmentSigned]
        if revoke_first
        else [UpdateAddHtlc, CommitmentSigned, RevokeAndAck]
    )
    pair.cut()
    pair.reconnect()
    us.sent.clear()
    pair.deliver(1)
    again = [m for m in us.sent if type(decode(m)) in kinds]
    expected = sent if not revoke_first else [sent[1], sent[0], sent[2]]  # updates go with their commitment_signed
    assert again == expected
    peer.sent.clear()


def test_channel_ready_is_sent_again_until_the_first_update() -> None:
    pair = opened()
    pair.cut()
    pair.reconnect()
    pair.deliver(0)
    names = [decode(m).NAME for m in pair.nodes[1].sent]  # type: ignore[union-attr]
    assert names == ["channel_reestablish", "channel_ready"]
    pair.settle()
    pair.command(0, add(1))
    pair.settle()
    pair.cut()
    pair.reconnect()
    pair.deliver(0)
    assert [decode(m).NAME for m in pair.nodes[1].sent] == ["channel_reestablish"]  # type: ignore[union-attr]


def test_unsigned_updates_are_forgotten_and_their_ids_used_again() -> None:
    pair = opened(WITH_VAULT)
    pair.command(0, add(1))
    pair.command(0, events.Propose("vault", body("put", 5_000)))
    pair.deliver(0)
    pair.deliver(0)
    assert len(pair.nodes[1].channel.log) == 2
    pair.cut()
    assert not pair.nodes[0].channel.log and not pair.nodes[1].channel.log
    node = pair.nodes[0]
    assert [f.id for f in node.told(actions.HtlcForgotten)] == [0]
    assert [f.id for f in node.told(actions.ExtensionForgotten)] == [0]
    pair.reconnect()
    pair.settle()
    pair.command(0, add(2))
    pair.settle()
    pair.check()
    assert [r.payment_hash for r in pair.nodes[1].told(actions.HtlcReceived)] == [add(2).payment_hash]


def test_a_decided_removal_survives_disconnects() -> None:
    pair = opened()
    pair.command(0, add(1))
    pair.settle()
    pair.cut()
    pair.command(1, events.Fulfill(0, preimage(1)))
    pair.restart(1)
    pair.reconnect()
    pair.settle()
    assert pair.nodes[0].channel.base.balances_msat == (695_000_000, 305_000_000)


@pytest.mark.parametrize("seen", ["nothing", "unsigned", "signed"])
def test_a_preimage_takes_the_place_of_a_failure_that_no_commitment_holds(seen: str) -> None:
    """A failure that was not signed is forgotten by both sides with the connection; a signed one stands."""
    pair = opened()
    pair.command(0, add(1))
    pair.settle()
    if seen == "nothing":
        pair.cut()
    pair.command(1, events.Fail(0, b"stuck"))
    if seen == "unsigned":
        pair.deliver(1)
        pair.cut()
    elif seen == "signed":
        pair.nodes[1].run(events.Commit())
        pair.cut()
    pair.command(1, events.Fulfill(0, preimage(1)))
    pair.command(1, events.Fail(0, b"again"))  # and never the other way round
    pair.restart(1)
    pair.reconnect()
    pair.settle()
    pair.check()
    assert len(pair.nodes[0].told(actions.HtlcFailed)) == (seen == "signed")
    assert pair.nodes[0].channel.base.balances_msat[1] == (300_000_000 if seen == "signed" else 305_000_000)
    assert not pair.nodes[1].channel.decisions


def test_messages_before_reestablish_are_refused() -> None:
    pair = opened()
    pair.cut()
    pair.reconnect()
    pair.nodes[1].run(decode(encode(UpdateAddHtlc(
        channel_id=bytes(32), id=0, amount_msat=1, payment_hash=bytes(32), cltv_expiry=1,
        onion_routing_packet=bytes(1366),
    ))))  # type: ignore[arg-type] # fmt: skip
    assert [type(e) for e in pair.nodes[1].errors] == [errors.MessageBeforeReestablish]


@pytest.mark.parametrize("what", ["signed", "base", "format"])
def test_extension_states_are_compared_by_name(what: str) -> None:
    pair = opened(WITH_VAULT)
    pair.command(0, events.Propose("vault", body("put", 5_000)))
    pair.settle()
    node, message = reestablishing(pair)
    assert message.tlvs.extension_states is not None
    (state,) = message.tlvs.extension_states
    changed = {
        "signed": replace(state, signed=(replace(state.signed[0], digest=bytes(32)), *state.signed[1:])),
        "base": replace(state, base_digest=bytes(32)),
        "format": replace(state, format=2),
    }[what]
    node.run(replace(message, tlvs=ChannelReestablishTlvs(extension_states=(changed,))))
    assert [type(e) for e in node.errors] == [errors.ExtensionStateDiffers]
    assert "vault" in str(node.errors[0]) and node.disconnect and isinstance(node.channel.phase, Normal)


def test_extension_states_of_other_commitments_are_not_compared() -> None:
    pair = opened(WITH_VAULT)
    pair.command(0, events.Propose("vault", body("put", 5_000)))
    pair.command(0, events.Commit())
    pair.deliver(0)
    pair.deliver(0)  # node 1 holds its commitment 1 and has revoked; node 0 does not know
    pair.cut()
    pair.reconnect()
    pair.settle()
    pair.check()
    assert not any(node.errors for node in pair.nodes)
