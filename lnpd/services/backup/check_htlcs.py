"""Does each HTLC of a channel belong to a payment or a circuit, and is each HTLC of those in its channel?

An HTLC is in a channel's log, or in its base, from the transaction on that says so to whom it belongs, and leaves in
the transaction that tells how it ended. So there is no moment at which one side knows of it alone.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
from lnpd_sdk.types import AddHtlc, Party

from lnpd.channel.failure import FUNDED
from lnpd.channel.state import Channel
from lnpd.errors import ValueUnreadable
from lnpd.services.backup.problems import REPLAY, Found, Look, Problem, name_of
from lnpd.services.payments.circuits import CIRCUITS, OPEN, Circuit, circuit_to
from lnpd.services.payments.ledger import FAILED, PENDING, HtlcKey, payment_of
from lnpd.store.codec import decode
from lnpd.store.read import ALL_ROWS
from lnpd.tx.states import HTLC, htlcs_of

UNREADABLE: Final = (
    "lnpd does not start with it. Restore a copy of the database, or, in another directory, the backup of the channels."
)


class Carried(msgspec.Struct, frozen=True):
    """An HTLC that a channel holds, or is about to."""

    offerer: Party
    id: int
    amount_msat: int
    payment_hash: bytes


def carried(channel: Channel) -> Iterator[Carried]:
    """Those of the base, and those whose update is in the log."""
    for htlc in htlcs_of(channel.base.states):
        yield Carried(htlc.offerer, htlc.id, htlc.amount_msat, htlc.payment_hash)
    for update in (pending.update for pending in channel.log):
        if (update.provider, update.kind) == (HTLC, "add"):
            add = msgspec.msgpack.decode(update.body, type=AddHtlc)
            yield Carried(update.proposer, update.id, add.amount_msat, add.payment_hash)


# From the channels


def offered(look: Look, channel: Channel) -> Found:
    """Each HTLC that we offer belongs to a payment of ours or to a circuit, which has not failed."""
    if not isinstance(channel.phase, FUNDED) or channel.from_backup:
        return
    for htlc in carried(channel):
        if htlc.offerer == channel.us and (what := _not_owned(look, HtlcKey(channel.key, htlc.id), htlc)):
            yield Problem(name_of(channel), f"the HTLC {htlc.id} that we offer {what}", REPLAY)


def _not_owned(look: Look, key: HtlcKey, htlc: Carried) -> str:
    try:
        circuit = circuit_to(look.read, key)
        row = look.read.payment(htlc.payment_hash)
        payment = None if row is None else payment_of(row)
    except ValueUnreadable:
        return ""  # that is said of the row
    if circuit is not None:
        over = circuit.state == "failed" and not circuit.abandoned
        return "belongs to a circuit that has failed" if over else ""
    if row is None or payment is None or payment.htlc != key:
        return "belongs to no payment and no circuit"
    return "belongs to a payment that has failed" if row.state == FAILED else ""


# From what belongs to them


def circuits(look: Look) -> Found:
    """Each HTLC of an open circuit is in its channel."""
    for key, _ in look.read.values(OPEN):
        where = f"circuit {key.hex()}"
        try:
            value = look.read.value(CIRCUITS, key)
            circuit = None if value is None else decode(value, Circuit, table=CIRCUITS, key=key)
        except ValueUnreadable as error:
            yield Problem(where, f"it cannot be read: {error}", UNREADABLE, "refused")
            continue
        if circuit is None:
            yield Problem(where, "it is open, and not stored", REPLAY)
            continue
        for what in (_not_incoming(look, circuit), _not_outgoing(look, circuit)):
            if what:
                yield Problem(f"circuit {circuit.payment_hash.hex()}", what, REPLAY)


def _not_incoming(look: Look, circuit: Circuit) -> str:
    """Who offers it does not take it back: it stays until we have answered, or the chain has."""
    channel = look.channels.get(circuit.incoming.channel)
    if channel is None:
        return _unknown(circuit.incoming)
    if not isinstance(channel.phase, FUNDED):
        return ""
    there = _find(channel, channel.them, circuit.incoming)
    if there is None or (there.payment_hash, there.amount_msat) != (circuit.payment_hash, circuit.incoming_msat):
        return f"its incoming HTLC {circuit.incoming.id} is not in {name_of(channel)}"
    return ""


def _not_outgoing(look: Look, circuit: Circuit) -> str:
    if circuit.outgoing is None:
        return ""
    channel = look.channels.get(circuit.outgoing.channel)
    if channel is None:
        return _unknown(circuit.outgoing)
    there = _find(channel, channel.us, circuit.outgoing)
    if there is None or (there.payment_hash, there.amount_msat) != (circuit.payment_hash, circuit.outgoing_msat):
        return f"its outgoing HTLC {circuit.outgoing.id} is not in {name_of(channel)}"
    return ""


def payments(look: Look) -> Found:
    """The HTLC of each payment that is on its way is in its channel."""
    for row in look.read.payments(PENDING, limit=ALL_ROWS):
        where = f"payment {row.payment_hash.hex()}"
        try:
            htlc = payment_of(row).htlc
        except ValueUnreadable as error:
            yield Problem(where, f"it cannot be read: {error}", UNREADABLE, "refused")
            continue
        if htlc is None:
            continue  # it waits to be offered again
        if (channel := look.channels.get(htlc.channel)) is None:
            yield Problem(where, _unknown(htlc), REPLAY)
        elif (there := _find(channel, channel.us, htlc)) is None or there.payment_hash != row.payment_hash:
            yield Problem(where, f"its HTLC {htlc.id} is not in {name_of(channel)}: it was never sent", REPLAY)


def _find(channel: Channel, offerer: Party, htlc: HtlcKey) -> Carried | None:
    return next((each for each in carried(channel) if (each.offerer, each.id) == (offerer, htlc.id)), None)


def _unknown(htlc: HtlcKey) -> str:
    return f"its HTLC {htlc.id} is in the channel {htlc.channel}, which is unknown"
