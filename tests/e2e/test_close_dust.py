"""Does a close end that leaves out what is dust to one side only? (BOLT 3, Closing Transaction)"""

import asyncio
from pathlib import Path

import msgspec
import pytest

from lnpd.services.node.node import Node
from lnpd.testing import Network, shown, until_asked
from tests.e2e.places import PLACES, WHERE

DUST_SAT = 546  # of CLN and LND
BOBS_SAT = 500  # more than his own limit of 354


def with_dust_limit(node: Node, dust_sat: int) -> None:
    """What this node demands in its channels from now on."""
    settings = node.channels.settings
    demands = msgspec.structs.replace(settings.demands, dust_limit_sat=dust_sat)
    object.__setattr__(settings, "demands", demands)


@pytest.mark.parametrize("apart", WHERE, ids=PLACES)
def test_a_peer_whose_dust_limit_is_higher_drops_our_output(tmp_path: Path, apart: bool) -> None:
    async def main() -> None:
        async with Network(tmp_path, apart) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            with_dust_limit(alice, DUST_SAT)
            channel = await network.channel(alice, bob, 1_000_000)
            await alice.api.pay((await bob.api.invoice(1000 * BOBS_SAT, "little", 3600)).invoice, None, 20)

            async def settled() -> bool:
                rows = [await shown(node, channel) for node in (alice, bob)]
                return all(row is not None and not row.htlcs for row in rows)

            await until_asked(settled, "nothing in flight")
            closed = await alice.api.close(channel, False, None)
            assert closed.how == "mutual"
            await network.seen(closed.txid)
            await network.mine(1)
            for node in (alice, bob):
                row = await shown(node, channel)
                assert row is not None and row.closing_txid == closed.txid
            assert (await bob.wallet.balance()).confirmed_sat == 0

    asyncio.run(main())
