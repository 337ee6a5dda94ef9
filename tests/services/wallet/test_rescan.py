"""Does the wallet find its coins again, from a block on, and nothing twice?"""

import asyncio
from pathlib import Path

from lnpd.services.wallet.rows import TRANSACTIONS
from lnpd.store.write import Write
from lnpd.testing import Network


def test_forgotten_coins_are_found_from_a_block_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            node = await network.node("alice")
            await network.fund(node, 500_000)
            heights = [await network.mine()]
            await network.fund(node, 70_000)
            whole = await node.api.funds()
            assert await node.api.rescan(0) == whole  # nothing is found twice

            def forget(write: Write) -> None:
                for txid, _ in write.values(TRANSACTIONS):
                    write.delete_value(TRANSACTIONS, txid)

            await node.store.write(forget)
            assert (await node.api.funds()).confirmed_sat == 0
            assert (await node.api.rescan(heights[0] + 1)).confirmed_sat == 70_000
            assert (await node.api.rescan(0)).confirmed_sat == whole.confirmed_sat == 570_000
            await node.api.send(await node.wallet.new_address(), 20_000, 1_000)
            await network.mine(2)
            whole = await node.api.funds()
            await node.store.write(forget)
            assert (await node.api.rescan(0)).confirmed_sat == whole.confirmed_sat > 569_000
            node = await network.restart(node)
            assert (await node.api.funds()).confirmed_sat == whole.confirmed_sat

    asyncio.run(main())
