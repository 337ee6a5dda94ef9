"""How is an asset paid over Lightning?

    payee                                          payer
      | a BOLT 11 invoice, with the asset and the amount in its metadata, signed with the rest
      |----------------------------------------------->|
      |<--- update_add_htlc: sat, and a record of the amount; in the onion the same amount
      | compares both with what the invoice asks for: only then the node may take it

The node takes no payment of such an invoice without this plugin's word (`judged`), so it is not paid in sat alone while
the plugin is away. A payment goes over one channel in the asset, to its other end; what comes to be passed on goes only
from a channel of an asset to one of the same, and the amount of it stays.
"""

import time
from typing import Any, Final

import msgspec
from lnpd_sdk.envelope import BusError, CallFailed
from lnpd_sdk.hooks import FailHtlc, TakeHtlc
from lnpd_sdk.plugin import Node
from lnpd_sdk.services.payments import PaidInvoice
from lnpd_sdk.types import ACCEPTOR, OPENER

from nia.names import contract_name
from rgb_channel.provider import NAME
from rgb_channel.records import TOKENS_HTLC, TOKENS_ONION, decode_tokens, encode_tokens
from rgb_channel.state import State, read
from rgb_node.errors import AmountUnfit, AssetRefused, NoAssetChannel, NotAnAssetInvoice, PaymentRunning
from rgb_node.shelf import Asked, Shelf
from rgb_node.wire import MAX_AMOUNT, Terms, asked_in, metadata

UNKNOWN: Final = "incorrect_or_unknown_payment_details"
NO_WAY: Final = "unknown_next_peer"
LEAST_MSAT: Final = 10_000_000  # an HTLC with tokens holds enough sat never to be trimmed
MAX_FORWARDING: Final = 10_000
FORGET_EVERY: Final = 256  # invoices
GRACE_SECONDS: Final = 24 * 3600  # an HTLC of an invoice that has expired is failed by the node, asked or not


class Paying(msgspec.Struct, frozen=True):
    """A payment of ours in an asset: how much, and over which channel."""

    amount: int
    channel_id: str


class Held(msgspec.Struct, frozen=True):
    """A channel in an asset."""

    channel_id: str
    peer: str
    us: int
    usable: bool
    scids: tuple[str, ...]
    state: State

    @property
    def ours(self) -> int:
        """What we have of its asset, but for what we offered and is in flight."""
        return self.state.left(OPENER if self.us == OPENER else ACCEPTOR)

    @property
    def offered(self) -> int:
        """What we offered and is in flight."""
        return sum(htlc.tokens for htlc in self.state.offered(OPENER if self.us == OPENER else ACCEPTOR))

    @property
    def theirs(self) -> int:
        """What the peer has, but for what it offered."""
        return self.state.left(ACCEPTOR if self.us == OPENER else OPENER)


async def held_channels(node: Node) -> list[Held]:
    """The node's channels in assets."""
    found = []
    for row in await node.channels():
        state = read(bytes.fromhex(row["states"].get(NAME, "")))
        if state is not None:
            found.append(Held(row["channel_id"], row["peer"], row["us"], row["usable"], tuple(row["scids"]), state))
    return found


