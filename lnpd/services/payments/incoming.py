"""How are we paid: which invoices do we write, and what becomes of an HTLC that ends here?

HtlcReceived -> peel -> decode -> plugins -> accept? -> Fulfill, and the invoice is paid, in one transaction
                 |        |         |          '------> Fail, encrypted: one answer for whatever is wrong
                 |        |         '-----------------> verdicts.py
                 |        |---------------------------> Fail, encrypted: invalid_onion_payload
                 |        '---------------------------> not for us, the last: forwarding.py
                 '------------------------------------> FailMalformed
"""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Final, NamedTuple

from lnpd.channel.actions import HtlcReceived
from lnpd.channel.events import Fail, FailMalformed, Fulfill
from lnpd.channel.state import Channel
from lnpd.crypto import sphinx
from lnpd.errors import BadOnion, InvalidOnionLength, InvalidOnionPayload, InvoiceTermsRefused, LabelTaken
from lnpd.hooks.features import PluginFeatures
from lnpd.providers.types import extensions_of
from lnpd.routing import failures, invoice
from lnpd.routing import payload as payloads
from lnpd.routing.acceptance import Accepted, Htlc, Terms, accept
from lnpd.routing.failures import Failure, failure
from lnpd.routing.invoice_fields import HintedHop
from lnpd.rpc import answers
from lnpd.services.interfaces import Signer
from lnpd.services.payments import ledger as payments_ledger
from lnpd.services.payments.forwarding import Forwards
from lnpd.services.payments.ledger import OPEN, Applied, HtlcKey, InvoiceRecord, invoice_of
from lnpd.services.payments.news import News
from lnpd.services.payments.verdicts import Offered
from lnpd.services.recipients import Effects
from lnpd.store.rows import PaymentRow
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.wire.features import Features
from lnpd.wire.message import CODEC, Codec
from lnpd.wire.messages import Payload

Hints = Callable[[int | None], tuple[tuple[HintedHop, ...], ...]]

DEFAULT_EXPIRY_SECONDS: Final = invoice.DEFAULT_EXPIRY_SECONDS
MAX_EXPIRY_SECONDS: Final = 10 * 365 * 24 * 3600
# A channel closes 18 blocks before an HTLC that we fulfilled expires: what is left above that is time to settle.
LOWEST_MIN_FINAL_CLTV_EXPIRY_DELTA: Final = 24
DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA: Final = 36
MAX_MIN_FINAL_CLTV_EXPIRY_DELTA: Final = 2016
MAX_LABEL_CHARACTERS: Final = 200

# var_onion_optin and payment_secret, compulsory; no basic_mpp: an invoice is paid by one HTLC.
FEATURES: Final = Features.of(8, 14)
NEEDS_METADATA: Final = Features.of(48)
MAX_METADATA_BYTES: Final = 400  # the payer's onion has to hold it, beside what plugins add there

LABELS: Final = "invoice-label"
# How long an HTLC that is about to pay an invoice keeps others off, until its transaction is committed or lost.
SETTLING_SECONDS: Final = 60.0


class _Settling(NamedTuple):
    htlc: HtlcKey
    until_seconds: float  # of the loop's clock


