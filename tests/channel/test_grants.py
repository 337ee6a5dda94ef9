"""How much of our money may an extension have? What the user granted, in all, however many updates it takes."""

import msgspec
import pytest
from lnpd_sdk.types import Blocked, Closable, Folded, OutputSpec, Party, PerParty, Reject, Update, View, other

from lnpd import errors
from lnpd.channel import events
from lnpd.channel.state import Negotiating, Normal, ShuttingDown
from lnpd.channel.updates import next_id
from lnpd.wire.messages import UpdateExt
from tests.channel.harness import POLICY, PROVIDERS, SCRIPTS, WITH_VAULT, Node, Pair, opened
from tests.channel.vault import NAME, Vault, body, boxes

GRANTED_SAT = 10_000


class Greedy(Vault):
    """A vault in which `seize` moves what the other party's box holds to the proposer's balance."""

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        return None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        if update.provider != NAME:
            return Folded(state)
        verb, amount_sat = msgspec.msgpack.decode(update.body, type=tuple[str, int])
        if verb != "seize":
            return super().fold(view, state, update)
        held = list(boxes(state))
        held[other(update.proposer)] -= amount_sat
        gain = 1000 * amount_sat
        return Folded(msgspec.msgpack.encode(tuple(held)), (gain, -gain) if update.proposer == 0 else (-gain, gain))


class Trap(Vault):
    """A vault of party 0's box, which goes to party 1 once both have said `arm`: neither of the two moves it alone."""

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        return None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        if update.provider != NAME:
            return Folded(state)
        verb, amount_sat = msgspec.msgpack.decode(update.body, type=tuple[str, int])
        box_sat, armed = msgspec.msgpack.decode(state, type=tuple[int, list[bool]]) if state else (0, [False, False])
        if verb == "put":
            box_sat += amount_sat
        else:
            armed[update.proposer] = True
        paid, left = (1000 * box_sat, 0) if all(armed) else (0, box_sat)
        return Folded(msgspec.msgpack.encode((left, armed)), (-paid, paid))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        box_sat = msgspec.msgpack.decode(state, type=tuple[int, list[bool]])[0] if state else 0
        return super().contribute(view, msgspec.msgpack.encode((box_sat, 0)))


class Settler(Vault):
    """A vault whose `close` moves balance."""

    def __init__(self, moves_msat: PerParty) -> None:
        self.moves_msat = moves_msat

    def close(self, view: View, state: bytes) -> Blocked | Closable:
        return Closable(self.moves_msat)


def pair(vault: Vault | None = None, granted_sat: int = GRANTED_SAT) -> Pair:
    policy = msgspec.structs.replace(POLICY, grants=((NAME, granted_sat),))
    providers = {**PROVIDERS, NAME: vault or Greedy()}
    return opened(WITH_VAULT, Pair(Node(0, policy, providers), Node(1, policy, providers)))


def refused(two: Pair, amount_sat: int, verb: str = "seize") -> str:
    """Why party 0 does not take what party 1 proposes; empty if it does."""
    node = two.nodes[0]
    node.errors.clear()
    number = next_id(node.channel, NAME, 1)
    node.run(UpdateExt(channel_id=node.channel.id, namespace=0, id=number, data=body(verb, amount_sat)))
    assert all(type(error) is errors.GrantExceeded for error in node.errors)
    return "".join(str(error) for error in node.errors)


def test_a_peer_takes_no_more_than_the_grant_in_many_updates() -> None:
    two = pair()
    two.command(0, events.Propose(NAME, body("put", 40_000)))
    two.settle()
    for _ in range(2):
        two.command(1, events.Propose(NAME, body("seize", 5_000)))
        two.settle()
    assert dict(two.nodes[0].channel.taken_msat) == {NAME: 1000 * GRANTED_SAT}
    two.restart(0)
    two.reconnect()
    two.settle()
    assert "5000000 msat of the other party, 0 are granted" in refused(two, 5_000)


def test_pending_updates_count_too() -> None:
    two = pair()
    two.command(0, events.Propose(NAME, body("put", 40_000)))
    two.settle()
    assert not refused(two, 6_000)
    assert "4000000 are granted" in refused(two, 6_000)


