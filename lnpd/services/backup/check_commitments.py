"""Does a channel's state say what both sides have signed?

    base, and what of the log is signed  -> balances, HTLCs, feerate of each side's last commitment -> as it is kept?
    the peer's signatures of ours        -> are they valid?
    the peer's secrets                   -> is each that of the revoked commitment's point?

The core's updates are folded by the core's own providers; what extensions did is known by the effect with which each of
their updates was admitted. No plugin is asked.
"""

from typing import Final, NamedTuple

from lnpd_sdk.script import Script
from lnpd_sdk.types import PARTIES, OutputSpec, Party, PerParty, Reject, Update
from msgspec.structs import replace

from lnpd.channel.commitments import fold_view
from lnpd.channel.queries import Folds, FoldUpdates, Kept
from lnpd.channel.state import Channel
from lnpd.channel.updates import SIGNED, updates_in
from lnpd.crypto.keys import point_of_revealed
from lnpd.crypto.shachain import index_of
from lnpd.errors import LnpdError, ProviderContradiction
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.services.backup.problems import Found, Look, Part, Problem, frozen, is_living, kept, name_of
from lnpd.tx.graph import Graph, Output
from lnpd.tx.signatures import verify_signatures
from lnpd.tx.states import CORE, HTLC, feerate_of, htlcs_of

AGREE: Final = "Close it by agreement: should the peer broadcast this one, it could not be punished."


class Shape(NamedTuple):
    """What an HTLC's output says."""

    value_sat: int
    script: Script
    debits_msat: PerParty
    cltv_expiry: int


Shapes = dict[str, Shape]  # by HTLC


def balances(look: Look, channel: Channel) -> Found:
    """Both balances make up the capacity, and cover the HTLCs that are offered from them."""
    if not is_living(channel):
        return
    held = channel.base.balances_msat
    if sum(held) != 1000 * channel.capacity_sat or min(held) < 0:
        what = f"its balances are {held[0]} and {held[1]} msat, and it holds {channel.capacity_sat} sat"
        yield frozen(channel, what)
    for party in PARTIES:
        pending_msat = sum(h.amount_msat for h in htlcs_of(channel.base.states) if h.offerer == party)
        if pending_msat > held[party]:
            yield frozen(channel, f"party {party} offers HTLCs of {pending_msat} msat and has {held[party]}")


def commitments(look: Look, channel: Channel) -> Found:
    """The commitments of now are kept, say what the channel says, and ours has the peer's signatures."""
    if not is_living(channel):
        return
    for holder in PARTIES:
        whose = "our" if holder == channel.us else "the peer's"
        name = f"{whose} commitment {channel.numbers[holder]}"
        try:
            folds = _folded(channel, holder)
        except LnpdError as error:
            yield frozen(channel, f"what {name} holds cannot be told: {error}")
            continue
        for funding in channel.fundings:
            found, what = kept(look, channel, funding.txid, holder, channel.numbers[holder])
            if found is None:
                yield frozen(channel, f"{name} {what}")
                continue
            look.commitments += 1
            for difference in (*_differences(channel, holder, folds, found.graph), *_unsigned(channel, found)):
                yield frozen(channel, f"{name} {difference}")


def _folded(channel: Channel, holder: Party) -> Folds:
    """What a side's last signed commitment holds, by the core's providers and the extensions' admitted effects.

    Raises LnpdError.
    """
    signed = updates_in(channel, holder, SIGNED)
    states = tuple((name, state) for name, state in channel.base.states if name in CORE)
    held = _with_effects(channel, signed)
    updates = tuple(update for update in signed if update.provider in CORE)
    if not updates:
        return Folds(states, held)
    pins = tuple(pin for pin in channel.channel_type.providers if pin.name in CORE)
    view = replace(fold_view(channel, holder, channel.numbers[holder]), balances_msat=held)
    folded = _answered(FoldUpdates(replace(channel.channel_type, providers=pins), view, states, updates))
    if isinstance(folded, Reject):
        raise ProviderContradiction(f"{folded.reason}.")
    return folded


