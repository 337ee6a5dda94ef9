"""Which two nodes pay each other, and how is a payment of theirs measured?

A pair is two whole nodes on this process's one event loop and core: two stores, two signers, a connection over loopback
with BOLT 8. Of lockbox there are four cases: not loaded; loaded as a process by each node, in the channel but without
a box; with a box open, so that it shapes every commitment; and the same with its code in the nodes' own process. It
declares what its outputs depend on, so that they are asked for once; echo declares nothing and is asked every time.
Five like echo show what each further provider costs.
"""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

from lnpd_sdk import envelope
from lnpd_sdk.services.channels import Proposal

from contrib.bench.places import ROOT
from lnpd.channel.actions import Notify
from lnpd.channel.state import Channel
from lnpd.config import Developer
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.services.node.node import Node
from lnpd.testing import DEPTH, Network, until, until_asked, usable
from lnpd.tx.states import htlcs_of

LOCKBOX: Final = ROOT / "plugins" / "lockbox.py"
ECHO: Final = Path(__file__).with_name("echo_plugin.py")
CAPACITY_SAT, AMOUNT_MSAT, BOX_SAT = 16_000_000, 1_000_000, 50_000
SECONDS = 120
POLL_SECONDS = 1.0  # the chain is quiet while payments are measured


@dataclass(frozen=True)
class Case:
    """Which plugin the channel pins, if any, as how many processes of other names, and where its code runs."""

    name: str
    plugin: Path | None = None
    in_process: bool = False
    box: bool = False
    many: int = 1

    @property
    def providers(self) -> tuple[str, ...]:
        """What the channel pins, by name."""
        name = provider_name(self.plugin) if self.plugin else ""
        return (name, *(f"{name}{number}" for number in range(2, self.many + 1))) if name else ()


WITHOUT = Case("no plugin")
IDLE = Case("lockbox idle", LOCKBOX)
USED = Case("lockbox used", LOCKBOX, box=True)
USED_HERE = Case("lockbox used, in-process", LOCKBOX, in_process=True, box=True)
ASKED = Case("echo", ECHO)
ASKED_HERE = Case("echo, in-process", ECHO, in_process=True)
FIVE = Case("five like echo", ECHO, many=5)
CASES = (WITHOUT, IDLE, USED, USED_HERE, ASKED, ASKED_HERE, FIVE)


@dataclass
class Cost:
    """What one payment took; `processor_seconds` are those of both nodes, `plugins_seconds` those of their plugins'
    processes. `round_trips` are the questions to providers, `hooks` all that plugins were asked, and asked for."""

    seconds: float
    processor_seconds: float
    plugins_seconds: float
    syncs: float
    round_trips: float
    hooks: float


class Pair:
    """Two nodes with a channel; the first pays the second."""

    def __init__(self, payer: Node, payee: Node, channel_id: str) -> None:
        self.payer, self.payee, self._channel_id = payer, payee, channel_id

    async def ask(self) -> str:
        """An invoice of the payee's."""
        return (await self.payee.api.invoice(AMOUNT_MSAT, "", 3600)).invoice

    async def pay(self, invoice: str) -> None:
        """Pays it."""
        await self.payer.api.pay(invoice, None, SECONDS)

    async def one_by_one(self, count: int) -> Cost:
        """Payments of which each begins when the one before is paid; measured until the last is settled."""

        async def pay(invoices: list[str]) -> None:
            for invoice in invoices:
                await self.pay(invoice)

        return await self._measured(count, pay)

    async def at_once(self, count: int) -> Cost:
        """Payments that begin together."""

        async def pay(invoices: list[str]) -> None:
            await asyncio.gather(*(self.pay(invoice) for invoice in invoices))

        return await self._measured(count, pay)

    async def _measured(self, count: int, pay: Callable[[list[str]], Awaitable[None]]) -> Cost:
        invoices = [await self.ask() for _ in range(count)]
        before = self._counters()
        await pay(invoices)
        await self._settled()
        return Cost(*((after - then) / count for after, then in zip(self._counters(), before, strict=True)))

    def _counters(self) -> tuple[float, float, float, int, int, int]:
        both = (self.payer, self.payee)
        syncs, round_trips = (sum(node.store.commits for node in both), sum(node.answers.round_trips for node in both))
        hooks = sum(figures.calls for node in both for figures in node.plugins.figures.rows.values())
        processes = [plugin.pid for node in both for plugin in node.plugins.plugins]
        theirs = sum(processor_seconds(pid) for pid in processes if pid is not None)
        return time.perf_counter(), time.process_time(), theirs, syncs, round_trips, hooks

    async def _settled(self) -> None:
        """Returns when neither node has anything of a payment left to do."""
        async with asyncio.timeout(SECONDS):
            for node in (self.payer, self.payee):
                driver = node.channels.driver_of(self._channel_id)
                await node.channels.until(driver.channel.key, _quiet)
                await driver.settled()


