"""Are the coins free again after every opening that did not come about?"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lnpd.channel.actions import FundingReleased, FundingWanted
from lnpd.channel.deadlines import FUNDING_BLOCKS
from lnpd.channel.events import ForceClose
from lnpd.channel.state import Normal
from lnpd.errors import LnpdError
from lnpd.services.channels.batch import INDEX
from lnpd.services.node.node import Node
from lnpd.services.wallet.rows import STATE
from lnpd.store.database import DATABASE_NAME
from lnpd.testing import Network, until_asked
from tests.services.channels.two import KIND, SECONDS, Two, story


async def reserved_sat(node: Node) -> int:
    return (await node.wallet.balance()).reserved_sat


async def free(node: Node) -> bool:
    return not await reserved_sat(node)


async def rows(node: Node) -> tuple[int, int, int]:
    """How many rows a node has of channels, of where their keys come from, and of what the signer remembers."""
    found = await node.store.read(lambda read: (read.channels(), read.values(INDEX), read.signer_states()))
    return len(found[0]), len(found[1]), len(found[2])


def test_what_a_stranger_never_funds_leaves_nothing(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        bob, height = both.bob, both.bob.watcher.height
        await both.network.fund(both.alice, 500_000)
        taken_sat, before = bob.channels.room.taken_sat, await rows(bob)
        opened = await both.alice.api.open(bob.node_id.hex(), 300_000, 0, "", (), None)  # and no block is mined
        driver = bob.channels.driver_of(opened.channel_id)
        assert bob.channels.room.taken_sat == taken_sat, "what is not funded takes no room"
        assert await rows(bob) > before
        await driver.command(ForceClose())  # a failed one is forgotten too
        for passed in (0, FUNDING_BLOCKS):
            bob.channels.deliver_block(height + passed)
            await driver.settled()
        await until_asked(lambda: gone(bob, before), "no row of the channel")
        assert driver.channel.key not in bob.channels.drivers

    async def gone(node: Node, before: tuple[int, int, int]) -> bool:
        return await rows(node) == before

    story(tmp_path, told)


def test_openings_that_come_to_nothing_leave_nothing(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        await both.network.fund(both.alice, 500_000)
        before, given = await rows(both.bob), None
        for turn in range(6):
            with pytest.raises(LnpdError):
                await both.alice.api.open(both.bob.node_id.hex(), 300_000, 299_999_000, "", (), None)
            await until_asked(lambda: gone(both.bob, before), "no row of the opening")
            scripts = await both.bob.store.read(lambda read: read.value(STATE, b"given"))
            given = scripts if turn == 0 else given
            assert given and scripts == given, "a script of the wallet that nobody saw is used again"

    async def gone(node: Node, before: tuple[int, int, int]) -> bool:
        return await rows(node) == before

    story(tmp_path, told)


def test_a_signers_own_process_forgets_them_too(tmp_path: Path) -> None:
    async def told() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob", signer_process=True)
            await network.fund(alice, 500_000)
            await network.connect(alice, bob)

            async def kept() -> int:
                return await bob.store.read(lambda read: len(read.channels())) + signer_rows(bob)

            for _ in range(3):
                with pytest.raises(LnpdError):
                    await alice.api.open(bob.node_id.hex(), 300_000, 299_999_000, "", (), None)
                await until_asked(lambda: nothing(kept), "no row of the opening")
            await alice.api.open(bob.node_id.hex(), 300_000, 0, "", (), None)
            assert signer_rows(bob) == 3, "a whole opening has its rows"

    async def nothing(kept: Callable[[], Awaitable[int]]) -> bool:
        return await kept() == 0

    asyncio.run(told())


def signer_rows(node: Node) -> int:
    """How many rows the signer's process keeps."""
    path = node.config.directory / "signer" / DATABASE_NAME
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        ((count,),) = database.execute("SELECT count(*) FROM signer_state").fetchall()
    return int(count)


def test_a_provider_that_leaves_in_an_opening_frees_the_coins(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        await both.network.fund(both.alice, 500_000)
        wallet, inner = both.alice.wallet, both.alice.wallet.fund

        async def leaving(*args: Any) -> Any:
            made = await inner(*args)
            await both.alice.plugins.plugins[0].stop()
            return made

        wallet.fund = leaving  # type: ignore[assignment, method-assign]
        with pytest.raises(LnpdError):
            async with asyncio.timeout(SECONDS):
                await both.alice.api.open(both.bob.node_id.hex(), 300_000, 0, KIND, (), None)
        await until_asked(lambda: free(both.alice), "free coins")

    story(tmp_path, told)


@pytest.mark.parametrize("push_msat", [300_000_001, 299_999_000])
def test_an_opening_that_cannot_be_frees_the_coins(tmp_path: Path, push_msat: int) -> None:
    async def told(both: Two) -> None:
        await both.network.fund(both.alice, 500_000)
        with pytest.raises(LnpdError):
            async with asyncio.timeout(SECONDS):
                await both.alice.api.open(both.bob.node_id.hex(), 300_000, push_msat, "", (), None)
        await until_asked(lambda: free(both.alice), "free coins")
        await both.pays()

    story(tmp_path, told)


@pytest.mark.parametrize("kind", [FundingWanted, FundingReleased])
def test_a_connection_lost_while_the_wallet_works_frees_the_coins(tmp_path: Path, kind: type) -> None:
    async def told(both: Two) -> None:
        await both.network.fund(both.alice, 500_000)
        wallet, inner = both.alice.wallet, both.alice.wallet.fund

        async def slow(*args: Any) -> Any:
            made = await inner(*args)
            if kind is FundingReleased:
                return made
            await both.alice.api.disconnect(both.bob.node_id.hex())
            return made

        wallet.fund = slow  # type: ignore[assignment, method-assign]
        opening = asyncio.create_task(both.alice.api.open(both.bob.node_id.hex(), 300_000, 0, "", (), None))
        if kind is FundingReleased:
            await until_asked(lambda: reserved_sat(both.alice), "reserved coins")
            await both.alice.api.disconnect(both.bob.node_id.hex())
        try:
            async with asyncio.timeout(SECONDS):
                await opening
        except LnpdError:
            await until_asked(lambda: free(both.alice), "free coins")

    story(tmp_path, told)


def test_a_connection_lost_before_open_channel_ends_the_opening(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        signer, inner = both.alice.signer, both.alice.signer.reserve_channel

        async def slow(*args: Any) -> Any:
            await both.alice.api.disconnect(both.bob.node_id.hex())
            return await inner(*args)

        signer.reserve_channel = slow  # type: ignore[assignment, method-assign]
        with pytest.raises(LnpdError):
            async with asyncio.timeout(SECONDS):
                await both.alice.api.open(both.bob.node_id.hex(), 300_000, 0, "", (), None)
        assert len(both.alice.channels.drivers) == 1
        assert isinstance(both.driver(both.alice).channel.phase, Normal)

    story(tmp_path, told)
