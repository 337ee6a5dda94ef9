"""What does `lnp rgb` do on chain? Each command of the group, upon one engine that is made when it is first needed."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

from lnpd_sdk.moves import Cost, Moves
from lnpd_sdk.plugin import Node, Plugin

from nia.consignment import parse
from nia.errors import NiaError
from nia.genesis import ChainNet
from nia.history import check
from rgb_engine import binding
from rgb_engine.engine import Engine
from rgb_engine.errors import BadRequest, ConsignmentRefused, ElectrumUnreachable, ElectrumUnset, EngineError
from rgb_engine.limits import LIMITS
from rgb_engine.opened import WALLET
from rgb_engine.values import MAX_CONSIGNMENT_BYTES, Asset, Invoice, Transfer, sized
from rgb_engine.wallet import DAY_SECONDS, FEE_VBYTES, HOLDING_SAT

SERVERS: Final = ("tcp://", "ssl://")
FEERATE: Final = "in sat per vbyte (default: the node's estimate)"
ASSET: Final = "the asset's ticker, or its id where several have that"
SMALLEST: Final = "in the asset's smallest unit"
Row = dict[str, Any]  # Any: JSON values
Rows = list[Row]

COMMANDS: Final[tuple[tuple[str, str, str], ...]] = (
    ("info", "Show whether RGB works here, and what of it is experimental.", "lnp rgb info"),
    ("address", "A new address of the RGB wallet, which has satoshi of its own.", "lnp rgb address"),
    ("issue", "Issue a new asset, all of which is ours.", "lnp rgb issue USDX 100000"),
    ("list", "List the assets that the wallet knows.", "lnp rgb list"),
    ("request", "Ask for an asset on chain.", "lnp rgb request --asset USDX --amount 1200"),
    ("send", "Send an asset on chain; the recipient needs the file that it names.", "lnp rgb send 'rgb:~/~/...'"),
    ("receive", "Take what a consignment assigns to our invoices.", "lnp rgb receive payment.rgb"),
    ("consignment", "Write the consignment of what we sent once more.", "lnp rgb consignment 4ad1...c0"),
    ("issue-cost", "Say what issuing an asset would cost.", "lnp rgb issue-cost"),
    ("send-cost", "Say what sending an asset on chain would cost.", "lnp rgb send-cost 'rgb:~/~/...'"),
    ("backup", "Write the wallet to a file, encrypted under its words.", "lnp rgb backup"),
)
"""Name, help and example; the function of that name of `Desk` does it."""
MOVES: Final = {"issue": Moves(estimate="rgb issue-cost"), "send": Moves(estimate="rgb send-cost")}


class Desk:
    """The commands of a plugin. They raise classes of `errors`, whose text the user sees."""

    def __init__(self, plugin: Plugin) -> None:
        self._electrum = plugin.option(
            "electrum",
            str,
            "",
            "the Electrum server of the RGB wallet, tcp://HOST:PORT or ssl://HOST:PORT",
            dynamic=True,
        )
        self.limits: tuple[str, ...] = LIMITS
        self._engine: Engine | None = None
        self._folder = Path.cwd()  # the plugin's own
        for name, help, example in COMMANDS:
            moves = MOVES.get(name)
            plugin.rpc(help, f"{plugin.name} {name}", example, moves=moves)(self._function(name.replace("-", "_")))

    def _function(self, name: str) -> Callable[..., Any]:  # Any: each has its own
        found: Callable[..., Any] = getattr(self, name)
        return found

    async def engine(self, node: Node) -> Engine:
        """The wallet's engine. LibraryMissing, NetworkUnknown."""
        if self._engine is None:
            binding.load()
            network = (await node.rpc("info"))["network"]
            binding.chain(network)
            self._engine = self._engine or Engine(self._folder, network, self._electrum.value)
        return self._engine

    @property
    def has_wallet(self) -> bool:
        """Whether anything was ever held here."""
        return (self._folder / WALLET).exists()

    async def changed(self, name: str, value: object) -> None:
        """The user has set an option. A server of another form is refused, and the old one stays."""
        if name != "electrum":
            return
        if value and not str(value).startswith(SERVERS):
            raise BadRequest(f"{value} does not begin with {' or '.join(SERVERS)}")
        if self._engine is not None:
            await self._engine.use(str(value))

    async def close(self) -> None:
        """Lets go of the wallet, for the next process."""
        if self._engine is not None:
            await self._engine.close()

    # --- the commands
    async def info(self, node: Node) -> Row:
        """Says what is missing in place of failing."""
        told: Row = {"library": "", "network": "", "electrum": self._electrum.value, "assets": 0, "unfinished": 0}
        try:
            engine = await self.engine(node)
            told |= {"library": f"rgb-lib {binding.VERSION}", "network": engine.network}
            told["assets"] = len(await engine.assets())
            await engine.ask(lambda wallet: wallet.check_books())
            await engine.refresh()
            told["unfinished"] = sum(each.status not in ("settled", "failed") for each in await engine.transfers())
        except EngineError as error:
            told["problem"] = str(error)
        return {**told, "experimental": " ".join(self.limits)}

    async def address(self, node: Node) -> Row:
        """Fees, and the satoshi of outputs that hold tokens, come from there."""
        return {"address": await (await self.engine(node)).address()}

    async def issue(
        self,
        node: Node,
        ticker: Annotated[str, "1 to 8 capital letters and digits"],
        amount: Annotated[int, f"how much of it there shall be, {SMALLEST}"],
        precision: Annotated[int, "how many digits of an amount are behind the point"] = 0,
        name: Annotated[str, "its name in words (default: the ticker)"] = "",
        feerate: Annotated[int, FEERATE] = 0,
    ) -> Row:
        """It costs a transaction if no output of the wallet is free."""
        engine = await self.engine(node)
        return _asset(await engine.issue(ticker, name or ticker, precision, amount, await feerate_of(node, feerate)))

    async def list(self, node: Node) -> Rows:
        """With ids, which nobody else's asset has."""
        return [_asset(each) for each in await (await self.engine(node)).assets()]

    async def balance(self, node: Node) -> Row:
        """`pending` is what comes and goes once unconfirmed transfers are in a block. Without the Electrum server it
        is as of the last look, and `problem` says so."""
        engine, told = await self.engine(node), Row()
        try:
            await engine.refresh()
            coins = await engine.bitcoin()
            told = {"free_sat": coins.plain_sat.spendable, "holding_sat": coins.holding_sat.settled}
        except (ElectrumUnreachable, ElectrumUnset) as error:
            told = {"problem": f"As of the last look: {error}"}
        return {"assets": [_balance(each) for each in await engine.assets()], **told}

    async def request(
        self,
        node: Node,
        asset: Annotated[str, f"{ASSET} (default: any)"] = "",
        amount: Annotated[int, f"how much, {SMALLEST} (default: any)"] = 0,
        blinded: Annotated[bool, "to an output of ours that the payer does not see"] = False,
        expiry_seconds: Annotated[int, "for how long"] = DAY_SECONDS,
    ) -> Row:
        """The payer sends a consignment, for `lnp rgb receive`."""
        engine = await self.engine(node)
        made = await engine.invoice(asset, amount, expiry_seconds, blinded, await feerate_of(node, 0))
        return {"invoice": made.text, "expires_unix_seconds": made.expires_unix_seconds}

    async def send(
        self,
        node: Node,
        invoice: Annotated[str, "what the recipient's `lnp rgb request` says"],
        asset: Annotated[str, f"{ASSET} (default: the invoice's)"] = "",
        amount: Annotated[int, f"how much, {SMALLEST} (default: the invoice's)"] = 0,
        feerate: Annotated[int, FEERATE] = 0,
    ) -> Row:
        """It is broadcast at once. Without the consignment the recipient does not have the tokens."""
        to, wanted, much = await self._asked(node, invoice, asset, amount)
        engine = await self.engine(node)
        sent = await engine.send(to, wanted.asset_id, much, await feerate_of(node, feerate))
        return {**_transfer(sent), "consignment": str(await self._kept(engine, sent))}

    async def send_cost(
        self,
        node: Node,
        invoice: Annotated[str, "what the recipient's `lnp rgb request` says"],
        asset: Annotated[str, f"{ASSET} (default: the invoice's)"] = "",
        amount: Annotated[int, f"how much, {SMALLEST} (default: the invoice's)"] = 0,
        feerate: Annotated[int, FEERATE] = 0,
    ) -> Cost:
        """The fee is that of a transaction with a few inputs; a new output for the recipient holds some sat."""
        to, wanted, much = await self._asked(node, invoice, asset, amount)
        fee_sat = FEE_VBYTES[0] * await feerate_of(node, feerate)
        note = f"with {much} of {wanted.ticker} ({wanted.asset_id})"
        return Cost(0 if to.is_blinded else 1000 * HOLDING_SAT, 1000 * fee_sat, to=to.recipient_id, note=note)

    async def issue_cost(self, node: Node, feerate: Annotated[int, FEERATE] = 0) -> Cost:
        """The fee of the transaction that makes outputs for tokens, which stay ours; none if one is free."""
        fee_sat = FEE_VBYTES[0] * await feerate_of(node, feerate)
        return Cost(0, 1000 * fee_sat, note="a fee only if no output of the RGB wallet is free to hold tokens")

    async def _asked(self, node: Node, invoice: str, asset: str, amount: int) -> tuple[Invoice, Asset, int]:
        """Whom an invoice pays what and how much, where it leaves that open with what is given. BadRequest."""
        engine = await self.engine(node)
        to = await engine.read_invoice(invoice)
        for what, given, asked in (("asset", asset, to.asset_id), ("amount", amount, to.amount)):
            if not given and not asked:
                raise BadRequest(f"the invoice leaves the {what} open: --{what}")
        wanted = await engine.asset(asset or to.asset_id)
        if to.asset_id not in ("", wanted.asset_id) or (amount and to.amount not in (0, amount)):
            raise BadRequest(f"the invoice is for {to.amount or 'any amount'} of {to.asset_id or 'any asset'}")
        return to, wanted, amount or to.amount

    async def receive(self, node: Node, file: Annotated[str, "the consignment, a file of the node's machine"]) -> Rows:
        """Its transaction is broadcast, if that has not happened. What is wrong in itself uses up no invoice."""
        engine = await self.engine(node)
        consignment = await asyncio.to_thread(_read, Path(file), binding.chain(engine.network))
        taken = await engine.receive(consignment)
        return [{"asset_id": t.asset_id, "amount": t.amount, "txid": t.txid, "status": t.status} for t in taken]

    async def consignment(self, node: Node, txid: Annotated[str, "the transfer's transaction"]) -> Row:
        """Where it is, in the plugin's folder."""
        engine = await self.engine(node)
        return {"consignment": str(await self._kept(engine, await engine.sent(txid)))}

    async def backup(self, node: Node) -> Row:
        """To be kept elsewhere together with the words, which are shown nowhere but in their file."""
        path = await (await self.engine(node)).backup()
        return {"backup": str(path), "words": str(self._folder / "words")}

    async def _kept(self, engine: Engine, sent: Transfer) -> Path:
        path = self._folder / "consignments" / f"{sent.txid}.rgb"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(await engine.consignment(sent))
        return path


