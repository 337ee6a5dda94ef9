"""What does plugins/rgb.py cost the payments of a node: loaded and not used, and used?

Four ways take turns in each round: two nodes without plugins; two that have loaded it, over a channel without an asset;
two over a channel that holds one, in sat alone; and the same two by invoices that ask for tokens. All on one bitcoind,
as an asset needs it; all pay the same sat, as tokens need them. An asset's channel has 16 HTLCs in flight at most, so
10 are paid at once. Time on the wall is what a user waits for; beside it stands the time that the processors worked,
of both nodes and of their plugins' processes, of which a neighbour takes nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from embit.script import address_to_scriptpubkey

from contrib.bench.measure import Series, Size, contest_async
from contrib.bench.nodes import POLL_SECONDS, SECONDS, Cost, Pair
from contrib.bench.places import ROOT, scratch
from contrib.bench.report import Section
from contrib.regtest.bitcoind import Bitcoind, Missing
from contrib.regtest.electrum import ElectrumServer
from lnpd.config import Developer
from lnpd.hooks.capabilities import kind_of
from lnpd.hooks.registry import asked_by
from lnpd.services.node.node import Node
from lnpd.services.plugins.alone import manifest_of
from lnpd.testing import DEPTH, Network, until_asked

PLUGIN: Final = ROOT / "plugins" / "rgb.py"
COUNT, TOGETHER, COUNTED, MOST_ROUNDS = 10, 10, 3, 7
COINS_SAT, CAPACITY_SAT, PUSH_SAT, AMOUNT_MSAT = 20_000_000, 16_000_000, 200_000, 10_000_000
TOKENS: Final = 10_000
WITHOUT, LOADED, SAT, USED = "no plugin", "rgb loaded, unused", "rgb channel, sat alone", "rgb channel, tokens"
ONE = "one after another"


class Priced(Pair):
    """A pair whose payments have the sat that tokens need."""

    async def ask(self) -> str:
        """See Pair."""
        return (await self.payee.api.invoice(AMOUNT_MSAT, "", 3600)).invoice


class Tokens(Pair):
    """A pair whose payer pays one token each time."""

    def __init__(self, payer: Node, payee: Node, channel_id: str, asset_id: str) -> None:
        super().__init__(payer, payee, channel_id)
        self._asset_id = asset_id

    async def ask(self) -> str:
        """See Pair."""
        made = await rgb(self.payee, "invoice", asset=self._asset_id, amount=1, amount_msat=AMOUNT_MSAT)
        return str(made["invoice"])

    async def pay(self, invoice: str) -> None:
        """See Pair."""
        await rgb(self.payer, "pay", invoice=invoice, timeout_seconds=SECONDS)


class Paid:
    """One way of paying of one pair, as a contestant; it keeps what each round cost."""

    def __init__(self, pair: Pair, together: bool, count: int) -> None:
        self._how, self._count = pair.at_once if together else pair.one_by_one, count
        self._costs: list[Cost] = []

    async def timed(self) -> float:
        """Seconds of one payment."""
        self._costs.append(await self._how(self._count))
        return self._costs[-1].seconds

    @property
    def nodes(self) -> Series:
        """The processor's seconds of both nodes, in each round but the first, which warms up."""
        return Series(tuple(cost.processor_seconds for cost in self._costs[1:]))

    @property
    def plugins(self) -> Series:
        """Those of the plugins' processes."""
        return Series(tuple(cost.plugins_seconds for cost in self._costs[1:]))

    @property
    def processor(self) -> Series:
        """All of them."""
        return self.nodes.plus(self.plugins)


async def rgb(node: Node, method: str, **params: Any) -> Any:  # Any: JSON values
    """A command of the plugin."""
    return await node.api.call_plugin(f"rgb {method}", params)


async def main(section: Section, folder: Path, size: Size) -> None:
    """Fills the section."""
    count, together = size.of(COUNT), min(size.together, TOGETHER)
    hows = {ONE: (False, count), f"{together} at once": (True, together)}
    async with pairs(folder) as made:
        paid = {(how, name): Paid(pair, *hows[how]) for name, pair in made.items() for how in hows}
        table = {f"{how}, {name}": each.timed for (how, name), each in paid.items()}
        found = await contest_async(table, min(size.rounds, MOST_ROUNDS))
        for how in hows:
            compared(section, how, {name: found[f"{how}, {name}"] for name in made}, paid)
        await counted(section, made, size, together)
    section.note(
        "Of an asset's channel each transaction to which a signed commitment may lead is sealed, 4 for each HTLC,"
    )
    section.note("and a commitment asks in three steps: its own seal, its second stages', all claims'. Syncs are more")
    section.note("where a question to a plugin comes between two messages that would have been stored together.")


def compared(section: Section, how: str, times: dict[str, Series], paid: dict[tuple[str, str], Paid]) -> None:
    """Adds all pairs of one way of paying."""
    for name, series in times.items():
        each = paid[how, name]
        section.time(f"{how}, {name}: a payment", series)
        section.count(f"{how}, {name}: payments", [1 / value for value in series.values], "/s")
        section.time(f"{how}, {name}: processor, nodes", each.nodes)
        if name != WITHOUT:
            section.time(f"{how}, {name}: processor, plugins", each.plugins)
    for name, series in times.items():
        if name != WITHOUT:
            section.ratio(f"{how}, {name}: speed / {WITHOUT}", times[WITHOUT].over(series))
            spent, least = paid[how, name].processor, paid[how, WITHOUT].processor
            section.ratio(f"{how}, {name}: the same, processor", least.over(spent))


