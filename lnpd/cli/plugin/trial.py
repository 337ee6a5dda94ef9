"""Do a provider's functions keep the rules of the contract, in every state that their own updates lead to?

    the first state -> every update that it accepts, of either party -> the states that follow -> ... (a bounded number)

In each state: both commitments built, every path gone, the mutual close asked for, crossing updates in either order.
"""

from itertools import product
from typing import Final, NamedTuple

from lnpd_sdk.types import PARTIES, Folded, Party, PerParty, ProviderSpec, Reject, Transaction, Update

from lnpd.channel.queries import JudgeProposal
from lnpd.cli.plugin import paths
from lnpd.cli.plugin.asking import Asker
from lnpd.cli.plugin.report import Report
from lnpd.cli.plugin.shown import in_hex, update_of
from lnpd.cli.plugin.world import BALANCES_MSAT, bodies, commitment, hostile, sealable
from lnpd.errors import (
    CreditUnfounded,
    DebitsOtherParty,
    DustProposed,
    LnpdError,
    MovesUnbalanced,
    ProviderFault,
    TxError,
    UnaskedDebit,
)
from lnpd.tx.graph import ChannelType, CommitmentSpec, Method, ProviderCall
from lnpd.tx.pipeline import build, view_of

MAX_STATES: Final = 12
MAX_CROSSING: Final = 12  # updates of each party in one state, which are crossed with those of the other
MAX_HOSTILE: Final = 4  # states that are shown with every hostile view
RESERVE_SAT: Final = (10_000, 10_000)
# What a proposal is refused with that an honest plugin does not propose; the rest, a reserve for one, may happen.
NEVER: Final = (DebitsOtherParty, CreditUnfounded, MovesUnbalanced)


class Place(NamedTuple):
    """A state that updates lead to: the provider's own, the balances, and each party's next id."""

    state: bytes
    balances_msat: PerParty
    ids: PerParty


