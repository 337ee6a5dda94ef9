"""Is each party's commitment asked about ahead as it will be, where an update is folded otherwise for one of them?"""

import msgspec
import pytest
from lnpd_sdk.types import PARTIES, Folded, Party, Update, View

from lnpd.channel import events
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.tx.graph import ProviderCall
from tests.channel.harness import WITH_VAULT, Node, Pair, opened
from tests.channel.vault import NAME, Vault, body, boxes


class Partial(Vault):
    """What is put aside is counted twice in the opener's commitment."""

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        folded = super().fold(view, state, update)
        twice = tuple(sat << (view.holder == 0) for sat in boxes(folded.state))
        return msgspec.structs.replace(folded, state=msgspec.msgpack.encode(twice))


class Asked(Node):
    """`asked` is everything that its providers were asked together with something else."""

    def __init__(self, us: Party) -> None:
        super().__init__(us, providers={**CORE_PROVIDERS, NAME: Partial()})
        self.asked: list[ProviderCall] = []

    def call(self, call: ProviderCall) -> object:
        self.asked += [call, *call.beside]
        return super().call(call)


@pytest.mark.parametrize("proposer", PARTIES)
def test_each_party_has_its_own_fold_ahead(proposer: Party) -> None:
    nodes = [Asked(party) for party in PARTIES]
    pair = opened(WITH_VAULT, Pair(*nodes))
    pair.command(proposer, events.Propose(NAME, body("put", 20_000)))
    wanted = [each for each in nodes[proposer].asked if each.method == "contribute" and each.after is not None]
    assert {each.arguments[0].holder for each in wanted} == set(PARTIES)
    for each in wanted:
        assert each.after is not None and each.after.method == "fold"
        assert each.after.arguments[0].holder == each.arguments[0].holder
