"""How is an asset paid over Lightning?

    payee                                          payer
      | a BOLT 11 invoice, with the asset and the amount in its metadata, signed with the rest
      |----------------------------------------------->|
      |<--- update_add_htlc: sat, and a record of the amount; in the onion the same amount
      | compares both with what the invoice asks for: only then the node may take it

The node takes no payment of such an invoice without this plugin's word (`judged`), so it is not paid in sat alone while
the plugin is away. A payment goes over one channel in the asset, to its other end; what comes to be passed on goes only
from a channel of an asset to one of the same, and the amount of it stays.

How much an HTLC carries is remembered nowhere: an HTLC of ours carries what the invoice says that it pays, and one that
is passed on what the incoming one carries. So one that is offered again, after any restart, is asked about again.
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
from rgb_channel.rules import enough_htlc_sat
from rgb_channel.state import HIGHEST_PER_KW, State, read
from rgb_node.errors import AmountUnfit, AssetRefused, NoAssetChannel, NotAnAssetInvoice, PaymentRunning
from rgb_node.shelf import Asked, Shelf
from rgb_node.wire import MAX_AMOUNT, Terms, asked_in, metadata

UNKNOWN: Final = "incorrect_or_unknown_payment_details"
NO_WAY: Final = "unknown_next_peer"
LEAST_MSAT: Final = 1000 * enough_htlc_sat(HIGHEST_PER_KW)  # where no channel needs more
ENDED: Final = ("closing", "on_chain")
FORGET_EVERY: Final = 256  # invoices
GRACE_SECONDS: Final = 24 * 3600  # an HTLC of an invoice that has expired is failed by the node, asked or not


class Offer(msgspec.Struct, frozen=True):
    """An HTLC that the node is about to offer, as the hook outgoing_records tells of it."""

    channel_id: str
    metadata: str
    incoming: str
    incoming_channel: str
    received: dict[str, str]


class Held(msgspec.Struct, frozen=True):
    """A channel in an asset; its funding is spent, or about to be, if it has `ended`."""

    channel_id: str
    peer: str
    us: int
    usable: bool
    ended: bool
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
            found.append(
                Held(
                    row["channel_id"],
                    row["peer"],
                    row["us"],
                    row["usable"],
                    row["state"] in ENDED,
                    tuple(row["scids"]),
                    state,
                )
            )
    return found


class Payments:
    """Asset invoices and payments of one node."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._made = 0
        self._busy = set[str]()
        self._contracts: dict[str, bytes] = {}  # by channel: what it holds never changes

    async def invoice(
        self, node: Node, terms: Terms, description: str, amount_msat: int, expiry_seconds: int
    ) -> dict[str, Any]:
        """Makes an invoice for an amount of an asset, and the sat that go with it; 0: as many as its HTLC
        has to hold in any of our channels."""
        least_msat = _least_msat(await held_channels(node), terms.contract_id)
        amount_msat = amount_msat or least_msat
        if not 0 < terms.amount <= MAX_AMOUNT or amount_msat < least_msat:
            raise AmountUnfit(f"An asset invoice asks for 1 to {MAX_AMOUNT} tokens, and {least_msat} msat at least.")
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
            channel = await self._way(node, payee, terms)
            paid = await self._until_paid(node, invoice, (f"{payee}@{channel.scids[0]}",), timeout_seconds)
        except NoAssetChannel:
            if not await self._is_known(node, payment_hash):
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
        if not await self._is_known(node, told["payment_hash"]):
            await self._way(node, told["payee"], terms)
        return terms, told["amount_msat"] or 0, told["payee"]

    async def _is_known(self, node: Node, payment_hash: str) -> bool:
        """Whether it waits, or was paid."""
        return payment_hash in {each.payment_hash for each in await node.payments() if each.state != "failed"}

    async def _way(self, node: Node, payee: str, terms: Terms) -> Held:
        """The channel to pay over. NoAssetChannel."""
        try:
            return _chosen(await held_channels(node), payee, terms)
        except NoAssetChannel:
            if payee == (await node.rpc("info"))["node_id"]:
                raise NoAssetChannel("The invoice is our own: a node cannot pay itself.") from None
            raise

    async def _read(self, node: Node, invoice: str) -> tuple[dict[str, Any], Terms]:
        told = await node.rpc("decode", invoice=invoice)
        terms = asked_in(bytes.fromhex(told.get("payment_metadata") or ""))
        if terms is None:
            raise NotAnAssetInvoice("The invoice asks for sat alone: lnp pay pays it.")
        return told, terms

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
    async def carried(self, node: Node, offer: Offer) -> dict[str, str] | str | None:
        """The records of an update_add_htlc in a channel with an asset; a text refuses it. Raises TermsUnreadable,
        TokensUnreadable: it is not offered then either."""
        if offer.incoming:
            tokens, contract_id = (
                _tokens(offer.received, TOKENS_HTLC),
                await self._held_in(node, offer.incoming_channel),
            )
        else:
            terms = asked_in(bytes.fromhex(offer.metadata))
            tokens, contract_id = (terms.amount, terms.contract_id) if terms is not None else (0, b"")
        if not tokens:
            return None
        if contract_id != await self._held_in(node, offer.channel_id):
            return f"its {tokens} tokens are not of the asset that this channel holds"
        return {str(TOKENS_HTLC): encode_tokens(tokens).hex()}

    async def _held_in(self, node: Node, channel_id: str) -> bytes:
        """The contract of a channel's asset; empty for a channel without one."""
        if channel_id not in self._contracts:
            self._contracts = {each.channel_id: each.state.contract_id for each in await held_channels(node)}
        return self._contracts.get(channel_id, b"")

    def told(self, metadata: str, payer: str) -> dict[str, str] | str | None:
        """The records for the payee of a payment of ours; a text refuses one that nobody sends tokens with."""
        terms = asked_in(bytes.fromhex(metadata))
        if terms is None:
            return None
        if payer != NAME:
            name = contract_name(terms.contract_id)
            return f"the invoice asks for {terms.amount} of the asset {name} beside the sat: lnp rgb pay pays it"
        return {str(TOKENS_ONION): encode_tokens(terms.amount).hex()}

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
        contract = await self._held_in(node, offered["channel_id"])
        told = _tokens(offered["records"], TOKENS_ONION)
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
        return None


def _least_msat(held: list[Held], contract_id: bytes) -> int:
    """The sat, in msat, that are enough for an HTLC with tokens of an asset in each of these channels."""
    needed = [enough_htlc_sat(each.state.highest_per_kw) for each in held if each.state.contract_id == contract_id]
    return max([LEAST_MSAT, *(1000 * each for each in needed)])


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
