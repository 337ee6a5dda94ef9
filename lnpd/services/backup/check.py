"""Is what is stored consistent with itself?

Asked by hand (`lnp check`, of the last MOST_STATES of each channel) and at each start (of LAST_STATES), by the rows
alone: nothing is changed, no provider and no peer is asked. Each problem says where it is, what is wrong, and what to
do.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from lnpd_sdk.types import PARTIES

from lnpd.channel.failure import FUNDED
from lnpd.channel.queries import Kept, commitment_key
from lnpd.channel.state import Channel, Failed
from lnpd.crypto.keys import point_of_revealed
from lnpd.crypto.shachain import index_of
from lnpd.errors import LnpdError, ValueUnreadable
from lnpd.services.chain.rows import read_row
from lnpd.services.chain.watch import NAMESPACE as WATCHES
from lnpd.services.channels.batch import INDEX, find_row, kept_of
from lnpd.services.payments.circuits import circuit_to, open_circuits
from lnpd.services.payments.ledger import PENDING, HtlcKey, payment_of
from lnpd.store.codec import decode
from lnpd.store.read import Read
from lnpd.tx.states import htlcs_of

LAST_STATES: Final = 10
MOST_STATES: Final = 10_000  # a few seconds, in which other reads wait

CLOSE: Final = (
    "Do not close it by force. Restore a copy of the database that was made later, or, in another directory, the "
    "backup of the channels (`lnpd restore`), with which the peer closes it."
)
REPORT: Final = "No money depends on it. `lnp backup-database` keeps it as it is for a report."
REPLAY: Final = "Start lnpd again: what was decided is told anew. If it stays, the HTLC ends on chain at its expiry."
WATCHING: Final = "Add it to a report. The channel itself is closed, and nothing is claimed for it any more."


class Problem(msgspec.Struct, frozen=True):
    """What is wrong, where, and what a person can do."""

    where: str
    what: str
    advice: str


class Checked(msgspec.Struct, frozen=True):
    """How much was looked at, and what is wrong with it."""

    channels: int
    commitments: int
    problems: tuple[Problem, ...]


Found = Iterator[Problem]


class _Look:
    """One view of the database, and how many of the last states of each channel are looked at."""

    def __init__(self, read: Read, states: int) -> None:
        self.read, self.states = read, states
        self.channels: dict[str, Channel] = {}
        self.commitments = 0


def check(read: Read, states: int = MOST_STATES) -> Checked:
    """Looks at everything, at no more than `states` of each channel's last commitments."""
    look = _Look(read, states)
    problems = list(_snapshots(look))
    for channel in look.channels.values():
        for part in _CHANNEL_CHECKS:
            problems += part(look, channel)
    for rest in (_circuits, _payments, _strays):
        problems += rest(look)
    return Checked(len(look.channels), look.commitments, tuple(problems))


def _snapshots(look: _Look) -> Found:
    for row in look.read.channels():
        name = f"channel {row.channel_id.decode('ascii', 'replace')}"
        try:
            channel = decode(row.snapshot, Channel, table="channel", key=row.channel_id)
        except ValueUnreadable as error:
            yield Problem(name, f"its snapshot cannot be read: {error}", CLOSE)
            continue
        look.channels[channel.key] = channel
        if not row.closed and look.read.value(INDEX, channel.key.encode()) is None:
            yield Problem(_name(channel), "the index of our keys is missing: nothing of it can be signed", CLOSE)


def _name(channel: Channel) -> str:
    return f"channel {channel.id.hex()}"


def _living(channel: Channel) -> bool:
    """Whether its commitments may still be needed, and were not lost before."""
    return isinstance(channel.phase, (*FUNDED, Failed)) and not channel.from_backup and bool(channel.fundings)


# One channel


def _balances(look: _Look, channel: Channel) -> Found:
    if not _living(channel):
        return
    balances = channel.base.balances_msat
    if sum(balances) != 1000 * channel.capacity_sat or min(balances) < 0:
        what = f"its balances are {balances[0]} and {balances[1]} msat, and it holds {channel.capacity_sat} sat"
        yield Problem(_name(channel), what, CLOSE)
    for party in PARTIES:
        pending_msat = sum(h.amount_msat for h in htlcs_of(channel.base.states) if h.offerer == party)
        if pending_msat > balances[party]:
            what = f"party {party} offers HTLCs of {pending_msat} msat and has {balances[party]}"
            yield Problem(_name(channel), what, CLOSE)