async def counted(section: Section, made: dict[str, Pair], size: Size, together: int) -> None:
    """Adds how often the disk was waited for, and the plugins' processes were asked."""
    for name, pair in made.items():
        alone = [await pair.one_by_one(1) for _ in range(size.of(COUNTED))]
        batch = await pair.at_once(together)
        section.count(f"one payment, {name}: syncs", [cost.syncs for cost in alone])
        section.count(f"{together} payments at once, {name}: syncs", [round(batch.syncs * together)])
        if name != WITHOUT:
            section.count(f"one payment, {name}: round trips to providers", [cost.round_trips for cost in alone])
            section.count(f"one payment, {name}: questions of all kinds", [cost.hooks for cost in alone])
            rounds, hooks = round(batch.round_trips * together), round(batch.hooks * together)
            section.count(f"{together} payments at once, {name}: round trips to providers", [rounds])
            section.count(f"{together} payments at once, {name}: questions of all kinds", [hooks])


@asynccontextmanager
async def pairs(folder: Path) -> AsyncIterator[dict[str, Pair]]:
    """The pairs by name. Raises Missing where bitcoind, e-x or rgb-lib is missing."""
    bitcoind = Bitcoind(folder / "bitcoind", "-txindex=1")
    electrum = ElectrumServer(folder / "electrum", bitcoind)
    try:
        bitcoind.start()
        async with Network(folder / "n", bitcoind=bitcoind.directory) as network:
            await network.chain.mine(1)
            electrum.start()
            await electrum.answers()
            yield await _made(network, f"tcp://{electrum.tcp}")
    finally:
        electrum.kill()
        bitcoind.kill()


async def _made(network: Network, electrum: str) -> dict[str, Pair]:
    asked = [each for each in asked_by(await manifest_of(PLUGIN)) if kind_of(each) != "pay"]
    grants = tuple(("rgb", each) for each in (*asked, f"pay:{CAPACITY_SAT}"))  # more payments than a user's first grant
    plugin = {"grants": grants, "plugin_options": (("rgb", "electrum", electrum),)}
    holder, taker = await _nodes(network, "c", (PLUGIN,), plugin)
    if problem := (await rgb(holder, "info")).get("problem"):
        raise Missing(problem)
    asset = await _issued(network, holder)
    await rgb(taker, "accept", asset_id=asset)
    channel = await _opened(network, holder, taker, asset)
    made: dict[str, Pair] = {}
    for name, prefix, plugins, options in ((WITHOUT, "a", (), {}), (LOADED, "b", (PLUGIN,), plugin)):
        payer, payee = await _nodes(network, prefix, plugins, options)
        plain = await network.channel(payer, payee, CAPACITY_SAT, PUSH_SAT)
        made[name] = Priced(payer, payee, plain)
    return {**made, SAT: Priced(holder, taker, channel), USED: Tokens(holder, taker, channel, asset)}


async def _nodes(
    network: Network,
    prefix: str,
    plugins: tuple[Path, ...],
    options: dict[str, Any],  # Any: as Config takes
) -> tuple[Node, Node]:
    payer, payee = [
        await network.node(f"{prefix}{number}", developer=Developer(poll_seconds=POLL_SECONDS), **options)
        for number in (1, 2)
    ]
    for node in (payer, payee):
        node.answers.ask_twice = False  # a user's node does not, and guards no provider's function
        node.plugins.environment.clear()
        await node.plugins.start(plugins)
    return payer, payee


async def _issued(network: Network, holder: Node) -> str:
    address = (await rgb(holder, "address"))["address"]
    await network.chain.fund(bytes(address_to_scriptpubkey(address).data), COINS_SAT)
    await network.mine()

    async def arrived() -> bool:
        return bool((await rgb(holder, "balance"))["free_sat"] == COINS_SAT)

    await until_asked(arrived, "the coins of the wallet of assets")
    issued = await rgb(holder, "issue", ticker="USDX", amount=TOKENS)
    await network.mine()
    return str(issued["asset_id"])


async def _opened(network: Network, holder: Node, taker: Node, asset: str) -> str:
    await network.connect(holder, taker)
    wanted = {"amount_sat": CAPACITY_SAT, "push_msat": 1000 * PUSH_SAT, "asset": f"{asset}:{TOKENS}"}
    opened = await rgb(holder, "open", peer=taker.node_id.hex(), **wanted)
    await network.seen(opened["funding"].partition(":")[0])
    await network.mine(DEPTH)
    await network.active(opened["channel_id"], holder, taker)
    return str(opened["channel_id"])


def run(size: Size) -> Section:
    """See the file's question."""
    section = Section("assets: two whole nodes with plugins/rgb.py, over one channel")
    try:
        with scratch() as folder:
            asyncio.run(main(section, folder, size))
    except Missing as why:
        section.not_run = str(why)
    return section
