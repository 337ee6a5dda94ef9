"""treebox: the opener puts amounts into taproot outputs, one of them behind a pre-signed second stage.

On the opener's own commitment the first is the opener's after to_self_delay, and the second through a child that both
sides sign; on the other commitment both are the opener's after a block.
"""

from lnpd_sdk.envelope import BadFrame, decode, encode
from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.script import InternalKey, Leaf, Miniscript, Sighash, Taproot
from lnpd_sdk.types import (
    ChildOutput,
    ChildTx,
    Folded,
    OutputSpec,
    PerParty,
    Phase,
    ProviderBase,
    ProviderSpec,
    Reject,
    Transaction,
    Update,
    View,
)

plugin = Plugin("treebox", "0.1.0", "Keeps amounts in taproot outputs.", ("updates:1000000",))
plugin.channel_type(ChannelTypeSpec("treebox/anchors", "anchors_zero_fee_htlc_tx", (("treebox", 1),)))


def tree(key: InternalKey, *leaves: str) -> Taproot:
    """These leaves in a row."""
    last = len(leaves) - 1
    return Taproot(key, tuple(Leaf(Miniscript(each), min(place + 1, last)) for place, each in enumerate(leaves)))


THEIRS = tree(InternalKey.NUMS, "and_v(v:pk(counterparty_payment),older(1))")
STAGED = tree(
    InternalKey.REVOCATION,
    "and_v(v:pk(counterparty_htlc),after(499999999))",
    "and_v(v:pk(holder_htlc),pk(counterparty_htlc))",
)


def delayed(view: View) -> Taproot:
    """The holder's, later: by one of two leaves."""
    delay = view.to_self_delay[view.holder]
    return tree(
        InternalKey.REVOCATION, f"and_v(v:pk(delayed),older({delay}))", f"and_v(v:pk(delayed),older({delay + 1}))"
    )


@plugin.provider
class Treebox(ProviderBase):
    """Its state are both amounts, in sat."""

    spec = ProviderSpec("treebox", (1,), (Phase("validate"), Phase("fold"), Phase("contribute"), Phase("descend")))

    def samples(self) -> tuple[bytes, ...]:
        return encode((25_000, 40_000)), encode((1_000, 0))

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        if update.proposer != 0 or state:
            return Reject("the opener fills it, once")
        try:
            plain, staged = decode(update.body, PerParty)
        except BadFrame:
            return Reject("two amounts are expected")
        return None if min(plain, staged) >= 1_000 else Reject("an amount is under 1,000 sat")

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        return Folded(update.body)

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        if not state:
            return ()
        plain, staged = decode(state, PerParty)
        scripts = (delayed(view), STAGED) if view.holder == 0 else (THEIRS, THEIRS)
        return tuple(
            OutputSpec("treebox", name, name, amount_sat, script, (1000 * amount_sat, 0))
            for name, amount_sat, script in zip(("plain", "staged"), (plain, staged), scripts, strict=True)
        )

    def descend(self, view: View, state: bytes, transaction: Transaction) -> tuple[ChildTx, ...]:
        staged = [each.spec for each in transaction.outputs if each.spec and each.spec.id == "staged"]
        return tuple(
            ChildTx(
                provider="treebox",
                parent=spec.id,
                kind="stage",
                path="counterparty_htlc+holder_htlc",
                outputs=(ChildOutput(spec.value_sat, delayed(view)),),
                sequence=1,
                sighash=Sighash.SINGLE_ANYONECANPAY,
            )
            for spec in staged
            if view.holder == 0
        )


@plugin.rpc("Puts amounts into both outputs.")
async def put(node: Node, channel_id: str, plain_sat: int, staged_sat: int) -> int:
    """Returns the update's id."""
    return await node.propose(channel_id, "treebox", encode((plain_sat, staged_sat)))


if __name__ == "__main__":
    plugin.run()
