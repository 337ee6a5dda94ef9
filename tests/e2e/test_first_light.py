"""Do two whole nodes open a channel, pay each other, survive a stop, and close, with every satoshi accounted for?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.testing import Network, shown, until, until_asked
from tests.e2e.places import PLACES, WHERE


@pytest.mark.parametrize("apart", WHERE, ids=PLACES)
@pytest.mark.parametrize("kind", ["anchors_zero_fee_htlc_tx", "static_remotekey"])
def test_open_pay_both_ways_restart_and_close(tmp_path: Path, kind: str, apart: bool) -> None:
    async def main() -> None:
        async with Network(tmp_path, apart) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000, kind=kind)
            invoice = await bob.api.invoice(50_000_000, "coffee", 3600)
            paid = await alice.api.pay(invoice.invoice, None, 20)
            assert paid.amount_msat == 50_000_000
            back = await alice.api.invoice(7_000_001, "change", 3600)
            await bob.api.pay(back.invoice, None, 20)
            bob = await network.restart(bob)
            await network.active(channel, alice, bob)
            again = await bob.api.invoice(1_000, "after the restart", 3600)
            await alice.api.pay(again.invoice, None, 20)
            ours_msat = 1_000_000_000 - 50_000_000 + 7_000_001 - 1_000

            async def agreed() -> bool:
                rows = [await shown(node, channel) for node in (alice, bob)]
                return [r and (r.ours_msat, r.htlcs) for r in rows] == [
                    (ours_msat, ()),
                    (1_000_000_000 - ours_msat, ()),
                ]

            await until_asked(agreed, "both balances")
            closed = await alice.api.close(channel, False, None)
            assert closed.how == "mutual"
            await network.seen(closed.txid)
            before = (await alice.wallet.balance()).confirmed_sat, (await bob.wallet.balance()).confirmed_sat
            await network.mine(1)
            after = (await alice.wallet.balance()).confirmed_sat, (await bob.wallet.balance()).confirmed_sat
            assert after[1] - before[1] == (1_000_000_000 - ours_msat) // 1000
            assert 0 < ours_msat // 1000 - (after[0] - before[0]) < 2_000, "the opener paid the fee"
            await network.mine(100)
            await until(lambda: not alice.channels.drivers and not bob.channels.drivers, "the channels are settled")

    asyncio.run(main())
