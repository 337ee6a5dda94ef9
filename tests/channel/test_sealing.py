"""Does every mutual close carry what its provider seals, the same on both sides and whatever fee is agreed on?"""

import pytest

from lnpd import errors
from lnpd.channel import events
from lnpd.channel.negotiation import closing_weight
from lnpd.channel.state import Negotiating
from lnpd.tx.seals import check_seals
from lnpd.wire.messages import Extension
from tests.channel.harness import SCRIPTS, Node, Pair, opened
from tests.channel.sealed import NAME, Sealer, carrier, providers, with_sealer


def sealed_pair(**changes: int) -> Pair:
    given = [providers("close"), providers("close")]
    kind = with_sealer("close")
    pair = Pair(*(Node(party, providers=each) for party, each in enumerate(given)))  # type: ignore[arg-type]  # of parties
    return opened(kind, pair, extensions=(Extension(name=NAME, format=1),), **changes)


def sealer(pair: Pair, party: int) -> Sealer:
    found = pair.nodes[party].providers[NAME]
    assert isinstance(found, Sealer)
    return found


@pytest.mark.parametrize(("ours", "theirs", "fee"), [((100, 3000), (0, 0), 846), ((100, 3000), (2000, 5000), 2000)])
def test_both_sides_close_with_the_carrier_first(ours: tuple[int, int], theirs: tuple[int, int], fee: int) -> None:
    pair = sealed_pair()
    if theirs != (0, 0):
        pair.command(1, events.Close(SCRIPTS[1], *theirs))
    pair.command(0, events.Close(SCRIPTS[0], *ours))
    pair.settle()
    tx = pair.nodes[0].broadcast[-1]
    assert tx == pair.nodes[1].broadcast[-1]
    assert [o.value_sat for o in tx.outputs] == [0, 300_000, 700_000 - fee]
    for party in (0, 1):
        shown = next(each for each in sealer(pair, party).shown if carrier(each) == tx.outputs[0].script_pubkey)
        assert shown.purpose == "close"
        assert [o.value_sat for o in shown.outputs] == [o.value_sat for o in tx.outputs]
        assert shown.outputs[0].script_pubkey == b"\x6a\x20" + bytes(32), "it is shown what is reserved"
    phase = pair.nodes[0].channel.phase
    assert isinstance(phase, Negotiating) and tx.weight <= closing_weight(pair.nodes[0].channel) == 846


def test_a_side_without_balance_leaves_its_output_out_and_the_carrier_stays() -> None:
    pair = sealed_pair(push_msat=0)
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    pair.settle()
    tx = pair.nodes[1].broadcast[-1]
    assert [o.script_pubkey for o in tx.outputs[1:]] == [SCRIPTS[0]] and tx.outputs[0].value_sat == 0


def test_a_negotiation_that_a_lost_connection_cut_ends_the_same() -> None:
    pair = sealed_pair()
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    for _ in range(3):
        pair.deliver(0), pair.deliver(1)
    pair.cut()
    pair.reconnect()
    pair.settle()
    assert pair.nodes[0].broadcast[-1] == pair.nodes[1].broadcast[-1]
    assert len(pair.nodes[0].broadcast[-1].outputs) == 3


def test_a_peer_whose_provider_seals_something_else_does_not_get_our_signature() -> None:
    pair = sealed_pair()
    sealer(pair, 1).seal = lambda *_: bytes(32)  # type: ignore[method-assign]
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    pair.settle()
    assert [type(each) for each in pair.nodes[1].errors] == [errors.ClosingSignatureWrong]
    assert not any(node.broadcast for node in pair.nodes if node.us == 1)


def test_one_provider_of_a_type_seals_a_place() -> None:
    kind = with_sealer("close")
    check_seals(kind)
    with pytest.raises(errors.SealSlotTaken, match="sealer and sealer both seal every close"):
        check_seals(type(kind)(kind.features, kind.commitment_weight, 0, (*kind.providers, kind.providers[-1])))
