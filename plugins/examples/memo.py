"""memo: every transaction of a channel says in 32 bytes what it is.

    lnpd --plugin=plugins/examples/memo.py
    lnp open PEER 1000000 --channel-type memo/static_remotekey

Whoever knows the text finds the channel's commitments, HTLC transactions, closes, sweeps and penalties on the chain.
The plugin need not live then: a node has what it writes from the day on which the commitment was signed.
"""

from hashlib import sha256

from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import DataCarrier
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, Transaction, View

TEXT = "a channel with a memo"

plugin = Plugin("memo", "0.1.0", "Writes into every transaction of a channel what it is.")
plugin.channel_type(ChannelTypeSpec("memo/static_remotekey", "static_remotekey", (("memo", 1),)))


def memo(*words: str) -> bytes:
    """What is written for these words: their hash, for the chain is no place for a text."""
    return sha256(" ".join((TEXT, *words)).encode()).digest()


@plugin.provider
class Memo(ProviderBase):
    """It has no state and no money: what it writes follows from the transaction alone."""

    spec = ProviderSpec(
        "memo",
        (1,),
        (Phase("contribute", ()), Phase("seal", ("holder",))),
        max_outputs=1,
        seal_length=32,
        seals=("second_stage", "close", "claim"),
    )

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        """An OP_RETURN in every commitment; the node reserves the others."""
        return (OutputSpec("memo", "memo", "memo", 0, DataCarrier(32), trim="never"),)

    def seal(self, view: View, state: bytes, transaction: Transaction) -> bytes:
        """A claim is the holder's of its own commitment, or the other party's."""
        if transaction.claimant is None:
            return memo(transaction.purpose)
        return memo("claim", "own" if transaction.claimant == view.holder else "other")


if __name__ == "__main__":
    plugin.run()
