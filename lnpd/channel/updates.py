"""Which updates does each commitment hold, and when is one irrevocable?

    X: update ------> Y            stage 0   proposed
    X: commitment_signed --> Y     stage 1   in Y's commitment
    X <-- revoke_and_ack :Y        stage 2   acked
    X <-- commitment_signed :Y     stage 3   in X's commitment
    X: revoke_and_ack --> Y        (4)       irrevocable: folded into the base, out of the log

Pure functions on the log; the handlers in normal.py call them at these five moments.
"""

from typing import Final

from lnpd_sdk.types import ACCEPTOR, OPENER, PARTIES, Party, Update, other
from msgspec.structs import replace

from lnpd.channel.state import Channel, NextIds, Pending
from lnpd.tx.accounts import NOTHING, Account
from lnpd.tx.states import HTLC

ByParty = tuple[tuple[Update, ...], tuple[Update, ...]]

REMOVALS: Final = frozenset({"fulfill", "fail", "fail_malformed"})

# From which stage an update is part of a commitment: the other party's, and the holder's own.
SIGNED: Final = (1, 3)  # the last signed one
NEXT: Final = (0, 2)  # the next one that may be signed
FUTURE: Final = (0, 0)  # once everything that is proposed is committed


def is_removal(update: Update) -> bool:
    """Whether an update removes an HTLC: its id is then that HTLC's."""
    return update.kind in REMOVALS and update.provider == HTLC


def updates_by_party(channel: Channel, holder: Party, stages: tuple[int, int]) -> ByParty:
    """The pending updates of a holder's commitment, by party, each party's in the order of its proposals."""
    opener, acceptor = (stages[party == holder] for party in PARTIES)
    return (
        tuple([p.update for p in channel.log if p.update.proposer == OPENER and p.stage >= opener]),
        tuple([p.update for p in channel.log if p.update.proposer == ACCEPTOR and p.stage >= acceptor]),
    )


def updates_in(channel: Channel, holder: Party, stages: tuple[int, int]) -> tuple[Update, ...]:
    """The same, the opener's first."""
    opener, acceptor = updates_by_party(channel, holder, stages)
    return *opener, *acceptor


def new_in(channel: Channel, holder: Party) -> tuple[Pending, ...]:
    """What is in the next commitment of a holder and not in its last signed one."""
    return *of_stage(channel, other(holder), 0), *of_stage(channel, holder, 2)


def of_stage(channel: Channel, proposer: Party, stage: int) -> tuple[Pending, ...]:
    """One party's pending updates at a stage, in the order of its proposals."""
    return tuple(p for p in channel.log if p.update.proposer == proposer and p.stage == stage)


def unsigned(channel: Channel, signer: Party) -> bool:
    """Whether a commitment_signed of this party would cover anything new."""
    return bool(of_stage(channel, signer, 0) or of_stage(channel, other(signer), 2))


def next_id(channel: Channel, provider: str, proposer: Party) -> int:
    """The id of that party's next update of a provider."""
    return next((n.ids[proposer] for n in channel.next_ids if n.provider == provider), 0)


def with_proposed(channel: Channel, update: Update, effect: Account = NOTHING) -> Channel:
    """The channel with one more proposal, which does this to its provider's account."""
    channel = replace(channel, log=(*channel.log, Pending(update, effect=effect)))
    return channel if is_removal(update) else _with_next_id(channel, update, update.id + 1)


def with_signature(channel: Channel, signer: Party) -> Channel:
    """After this party's commitment_signed."""
    return _advance(channel, {signer: (0, 1), other(signer): (2, 3)})


def with_revocation(channel: Channel, revoker: Party) -> tuple[Channel, tuple[Update, ...]]:
    """After this party's revoke_and_ack; also what became irrevocable by it and left the log."""
    done = of_stage(channel, revoker, 3)
    for pending in done:
        channel = _with_taken(channel, pending)
    left = tuple(p for p in channel.log if p.stage != 3 or p.update.proposer != revoker)
    channel = replace(channel, log=left)
    return _advance(channel, {other(revoker): (1, 2)}), tuple(p.update for p in done)


def taken_msat(channel: Channel, provider: str) -> int:
    """What a provider's updates have taken from our balance, and will if all that is pending is committed."""
    pending = sum(p.taken_msat(channel.us) for p in channel.log if p.update.provider == provider)
    return dict(channel.taken_msat).get(provider, 0) + pending


def without_unsigned(channel: Channel) -> tuple[Channel, tuple[Update, ...]]:
    """After the connection was lost: what no commitment_signed covered never happened (BOLT 2, Message Retransmission).

    Ids of what is forgotten are used again.
    """
    forgotten = tuple(p.update for p in channel.log if p.stage == 0)
    channel = replace(channel, log=tuple(p for p in channel.log if p.stage > 0))
    for update in reversed(forgotten):
        if not is_removal(update):
            channel = _with_next_id(channel, update, update.id)
    return channel, forgotten


def _with_taken(channel: Channel, pending: Pending) -> Channel:
    taken_msat = pending.taken_msat(channel.us)
    if not taken_msat:
        return channel
    taken = dict(channel.taken_msat)
    taken[pending.update.provider] = taken.get(pending.update.provider, 0) + taken_msat
    return replace(channel, taken_msat=tuple(sorted(taken.items())))


def _advance(channel: Channel, moves: dict[Party, tuple[int, int]]) -> Channel:
    log = tuple(
        replace(p, stage=moves[p.update.proposer][1]) if p.stage == moves.get(p.update.proposer, (-1, 0))[0] else p
        for p in channel.log
    )
    return replace(channel, log=log)


def _with_next_id(channel: Channel, update: Update, following: int) -> Channel:
    found = next((n for n in channel.next_ids if n.provider == update.provider), NextIds(update.provider))
    ids = (following, found.ids[1]) if update.proposer == 0 else (found.ids[0], following)
    rest = tuple(n for n in channel.next_ids if n.provider != update.provider)
    return replace(channel, next_ids=(*rest, NextIds(update.provider, ids)))
