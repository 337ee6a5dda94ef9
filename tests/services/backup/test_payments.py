"""How far was the chain searched for what peers paid to the seed, and is that, and what was found, ever forgotten?"""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from lnpd.chain.embedded import ChainView
from lnpd.chain.interface import ChainDelta, Outpoint, Watch
from lnpd.chain.interface import Output as ChainOutput
from lnpd.channel.state import Failed, OnChain
from lnpd.services.backup.payments import FOUND, SWEEP_BLOCKS, Finds, _stored
from lnpd.services.chain.rows import DEEP
from lnpd.services.node.node import Node
from lnpd.testing import Network, shown, until, until_asked
from tests.e2e.test_restore import bring_back, bring_back_words, channel_of

BASEPOINT_SCRIPTS = 2_000


class Scans:
    """From which heights the chain was scanned for so many scripts; none of these ends while `gate` is closed."""

    def __init__(self, patch: pytest.MonkeyPatch, least: int = BASEPOINT_SCRIPTS) -> None:
        self.heights: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        real = ChainView.scan

        async def scan(chain: ChainView, watches: Iterable[Watch], from_height: int) -> ChainDelta:
            watched = frozenset(watches)
            if len(watched) >= least:
                self.heights.append(from_height)
                await self.gate.wait()
            return await real(chain, watched, from_height)

        patch.setattr(ChainView, "scan", scan)


async def searched(node: Node) -> int:
    """The height from which on a node goes on looking, as it is stored."""
    stored = await node.store.read(_stored)
    return stored[0] if stored else -1


def test_a_restart_goes_on_where_the_search_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        scans = Scans(monkeypatch)
        async with Network(tmp_path) as network:
            alice = await network.node("alice")
            await network.mine(40)
            await network.stop(alice)
            again = await bring_back_words(network, alice)
            for turn in range(3):
                height = await network.mine(10)
                searched_to = height + 1 - SWEEP_BLOCKS
                await until_asked(lambda: _is(again, searched_to), "the search")  # noqa: B023 (it is awaited here)
                assert scans.heights[0] == (0 if turn == 0 else searched_to - 10)
                scans.heights.clear()
                again = await network.restart(again)
                await until(lambda: scans.heights, "the next search")
                assert set(scans.heights) == {searched_to}

    asyncio.run(main())


async def _is(node: Node, height: int) -> bool:
    return await searched(node) == height


def test_a_node_answers_and_speaks_with_peers_while_it_searches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        scans = Scans(monkeypatch)
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            await network.stop(alice)
            scans.gate.clear()
            again = await bring_back_words(network, alice)
            await until(lambda: scans.heights == [0], "a search that does not end")
            await network.mine(2)
            assert any("is being searched" in each for each in (await again.api.info()).warnings)
            await network.channel(again, bob)
            await network.restart(again)  # it ends at once, too
            scans.gate.set()
            (again,) = (node for node in network.nodes if node is not bob)
            height = (await again.api.info()).height
            await until_asked(lambda: _is(again, max(0, height + 1 - SWEEP_BLOCKS)), "the search")
            assert not (await again.api.info()).warnings

    asyncio.run(main())


def test_peers_are_asked_to_close_before_any_of_the_past_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the wallet's, nor a channel's, nor that of the seed's payment basepoints."""

    async def main() -> None:
        scans = Scans(monkeypatch, least=1)
        async with Network(tmp_path) as network:
            backup = tmp_path / "elsewhere.backup"
            alice, bob = await network.node("alice", backup_file=backup), await network.node("bob")
            name = await network.channel(alice, bob, 1_000_000, push_sat=300_000)
            row = await shown(alice, name)
            assert row is not None
            before = (await alice.wallet.balance()).confirmed_sat
            alice.config = network.config("alice", listen=alice.peers.listening(), backup_file=backup)
            await network.stop(alice)
            scans.gate.clear()
            again = await bring_back(network, alice, backup)
            await until(lambda: isinstance(channel_of(bob, name).phase, Failed), "the peer's close")
            warnings = (await again.api.info()).warnings
            assert any("coins are still being looked for" in each for each in warnings)
            assert (await again.wallet.balance()).confirmed_sat == 0
            scans.gate.set()
            await again.wallet.sync()
            assert (await again.wallet.balance()).confirmed_sat == before
            await network.spent(row.funding)
            await network.mine(1)
            await until(lambda: isinstance(channel_of(again, name).phase, OnChain), "the close")
            assert not (await again.api.info()).warnings[1:]

    asyncio.run(main())


def test_a_find_outlives_a_restart_and_is_forgotten_once_its_spend_is_deep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Outpoint] = []
    real = ChainView.output

    async def output(chain: ChainView, outpoint: Outpoint) -> ChainOutput | None:
        asked.append(outpoint)
        return await real(chain, outpoint)

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            name = await network.channel(alice, bob, 1_000_000, push_sat=300_000)
            row = await shown(alice, name)
            assert row is not None
            await network.stop(alice)
            await bob.api.close(name, True, None)
            await network.spent(row.funding)
            await network.mine(1)
            again = await bring_back_words(network, alice)
            stored = await until_asked(lambda: again.store.read(_stored), "the search")
            assert stored is not None
            ((outpoint, find),) = (await until_asked(lambda: _finds(again), "the find")).items()
            assert 600_000 < find.value_sat < 700_000 and find.anchors and find.gone_height == 0
            again = await network.restart(again)  # what lies far below the scanned height is known all the same
            assert (await _finds(again)).keys() == {outpoint}
            await until_asked(lambda: _spender(network, outpoint), "the sweep")
            gone_height = await network.mine(1)

            async def gone() -> bool:
                return [find.gone_height for find in (await _finds(again)).values()] == [gone_height]

            await until_asked(gone, "the sweep's confirmation")
            await network.mine(DEEP - 1)
            again = await network.restart(again)
            assert len(await _finds(again)) == 1, "a reorganisation could still undo it"
            await network.mine(1)

            async def forgotten() -> bool:
                return not await again.store.read(lambda read: read.values(FOUND))

            await until_asked(forgotten, "the end of the find")
            monkeypatch.setattr(ChainView, "output", output)
            await network.mine(2)
            assert outpoint not in asked

    asyncio.run(main())


async def _spender(network: Network, outpoint: Outpoint) -> bytes | None:
    output = await network.chain.output(outpoint)
    return output.spent_by if output else None


async def _finds(node: Node) -> Finds:
    stored = await node.store.read(_stored)
    return stored[1] if stored else {}
