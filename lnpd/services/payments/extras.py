"""Which records of theirs do plugins add to what the payee of a payment is told?

Odd ones of the custom range alone: whoever does not know them ignores them (BOLT 1). A type is whose plugin comes
first; what does not fit into an onion beside the payment's own records is left out with its plugin's answer.
"""

from typing import Final

from lnpd.errors import PaymentRefused, PluginFault
from lnpd.hooks.dispatch import Answered, Hooks
from lnpd.routing.invoice import Invoice
from lnpd.wire.catalogue import FIRST_CUSTOM_TLV

HOOK: Final = "onion_payload"
MAX_BYTES: Final = 600  # in all, with 16 for each record's type and length: the route needs the rest
RECORD_BYTES: Final = 16
LARGEST_TYPE: Final = 2**64 - 1
MAX_DIGITS: Final = 20

Records = tuple[tuple[int, bytes], ...]


class Extras:
    """Asks plugins for records."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    async def records(self, request: Invoice, amount_msat: int, payer: str = "") -> Records:
        """Types and values, in ascending order. payer: the plugin that pays, if one does. PaymentRefused."""
        if not self._hooks.wanted(HOOK):
            return ()
        metadata = (request.payment_metadata or b"").hex()
        if not self._hooks.cares(HOOK, amount_msat=amount_msat, metadata=metadata):
            return ()
        asking = {
            "payment_hash": request.payment_hash.hex(),
            "payee": request.payee.hex(),
            "amount_msat": amount_msat,
            "description": request.description or "",
            "features": request.features.to_bytes().hex(),
            "metadata": metadata,
            "payer": payer,
        }
        try:
            answers = await self._hooks.every(HOOK, wrong_with, self._whose(), **asking)
        except PluginFault as error:
            raise PaymentRefused(f"The plugin that such an invoice is for does not answer ({error}).") from None
        return self._joined(answers)

    def _whose(self) -> frozenset[str]:
        """The plugins that asked for some invoices by their metadata: if they are not heard, those are not paid."""
        return frozenset(
            each.plugin
            for each in self._hooks.subscribers(HOOK)
            if each.granted and any(condition.field == "metadata" for condition in each.subscription.filters)
        )

    def _joined(self, answers: list[Answered]) -> Records:
        found: dict[int, bytes] = {}
        for plugin, given in answers:
            if isinstance(given, str):
                raise PaymentRefused(f"The plugin {plugin} refuses the payment: {given}")
            more = {int(number): bytes.fromhex(value) for number, value in given.items()}
            if found.keys() & more.keys() or _size({**found, **more}) > MAX_BYTES:
                self._hooks.complain(
                    plugin, f"what {plugin} adds to an onion is left out: another plugin's stand there already"
                )
            else:
                found |= more
        return tuple(sorted(found.items()))


def wrong_with(given: dict[str, str] | str) -> str:
    """Why these records cannot be added; empty if they can, and for a refusal."""
    if isinstance(given, str):
        return ""
    for number, value in given.items():
        if not (number.isascii() and number.isdecimal() and len(number) <= MAX_DIGITS):
            return f"{number[:MAX_DIGITS]!r} is no type"
        if not FIRST_CUSTOM_TLV <= int(number) <= LARGEST_TYPE:
            return f"{number} is no type from {FIRST_CUSTOM_TLV} on"
        if int(number) % 2 == 0 or str(int(number)) != number:
            return f"the type {number} is even, or oddly written"
        try:
            bytes.fromhex(value)
        except ValueError:
            return f"the value of {number} is no hex"
    return "" if _size({int(n): bytes.fromhex(v) for n, v in given.items()}) <= MAX_BYTES else "it is too long"


def _size(records: dict[int, bytes]) -> int:
    return sum(RECORD_BYTES + len(value) for value in records.values())
