"""Does LDK lose everything when it broadcasts a state that it has revoked? (BOLT 5, Revoked Transaction Close Handling)

The state has an HTLC each way, which are settled later on. LDK's program keeps its old states and tells with what they
would be closed; LDK itself stays honest, and does not know.
"""

import asyncio
from pathlib import Path

import pytest

from lnpd.chain.interface import Outcome
from lnpd.channel.events import Fulfill
from lnpd.channel.state import OnChain
from lnpd.services.node.node import Node
from lnpd.services.payments.ledger import invoice_of
from lnpd.testing import until, until_asked
from lnpd.tx.states import htlcs_of
from lnpd.tx.transaction import Tx, parse
from tests.e2e.closing import Money, driver_of, ears, is_closed
from tests.interop.ldk import Ldk, World, a_world

CAPACITY_SAT, PUSH_SAT = 1_000_000, 400_000
OUT_SAT, IN_SAT, LATER_SAT = 40_000, 25_000, 10_000


async def revoked(world: World, ours: Node, peer: Ldk, channel: str) -> Tx:
    """LDK's commitment with an HTLC of ours and one of its own, both of which ended well; it has been revoked."""
    bill = await peer("invoice", msat=1000 * OUT_SAT)
    paying = asyncio.create_task(ours.api.pay(bill["invoice"], None, 60))
    await peer.event("PaymentClaimable", payment_hash=bill["payment_hash"])
    asked = await ours.api.invoice(1000 * IN_SAT, "held", 3600)
    await peer("pay", invoice=asked.invoice)

    async def committed() -> bool:
        theirs: int = (await peer.channel(channel))["htlcs"]
        return len(htlcs_of(driver_of(ours).channel.base.states)) == theirs == 2

    await until_asked(committed, "an HTLC each way")
    await until(lambda: not driver_of(ours).channel.log, "both commitments have them")
    (raw,) = await peer("commitment", state=await peer("state", channel=channel))

    row = await ours.store.read(lambda read: read.invoice(bytes.fromhex(asked.payment_hash)))
    assert row is not None
    (identity,) = [h.id for h in htlcs_of(driver_of(ours).channel.base.states) if h.payment_hash == row.payment_hash]
    await driver_of(ours).command(Fulfill(identity, invoice_of(row).preimage))
    await peer.event("PaymentSent", payment_hash=asked.payment_hash)
    await peer("claim", payment_hash=bill["payment_hash"])
    await paying
    await peer("set", name="hold", value=False)
    await ours.api.pay((await peer("invoice", msat=1000 * LATER_SAT))["invoice"], None, 60)
    mine_msat = 1000 * (PUSH_SAT - OUT_SAT + IN_SAT - LATER_SAT)
    assert await world.settled(ours, peer, channel) == mine_msat
    return parse(bytes.fromhex(raw))


@pytest.mark.parametrize("anchors", [False, True], ids=["static_remotekey", "anchors"])
def test_a_revoked_commitment_of_ldk_is_punished(tmp_path: Path, anchors: bool) -> None:
    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours, peer = await world.network.node("ours"), await world.ldk("ldk", anchors=anchors, hold=True, keep=True)
            channel = await world.open(peer, ours, CAPACITY_SAT, push_sat=PUSH_SAT)
            ears(ours)
            stolen = await revoked(world, ours, peer, channel)
            await ours.api.disconnect(peer.node_id)
            money = Money(world.network)
            await money.begin(ours)
            offered = await world.network.chain.broadcast((stolen.serialise(),))
            assert offered.outcome is Outcome.ACCEPTED, offered
            await world.mine(1)
            phase = driver_of(ours).channel.phase
            assert isinstance(phase, OnChain) and phase.spend == "revoked"
            await peer.event("ChannelClosed", channel=channel)
            for _ in range(30):
                if is_closed(ours):
                    break
                await world.mine(5)
            assert is_closed(ours) and not await peer("balances") and not await peer("unswept")
            assert {tx.inputs[0].txid for tx in (await money.transactions())[1:]} == {stolen.txid}, (
                "nothing but penalties"
            )
            fees, anchors_sat = await money.fees_sat(ours), await money.unspent_anchors_sat()
            assert await money.gained_sat(ours) == CAPACITY_SAT - fees["channel"] - fees["ours"] - anchors_sat
            assert fees["ours"] < 10_000 and anchors_sat == 660 * anchors

    asyncio.run(main())