class Trial:
    """One provider, pinned by one channel type."""

    def __init__(
        self,
        asker: Asker,
        report: Report,
        kind: ChannelType,
        spec: ProviderSpec,
        samples: tuple[bytes, ...],
        begins: bytes = b"",
    ):
        self._asker, self._report, self._kind, self._spec = asker, report, kind, spec
        self._format = next(pin.format for pin in kind.providers if pin.name == spec.name)
        self._bodies, self._begins = bodies(samples), begins
        self._refused = ""  # what a node said first of an update that the provider accepts

    async def run(self) -> None:
        """All of it; what is wrong is in the report. Raises GaveUp."""
        places, seen = [Place(self._begins, BALANCES_MSAT, (0, 0))], {self._begins}
        for number, place in enumerate(places):  # it grows meanwhile
            sound = [await self._commitments(place, holder) for holder in PARTIES]
            await self._shown(place, every=number < MAX_HOSTILE)
            if not all(sound):
                continue
            accepted = await self._accepted(place)
            if number < MAX_HOSTILE:
                await self._undeclared(place, accepted)
            await self._crossings(place, accepted)
            for _, after in accepted:
                if after.state not in seen and len(places) < MAX_STATES:
                    seen.add(after.state)
                    places.append(after)
        if len(places) == 1 and any(phase.name == "fold" for phase in self._spec.phases):
            self._nothing_stands()

    def _nothing_stands(self) -> None:
        name, tried = self._spec.name, len(self._bodies)
        if self._refused:
            self._report.wrong("proposals", name, f"a node refuses every update that it accepts: {self._refused}")
        else:
            self._report.leave_out(f"{name}: it accepts none of {tried} updates; give some by `def samples(self)`")

    # --- questions
    def _call(self, method: Method, *arguments: object) -> ProviderCall:
        return ProviderCall(self._spec.name, self._format, method, arguments)

    def _spec_of(self, place: Place, holder: Party) -> CommitmentSpec:
        return commitment(self._kind, {self._spec.name: place.state}, holder, place.balances_msat)

    async def _shown(self, place: Place, every: bool) -> None:
        """Every function that needs no update, with this state and hostile views."""
        phases = {phase.name for phase in self._spec.phases}
        for holder in PARTIES:
            view = view_of(self._spec_of(place, holder))
            calls: list[tuple[Method, tuple[object, ...]]] = [
                ("contribute", ()),
                ("close", ()),
                ("attach", ((),)),
                ("gate", ((),)),
            ]
            calls += [("seal", (each,)) for each in sealable(self._spec)]
            calls.append(("descend", (Transaction("commitment", (), bytes(32)),)))
            for method, more in calls:
                if method not in phases:
                    continue
                for each in hostile(view) if every else (view,):
                    await self._asker.probe(self._call(method, each, place.state, *more))
                if method in ("contribute", "close"):
                    await self._asker.undeclared(self._call(method, view, place.state, *more))

    async def _commitments(self, place: Place, holder: Party) -> bool:
        """Builds a commitment, and goes its paths; False if it cannot be."""
        spec = self._spec_of(place, holder)
        self._report.tried["rules"] += 1
        try:
            graph = await self._asker.build(build(spec))
        except ProviderFault:
            return False  # it is in the report
        except TxError as broken:
            self._report.wrong("rules", self._spec.name, f"{type(broken).__name__}: {broken}", _state_of(place, holder))
            return False
        paths.go_all(self._report, graph, frozenset({self._spec.name}))
        return True

    # --- updates
    async def _accepted(self, place: Place) -> list[tuple[Update, Place]]:
        """The updates that stand in this state, with the states that they lead to."""
        found = []
        for proposer, body in product(PARTIES, self._bodies):
            update = Update(proposer, self._spec.name, "ext", place.ids[proposer], body)
            after = await self._after(place, update)
            if after is not None and await self._stands(place, after, update):
                found.append((update, after))
        return found

    async def _undeclared(self, place: Place, accepted: list[tuple[Update, Place]]) -> None:
        """Whether what is said of an update depends on undeclared fields of the view; one update of each party."""
        view = view_of(self._spec_of(place, 0))
        for party in PARTIES:
            for update in [update for update, _ in accepted if update.proposer == party][:1]:
                await self._asker.undeclared(self._call("validate", view, place.state, update))
                await self._asker.undeclared(self._call("fold", view, place.state, update))

    async def _after(self, place: Place, update: Update) -> Place | None:
        """What follows, as the provider says; None if it rejects the update, or if its answer is of no use."""
        view = view_of(self._spec_of(place, 0))
        try:
            rejected = await self._asker.answer(self._call("validate", view, place.state, update))
            if isinstance(rejected, Reject):
                return None
            folded = await self._asker.answer(self._call("fold", view, place.state, update))
        except ProviderFault:
            return None
        assert isinstance(folded, Folded)
        if sum(folded.moves_msat):
            self._report.wrong(
                "proposals",
                f"{self._spec.name}.fold",
                f"its moves {folded.moves_msat} are not 0 in all",
                _given(place, update),
            )
            return None
        balances = (place.balances_msat[0] + folded.moves_msat[0], place.balances_msat[1] + folded.moves_msat[1])
        ids = (place.ids[0] + (update.proposer == 0), place.ids[1] + (update.proposer == 1))
        return Place(folded.state, balances, ids)

    async def _stands(self, place: Place, after: Place, update: Update) -> bool:
        """Whether a node would let an update stand that its provider accepts."""
        self._report.tried["proposals"] += 1
        for holder in PARTIES:
            was, will = self._spec_of(place, holder), self._spec_of(after, holder)
            query = JudgeProposal(was, will, update, RESERVE_SAT, None, strict=True, spike=False, shrink=False)
            try:
                verdict = await self._asker.build(query.calls())
            except (ProviderFault, UnaskedDebit) as fault:
                if isinstance(fault, UnaskedDebit):
                    self._report.wrong("proposals", self._spec.name, fault, _given(place, update))
                return False
            if isinstance(verdict, LnpdError):
                said = f"{type(verdict).__name__}: {verdict}"
                if isinstance(verdict, DustProposed):
                    self._report.advise(f"{self._spec.name}.validate accepts what a node then refuses: {said}")
                    return False
                self._refused = self._refused or said
                if isinstance(verdict, NEVER):
                    self._report.wrong("proposals", self._spec.name, said, _given(place, update))
                return False
        return True

    async def _crossings(self, place: Place, accepted: list[tuple[Update, Place]]) -> None:
        """Updates of both parties in either order."""
        sides = [[each for each in accepted if each[0].proposer == party][:MAX_CROSSING] for party in PARTIES]
        for (first, after_first), (second, after_second) in product(*sides):
            self._report.tried["commuting"] += 1
            ends = [await self._after(after_first, second), await self._after(after_second, first)]
            pair = f"{_given(place, first)}, and {update_of(second)}"
            if None in ends:
                self._report.wrong("commuting", f"{self._spec.name}.validate", "one rules the other out", pair)
            elif ends[0] != ends[1]:
                self._report.wrong("commuting", f"{self._spec.name}.fold", "the order matters", pair)


def _given(place: Place, update: Update) -> str:
    return f"state {in_hex(place.state)}, {update_of(update)}"


def _state_of(place: Place, holder: Party) -> str:
    return f"state {in_hex(place.state)}, the commitment of party {holder}"