class Payments:
    """Asset invoices and payments of one node."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._made = 0
        self._busy = set[str]()
        self._paying: dict[str, Paying] = {}  # by payment hash, while its `pay` runs: no other payment may carry it
        self._passing: dict[str, Terms] = {}  # tokens of HTLCs that are passed on, by the incoming one's name

    async def invoice(
        self, node: Node, terms: Terms, description: str, amount_msat: int, expiry_seconds: int
    ) -> dict[str, Any]:
        """Makes an invoice for an amount of an asset, and the sat that go with it."""
        if not 0 < terms.amount <= MAX_AMOUNT or amount_msat < LEAST_MSAT:
            raise AmountUnfit(f"An asset invoice asks for 1 to {MAX_AMOUNT} tokens, and {LEAST_MSAT} msat at least.")
        if self._made % FORGET_EVERY == 0:
            await self._shelf.forget_invoices(node, int(time.time()) - GRACE_SECONDS)
        self._made += 1
        made = await node.invoice(description, amount_msat, expiry_seconds, judged=True, metadata=metadata(terms))
        await self._shelf.put_invoice(node, made.payment_hash, Asked(terms, made.expires_unix_seconds))
        return {
            "invoice": made.invoice,
            "payment_hash": made.payment_hash,
            "asset_id": contract_name(terms.contract_id),
            "amount": terms.amount,
            "amount_msat": amount_msat,
            "expires_unix_seconds": made.expires_unix_seconds,
        }

    async def pay(self, node: Node, invoice: str, timeout_seconds: float) -> dict[str, Any]:
        """Pays an asset invoice over a channel to its payee. AssetRefused, CallFailed."""
        told, terms = await self._read(node, invoice)
        payment_hash, payee = told["payment_hash"], told["payee"]
        if payment_hash in self._busy:
            raise PaymentRunning("Another call pays this invoice: lnp payments tells what becomes of it.")
        self._busy.add(payment_hash)
        try:
            paid = await self._sent(node, invoice, payment_hash, payee, terms, timeout_seconds)
        except NoAssetChannel:
            known = {each.payment_hash for each in await node.payments() if each.state != "failed"}
            if payment_hash not in known:
                raise
            # It waits, or was paid before, from what is not left any more: nothing more is sent.
            paid = await self._until_paid(node, invoice, (), timeout_seconds)
        finally:
            self._busy.discard(payment_hash)
        return {
            "payment_hash": paid.payment_hash,
            "preimage": paid.preimage,
            "asset_id": contract_name(terms.contract_id),
            "amount": terms.amount,
            "amount_msat": paid.amount_msat,
            "fee_msat": paid.fee_msat,
        }

    async def asked(self, node: Node, invoice: str) -> tuple[Terms, int, str]:
        """What an asset invoice asks for: the asset, the sat with it in msat, and its payee. As `pay`."""
        told, terms = await self._read(node, invoice)
        return terms, told["amount_msat"] or 0, told["payee"]

    async def _read(self, node: Node, invoice: str) -> tuple[dict[str, Any], Terms]:
        told = await node.rpc("decode", invoice=invoice)
        terms = asked_in(bytes.fromhex(told.get("payment_metadata") or ""))
        if terms is None:
            raise NotAnAssetInvoice("The invoice asks for sat alone: lnp pay pays it.")
        return told, terms

    async def _sent(
        self, node: Node, invoice: str, payment_hash: str, payee: str, terms: Terms, timeout_seconds: float
    ) -> PaidInvoice:
        """Of the HTLCs of this hash only those carry tokens that are offered while this runs. The payee chooses the
        hash, so another invoice of its, of sat alone, could have the same."""
        channel = _chosen(await held_channels(node), payee, terms)
        self._paying[payment_hash] = Paying(terms.amount, channel.channel_id)
        try:
            return await self._until_paid(node, invoice, (f"{payee}@{channel.scids[0]}",), timeout_seconds)
        finally:
            del self._paying[payment_hash]

    async def _until_paid(
        self, node: Node, invoice: str, route: tuple[str, ...], timeout_seconds: float
    ) -> PaidInvoice:
        left_seconds = timeout_seconds
        while True:
            try:
                return await node.pay(invoice, max_fee_msat=0, route=route, timeout_seconds=min(left_seconds, 20.0))
            except CallFailed as error:
                left_seconds -= 20.0
                if error.code != "PaymentPending" or left_seconds <= 0:
                    raise

    # --- what HTLCs and onions carry
    async def carried(self, node: Node, channel_id: str, payment_hash: str, incoming: str) -> dict[str, str] | None:
        """The records of an update_add_htlc in a channel with an asset."""
        if incoming:
            passed = self._passing.pop(incoming, None)
            if passed is None or not await self._holds(node, channel_id, passed.contract_id):
                return None
            tokens = passed.amount
        else:
            paying = self._paying.get(payment_hash)
            tokens = paying.amount if paying is not None and paying.channel_id == channel_id else 0
        return {str(TOKENS_HTLC): encode_tokens(tokens).hex()} if tokens else None

    async def _holds(self, node: Node, channel_id: str, contract_id: bytes) -> bool:
        named = [each.state.contract_id for each in await held_channels(node) if each.channel_id == channel_id]
        return named == [contract_id]

    def told(self, payment_hash: str) -> dict[str, str] | None:
        """The records for the payee of a payment of ours."""
        paying = self._paying.get(payment_hash)
        return {str(TOKENS_ONION): encode_tokens(paying.amount).hex()} if paying is not None else None

    async def accepted(self, node: Node, offered: dict[str, Any]) -> TakeHtlc | FailHtlc | None:
        """What becomes of an HTLC that is irrevocably committed (htlc_accepted); None: whatever the node says."""
        try:
            tokens = _tokens(offered["htlc_records"], TOKENS_HTLC)
            if not offered["final"]:
                return await self._passed(node, offered, tokens)
            return await self._taken(node, offered, tokens)
        except (AssetRefused, BusError, ValueError) as error:
            await node.log("info", f"The HTLC {offered['htlc']} is failed: {error}")
            return FailHtlc()

    async def _taken(self, node: Node, offered: dict[str, Any], tokens: int) -> TakeHtlc | FailHtlc | None:
        wanted = await self._shelf.invoice(node, offered["payment_hash"])
        if wanted is None:
            return FailHtlc(UNKNOWN) if tokens else None  # tokens that nobody asked for go back
        channels = {each.channel_id: each.state.contract_id for each in await held_channels(node)}
        contract, told = channels.get(offered["channel_id"]), _tokens(offered["records"], TOKENS_ONION)
        fits = contract == wanted.contract_id and tokens == told == wanted.amount
        return TakeHtlc() if fits else FailHtlc(UNKNOWN)

    async def _passed(self, node: Node, offered: dict[str, Any], tokens: int) -> FailHtlc | None:
        if not tokens:
            return None
        channels, asked = await held_channels(node), _scid_text(offered["next_channel"])
        coming = next((each for each in channels if each.channel_id == offered["channel_id"]), None)
        going = next((each for each in channels if asked in each.scids), None)
        if coming is None or going is None or going.state.contract_id != coming.state.contract_id:
            return FailHtlc(NO_WAY)
        if len(self._passing) >= MAX_FORWARDING:  # the oldest was never offered: the node says nothing of those
            del self._passing[next(iter(self._passing))]
        self._passing[offered["htlc"]] = Terms(coming.state.contract_id, tokens)
        return None


def _chosen(held: list[Held], payee: str, terms: Terms) -> Held:
    """The channel to the payee that has enough."""
    fit = (payee, terms.contract_id)
    found = [each for each in held if (each.peer, each.state.contract_id) == fit and each.usable and each.scids]
    if not found:
        raise NoAssetChannel(f"No usable channel to {payee} holds {contract_name(terms.contract_id)}.")
    best = max(found, key=lambda each: each.ours)
    if best.ours < terms.amount:
        raise NoAssetChannel(f"{best.ours} of the asset are ours in the channel to {payee}, not {terms.amount}.")
    return best


def _tokens(records: dict[str, str], number: int) -> int:
    value = records.get(str(number))
    return 0 if value is None else decode_tokens(bytes.fromhex(value))


def _scid_text(value: str) -> str:
    """A short_channel_id of 8 bytes in hex, as people write it."""
    number = int(value or "0", 16)
    return f"{number >> 40}x{(number >> 16) & 0xFFFFFF}x{number & 0xFFFF}"
