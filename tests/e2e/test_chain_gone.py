"""Does a node whose chain is gone say so, stop in time, and go on by itself when the chain is back?"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lnpd.channel.state import OnChain
from lnpd.errors import ChainUnreachable
from lnpd.services.chain import pulse as chain_pulse
from lnpd.services.chain.service import DEADLINE_SECONDS
from lnpd.services.channels import commands as channel_commands
from lnpd.services.node.node import Node
from lnpd.testing import Network, until

pytest.importorskip("pbk")  # the embedded chain


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_pulse, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(chain_pulse, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(channel_commands, "CHAIN_SECONDS", 0.5)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that is there and does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def on_chain(node: Node) -> bool:
    return all(isinstance(driver.channel.phase, OnChain) for driver in node.channels.drivers.values())


async def silent(node: Node) -> None:
    await until(lambda: node.pulse.silent_since_unix_seconds, "silence")


def test_a_forced_close_waits_for_the_chain_and_needs_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path, apart=True) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000)
            height = (await alice.api.info()).height
            await network.stop(bob)  # it would broadcast its own, on alice's word
            with stopped(network.chain_process.pid):
                await silent(alice)
                began = time.monotonic()
                info = await alice.api.info()
                assert time.monotonic() - began < 1, "what is known is shown at once"
                assert info.height == height and info.chain_silent_since_unix_seconds is not None
                assert info.warnings[0].startswith("the chain has not answered for ")
                for asked in (
                    alice.api.mine(1),
                    alice.api.fund(1_000),
                    alice.api.send((await alice.api.address()).address, 1_000, None),
                    alice.api.open(bob.node_id.hex(), 100_000, 0, "", (), None),
                ):
                    began = time.monotonic()
                    with pytest.raises(ChainUnreachable, match=r"^The chain has not answered for \d+ s: ask again"):
                        await asked
                    assert time.monotonic() - began < 1
                began = time.monotonic()
                closed = await alice.api.close(channel, True, None)
                assert time.monotonic() - began < 10
            await network.seen(closed.txid)
            await until(lambda: alice.pulse.silent_since_unix_seconds is None, "the chain")
            assert (await alice.api.info()).warnings[:1] != info.warnings[:1]

    asyncio.run(main())


def test_a_killed_chain_comes_back_for_every_node_and_its_blocks_are_followed(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path, apart=True) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000)
            (row,) = await alice.api.channels()
            first = network.chain_process.pid
            began = time.monotonic()
            os.kill(first, signal.SIGKILL)
            await alice.api.close(channel, True, None)
            await until(lambda: network.chain_process.pid != first, "a new process")
            await network.spent(row.funding)
            await network.chain.mine()
            for node in (alice, bob):
                await until(lambda node=node: on_chain(node), f"the close on {node.config.alias}'s side")  # type: ignore[misc]
            assert time.monotonic() - began < DEADLINE_SECONDS, "nobody waits for an answer that was lost"

    asyncio.run(main())


def test_a_node_stops_in_time_while_its_chain_is_silent(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path, apart=True) as network:
            alice = await network.node("alice")
            with stopped(network.chain_process.pid):
                await silent(alice)
                waiting = asyncio.create_task(alice.watcher.sync())  # as the follower does, for half a minute
                await asyncio.sleep(0)
                began = time.monotonic()
                await network.stop(alice)
                assert time.monotonic() - began < 5
                waiting.cancel()

    asyncio.run(main())
