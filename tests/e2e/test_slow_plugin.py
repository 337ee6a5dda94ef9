"""Does a node watch its channels while a plugin takes its time to start?"""

import asyncio
from pathlib import Path

import msgspec

from lnpd.channel.state import OnChain
from lnpd.testing import Network, until
from tests.services.plugins.test_host import written


def test_a_close_is_seen_while_a_plugin_hangs_at_its_import(tmp_path: Path) -> None:
    hangs = written(tmp_path, "time.sleep(1000)")

    async def main() -> None:
        async with Network(tmp_path / "net") as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000)
            await network.stop(alice)
            await bob.api.close(channel, force=True, destination=None)
            await network.mine(1)
            again = network._made(msgspec.structs.replace(alice.config, plugins=(hangs,)))
            starting = asyncio.create_task(again.start())
            network.nodes.append(again)

            def seen() -> bool:
                drivers = again.channels.drivers.values() if hasattr(again, "channels") else ()
                return any(isinstance(driver.channel.phase, OnChain) for driver in drivers)

            await until(seen, "the close")
            assert not starting.done(), "it still waits for the plugin"
            assert again.plugins.plugins[0].status == "starting"
            await again.plugins.stop()
            await starting

    asyncio.run(main())
