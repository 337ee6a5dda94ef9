"""hold: invoices whose payments wait until we say yes or no, for goods that may be sold out.

lnpd --plugin=plugins/examples/hold.py --grant hold=invoice --grant hold=hook:htlc_accepted
lnp hold-invoice 50000000 "one bicycle"
lnp hold-list
lnp hold-settle PAYMENT_HASH              or hold-cancel
"""

from lnpd_sdk.hooks import HoldHtlc
from lnpd_sdk.plugin import Node, Plugin

UNKNOWN = "incorrect_or_unknown_payment_details"

plugin = Plugin("hold", "0.1.0", "Has payments wait for a decision.", ("invoice", "hook:htlc_accepted"))
waiting: dict[str, list[str]] = {}  # by payment hash: the node asks again after a restart, so that nothing is lost here


@plugin.rpc("Makes an invoice whose payment waits.", example='lnp hold-invoice 50000000 "one bicycle"')
async def invoice(node: Node, amount_msat: int, description: str) -> dict[str, str]:
    """Nobody has it before it is known that its payment waits."""
    made = await node.invoice(description, amount_msat)
    await node.kv_put(made.payment_hash, b"")
    return {"invoice": made.invoice, "payment_hash": made.payment_hash}


@plugin.hook("htlc_accepted", final=True, has_invoice=True)
async def accepted(node: Node, htlc: str, payment_hash: str, **more: object) -> HoldHtlc | None:
    """A payment of such an invoice."""
    if await node.kv_get(payment_hash) is None:
        return None
    waiting.setdefault(payment_hash, []).append(htlc)
    return HoldHtlc()


@plugin.rpc("The payments that wait.", name="hold-list")
async def listed(node: Node) -> list[str]:
    """Their hashes."""
    return sorted(waiting)


@plugin.rpc("Takes a payment that waits.", example="lnp hold-settle 4ad1...c0")
async def settle(node: Node, payment_hash: str) -> None:
    """The node judges it as it would have done at once."""
    await node.kv_delete(payment_hash)
    for htlc in waiting.pop(payment_hash, []):
        await node.settle(htlc)


@plugin.rpc("Sends a payment that waits back.", example="lnp hold-cancel 4ad1...c0")
async def cancel(node: Node, payment_hash: str) -> None:
    """What comes for this invoice later waits as well."""
    for htlc in waiting.pop(payment_hash, []):
        await node.fail(htlc, UNKNOWN)


if __name__ == "__main__":
    plugin.run()
