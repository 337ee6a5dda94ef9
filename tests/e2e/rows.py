"""Four worst days on which every row of BOLT 5's cases happens: who takes each output, by which kind of transaction?

    forced     alice closes by force with HTLCs both ways, while blocks are full: rows 1 to 12 and 14 to 17
    helped     the peer's commitment keeps ours out, and pays too little: row 13
    punished   alice broadcasts what she revoked: rows 18 to 20, and 23
    moved      bob sleeps until her HTLC transactions are confirmed: rows 21 and 22
    lost       alice runs an old copy, and bob closes: row 24
    anyone     a stranger takes the anchors: row 25

Each ends with the sum: what everybody has, against what was theirs, with each fee named.
"""

import shutil
from dataclasses import dataclass, field
from hashlib import sha256

from msgspec.structs import replace

from lnpd.channel.state import Failed
from lnpd.services.node.node import Node
from lnpd.testing import Network, until
from lnpd.tx.graph import Graph
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.e2e.closing import (
    Ears,
    Money,
    broadcast_commitment,
    driver_of,
    ears,
    estimate,
    finish,
    full_blocks,
    know,
    pass_blocks,
    preimage,
    reborn,
    spender,
)
from tests.e2e.kinds import kinds_of
from tests.e2e.test_forced_closes import CAPACITY_SAT, PUSHED_SAT, in_flight
from tests.e2e.test_old_copy import again
from tests.e2e.test_penalties import Only, coin, robbed, secured
from tests.e2e.thief import loot

ANCHORS = "anchors_zero_fee_htlc_tx"
STRANGER = "stranger"


@dataclass
class Day:
    """What became of a commitment's outputs, by name ("htlc 0/1 then" is what its second stage made): the kind of
    transaction that took each, and whose wallet has it. And what each node was told of HTLCs."""

    taken: dict[str, tuple[str, str]] = field(default_factory=dict)
    fulfilled: dict[str, dict[int, bytes]] = field(default_factory=dict)
    failed: dict[str, list[int]] = field(default_factory=dict)

    def heard(self, name: str, ears: Ears) -> None:
        self.fulfilled[name], self.failed[name] = ears.fulfilled, sorted(ears.failed)


async def outcome(day: Day, money: Money, graph: Graph, *nodes: Node) -> Day:
    """Looks up in the chain what became of each output."""
    txs = await money.transactions()
    (commitment,) = [tx for tx in txs if tx.txid == graph.tx.txid]
    for vout, output in enumerate(graph.outputs):
        name = f"htlc {output.id}" if output.provider == "htlc" else (output.kind or output.id)
        if output.kind == "anchor":
            name = output.id
        found = _spender(txs, commitment.txid, vout)
        if found is None:
            continue
        tx, position = found
        day.taken[name] = _kind(tx, position), _owner(money, tx, txs, nodes)
        then = _spender(txs, tx.txid, position)
        if then is not None and output.provider == "htlc":
            day.taken[f"{name} then"] = _kind(*then), _owner(money, then[0], txs, nodes)
    return day


def _spender(txs: list[Tx], txid: bytes, vout: int) -> tuple[Tx, int] | None:
    found = ((tx, n) for tx in txs for n, each in enumerate(tx.inputs) if (each.txid, each.vout) == (txid, vout))
    return next(found, None)


def _kind(tx: Tx, position: int) -> str:
    (kind,) = kinds_of(replace(tx, inputs=(tx.inputs[position],)))
    return kind


def _owner(money: Money, tx: Tx, txs: list[Tx], nodes: tuple[Node, ...]) -> str:
    try:
        return money._owner(tx, txs, nodes)
    except ValueError:
        return STRANGER


async def forced(network: Network, kind: str) -> Day:
    """HTLC 1 of alice's ends by bob's preimage, 2 by her timeout, bob's 3 by her preimage, his 4 by his timeout; 5 is
    trimmed."""
    alice, bob, alices, bobs = await in_flight(network, kind)
    graph, money = (await loot(alice)).kept.graph, Money(network)
    await money.begin(alice, bob)
    await estimate(network, 5_000)
    await broadcast_commitment(network, alice)
    await know(alice, 0, 3)
    await pass_blocks(network, 2)
    await estimate(network, 2_500)
    await know(bob, 0, 1)
    await finish(network, alice, bob)
    fees = await money.fees_sat(alice, bob)
    alice_sat, bob_sat = CAPACITY_SAT - PUSHED_SAT - 40_000 + 20_000, PUSHED_SAT + 40_000 - 20_000
    assert await money.gained_sat(bob) == bob_sat - fees["bob"]
    opener_sat = fees["channel"] + await money.unspent_anchors_sat()  # the trimmed HTLC is in the commitment's fee
    assert await money.gained_sat(alice) == alice_sat - fees["alice"] - opener_sat
    assert fees["alice"] < 30_000 and fees["bob"] < 10_000, fees
    day = Day()
    day.heard("alice", alices)
    day.heard("bob", bobs)
    return await outcome(day, money, graph, alice, bob)


async def helped(network: Network, kind: str) -> Day:
    """Bob's commitment is in the mempool, and he is gone; alice wants it confirmed."""
    alice, bob = await network.node("alice"), await network.node("bob")
    await network.channel(alice, bob, CAPACITY_SAT, push_sat=PUSHED_SAT, kind=kind)
    graph, money = (await loot(bob)).kept.graph, Money(network)
    await money.begin(alice)
    await broadcast_commitment(network, bob)
    await network.stop(bob)
    await estimate(network, 15_000)
    await alice.api.close(driver_of(alice).channel.id.hex(), True, None)
    await full_blocks(network)
    await estimate(network, 2_500)
    await finish(network, alice)
    fees = await money.fees_sat(alice)
    opener_sat = fees["channel"] + await money.unspent_anchors_sat()
    assert await money.gained_sat(alice) == CAPACITY_SAT - PUSHED_SAT - fees["alice"] - opener_sat
    return await outcome(Day(), money, graph, alice)


