"""Do we and LDK close together where an HTLC is still in flight, and to scripts that were promised or are new?"""

import asyncio
from pathlib import Path
from typing import NamedTuple

import pytest
from embit import bech32
from msgspec.structs import replace

from lnpd.errors import CommandRefused
from lnpd.rpc.answers import Closed
from lnpd.services.node.node import Node
from lnpd.testing import until, until_asked
from tests.e2e.closing import driver_of, spender
from tests.interop.ldk import Ldk, a_world

AMOUNT_MSAT = 30_000_000
TAPROOT = bytes.fromhex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")  # G: nobody's money
ADDRESS, TAPROOT_SCRIPT = bech32.encode("bcrt", 1, TAPROOT), b"\x51\x20" + TAPROOT
ELSEWHERE = bech32.encode("bcrt", 0, bytes(20))


class Row(NamedTuple):
    """A close, by whoever opened: what we promise (--upfront-shutdown), and where who closes asks to be paid."""

    by_us: bool
    anchors: bool
    promise: str
    asked: bool = False  # to a taproot script, which who closes did not promise


ROWS = {
    "we open and close as promised, static_remotekey": Row(True, False, ADDRESS),
    "we open and close to taproot, anchors": Row(True, True, "off", asked=True),
    "LDK opens and closes to taproot, static_remotekey": Row(False, False, "wallet", asked=True),
    "LDK opens and closes, we promised taproot, anchors": Row(False, True, ADDRESS),
}


async def close(ours: Node, peer: Ldk, channel: str, row: Row) -> asyncio.Task[Closed] | None:
    """Begins; the task in which we do."""
    if row.promise != "off":
        with pytest.raises(CommandRefused, match="promised where its close pays us"):
            await ours.api.close(channel, False, ELSEWHERE)
    if row.by_us:
        return asyncio.create_task(ours.api.close(channel, False, ADDRESS if row.asked else None))
    await peer("close", channel=channel, **({"taproot": TAPROOT.hex()} if row.asked else {}))
    return None


@pytest.mark.parametrize("name", ROWS)
def test_a_close_waits_for_an_htlc(tmp_path: Path, name: str) -> None:
    """And pays to what either promised (option_upfront_shutdown_script) or asks for (option_shutdown_anysegwit)."""
    row = ROWS[name]

    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours = await world.network.node("ours", upfront_shutdown=row.promise)
            silent = row.asked and not row.by_us
            peer = await world.ldk("ldk", anchors=row.anchors, hold=True, promise=not silent)
            channel = await world.open(*((ours, peer) if row.by_us else (peer, ours)), push_sat=400_000)
            state = driver_of(ours).channel
            mine, theirs = (state.terms[party].upfront_shutdown_script for party in (state.us, state.them))
            assert bool(theirs) is not silent
            assert mine == {"off": b"", "wallet": state.policy.sweep_script}.get(row.promise, TAPROOT_SCRIPT)
            bill = await peer("invoice", msat=AMOUNT_MSAT)
            paying = asyncio.create_task(ours.api.pay(bill["invoice"], None, 60))
            held = await peer.event("PaymentClaimable")
            closing = await close(ours, peer, channel, row)

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
            assert {output.script_pubkey for output in tx.outputs} == {mine or TAPROOT_SCRIPT, theirs or TAPROOT_SCRIPT}
            ended = await peer.event("ChannelClosed", channel=channel)
            assert ended["why"].endswith("InitiatedCooperativeClosure"), ended
            await world.mine(6)
            if not silent:
                await peer.event("Swept")

    asyncio.run(main())


def test_ldk_holds_us_to_what_we_promised(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours, peer = await world.network.node("ours", upfront_shutdown=ADDRESS), await world.ldk("ldk")
            channel = await world.open(ours, peer, push_sat=400_000)
            driver = driver_of(ours)
            ours_terms, their_terms = driver.channel.terms
            forgotten = replace(ours_terms, upfront_shutdown_script=b"")
            driver.channel = replace(driver.channel, terms=(forgotten, their_terms))  # as somebody who broke in
            closing = asyncio.create_task(ours.api.close(channel, False, ELSEWHERE))
            await until(lambda: "did not match their previous scriptpubkey" in caplog.text, "LDK's warning")
            assert await peer.channel(channel) and driver.channel.shutdown[driver.channel.them] == b""
            closing.cancel()

    asyncio.run(main())
