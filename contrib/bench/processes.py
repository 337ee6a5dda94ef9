"""How do lnpd and LDK run as processes that pay each other over one channel, and how is a payment of theirs measured?

Two payers, LDK and lnpd, have a channel of anchors each with two payees, LDK and lnpd, all on one bitcoind on regtest.
lnpd is the daemon as a user starts it, and is asked over its socket; LDK is its WASM in Node, and is asked over its
standard input. Beside the payments nothing goes on.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from embit.script import address_to_scriptpubkey

from contrib.bench.places import ROOT
from contrib.ldk.driver import Ldk
from contrib.regtest.bitcoind import LOCAL, Bitcoind, a_bitcoind
from lnpd.chain.bitcoind.regtest import RegtestBitcoind
from lnpd.rpc.place import SOCKET_NAME
from lnpd.services.signer.seed import create_seed, new_seed
from lnpd.testing import until_asked

CAPACITY_SAT, FOR_FEES_SAT, AMOUNT_MSAT = 10_000_000, 200_000, 1_000_000
DEPTH: Final = 6
EXPIRY_SECONDS: Final = 3600
SECONDS: Final = 120
STOP_SECONDS: Final = 15
LINE_BYTES: Final = 1 << 22


class Party(Protocol):
    """A node of either kind, as a process."""

    @property
    def node_id(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def pid(self) -> int: ...

    async def script(self) -> str:
        """Where it wants coins, in hex."""

    async def connect(self, peer: Party) -> None:
        """Connects to a peer; returns after `init`."""

    async def open(self, peer: Party) -> None:
        """Begins to open a channel."""

    async def channels(self) -> list[tuple[bool, int]]:
        """Of each channel, whether it can be used, and how many HTLCs are in it."""

    async def follow(self) -> None:
        """Looks for new blocks, if it does not by itself."""

    async def invoice(self) -> str:
        """A new invoice."""

    async def pay(self, invoice: str) -> None:
        """Returns when the preimage is here."""

    async def stop(self) -> None:
        """Ends it."""


class Lnpd:
    """The daemon, in a directory of its own."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid, self._process, self._writer = process.pid, process, writer
        self.node_id, self.port = "", 0
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}  # Any: JSON values
        self._reading = asyncio.create_task(self._read(reader))

    @classmethod
    async def start(cls, directory: Path, bitcoind: Bitcoind) -> Lnpd:
        """A running node with a new seed."""
        _seeded(directory)
        words = ("--directory", str(directory), "--plain-seed", "--listen", f"{LOCAL}:0", "--log-level", "error",
                 "--bitcoind", "auto", "--bitcoind-directory", str(bitcoind.directory))  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "lnpd", *words, cwd=ROOT, stdin=DEVNULL, stdout=PIPE
        )
        assert process.stdout is not None
        said = await asyncio.wait_for(process.stdout.readline(), SECONDS)
        assert b"ready" in said, f"lnpd did not start: {said!r}"
        self = cls(process, *await asyncio.open_unix_connection(directory / SOCKET_NAME, limit=LINE_BYTES))
        info = await self("info")
        self.node_id, self.port = info["node_id"], int(info["addresses"][0].rpartition(":")[2])
        return self

    async def __call__(self, method: str, **params: object) -> Any:  # Any: a JSON value
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        self._writer.write(line.encode() + b"\n")
        found = await asyncio.wait_for(answer, SECONDS)
        assert "result" in found, f"{method}: {found}"
        return found["result"]

    async def _read(self, reader: asyncio.StreamReader) -> None:
        async for line in reader:
            answer = json.loads(line)
            self._answers.pop(answer["id"]).set_result(answer)

    async def script(self) -> str:
        return str(address_to_scriptpubkey((await self("address"))["address"]).data.hex())

    async def connect(self, peer: Party) -> None:
        await self("connect", address=f"{peer.node_id}@{LOCAL}:{peer.port}")

    async def open(self, peer: Party) -> None:
        async def funded() -> bool:
            behind = any("has handled" in warning for warning in (await self("info"))["warnings"])
            return bool((await self("funds"))["confirmed_sat"] > CAPACITY_SAT and not behind)

        await until_asked(funded, "coins to open a channel with")
        await self("open", peer=peer.node_id, amount_sat=CAPACITY_SAT, channel_type="anchors_zero_fee_htlc_tx")

    async def channels(self) -> list[tuple[bool, int]]:
        return [(row["state"] == "normal", len(row["htlcs"])) for row in await self("channels")]

    async def follow(self) -> None:
        pass

    async def invoice(self) -> str:
        made = await self("invoice", amount_msat=AMOUNT_MSAT, description="bench", expiry_seconds=EXPIRY_SECONDS)
        return str(made["invoice"])

    async def pay(self, invoice: str) -> None:
        await self("pay", invoice=invoice, timeout_seconds=SECONDS)

    async def stop(self) -> None:
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
        self._writer.close()
        await self._reading


