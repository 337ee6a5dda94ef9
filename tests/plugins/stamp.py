"""A plugin that seals whatever a channel makes with a hash of all that it is shown: what is derived again is equal in
every byte, or it is not equal at all."""

from hashlib import sha256

import msgspec
from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import DataCarrier
from lnpd_sdk.services.kept import KeptCommitment
from lnpd_sdk.types import Folded, OutputSpec, Phase, ProviderBase, ProviderSpec, Transaction, Update, View

from lnpd.tx.script import data_carrier

KIND = "stamp/static_remotekey"


class Stamp(ProviderBase):
    """Its state counts the updates of HTLCs: each commitment has another one."""

    spec = ProviderSpec(
        "stamp",
        (1,),
        (Phase("fold"), Phase("contribute", ()), Phase("seal")),
        observes=("htlc",),
        max_outputs=1,
        seal_length=32,
        seals=("second_stage", "close", "claim"),
        holds=True,
    )

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        return Folded((int.from_bytes(state, "big") + 1).to_bytes(4, "big"))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        return (OutputSpec("stamp", "stamp", "stamp", 0, DataCarrier(32), trim="never"),)

    def seal(self, view: View, state: bytes, transaction: Transaction) -> bytes:
        return sha256(msgspec.msgpack.encode((view, state, transaction))).digest()


def stamp(*capabilities: str) -> Plugin:
    """The plugin, for one node."""
    plugin = Plugin("stamp", "1", capabilities=capabilities)
    plugin.channel_type(ChannelTypeSpec(KIND, "static_remotekey", (("stamp", 1),)))
    plugin.provider(Stamp)
    return plugin


def sealed_again(kept: KeptCommitment) -> int:
    """How many transactions of it are sealed again as they were."""
    asked = (kept.transaction, *kept.children, *kept.claims)
    scripts = [data_carrier(Stamp().seal(kept.view, kept.state, each)) for each in asked]
    assert scripts == list(kept.carriers)
    return len(scripts)
