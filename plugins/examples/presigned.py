"""presigned: an amount for the peer, which the peer gets on chain by a transaction that is signed ahead.

    lnpd --plugin=plugins/examples/presigned.py --grant presigned=updates:1000000
    lnp presigned-offer CHANNEL 25000     put 25,000 sat of ours aside for the peer
    lnp presigned-settle CHANNEL          let the peer have within the channel what we put aside

On the payee's commitment the amount is locked by both parties' keys, and one child pays it out after to_self_delay; the
payer signs that child, in auxiliary_signatures, before it signs the commitment. On the payer's own commitment the
amount is the payee's after a block. An open payout blocks a mutual close until its payer settles it; the close then
goes on by itself. A payee whose payer never does gets it by `lnp close CHANNEL --force`.
"""

from typing import Any

from lnpd_sdk.envelope import BadFrame, decode, encode
from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Moves, Node, Plugin
from lnpd_sdk.script import Miniscript, Sighash
from lnpd_sdk.types import (
    Blocked,
    ChildOutput,
    ChildSignature,
    ChildTx,
    Closable,
    Folded,
    OutputSpec,
    PerParty,
    Phase,
    ProviderBase,
    ProviderSpec,
    Ready,
    Reject,
    Transaction,
    Update,
    View,
    Wait,
)

LOCKED = Miniscript("or_d(pk(revocation),multi(2,holder_htlc,counterparty_htlc))")
PAYEES = Miniscript("and_v(v:pk(counterparty_payment),older(1))")
PATH = "holder_htlc+counterparty_htlc"

plugin = Plugin("presigned", "0.1.0", "Pays the peer by a transaction that is signed ahead.", ("updates:1000000",))
for base in ("static_remotekey", "anchors_zero_fee_htlc_tx"):
    plugin.channel_type(ChannelTypeSpec(f"presigned/{base}", base, (("presigned", 1),)))


def read(state: bytes) -> PerParty:
    """What each party has put aside for the other, in sat."""
    return decode(state, PerParty) if state else (0, 0)  # type: ignore[no-any-return]  # it is what it was decoded as


def amount_of(update: Update) -> int:
    """What an update puts aside, in sat; 0 hands over all that its proposer has; -1 if it cannot be read."""
    try:
        return decode(update.body, int)  # type: ignore[no-any-return]
    except BadFrame:
        return -1


@plugin.provider
class Presigned(ProviderBase):
    """One payout a party at a time."""

    phases = ("validate", "fold", "contribute", "descend", "gate", "close")
    spec = ProviderSpec("presigned", (1,), tuple(map(Phase, phases)), max_outputs=1)

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        """One that is open is settled before the next."""
        amount_sat, opened = amount_of(update), read(state)[update.proposer]
        if not 0 <= amount_sat <= 10_000_000:
            return Reject("the amount is no number from 0 to 10000000")
        if bool(amount_sat) == bool(opened):
            return Reject(f"a payout of {opened} sat is open" if opened else "there is no payout to settle")
        return None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        """A payout that is settled moves its amount."""
        held, who, amount_sat = list(read(state)), update.proposer, amount_of(update)
        msat, held[who] = 0 if amount_sat else 1000 * held[who], amount_sat
        return Folded(encode(held) if any(held) else b"", (-msat, msat) if who == 0 else (msat, -msat))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        """Both commitments have it; only on the payee's is there a child."""
        outputs = []
        for payer, amount_sat in enumerate(read(state)):
            script = PAYEES if payer == view.holder else LOCKED
            debits = (1000 * amount_sat, 0) if payer == 0 else (0, 1000 * amount_sat)
            outputs.append(OutputSpec("presigned", str(payer), "payout", amount_sat, script, debits))
        return tuple(each for each in outputs if each.value_sat)

    def descend(self, view: View, state: bytes, transaction: Transaction) -> tuple[ChildTx, ...]:
        """What the holder has coming: its own after its delay, or the payer's if the commitment was revoked.

        The holder's wallet adds the fee. A fee out of the amount would have to be there at any feerate that may come.
        """
        payer = 1 - view.holder
        delayed = Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({view.to_self_delay[view.holder]})))")
        paid = (ChildOutput(read(state)[payer], delayed),)
        child = ChildTx("presigned", str(payer), "payout", PATH, paid, sighash=Sighash.SINGLE_ANYONECANPAY, gated=True)
        return (child,) if read(state)[payer] else ()

    def gate(self, view: View, state: bytes, signatures: tuple[ChildSignature, ...]) -> Ready | Wait:
        """The node has verified them: more than that there is to ask where they mean something else too."""
        return Ready() if len(signatures) == 1 else Wait("there is one payout, and one signature of it")

    def close(self, view: View, state: bytes) -> Blocked | Closable:
        """What is open has to be settled first."""
        return Blocked(f"{sum(read(state))} sat are put aside, for their payer to settle") if state else Closable()

    def samples(self) -> tuple[bytes, ...]:
        """An offer and its settlement, for `lnp plugin check`."""
        return encode(25_000), encode(0)


@plugin.rpc(
    "Puts an amount of ours aside for the peer.",
    example="lnp presigned-offer 4ad1...c0 25000",
    moves=Moves("amount_sat"),
)
async def offer(node: Node, channel_id: str, amount_sat: int) -> dict[str, Any]:
    """Out of our balance."""
    return {"id": await node.propose(channel_id, "presigned", encode(amount_sat))}


@plugin.rpc("Hands over what we put aside.", example="lnp presigned-settle 4ad1...c0", moves=Moves())
async def settle(node: Node, channel_id: str) -> dict[str, Any]:
    """Within the channel."""
    return {"id": await node.propose(channel_id, "presigned", encode(0))}


if __name__ == "__main__":
    plugin.run()
