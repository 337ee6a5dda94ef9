"""Does a plugin without a grant get any of our money, whatever it makes of what it is shown? (rule 6)

Both nodes run it, in real processes, and their signers sign whatever commitment the channel makes.
"""

import asyncio
import re
from pathlib import Path

import pytest

from lnpd.channel.events import SetFeerate
from lnpd.channel.queries import Kept, commitment_key
from lnpd.errors import LnpdError
from lnpd.services.channels.batch import find_row, kept_of
from lnpd.services.node.node import Node
from lnpd.testing import Network, until

TAKER = Path(__file__).parents[1] / "plugins" / "taker.py"
KIND = "bad/static_remotekey"
# On which sight it takes, and where it is found out. Taken is the opener's money, 600,000 sat of it.
TAKERS: dict[str, str] = {
    "by_number": r"bad takes 600000000 msat of party 0 in party [01]'s commitment 2",
    "by_holder": r"bad takes 600000000 msat of party 0 in party 1's commitment 2|"
    r"bad would not take the same from the parties in party 0's commitment 2",
    "by_feerate": "bad takes 600000000 msat of party 0 in party [01]'s commitment by base fee",
    "by_htlc_observed": r"bad takes 600000000 msat of party 0 in party [01]'s commitment by htlc add",
}


async def last(node: Node, channel_id: str, holder: int) -> Kept:
    """The last commitment of this holder that a node signed or holds."""
    channel = node.channels.driver_of(channel_id).channel
    key = commitment_key(channel.fundings[0].txid, holder, channel.numbers[holder])  # type: ignore[arg-type]
    row = await node.store.read(lambda read: find_row(read, channel, "commitment", key))
    assert row is not None
    return kept_of(row)


def taker(folder: Path, when: str) -> Path:
    """The plugin that takes on this sight."""
    line = 'WHEN = "by_number"'
    text = TAKER.read_text()
    assert line in text
    made = folder / "taker.py"
    made.write_text(text.replace(line, f'WHEN = "{when}"'))
    return made


@pytest.mark.parametrize("name", TAKERS)
def test_a_plugin_that_helps_itself_gets_nothing(tmp_path: Path, name: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            plugins = (taker(tmp_path, name),)
            alice, bob = await network.node("alice", plugins=plugins), await network.node("bob", plugins=plugins)
            channel = await network.channel(alice, bob, 1_000_000, push_sat=200_000, kind=KIND)
            drivers = [node.channels.driver_of(channel) for node in (alice, bob)]

            async def use() -> None:
                for _ in range(3):
                    invoice = await bob.api.invoice(1_000_000, "a thousand", 3600)
                    await alice.api.pay(invoice.invoice, None, 1)
                await drivers[0].command(SetFeerate(20_000))

            with pytest.raises(LnpdError):
                await use()
            frozen = await until(lambda: drivers[0].frozen or drivers[1].frozen, "the frozen channel")
            assert re.match(TAKERS[name], frozen), frozen
            for node in (alice, bob):
                for holder in (0, 1):
                    graph = (await last(node, channel, holder)).graph
                    assert not [each for each in graph.outputs if each.provider == "bad"]
                    assert graph.balances_msat[0] >= 797_000_000

    asyncio.run(main())