def _seeded(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    create_seed(directory / "seed", new_seed(), None, plain=True)


class Other(Ldk):
    """LDK as such a party."""

    async def script(self) -> str:
        return str(await self("script"))

    async def connect(self, peer: Party) -> None:
        await self("connect", peer=peer.node_id, host=LOCAL, port=peer.port)
        await until_asked(lambda: self("peer", peer=peer.node_id), "LDK's connection")

    async def open(self, peer: Party) -> None:
        await self("open", peer=peer.node_id, sat=CAPACITY_SAT)
        await self.event("ChannelPending")

    async def channels(self) -> list[tuple[bool, int]]:
        return [(row["usable"], row["htlcs"]) for row in await self("channels")]

    async def follow(self) -> None:
        await self("sync")

    async def invoice(self) -> str:
        return str((await self("invoice", msat=AMOUNT_MSAT))["invoice"])

    async def pay(self, invoice: str) -> None:
        await self.paid(invoice)


@dataclass(frozen=True)
class Cost:
    """What one payment took, in seconds: on the wall, of the processor in the payer's and the payee's process, and how
    long both waited for a processor that another program had."""

    seconds: float
    payer: float
    payee: float
    kept_waiting: float


class Route:
    """A channel between a payer and a payee; nothing else goes on while it is measured."""

    def __init__(self, payer: Party, payee: Party) -> None:
        self.payer, self.payee = payer, payee

    async def one_by_one(self, count: int) -> Cost:
        """Payments of which each begins when the payer has the preimage of the one before."""

        async def pay(invoices: list[str]) -> None:
            for invoice in invoices:
                await self.payer.pay(invoice)

        return await self._measured(count, pay)

    async def at_once(self, count: int) -> Cost:
        """Payments that begin together."""

        async def pay(invoices: list[str]) -> None:
            await asyncio.gather(*map(self.payer.pay, invoices))

        return await self._measured(count, pay)

    async def _measured(self, count: int, pay: Callable[[list[str]], Awaitable[None]]) -> Cost:
        """Until no HTLC is left on either side."""
        invoices = [await self.payee.invoice() for _ in range(count)]
        before = self._clocks()
        await pay(invoices)
        await until_asked(self._quiet, "no HTLC in flight")
        return Cost(*((after - then) / count for after, then in zip(self._clocks(), before, strict=True)))

    async def _quiet(self) -> bool:
        both = *await self.payer.channels(), *await self.payee.channels()
        return not any(htlcs for _, htlcs in both)

    def _clocks(self) -> tuple[float, float, float, float]:
        payer, payee = scheduled(self.payer.pid), scheduled(self.payee.pid)
        return time.perf_counter(), payer[0], payee[0], payer[1] + payee[1]


def scheduled(pid: int) -> tuple[float, float]:
    """Seconds for which the threads of a process had a processor, and for which its first one could have used one."""
    ran = [int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    waited = int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
    return sum(ran) / 1e9, waited / 1e9


@asynccontextmanager
async def routes(folder: Path) -> AsyncIterator[dict[str, Route]]:
    """The four of the picture, "LDK to lnpd" and so on, with their channels open. Raises Missing."""
    async with a_bitcoind(folder, "-disablewallet=0", "-addresstype=bech32") as bitcoind, AsyncExitStack() as stack:
        chain = await bitcoind.view()
        stack.push_async_callback(chain.close)
        await chain.mine()  # without a block bitcoind takes itself to be loading the chain
        nodes: dict[str, Party] = {}
        for role in ("payer", "payee"):
            nodes[f"LDK {role}"] = await Other.start(f"ldk-{role}", bitcoind, anchors=True)
            stack.push_async_callback(nodes[f"LDK {role}"].stop)
            nodes[f"lnpd {role}"] = await Lnpd.start(folder / role, bitcoind)
            stack.push_async_callback(nodes[f"lnpd {role}"].stop)
        made = {
            f"{payer} to {payee}": Route(nodes[f"{payer} payer"], nodes[f"{payee} payee"])
            for payer, payee in itertools.product(("LDK", "lnpd"), repeat=2)
        }
        await _opened(chain, list(made.values()), list(nodes.values()))
        yield made


async def _opened(chain: RegtestBitcoind, made: list[Route], nodes: list[Party]) -> None:
    for route in made:
        await chain.fund(bytes.fromhex(await route.payer.script()), CAPACITY_SAT + FOR_FEES_SAT)
    await _followed(nodes)
    for route in made:
        await route.payer.connect(route.payee)
        await route.payer.open(route.payee)
    await chain.mine(DEPTH)
    await _followed(nodes)
    for node in nodes:

        async def ready(node: Party = node) -> bool:
            return [usable for usable, _ in await node.channels()] == [True, True]

        await until_asked(ready, "two channels")


async def _followed(nodes: list[Party]) -> None:
    for node in nodes:
        await node.follow()
