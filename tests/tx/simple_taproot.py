"""What would simple taproot channels be as an extension? One provider that shapes a whole commitment, through the same
door as anyone's; no wire protocol. The scripts are the published ones, as expressions."""

from hashlib import new

from lnpd_sdk.script import InternalKey, Key, Leaf, Miniscript, Sighash, Taproot, Template
from lnpd_sdk.types import (
    PARTIES,
    ChildOutput,
    ChildTx,
    Htlc,
    OutputSpec,
    PerParty,
    Phase,
    ProviderBase,
    ProviderSpec,
    Transaction,
    View,
)

from lnpd.providers.types import pin
from lnpd.tx.graph import ChannelType

NAME = "simple_taproot"
ANCHOR_SAT = 330
WEIGHT = 968  # of a commitment with both main outputs and both anchors

JOINT = f"{Key.COUNTERPARTY_HTLC}+{Key.HOLDER_HTLC}"
CHILD = Sighash.SINGLE_ANYONECANPAY


def tree(internal_key: InternalKey, *leaves: str | Template) -> Taproot:
    """One leaf at the root, or a pair below it."""
    depth = len(leaves) - 1
    scripts = [Miniscript(leaf) if isinstance(leaf, str) else leaf for leaf in leaves]
    return Taproot(internal_key, tuple(Leaf(script, depth) for script in scripts))


def to_local(delay: int) -> Taproot:
    return tree(InternalKey.NUMS_SIMPLE_TAPROOT, f"and_v(v:pk(delayed),older({delay}))", Template("revocation_leaf"))


TO_REMOTE = tree(InternalKey.NUMS_SIMPLE_TAPROOT, "and_v(v:pk(counterparty_payment),older(1))")


def anchor(owner: InternalKey) -> Taproot:
    return tree(owner, "older(16)")


def second_stage(delay: int) -> Taproot:
    return tree(InternalKey.REVOCATION, f"and_v(v:pk(delayed),older({delay}))")


def hashed(payment_hash: bytes) -> str:
    return f"v:hash160({new('ripemd160', payment_hash).hexdigest()})"


def offered(payment_hash: bytes) -> Taproot:
    return tree(
        InternalKey.REVOCATION,
        "and_v(v:pk(holder_htlc),pk(counterparty_htlc))",
        f"and_v({hashed(payment_hash)},and_v(v:pk(counterparty_htlc),older(1)))",
    )


def received(
    payment_hash: bytes, cltv_expiry: int, offerer: Key = Key.COUNTERPARTY_HTLC, recipient: Key = Key.HOLDER_HTLC
) -> Taproot:
    return tree(
        InternalKey.REVOCATION,
        f"and_v(v:pk({offerer}),and_v(v:older(1),after({cltv_expiry})))",
        f"and_v({hashed(payment_hash)},and_v(v:pk({recipient}),pk({offerer})))",
    )


class SimpleTaproot(ProviderBase):
    """Main outputs, anchors and HTLCs, all of them P2TR."""

    spec = ProviderSpec(
        name=NAME,
        formats=(1,),
        phases=(Phase("contribute"), Phase("settle"), Phase("attach"), Phase("descend")),
        max_outputs=483,
        max_weight=100_000,
    )

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        return tuple(_htlc(view, htlc) for htlc in view.htlcs)

    def settle(self, view: View, state: bytes, remaining_msat: PerParty) -> tuple[OutputSpec, ...]:
        outputs = []
        for party in PARTIES:
            own = party == view.holder
            script = to_local(view.to_self_delay[party]) if own else TO_REMOTE
            debits = (remaining_msat[0], 0) if party == 0 else (0, remaining_msat[1])
            kind = "to_local" if own else "to_remote"
            outputs.append(OutputSpec(NAME, f"main/{party}", kind, sum(debits) // 1000, script, debits, trim="dust"))
        return tuple(outputs)

    def attach(self, view: View, state: bytes, survivors: tuple[OutputSpec, ...]) -> tuple[OutputSpec, ...]:
        return (
            OutputSpec(NAME, "anchor/own", "anchor", ANCHOR_SAT, anchor(InternalKey.DELAYED)),
            OutputSpec(NAME, "anchor/other", "anchor", ANCHOR_SAT, anchor(InternalKey.COUNTERPARTY_PAYMENT)),
        )

    def descend(self, view: View, state: bytes, transaction: Transaction) -> tuple[ChildTx, ...]:
        children = []
        specs = [output.spec for output in transaction.outputs if output.spec is not None]
        for spec in specs:
            if spec.kind in ("offered_htlc", "received_htlc"):
                timeout = spec.kind == "offered_htlc"
                path = JOINT if timeout else f"{JOINT}+{spec.id.split('/')[1]}"
                below = ChildOutput(spec.value_sat, second_stage(view.to_self_delay[view.holder]))
                locktime = spec.cltv_expiry if timeout else 0
                children.append(ChildTx(NAME, spec.id, "second_stage", path, (below,), locktime, 1, CHILD))
        return tuple(children)


def _htlc(view: View, htlc: Htlc) -> OutputSpec:
    own, debits = htlc.offerer == view.holder, (htlc.amount_msat, 0) if htlc.offerer == 0 else (0, htlc.amount_msat)
    script = offered(htlc.payment_hash) if own else received(htlc.payment_hash, htlc.cltv_expiry)
    return OutputSpec(
        provider=NAME,
        id=f"{htlc.offerer}-{htlc.id}/hash160:{new('ripemd160', htlc.payment_hash).hexdigest()}",
        kind="offered_htlc" if own else "received_htlc",
        value_sat=htlc.amount_msat // 1000,
        script=script,
        debits_msat=debits,
        trim="dust",
        cltv_expiry=htlc.cltv_expiry,
    )


TYPE = ChannelType(
    features=(NAME,),
    commitment_weight=WEIGHT,
    fixed_cost_sat=2 * ANCHOR_SAT,
    providers=(pin(SimpleTaproot.spec, 1),),
    funding=Taproot(InternalKey.MUSIG2_FUNDING),
)
