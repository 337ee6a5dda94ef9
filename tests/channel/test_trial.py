"""Is an extension's update that would make a commitment unlawful refused before it is proposed? (rule 3)"""

import msgspec
import pytest
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import PARTIES, OutputSpec, Party, Reject, Update, View, other
from msgspec.structs import replace

from lnpd.channel import events
from lnpd.errors import CommandRefused, UpdateRejected
from lnpd.wire.messages import UpdateExt
from tests.channel.harness import PROVIDERS, WITH_VAULT, Node, Pair, add, opened
from tests.channel.vault import NAME, Vault, body

ENOUGH_SAT = 10_000


class Loose(Vault):
    """A vault that forgets the holder's delay once its boxes hold 10,000 sat together, or more."""

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        return None

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        specs = super().contribute(view, state)
        if sum(each.value_sat for each in specs) < ENOUGH_SAT:
            return specs
        at_once = Miniscript("or_d(pk(revocation),pk(delayed))")
        return tuple(replace(each, script=at_once) for each in specs)


def pair() -> Pair:
    nodes = [Node(us, providers={**PROVIDERS, NAME: Loose()}) for us in PARTIES]
    return opened(WITH_VAULT, Pair(*nodes))


def put(two: Pair, party: Party, amount_sat: int) -> None:
    two.command(party, events.Propose(NAME, body("put", amount_sat)))


@pytest.mark.parametrize("party", [0, 1])
def test_an_own_proposal_that_breaks_rule_3_is_refused_and_changes_nothing(party: Party) -> None:
    two = pair()
    before = two.nodes[party].channel
    with pytest.raises(CommandRefused, match=r"vault .*the holder can spend it at once"):
        put(two, party, ENOUGH_SAT)
    assert two.nodes[party].channel == before
    put(two, party, ENOUGH_SAT - 1)
    two.command(0, add(1))
    two.settle()
    two.check()


@pytest.mark.parametrize("first", [0, 1])
def test_it_is_refused_for_what_it_does_beside_what_the_other_side_has_pending(first: Party) -> None:
    two = pair()
    put(two, first, ENOUGH_SAT // 2)
    assert two.deliver(first)
    second = other(first)
    before = two.nodes[second].channel
    with pytest.raises(CommandRefused, match="the holder can spend it at once"):
        put(two, second, ENOUGH_SAT // 2)
    assert two.nodes[second].channel == before
    two.settle()
    two.check()
    with pytest.raises(CommandRefused, match="the holder can spend it at once"):
        put(two, second, ENOUGH_SAT // 2)


def test_a_peers_update_that_breaks_it_costs_a_reconnect_and_not_the_channel() -> None:
    two = pair()
    node = two.nodes[0]
    message = UpdateExt(channel_id=node.channel.id, namespace=0, id=0, data=body("put", ENOUGH_SAT))
    two.command(0, message)  # type: ignore[arg-type]  # a message, as if it came over the wire
    assert [type(error) for error in node.errors] == [UpdateRejected]
    two.reconnect()
    two.settle()
    put(two, 0, 2_000)
    two.settle()
    two.check()


def test_two_that_cross_on_the_wire_are_both_forgotten() -> None:
    two = pair()
    put(two, 0, ENOUGH_SAT // 2)
    put(two, 1, ENOUGH_SAT // 2)
    assert two.deliver(0)
    assert not two.connected
    two.reconnect()
    two.settle()
    two.check()
    assert not any(node.channel.log for node in two.nodes)
    assert msgspec.msgpack.decode(dict(two.nodes[0].channel.base.states)[NAME] or b"\xc0") is None