def _commitments(look: _Look, channel: Channel) -> Found:
    """The commitments of now are kept, ours with the peer's signatures."""
    if not _living(channel):
        return
    for funding in channel.fundings:
        for holder in PARTIES:
            number = channel.numbers[holder]
            kept, what = _kept(look, channel, commitment_key(funding.txid, holder, number))
            if kept is not None:
                look.commitments += 1
                unsigned = holder == channel.us and kept.signatures is None
                what = "is kept without the peer's signatures" if unsigned else ""
            if what:
                whose = "our" if holder == channel.us else "the peer's"
                yield Problem(_name(channel), f"{whose} commitment {number} {what}", CLOSE)


def _secrets(look: _Look, channel: Channel) -> Found:
    """Each of the peer's revoked commitments can be punished: its secret is known, and is that of its point."""
    if channel.from_backup or not channel.fundings:
        return
    revoked = channel.numbers[channel.them] - channel.awaiting_revocation
    for number in range(max(0, revoked - look.states), revoked):
        for funding in channel.fundings:
            kept, what = _kept(look, channel, commitment_key(funding.txid, channel.them, number))
            if kept is not None:
                look.commitments += 1
                what = _wrong_secret(channel, kept, number)
            elif len(channel.fundings) > 1:
                what = ""  # an older commitment than this funding
            if what:
                advice = "Close it by agreement: should the peer broadcast this one, it could not be punished."
                yield Problem(_name(channel), f"the peer's revoked commitment {number} {what}", advice)


def _wrong_secret(channel: Channel, kept: Kept, number: int) -> str:
    try:
        secret = channel.their_secrets.get(index_of(number))
        same = point_of_revealed(secret) == kept.graph.keys.per_commitment_point
    except LnpdError as error:
        return f"has no secret: {error}"
    return "" if same else "is kept with another per-commitment point than that of its secret"


def _kept(look: _Look, channel: Channel, key: str) -> tuple[Kept | None, str]:
    try:
        kept = kept_of(find_row(look.read, channel, "commitment", key))
    except ValueUnreadable as error:
        return None, f"cannot be read: {error}"
    return kept, "" if kept is not None else "is not kept"


def _htlcs(look: _Look, channel: Channel) -> Found:
    """Each HTLC that we offer belongs to a payment of ours or to a circuit."""
    if not isinstance(channel.phase, FUNDED) or channel.from_backup:
        return
    for htlc in htlcs_of(channel.base.states):
        if htlc.offerer != channel.us:
            continue
        payment = look.read.payment(htlc.payment_hash)
        if payment is None and circuit_to(look.read, HtlcKey(channel.key, htlc.id)) is None:
            what = f"the HTLC {htlc.id} that we offer belongs to no payment and no circuit"
            yield Problem(_name(channel), what, REPLAY)


_CHANNEL_CHECKS: Final[tuple[Callable[[_Look, Channel], Found], ...]] = (_balances, _commitments, _secrets, _htlcs)


# What belongs to channels


def _circuits(look: _Look) -> Found:
    for circuit in open_circuits(look.read):
        for htlc in (circuit.incoming, circuit.outgoing):
            if htlc is not None and htlc.channel not in look.channels:
                what = f"its HTLC {htlc.id} is in the channel {htlc.channel}, which is unknown"
                yield Problem(f"circuit {circuit.payment_hash.hex()}", what, REPLAY)


def _payments(look: _Look) -> Found:
    for row in look.read.payments(PENDING):
        try:
            htlc = payment_of(row).htlc
        except ValueUnreadable as error:
            yield Problem(f"payment {row.payment_hash.hex()}", f"it cannot be read: {error}", REPORT)
            continue
        if htlc is not None and htlc.channel not in look.channels:
            what = f"its HTLC {htlc.id} is in the channel {htlc.channel}, which is unknown"
            yield Problem(f"payment {row.payment_hash.hex()}", what, REPORT)


def _strays(look: _Look) -> Found:
    """Rows that wait for a channel that there is not."""
    for recipient, count in look.read.inbox_counts():
        if (name := recipient.decode("ascii", "replace")) not in look.channels:
            yield Problem(f"inbox of {name}", f"{count} messages wait for a channel that is unknown", REPORT)
    for effect in look.read.outbox():
        if (name := effect.channel_id.decode("ascii", "replace")) not in look.channels:
            yield Problem(f"outbox {effect.key}", f"it is owed by the channel {name}, which is unknown", REPORT)
    for key, value in look.read.values(WATCHES):
        try:
            name = read_row(key, value).owner.decode("ascii", "replace")
        except ValueUnreadable as error:
            yield Problem("chain watch", f"it cannot be read: {error}", WATCHING)
            continue
        if name not in look.channels:
            yield Problem(f"chain watch {key.hex()}", f"it is of the channel {name}, which is unknown", WATCHING)
