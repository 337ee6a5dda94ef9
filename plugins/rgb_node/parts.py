"""What works in the plugin beside the wallet, what is ours by all of it, and what goes on by itself?"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from lnpd_sdk.envelope import BusError
from lnpd_sdk.plugin import Node
from lnpd_sdk.services.payments import MAX_LISTED, PluginInvoice, PluginPayment
from msgspec.structs import astuple

from nia.consignment import parse
from nia.names import contract_name
from rgb_engine import binding
from rgb_engine.commands import Desk
from rgb_engine.errors import ElectrumUnreachable, ElectrumUnset, EngineError
from rgb_node import ledger
from rgb_node.acceptor import Acceptor
from rgb_node.collecting import Collector
from rgb_node.errors import AssetRefused
from rgb_node.ledger import Move
from rgb_node.opener import Opener
from rgb_node.payments import Payments, held_channels
from rgb_node.shelf import Shelf

STARTING_SECONDS: Final = 0.2
R = TypeVar("R", PluginPayment, PluginInvoice)


class Parts:
    """Assets in the channels of one node. What needs the wallet is made when it is first needed: it may be missing."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.shelf = desk, Shelf(Path.cwd())  # the plugin's own folder
        self.payments = Payments(self.shelf)
        self._specs: dict[str, tuple[str, int]] = {}  # what no consignment says twice
        self._opener: Opener | None = None
        self._acceptor: Acceptor | None = None
        self._collector: Collector | None = None
        self._working: asyncio.Task[None] | None = None

    async def opener(self, node: Node) -> Opener:
        """EngineError where the wallet cannot be had."""
        if self._opener is None:
            engine = await self.desk.engine(node)
            self._opener = self._opener or Opener(engine, self.shelf, binding.chain(engine.network))
        return self._opener

    async def acceptor(self, node: Node) -> Acceptor:
        """EngineError where the wallet cannot be had."""
        if self._acceptor is None:
            engine = await self.desk.engine(node)
            self._acceptor = self._acceptor or Acceptor(engine, self.shelf, binding.chain(engine.network))
        return self._acceptor

    async def collector(self, node: Node) -> Collector:
        """EngineError where the wallet cannot be had."""
        if self._collector is None:
            engine = await self.desk.engine(node)
            self._collector = self._collector or Collector(engine, self.shelf, binding.chain(engine.network))
        return self._collector

    # --- what is ours
    async def in_channels(self, node: Node) -> list[tuple[bytes, str, int]]:
        """What is ours in channels and behind them: contract, place and amount."""
        waiting, homes = await (await self.collector(node)).waiting(node), await self.shelf.homes(node)
        came = Counter[str]()
        for channel_id, amount in (*((w.channel_id, w.amount) for w in waiting), *map(astuple, homes.values())):
            came[channel_id] += amount
        found = [(each.contract_id, "coming_home", each.amount) for each in waiting]
        for each in await held_channels(node):
            contract_id = each.state.contract_id
            if each.ended:
                found.append((contract_id, "closing", max(0, each.ours + each.offered - came[each.channel_id])))
            else:
                found += [(contract_id, "in_channels", each.ours), (contract_id, "in_flight", each.offered)]
        return found

    async def known(self, node: Node) -> dict[str, tuple[str, int]]:
        """Ticker and precision of each asset, by its id: of the wallet's, and of those that channels were opened in."""
        for outpoint, funding in (await self.shelf.fundings(node)).items():
            if (name := contract_name(funding.contract_id)) not in self._specs:
                spec = parse(await asyncio.to_thread(self.shelf.consignment, outpoint)).genesis.asset()
                self._specs[name] = spec.ticker, spec.precision
        wallets = await (await self.desk.engine(node)).assets()
        return {**self._specs, **{each.asset_id: (each.ticker, each.precision) for each in wallets}}

    async def history(self, node: Node, asset_id: str, limit: int, skip: int) -> list[Move]:
        """What moved tokens of ours, a page of it. EngineError."""
        engine = await self.desk.engine(node)
        with suppress(ElectrumUnreachable, ElectrumUnset):  # then as of the last look
            await engine.refresh()
        homes = {txid: each.channel_id for txid, each in (await self.shelf.homes(node)).items()}
        rows = {row["funding"]: row["channel_id"] for row in await node.channels(closed=True)}
        fundings = [key for key, each in (await self.shelf.fundings(node)).items() if each.opener]
        opened = {key.txid: rows[str(key)] for key in fundings if str(key) in rows}
        moves = ledger.transfers(await engine.transfers(), opened, homes)
        moves += ledger.payments(await _pages(node.payments, limit + skip))
        moves += ledger.invoices(await _pages(partial(node.own_invoices, paid=True), limit + skip))
        return ledger.page(moves, asset_id, limit, skip)

    # --- what goes on by itself
    async def begin(self, node: Node) -> None:
        """What was interrupted goes on, beside the start, for it may have to wait for an Electrum server."""
        self._working = asyncio.create_task(self._work(node))

    async def block(self, node: Node, **_fields: object) -> None:
        """What waits for something may have it now."""
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(node))

    async def parted(self, node: Node, node_id: str) -> None:
        """Openings with a peer end with its connection."""
        if self._acceptor is not None:
            self._acceptor.parted(node_id)

    async def _work(self, node: Node) -> None:
        for work in (self._recover, self._collect):
            while not await self._ended(node, work):  # noqa: ASYNC110  # no event tells a plugin that its node is up
                await asyncio.sleep(STARTING_SECONDS)

    async def _ended(self, node: Node, work: Callable[[Node], Awaitable[None]]) -> bool:
        """Whether a work is at its end, for now; not while the node starts."""
        try:
            await work(node)
        except (AssetRefused, EngineError, BusError) as error:
            if getattr(error, "code", "") == "NodeStarting":
                return False
            await node.log("warning", f"Tokens wait: {error}")
        return True

    async def _recover(self, node: Node) -> None:
        if not self.desk.has_wallet:
            return
        if (opener := await self.opener(node)).doubtful:
            await opener.recover(node)
        await (await self.acceptor(node)).tidy(node)

    async def _collect(self, node: Node) -> None:
        if await node.held_coins() or await self.shelf.trips(node):  # a coin that is spent is not held any more
            await (await self.collector(node)).collect(node)


async def _pages(listed: Callable[..., Awaitable[tuple[R, ...]]], most: int) -> list[R]:
    """The newest rows of the node's, page by page; the oldest of them first."""
    found: list[R] = []
    while rows := await listed(before=found[-1].sequence if found else 0):
        found += rows
        if len(found) >= most or len(rows) < MAX_LISTED:
            break
    return found[::-1]