class Incoming:
    """Writes invoices and answers the HTLCs that reach us. network: BIP 173's prefix.

    height: of the best block, if it is_current; if not, no preimage is given for an HTLC that may have expired.
    """

    def __init__(
        self,
        store: Store,
        signer: Signer,
        node_id: bytes,
        network: str,
        clock: Callable[[], float],
        height: Callable[[], int],
        is_current: Callable[[], bool],
        news: News,
        forwards: Forwards,
        hints: Hints,
        codec: Callable[[], Codec] = lambda: CODEC,
        features: Callable[[], PluginFeatures] = PluginFeatures,
    ) -> None:
        self._store, self._signer, self._node_id, self._network = store, signer, node_id, network
        self._clock, self._height, self._is_current, self._news = clock, height, is_current, news
        self._forwards, self._hints, self._codec, self._features = forwards, hints, codec, features
        # Two HTLCs of one batch, or of two channels at once, both find the invoice open: the first one has it.
        # Nothing is lost with this: if the first one's batch is, that HTLC is told again.
        self._settling: dict[bytes, _Settling] = {}

    # Invoices

    async def create(
        self,
        amount_msat: int | None,
        description: str,
        expiry_seconds: int = DEFAULT_EXPIRY_SECONDS,
        min_final_cltv_expiry: int = DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA,
        label: str = "",
        judge: str = "",
        metadata: bytes = b"",
    ) -> answers.Invoice:
        """A new invoice, stored before it is returned. label: a name of the user's own, unique if not empty. judge: the
        plugin without whose word no HTLC pays it. metadata: what its payer's onion has to bring back.

        Raises InvoiceTermsRefused, LabelTaken, InvoiceError.
        """
        _check_terms(expiry_seconds, min_final_cltv_expiry, label, metadata)
        preimage, now_seconds, plugins = os.urandom(32), self._clock(), self._features()
        payment_hash = sha256(preimage).digest()
        request = invoice.Invoice(
            network=self._network,
            timestamp_seconds=int(now_seconds),
            payment_hash=payment_hash,
            payment_secret=os.urandom(32),
            payee=self._node_id,
            amount_msat=amount_msat,
            description=description,
            expiry_seconds=expiry_seconds,
            min_final_cltv_expiry_delta=min_final_cltv_expiry,
            features=FEATURES | plugins.invoices | (NEEDS_METADATA if metadata else Features.of()),
            payment_metadata=metadata or None,
            routes=self._hints(amount_msat),
        )
        draft = invoice.unsigned(request, plugins.table)
        text = invoice.signed(draft, *await self._signer.sign_invoice(draft.readable, draft.data))
        record = _record(request, text, preimage, label, judge)
        await self._store.write(partial(_create, payment_hash=payment_hash, record=record, now_seconds=now_seconds))
        return self._shown(payment_hash, OPEN, record)

    async def newest(self, before: int | None = None, limit: int = 100) -> tuple[answers.Invoice, ...]:
        """Our invoices, newest first."""
        rows = await self._store.read(lambda read: read.invoices(before=before, limit=limit))
        return tuple(self._row_shown(row) for row in rows)

    async def find(self, payment_hash: bytes) -> answers.Invoice | None:
        """Our invoice of this payment hash."""
        row = await self._store.read(lambda read: read.invoice(payment_hash))
        return self._row_shown(row) if row else None

    def _row_shown(self, row: PaymentRow) -> answers.Invoice:
        return self._shown(row.payment_hash, row.state, invoice_of(row))

    def _shown(self, payment_hash: bytes, state: str, record: InvoiceRecord) -> answers.Invoice:
        expired = state == OPEN and self._clock() > record.expires_unix_seconds
        return answers.Invoice(
            invoice=record.text,
            payment_hash=payment_hash.hex(),
            amount_msat=record.amount_msat,
            description=record.description,
            state="expired" if expired else state,
            expires_unix_seconds=record.expires_unix_seconds,
        )

    # HTLCs

    async def read(self, channel: Channel, htlc: HtlcReceived) -> Offered | Effects:
        """What the onion says of an HTLC that is irrevocably committed; what becomes of it if it cannot be read."""
        digest = sha256(htlc.onion).digest()
        if htlc.path_key:  # we never offered a blinded path (BOLT 4, invalid_onion_blinding)
            return _malformed(htlc, digest, _code("invalid_onion_blinding"))
        try:
            shared_secret = await self._signer.ecdh(sphinx.ephemeral_key(htlc.onion))
            peeled = sphinx.peel_shared(shared_secret, htlc.onion, htlc.payment_hash)
            payload = payloads.decode(peeled.payload, self._codec())
        except InvalidOnionPayload as error:
            reported = failure("invalid_onion_payload", type=error.tlv_type, offset=error.offset)
            return _failed(htlc, shared_secret, reported)
        except BadOnion as bad:
            return _malformed(htlc, bad.sha256_of_onion, bad.failure_code)
        except InvalidOnionLength:  # the message fixes it: only a caller that is no channel gets here
            return _malformed(htlc, digest, _code("invalid_onion_version"))
        broken = htlc.over_exposure or not self._is_current() or self._breaks_its_orders(htlc, peeled, payload)
        key, extensions = HtlcKey(channel.key, htlc.id), extensions_of(channel.channel_type)
        return Offered(key, channel.id, extensions, htlc, peeled, payload, shared_secret, broken)

    def _breaks_its_orders(self, htlc: HtlcReceived, peeled: sphinx.Peeled, payload: Payload) -> bool:
        """Whether the node before us did not keep to the payer's orders for the last hop (BOLT 4)."""
        offer = Htlc(htlc.amount_msat, htlc.cltv_expiry)
        verdict = accept(None, payload, offer, self._height(), int(self._clock()))
        unknown = isinstance(verdict, Failure) and verdict.name == "incorrect_or_unknown_payment_details"
        return peeled.next_onion is None and not unknown

    async def usual(self, channel: Channel, offered: Offered, taken_by: str = "") -> Effects:
        """What becomes of an HTLC by this node's own rules: passed on, or the payment of an invoice. taken_by: the
        plugin that wants them to decide, if one does."""
        htlc = offered.told
        if not offered.final:
            return await self._forwards.received(channel, htlc, offered.peeled, offered.payload)
        row = await self._store.read(lambda read: read.invoice(htlc.payment_hash))
        return self._judged(offered, row, taken_by)

    def _judged(self, offered: Offered, row: PaymentRow | None, taken_by: str) -> Effects:
        """No await in here: between looking at `_settling` and setting it nobody else may look."""
        key, htlc, shared_secret = offered.key, offered.told, offered.shared_secret
        record = invoice_of(row) if row else None
        if record and record.paid_by == key:  # told again: the answer was stored, and perhaps never carried out
            return Effects(events=(Fulfill(htlc.id, record.preimage),))
        # Its preimage is kept back (BOLT 2, Bounding exposure to trimmed in-flight HTLCs).
        unheard = record is not None and record.judge not in ("", taken_by)
        if htlc.over_exposure or not self._is_current() or unheard:
            return _failed(htlc, shared_secret, failure("temporary_node_failure"))
        is_open = row is not None and row.state == OPEN and not self._is_taken(htlc.payment_hash, key)
        terms = _terms(record) if record and is_open else None
        offer = Htlc(htlc.amount_msat, htlc.cltv_expiry)
        verdict = accept(terms, offered.payload, offer, self._height(), int(self._clock()))
        if record is None or isinstance(verdict, Failure):
            assert isinstance(verdict, Failure), "what has no terms is never accepted"
            return _failed(htlc, shared_secret, verdict)
        return self._settled(key, htlc, verdict, record.preimage)

    def _settled(self, key: HtlcKey, htlc: HtlcReceived, accepted: Accepted, preimage: bytes) -> Effects:
        self._settling.pop(htlc.payment_hash, None)  # those that were set first are first
        self._settling[htlc.payment_hash] = _Settling(key, _loop_seconds() + SETTLING_SECONDS)
        change = Applied(
            partial(
                payments_ledger.received,
                payment_hash=htlc.payment_hash,
                htlc=key,
                amount_msat=accepted.amount_msat,
                now_seconds=self._clock(),
            )
        )

        def record(write: Write) -> None:
            if change.result:
                self._news.record_received(write, htlc.payment_hash, accepted.amount_msat)

        def tell() -> None:
            if change.result:
                self._news.tell_received(htlc.payment_hash, accepted.amount_msat)

        return Effects(events=(Fulfill(htlc.id, preimage),), writes=(change, record), after=(tell,))

    def _is_taken(self, payment_hash: bytes, key: HtlcKey) -> bool:
        now_seconds = _loop_seconds()
        while self._settling and self._settling[oldest := next(iter(self._settling))].until_seconds <= now_seconds:
            del self._settling[oldest]
        settling = self._settling.get(payment_hash)
        return settling is not None and settling.htlc != key


