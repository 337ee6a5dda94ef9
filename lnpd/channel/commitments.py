"""What is in each commitment, and how are its transaction and its row made?

The state of a commitment is the base folded with the pending updates that belong to it (updates.py). Nothing of it is
stored: the snapshot holds the base and the log, the rest follows.
"""

from collections.abc import Generator
from functools import lru_cache
from typing import Any

import msgspec
from lnpd_sdk.types import ACCEPTOR, OPENER, CommitmentKeys, Party, PerParty, Reject, Update, View
from msgspec.structs import replace

from lnpd.channel.actions import Keep
from lnpd.channel.queries import (
    AccountsOf,
    BuildCommitment,
    CommitmentPoint,
    Folds,
    FoldUpdates,
    Kept,
    Query,
    ask,
    commitment_key,
)
from lnpd.channel.state import Base, Channel, Terms
from lnpd.channel.updates import SIGNED, updates_in
from lnpd.errors import InitialStateRefused, ProviderContradiction, UnaskedDebit
from lnpd.tx.accounts import NOTHING, check_account
from lnpd.tx.graph import CommitmentSignatures, CommitmentSpec, Funding, Graph
from lnpd.tx.keys import Basepoints, commitment_keys
from lnpd.tx.states import States, feerate_of

Asking = Generator[Query[Any], Any, Folds]  # Any: each reply is typed by its own query
Building = Generator[Query[Any], Any, Graph]


def fold_view(channel: Channel, holder: Party, number: int) -> View:
    """The view in which updates are folded: without keys, for there is no commitment yet."""
    funding = channel.fundings[0]
    return View(
        funding_txid=funding.txid,
        funding_vout=funding.vout,
        capacity_sat=funding.capacity_sat,
        holder=holder,
        number=number,
        feerate_per_kw=feerate_of(channel.base.states),
        dust_limit_sat=dust_limits_sat(channel),
        to_self_delay=delays(channel),
        balances_msat=channel.base.balances_msat,
        features=channel.channel_type.features,
    )


def fold(channel: Channel, holder: Party, stages: tuple[int, int]) -> Asking:
    """The states and balances of a holder's commitment (SIGNED, NEXT or FUTURE of updates.py).

    All these updates were validated when they were proposed, so a refusal now is a provider's contradiction.
    """
    updates = updates_in(channel, holder, stages)
    number = channel.numbers[holder] + (stages != SIGNED)
    return (yield from fold_all(channel, holder, number, updates))


def fold_all(channel: Channel, holder: Party, number: int, updates: tuple[Update, ...]) -> Asking:
    """The base folded with these updates."""
    base = channel.base
    if not updates:
        return Folds(base.states, base.balances_msat, base.moved_msat)
    view = fold_view(channel, holder, number)
    query = FoldUpdates(channel.channel_type, view, base.states, updates, moved_msat=base.moved_msat)
    reply = yield from ask(query)
    if isinstance(reply, Reject):
        raise ProviderContradiction(f"An update that was accepted before is refused now: {reply.reason}.")
    return reply


def specification(
    channel: Channel,
    holder: Party,
    point: bytes,
    folds: Folds,
    funding: Funding | None = None,
    number: int | None = None,
) -> CommitmentSpec:
    """What the pipeline needs for a commitment; by default the holder's next one, on the first funding."""
    return _specification(
        channel,
        funding or channel.fundings[0],
        holder,
        channel.numbers[holder] + 1 if number is None else number,
        keys_of(holder, channel.terms, point),
        feerate_of(folds.states),
        folds.balances_msat,
        folds.states,
    )


def specification_of(channel: Channel, graph: Graph) -> CommitmentSpec:
    """What a kept commitment was made of, however old it is; of the states, those that the graph has kept."""
    return _specification(
        channel,
        graph.funding,
        graph.holder,
        graph.number,
        graph.keys,
        graph.feerate_per_kw,
        graph.balances_msat,
        graph.states,
    )


