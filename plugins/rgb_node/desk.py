"""What does the plugin do in channels? Its type, provider, messages, records and hooks, and its commands."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final

from lnpd_sdk.envelope import BusError
from lnpd_sdk.hooks import FailHtlc, InitialStates, TakeHtlc
from lnpd_sdk.manifest import Filter
from lnpd_sdk.moves import Cost, Moves
from lnpd_sdk.plugin import Node, Plugin

from nia.names import contract_id_of, contract_name
from rgb_channel.provider import CHANNEL_TYPE, NAME, Rgb
from rgb_channel.records import ROWS as TOKEN_ROWS
from rgb_engine import binding
from rgb_engine.commands import ASSET, SMALLEST, Desk, feerate_of
from rgb_engine.errors import EngineError
from rgb_engine.wallet import FEE_VBYTES
from rgb_node import wire
from rgb_node.collecting import Collector
from rgb_node.errors import AmountUnfit, AssetRefused, AssetUnknown, TermsUnreadable
from rgb_node.openings import Openings
from rgb_node.payments import LEAST_MSAT, Payments, held_channels
from rgb_node.shelf import Outpoint, Shelf
from rgb_node.wire import Piece, Terms

Row = dict[str, Any]  # Any: JSON values
PAY_SECONDS: Final = 20
STARTING_SECONDS: Final = 0.2
CAPABILITIES: Final = (
    "messages",
    "factory",
    "invoice",
    "pay:1000000",
    "spend:20000000",
    "rpc:info,decode",
    "hook:open_channel_received",
    "hook:initial_states",
    "hook:outgoing_records",
    "hook:onion_payload",
    "hook:htlc_accepted",
)
COMMANDS: Final[tuple[tuple[str, str, str], ...]] = (
    ("balance", "Show what is ours of each asset: on chain, in channels, on its way.", "lnp rgb balance"),
    ("open", "Open a channel that holds an asset.", "lnp rgb open PEER 1000000 USDX:5000"),
    ("accept", "Take channels in an asset that others open.", "lnp rgb accept rgb:2dkSTbr-..."),
    ("invoice", "Ask for an asset over Lightning.", "lnp rgb invoice USDX 1200"),
    ("pay", "Pay an invoice that asks for an asset.", "lnp rgb pay lnbcrt..."),
    ("open-cost", "Say what opening a channel with an asset would cost.", "lnp rgb open-cost 1000000 USDX:5000"),
    ("pay-cost", "Say what an invoice that asks for an asset would cost.", "lnp rgb pay-cost lnbcrt..."),
    ("channels", "List the channels that hold assets.", "lnp rgb channels"),
    ("collect", "Bring home what channels left behind; it happens by itself, too.", "lnp rgb collect"),
)
"""Name, help and example; the function of that name of `Channels` does it."""
MOVES: Final = {"open": Moves("amount_sat", estimate="rgb open-cost"), "pay": Moves(estimate="rgb pay-cost")}
EXTENDS: Final = {"open": "open"}  # `lnp open PEER 1000000 --asset USDX:5000` is the same


class Channels:
    """Assets in the channels of one node. What needs the wallet is made when it is first needed: it may be missing."""

    def __init__(self, plugin: Plugin, desk: Desk) -> None:
        self._desk, self._folder = desk, Path.cwd()
        self._shelf = Shelf(self._folder)
        self._payments = Payments(self._shelf)
        self._openings: Openings | None = None
        self._collector: Collector | None = None
        self._collecting: asyncio.Task[None] | None = None
        plugin.provider(Rgb)
        plugin.channel_type(CHANNEL_TYPE)
        plugin.messages(wire.ROWS)
        plugin.records(wire.RECORDS)
        plugin.records(TOKEN_ROWS)
        plugin.on_init(self._begin)
        self._hear(plugin)
        self._offer(plugin)

    def _hear(self, plugin: Plugin) -> None:
        kind, carrying = CHANNEL_TYPE.name, Filter("name", one_of=("open_channel", "update_add_htlc"))
        plugin.message("rgb_consignment")(self._piece)
        plugin.message("rgb_verdict")(self._verdict)
        plugin.hook("open_channel_received", channel_type=kind)(self._proposed)
        plugin.hook("initial_states", channel_type=kind)(self._begun)
        plugin.hook("outgoing_records", carrying, providers=NAME)(self._carried)
        plugin.hook("onion_payload", Filter("metadata", prefix=wire.METADATA_MARK.hex()))(self._told)
        plugin.hook("htlc_accepted", providers=NAME)(self._accepted)
        plugin.hook("block_connected")(self._block)
        plugin.hook("peer_disconnected")(self._parted)

    def _offer(self, plugin: Plugin) -> None:
        for name, help, example in COMMANDS:
            declared = plugin.rpc(
                help, f"{plugin.name} {name}", example, extends=EXTENDS.get(name, ""), moves=MOVES.get(name)
            )
            declared(getattr(self, name.replace("-", "_")))

    # --- its parts
    async def openings(self, node: Node) -> Openings:
        """EngineError where the wallet cannot be had."""
        if self._openings is None:
            engine = await self._desk.engine(node)
            self._openings = self._openings or Openings(engine, self._shelf, binding.chain(engine.network))
        return self._openings

    async def collector(self, node: Node) -> Collector:
        """EngineError where the wallet cannot be had."""
        if self._collector is None:
            engine, folder = await self._desk.engine(node), self._folder
            made = Collector(engine, self._shelf, binding.chain(engine.network), folder)
            self._collector = self._collector or made
        return self._collector

    async def _begin(self, node: Node) -> None:
        """What was interrupted goes on, beside the start, for it may have to wait for an Electrum server."""
        self._collecting = asyncio.create_task(self._work(node))

    async def _block(self, node: Node, **_fields: object) -> None:
        if self._collecting is None or self._collecting.done():
            self._collecting = asyncio.create_task(self._work(node))

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
        if (self._openings is None or self._openings.doubtful) and self._desk.has_wallet:
            await (await self.openings(node)).recover(node)

    async def _collect(self, node: Node) -> None:
        if await node.held_coins() or await self._shelf.collecting(node):  # a coin that is spent is not held any more
            await (await self.collector(node)).collect(node)

    # --- the hooks
    async def _piece(self, node: Node, node_id: str, fields: Row) -> None:
        await (await self.openings(node)).heard_piece(node, node_id, Piece(**fields))

    async def _verdict(self, node: Node, node_id: str, fields: Row) -> None:
        (await self.openings(node)).heard_verdict(
            node_id, fields["transfer"], bool(fields["accepted"]), fields["reason"]
        )

    async def _parted(self, node: Node, node_id: str) -> None:
        if self._openings is not None:
            self._openings.parted(node_id)

    async def _proposed(
        self, node: Node, node_id: str, funding_sat: int, records: dict[str, str], **_more: object
    ) -> str | None:
        try:
            terms = wire.terms_of(bytes.fromhex(records.get(str(wire.TERMS), "")))
            return await (await self.openings(node)).proposed(node, node_id, funding_sat, terms) or None
        except (TermsUnreadable, EngineError) as error:
            return str(error)

    async def _begun(
        self,
        node: Node,
        node_id: str,
        opener: bool,
        funding_txid: str,
        funding_vout: int,
        funding_sat: int,
        push_msat: int,
        feerate_per_kw: int,
        **_more: object,
    ) -> str | InitialStates:
        terms = {"funding_sat": funding_sat, "push_msat": push_msat, "feerate_per_kw": feerate_per_kw}
        try:
            openings = await self.openings(node)
            return await openings.begun(node, node_id, opener, Outpoint(funding_txid, funding_vout), terms)
        except (AssetRefused, EngineError) as error:
            return str(error)

    async def _carried(
        self, node: Node, name: str, node_id: str, channel_id: str, payment_hash: str, incoming: str, **_more: object
    ) -> dict[str, str] | None:
        if name == "open_channel":
            terms = (await self.openings(node)).terms_for(node_id)
            return None if terms is None else {str(wire.TERMS): terms.encode().hex()}
        return await self._payments.carried(node, channel_id, payment_hash, incoming)

    async def _told(self, node: Node, payment_hash: str, **_more: object) -> dict[str, str] | None:
        return self._payments.told(payment_hash)

    async def _accepted(self, node: Node, **fields: Any) -> TakeHtlc | FailHtlc | None:  # Any: of several types
        return await self._payments.accepted(node, fields)

    # --- the commands
    async def balance(self, node: Node) -> Row:
        """`settled` and `spendable` are the wallet's, `pending` what its unconfirmed transfers bring or take;
        `in_channels` is ours there, without `in_flight`; `coming_home` is what ended channels left behind."""
        found = await self._desk.balance(node)
        rows = {row["asset_id"]: row for row in found["assets"]}
        for each in await held_channels(node):
            row = rows.setdefault(contract_name(each.state.contract_id), _row(each.state.contract_id))
            row["in_channels"] = row.get("in_channels", 0) + each.ours
            row["in_flight"] = row.get("in_flight", 0) + each.offered
        for contract_id, amount in (await (await self.collector(node)).pending(node)).items():
            row = rows.setdefault(contract_name(contract_id), _row(contract_id))
            row["coming_home"] = amount
        usual = {"in_channels": 0, "in_flight": 0, "coming_home": 0}
        return {**found, "assets": [{**usual, **row} for row in rows.values()]}

    async def open(
        self,
        node: Node,
        peer: Annotated[str, "the peer's node id"],
        amount_sat: Annotated[int, "the channel's capacity"],
        asset: Annotated[str, "the asset and how much of it, TICKER:AMOUNT or ID:AMOUNT"],
        push_msat: Annotated[int, "give this much of the sat to the peer"] = 0,
        feerate: Annotated[int, "of the funding, in sat per vbyte (default: the node's estimate)"] = 0,
    ) -> Row:
        """The wallet of assets pays for it: asset and sat come from there. `lnp open` takes --asset, too."""
        name, amount = _named(asset)
        rate = await feerate_of(node, feerate)
        return await (await self.openings(node)).open(node, peer, amount_sat, name, amount, push_msat, rate)

    async def open_cost(
        self,
        node: Node,
        amount_sat: Annotated[int, "the channel's capacity"],
        asset: Annotated[str, "the asset and how much of it, TICKER:AMOUNT or ID:AMOUNT"],
        feerate: Annotated[int, "of the funding, in sat per vbyte (default: the node's estimate)"] = 0,
    ) -> Cost:
        """The wallet of assets has to have both; the fee is that of a transaction with a few inputs."""
        name, amount = _named(asset)
        engine = await self._desk.engine(node)
        await engine.refresh()
        known = await engine.asset(name)
        if known.balance.spendable < amount:
            raise AmountUnfit(f"{known.balance.spendable} of {known.ticker} can be spent now, not {amount}.")
        fee_sat = FEE_VBYTES[0] * await feerate_of(node, feerate)
        return Cost(1000 * amount_sat, 1000 * fee_sat, note=f"with {amount} of {known.ticker} ({known.asset_id})")

    async def pay_cost(self, node: Node, invoice: Annotated[str, "what the payee's `lnp rgb invoice` says"]) -> Cost:
        """Nobody stands between us and the payee."""
        terms, amount_msat, payee = await self._payments.asked(node, invoice)
        return Cost(amount_msat, 0, to=payee, note=f"with {terms.amount} of {contract_name(terms.contract_id)}")

    async def accept(self, node: Node, asset_id: Annotated[str, "the asset's id, rgb:..."]) -> Row:
        """Only channels in these, and in assets that we have, are opened by peers."""
        contract_id = contract_id_of(asset_id)
        await self._shelf.accept(node, contract_id)
        return {"asset_id": contract_name(contract_id)}

    async def invoice(
        self,
        node: Node,
        asset: Annotated[str, ASSET],
        amount: Annotated[int, f"how much, {SMALLEST}"],
        description: Annotated[str, "what it is for"] = "",
        amount_msat: Annotated[int, "the sat that go with it, which an output needs"] = LEAST_MSAT,
        expiry_seconds: Annotated[int, "for how long"] = 3600,
    ) -> Row:
        """A BOLT 11 invoice; only who pays the asset with it is paid for."""
        terms = Terms(await self._contract(node, asset), amount)
        return await self._payments.invoice(node, terms, description, amount_msat, expiry_seconds)

    async def pay(
        self,
        node: Node,
        invoice: Annotated[str, "what the payee's `lnp rgb invoice` says"],
        timeout_seconds: Annotated[int, "how long to wait"] = PAY_SECONDS,
    ) -> Row:
        """Over a channel with the payee that holds enough of the asset."""
        return await self._payments.pay(node, invoice, timeout_seconds)

    async def channels(self, node: Node) -> list[Row]:
        """Whose the tokens are, and what is in flight."""
        return [
            {
                "channel_id": each.channel_id,
                "peer": each.peer,
                "asset_id": contract_name(each.state.contract_id),
                "ours": each.ours,
                "theirs": each.theirs,
                "in_flight": sum(htlc.tokens for htlc in each.state.pending),
                "usable": each.usable,
            }
            for each in await held_channels(node)
        ]

    async def collect(self, node: Node) -> list[Row]:
        """It happens by itself at each block; this says what is in the way."""
        return await (await self.collector(node)).collect(node)

    async def _contract(self, node: Node, asset: str) -> bytes:
        """The contract of an asset, by its id, or by the ticker of one that the wallet or a channel has."""
        if asset.startswith("rgb:"):
            return contract_id_of(asset)
        for known in await (await self._desk.engine(node)).assets():
            if known.ticker == asset:
                return contract_id_of(known.asset_id)
        raise AssetUnknown(f"The wallet knows no asset {asset[:80]!r}: name it by its id, rgb:...")


def _named(asset: str) -> tuple[str, int]:
    """An asset and how much of it, from NAME:AMOUNT. Raises TermsUnreadable."""
    name, _, amount = asset.rpartition(":")
    if not name or not amount.isdecimal() or len(amount) > 20:
        raise TermsUnreadable(f"{asset[:80]!r} is no asset and amount, like USDX:5000.")
    return name, int(amount)


def _row(contract_id: bytes) -> Row:
    """Of an asset that the wallet does not know: it never held any."""
    return {"ticker": "", "asset_id": contract_name(contract_id), "settled": 0, "spendable": 0, "pending": 0}