def processor_seconds(process: int) -> float:
    """What a process took of the processor, those of its threads that ended too: the clock that Linux keeps of each,
    as clock_getcpuclockid(3) numbers it, for which Python has no function."""
    return time.clock_gettime((~process << 3) | 2)


def _quiet(channel: Channel, _notices: tuple[Notify, ...]) -> bool | None:
    """Whether every update is on both commitments, and what they replaced is revoked."""
    busy = channel.log or channel.awaiting_revocation or htlcs_of(channel.base.states)
    return None if busy else True


def module_of(path: Path) -> Any:  # Any: a script that is nobody's library
    """A plugin's file, loaded into this process."""
    name = f"bench_{path.stem}"
    if name not in sys.modules:
        found = spec_from_file_location(name, path)
        assert found is not None and found.loader is not None
        sys.modules[name] = module_from_spec(found)
        found.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def provider_name(plugin: Path) -> str:
    """The provider of one of these plugins; its class has the same name."""
    return plugin.stem.removesuffix("_plugin")


async def _node(network: Network, name: str, case: Case) -> Node:
    node = await network.node(name, developer=Developer(poll_seconds=POLL_SECONDS))
    node.answers.ask_twice = False  # a user's node does not, and guards no provider's function
    node.plugins.environment.clear()
    if case.plugin and not case.in_process:
        await node.plugins.start(_copies(network.folder, case))
    if case.plugin and case.in_process:
        provider = getattr(module_of(case.plugin), provider_name(case.plugin).capitalize())()
        node.registry.claim_core((*(p.spec for p in CORE_PROVIDERS.values()), provider.spec), frozenset())
        node.answers.add_core(provider)
    return node


def _copies(folder: Path, case: Case) -> tuple[Path, ...]:
    """The plugin's file, and copies of it by other names."""
    assert case.plugin is not None
    others = tuple(folder / f"{name}_plugin.py" for name in case.providers[1:])
    for other in others:
        shutil.copy(case.plugin, other)
    return (case.plugin, *others)


@asynccontextmanager
async def pairs(folder: Path, cases: tuple[Case, ...] = CASES) -> AsyncIterator[dict[Case, Pair]]:
    """A pair for each case, all on one chain."""
    async with Network(folder) as network:
        made = {}
        for number, case in enumerate(cases):
            payer, payee = await _node(network, f"a{number}", case), await _node(network, f"b{number}", case)
            made[case] = Pair(payer, payee, await _opened(network, payer, payee, case))
        yield made


async def _opened(network: Network, payer: Node, payee: Node, case: Case) -> str:
    await network.fund(payer, CAPACITY_SAT + 100_000)
    await network.connect(payer, payee)
    opened = await payer.api.open(payee.node_id.hex(), CAPACITY_SAT, 0, "", case.providers, None)

    async def in_mempool() -> bool:
        txid = bytes.fromhex(opened.funding.partition(":")[0])[::-1]
        return await network.chain.transaction(txid) is not None

    await until_asked(in_mempool, "the funding transaction")
    await network.mine(DEPTH)
    await network.active(opened.channel_id, payer, payee)
    if case.box:
        body = envelope.encode(module_of(LOCKBOX).Put(BOX_SAT))
        await payer.channels.propose(Proposal(opened.channel_id, "lockbox", body), BOX_SAT)
        for node in (payer, payee):
            await until(lambda node=node: _boxed(usable(node, opened.channel_id)), "the box")  # type: ignore[misc]
    return opened.channel_id


def _boxed(channel: Channel | None) -> bool:
    return channel is not None and bool(dict(channel.base.states).get("lockbox"))
