"""An extension's provider for tests that seals whatever transactions it is told to, with a hash of what it is shown."""

from hashlib import sha256

import msgspec
from lnpd_sdk.types import Phase, Provider, ProviderBase, ProviderSpec, Sealed, Transaction, View

from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, CORE_PROVIDERS, STATIC_REMOTEKEY, pin, with_extensions
from lnpd.tx.graph import ChannelType
from lnpd.tx.script import data_carrier

NAME = "sealer"


class Sealer(ProviderBase):
    """`shown` is every transaction that it was asked for."""

    def __init__(self, *seals: Sealed, length: int = 32) -> None:
        self.spec = ProviderSpec(NAME, (1,), (Phase("seal"),), seal_length=length, seals=seals)
        self.shown: list[Transaction] = []

    def seal(self, view: View, state: bytes, transaction: Transaction) -> bytes:
        self.shown.append(transaction)
        return sealed(transaction)


def sealed(transaction: Transaction) -> bytes:
    return sha256(msgspec.msgpack.encode(transaction)).digest()


def carrier(transaction: Transaction) -> bytes:
    """The script that a transaction which was shown so has to carry."""
    return data_carrier(sealed(transaction))


def with_sealer(*seals: Sealed, base: ChannelType | None = None) -> ChannelType:
    base = base or (STATIC_REMOTEKEY if "second_stage" in seals else ANCHORS_ZERO_FEE_HTLC_TX)
    return with_extensions(base, (pin(Sealer(*seals).spec, 1),))


def providers(*seals: Sealed) -> dict[str, Provider]:
    return {**CORE_PROVIDERS, NAME: Sealer(*seals)}
