"""Two whole nodes whose plugin stands behind a gate: what do the tests of the mailbox share?"""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from lnpd_sdk.manifest import Manifest

from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.node.node import Node
from lnpd.testing import Network, until
from tests.e2e.test_lockbox import LOCKBOX

KIND = "lockbox/anchors_zero_fee_htlc_tx"
GRANT: dict[str, Any] = {"grants": (("lockbox", "updates:1000000"),)}
SECONDS = 10.0


class Gated:
    """A plugin object whose providers answer only while the gate is open, and raise while `broken`."""

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("lockbox_here", LOCKBOX)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self._inner = module.plugin
        self.name: str = self._inner.name
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.broken = False

    def manifest(self) -> Manifest:
        manifest: Manifest = self._inner.manifest()
        return manifest

    def attach(self, call: Callable[[str, object], Awaitable[msgspec.Raw]]) -> None:
        self._inner.attach(call)

    async def answer(self, method: str, params: bytes | msgspec.Raw) -> object:
        if method in ("provider", "providers"):
            self.asked.set()
            await self.gate.wait()
            if self.broken:
                raise RuntimeError("broken")
        return await self._inner.answer(method, params)

    def shut(self) -> None:
        """Answer nothing from now on."""
        self.gate.clear()
        self.asked.clear()


class Two:
    """Alice, who opened the channel, and bob; their plugins and drivers."""

    def __init__(self, network: Network, alice: Node, bob: Node, gates: tuple[Gated, Gated], channel: str) -> None:
        self.network, self.alice, self.bob, self.channel = network, alice, bob, channel
        self.alices, self.bobs = gates

    def driver(self, node: Node) -> ChannelDriver:
        return node.channels.driver_of(self.channel)

    def put(self, node: Node) -> "asyncio.Task[object]":
        """Puts 25,000 sat into a box; the task ends when that is proposed."""
        return asyncio.create_task(
            node.api.call_plugin("lockbox-put", {"channel_id": self.channel, "amount_sat": 25_000})
        )

    async def pays(self, amount_msat: int = 5_000_000) -> None:
        """Alice can pay bob."""
        invoice = await self.bob.api.invoice(amount_msat, "it works", 3600)
        paid = await self.alice.api.pay(invoice.invoice, None, 20)
        assert paid.amount_msat == amount_msat

    async def active(self) -> None:
        await self.network.active(self.channel, self.alice, self.bob)

    async def down(self, node: Node) -> None:
        """Returns once a node's channel has noticed the end of its connection."""
        await until(lambda: not self.driver(node).channel.live, "the end of the connection")


@asynccontextmanager
async def two(folder: Path) -> AsyncIterator[Two]:
    async with Network(folder) as network:
        nodes = [await network.node(name, **GRANT) for name in ("alice", "bob")]
        gates = (Gated(), Gated())
        for node, gate in zip(nodes, gates, strict=True):
            await node.plugins.add_in_process(gate)
        alice, bob = nodes
        channel = await network.channel(alice, bob, 1_000_000, push_sat=200_000, kind=KIND)
        both = Two(network, alice, bob, gates, channel)
        try:
            yield both
        finally:
            for gate in gates:
                gate.gate.set()


def story(folder: Path, told: Callable[[Two], Awaitable[None]]) -> None:
    async def main() -> None:
        async with two(folder) as both:
            await told(both)

    asyncio.run(main())


# A slow provider
