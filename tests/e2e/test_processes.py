"""Is a node the same with its signer and its chain in processes of their own, and who opens the key file?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.testing import Network, shown, until_asked
from tests.e2e.test_lockbox import KINDS, WITH_LOCKBOX, boxes


@pytest.mark.parametrize("apart", [False, True], ids=["one process", "signer and chain apart"])
def test_the_same_story_wherever_services_run(tmp_path: Path, apart: bool) -> None:
    async def main() -> None:
        async with Network(tmp_path, apart) as network:
            alice = await network.node("alice", **WITH_LOCKBOX)
            bob = await network.node("bob", **WITH_LOCKBOX)
            channel = await network.channel(alice, bob, 1_000_000, push_sat=300_000, kind=KINDS[0])
            await alice.api.pay((await bob.api.invoice(40_000_000, "there", 3600)).invoice, None, 20)
            await bob.api.pay((await alice.api.invoice(30_000_000, "back", 3600)).invoice, None, 20)
            await alice.api.call_plugin("lockbox-put", {"channel_id": channel, "amount_sat": 25_000})
            await boxes(alice, channel, 2)
            alice = await network.restart(alice)
            await network.active(channel, alice, bob)
            await alice.api.call_plugin("lockbox-give", {"channel_id": channel, "box": 0})
            await boxes(bob, channel, 0)

            async def agreed() -> bool:
                row = await shown(bob, channel)
                return row is not None and not row.htlcs and row.ours_msat == 335_000_000

            await until_asked(agreed, "the balances")
            closed = await bob.api.close(channel, False, None)
            await network.seen(closed.txid)
            await network.mine(1)
            assert (await bob.wallet.balance()).confirmed_sat == 335_000

    asyncio.run(main())
