"""How does a test get real nodes with a real channel between them?

    async with Network(folder) as network:
        alice, bob = await network.node("alice"), await network.node("bob")
        channel = await network.channel(alice, bob, 1_000_000)

Each node is a whole daemon: store, signer, peers over TCP on loopback, plugins in processes. They share one embedded
regtest chain. With `apart` the chain, and each node's signer, run in processes of their own; with `bitcoind`, the data
directory of one on regtest, its chain is used. Nothing is simulated.
"""

import asyncio
import fcntl
import itertools
import os
import random
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, TextIO, TypeVar

import msgspec

from lnpd.chain.bitcoind.address import find
from lnpd.chain.bitcoind.regtest import RegtestBitcoind
from lnpd.chain.embedded import EmbeddedChain
from lnpd.chain.interface import Outpoint
from lnpd.channel.state import Channel
from lnpd.config import Address, Config, Developer
from lnpd.rpc import answers
from lnpd.services.chain.keeper import ChainProcess
from lnpd.services.chain.service import RemoteChain
from lnpd.services.node.node import Node
from lnpd.services.signer.seed import create_seed, new_seed

T = TypeVar("T")
LOCAL = "127.0.0.1"
FIRST_PORT, LAST_PORT = 10_240, 32_767  # systems give no outgoing connection one of these, so one can be come back to
PATIENCE_SECONDS = 30.0
DEPTH = 3


async def until(condition: Callable[[], T | None], what: str = "") -> T:
    """The condition's value as soon as it is true; AssertionError names what never was."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if found := condition():
                    return found
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"never came true: {what or condition}") from None


async def until_asked(condition: Callable[[], Awaitable[T | None]], what: str = "") -> T:
    """Like `until`, of a condition that has to be awaited."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if found := await condition():
                    return found
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"never came true: {what or condition}") from None