async def punished(network: Network, kind: str) -> Day:
    """Nothing more happens than the thief's commitment."""
    alice, bob, stolen = await robbed(network, kind)
    day, heard, money = Day(), ears(bob), Money(network)
    await network.stop(alice)
    await money.begin(bob)
    await full_blocks(network, 1, stolen.commitment)
    await secured(network, bob, money, stolen)
    day.heard("bob", heard)
    return await outcome(day, money, stolen.kept.graph, bob)


async def moved(network: Network, kind: str) -> Day:
    """Her HTLC transactions are confirmed, two of them with preimages."""
    alice, bob, stolen = await robbed(network, kind)
    day, money = Day(), Money(network)
    await money.begin(bob)
    await network.stop(alice)
    await network.stop(bob)
    coins = [await coin(network) for _ in range(3)]
    await full_blocks(network, 40, stolen.commitment)
    known = [preimage(n) for n in (2, 3)]
    claims = stolen.claims(known, [sha256(each).digest() for each in known])
    txs = [stolen.second_stage([claim], each) for claim, each in zip(claims, coins, strict=True)]
    await full_blocks(network, 2, *txs)
    bob, heard = await reborn(network, bob)
    await pass_blocks(network, 2)
    lost_sat = sum([await money.fee_sat(tx) for tx in txs]) if kind != ANCHORS else 0
    await secured(network, bob, Only(network, money, txs, bob), stolen, lost_sat)
    day.heard("bob", heard)
    return await outcome(day, money, stolen.kept.graph, bob)


async def lost(network: Network, kind: str) -> Day:
    """Alice is paid 50,000 sat that the copy knows nothing of."""
    alice, bob = await network.node("alice"), await network.node("bob")
    channel = await network.channel(alice, bob, CAPACITY_SAT, push_sat=PUSHED_SAT, kind=kind)
    folder, copy = network.folder / "alice", network.folder / "copy"
    alice.config = replace(alice.config, listen=alice.peers.listening())
    await network.stop(alice)
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("run"))
    alice = await again(network, alice)
    await network.active(channel, alice, bob)
    await bob.api.pay((await alice.api.invoice(50_000_000, "later", 3600)).invoice, None, 20)
    await until(lambda: not driver_of(alice).channel.log and not driver_of(bob).channel.log, "settled")
    graph, money, funding = (await loot(bob)).kept.graph, Money(network), driver_of(bob).channel.fundings[0]
    await money.begin(alice, bob)
    await network.stop(alice)
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    alice = await again(network, alice)
    await until(lambda: isinstance(driver_of(alice).channel.phase, Failed), "the alarm")
    await network.spent(f"{funding.txid[::-1].hex()}:{funding.vout}")
    await finish(network, alice, bob)
    fees = await money.fees_sat(alice, bob)
    opener_sat = fees["channel"] + await money.unspent_anchors_sat()
    alice_sat = CAPACITY_SAT - PUSHED_SAT + 50_000
    assert await money.gained_sat(alice) == alice_sat - fees["alice"] - opener_sat
    assert await money.gained_sat(bob) == CAPACITY_SAT - alice_sat - fees["bob"]
    return await outcome(Day(), money, graph, alice, bob)


async def anyone(network: Network, kind: str) -> Day:
    """A stranger takes both anchors after 16 blocks, before alice's delay has passed: all else is as it was."""
    alice, bob = await network.node("alice"), await network.node("bob")
    await network.channel(alice, bob, CAPACITY_SAT, push_sat=PUSHED_SAT, kind=kind)
    graph, money = (await loot(alice)).kept.graph, Money(network)
    await money.begin(alice, bob)
    await estimate(network, 300)  # an anchor is worth its fee
    commitment = await broadcast_commitment(network, alice)
    await network.stop(bob)
    coined, value_sat = await coin(network)  # and the commitment is in that block
    await pass_blocks(network, 16, 16)
    anchors = [(v, o) for v, o in enumerate(graph.outputs) if o.kind == "anchor"]
    inputs = [TxIn(commitment.txid, v, 16, witness=(b"", o.witness_script)) for v, o in anchors]
    theft = Tx((*inputs, coined), (TxOut(value_sat, b"\x00\x14" + bytes(20)),))
    await full_blocks(network, 1, theft)
    assert await spender(network, commitment.txid, anchors[0][0]) is None
    bob = await network.restart(bob)
    await finish(network, alice, bob)
    txs, fees = await money.transactions(), {"alice": 0, "bob": 0}
    for tx in txs:
        owner = _owner(money, tx, txs, (alice, bob))
        if owner != STRANGER and tx.txid != commitment.txid:
            fees[owner] += await money.fee_sat(tx)
    opener_sat = await money.fee_sat(commitment) + 330 * len(anchors)
    assert await money.gained_sat(alice) == CAPACITY_SAT - PUSHED_SAT - fees["alice"] - opener_sat
    assert await money.gained_sat(bob) == PUSHED_SAT - fees["bob"]
    return await outcome(Day(), money, graph, alice, bob)


STORIES = {each.__name__: each for each in (forced, helped, punished, moved, lost, anyone)}
