"""What will the extensions be asked next, so that it can be asked at once?

A plugin may be a process, or a machine, away: what takes it long is not the question but the way. Nothing is decided
here, and nothing of it is needed: what was not foreseen, or foreseen wrongly, is asked when its turn comes.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

import msgspec
from lnpd_sdk.types import Htlc, Party, Reject, Update, View, other
from msgspec.structs import replace

from lnpd.channel import commitments
from lnpd.channel.queries import Calls, FoldMemory, Folds, FoldUpdates, ProviderQuery, Query, ask
from lnpd.channel.state import Channel
from lnpd.channel.updates import FUTURE, NEXT, SIGNED, updates_in, with_proposed
from lnpd.tx.graph import ChannelType, CommitmentSpec, Foreseen, Method, ProviderCall, ProviderPin
from lnpd.tx.phases import MOST_BESIDE, side_by_side
from lnpd.tx.pipeline import view_of
from lnpd.tx.states import CORE, feerate_of, htlcs_of

BUILDING: Final = frozenset({"settle", "attach", "seal", "descend"})  # phases in which a commitment is built

Foreseeing = Generator[Any, Any, None]  # Any: each reply is typed by its own query
# The update that comes after all that this channel holds, as far as is known; called once for each.
Following = Callable[[Channel], Update | None]


def nothing(_channel: Channel) -> None:
    """Nothing is known to follow."""


class AskAhead(msgspec.Struct, Query[None], frozen=True):
    """Tells what the extensions will be asked next, about an update that is being proposed. Nothing need be done about
    it: whoever has to ask some of it may ask all of it at once (`questions`).

    `before` is what the recipient's next commitment holds without the update; `points` are those of both parties' next
    commitments, the recipient's first.
    """

    channel: Channel
    update: Update
    before: Folds
    points: tuple[bytes, bytes]

    def questions(self, following: Following = nothing) -> Calls[list[Foreseen]]:
        """What is asked of this update and of those that follow it. What the core makes of them is known here; each
        extension is asked for what follows from that."""
        channel, folds = self.channel, self.before
        core, found = _core_of(channel.channel_type), list[Foreseen]()
        asked = [_Extension(found, pin, folds) for pin in channel.channel_type.providers if pin.name not in CORE]
        parties = (other(self.update.proposer), self.update.proposer)
        folding = [commitments.fold_view(channel, party, channel.numbers[party] + 1) for party in parties]
        built = [
            view_of(commitments.specification(channel, party, point, folds))
            for party, point in zip(parties, self.points, strict=True)
        ]
        for extension in asked:
            extension.before(built)
        update: Update | None = self.update
        while update is not None and all(extension.count < MOST_BESIDE for extension in asked):
            views = _at(folding, folds)
            after = yield from FoldUpdates(core, views[0], folds.states, (update,), validate_last=True).calls()
            if isinstance(after, Reject):
                break
            shown = _at(built, after, htlcs_of(after.states))
            for extension in asked:
                extension.proposed(update, views, shown)
            channel, folds = with_proposed(channel, update), after
            # What an extension moves by its own update is not known yet, so nothing is of those after it.
            update = following(channel) if update.provider in CORE else None
        return found


class _Extension:
    """What one extension is asked, at the end of a list of questions to all of them."""

    def __init__(self, found: list[Foreseen], pin: ProviderPin, folds: Folds) -> None:
        self._found, self._pin = found, pin
        self._state = dict(folds.states).get(pin.name, b"")
        self._folds: tuple[int, ...] = ()  # where the last update is folded, in each party's view
        self.count = 0

    def before(self, built: Sequence[View]) -> None:
        """What it wants in these commitments."""
        for view in built:
            self._ask("contribute", (), view)

    def proposed(self, update: Update, folding: Sequence[View], after: Sequence[View]) -> None:
        """One more update, folded in these views, and both commitments after it."""
        valid = self._ask("validate", self._folds[:1], folding[0], update)
        last = [self._folds[place : place + 1] for place in range(len(folding))]
        folds = [self._ask("fold", (*fold, *valid), view, update) for view, fold in zip(folding, last, strict=True)]
        self._folds = tuple(place for places in folds for place in places)
        if update.provider in CORE or update.provider == self._pin.name:  # what another extension moves is not known
            for view, fold in zip(after, folds, strict=True):
                self._ask("contribute", fold or valid, view)

    def _ask(self, method: Method, after: tuple[int, ...], view: View, *more: Update) -> tuple[int, ...]:
        """Adds a question; its place, or none if the extension has no such phase."""
        if method not in self._pin.phases:
            return ()
        call = ProviderCall(self._pin.name, self._pin.format, method, (view, self._state, *more))
        self._found.append(Foreseen(call, after))
        self.count += 1
        return (len(self._found) - 1,)


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
    """Tells what is asked when this update is admitted; `before` is the recipient's next commitment without it."""
    if channel.extensions:
        recipients = yield from commitments.next_point(channel, other(update.proposer))
        proposers = yield from commitments.next_point(channel, update.proposer)
        yield from ask(AskAhead(channel, update, before, (recipients, proposers)))


def _core_of(kind: ChannelType) -> ChannelType:
    return replace(kind, providers=tuple(pin for pin in kind.providers if pin.name in CORE))


def _at(views: Sequence[View], folds: Folds, htlcs: tuple[Htlc, ...] = ()) -> list[View]:
    """The views where this is what is folded."""
    balances_msat, feerate_per_kw = folds.balances_msat, feerate_of(folds.states)
    return [replace(view, balances_msat=balances_msat, feerate_per_kw=feerate_per_kw, htlcs=htlcs) for view in views]
