"""Do assets move in a channel between two real nodes, and come home from it, with the real rgb-lib?

Each story ends by counting the tokens: none is lost or made.
"""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from lnpd_sdk.script import Key, Sighash

from lnpd.crypto.secp import sign, to_der
from lnpd.errors import PluginRefused
from lnpd.services.node.node import Node
from lnpd.testing.onchain import transactions
from lnpd.tx.claims import Claimable
from lnpd.tx.transaction import SIGHASH_ALL, SIGHASH_ANYONECANPAY, SIGHASH_SINGLE, Tx, TxIn, TxOut
from tests.e2e.closing import broadcast_commitment, finish, know, preimage
from tests.e2e.thief import Loot, loot
from tests.interop.rgb import rgb_world
from tests.interop.rgb_nodes import FUNDING_SAT, ISSUED, RgbNodes, rgb_nodes, settings_of
from tests.interop.rgb_transfers import ANYONE, ANYONE_SCRIPT
from tests.plugins.rgb_channel.test_story import at_rest, offer, silent

HELD, PAID = 5_000, 700
MINE = TxOut(1_000, b"\0\x14" + bytes(20))  # a thief's own
ROOT = Path(__file__).parents[2]


def told(folder: Path, story: Callable[[RgbNodes, str], Awaitable[None]]) -> None:
    """Tells a story of a channel with 5,000 USDX, of which 700 were paid to Bob."""

    async def main() -> None:
        async with rgb_nodes(folder) as pair:
            asset = await pair.issued()
            channel = await pair.opened(HELD)
            await pair.paid(pair.alice, pair.bob, asset, PAID)
            for node in (pair.alice, pair.bob):
                await pair.settled(node)
            await story(pair, channel)

    asyncio.run(asyncio.wait_for(main(), 240))


def test_tokens_are_paid_both_ways_and_come_home(tmp_path: Path) -> None:
    async def story(pair: RgbNodes, channel: str) -> None:
        asset = (await pair.rgb(pair.alice, "list"))[0]["asset_id"]
        cost = await pair.rgb(pair.alice, "open-cost", amount_sat=500_000, asset="USDX:40")
        assert cost["amount_msat"] == 500_000_000 and cost["fee_msat"] > 0 and "40 of USDX" in cost["note"]
        with pytest.raises(PluginRefused, match=f"{ISSUED - HELD} of USDX can be spent now, not {ISSUED}"):
            await pair.rgb(pair.alice, "open-cost", amount_sat=500_000, asset=f"USDX:{ISSUED}")
        made = await pair.rgb(pair.bob, "invoice", asset=asset, amount=7)
        cost = await pair.rgb(pair.alice, "pay-cost", invoice=made["invoice"])
        assert (cost["to"], cost["amount_msat"]) == (pair.bob.node_id.hex(), made["amount_msat"])
        assert f"7 of {asset}" in cost["note"]
        await pair.paid(pair.alice, pair.bob, asset, 500)
        await pair.paid(pair.bob, pair.alice, asset, 300)
        for node, ours in ((pair.alice, 4_100), (pair.bob, 900)):
            row = await pair.settled(node)
            assert (row["channel_id"], row["ours"], row["theirs"]) == (channel, ours, HELD - ours)
        alices = [("issued", ISSUED, 0), ("opened", -HELD, HELD), ("paid", 0, -PAID), ("paid", 0, -500)]
        alices, bobs = [*alices, ("was_paid", 0, 300)], [("paid", 0, -300), ("was_paid", 0, 500), ("was_paid", 0, PAID)]
        assert (await pair.books(pair.alice), await pair.books(pair.bob)) == (alices, bobs)
        rows = await pair.rgb(pair.bob, "history", asset=asset)
        assert await pair.rgb(pair.bob, "history", asset=asset, limit=1, skip=2) == rows[:1]
        assert all(row["amount_msat"] and row["payment_hash"] and row["status"] == "paid" for row in rows)
        closed = await pair.alice.api.close(channel, False, None)
        await pair.network.seen(closed.txid)
        await pair.dusted(closed.txid)
        await pair.until_tokens(pair.alice, ISSUED - 900)
        await pair.until_tokens(pair.bob, 900)
        assert await pair.books(pair.alice) == [("came_home", 4_100, -4_100), *alices]
        assert await pair.books(pair.bob) == [("came_home", 900, -900), *bobs]
        for node in (pair.alice, pair.bob):
            (waiting,) = await pair.rgb(node, "collect")
            assert "does not know how" in waiting["problem"]

    told(tmp_path, story)


