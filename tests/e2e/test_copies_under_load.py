"""Is a copy of the database consistent that is made while payments fly both ways, and does a node start from it?"""

import asyncio
import shutil
from pathlib import Path

from lnpd.channel.state import Failed
from lnpd.services.backup.copies import check_file
from lnpd.services.node.node import Node
from lnpd.store.database import DATABASE_NAME
from lnpd.testing import Network, until
from tests.e2e.test_old_copy import again

COPIES = 6


def test_copies_of_a_busy_node(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            name = await network.channel(alice, bob, 1_000_000, push_sat=500_000)
            busy = True

            async def pay(payer: Node, payee: Node) -> int:
                paid = 0
                while busy:
                    await payer.api.pay((await payee.api.invoice(1_000_000, "x", 3600)).invoice, None, 20)
                    paid += 1
                return paid

            payments = [asyncio.create_task(pay(*pair)) for pair in ((alice, bob), (bob, alice)) * 3]
            channel = alice.channels.driver_of(name)
            numbers = []
            for turn in range(COPIES):
                after = sum(channel.channel.numbers)
                await until(lambda after=after: sum(channel.channel.numbers) > after + 3, "payments")  # type: ignore[misc]
                await alice.api.backup_database(str(tmp_path / f"copy-{turn}"))
                found = await asyncio.to_thread(check_file, tmp_path / f"copy-{turn}")
                assert found.problems == () and found.channels == 1
                numbers.append(found.commitments)
            busy = False
            assert min([await each for each in payments]) > 0
            assert numbers == sorted(numbers) and numbers[0] < numbers[-1], "each copy is of a later moment"

            alice.config = network.config("alice", listen=alice.peers.listening())
            await network.stop(alice)
            for left in alice.config.directory.glob(f"{DATABASE_NAME}*"):
                left.unlink()
            shutil.copy(tmp_path / "copy-0", alice.config.directory / DATABASE_NAME)
            alice = await again(network, alice)
            driver = alice.channels.driver_of(name)
            await until(lambda: isinstance(driver.channel.phase, Failed), "the peer shows that it is an old copy")
            assert isinstance(driver.channel.phase, Failed) and not driver.channel.phase.may_broadcast

    asyncio.run(main())
