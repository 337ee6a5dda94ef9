"""What will the extensions be asked next, so that it can be asked at once?

A plugin may be a process, or a machine, away: what takes it long is not the question but the way. Nothing is decided
here, and nothing of it is needed: what was not foreseen, or foreseen wrongly, is asked when its turn comes.
"""

from collections.abc import Generator
from typing import Any, Final

import msgspec
from lnpd_sdk.types import Party, Reject, Update, View, other
from msgspec.structs import replace

from lnpd.channel import commitments
from lnpd.channel.queries import Calls, FoldMemory, Folds, FoldUpdates, ProviderQuery, ask
from lnpd.channel.state import Channel
from lnpd.channel.updates import FUTURE, NEXT, SIGNED, updates_in
from lnpd.tx.graph import CommitmentSpec, Method, ProviderCall, ProviderPin
from lnpd.tx.phases import side_by_side
from lnpd.tx.pipeline import view_of
from lnpd.tx.states import CORE, feerate_of

BUILDING: Final = frozenset({"settle", "attach", "seal", "descend"})  # phases in which a commitment is built

Foreseeing = Generator[Any, Any, None]  # Any: each reply is typed by its own query


class AskAhead(msgspec.Struct, ProviderQuery[None], frozen=True):
    """Has asked, at once, what is asked of the extensions when an update is proposed, and when it is folded later.

    `before` are both parties' next commitments without the update, `folding` the views in which it is folded into each,
    the recipient's first.
    """

    before: tuple[CommitmentSpec, CommitmentSpec]
    folding: tuple[View, View]
    update: Update

    def calls(self, memory: FoldMemory | None = None) -> Calls[None]:
        """What the core makes of the update is known here; each extension is asked for what follows from it."""
        kind, update = self.before[0].type, self.update
        core = replace(kind, providers=tuple(pin for pin in kind.providers if pin.name in CORE))
        states = self.before[0].states
        folds = yield from FoldUpdates(core, self.folding[0], states, (update,), validate_last=True).calls()
        if isinstance(folds, Reject):
            return
        after = [view_of(_with(spec, folds)) for spec in self.before]
        calls: list[ProviderCall] = []
        for pin in kind.providers:
            if pin.name not in CORE:
                calls += self._of(pin, dict(states).get(pin.name, b""), after)
        if calls:
            yield replace(calls[0], beside=tuple(calls[1:]))

    def _of(self, pin: ProviderPin, state: bytes, after: list[View]) -> list[ProviderCall]:
        """What one extension is asked."""
        update = self.update
        wanted = [_call(pin, "contribute", view_of(spec), state) for spec in self.before]
        validate = _call(pin, "validate", self.folding[0], state, update)
        folds = [_call(pin, "fold", view, state, update, after=validate) for view in self.folding]
        if update.provider in (*CORE, pin.name):  # what another extension moves is not known yet
            if "fold" in pin.phases:
                then = zip(after, folds, strict=True)
                wanted_after = [_call(pin, "contribute", view, b"", after=fold) for view, fold in then]
            else:
                wanted_after = [_call(pin, "contribute", view, state) for view in after]
        else:
            wanted_after = []
        return [call for call in (*wanted, validate, *folds, *wanted_after) if call.method in pin.phases]


class BuildAhead(msgspec.Struct, ProviderQuery[None], frozen=True):
    """Has built, side by side, commitments that will be asked for. What is refused is found when it is asked for."""

    specs: tuple[CommitmentSpec, ...]

    def calls(self, memory: FoldMemory | None = None) -> Calls[None]:
        """Those of all the commitments, step by step."""
        if memory is not None:
            yield from side_by_side([memory.graphs.ahead(spec) for spec in self.specs])


def build_ahead(channel: Channel, holder: Party, folds: Folds) -> Foreseeing:
    """Builds a holder's next commitments, on every funding, and the other party's where they will hold the same next:
    if extensions are asked while that is done."""
    if not any(pin.name not in CORE and BUILDING.intersection(pin.phases) for pin in channel.channel_type.providers):
        return
    specs = list((yield from _next_ones(channel, holder, folds)))
    if _follows(channel, holder):
        specs += yield from _next_ones(channel, other(holder), folds)
    if len(specs) > 1:
        yield from ask(BuildAhead(tuple(specs)))


def _next_ones(channel: Channel, holder: Party, folds: Folds) -> Generator[Any, Any, list[CommitmentSpec]]:
    point = yield from commitments.next_point(channel, holder)
    return [commitments.specification(channel, holder, point, folds, funding) for funding in channel.fundings]


def _follows(channel: Channel, holder: Party) -> bool:
    """Whether the other party's next commitment is expected to hold what this holder's next one does."""
    follower, updates = other(holder), updates_in(channel, holder, NEXT)
    if follower == channel.them and channel.awaiting_revocation:
        return False  # its point is not known yet
    return updates == updates_in(channel, follower, FUTURE) != updates_in(channel, follower, SIGNED)


def ahead_of(channel: Channel, update: Update, before: Folds) -> Foreseeing:
    """Asks what is asked when this update is admitted; `before` is the recipient's next commitment without it."""
    if not channel.extensions:
        return
    recipient = other(update.proposer)
    specs, views = [], []
    for holder in (recipient, update.proposer):
        point = yield from commitments.next_point(channel, holder)
        specs.append(commitments.specification(channel, holder, point, before))
        view = commitments.fold_view(channel, holder, channel.numbers[holder] + 1)
        views.append(replace(view, balances_msat=before.balances_msat, feerate_per_kw=feerate_of(before.states)))
    yield from ask(AskAhead((specs[0], specs[1]), (views[0], views[1]), update))


def _with(spec: CommitmentSpec, folds: Folds) -> CommitmentSpec:
    """The commitment with these states and balances."""
    feerate_per_kw = feerate_of(folds.states)
    return replace(spec, states=folds.states, balances_msat=folds.balances_msat, feerate_per_kw=feerate_per_kw)


def _call(pin: ProviderPin, method: Method, *arguments: object, after: ProviderCall | None = None) -> ProviderCall:
    return ProviderCall(pin.name, pin.format, method, arguments, after=after)
