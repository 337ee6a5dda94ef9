"""keysend: payments that nobody asked for, sent and taken (bLIP 3).

lnpd --plugin=plugins/examples/keysend.py --grant keysend=pay:100000 --grant keysend=messages
     --grant keysend=hook:htlc_accepted
lnp keysend-send NODE_ID 21000
"""

import hashlib
import secrets
from typing import Any

from lnpd_sdk.hooks import FailHtlc, ResolveHtlc
from lnpd_sdk.plugin import Cost, Moves, Node, Plugin

PREIMAGE = "5482373484"
UNKNOWN = "incorrect_or_unknown_payment_details"

GRANTS = ("pay:100000", "messages", "hook:htlc_accepted")
plugin = Plugin("keysend", "0.1.0", "Pays whoever asks for nothing.", GRANTS)
plugin.messages(  # even, so that only a node with a plugin that knows it takes the payment
    f"""
    tlv_stream,payload
    type,{PREIMAGE},keysend_preimage
    data,32*byte,preimage
    """
)


@plugin.rpc(
    "Pays a node without an invoice.",
    example="lnp keysend-send 02eec7... 21000",
    moves=Moves("amount_msat", "max_fee_msat", "keysend-cost"),
)
async def send(node: Node, node_id: str, amount_msat: int, max_fee_msat: int = 0) -> dict[str, Any]:
    """A preimage is used once: asked again, this is another payment."""
    paid = await node.pay_node(node_id, amount_msat, secrets.token_bytes(32), max_fee_msat=max_fee_msat)
    return {"payment_hash": paid.payment_hash, "amount_msat": paid.amount_msat, "fee_msat": paid.fee_msat}


@plugin.rpc("What a payment without an invoice would cost.", example="lnp keysend-cost 02eec7... 21000")
def cost(node: Node, node_id: str, amount_msat: int) -> Cost:
    """Without a route the payee is a peer of ours, and nobody on the way asks for anything."""
    return Cost(amount_msat, 0, to=node_id)


@plugin.hook("htlc_accepted", final=True, has_invoice=False)
async def accepted(
    node: Node, payment_hash: str, records: dict[str, str], **more: Any
) -> ResolveHtlc | FailHtlc | None:
    """Taken if the payer told us its preimage; a wrong one is refused as an unknown payment is."""
    preimage = records.get(PREIMAGE)
    if preimage is None:
        return None
    if hashlib.sha256(bytes.fromhex(preimage)).hexdigest() != payment_hash:
        return FailHtlc(UNKNOWN)
    return ResolveHtlc(preimage)


if __name__ == "__main__":
    plugin.run()
