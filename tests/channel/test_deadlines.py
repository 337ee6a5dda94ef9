"""Does a late datum that we know close its channel while the peer cannot take what it opens, and not before?"""

from hashlib import sha256

import pytest
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import OPENER, PARTIES, OutputSpec, View, other
from msgspec.structs import replace

from lnpd.channel import events
from lnpd.channel.stakes import stake_in
from lnpd.channel.state import Failed, Policy
from lnpd.channel.witnesses import supplied
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.tx.claims import contested
from tests.channel.harness import WITH_VAULT, Node, Pair, opened
from tests.channel.vault import NAME, Vault, body

SECRET, LOCK_HEIGHT, SAT = b"\x21" * 32, 600_000, 20_000
HASH = sha256(SECRET).hexdigest()
SUPPLIED = events.PutWitness(NAME, f"sha256:{HASH}", SECRET)


class Sale(Vault):
    """A box is the other party's by a preimage, and its owner's again by a lock."""

    def __init__(self, lock: str = f"after({LOCK_HEIGHT})") -> None:
        self.lock = lock

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        def script(owner: int) -> Miniscript:
            ways = {other(owner): f"sha256({HASH})", owner: self.lock}
            own = f"and_v(v:pk(delayed),and_v(v:{ways[view.holder]},older({view.to_self_delay[view.holder]})))"
            theirs = f"and_v(v:pk(counterparty_htlc),{ways[other(view.holder)]})"
            return Miniscript(f"or_d(pk(revocation),or_i({own},{theirs}))")

        return tuple(replace(each, script=script(int(each.id))) for each in super().contribute(view, state))


def sold(lock: str = f"after({LOCK_HEIGHT})") -> Pair:
    """The opener has put something into its box, and its peer knows the preimage."""
    providers = {**CORE_PROVIDERS, NAME: Sale(lock)}
    pair = opened(WITH_VAULT, Pair(*(Node(party, providers=providers) for party in PARTIES)))
    pair.command(OPENER, events.Propose(NAME, body("put", SAT)))
    pair.settle()
    for party in PARTIES:
        pair.command(party, SUPPLIED)
    pair.cut()
    return pair


def due_height(node: Node) -> int:
    delay = node.channel.terms[other(node.us)].to_self_delay
    return LOCK_HEIGHT - delay - Policy().htlc_deadline_blocks


def test_who_knows_the_datum_closes_in_time_and_asks_nobody() -> None:
    node = sold().nodes[1]
    node.providers = {}
    node.run(events.Block(due_height(node) - 1))
    assert not isinstance(node.channel.phase, Failed)
    before = len(node.broadcast)
    node.run(events.Block(due_height(node)))
    assert isinstance(node.channel.phase, Failed) and len(node.broadcast) == before + 1
    assert node.channel.phase.error == f"{NAME} 0 is opened to us by what we know, and the peer can take it soon."


@pytest.mark.parametrize("holder", PARTIES)
def test_it_is_at_stake_in_either_commitment(holder: int) -> None:
    pair = sold()
    node, graph = pair.nodes[1], pair.nodes[holder].latest().graph
    delay = node.channel.terms[other(node.us)].to_self_delay * (holder == node.us)
    stake = stake_in(node.channel, graph)
    assert (stake.stake_sat, stake.deadline_height) == (SAT, LOCK_HEIGHT - delay)
    unknown = stake_in(replace(node.channel, witnesses=()), graph)
    assert (stake.ours_sat - unknown.ours_sat, unknown.stake_sat) == (SAT, 0)


def test_what_is_not_opened_by_it_closes_nothing() -> None:
    """Its owner, whom the preimage opens nothing; who does not know it; a box that was taken back."""
    pair = sold()
    owner, buyer = pair.nodes
    owner.run(events.Block(LOCK_HEIGHT + 1000))
    assert not isinstance(owner.channel.phase, Failed)
    buyer.store(replace(buyer.channel, witnesses=()))
    buyer.run(events.Block(LOCK_HEIGHT + 1000))
    assert not isinstance(buyer.channel.phase, Failed)
    pair.reconnect()
    pair.settle()
    pair.command(OPENER, events.Propose(NAME, body("take", SAT)))
    pair.settle()
    buyer.run(SUPPLIED)
    buyer.run(events.Block(LOCK_HEIGHT + 1001))
    assert not isinstance(buyer.channel.phase, Failed)


def test_a_lock_that_begins_with_the_confirmation_leaves_time() -> None:
    node = sold("older(1000)").nodes[1]
    graph = node.latest().graph
    assert contested(graph, node.us, NAME, supplied(node.channel, NAME)) == ()
    node.run(events.Block(LOCK_HEIGHT))
    assert not isinstance(node.channel.phase, Failed)


def test_while_it_is_unproven_it_waits_for_the_peers_word() -> None:
    node = sold().nodes[1]
    node.restart()
    assert node.channel.unproven
    node.run(events.Block(due_height(node)))
    assert not isinstance(node.channel.phase, Failed)
    for height in range(due_height(node) + 1, LOCK_HEIGHT):
        node.run(events.Block(height))
    assert isinstance(node.channel.phase, Failed)
