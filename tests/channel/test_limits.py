"""Is each limit of an update enforced: against a peer by its own error, and against ourselves by a refusal?"""

# ruff: noqa: E501 - a row of a table is one line

from hashlib import sha256
from typing import Any

import msgspec
import pytest
from lnpd_sdk.types import Folded, Update, View, other
from msgspec.structs import replace

from lnpd import errors
from lnpd.channel import events
from lnpd.channel.limits import ADD, FEE, MAX_PENDING_OTHERS, PENDING, REMOVE, check_limits
from lnpd.channel.queries import Folds
from lnpd.channel.state import Failed, Normal, Pending
from lnpd.providers.types import STATIC_REMOTEKEY
from lnpd.wire.message import decode
from lnpd.wire.messages import (
    AnnouncementSignatures,
    ChannelReady,
    CommitmentSigned,
    CommitmentSignedTlvs,
    RevokeAndAck,
    Shutdown,
    StartBatch,
    StartBatchTlvs,
    Stfu,
    UpdateAddHtlc,
    UpdateAddHtlcTlvs,
    UpdateExt,
    UpdateFailHtlc,
    UpdateFailMalformedHtlc,
    UpdateFee,
    UpdateFulfillHtlc,
)
from lnpd.wire.messages import Warning as WarningMessage
from tests.channel.harness import (
    POLICY,
    PROVIDERS,
    SCRIPTS,
    WITH_VAULT,
    Node,
    Pair,
    add,
    opened,
    opening,
    preimage,
    with_second_funding,
)
from tests.channel.vault import NAME, Vault, body, boxes

ID = b"\x11" * 32


def htlc(number: int = 1, **changes: Any) -> UpdateAddHtlc:
    values: dict[str, Any] = {
        "channel_id": ID,
        "id": 0,
        "amount_msat": 5_000_000,
        "payment_hash": sha256(preimage(number)).digest(),
        "cltv_expiry": 600_000,
        "onion_routing_packet": bytes(1366),
    }
    return UpdateAddHtlc(**{**values, **changes})


def with_htlc(party: int = 0) -> Pair:
    """Party 1 has received HTLC 0 of party 0."""
    pair = opened(WITH_VAULT)
    pair.command(0, add(1))
    pair.settle()
    return pair


def quiet() -> Pair:
    pair = with_htlc()
    pair.nodes[1].run(Stfu(channel_id=ID, initiator=1))
    return pair


def closing_first() -> Pair:
    pair = opening()
    pair.nodes[1].run(events.Close(SCRIPTS[1], 1, 2))
    return pair


def closing() -> Pair:
    pair = with_htlc()
    pair.nodes[1].run(Shutdown(channel_id=ID, scriptpubkey=SCRIPTS[0]))
    return pair


def adds(count: int, amount_msat: int = 2_000_000) -> list[UpdateAddHtlc]:
    return [htlc(n, id=n, amount_msat=amount_msat) for n in range(count)]


def ext(data: bytes, **changes: int) -> UpdateExt:
    return UpdateExt(**{"channel_id": ID, "namespace": 0, "id": 0, "data": data, **changes})  # type: ignore[arg-type]


def fee(feerate: int) -> UpdateFee:
    return UpdateFee(channel_id=ID, feerate_per_kw=feerate)


FULFILL = UpdateFulfillHtlc(channel_id=ID, id=0, payment_preimage=preimage(1))
SIGNED = CommitmentSigned(channel_id=ID, signature=b"\1" * 64, htlc_signature=())
VAULT_PAIR = lambda: opened(WITH_VAULT)  # noqa: E731


class Unruly(Vault):
    """A vault that refuses nothing: `grab` puts the other party's money into a box of its, `pay` moves the proposer's
    without an output."""

    def validate(self, view: View, state: bytes, update: Update) -> None:
        return None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        if update.provider != NAME or (verb := msgspec.msgpack.decode(update.body)[0]) not in ("grab", "pay"):
            return super().fold(view, state, update)
        amount_sat = msgspec.msgpack.decode(update.body)[1]
        if verb == "pay":
            return Folded(state, (-1000 * amount_sat, 1000 * amount_sat))
        held = list(boxes(state))
        held[other(update.proposer)] += amount_sat
        return Folded(msgspec.msgpack.encode(tuple(held)))


def unruly() -> Pair:
    """Party 0's provider refuses nothing, and neither does party 1's: only the host's rules are left."""
    providers = {**PROVIDERS, NAME: Unruly()}
    return opened(WITH_VAULT, Pair(Node(0, providers=providers), Node(1, providers=providers)))