def test_a_plugins_own_proposals_have_no_more_of_our_money_than_the_grant() -> None:
    two = pair()

    def propose(verb: str, amount_sat: int) -> None:
        two.command(0, events.Propose(NAME, body(verb, amount_sat), 1000 * GRANTED_SAT))
        two.settle()

    propose("put", 6_000)
    with pytest.raises(errors.CommandRefused, match="would have 12000000 msat of our money, 10000000 are granted"):
        propose("put", 6_000)
    propose("take", 6_000)  # what comes back is free again
    propose("put", 9_000)
    propose("give", 9_000)  # and what was given away is gone
    with pytest.raises(errors.CommandRefused, match="1000000 are granted"):
        propose("put", 2_000)
    assert dict(two.nodes[0].channel.taken_msat) == {NAME: 9_000_000}
    assert not two.nodes[1].channel.taken_msat
    assert isinstance(two.nodes[0].channel.phase, Normal)


@pytest.mark.parametrize(("granted_sat", "why"), [(5_000, ""), (4_999, "5000000 msat of the other party, 4999000 are")])
def test_what_two_crossing_updates_take_together_counts(granted_sat: int, why: str) -> None:
    two = pair(Trap(), granted_sat)
    two.command(0, events.Propose(NAME, body("put", 5_000)))
    two.settle()
    two.nodes[0].run(events.Propose(NAME, body("arm", 0), 1000 * granted_sat + 10_000_000))
    assert two.nodes[0].channel.log[-1].taken_msat(0) == 0, "alone it takes nothing"
    assert why in refused(two, 0, "arm")
    assert bool(two.nodes[0].errors) == bool(why)
    if not why:
        assert two.nodes[0].channel.log[-1].taken_msat(0) == 5_000_000


CLOSES: dict[str, tuple[PerParty, str]] = {
    "as much as it holds": ((-5_000_000, 5_000_000), ""),
    "more than it holds": ((-5_000_001, 5_000_001), "5000001 msat of ours, its outputs hold 5000000"),
    "more than is granted": ((-10_000_001, 10_000_001), "10000001 msat of ours, 10000000 are granted"),
    "what the peer gives": ((10_000_001, -10_000_001), ""),
    "out of thin air": ((1, 0), "do not add up"),
    "more than the peer has": ((10**12, -(10**12)), "do not add up"),
}


@pytest.mark.parametrize(("moves", "why"), CLOSES.values(), ids=CLOSES)
def test_what_a_close_settles_is_held_against_the_grant(moves: PerParty, why: str) -> None:
    two = pair(Settler(moves))
    two.command(0, events.Propose(NAME, body("put", 5_000)))
    two.settle()
    two.command(0, events.Close(SCRIPTS[0], 100, 3000))
    for party in (0, 1):
        two.deliver(party)
    channel = two.nodes[0].channel
    assert isinstance(channel.phase, ShuttingDown if why else Negotiating)
    assert [name for name, _ in channel.blocked_by] == ([NAME] if why else [])
    assert why in "".join(reason for _, reason in channel.blocked_by)


@pytest.mark.parametrize("first", [0, 1])
def test_what_two_crossing_updates_do_together_is_no_fault_whoever_signs_first(first: Party) -> None:
    two = pair(Trap(), 5_000)
    two.command(0, events.Propose(NAME, body("put", 5_000)))
    two.settle()
    for party in (0, 1):
        two.command(party, events.Propose(NAME, body("arm", 0), 1000 * GRANTED_SAT))
    two.command(first, events.Commit())
    while any(two.deliver(party) for party in (first, other(first))):
        pass
    two.settle()
    two.check()
    assert [node.errors for node in two.nodes] == [[], []]
    assert two.nodes[0].channel.base.balances_msat == (695_000_000, 305_000_000)
    assert dict(two.nodes[0].channel.taken_msat) == {NAME: 5_000_000}
    assert dict(two.nodes[0].channel.base.moved_msat) == {NAME: (-5_000_000, 5_000_000)}