def _read(path: Path, chain: ChainNet) -> bytes:
    """A consignment of a fungible asset that agrees with itself; rgb-lib says what the chain has of it. BadRequest,
    ConsignmentRefused."""
    try:
        if not path.is_file():
            raise BadRequest(f"{path} is no file that the plugin sees: a sandbox may hide it")
        with path.open("rb") as opened:
            found = sized(opened.read(MAX_CONSIGNMENT_BYTES + 1))
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}") from None
    try:
        check(parse(found), chain)
    except NiaError as error:
        why = f"{type(error).__name__}: {error}"
        raise ConsignmentRefused(f"{path} is no consignment that proves itself ({why})") from None
    return found


async def feerate_of(node: Node, given: int) -> int:
    """In sat per vbyte: what is given, or the node's estimate, rounded up."""
    return given or -(-(await node.rpc("info"))["feerate_per_kw"] * 4 // 1000) or 1


def _asset(asset: Asset) -> Row:
    return {
        "ticker": asset.ticker,
        "name": asset.name,
        "asset_id": asset.asset_id,
        "precision": asset.precision,
        "supply": asset.supply,
    }


def _balance(asset: Asset) -> Row:
    held = asset.balance
    return {
        "ticker": asset.ticker,
        "asset_id": asset.asset_id,
        "settled": held.settled,
        "spendable": held.spendable,
        "pending": held.future - held.settled,
    }


def _transfer(each: Transfer) -> Row:
    return {
        "created_unix_seconds": each.created_unix_seconds,
        "kind": each.kind,
        "amount": each.amount,
        "asset_id": each.asset_id,
        "status": each.status,
        "txid": each.txid,
    }