def _with_effects(channel: Channel, signed: tuple[Update, ...]) -> PerParty:
    """The balances of the base, moved as the extensions' updates among these were admitted to."""
    moves = [p.effect.moved_msat for p in channel.log if p.update in signed]
    opener, acceptor = channel.base.balances_msat
    return opener + sum(each[0] for each in moves), acceptor + sum(each[1] for each in moves)


def _answered(query: FoldUpdates) -> Folds | Reject:
    """A query's reply, by the core's providers alone."""
    calls, answer = query.calls(), None
    try:
        while True:
            call = calls.send(answer)
            answer = getattr(CORE_PROVIDERS[call.provider], call.method)(*call.arguments)
    except StopIteration as end:
        reply: Folds | Reject = end.value
        return reply


def _differences(channel: Channel, holder: Party, folds: Folds, graph: Graph) -> list[str]:
    found = []
    if graph.balances_msat != folds.balances_msat:
        ours, theirs = graph.balances_msat, folds.balances_msat
        found.append(f"pays from {ours[0]} and {ours[1]} msat, and the channel has {theirs[0]} and {theirs[1]}")
    if graph.feerate_per_kw != (feerate := feerate_of(folds.states)):
        found.append(f"pays a feerate of {graph.feerate_per_kw}, and the channel's is {feerate}")
    wanted = _wanted(channel, holder, folds)
    kept = {o.id: _shape(o) for o in graph.outputs if o.provider == HTLC}
    trimmed = {name for provider, name in graph.trimmed if provider == HTLC}
    for name in sorted(wanted.keys() - kept.keys() - trimmed):
        found.append(f"lacks the HTLC {name}")
    for name in sorted((kept.keys() | trimmed) - wanted.keys()):
        found.append(f"holds the HTLC {name}, which the channel does not know")
    for name in sorted(wanted.keys() & kept.keys()):
        if wanted[name] != kept[name]:
            found.append(f"holds another HTLC {name} than the channel")
    return found


def _wanted(channel: Channel, holder: Party, folds: Folds) -> Shapes:
    """By HTLC, what its output says."""
    view = fold_view(channel, holder, channel.numbers[holder])
    return {o.id: _shape(o) for o in CORE_PROVIDERS[HTLC].contribute(view, dict(folds.states)[HTLC])}


def _shape(output: Output | OutputSpec) -> Shape:
    return Shape(output.value_sat, output.script, output.debits_msat, output.cltv_expiry)


def _unsigned(channel: Channel, found: Kept) -> list[str]:
    if found.graph.holder != channel.us:
        return []
    if found.signatures is None:
        return ["is kept without the peer's signatures"]
    try:
        verify_signatures(found.graph, found.signatures)
    except LnpdError as error:
        return [f"is kept with signatures that are not the peer's: {error}"]
    return []


def secrets(look: Look, channel: Channel) -> Found:
    """Each of the peer's revoked commitments can be punished: its secret is known, and is that of its point."""
    if channel.from_backup or not channel.fundings:
        return
    revoked = channel.numbers[channel.them] - channel.awaiting_revocation
    for number in range(max(0, revoked - look.states), revoked):
        for funding in channel.fundings:
            found, what = kept(look, channel, funding.txid, channel.them, number)
            if found is not None:
                look.commitments += 1
                what = _wrong_secret(channel, found, number)
            elif len(channel.fundings) > 1:
                what = ""  # an older commitment than this funding
            if what:
                yield Problem(name_of(channel), f"the peer's revoked commitment {number} {what}", AGREE)


def _wrong_secret(channel: Channel, found: Kept, number: int) -> str:
    try:
        secret = channel.their_secrets.get(index_of(number))
        same = point_of_revealed(secret) == found.graph.keys.per_commitment_point
    except LnpdError as error:
        return f"has no secret: {error}"
    return "" if same else "is kept with another per-commitment point than that of its secret"


PARTS: Final[tuple[Part, ...]] = (balances, commitments, secrets)
