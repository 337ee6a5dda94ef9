"""Does a start do what is right for money about what its checks find: refuse, freeze, mend, or say?"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lnpd.chain.interface import Outpoint, Output
from lnpd.channel.state import OnChain
from lnpd.errors import BlockPruned, ChainClosed, ChainError, ChannelFrozen, StoreInconsistent
from lnpd.services.backup.check_chain import CHAIN, check_chain
from lnpd.services.node.checking import checked_with_chain
from lnpd.services.node.node import Node
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.testing import Network, shown, until
from tests.services.backup.test_check import moved_balances, no_index, no_secrets, no_watch, used


async def damaged(network: Network, node: Node, damage: Callable[[Write], object]) -> None:
    """A node that is stopped, and whose database is then damaged."""
    await network.stop(node)
    store = Store.open(node.config.directory, "regtest")
    try:
        store.write_sync(damage)
    finally:
        store.close_sync()


def test_a_start_says_what_is_wrong(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, _, name = await used(network)
            await damaged(network, alice, no_secrets)
            assert "has no secret" not in caplog.text
            alice = await network.node("alice")
            assert f"channel {name}: the peer's revoked commitment" in caplog.text and "has no secret" in caplog.text
            assert not alice.channels.driver_of(name).frozen  # it can still be closed by agreement
            (warning,) = (await alice.api.info()).warnings
            assert re.match(r"the check at the start found 10 problems: `lnp check`", warning)

    asyncio.run(main())


def test_a_channel_that_contradicts_what_was_signed_is_frozen_and_its_close_is_claimed(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, name = await used(network)
            await damaged(network, alice, moved_balances)
            before = (await network.chain.best_block()).height
            alice = await network.node("alice", listen=alice.peers.listening())
            driver = alice.channels.driver_of(name)
            assert "pays from" in driver.frozen and driver.locked
            assert any(f"channel {name[:16]} is frozen" in each for each in (await alice.api.info()).warnings)
            await until(lambda: bob.node_id in alice.channels.links, "the connection")
            with pytest.raises(ChannelFrozen):
                await alice.api.close(name, False, None)
            assert driver.channel.link == "down", "nothing is said of it"
            row = await shown(bob, name)
            assert row is not None and before
            await bob.api.close(name, True, None)
            await network.spent(row.funding)
            await network.mine(1)
            await until(lambda: isinstance(driver.channel.phase, OnChain), "the peer's close")
            assert isinstance(driver.channel.phase, OnChain) and driver.channel.phase.spend in ("ours", "theirs")

    asyncio.run(main())


def test_a_node_does_not_start_with_a_channel_that_nobody_could_look_after(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, _, name = await used(network)
            await damaged(network, alice, no_index)
            with pytest.raises(StoreInconsistent, match=f"{name}: the index of our keys is missing.*lnpd check"):
                await network.node("alice")

    asyncio.run(main())


def test_a_lost_watch_is_set_again_and_sees_what_it_missed(tmp_path: Path) -> None:
    """The peer closes while the node is off."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, name = await used(network)
            row = await shown(alice, name)
            assert row is not None
            await damaged(network, alice, no_watch)
            await bob.api.close(name, True, None)
            await network.spent(row.funding)
            await network.mine(3)
            alice = await network.node("alice")
            assert [each.then for each in alice.checks.problems] == ["mended"]
            driver = alice.channels.driver_of(name)
            await until(lambda: isinstance(driver.channel.phase, OnChain), "the peer's close")

    asyncio.run(main())


def test_what_the_watch_has_missed_is_read_again(tmp_path: Path) -> None:
    """As if a block had been followed by a watch that saw nothing in it."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, name = await used(network)
            row = await shown(alice, name)
            assert row is not None
            await network.stop(alice)
            await bob.api.close(name, True, None)
            await network.spent(row.funding)
            await network.mine(3)
            tip = await network.chain.best_block()
            await damaged(network, alice, lambda write: write.set_chain_cursor(tip.height, tip.hash))
            alice = await network.node("alice")
            (problem,) = alice.checks.problems
            assert "the watch over it has missed that" in problem.what and problem.then == "mended"
            driver = alice.channels.driver_of(name)
            await until(lambda: isinstance(driver.channel.phase, OnChain), "the peer's close")
            await network.mine(1)
            assert (await alice.api.check()).problems == ()

    asyncio.run(main())


class Contrary:
    """A chain on which every funding is spent, and that errs at its first questions; and a watch that cannot sync."""

    def __init__(self, *errors: ChainError, acted: bool = True) -> None:
        self._errors, self.acted, self.syncs = list(errors), acted, 0
        self.open = self.most = 0

    async def output(self, outpoint: Outpoint) -> Output | None:
        self.open += 1
        self.most = max(self.most, self.open)
        await asyncio.sleep(0)
        self.open -= 1
        if self._errors:
            raise self._errors.pop(0)
        return None

    async def sync(self) -> None:
        self.syncs += 1
        raise ChainClosed("the chain went away")


def test_what_the_chain_does_not_answer_keeps_no_other_channel_unchecked_and_no_start_waiting(tmp_path: Path) -> None:
    pruned = BlockPruned("block 7 is pruned")

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            names = {await network.channel(alice, bob, 1_000_000) for _ in range(2)}
            store = alice.store
            unasked, missed = await check_chain(store.read, Contrary(pruned), True)  # type: ignore[arg-type]  # outputs only
            assert unasked.where == CHAIN and "block 7 is pruned" in unasked.what and missed.then == "mended"
            assert {name for name in names if name in unasked.what + missed.where} == names
            (gone,) = await check_chain(store.read, Contrary(ChainClosed("gone")), True)  # type: ignore[arg-type]  # the same
            assert gone.where == CHAIN and "gone" in gone.what
            for chain, then, syncs in (
                (Contrary(pruned, pruned), ["said", "said"], 0),
                (Contrary(pruned), ["mended"], 1),
                (Contrary(acted=False), ["mended", "mended"], 0),
            ):
                found = await checked_with_chain(store, chain, chain, alice.channels)  # type: ignore[arg-type]  # the same
                assert [each.then for each in found] == then and chain.syncs == syncs
                assert chain.most == 2, "channels do not wait for each other's answers"

    asyncio.run(main())
