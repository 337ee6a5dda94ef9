"""What does `lnp rgb` do in channels? Each command of the group that needs more than the wallet."""

from typing import Annotated, Any, Final

from lnpd_sdk.moves import Cost, Moves
from lnpd_sdk.plugin import Node, Plugin
from msgspec import to_builtins

from nia.names import contract_id_of, contract_name
from rgb_engine.commands import ASSET, SMALLEST, feerate_of
from rgb_engine.wallet import FEE_VBYTES
from rgb_node.errors import AmountUnfit, AssetUnknown, TermsUnreadable
from rgb_node.limits import LIMITS
from rgb_node.parts import Parts
from rgb_node.payments import held_channels
from rgb_node.wire import Terms

Row = dict[str, Any]  # Any: JSON values
PAY_SECONDS: Final = 20
PLACES: Final = ("in_channels", "in_flight", "closing", "coming_home")
MOST_LISTED, MOST_SKIPPED = 1_000, 1_000_000
COMMANDS: Final[tuple[tuple[str, str, str], ...]] = (
    ("balance", "Show what is ours of each asset: on chain, in channels, on its way.", "lnp rgb balance"),
    ("open", "Open a channel that holds an asset.", "lnp open PEER 1000000 --asset USDX:5000"),
    ("accept", "Take channels in an asset that others open.", "lnp rgb accept rgb:2dkSTbr-..."),
    ("invoice", "Ask for an asset over Lightning.", "lnp rgb invoice USDX 1200"),
    ("pay", "Pay an invoice that asks for an asset.", "lnp rgb pay lnbcrt..."),
    ("open-cost", "Say what opening a channel with an asset would cost.", "lnp rgb open-cost 1000000 USDX:5000"),
    ("pay-cost", "Say what an invoice that asks for an asset would cost.", "lnp rgb pay-cost lnbcrt..."),
    (
        "history",
        "List what moved tokens of ours, on chain and in channels, the oldest first.",
        "lnp rgb history --asset USDX",
    ),
    ("channels", "List the channels that hold assets.", "lnp rgb channels"),
    ("collect", "Bring home what channels left behind; it happens by itself, too.", "lnp rgb collect"),
)
"""Name, help and example; the function of that name of `Commands` does it."""
MOVES: Final = {"open": Moves("amount_sat", estimate="rgb open-cost"), "pay": Moves(estimate="rgb pay-cost")}
EXTENDS: Final = {"open": "open"}  # it is called where `lnp open` is given --asset