def risking() -> Pair:
    """Party 1 risks less than the HTLC that it received, four times over."""
    pair = opened(STATIC_REMOTEKEY, Pair(Node(0), Node(1, replace(POLICY, max_dust_exposure_msat=1_249_999))))
    pair.command(0, add(1))
    pair.settle()
    return pair


# The side that is told, the messages that it gets (all but the last are good), how it stands before, the error.
CASES: dict[str, tuple[int, Any, list[Any], type[errors.ProtocolError]]] = {
    "an id is skipped": (1, opened, [htlc(id=1)], errors.HtlcIdOutOfOrder),
    "an id is repeated": (1, opened, [htlc(), htlc()], errors.HtlcIdOutOfOrder),
    "nothing is offered": (1, opened, [htlc(amount_msat=0)], errors.HtlcAmountZero),
    "below the minimum": (1, opened, [htlc(amount_msat=999)], errors.HtlcBelowMinimum),
    "an expiry in seconds": (1, opened, [htlc(cltv_expiry=500_000_000)], errors.HtlcExpiryNotAHeight),
    "31 of 30 HTLCs": (1, opened, adds(31), errors.TooManyHtlcs),
    "257 bytes of records": (1, opened, [htlc(tlvs=UpdateAddHtlcTlvs(unknown=((65537, bytes(200)), (65539, bytes(57)))))], errors.HtlcRecordsTooLong),
    "65 changes of the fee": (1, opened, [fee(1000 + n) for n in range(MAX_PENDING_OTHERS + 1)], errors.TooMuchPending),
    "500,000,001 msat in flight": (1, opened, [htlc(amount_msat=500_000_001)], errors.InFlightExceeded),
    "the reserve of the acceptor": (0, opened, [htlc(amount_msat=290_000_001)], errors.ReserveBroken),
    "the reserve and fee of the opener": (1, opened, [htlc(amount_msat=495_000_000), htlc(id=1, amount_msat=194_000_000)], errors.InFlightExceeded),
    "an HTLC before channel_ready": (1, opening, [htlc()], errors.UnexpectedMessage),
    "an HTLC before channel_ready, while closing": (1, closing_first, [htlc()], errors.UpdateBeforeReady),
    "an unknown HTLC is fulfilled": (0, opened, [FULFILL], errors.UnknownHtlc),
    "the wrong preimage": (0, with_htlc, [replace(FULFILL, payment_preimage=bytes(32))], errors.WrongPreimage),
    "fulfilled twice": (0, with_htlc, [FULFILL, FULFILL], errors.HtlcAlreadyRemoved),
    "fulfilled, then failed": (0, with_htlc, [FULFILL, UpdateFailHtlc(channel_id=ID, id=0, reason=b"")], errors.HtlcAlreadyRemoved),
    "one's own HTLC is removed": (1, with_htlc, [FULFILL], errors.UnknownHtlc),
    "no BADONION": (0, with_htlc, [UpdateFailMalformedHtlc(channel_id=ID, id=0, sha256_of_onion=ID, failure_code=5)], errors.BadOnionMissing),
    "a fee from the acceptor": (0, opened, [fee(2000)], errors.FeeNotFromOpener),
    "a low fee": (1, opened, [fee(252)], errors.FeerateTooLow),
    "a high fee": (1, opened, [fee(100_001)], errors.FeerateTooHigh),
    "a fee that leaves too much without an output": (1, risking, [fee(7_500)], errors.DustExposureExceeded),
    "a fee beyond the opener's means": (1, lambda: opened(push_msat=950_000_000), [fee(50_000)], errors.ReserveBroken),
    "an unknown extension": (1, opened, [ext(b"")], errors.UnknownNamespace),
    "an extension's id is skipped": (1, VAULT_PAIR, [ext(body("put", 5000), id=1)], errors.ExtensionIdOutOfOrder),
    "a provider refuses": (1, VAULT_PAIR, [ext(body("put", 5))], errors.UpdateRejected),
    "more than is there": (1, VAULT_PAIR, [ext(body("put", 700_000))], errors.ReserveBroken),
    "the other party's money into an output": (1, unruly, [ext(body("grab", 5000))], errors.DebitsOtherParty),
    "money that leaves no output": (1, unruly, [ext(body("pay", 5000))], errors.CreditUnfounded),
    "an output that is dust": (1, unruly, [ext(body("put", 353))], errors.DustProposed),
    "after stfu": (1, quiet, [htlc(id=1)], errors.UpdateAfterStfu),
    "stfu twice": (1, quiet, [Stfu(channel_id=ID, initiator=1)], errors.StfuTwice),
    "stfu while an update is pending": (1, opened, [htlc(), Stfu(channel_id=ID, initiator=1)], errors.StfuWhilePending),
    "an HTLC after shutdown": (1, closing, [htlc(id=1)], errors.AddAfterShutdown),
    "an extension grows after shutdown": (1, closing, [ext(body("put", 5000))], errors.AddAfterShutdown),
    "another shutdown": (1, closing, [Shutdown(channel_id=ID, scriptpubkey=SCRIPTS[1])], errors.ShutdownTwice),
    "a script that is not allowed": (1, opened, [Shutdown(channel_id=ID, scriptpubkey=b"\x76")], errors.ShutdownScriptForm),
    "a wrong signature": (1, opened, [htlc(), SIGNED], errors.WrongSignature),
    "a missing HTLC signature": (1, opened, [htlc(), SIGNED], errors.WrongSignature),
    "another funding": (1, opened, [htlc(), replace(SIGNED, tlvs=CommitmentSignedTlvs(funding_txid=ID))], errors.CommitmentForUnknownFunding),
    "an extension disagrees": (1, VAULT_PAIR, [htlc(), replace(SIGNED, tlvs=CommitmentSignedTlvs(extension_digests=(bytes(8),)))], errors.ExtensionDisagrees),
    "a batch of 21": (1, opened, [StartBatch(channel_id=ID, batch_size=21, tlvs=StartBatchTlvs(message_type=132))], errors.BatchTooLarge),
    "a batch is interrupted": (1, opened, [StartBatch(channel_id=ID, batch_size=2, tlvs=StartBatchTlvs(message_type=132)), htlc()], errors.BatchInterrupted),
    "a batch without funding_txid": (1, opened, [StartBatch(channel_id=ID, batch_size=2, tlvs=StartBatchTlvs(message_type=132)), SIGNED, SIGNED], errors.CommitmentMissing),
    "two fundings without a batch": (1, lambda: with_second_funding(opened()), [htlc(), SIGNED], errors.CommitmentMissing),
    "a revocation of nothing": (1, opened, [RevokeAndAck(channel_id=ID, per_commitment_secret=ID, next_per_commitment_point=ID)], errors.RevocationUnexpected),
    "a message out of place": (1, opening, [Stfu(channel_id=ID, initiator=1)], errors.UnexpectedMessage),
    "no point in channel_ready": (1, opening, [ChannelReady(channel_id=ID, second_per_commitment_point=b"\5" * 33)], errors.InvalidPerCommitmentPoint),
}  # fmt: skip


