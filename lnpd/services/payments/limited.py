"""How does a plugin pay, within what the user granted it?

What the payment may cost is set aside first, in a transaction of its own (spending.py). From then on it is a payment
like any other, whose record names its payer.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from lnpd.errors import PaymentInFlight, PreimageUsed
from lnpd.hooks.features import PluginFeatures
from lnpd.rpc import answers
from lnpd.services.payments import spending
from lnpd.services.payments.ledger import PAID, PENDING, payment_of
from lnpd.services.payments.offer import amount_of, readable, usual_max_fee_msat
from lnpd.services.payments.outgoing import Outgoing
from lnpd.services.payments.own import own_invoices, own_payments
from lnpd.services.payments.unasked import Payable, Unasked, refuse_reuse, unasked
from lnpd.store.read import Read
from lnpd.store.rows import PaymentRow
from lnpd.store.store import Store
from lnpd.store.write import Write


class LimitedPayments:
    """Pays for payers that have limits. network: BIP 173's prefix. features: of plugins, now."""

    def __init__(
        self, store: Store, outgoing: Outgoing, node_id: bytes, network: str, features: Callable[[], PluginFeatures]
    ) -> None:
        self._features = features
        self._store, self._outgoing, self._node_id, self._network = store, outgoing, node_id, network
        self._callers: Counter[bytes] = Counter()  # of each payment that is being made here
        self._running: set[asyncio.Task[answers.Paid]] = set()

    async def pay(
        self,
        payer: str,
        limit_sat: int,
        text: str,
        amount_msat: int | None,
        max_fee_msat: int | None,
        route: tuple[str, ...],
        timeout_seconds: float,
    ) -> answers.Paid:
        """Pays an invoice once; all that `payer` ever pays costs at most `limit_sat`, fees included.

        Raises what Payments.pay raises, PayLimitReached, and PaymentInFlight too if somebody else pays this invoice.
        """
        request = readable(text, self._network, self._node_id, self._features().table)
        amount = amount_of(request, amount_msat)
        return await self.send(payer, limit_sat, request, amount, max_fee_msat, route, timeout_seconds, text)

    async def send(
        self,
        payer: str,
        limit_sat: int,
        request: Payable,
        amount_msat: int,
        max_fee_msat: int | None,
        route: tuple[str, ...],
        timeout_seconds: float,
        text: str = "",
    ) -> answers.Paid:
        """As `pay`, also what has no invoice, whose `text` is empty. Raises PreimageUsed too."""
        fee_msat = usual_max_fee_msat(amount_msat) if max_fee_msat is None else max_fee_msat
        set_aside = partial(self._reserve, payer, limit_sat, request, amount_msat, fee_msat)

        async def reserve() -> None:
            await self._store.write(set_aside)

        async def paid() -> answers.Paid:
            self._callers[request.payment_hash] += 1
            try:
                await reserve()
                return await self._outgoing.send(
                    request, amount_msat, timeout_seconds, route, fee_msat, payer, text, reserve
                )
            finally:
                self._callers -= Counter({request.payment_hash: 1})
                await self._store.write(lambda write: self._free(write, payer))

        task = asyncio.create_task(paid(), name=f"payment {request.payment_hash.hex()} of {payer}")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)  # the plugin may end while it waits; what it began does not

    async def pay_node(
        self,
        payer: str,
        limit_sat: int,
        node_id: str,
        amount_msat: int,
        preimage: str,
        records: Mapping[str, str],
        max_fee_msat: int | None,
        route: tuple[str, ...],
        timeout_seconds: float,
    ) -> answers.Paid:
        """Pays a node that asked for nothing (unasked.py), within the same limit; a preimage pays once.

        Raises what `unasked` and `pay` raise, and PreimageUsed.
        """
        request = unasked(node_id, amount_msat, preimage, records, max(0, len(route) - 1), self._node_id)
        return await self.send(payer, limit_sat, request, amount_msat, max_fee_msat, route, timeout_seconds)

    async def payments(self, payer: str, before: int, limit: int) -> list[PaymentRow]:
        """Its own, newest first, a page of them (own.py)."""
        return await self._store.read(lambda read: own_payments(read, payer, before, limit))

    async def invoices(self, judge: str, before: int, limit: int, paid: bool) -> list[PaymentRow]:
        """Those that it judges, likewise."""
        return await self._store.read(lambda read: own_invoices(read, judge, before, limit, paid))

    async def standing(self, payer: str) -> tuple[spending.Spent, int]:
        """What a payer has paid, and what its payments that are on their way may cost, in msat."""
        return await self._store.read(lambda read: (spending.spent(read, payer), self._kept_msat(read, payer)))

    async def stop(self) -> None:
        """Waits no more; what is on its way is stored and goes on after the next start."""
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _reserve(
        self, payer: str, limit_sat: int, request: Payable, amount_msat: int, fee_msat: int, write: Write
    ) -> None:
        payment_hash = request.payment_hash
        row = write.payment(payment_hash)
        if isinstance(request, Unasked):
            refuse_reuse(row, request, amount_msat)
            if write.invoice(payment_hash) is not None:
                raise PreimageUsed(f"{payment_hash.hex()} is an invoice of ours: its preimage is for who pays it.")
        if row is not None and row.state in (PENDING, PAID):
            if payment_of(row).payer != payer:
                raise PaymentInFlight(f"The payment {payment_hash.hex()} is {row.state}, and not by {payer}.")
            return
        self._free(write, payer)
        spending.reserve(write, payer, limit_sat, payment_hash, amount_msat + fee_msat)

    def _free(self, write: Write, payer: str) -> None:
        """Whatever is kept for what will not be: it was never offered, or this process knows nothing of it."""
        for payment_hash in spending.reserved(write, payer):
            if not self._is_live(write, payer, payment_hash):
                spending.release(write, payer, payment_hash)

    def _kept_msat(self, read: Read, payer: str) -> int:
        kept = spending.reserved(read, payer)
        return sum(msat for payment_hash, msat in kept.items() if self._is_live(read, payer, payment_hash))

    def _is_live(self, read: Read, payer: str, payment_hash: bytes) -> bool:
        if self._callers[payment_hash] or self._outgoing.is_making(payment_hash):
            return True
        row = read.payment(payment_hash)
        return row is not None and row.state == PENDING and payment_of(row).payer == payer

    def _ended(self, task: "asyncio.Task[answers.Paid]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it has it; perhaps nobody does any more
