"""How does a test get a Lightning node that is not ours: LDK, in a process of its own, on the same bitcoind?

    async with a_world(folder) as world:
        ours, ldk = await world.network.node("ours"), await world.ldk("ldk")

`contrib/ldk/get-ldk` brings the program. Without it a test is skipped with a visible line; in CI it fails.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import itertools
import json
import os
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lnpd.services.node.node import Node
from lnpd.testing import Network, shown, until, until_asked, usable
from tests.interop.bitcoind import LOCAL, ROOT, Bitcoind, a_bitcoind

Row = dict[str, Any]  # Any: an answer or an event of the peer, as JSON has it
COINS_SAT = 30_000_000
START_SECONDS = 30
ANSWER_SECONDS = 30
STOP_SECONDS = 5
LINE_BYTES = 1 << 22
WALLET = ("-disablewallet=0", "-addresstype=bech32", "-txindex=1")


@functools.cache
def _folder() -> tuple[str, str]:
    """Where the peer's program is, or why there is none."""
    done = subprocess.run([ROOT / "contrib" / "ldk" / "get-ldk"], capture_output=True, text=True, timeout=600)
    lines = done.stderr.strip().splitlines()
    return done.stdout.strip(), lines[-1] if lines else "it gives no reason"


def folder() -> Path:
    """The folder of the peer's program. Skips the test without one; fails it in CI."""
    path, why = _folder()
    if path:
        return Path(path)
    if os.environ.get("CI") == "true":
        pytest.fail(f"no LDK: {why}")
    pytest.skip(f"not run: there is no LDK ({why})")


class Refused(Exception):
    """The peer did not do what it was told to."""


class Ldk:
    """An LDK node. Commands are those of contrib/ldk/peer.mjs, and so are its events."""

    def __init__(self, name: str, process: Process) -> None:
        self.name, self._process = name, process
        self.events: list[Row] = []
        self.node_id = ""
        self.port = 0
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}  # Any: a result, as JSON has it
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, name: str, bitcoind: Bitcoind, **settings: object) -> Ldk:
        """A running node with a wallet of its own in bitcoind; `settings` are those of contrib/ldk/node.mjs."""
        await asyncio.to_thread(bitcoind.call, "createwallet", name)
        seed = hashlib.sha256(name.encode()).hexdigest()
        words = json.dumps({"rpc": bitcoind.url, "wallet": name, "seed": seed, **settings})
        with (bitcoind.directory / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                "node", folder() / "peer.mjs", words, stdin=PIPE, stdout=PIPE, stderr=log, limit=LINE_BYTES
            )
        self = cls(name, process)
        ready = await self.event("ready")
        self.node_id, self.port = ready["node"], ready["port"]
        return self

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for text in self._process.stdout:
            row = json.loads(text)
            if "event" in row:
                self.events.append(row)
            elif waiting := self._waiting.pop(row["id"], None):
                if "error" in row:
                    waiting.set_exception(Refused(row["error"]))
                else:
                    waiting.set_result(row["result"])
        for waiting in self._waiting.values():
            waiting.set_exception(Refused(f"{self.name} has ended: {self.events[-1:]}"))

    async def __call__(self, command: str, **more: object) -> Any:  # Any: what JSON holds
        """The result of a command. Raises Refused."""
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "command": command, **more}).encode() + b"\n")
        try:
            return await asyncio.wait_for(answer, ANSWER_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{self.name} does not answer {command}; the last: {self.events[-8:]}") from None

    def heard(self, event: str, **fields: object) -> list[Row]:
        """Events of this name with these fields, in order."""
        return [row for row in self.events if row["event"] == event and fields.items() <= row.items()]

    async def event(self, event: str, **fields: object) -> Row:
        """The first such event, as soon as there is one."""

        def seen() -> list[Row]:
            assert event == "fatal" or not self.heard("fatal"), self.heard("fatal")
            return self.heard(event, **fields)

        try:
            return (await until(seen, f"{self.name}'s {event} {fields}"))[0]
        except AssertionError as error:
            raise AssertionError(f"{error}; the last: {self.events[-8:]}") from None

    async def channel(self, channel_id: str) -> Row:
        """A channel as LDK has it; empty when it is gone."""
        return next((row for row in await self("channels") if row["channel"] == channel_id), {})

    async def paid(self, invoice: str, **more: object) -> Row:
        """Pays; the event PaymentSent."""
        started = await self("pay", invoice=invoice, **more)
        return await self.event("PaymentSent", payment_hash=started["payment_hash"])

    async def stop(self) -> None:
        """Ends it; its channels are lost."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
        await self._reading


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


async def _usable(peer: Ldk, channel: str) -> bool:
    return bool((await peer.channel(channel)).get("usable"))


@asynccontextmanager
async def a_world(directory: Path) -> AsyncIterator[World]:
    """A bitcoind and a network on it, for one test."""
    folder()
    async with (
        a_bitcoind(directory, *WALLET) as bitcoind,
        Network(directory / "n", bitcoind=bitcoind.directory) as network,
        AsyncExitStack() as peers,
    ):
        yield World(bitcoind, network, peers)
