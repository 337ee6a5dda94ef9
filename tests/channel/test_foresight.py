"""Is each party's commitment asked about ahead as it will be, where an update is folded otherwise for one of them?"""

from typing import Any

import msgspec
import pytest
from lnpd_sdk.types import PARTIES, Folded, Party, Update, View

from lnpd.channel import events
from lnpd.channel.foresight import AskAhead
from lnpd.providers.types import CORE_PROVIDERS
from tests.channel.harness import WITH_VAULT, Node, Pair, drive, opened
from tests.channel.vault import NAME, Vault, body, boxes


class Partial(Vault):
    """What is put aside is counted twice in the opener's commitment."""

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        folded = super().fold(view, state, update)
        twice = tuple(sat << (view.holder == 0) for sat in boxes(folded.state))
        return msgspec.structs.replace(folded, state=msgspec.msgpack.encode(twice))


class Hearing(Node):
    """`ahead` is what was said to be asked next."""

    def __init__(self, us: Party) -> None:
        super().__init__(us, providers={**CORE_PROVIDERS, NAME: Partial()})
        self.ahead: list[AskAhead] = []

    def answer(self, query: Any) -> Any:
        self.ahead += [query] if isinstance(query, AskAhead) else []
        return super().answer(query)


@pytest.mark.parametrize("proposer", PARTIES)
def test_each_party_has_its_own_fold_ahead(proposer: Party) -> None:
    nodes = [Hearing(party) for party in PARTIES]
    pair = opened(WITH_VAULT, Pair(*nodes))
    pair.command(proposer, events.Propose(NAME, body("put", 20_000)))
    found = drive(nodes[proposer].ahead[0].questions(), nodes[proposer].call)
    wanted = [(call, after) for call, after in found if call.method == "contribute" and after]
    assert {call.arguments[0].holder for call, _ in wanted} == set(PARTIES)
    for call, (place,) in wanted:
        fold = found[place].call
        assert fold.method == "fold"
        assert fold.arguments[0].holder == call.arguments[0].holder