class Commands:
    """The commands that need more than the wallet. They raise classes of `errors`, whose text the user sees."""

    def __init__(self, plugin: Plugin, parts: Parts) -> None:
        self._parts = parts
        parts.desk.limits = (*parts.desk.limits, *LIMITS)
        for name, help, example in COMMANDS:
            extends, moves = EXTENDS.get(name, ""), MOVES.get(name)
            declared = plugin.rpc(help, f"{plugin.name} {name}", example, extends=extends, moves=moves)
            declared(getattr(self, name.replace("-", "_")))

    async def balance(self, node: Node) -> Row:
        """`settled` and `spendable` are the wallet's, `pending` what its unconfirmed transfers bring or take;
        `in_channels` is ours there, without `in_flight`; `closing` is what channels that end owe us yet, and
        `coming_home` what stands on the node's coins. `all` is the whole, `shown` the same with the asset's point."""
        found = await self._parts.desk.balance(node)
        rows = {row["asset_id"]: {**row, **dict.fromkeys(PLACES, 0)} for row in found["assets"]}
        for contract_id, place, amount in await self._parts.in_channels(node):
            name = contract_name(contract_id)
            rows.setdefault(name, {**_row(name), **dict.fromkeys(PLACES, 0)})[place] += amount
        known = await self._parts.known(node)
        for name, row in rows.items():
            row["ticker"], precision = known.get(name, (row["ticker"], 0))
            row["all"] = row["settled"] + row["pending"] + sum(row[place] for place in PLACES)
            row["shown"] = decimal(row["all"], precision)
        return {**found, "assets": [*rows.values()]}

    async def history(
        self,
        node: Node,
        asset: Annotated[str, f"{ASSET} (default: all)"] = "",
        limit: Annotated[int, f"how many, {MOST_LISTED} at most"] = 100,
        skip: Annotated[int, "how many of the newest to leave out"] = 0,
    ) -> list[Row]:
        """`on_chain` and `in_channels` are what a row changed; they add up to the balance."""
        if not (0 < limit <= MOST_LISTED and 0 <= skip <= MOST_SKIPPED):
            raise AmountUnfit(f"A page has 1 to {MOST_LISTED} rows, and up to {MOST_SKIPPED} can be left out.")
        asset_id = contract_name(await self._contract(node, asset)) if asset else ""
        return [to_builtins(each) for each in await self._parts.history(node, asset_id, limit, skip)]

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
        return await (await self._parts.opener(node)).open(node, peer, amount_sat, name, amount, push_msat, rate)

    async def open_cost(
        self,
        node: Node,
        amount_sat: Annotated[int, "the channel's capacity"],
        asset: Annotated[str, "the asset and how much of it, TICKER:AMOUNT or ID:AMOUNT"],
        feerate: Annotated[int, "of the funding, in sat per vbyte (default: the node's estimate)"] = 0,
    ) -> Cost:
        """The wallet of assets has to have both; the fee is that of a transaction with a few inputs."""
        name, amount = _named(asset)
        engine = await self._parts.desk.engine(node)
        await engine.refresh()
        known = await engine.asset(name)
        if known.balance.spendable < amount:
            raise AmountUnfit(f"{known.balance.spendable} of {known.ticker} can be spent now, not {amount}.")
        fee_sat = FEE_VBYTES[0] * await feerate_of(node, feerate)
        return Cost(1000 * amount_sat, 1000 * fee_sat, note=f"with {amount} of {known.ticker} ({known.asset_id})")

    async def pay_cost(self, node: Node, invoice: Annotated[str, "what the payee's `lnp rgb invoice` says"]) -> Cost:
        """Nobody stands between us and the payee. NoAssetChannel where it could not be paid now."""
        terms, amount_msat, payee = await self._parts.payments.asked(node, invoice)
        return Cost(amount_msat, 0, to=payee, note=f"with {terms.amount} of {contract_name(terms.contract_id)}")

    async def accept(self, node: Node, asset_id: Annotated[str, "the asset's id, rgb:..."]) -> Row:
        """Only channels in these, and in assets that we have, are opened by peers."""
        contract_id = contract_id_of(asset_id)
        await self._parts.shelf.accept(node, contract_id)
        return {"asset_id": contract_name(contract_id)}

    async def invoice(
        self,
        node: Node,
        asset: Annotated[str, ASSET],
        amount: Annotated[int, f"how much, {SMALLEST}"],
        description: Annotated[str, "what it is for"] = "",
        amount_msat: Annotated[int, "the sat that go with it (default: what an output needs)"] = 0,
        expiry_seconds: Annotated[int, "for how long"] = 3600,
    ) -> Row:
        """A BOLT 11 invoice; only who pays the asset with it is paid for."""
        terms = Terms(await self._contract(node, asset), amount)
        return await self._parts.payments.invoice(node, terms, description, amount_msat, expiry_seconds)

    async def pay(
        self,
        node: Node,
        invoice: Annotated[str, "what the payee's `lnp rgb invoice` says"],
        timeout_seconds: Annotated[int, "how long to wait"] = PAY_SECONDS,
    ) -> Row:
        """Over a channel with the payee that holds enough of the asset."""
        return await self._parts.payments.pay(node, invoice, timeout_seconds)

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
        return await (await self._parts.collector(node)).collect(node)

    async def _contract(self, node: Node, asset: str) -> bytes:
        """The contract of an asset, by its id, or by its ticker if one asset of the wallet has it: anybody may issue
        another of the same ticker, and send some of it here."""
        if asset.startswith("rgb:"):
            return contract_id_of(asset)
        engine = await self._parts.desk.engine(node)
        found = [known.asset_id for known in await engine.assets() if known.ticker == asset]
        if len(found) != 1:
            known = f"{len(found)} assets with the ticker" if found else "no asset"
            raise AssetUnknown(f"The wallet knows {known} {asset[:80]!r}: name it by its id, rgb:...")
        return contract_id_of(found[0])


def _named(asset: str) -> tuple[str, int]:
    """An asset and how much of it, from NAME:AMOUNT. Raises TermsUnreadable."""
    name, _, amount = asset.rpartition(":")
    if not name or not amount.isdecimal() or len(amount) > 20:
        raise TermsUnreadable(f"{asset[:80]!r} is no asset and amount, like USDX:5000.")
    return name, int(amount)


def decimal(amount: int, precision: int) -> str:
    """An amount as people write it: 100000 with a precision of 2 is 1,000.00."""
    whole, part = divmod(amount, 10**precision)
    return f"{whole:,}.{part:0{precision}}" if precision else f"{whole:,}"


def _row(asset_id: str) -> Row:
    """Of an asset that the wallet does not know: it never held any."""
    return {"ticker": "", "asset_id": asset_id, "settled": 0, "spendable": 0, "pending": 0}
