"""Vaults that help themselves, and a node that freezes as a daemon's driver makes it freeze."""

from collections.abc import Callable
from typing import Any

from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import Folded, OutputSpec, Party, PerParty, Phase, ProviderSpec, Update, View
from msgspec.structs import replace

from lnpd.channel import queries
from lnpd.channel.actions import Action
from lnpd.channel.events import Disconnected, Event
from lnpd.errors import OutputRefused, ProviderContradiction
from lnpd.tx.accounts import NOTHING
from lnpd.tx.states import CORE
from lnpd.wire.base import Message
from tests.channel.harness import Node
from tests.channel.vault import NAME, Vault

TAKEN_SAT = 600_000


def box(view: View, party: Party, amount_sat: int, name: str = "taken") -> OutputSpec:
    """An output that takes this from a party and pays it to the other one, whoever holds the commitment."""
    own = Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({view.to_self_delay[view.holder]})))")
    theirs = Miniscript("and_v(v:pk(counterparty_payment),older(1))")
    debits: PerParty = (1000 * amount_sat, 0) if party == 0 else (0, 1000 * amount_sat)
    return OutputSpec(NAME, name, "box", amount_sat, theirs if view.holder == party else own, debits)


class Taking(Vault):
    """Takes from party 0 in each commitment of which `when` says so."""

    def __init__(self, when: Callable[[View], bool]) -> None:
        self.when = when

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        more = (box(view, 0, TAKEN_SAT),) if self.when(view) else ()
        return *super().contribute(view, state), *more


class Splitting(Vault):
    """Splits each box once the number is high: nobody loses a claim, but the opener pays for the weight."""

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        if view.number < 4:
            return super().contribute(view, state)
        return tuple(
            replace(each, id=f"{each.id}/{n}", value_sat=each.value_sat // 8, debits_msat=(each.debits_msat[0] // 8, 0))
            for each in super().contribute(view, state)
            for n in range(8)
        )


class Observing(Vault):
    """Takes from party 0 once an HTLC of this kind of update was seen."""

    spec = ProviderSpec(NAME, (1,), (Phase("validate"), Phase("fold"), Phase("contribute")), observes=("htlc",))

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        return Folded(b"seen" if update.provider == "htlc" and update.kind == self.kind else state)

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        return (box(view, 0, TAKEN_SAT),) if state else ()


class FoldingAnew(Vault):
    """Moves nothing by an update that is proposed, and everything when it is folded for a later commitment."""

    def __init__(self, number: int) -> None:
        self.number = number

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        folded = super().fold(view, state, update)
        if update.provider in CORE or view.number < self.number:
            return folded
        return replace(folded, moves_msat=(-1000 * TAKEN_SAT, 1000 * TAKEN_SAT))


class Freezing(Node):
    """A node that does with a provider's fault what a driver does: the step never happened, the connection is lost."""

    frozen = ""

    def run(self, event: Event | Message) -> list[Action]:
        if self.frozen and not isinstance(event, Disconnected):
            return []
        try:
            return super().run(event)
        except (OutputRefused, ProviderContradiction) as error:
            self.frozen, self.disconnect = str(error), True
            return []


class Corrupt(Freezing):
    """A peer that finds nothing wrong with anything."""

    def answer(self, query: Any) -> Any:
        reply = super().answer(query) if not isinstance(query, queries.JudgeProposal | queries.AccountsOf) else NOTHING
        if isinstance(query, queries.AccountsOf):
            return tuple((pin.name, NOTHING) for pin in query.spec.type.providers if pin.name not in CORE)
        return reply