@pytest.mark.parametrize(("party", "before", "messages", "error"), CASES.values(), ids=CASES)
def test_a_peers_message(party: int, before: Any, messages: list[Any], error: type[Exception]) -> None:
    pair = before()
    node = pair.nodes[party]
    pair.connected = True
    for message in messages[:-1]:
        node.run(message)
    assert not node.errors
    node.sent.clear()
    stored = node.channel
    node.run(messages[-1])
    assert [type(e) for e in node.errors] == [error]
    (answer,) = map(decode, node.sent)
    assert answer.data == str(node.errors[0]).encode()  # type: ignore[union-attr]
    if issubclass(error, errors.ProtocolWarning):
        assert isinstance(answer, WarningMessage) and node.disconnect and node.channel == stored
    else:
        assert isinstance(node.channel.phase, Failed) and node.latest().graph.tx.txid in {
            tx.txid for tx in node.broadcast
        }


def test_every_limit_has_a_case() -> None:
    cases = {case[3] for case in CASES.values()}
    assert {rule.error for table in (ADD, PENDING, REMOVE, FEE) for rule in table} <= cases


OURS: dict[str, tuple[int, Any, events.Event]] = {
    "no HTLC beyond the reserve": (1, opened, add(1, 290_000_001)),
    "no HTLC that leaves no fee-spike buffer": (0, lambda: opened(push_msat=980_000_000), add(1, 8_500_000)),
    "no HTLC that the opener could not carry": (1, lambda: opened(push_msat=988_000_000), add(1, 5_000_000)),
    "no fee change by the acceptor": (1, opened, events.SetFeerate(2000)),
    "no fee beyond our means": (0, lambda: opened(push_msat=980_000_000), events.SetFeerate(20_000)),
    "no HTLC while closing": (1, closing, add(2)),
    "no other party's money into an output": (0, unruly, events.Propose(NAME, body("grab", 5000))),
    "no money that leaves no output": (0, unruly, events.Propose(NAME, body("pay", 5000))),
    "no output that is dust": (0, unruly, events.Propose(NAME, body("put", 353))),
    "no extension's output after the peer's shutdown": (1, closing, events.Propose("vault", body("put", 5000))),
    "no update after stfu": (1, quiet, add(2)),
    "no removal of what is not there": (1, opened, events.Fail(0, b"")),
    "no wrong preimage": (1, with_htlc, events.Fulfill(0, bytes(32))),
    "no update before channel_ready": (1, opening, add(1)),
    "no unknown extension": (0, opened, events.Propose("vault", b"")),
    "no update that its provider refuses": (0, VAULT_PAIR, events.Propose("vault", body("put", 1))),
    "no quiescence while not connected": (0, lambda: _cut(opened()), events.Quiesce()),
    "no HTLC while not connected": (0, lambda: _cut(opened()), add(1)),
    "no other close script than the upfront one": (0, opened, events.Close(b"\x76\xa9", 1, 2)),
    "no fee range upside down": (0, opened, events.Close(SCRIPTS[0], 2, 1)),
}


