"""Which hooks does the node call, and what do they give and expect?

A test fails for a hook without a text or an example, and for one that the node never calls. Ids and keys are
lower-case hex, so that a plugin in any language reads them.
"""

from typing import Any

from lnpd_sdk.hooks import FailHtlc, HoldHtlc, ResolveHtlc, TakeHtlc

from lnpd.hooks.kinds import TOLD, chain, gather
from lnpd.hooks.spec_links import LinkSpecs


class HookSpecs(LinkSpecs):
    """Every hook, those of peers and channels first. A late answer is no answer."""

    # --- payments
    @chain(
        guarded=True,
        default="The invoice is made.",
        example="""
        @plugin.hook("invoice_requested", Filter("amount_msat", at_most=999))
        async def too_little(node, amount_msat, **fields):
            return f"{amount_msat} msat are not worth an invoice"
        """,
    )
    def invoice_requested(self, amount_msat: int | None, description: str, expiry_seconds: int) -> str | None:
        """The user, or a plugin, asks for an invoice (amount_msat None: the payer chooses). A text refuses it."""

    @chain(
        guarded=True,
        default="The node's own rules: an invoice of ours is paid, what goes on is passed on, all else fails.",
        example="""
        @plugin.hook("htlc_accepted", final=True, has_invoice=False)
        async def keysend(node, payment_hash, records, **fields):
            preimage = records.get("5482373484", "")
            if hashlib.sha256(bytes.fromhex(preimage)).hexdigest() == payment_hash:
                return ResolveHtlc(preimage)
            return None
        """,
    )
    def htlc_accepted(
        self,
        htlc: str,
        channel_id: str,
        providers: str,
        payment_hash: str,
        amount_msat: int,
        cltv_expiry: int,
        height: int,
        final: bool,
        next_channel: str,
        forward_msat: int,
        has_invoice: bool,
        held: bool,
        metadata: str,
        records: dict[str, str],
        htlc_records: dict[str, str],
    ) -> FailHtlc | ResolveHtlc | HoldHtlc | TakeHtlc | None:
        """A peer's HTLC is irrevocably committed; `htlc` names it. It ends here if it is `final`, else it is to go on
        with `forward_msat` over `next_channel` (a short_channel_id). `records` are what its onion says beside BOLT 4,
        but for other plugins' types: type to value, in hex; an even type is known if a plugin's manifest adds it to the
        TLV stream `payload`. `htlc_records` are this plugin's in update_add_htlc itself (hook outgoing_records).
        `metadata` is the invoice's that the payer brings back, in hex (`Node.invoice`). `providers` are those of the
        channel, as for outgoing_records.

        None goes on: the next plugin is asked, and after the last one the node decides; TakeHtlc has it decide at once,
        and is what an invoice waits for that the plugin made as `judged`. HoldHtlc keeps it waiting, over
        restarts, for `Node.settle` and `Node.fail`; after a restart of the node or of the plugin the hook is asked
        again with `held` (None then means that it still waits). One that expires in less than 24 blocks is failed.
        So is one that is to go on and came with records over a channel whose type pins a plugin's provider, if that
        plugin does not take part in this hook, or does not answer: what they say would be lost.
        A preimage is checked, the channel's and the payer's rules are, before anybody is asked.
        """

    @gather(
        guarded=True,
        also_asks_waiters=True,
        default="The payee is told what BOLT 4 says, and nothing else; but what a plugin asked for by its `metadata` is"
        " not paid without its answer.",
        example="""
        @plugin.hook("onion_payload")
        async def greeting(node, **fields):
            return {"65537": b"hello".hex()}
        """,
    )
    def onion_payload(
        self,
        payment_hash: str,
        payee: str,
        amount_msat: int,
        description: str,
        features: str,
        metadata: str,
        payer: str,
    ) -> dict[str, str] | str | None:
        """A payment of ours is about to be made (of the invoice with this description, this payment_metadata in hex and
        these feature bits: bit n of `int(features or "0", 16)`). The answer are records for the payee: type to value,
        in hex. Types are odd, from 65537 on; a type is of the plugin that comes first, and all of them have 600 bytes,
        with 16 for each. `payer` is the plugin that pays, empty if a person does. A text refuses the payment.

        A plugin with a filter on `metadata` has invoices of its own kind: without its answer they are not paid."""

    @gather(
        default=TOLD,
        example="""
        @plugin.hook("payment_received", Filter("amount_msat", at_least=1_000_000))
        async def thank(node, payment_hash, amount_msat):
            await node.log("info", f"{amount_msat} msat came for {payment_hash}")
        """,
    )
    def payment_received(self, payment_hash: str, amount_msat: int) -> None:
        """An invoice of ours was paid and the payer's HTLC is fulfilled."""

    @gather(
        default=TOLD,
        example="""
        @plugin.hook("payment_sent")
        async def book(node, payment_hash, amount_msat, preimage):
            await node.log("info", f"{amount_msat} msat arrived, proof {preimage}")
        """,
    )
    def payment_sent(self, payment_hash: str, amount_msat: int, preimage: str) -> None:
        """A payment of ours was fulfilled."""

    @gather(
        default=TOLD,
        example="""
        @plugin.hook("forward_settled", Filter("fee_msat", at_least=1_000))
        async def earned(node, fee_msat, **fields):
            await node.log("info", f"{fee_msat} msat earned")
        """,
    )
    def forward_settled(self, payment_hash: str, amount_msat: int, incoming: str, outgoing: str, fee_msat: int) -> None:
        """What this node passed on was paid: `amount_msat` went out, `fee_msat` stayed. `incoming` and `outgoing` are
        the channels as `lnp events` names them."""

    # --- the user
    @chain(
        guarded=True,
        default="The command is run.",
        example="""
        @plugin.hook("rpc_command", method="pay")
        async def office_hours(node, method, params):
            return None if OPEN else "payments are made from nine to five"
        """,
    )
    def rpc_command(self, method: str, params: dict[str, Any]) -> str | None:
        """A command that changes something is about to be run, with these parameters. A text refuses it. `stop` and
        `plugin ...` are asked of nobody: a user can always do without a plugin."""

    # --- the chain
    @gather(
        default=TOLD,
        example="""
        @plugin.hook("block_connected")
        async def tick(node, height, block_hash):
            await node.log("debug", f"block {height} is {block_hash}")
        """,
    )
    def block_connected(self, height: int, block_hash: str) -> None:
        """The best chain ends with this block now (explorers' byte order); called once after a start as well."""

    @gather(
        default=TOLD,
        example="""
        @plugin.hook("block_disconnected")
        async def undone(node, height, block_hash):
            await node.log("warning", f"block {height}, {block_hash}, is undone")
        """,
    )
    def block_disconnected(self, height: int, block_hash: str) -> None:
        """A block left the best chain while this node ran, or while it was away (explorers' byte order). The highest
        is told first, and the new tip after them by block_connected."""
