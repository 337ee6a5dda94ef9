"""Is what is stored consistent with itself?

Asked by hand (`lnp check`, `lnpd check`, of the last MOST_STATES of each channel) and at each start (of LAST_STATES),
by the rows alone: nothing is changed, no plugin and no peer is asked. check_commitments.py and check_htlcs.py say what
is held against what in a channel, check_chain.py against the chain. Each problem says where it is, what is wrong, and
what to do.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from lnpd.channel.failure import FUNDED
from lnpd.channel.state import Channel, Failed, OnChain
from lnpd.errors import ValueUnreadable
from lnpd.services.backup import check_commitments, check_htlcs
from lnpd.services.backup.check_chain import is_watched
from lnpd.services.backup.check_htlcs import UNREADABLE
from lnpd.services.backup.problems import CLOSE, REPORT, Found, Look, Part, Problem, frozen, name_of
from lnpd.services.chain.rows import owner_prefix, read_fact, read_row
from lnpd.services.chain.watch import NAMESPACE as WATCHES
from lnpd.services.channels.batch import INDEX
from lnpd.store.codec import decode
from lnpd.store.read import Read

LAST_STATES: Final = 10
MOST_STATES: Final = 10_000  # a few seconds, in which other reads wait

WATCHING: Final = "Add it to a report. The channel itself is closed, and nothing is claimed for it any more."
AGAIN: Final = "It is set again, and what happened on the chain meanwhile is read, when lnpd starts."


class Checked(msgspec.Struct, frozen=True):
    """How much was looked at, and what is wrong with it."""

    channels: int
    commitments: int
    problems: tuple[Problem, ...]


def check(read: Read, states: int = MOST_STATES) -> Checked:
    """Looks at everything, at no more than `states` of each channel's last commitments."""
    look = Look(read, states)
    problems = list(_snapshots(look))
    for channel in look.channels.values():
        for part in OF_A_CHANNEL:
            problems += part(look, channel)
    for rest in OF_THE_REST:
        problems += rest(look)
    return Checked(len(look.channels), look.commitments, tuple(problems))


def _snapshots(look: Look) -> Found:
    for row in look.read.channels():
        name = f"channel {row.channel_id.decode('ascii', 'replace')}"
        try:
            channel = decode(row.snapshot, Channel, table="channel", key=row.channel_id)
        except ValueUnreadable as error:
            yield Problem(name, f"its snapshot cannot be read: {error}", CLOSE, "said" if row.closed else "refused")
            continue
        look.channels[channel.key] = channel
        if not row.closed and look.read.value(INDEX, channel.key.encode()) is None:
            what = "the index of our keys is missing: nothing of it can be signed"
            yield Problem(name_of(channel), what, CLOSE, "refused")


# What the chain is watched for, and told


def funding_watch(look: Look, channel: Channel) -> Found:
    """Whoever spends the funding is seen."""
    waits = isinstance(channel.phase, (*FUNDED, Failed, OnChain)) and bool(channel.fundings)
    if waits and not is_watched(look.read, channel):
        what = "nothing watches its funding: a close by the peer would not be seen"
        yield Problem(name_of(channel), what, AGAIN, "mended", channel.key)


def claims(look: Look, channel: Channel) -> Found:
    """What is ours on the chain is being claimed, a revoked commitment's outputs among it."""
    if not isinstance(channel.phase, OnChain) or look.read.inbox(channel.key.encode()):
        return
    for claim in sorted({r.claim for r in channel.phase.resolutions if r.status == "claiming"}):
        if look.read.value(WATCHES, owner_prefix(channel.key.encode()) + b"b" + claim.encode()) is None:
            yield frozen(channel, f"its claim {claim} is not broadcast")


OF_A_CHANNEL: Final[tuple[Part, ...]] = (*check_commitments.PARTS, check_htlcs.offered, funding_watch, claims)


# Rows that wait for a channel


def inboxes(look: Look) -> Found:
    """What waits for a channel can be read, and the channel is there."""
    for recipient, count in look.read.inbox_counts():
        name = recipient.decode("ascii", "replace")
        if name not in look.channels:
            yield Problem(f"inbox of {name}", f"{count} messages wait for a channel that is unknown", REPORT)
        for row in look.read.inbox(recipient):
            try:
                read_fact(row.value)
            except ValueUnreadable as error:
                yield Problem(f"inbox of {name}", f"a message cannot be read: {error}", UNREADABLE, "refused")


def outbox(look: Look) -> Found:
    """What a channel owes is owed by a channel that is there."""
    for effect in look.read.outbox():
        if (name := effect.channel_id.decode("ascii", "replace")) not in look.channels:
            yield Problem(f"outbox {effect.key}", f"it is owed by the channel {name}, which is unknown", REPORT)


def watches(look: Look) -> Found:
    """What is watched on the chain is watched for a channel that is there."""
    for key, value in look.read.values(WATCHES):
        try:
            name = read_row(key, value).owner.decode("ascii", "replace")
        except ValueUnreadable as error:
            yield Problem("chain watch", f"it cannot be read: {error}", UNREADABLE, "refused")
            continue
        if name not in look.channels:
            yield Problem(f"chain watch {key.hex()}", f"it is of the channel {name}, which is unknown", WATCHING)


OF_THE_REST: Final[tuple[Callable[[Look], Found], ...]] = (
    check_htlcs.circuits,
    check_htlcs.payments,
    inboxes,
    outbox,
    watches,
)
