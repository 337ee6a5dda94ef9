"""How do we pay, once and only once?

    pay -> AddHtlc -> HtlcOffered: the row, in the transaction of the HTLC -> HtlcFulfilled -> paid
              ^             |                                          '---> HtlcFailed ----> failed
              '------ HtlcForgotten: offered again while somebody waits, else failed

An `Attempt` is what this process knows of a payment beyond its row: who waits, and until when it may be offered again.
The row decides; an attempt keeps two callers from offering one payment at the same time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from hashlib import sha256
from typing import Final

from msgspec.structs import replace

from lnpd.channel.actions import HtlcFailed, HtlcForgotten, HtlcFulfilled, HtlcOffered
from lnpd.channel.events import Add
from lnpd.channel.state import Channel
from lnpd.errors import (
    CommandRefused,
    InvoiceExpired,
    LnpdError,
    NoDirectChannel,
    PaymentFailed,
    PaymentInFlight,
    PaymentPending,
    UnknownPayment,
)
from lnpd.hooks.features import PluginFeatures
from lnpd.routing.invoice import Invoice
from lnpd.routing.route import Hop
from lnpd.rpc import answers
from lnpd.services.payments import ledger as payments_ledger
from lnpd.services.payments.attempts import Attempt, carries
from lnpd.services.payments.extras import Extras
from lnpd.services.payments.ledger import PAID, PENDING, Applied, HtlcKey, PaymentRecord, payment_of
from lnpd.services.payments.news import News, Tasks
from lnpd.services.payments.offer import amount_of, offer_for, readable, refuse_expired, way_to, why_failed
from lnpd.services.payments.unasked import Payable, Unasked, refuse_reuse
from lnpd.services.payments.view import channels_to, no_way, paid, shown, too_much
from lnpd.services.recipients import Channels, Effects
from lnpd.store.read import ALL_ROWS
from lnpd.store.rows import PaymentRow
from lnpd.store.store import Store
from lnpd.store.write import Write

log = logging.getLogger("lnpd.payments")

RETRY_SECONDS: Final = 0.25
UNCERTAIN: Final = "The node stopped working on this payment before it knew what became of it: ask again later."
NEVER_SENT: Final = "The payment was never sent: the connection to the peer was lost first."


class Outgoing:
    """Pays invoices over channels with their payees, or over others on the way to them. network: BIP 173's prefix."""

    def __init__(
        self,
        store: Store,
        channels: Channels,
        node_id: bytes,
        network: str,
        clock: Callable[[], float],
        height: Callable[[], int],
        news: News,
        tasks: Tasks,
        extras: Extras,
        features: Callable[[], PluginFeatures],
    ) -> None:
        self._extras, self._features = extras, features
        self._store, self._channels, self._node_id, self._network = store, channels, node_id, network
        self._clock, self._height, self._news, self._tasks = clock, height, news, tasks
        self._attempts: dict[bytes, Attempt] = {}
        # Whose HTLC is it? HtlcForgotten says only the id, perhaps in the batch that offered it, before there is a row.
        # An id that comes round again is told by HtlcOffered first: an entry of a batch that was lost does no harm.
        self._hashes: dict[HtlcKey, bytes] = {}

    async def pay(
        self,
        text: str,
        amount_msat: int | None,
        timeout_seconds: float,
        route: tuple[str, ...] = (),
        max_fee_msat: int | None = None,
        payer: str = "",
    ) -> answers.Paid:
        """Pays an invoice, or waits for the payment that is on its way; what is paid already is not paid again.

        Raises InvoiceError, InvoiceOfOtherNetwork, InvoiceOfOurs, InvoiceUnpayable, AmountUnfit, InvoiceExpired,
        NoDirectChannel, PaymentInFlight (with another amount), PaymentFailed; PaymentPending after the timeout;
        RouteMalformed, RouteUnknown, RouteTooLong, RouteFeeTooHigh.
        """
        request = readable(text, self._network, self._node_id, self._features().table)
        amount_msat = amount_of(request, amount_msat)
        return await self.send(request, amount_msat, timeout_seconds, route, max_fee_msat, payer, text)

    async def send(
        self,
        request: Payable,
        amount_msat: int,
        timeout_seconds: float,
        route: tuple[str, ...] = (),
        max_fee_msat: int | None = None,
        payer: str = "",
        text: str = "",
        reserve: Callable[[], Awaitable[None]] | None = None,
    ) -> answers.Paid:
        """As `pay`, also what has no invoice, whose `text` is empty. Raises PreimageUsed too."""
        deadline_seconds = _loop_seconds() + timeout_seconds
        attempt = self._attempts.get(request.payment_hash)
        if attempt is None:
            ended: asyncio.Future[PaymentRecord | LnpdError] = asyncio.get_running_loop().create_future()
            attempt = Attempt(request, text, amount_msat, deadline_seconds, ended, route, max_fee_msat, payer, reserve)
            self._attempts[request.payment_hash] = attempt
            self._tasks.start(self._begin(attempt), f"payment {request.payment_hash.hex()}")
        elif not attempt.is_for(request, amount_msat, payer):
            raise PaymentInFlight(f"A payment of this hash is being made already, with {attempt.amount_msat} msat.")
        else:
            await self._look(attempt)
        attempt.deadline_seconds = max(attempt.deadline_seconds, deadline_seconds)
        await asyncio.wait({attempt.ended}, timeout=timeout_seconds)  # neither cancels it nor raises
        found = paid(request.payment_hash, await self._outcome(attempt, timeout_seconds))
        return replace(found, note=answers.PAID_BEFORE) if attempt.record is None else found

    async def _outcome(self, attempt: Attempt, timeout_seconds: float) -> PaymentRecord:
        await self._look(attempt)
        if not attempt.ended.done():
            raise PaymentPending(f"The payment is still on its way after {timeout_seconds:g} seconds, and goes on.")
        outcome = attempt.ended.result()
        if isinstance(outcome, LnpdError):
            raise type(outcome)(*outcome.args)  # one each: a traceback grows on the object that is raised
        if not outcome.preimage:
            raise PaymentFailed(outcome.why)
        return outcome

    async def _look(self, attempt: Attempt) -> None:
        """What is stored counts, even if nobody came to say so: a channel may have failed just after its commit."""
        row = None if attempt.ended.done() else await self._row(attempt.request.payment_hash)
        if row is None or row.state == PENDING:
            return
        record, latest = payment_of(row), attempt.record
        # An earlier attempt's failure is not this one's.
        if row.state == PAID or (latest is not None and latest.session_key == record.session_key):
            self._end(attempt, record)

    # Offering

    async def _begin(self, attempt: Attempt) -> None:
        try:
            row = await self._row(attempt.request.payment_hash)
            if isinstance(attempt.request, Unasked):
                refuse_reuse(row, attempt.request, attempt.amount_msat)
            if row is not None and row.state == PAID:
                self._end(attempt, payment_of(row))
            elif row is not None and row.state == PENDING:  # since before this process
                attempt.record = payment_of(row)
                if attempt.record.amount_msat != attempt.amount_msat:
                    raise PaymentInFlight(f"This invoice is being paid, with {attempt.record.amount_msat} msat.")
            else:
                await self._offer(attempt)
        except LnpdError as error:
            self._end(attempt, error)
        except BaseException:  # this node stops, or has a defect: the HTLC may be in a channel, and its row then tells
            self._end(attempt, PaymentPending(UNCERTAIN))
            raise

    async def _offer(self, attempt: Attempt) -> None:
        """Returns once an HTLC is in a channel's log. Raises CommandRefused: nothing is."""
        if attempt.reserve is not None:  # here, for an earlier attempt's failure may just have freed what was set aside
            await attempt.reserve()
        if isinstance(attempt.request, Invoice):
            refuse_expired(attempt.request, self._clock())
            attempt.extras = await self._extras.records(attempt.request, attempt.amount_msat, attempt.payer)
        usable = self._channels.usable()
        way = way_to(attempt.request, attempt.route, usable)
        first = channels_to(way[0], usable) if way else []
        if way is None or not first:
            raise NoDirectChannel(no_way(way[0].node_id if way else attempt.request.payee, usable))
        refusals: dict[str, None] = {}  # in order, each sentence once
        for channel in first:
            try:
                await self._offer_in(channel, attempt, way)
            except PaymentFailed as refused:
                refusals[str(refused)] = None
            else:
                return
        raise PaymentFailed(
            too_much(first, attempt.amount_msat, "the payee" if len(way) == 1 else "the first node")
            or " ".join(refusals)
        )

    async def _offer_in(self, channel: Channel, attempt: Attempt, way: tuple[Hop, ...]) -> None:
        payment_hash = attempt.request.payment_hash
        offer = offer_for(
            attempt.request, attempt.amount_msat, self._height(), way, attempt.max_fee_msat, attempt.extras
        )
        attempt.record = PaymentRecord(
            text=attempt.text,
            payee=attempt.request.payee,
            amount_msat=attempt.amount_msat,
            session_key=offer.session_key,
            started_unix_seconds=self._clock(),
            node_ids=offer.node_ids,
            fee_msat=offer.fee_msat,
            payer=attempt.payer,
        )
        command = Add(offer.amount_msat, payment_hash, offer.cltv_expiry, offer.onion, payment_hash.hex())
        metadata = attempt.request.payment_metadata if isinstance(attempt.request, Invoice) else None
        try:
            await self._channels.command(channel.key, command, metadata or b"")
        except LnpdError as error:
            row = await self._row(payment_hash)
            if row is not None and payment_of(row).session_key == offer.session_key:
                return  # stored all the same: what failed came after the commit
            raise PaymentFailed(str(error)) from error

    async def _offer_again(self, attempt: Attempt) -> None:
        why = NEVER_SENT
        while _loop_seconds() < attempt.deadline_seconds:
            try:
                await self._offer(attempt)
            except CommandRefused as refused:
                why = f"{NEVER_SENT} {refused}"
                if isinstance(refused, InvoiceExpired):
                    break
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return
        payment_hash = attempt.request.payment_hash
        change = self._failing(payment_hash, None, why)
        await self._store.write(change)
        self._after_failing(payment_hash, change)

    # What channels tell

    async def offered(self, channel: Channel, told: HtlcOffered) -> Effects:
        """Our HTLC is in the log: so is its row, or neither is."""
        if not told.reference:
            return Effects()  # not a payment of this service
        payment_hash = bytes.fromhex(told.reference)
        attempt = self._attempts.get(payment_hash)
        if attempt is None or attempt.record is None:
            # Raised, not refused: the HTLC must not be stored without a row that says whom it pays.
            raise UnknownPayment(f"An HTLC was offered for {told.reference}, a payment that nobody is making.")
        key = HtlcKey(channel.key, told.id)
        self._hashes[key] = payment_hash
        record = replace(attempt.record, htlc=key)
        return Effects(writes=(partial(payments_ledger.offered, payment_hash=payment_hash, record=record),))

    async def forgotten(self, channel: Channel, told: HtlcForgotten) -> Effects:
        """Our HTLC never reached a commitment: it is offered again while somebody waits for it."""
        key = HtlcKey(channel.key, told.id)
        payment_hash = self._hashes.get(key) or await self._whose(key)
        if payment_hash is None:
            return Effects()
        attempt = self._attempts.get(payment_hash)
        if attempt is None or _loop_seconds() >= attempt.deadline_seconds:
            return self._failing_effects(payment_hash, key, NEVER_SENT)
        change = Applied(partial(payments_ledger.forgotten, payment_hash=payment_hash, htlc=key))

        def again() -> None:
            if change.result:
                self._tasks.start(self._offer_again(attempt), f"payment {payment_hash.hex()}")

        return Effects(writes=(change,), after=(again,))

    async def fulfilled(self, channel: Channel, told: HtlcFulfilled) -> Effects:
        """The peer showed the preimage for our HTLC: the payment is paid, whatever was thought of it before."""
        payment_hash = told.payment_hash
        if sha256(told.preimage).digest() != payment_hash:
            log.error("channel %s: HTLC %d was fulfilled with a preimage of another hash", channel.key, told.id)
            return Effects()
        change = Applied(
            partial(
                payments_ledger.paid,
                payment_hash=payment_hash,
                htlc=HtlcKey(channel.key, told.id),
                preimage=told.preimage,
                now_seconds=self._clock(),
            )
        )

        def record(write: Write) -> None:
            if change.result is not None:
                self._news.record_sent(write, payment_hash, change.result.amount_msat)

        def tell() -> None:
            if change.result is not None:
                self._ended(payment_hash, change.result)
                self._news.tell_sent(payment_hash, change.result.amount_msat, told.preimage)

        return Effects(writes=(change, record), after=(tell,))

    async def failed(self, channel: Channel, told: HtlcFailed) -> Effects:
        """Our HTLC is irrevocably gone without a preimage."""
        row = await self._row(told.payment_hash)
        if row is None:
            return Effects()
        record = payment_of(row)
        why = why_failed(told, record.session_key, record.node_ids or (record.payee,))
        return self._failing_effects(told.payment_hash, HtlcKey(channel.key, told.id), why)

    async def reconcile(self, channels: Iterable[Channel]) -> None:
        """At the start, once every channel is restored: what no channel carries was never sent, and fails.

        channels: all that are stored, closed ones too; what hangs on a channel that is not among them goes on waiting.
        """
        known = {channel.key: channel for channel in channels}
        rows = await self._store.read(lambda read: read.payments(PENDING, limit=ALL_ROWS))
        lost: list[tuple[bytes, Applied[PaymentRecord | None]]] = []
        for row in rows:
            htlc, payment_hash = payment_of(row).htlc, row.payment_hash
            if htlc is None or (htlc.channel in known and not carries(known[htlc.channel], htlc.id, payment_hash)):
                lost.append((payment_hash, self._failing(payment_hash, htlc, NEVER_SENT)))
        if lost:
            await self._store.write(_all(change for _, change in lost))
        for payment_hash, change in lost:
            self._after_failing(payment_hash, change)

    # Looking

    async def newest(self, before: int | None = None, limit: int = 100) -> tuple[answers.Payment, ...]:
        """Our payments, newest first."""
        rows = await self._store.read(lambda read: read.payments(before=before, limit=limit))
        return tuple(shown(row) for row in rows)

    async def find(self, payment_hash: bytes) -> answers.Payment | None:
        """Our payment of this hash."""
        row = await self._row(payment_hash)
        return shown(row) if row else None

    def is_making(self, payment_hash: bytes) -> bool:
        """Whether this process is at work on a payment."""
        return payment_hash in self._attempts

    # How

    async def _row(self, payment_hash: bytes) -> PaymentRow | None:
        return await self._store.read(lambda read: read.payment(payment_hash))

    async def _whose(self, htlc: HtlcKey) -> bytes | None:
        """The payment of an HTLC that was offered before this process started."""
        rows = await self._store.read(lambda read: read.payments(PENDING, limit=ALL_ROWS))
        return next((row.payment_hash for row in rows if payment_of(row).htlc == htlc), None)

    def _failing(self, payment_hash: bytes, htlc: HtlcKey | None, why: str) -> Applied[PaymentRecord | None]:
        now_seconds = self._clock()

        def fail(write: Write) -> PaymentRecord | None:
            record = payments_ledger.failed(write, payment_hash, htlc=htlc, why=why, now_seconds=now_seconds)
            if record is not None:
                self._news.record_failed(write, payment_hash, record.amount_msat, record.why)
            return record

        return Applied(fail)

    def _failing_effects(self, payment_hash: bytes, htlc: HtlcKey | None, why: str) -> Effects:
        change = self._failing(payment_hash, htlc, why)
        return Effects(writes=(change,), after=(partial(self._after_failing, payment_hash, change),))

    def _after_failing(self, payment_hash: bytes, change: Applied[PaymentRecord | None]) -> None:
        if change.result is not None:
            self._ended(payment_hash, change.result)
            self._news.tell_failed()

    def _ended(self, payment_hash: bytes, record: PaymentRecord) -> None:
        if record.htlc is not None:
            self._hashes.pop(record.htlc, None)
        if (attempt := self._attempts.get(payment_hash)) is not None:
            self._end(attempt, record)

    def _end(self, attempt: Attempt, outcome: PaymentRecord | LnpdError) -> None:
        if self._attempts.get(attempt.request.payment_hash) is attempt:
            del self._attempts[attempt.request.payment_hash]
        if not attempt.ended.done():
            attempt.ended.set_result(outcome)


def _all(changes: Iterable[Callable[[Write], None]]) -> Callable[[Write], None]:
    kept = tuple(changes)

    def apply(write: Write) -> None:
        for change in kept:
            change(write)

    return apply


def _loop_seconds() -> float:
    return asyncio.get_running_loop().time()