def test_tokens_in_flight_come_home_after_a_forced_close(tmp_path: Path) -> None:
    """By preimage and by timeout, on the own commitment and on the other's."""

    async def story(pair: RgbNodes, channel: str) -> None:
        alice, bob = pair.alice, pair.bob
        with silent(alice, bob):
            height = await pair.network.followed()
            taken = await offer(alice, bob, 1, 40_000, height + 60, 1_000)
            await offer(alice, bob, 2, 30_000, height + 40, 200)
            redeemed = await offer(bob, alice, 3, 25_000, height + 60, 50)
            await offer(bob, alice, 4, 26_000, height + 44, 7)
            await broadcast_commitment(pair.network, alice)
            await pair.mine()
            await know(bob, taken, 1)
            await know(alice, redeemed, 3)
            await finish(pair.network, alice, bob)
        await pair.until_tokens(bob, PAID + 1_000 - 50)
        await pair.until_tokens(alice, ISSUED - PAID - 1_000 + 50)
        shown = await pair.rgb(alice, "balance")
        assert shown["assets"][0]["all"] == ISSUED - PAID - 1_000 + 50, shown

    told(tmp_path, story)


def changed(loot: Loot, claim: Claimable, coin: TxIn) -> Iterator[Tx]:
    """A thief's HTLC transaction with an output of its own added, and with a coin of its own beside it: with either
    flag that a peer's signature might have, and its own made for what it changed."""
    second, output = loot.second_stage([claim]), claim.output
    nothing, peers, _, *rest = second.inputs[0].witness
    secret = loot.keys.secret(Key.HOLDER_HTLC, True, loot.kept.graph.keys.per_commitment_point)
    assert secret is not None
    for inputs in (second.inputs, (*second.inputs, coin)):
        for more in ((*second.outputs, MINE), (*second.outputs[:-1], MINE), (MINE, *second.outputs)):
            for flags in (SIGHASH_ALL, SIGHASH_SINGLE | SIGHASH_ANYONECANPAY):
                tx = Tx(inputs, more, second.locktime)
                own = to_der(sign(secret, tx.sighash(0, output.witness_script, output.value_sat)))
                yield tx.with_witness(0, (nothing, peers[:-1] + bytes([flags]), own + b"\x01", *rest))


async def refused_by_the_chain(pair: RgbNodes, txs: Iterable[Tx]) -> None:
    for number, tx in enumerate(txs):
        (told,) = pair.world.bitcoind.call("testmempoolaccept", [tx.serialise().hex()])
        assert not told["allowed"] and "script-verify-flag" in told["reject-reason"], (number, told)


async def taken(pair: RgbNodes, node: Node, stolen: Sequence[Tx]) -> int:
    """The sat of what a thief made that are a node's wallet's now; nobody else has any."""
    network, found = pair.network, 0
    outputs = {(tx.txid, vout) for tx in stolen for vout in range(len(tx.outputs))}
    for tx in await transactions(network, 0):
        if tx not in stolen and outputs & {(each.txid, each.vout) for each in tx.inputs}:
            for output in tx.outputs:
                assert not output.value_sat or node.wallet.scripts.path(output.script_pubkey) is not None
                found += output.value_sat
            outputs -= {(each.txid, each.vout) for each in tx.inputs}
    spent = {(each.txid, each.vout) for tx in stolen for each in tx.inputs}
    left = [
        tx.outputs[vout].value_sat
        for tx in stolen
        for vout in range(len(tx.outputs))
        if (tx.txid, vout) in outputs - spent
    ]
    assert not any(left), "nothing is left to the thief"
    return found


def test_a_thief_loses_all_tokens(tmp_path: Path) -> None:
    """Alice broadcasts a revoked commitment, and its HTLC transaction, to which she cannot add anything."""

    async def story(pair: RgbNodes, channel: str) -> None:
        alice, bob, send = pair.alice, pair.bob, pair.world.bitcoind.call
        with silent(alice, bob):
            height = await pair.network.followed()
            await offer(alice, bob, 1, 40_000, height + 60, 1_000)
            mine = await offer(bob, alice, 2, 30_000, height + 60, 200)
            stale = await loot(alice)
            await know(alice, mine, 2)
            await at_rest(alice, bob)
            known = preimage(2)
            (success,) = [each for each in stale.claims([known], [sha256(known).digest()]) if each.late]
            second = stale.second_stage([success])
            assert {each.sighash for each in stale.kept.graph.children} == {Sighash.ALL}
            coin = await pair.world.coin(ANYONE_SCRIPT, 100_000)
            await alice.plugins.stop()
            for node in (alice, bob):  # whose penalty would be in the way of what is tried here
                await pair.network.stop(node)
            send("sendrawtransaction", stale.commitment.serialise().hex())
            await pair.world.mine()
            theirs = TxIn(coin.txid, coin.index, witness=(ANYONE,))
            await refused_by_the_chain(pair, changed(stale, success, theirs))
            send("sendrawtransaction", second.serialise().hex())
            await pair.world.mine()
        bob = pair.bob = await pair.network.node("bob", **settings_of(pair.world))
        await finish(pair.network, bob)
        fees_sat = FUNDING_SAT - await taken(pair, bob, (stale.commitment, second))
        assert 0 < fees_sat < 20_000
        await pair.until_tokens(bob, HELD)

    told(tmp_path, story)


def test_the_demonstration_tells_it_to_the_end() -> None:
    rgb_world()  # skips where it cannot be told
    words = [sys.executable, "-m", "contrib.story", "--rgb"]
    done = subprocess.run(words, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "none is lost, none was made" in done.stdout
