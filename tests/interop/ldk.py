"""How does a test get a Lightning node that is not ours, LDK, on the same bitcoind as ours?

    async with a_world(folder) as world:
        ours, ldk = await world.network.node("ours"), await world.ldk("ldk")

Without LDK a test is skipped with a visible line; in CI it fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from contrib.ldk.driver import Ldk, Refused, folder
from lnpd.services.node.node import Node
from lnpd.services.payments.ledger import invoice_of
from lnpd.testing import Network, shown, until, until_asked, usable
from tests.interop.bitcoind import LOCAL, Bitcoind, a_bitcoind, needed

__all__ = ["Ldk", "Refused", "World", "a_world", "preimage_of"]

COINS_SAT = 30_000_000
WALLET = ("-disablewallet=0", "-addresstype=bech32", "-txindex=1")


class World:
    """A bitcoind, nodes of ours and LDK nodes on it."""

    def __init__(self, bitcoind: Bitcoind, network: Network, stack: AsyncExitStack) -> None:
        self.bitcoind, self.network, self._stack = bitcoind, network, stack
        self.peers: list[Ldk] = []

    async def ldk(self, name: str, coins_sat: int = COINS_SAT, **settings: object) -> Ldk:
        """A running LDK node with coins."""
        peer = await Ldk.start(name, self.bitcoind, **settings)
        self._stack.push_async_callback(peer.stop)
        self.peers.append(peer)
        for _ in range(3 if coins_sat else 0):
            await self.network.chain.fund(bytes.fromhex(await peer("script")), coins_sat // 3)
        await self.followed()
        return peer

    async def restart(self, peer: Ldk, stored: bytes = b"") -> Ldk:
        """An LDK node after a power cut, with what it had stored, then or at another cut."""
        last = await peer.cut()
        again = await peer.again(stored or last)
        self._stack.push_async_callback(again.stop)
        self.peers[self.peers.index(peer)] = again
        return again

    async def mine(self, blocks: int = 1) -> int:
        """New blocks; returns once everybody has handled them."""
        await self.network.chain.mine(blocks)
        return await self.followed()

    async def followed(self) -> int:
        """Returns once everybody is at the tip."""
        height = await self.network.followed()
        await asyncio.gather(*(peer("sync") for peer in self.peers))
        return height

    async def connect(self, ours: Node, peer: Ldk) -> None:
        """We connect to an LDK node."""
        await ours.api.connect(f"{peer.node_id}@{LOCAL}:{peer.port}")
        await until_asked(lambda: peer("peer", peer=ours.node_id.hex()), "LDK's connection")

    async def open(self, opener: Node | Ldk, acceptor: Node | Ldk, sat: int = 1_000_000, **more: Any) -> str:
        """An active channel's id; one of the two is an LDK node. `more`: push_sat, and a Node's kind."""
        ours, peer = (opener, acceptor) if isinstance(opener, Node) else (acceptor, opener)
        assert isinstance(ours, Node) and isinstance(peer, Ldk)
        if bytes.fromhex(peer.node_id) not in ours.channels.links:
            await self.connect(ours, peer)
        push_msat = 1000 * more.pop("push_sat", 0)
        before = len(peer.heard("ChannelPending"))
        if opener is ours:
            await self.network.fund(ours, sat + 200_000)
            await self.followed()
            await ours.api.open(peer.node_id, sat, push_msat, more.pop("kind", ""), (), more.pop("per_kw", None))
        else:
            await peer("open", peer=ours.node_id.hex(), sat=sat, push_msat=push_msat, **more)
        (pending,) = (await until(lambda: peer.heard("ChannelPending")[before:], "an open channel"))[:1]
        await self.network.seen(pending["funding"].partition(":")[0])
        await self.mine(6)
        channel = str(pending["channel"])
        await self.usable(ours, peer, channel)
        return channel

    async def usable(self, ours: Node, peer: Ldk, channel: str) -> None:
        """Returns once a channel can be used on both sides."""
        await until(lambda: usable(ours, channel), "our channel")
        await until_asked(lambda: _usable(peer, channel), "LDK's channel")

    async def reconnected(self, ours: Node, peer: Ldk, channel: str) -> None:
        """Connects again once the connection is lost."""
        node_id = bytes.fromhex(peer.node_id)
        await until(lambda: node_id not in ours.channels.links, "the end of the connection")
        await self.connect(ours, peer)
        await self.usable(ours, peer, channel)

    async def settled(self, ours: Node, peer: Ldk, channel: str) -> int:
        """What is ours of a channel in msat, once no HTLC is left on either side."""

        async def quiet() -> int | None:
            row, theirs = await shown(ours, channel), await peer.channel(channel)
            done = row and not row.htlcs and not theirs["htlcs"]
            return 1 + row.ours_msat if row and done else None

        return await until_asked(quiet, "no HTLC in flight") - 1


async def preimage_of(ours: Node, payment_hash: str) -> bytes:
    """The preimage of an invoice of ours."""
    row = await ours.store.read(lambda read: read.invoice(bytes.fromhex(payment_hash)))
    assert row is not None
    return invoice_of(row).preimage


async def _usable(peer: Ldk, channel: str) -> bool:
    return bool((await peer.channel(channel)).get("usable"))


@asynccontextmanager
async def a_world(directory: Path) -> AsyncIterator[World]:
    """A bitcoind and a network on it, for one test."""
    needed("LDK", folder)
    async with (
        a_bitcoind(directory, *WALLET) as bitcoind,
        Network(directory / "n", bitcoind=bitcoind.directory) as network,
        AsyncExitStack() as peers,
    ):
        yield World(bitcoind, network, peers)