def _record(request: invoice.Invoice, text: str, preimage: bytes, label: str, judge: str) -> InvoiceRecord:
    return InvoiceRecord(
        text=text,
        preimage=preimage,
        payment_secret=request.payment_secret,
        amount_msat=request.amount_msat,
        min_final_cltv_expiry_delta=request.min_final_cltv_expiry_delta,
        expires_unix_seconds=request.timestamp_seconds + request.expiry_seconds,
        description=request.description or "",
        label=label,
        judge=judge,
        metadata=request.payment_metadata or b"",
    )


def _create(write: Write, payment_hash: bytes, record: InvoiceRecord, now_seconds: float) -> None:
    if record.label:
        if write.value(LABELS, record.label.encode()) is not None:
            raise LabelTaken(f"Another invoice has the label {record.label!r}.")
        write.put_value(LABELS, record.label.encode(), payment_hash)
    payments_ledger.created(write, payment_hash, record, now_seconds)


def _check_terms(expiry_seconds: int, min_final_cltv_expiry: int, label: str, metadata: bytes) -> None:
    if not 1 <= expiry_seconds <= MAX_EXPIRY_SECONDS:
        raise InvoiceTermsRefused(f"An invoice can be paid for 1 to {MAX_EXPIRY_SECONDS} seconds.")
    low, high = LOWEST_MIN_FINAL_CLTV_EXPIRY_DELTA, MAX_MIN_FINAL_CLTV_EXPIRY_DELTA
    if not low <= min_final_cltv_expiry <= high:
        raise InvoiceTermsRefused(f"A min_final_cltv_expiry is {low} to {high} blocks, not {min_final_cltv_expiry}.")
    if len(label) > MAX_LABEL_CHARACTERS or not label.isprintable():
        raise InvoiceTermsRefused(f"A label has at most {MAX_LABEL_CHARACTERS} characters, all of them printable.")
    if len(metadata) > MAX_METADATA_BYTES:
        raise InvoiceTermsRefused(f"An invoice's metadata has at most {MAX_METADATA_BYTES} bytes, not {len(metadata)}.")


def _terms(record: InvoiceRecord) -> Terms:
    return Terms(
        payment_secret=record.payment_secret,
        amount_msat=record.amount_msat,
        min_final_cltv_expiry_delta=record.min_final_cltv_expiry_delta,
        expires_at_seconds=record.expires_unix_seconds,
        payment_metadata=record.metadata or None,
    )


def _failed(htlc: HtlcReceived, shared_secret: bytes, reported: Failure) -> Effects:
    return Effects(events=(Fail(htlc.id, sphinx.build_error(shared_secret, failures.encode(reported))),))


def _malformed(htlc: HtlcReceived, sha256_of_onion: bytes, code: int) -> Effects:
    return Effects(events=(FailMalformed(htlc.id, sha256_of_onion, code),))


def _code(name: str) -> int:
    return failure(name, sha256_of_onion=bytes(32)).code


def _loop_seconds() -> float:
    return asyncio.get_running_loop().time()
