"""An extension's provider for tests: each party keeps an amount of its own in one extra output, or gives it away.

`GatedVault` is the same, but the holder of a commitment gets its own box by a child that the peer has signed ahead.

An update's body is msgpack of (verb, amount_sat): `put` locks more, `take` unlocks, `give` pays the other party. What
the two parties do commutes, for each changes its own box only.
"""

import msgspec
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
from msgspec.structs import replace

from lnpd.crypto.secp import public_key

NAME = "vault"
DUST_SAT = 1000


def body(verb: str, amount_sat: int) -> bytes:
    return msgspec.msgpack.encode((verb, amount_sat))


def boxes(state: bytes) -> tuple[int, int]:
    return msgspec.msgpack.decode(state, type=tuple[int, int]) if state else (0, 0)


class Vault(ProviderBase):
    spec = ProviderSpec(
        NAME,
        formats=(1,),
        phases=(Phase("validate"), Phase("fold"), Phase("contribute"), Phase("close")),
    )

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        if update.provider != NAME:
            return None
        left = self._after(state, update)
        return Reject("a box holds nothing or 1000 sat and more") if 0 != left < DUST_SAT else None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        if update.provider != NAME:
            return Folded(state)
        verb, amount_sat = msgspec.msgpack.decode(update.body, type=tuple[str, int])
        held = list(boxes(state))
        held[update.proposer] = self._after(state, update)
        paid = 1000 * amount_sat if verb == "give" else 0
        moves: PerParty = (-paid, paid) if update.proposer == 0 else (paid, -paid)
        return Folded(msgspec.msgpack.encode(tuple(held)), moves)

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        delay = view.to_self_delay[view.holder]
        own = Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({delay})))")
        theirs = Miniscript("and_v(v:pk(counterparty_payment),older(1))")
        return tuple(
            OutputSpec(
                provider=NAME,
                id=str(party),
                kind="box",
                value_sat=amount_sat,
                script=own if party == view.holder else theirs,
                debits_msat=(1000 * amount_sat, 0) if party == 0 else (0, 1000 * amount_sat),
            )
            for party, amount_sat in enumerate(boxes(state))
            if amount_sat
        )

    def close(self, view: View, state: bytes) -> Blocked | Closable:
        return Blocked("a box is not empty") if any(boxes(state)) else Closable()

    def _after(self, state: bytes, update: Update) -> int:
        verb, amount_sat = msgspec.msgpack.decode(update.body, type=tuple[str, int])
        return boxes(state)[update.proposer] + (amount_sat if verb == "put" else -amount_sat)


class GatedVault(Vault):
    """`refuses` is why its gate stays shut. With `sold`, the opener's child needs this adaptor's secret."""

    spec = replace(Vault.spec, phases=(*Vault.spec.phases, Phase("descend"), Phase("gate")))

    def __init__(self, refuses: str = "", sold: bytes = b"") -> None:
        self.refuses, self.points = refuses, (public_key(sold) if sold else b"", b"")
        self.asked = 0
        self.shown: tuple[ChildSignature, ...] = ()

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        joint = Miniscript("or_d(pk(revocation),multi(2,holder_htlc,counterparty_htlc))")
        outputs = super().contribute(view, state)
        return tuple(replace(each, script=joint) if each.id == str(view.holder) else each for each in outputs)

    def descend(self, view: View, state: bytes, transaction: Transaction) -> tuple[ChildTx, ...]:
        home = Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({view.to_self_delay[view.holder]})))")
        path, own = "holder_htlc+counterparty_htlc", str(view.holder)
        boxes = [o.value_sat for o in transaction.outputs if o.spec and (o.spec.provider, o.spec.id) == (NAME, own)]
        how = (0, 0xFFFFFFFD, Sighash.SINGLE_ANYONECANPAY, True, self.points[view.holder])
        return tuple(ChildTx(NAME, own, "exit", path, (ChildOutput(sat, home),), *how) for sat in boxes)

    def gate(self, view: View, state: bytes, signatures: tuple[ChildSignature, ...]) -> Ready | Wait:
        self.asked, self.shown = self.asked + 1, signatures
        return Wait(self.refuses) if self.refuses else Ready()