def _specification(
    channel: Channel,
    funding: Funding,
    holder: Party,
    number: int,
    keys: CommitmentKeys,
    feerate_per_kw: int,
    balances_msat: PerParty,
    states: States,
) -> CommitmentSpec:
    return CommitmentSpec(
        funding=funding,
        type=channel.channel_type,
        holder=holder,
        number=number,
        keys=keys,
        feerate_per_kw=feerate_per_kw,
        dust_limit_sat=dust_limits_sat(channel),
        to_self_delay=delays(channel),
        balances_msat=balances_msat,
        states=states,
        payment_basepoints=(channel.terms[OPENER].payment_basepoint, channel.terms[ACCEPTOR].payment_basepoint),
    )


def next_point(channel: Channel, holder: Party) -> Generator[Any, Any, bytes]:
    """The per-commitment point of a holder's next commitment."""
    if holder == channel.us:
        return (yield from ask(CommitmentPoint(channel.numbers[holder] + 1)))
    return channel.their_points[-1]


def last_point(channel: Channel, holder: Party) -> Generator[Any, Any, bytes]:
    """The per-commitment point of a holder's last signed commitment."""
    if holder == channel.us:
        return (yield from ask(CommitmentPoint(channel.numbers[holder])))
    return channel.their_points[1 if channel.awaiting_revocation else 0]


def build(channel: Channel, funding: Funding, holder: Party, number: int, point: bytes, folds: Folds) -> Building:
    """The graph of one commitment."""
    spec = specification(channel, holder, point, folds, funding, number)
    return (yield from ask(BuildCommitment(spec)))


def first(channel: Channel, holder: Party, point: bytes) -> Building:
    """Commitment 0 of a holder. Nobody has proposed anything yet: an extension takes nothing in it. Raises
    UnaskedDebit, and InitialStateRefused where that is so by the state in which it begins."""
    folds = Folds(channel.base.states, channel.base.balances_msat)
    if channel.extensions:
        spec = specification(channel, holder, point, folds, number=0)
        for name, account in (yield from ask(AccountsOf(spec, ()))):
            try:
                check_account(name, f"party {holder}'s commitment 0", account, NOTHING)
            except UnaskedDebit as error:
                if dict(channel.base.states)[name]:
                    raise InitialStateRefused(f"The channel cannot begin: {error}") from None
                raise
    return (yield from build(channel, channel.fundings[0], holder, 0, point, folds))


def keep(graph: Graph, signatures: CommitmentSignatures | None = None) -> Keep:
    """The row of a commitment; `signatures` are the peer's, of ours."""
    value = msgspec.msgpack.encode(Kept(graph, signatures))
    key = commitment_key(graph.funding.txid, graph.holder, graph.number)
    return Keep("commitment", key, value, graph.tx.txid, graph)


def with_irrevocable(channel: Channel, revoker: Party, updates: tuple[Update, ...]) -> Generator[Any, Any, Channel]:
    """The channel whose base has taken up what the revoker's revoke_and_ack made irrevocable."""
    folds = yield from fold_all(channel, revoker, channel.numbers[revoker], updates)
    return replace(channel, base=Base(folds.balances_msat, folds.states, folds.moved_msat))


def dust_limits_sat(channel: Channel) -> PerParty:
    """By party."""
    return channel.terms[OPENER].dust_limit_sat, channel.terms[ACCEPTOR].dust_limit_sat


def delays(channel: Channel) -> PerParty:
    """What each party waits for on its own commitment: what the other one demanded."""
    return channel.terms[ACCEPTOR].to_self_delay, channel.terms[OPENER].to_self_delay


def reserves_sat(channel: Channel) -> PerParty:
    """What each party has to keep: what the other one demanded."""
    return channel.terms[ACCEPTOR].channel_reserve_sat, channel.terms[OPENER].channel_reserve_sat


@lru_cache(maxsize=256)
def keys_of(holder: Party, terms: tuple[Terms, ...], point: bytes) -> CommitmentKeys:
    """The keys of a commitment. Deriving them costs more than all else in a step, and each is wanted several times."""
    opener, acceptor = (
        Basepoints(
            t.funding_key, t.revocation_basepoint, t.payment_basepoint, t.delayed_payment_basepoint, t.htlc_basepoint
        )
        for t in terms
    )
    return commitment_keys(holder, (opener, acceptor), point)
