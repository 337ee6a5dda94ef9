"""Is the backup written at each change, and does an older database never take channels out of it?"""

import asyncio
import shutil
from pathlib import Path

from lnpd.services.backup.content import Content
from lnpd.services.backup.file import BACKUP_NAME, read_backup
from lnpd.services.node.node import Node
from lnpd.testing import Network, until


async def held(node: Node, path: Path) -> Content:
    return read_backup(path, await node.signer.backup_key())


def beside(path: Path) -> list[Path]:
    return list(path.parent.glob(f"{path.name}.kept-*"))


def names(content: Content) -> set[str]:
    return {each.id.hex() for each in content.channels}


def test_openings_confirmations_and_closings_are_in_both_files(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            backup = tmp_path / "usb.backup"
            alice, bob = await network.node("alice", backup_file=backup), await network.node("bob")
            places = (backup, alice.config.directory / BACKUP_NAME)
            assert [names(await held(alice, place)) for place in places] == [set(), set()]
            await network.fund(alice, 2_000_000)
            await network.connect(alice, bob)
            opened = await alice.api.open(bob.node_id.hex(), 1_000_000, 0, "", (), None)
            for place in places:  # before anything of it confirms
                (each,) = (await held(alice, place)).channels
                assert each.id.hex() == opened.channel_id and each.peer == bob.node_id and each.addresses
                assert each.short_channel_id == b""
            await network.seen(opened.funding.partition(":")[0])
            await network.mine(3)
            await network.active(opened.channel_id, alice, bob)
            (each,) = (await held(alice, backup)).channels
            assert int.from_bytes(each.short_channel_id[:3], "big") == each.from_height > 0
            assert names(await held(bob, bob.config.directory / BACKUP_NAME)) == {opened.channel_id}
            await alice.api.close(opened.channel_id, False, None)
            await network.mine(1)
            assert names(await held(alice, backup)) == {opened.channel_id}  # until nothing undoes it
            await network.mine(100)
            await until(lambda: not alice.channels.drivers, "the channel's end")
            assert [names(await held(alice, place)) for place in places] == [set(), set()]

    asyncio.run(main())


def test_an_older_database_takes_no_channel_out_of_the_backup(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            backup = tmp_path / "usb.backup"
            alice, bob = await network.node("alice", backup_file=backup), await network.node("bob")
            first = await network.channel(alice, bob)
            copy = tmp_path / "copy.sqlite3"
            await alice.api.backup_database(str(copy))
            second = await network.channel(alice, bob)
            assert names(await held(alice, backup)) == {first, second}
            await network.stop(alice)
            for name in ("lnpd.sqlite3-wal", "lnpd.sqlite3-shm"):
                (alice.config.directory / name).unlink(missing_ok=True)
            shutil.copy(copy, alice.config.directory / "lnpd.sqlite3")
            alice = await network.node("alice", backup_file=backup)
            assert names(await held(alice, backup)) == {first}
            (kept,) = beside(backup)
            assert names(await held(alice, kept)) == {first, second}

    asyncio.run(main())