class Ports:
    """Ports of loopback of which each process has a block to itself, so that tests beside each other take none from
    another, not even one whose owner is away for a moment. A lock on a file says whose a block is; the end of the
    process gives it up."""

    BLOCK = 256

    def __init__(self) -> None:
        self._of_process = 0
        self._ports: Iterator[int] = iter(())
        self._lock: TextIO | None = None  # held while it is open

    def next(self) -> int:
        """A port that nobody listens at now; it comes again after all others of the block."""
        if self._of_process != os.getpid():
            self._of_process, self._ports = os.getpid(), itertools.cycle(self._block())
        for port in itertools.islice(self._ports, self.BLOCK):
            with socket.socket() as probe, suppress(OSError):
                probe.bind((LOCAL, port))
                return port
        raise AssertionError(f"all {self.BLOCK} ports of this process are in use")

    def _block(self) -> range:
        folder = Path("/tmp") / f"lnpd-ports-{os.getuid()}"  # noqa: S108  # the same one for all, whatever their TMPDIR
        folder.mkdir(mode=0o700, exist_ok=True)
        blocks = list(range(FIRST_PORT, LAST_PORT - self.BLOCK, self.BLOCK))
        random.shuffle(blocks)
        for first in blocks:
            self._lock = (folder / str(first)).open("w")
            with suppress(OSError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return range(first, first + self.BLOCK)
            self._lock.close()
        raise AssertionError(f"all {len(blocks)} blocks of ports are taken: {folder}")


_ports = Ports()


def free_port() -> int:
    """A port of loopback that nobody listens at now, and that stays free while who had it is away."""
    return _ports.next()


class Network:
    """A regtest chain and the nodes on it. Everything lives below one folder."""

    def __init__(self, folder: Path, apart: bool = False, bitcoind: Path | None = None) -> None:
        self.folder, self.apart, self.bitcoind = folder, apart, bitcoind
        self.nodes: list[Node] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Network":
        self.folder.mkdir(parents=True, exist_ok=True)
        short = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lnpd-"))) / "n"
        short.symlink_to(self.folder.resolve())  # a socket's path has at most 107 bytes, and pytest's folders are deep
        self.folder = short
        self.endpoint = ""
        if self.bitcoind:
            self.chain: EmbeddedChain | RemoteChain | RegtestBitcoind = await RegtestBitcoind.open(
                find("regtest", directory=self.bitcoind), "regtest"
            )
        elif self.apart:
            self.endpoint = f"ipc://{self.folder}/c"
            self.chain_process = await ChainProcess.start(self.folder / "chain", self.endpoint)
            self._stack.push_async_callback(self.chain_process.stop)
            self.chain = RemoteChain(self.endpoint)
        else:
            self.chain = await EmbeddedChain.open(self.folder / "chain")
        self._stack.push_async_callback(self.chain.close)
        return self

    async def __aexit__(self, *_error: object) -> None:
        for node in list(self.nodes):
            await self.stop(node)
        await self._stack.aclose()

    def config(self, name: str, **options: Any) -> Config:  # Any: whatever Config takes
        """A node's configuration, below the folder."""
        usual = {
            "directory": self.folder / name,
            "alias": name,
            "listen": (Address(LOCAL, free_port()),),
            "chain": self.endpoint,
            "bitcoind_directory": self.bitcoind,
            "signer_process": self.apart,
            "plain_seed": True,
            "minimum_depth": DEPTH,
            "log_level": "warning",
            "plugin_sandbox": "never",  # tests' plugins write where the test looks
            "developer": Developer(poll_seconds=0.2, redial_seconds=0.2),
        }
        return Config(**{**usual, **options})

    async def node(self, name: str, **options: Any) -> Node:
        """A running node; one of this name that ran before goes on from its directory."""
        config = self.config(name, **options)
        config.directory.mkdir(mode=0o700, exist_ok=True)
        if not config.seed_path.exists():
            create_seed(config.seed_path, new_seed(), None, plain=True)
        node = self._made(config)
        await node.start()
        self.nodes.append(node)
        return node

    def _made(self, config: Config) -> Node:
        return Node(config, chain=self.chain if isinstance(self.chain, EmbeddedChain) else None)

    async def stop(self, node: Node) -> None:
        """Stops a node as SIGTERM does."""
        if node in self.nodes:
            self.nodes.remove(node)
            await node.stop()

    async def restart(self, node: Node, **changes: Any) -> Node:
        """Stops a node and starts it again from its directory."""
        changes = {"listen": node.peers.listening(), **changes}  # its peers look for it where it was
        await self.stop(node)
        again = self._made(msgspec.structs.replace(node.config, **changes))
        await again.start()
        self.nodes.append(again)
        return again

    async def mine(self, blocks: int = 1) -> int:
        """New blocks, with all that waits in the mempool; returns once every node has handled them."""
        await self.chain.mine(blocks)
        return await self.followed()

    async def followed(self) -> int:
        """The height of the best chain, once every node has handled it and has broadcast what it wants next."""
        height = (await self.chain.best_block()).height
        for node in self.nodes:
            await self.handled(node, height)
        return height

    async def handled(self, node: Node, height: int) -> None:
        """Returns once a node has handled the best chain up to there, and has broadcast what it wants next."""
        await node.watcher.sync()
        await node.wallet.sync()
        await until(lambda: node.watcher.height >= height, "the node's height")
        await node.feerates.settled()
        await node.channel_chain.delivered()
        for driver in list(node.channels.drivers.values()):
            await driver.settled()
        await node.watcher.sync()

    async def fund(self, node: Node, amount_sat: int) -> None:
        """Gives a node confirmed coins."""
        await self.chain.fund(await node.wallet.next_script(), amount_sat)
        await self.followed()

        async def arrived() -> bool:
            return (await node.wallet.balance()).confirmed_sat >= amount_sat

        await until_asked(arrived, "the coins")

    async def connect(self, node: Node, peer: Node) -> None:
        """Connects two nodes."""
        (address,) = peer.peers.listening()[:1]
        await node.api.connect(f"{peer.node_id.hex()}@{address}")

    async def channel(
        self, opener: Node, acceptor: Node, amount_sat: int = 1_000_000, push_sat: int = 0, kind: str = ""
    ) -> str:
        """An active channel's id. The opener is given coins for it."""
        await self.fund(opener, amount_sat + 100_000)
        if acceptor.node_id not in opener.channels.links:
            await self.connect(opener, acceptor)
        opened = await opener.api.open(acceptor.node_id.hex(), amount_sat, 1000 * push_sat, kind, (), None)

        await self.seen(opened.funding.partition(":")[0])
        await self.mine(DEPTH)
        await self.active(opened.channel_id, opener, acceptor)
        return opened.channel_id

    async def seen(self, txid: str) -> None:
        """Returns once a transaction (as explorers write its id) is in the mempool or in a block."""

        async def known() -> bool:
            return await self.chain.transaction(bytes.fromhex(txid)[::-1]) is not None

        await until_asked(known, f"the transaction {txid}")

    async def spent(self, outpoint: str) -> None:
        """Returns once an output ("txid:index") is spent, in the mempool or in a block, by whoever came first.

        After a forced close the peer, who is told of it, broadcasts its commitment as well.
        """
        txid, _, index = outpoint.partition(":")

        async def gone() -> bool:
            output = await self.chain.output(Outpoint(bytes.fromhex(txid)[::-1], int(index)))
            return output is None or output.spent_by is not None

        await until_asked(gone, f"a spend of {outpoint}")

    async def active(self, channel_id: str, *nodes: Node) -> None:
        """Returns once a channel can be used on these nodes."""
        for node in nodes:
            await until(lambda node=node: usable(node, channel_id), f"{node.config.alias}'s channel")  # type: ignore[misc]


def usable(node: Node, channel_id: str) -> Channel | None:
    """A node's channel, if it can be used now."""
    return next((c for c in node.channels.usable() if c.id.hex() == channel_id), None)


async def shown(node: Node, channel_id: str) -> answers.Channel | None:
    """A channel as the RPC shows it."""
    return next((c for c in await node.api.channels() if c.channel_id == channel_id), None)
