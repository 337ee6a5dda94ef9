"""Do whole nodes live on a real bitcoind as they do on the embedded chain?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.testing import Network, shown, until, until_asked
from tests.interop.bitcoind import a_bitcoind


@pytest.mark.parametrize("kind", ["anchors_zero_fee_htlc_tx", "static_remotekey"])
def test_open_pay_restart_and_close_on_bitcoind(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with a_bitcoind(tmp_path) as bitcoind, Network(tmp_path / "n", bitcoind=bitcoind.directory) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000, kind=kind)
            invoice = await bob.api.invoice(50_000_000, "coffee", 3600)
            paid = await alice.api.pay(invoice.invoice, None, 20)
            assert paid.amount_msat == 50_000_000
            bob = await network.restart(bob)
            await network.active(channel, alice, bob)
            back = await alice.api.invoice(7_000_000, "change", 3600)
            await bob.api.pay(back.invoice, None, 20)

            async def settled() -> bool:
                rows = [await shown(node, channel) for node in (alice, bob)]
                return [r and (r.ours_msat, r.htlcs) for r in rows] == [(957_000_000, ()), (43_000_000, ())]

            await until_asked(settled, "both balances")
            closed = await alice.api.close(channel, False, None)
            await network.seen(closed.txid)
            before = (await bob.wallet.balance()).confirmed_sat
            await network.mine(1)
            assert (await bob.wallet.balance()).confirmed_sat - before == 43_000
            await network.mine(100)
            await until(lambda: not alice.channels.drivers and not bob.channels.drivers, "the channels are settled")

    asyncio.run(main())
