"""A provider for tests whose outputs, children and seals are whatever a test says."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from lnpd_sdk.script import DataCarrier, Miniscript, Sighash
from lnpd_sdk.types import (
    ChildOutput,
    ChildTx,
    CommitmentKeys,
    OutputSpec,
    Phase,
    ProviderBase,
    ProviderSpec,
    Transaction,
    View,
)

from lnpd.providers.types import STATIC_REMOTEKEY, pin, with_extensions
from lnpd.tx.graph import ChannelType, CommitmentSpec, Graph
from tests.tx.bolt3 import commitment_spec, graph_of

LOCKBOX = Miniscript("or_d(pk(revocation),and_v(v:pk(delayed),older(144)))")
JOINT = Miniscript("or_d(pk(revocation),multi(2,holder_htlc,counterparty_htlc))")
CHILD = ChildTx(
    "box",
    "1",
    "exit",
    "holder_htlc+counterparty_htlc",
    (ChildOutput(50_000, LOCKBOX),),
    sighash=Sighash.SINGLE_ANYONECANPAY,
)
CARRIER = OutputSpec("box", "seal", "seal", 0, DataCarrier(32), trim="never")
PHASES = tuple(Phase(name) for name in ("contribute", "attach", "seal", "descend"))  # type: ignore[arg-type]


class Extension(ProviderBase):
    """Answers with fixed values, or with what functions make of the question."""

    def __init__(
        self,
        *outputs: OutputSpec,
        attached: Sequence[OutputSpec] = (),
        children: Sequence[ChildTx] = (),
        seal: Callable[[Transaction], Any] | bytes = b"",
        seal_length: int = 0,
        name: str = "box",
        **limits: int,
    ) -> None:
        self.spec = ProviderSpec(name=name, formats=(1,), phases=PHASES, seal_length=seal_length, **limits)
        self.outputs, self.attached, self.children, self.content = outputs, tuple(attached), tuple(children), seal

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        return self.outputs

    def attach(self, view: View, state: bytes, survivors: tuple[OutputSpec, ...]) -> tuple[OutputSpec, ...]:
        return self.attached

    def seal(self, view: View, state: bytes, transaction: Transaction) -> bytes:
        return self.content(transaction) if callable(self.content) else self.content

    def descend(self, view: View, state: bytes, transaction: Transaction) -> tuple[ChildTx, ...]:
        return self.children


def box(
    value_sat: int = 50_000, script: Any = LOCKBOX, *, id: str = "1", kind: str = "box", **changes: Any
) -> OutputSpec:
    """An output that the opener pays for."""
    spec = OutputSpec("box", id, kind, value_sat, script, (1000 * value_sat, 0))
    return msgspec.structs.replace(spec, **changes)


def extended(extension: Extension, channel_type: ChannelType = STATIC_REMOTEKEY, **changes: Any) -> CommitmentSpec:
    """Appendix C's simple commitment, whose type pins this provider too."""
    kind = with_extensions(channel_type, (pin(extension.spec, 1),))
    return commitment_spec(7_000_000_000, 3_000_000_000, 1_000, channel_type=kind, **changes)


def replaced(keys: CommitmentKeys, **changes: bytes) -> CommitmentKeys:
    """Other keys in some roles."""
    return msgspec.structs.replace(keys, **changes)


def of(extension: Extension, **changes: Any) -> Graph:
    """The graph of a commitment with this extension."""
    return graph_of(extended(extension, **changes), extension)


def child(**changes: Any) -> ChildTx:
    """CHILD with some fields changed."""
    return msgspec.structs.replace(CHILD, **changes)
