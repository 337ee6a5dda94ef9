"""Does a running node do what it is asked, and no more than that?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.testing import Network


@pytest.mark.parametrize("apart", [False, True], ids=["one process", "processes"])
def test_the_faucet_mines_its_payment_and_nothing_else(tmp_path: Path, apart: bool) -> None:
    async def main() -> None:
        async with Network(tmp_path, apart=apart) as network:
            alice = await network.node("alice")
            height = (await network.chain.best_block()).height
            await alice.api.fund(50_000)
            assert (await network.chain.best_block()).height == height + 1
            (coin,) = (await alice.api.funds()).coins
            assert (coin.amount_sat, coin.confirmations) == (50_000, 1)

    asyncio.run(main())
