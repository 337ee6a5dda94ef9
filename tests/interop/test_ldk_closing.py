"""Do we and LDK close together where an HTLC is still in flight, and to scripts that were promised or are new?"""

import asyncio
from pathlib import Path

import pytest
from embit import bech32

from lnpd.testing import until_asked
from tests.e2e.closing import driver_of, spender
from tests.interop.ldk import a_world

AMOUNT_MSAT = 30_000_000
TAPROOT = bytes.fromhex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")  # G: nobody's money


@pytest.mark.parametrize("anchors", [False, True], ids=["static_remotekey", "anchors"])
@pytest.mark.parametrize("by_us", [True, False], ids=["we open and close", "LDK opens and closes"])
def test_a_close_waits_for_an_htlc(tmp_path: Path, anchors: bool, by_us: bool) -> None:
    """Whoever opened closes: we to a taproot address (option_shutdown_anysegwit), LDK to the script it promised."""

    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours, peer = await world.network.node("ours"), await world.ldk("ldk", anchors=anchors, hold=True)
            channel = await world.open(*((ours, peer) if by_us else (peer, ours)), push_sat=400_000)
            state = driver_of(ours).channel
            promised = state.terms[state.them].upfront_shutdown_script
            assert promised
            bill = await peer("invoice", msat=AMOUNT_MSAT)
            paying = asyncio.create_task(ours.api.pay(bill["invoice"], None, 60))
            held = await peer.event("PaymentClaimable")
            closing = None
            if by_us:
                address = bech32.encode("bcrt", 1, TAPROOT)
                closing = asyncio.create_task(ours.api.close(channel, False, address))
            else:
                await peer("close", channel=channel)

            async def begun() -> bool:
                return not (await peer.channel(channel))["usable"]

            await until_asked(begun, "the shutdown")
            await ours.api.disconnect(peer.node_id)  # shutdown is said again after channel_reestablish
            await world.connect(ours, peer)
            await peer("claim", payment_hash=held["payment_hash"])
            assert (await paying).payment_hash == held["payment_hash"]
            funding = state.fundings[0]
            tx = await until_asked(
                lambda: spender(world.network, funding.txid, funding.vout), "the closing transaction"
            )
            if closing is not None:
                assert (await closing).txid == tx.txid[::-1].hex()
                assert b"\x51\x20" + TAPROOT in [output.script_pubkey for output in tx.outputs]
            assert promised in [output.script_pubkey for output in tx.outputs]
            ended = await peer.event("ChannelClosed", channel=channel)
            assert ended["why"].endswith("InitiatedCooperativeClosure"), ended
            await world.mine(6)
            await peer.event("Swept")

    asyncio.run(main())
