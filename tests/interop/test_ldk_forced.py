"""Who has every satoshi when we or LDK force-close a channel with HTLCs in flight both ways?

Of two HTLCs each way one is claimed with its preimage, after the commitment is in the chain, and one times out.
"""

import asyncio
from pathlib import Path

import pytest

from lnpd.channel.events import Fulfill
from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.testing import shown, until, until_asked
from lnpd.tx.states import htlcs_of
from lnpd.tx.transaction import Tx
from tests.e2e.closing import Money, driver_of, ears, spender
from tests.interop.ldk import Ldk, World, a_world, preimage_of

CAPACITY_SAT = 2_000_000  # half of it is pushed
# Who closes, who opened, and the channel's type.
ROWS = [
    ("ours", "ours", "static_remotekey"),
    ("ldk", "ldk", "static_remotekey"),
    ("ours", "ldk", "anchors"),
    ("ldk", "ours", "anchors"),
]
OUT_SAT, IN_SAT = (40_000, 30_000), (20_000, 25_000)  # of each pair the first is claimed
MOST_BLOCKS = 500
ANCHOR_SAT = 330
Paying = asyncio.Task[object]


async def wallet_sat(world: World, peer: Ldk) -> int:
    """What LDK's wallet has."""
    coins = await asyncio.to_thread(world.bitcoind.call, "listunspent", 0, wallet=peer.name)
    return sum(round(coin["amount"] * 100_000_000) for coin in coins)


async def four_htlcs(world: World, ours: Node, peer: Ldk, channel: str) -> tuple[list[Paying], list[str]]:
    """Two ways, two each: our payments, and the hashes of LDK's. Nobody answers them."""
    bills = [(await peer("invoice", msat=1000 * sat))["invoice"] for sat in OUT_SAT]
    paying: list[Paying] = [asyncio.create_task(ours.api.pay(bill, None, 600)) for bill in bills]
    hashes = []
    for sat in IN_SAT:
        invoice = await ours.api.invoice(1000 * sat, "held", 3600)
        hashes.append((await peer("pay", invoice=invoice.invoice))["payment_hash"])
        # LDK 0.1 takes back HTLCs of one expiry in one transaction, and still tries to when one of them is ours.
        await world.mine(1)

    async def committed() -> bool:
        row, theirs = await shown(ours, channel), await peer.channel(channel)
        heard = len(peer.heard("PaymentClaimable"))
        return bool(row and len(row.htlcs) == theirs["htlcs"] == 4 and heard == 2 and not driver_of(ours).channel.log)

    await until_asked(committed, "four HTLCs")
    return paying, hashes


async def closed(world: World, ours: Node, peer: Ldk, channel: str, by_us: bool) -> None:
    """One of the two has broadcast its commitment, before the other one hears of it."""
    funding = driver_of(ours).channel.fundings[0]
    await ours.api.disconnect(peer.node_id)
    await until(lambda: driver_of(ours).channel.link == "down", "the end of the connection")
    if by_us:
        await ours.api.close(channel, True, None)
    else:
        await peer("close", channel=channel, force=True)
    tx = await until_asked(lambda: spender(world.network, funding.txid, funding.vout), "a commitment")
    graph = await driver_of(ours).fills.commitment(tx.txid)
    assert graph is not None
    assert (graph.holder == driver_of(ours).channel.us) is by_us


async def reveal(ours: Node, payment_hash: str) -> None:
    """We use the preimage of an HTLC that came to us."""
    htlcs = htlcs_of(driver_of(ours).channel.base.states)
    (identity,) = [htlc.id for htlc in htlcs if htlc.payment_hash.hex() == payment_hash]
    await driver_of(ours).command(Fulfill(identity, await preimage_of(ours, payment_hash)))


async def finish(world: World, ours: Node, peer: Ldk) -> None:
    """Blocks go by until neither side has anything to wait for."""
    for _ in range(MOST_BLOCKS // 5):
        if not ours.channels.drivers and not await peer("balances") and not await peer("unswept"):
            await world.mine(1)
            return
        await world.mine(5)
    raise AssertionError(f"not settled: {await ours.api.channels(True)}, {await peer('balances')}")


class Both(Money):
    """Money of whom one has a wallet of ours, and the other one is LDK."""

    def _owner(self, tx: Tx, txs: list[Tx], nodes: tuple[Node, ...]) -> str:
        ours = any(
            node.wallet.scripts.path(output.script_pubkey) is not None for output in tx.outputs for node in nodes
        )
        below = [each for each in txs if any(i.txid == tx.txid for i in each.inputs)]
        if ours or not below:
            return "ours" if ours else "ldk"
        return self._owner(below[0], txs, nodes)

    async def anchors_sat(self, ours: Node, opener: str) -> dict[str, int]:
        """What each side gains by anchors: the opener pays for both, and whoever takes one has it."""
        txs, gained = await self.transactions(), {"ours": 0, "ldk": 0}
        anchors = {(tx.txid, vout) for tx in txs for vout, o in enumerate(tx.outputs) if o.value_sat == ANCHOR_SAT}
        gained[opener] -= ANCHOR_SAT * len(anchors)
        for tx in txs:
            taken = sum((spent.txid, spent.vout) in anchors for spent in tx.inputs)
            if taken:
                gained[self._owner(tx, txs, (ours,))] += ANCHOR_SAT * taken
        return gained


@pytest.mark.parametrize(("closer", "opener", "kind"), ROWS, ids=[f"{a} closes, {b} opened, {c}" for a, b, c in ROWS])
def test_a_forced_close_amid_four_htlcs(tmp_path: Path, closer: str, opener: str, kind: str) -> None:
    """Each side has all that is its own but the fees of its transactions; the opener pays those of the commitment."""

    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours = await world.network.node("ours")
            peer = await world.ldk("ldk", anchors=kind == "anchors", hold=True)
            await world.network.fund(ours, 300_000)  # for the fees of anchors
            sides = (ours, peer) if opener == "ours" else (peer, ours)
            channel = await world.open(*sides, CAPACITY_SAT, push_sat=CAPACITY_SAT // 2)
            ears(ours)
            money = Both(world.network)
            await money.begin(ours)
            before_sat = await wallet_sat(world, peer)
            paying, (shown_hash, late_hash) = await four_htlcs(world, ours, peer, channel)
            await closed(world, ours, peer, channel, closer == "ours")
            await world.mine(1)
            await peer.event("ChannelClosed", channel=channel)
            (first,) = peer.heard("PaymentClaimable", msat=1000 * OUT_SAT[0])
            await peer("claim", payment_hash=first["payment_hash"])
            await reveal(ours, shown_hash)
            await finish(world, ours, peer)
            ended = await asyncio.gather(*paying, return_exceptions=True)
            assert [isinstance(each, LnpdError) for each in ended] == [False, True], ended
            await peer.event("PaymentSent", payment_hash=shown_hash)
            await peer.event("PaymentFailed", payment_hash=late_hash)
            fees = await money.fees_sat(ours)
            fees[opener] += fees["channel"]
            gained = {"ours": await money.gained_sat(ours), "ldk": await wallet_sat(world, peer) - before_sat}
            moved_sat = {"ours": IN_SAT[0] - OUT_SAT[0], "ldk": OUT_SAT[0] - IN_SAT[0]}
            anchors_sat = await money.anchors_sat(ours, opener)
            assert gained == {
                who: CAPACITY_SAT // 2 + moved_sat[who] + anchors_sat[who] - fees[who] for who in ("ours", "ldk")
            }

    asyncio.run(main())