def _cut(pair: Pair) -> Pair:
    pair.cut()
    return pair


@pytest.mark.parametrize(("party", "before", "command"), OURS.values(), ids=OURS)
def test_our_own_command(party: int, before: Any, command: events.Event) -> None:
    pair = before()
    node = pair.nodes[party]
    node.sent.clear()
    stored = node.channel
    with pytest.raises(errors.CommandRefused):
        node.run(command)
    assert node.channel == stored and not node.sent


def test_the_boundaries_are_allowed() -> None:
    pair = opened()
    for message in adds(30):
        pair.command(0, add(message.id, message.amount_msat))
    pair.command(1, add(99, 290_000_000 - 1_000_000))
    pair.settle()
    pair.check()
    assert not any(node.errors for node in pair.nodes)


class Ordered(Vault):
    """A provider whose state is the order of its updates."""

    def validate(self, view: Any, state: bytes, update: Any) -> None:
        return None

    def fold(self, view: Any, state: bytes, update: Any) -> Folded:
        return Folded(state + bytes([update.proposer]) if update.provider == "vault" else state)

    def contribute(self, view: Any, state: bytes) -> tuple[()]:
        return ()


def test_crossing_updates_that_do_not_commute_are_refused() -> None:
    providers = {**PROVIDERS, "vault": Ordered()}
    pair = opened(WITH_VAULT, Pair(Node(0, providers=providers), Node(1, providers=providers)))
    pair.command(0, events.Propose("vault", b""))
    pair.command(1, events.Propose("vault", b""))
    pair.deliver(0)
    assert [type(e) for e in pair.nodes[1].errors] == [errors.UpdatesDoNotCommute]
    assert not pair.nodes[0].channel.log and not pair.nodes[1].channel.log  # the connection was lost with it


def test_a_legacy_channel_counts_second_stage_fees_as_dust() -> None:
    pair = opened(STATIC_REMOTEKEY)
    pair.command(0, add(1, 1_000_000))  # 354 sat and the fee of HTLC-success at 1000 per kw is 1057
    pair.settle()
    pair.check()
    assert [t[0] for t in pair.nodes[1].latest().graph.trimmed] == ["htlc"]
    assert isinstance(pair.nodes[0].channel.phase, Normal)


def test_a_stack_of_long_updates_is_refused() -> None:
    """Bodies count together: three of 60,000 bytes are too much."""
    channel = opened(WITH_VAULT).nodes[1].channel
    long = Update(0, "vault", "ext", 0, bytes(60_000))
    full = replace(channel, log=(Pending(long), Pending(long)))
    with pytest.raises(errors.TooMuchPending, match="131072 bytes"):
        check_limits(full, long, Folds((), (0, 0)))
    check_limits(channel, long, Folds((), (0, 0)))


def test_a_channel_survives_the_question_for_its_announcement() -> None:
    pair = opened()
    asked = AnnouncementSignatures(
        channel_id=ID, short_channel_id=bytes(8), node_signature=bytes(64), bitcoin_signature=bytes(64)
    )
    before = pair.nodes[1].channel
    pair.nodes[1].run(asked)
    assert pair.nodes[1].channel == before and not pair.nodes[1].sent and not pair.nodes[1].errors
