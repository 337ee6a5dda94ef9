"""recovery: channels whose money a third key can take, four weeks after the funding confirmed and not before.

    lnpd --plugin=plugins/examples/recovery.py --grant recovery=hook:funding_keys --option recovery.key=02ab...
    lnp open PEER 1000000 --channel-type recovery/anchors
    lnp recovery-descriptor CHANNEL

Both nodes name the same key; else the channel is not opened. While both nodes live, they close the channel a week
before the key can be used: it is for the day on which neither comes back, or one only closed by force.
"""

from lnpd_sdk.manifest import ChannelTypeSpec, FundingSpec, MainSpec
from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.script import DataCarrier, InternalKey, Leaf, Miniscript, Taproot
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, Transaction, View

MARK = b"recovery"
FUNDING = "or_d(multi(2,opener_funding,acceptor_funding),and_v(v:pk(recovery_key),older(4032)))"
LOCAL = "andor(pk(delayed),older(to_self_delay),or_i(pk(revocation),and_v(v:pk(recovery_key),older(4032))))"
REMOTE = "and_v(v:pk(counterparty_payment),older(1))"

plugin = Plugin("recovery", "0.1.0", "Lets a third key recover a channel.", ("hook:funding_keys",))
SPEC = FundingSpec(Miniscript(FUNDING), ("recovery_key",))
MAIN = MainSpec(Miniscript(LOCAL), Taproot(InternalKey.NUMS, (Leaf(Miniscript(REMOTE)),)))
plugin.channel_type(ChannelTypeSpec("recovery/anchors", "anchors_zero_fee_htlc_tx", (("recovery", 1),), SPEC, MAIN))
key = plugin.option("key", str, "", "the recovery key, a compressed point in hex, the same on both nodes", dynamic=True)


@plugin.hook("funding_keys", channel_type="recovery/anchors")
async def funding_keys(node: Node, **fields: object) -> dict[str, str] | None:
    """The key that the user set; what the other side proposed has to be the same."""
    return {"recovery_key": key.value} if key.value else None


@plugin.rpc("A descriptor of a channel's funding, for the wallet of the key's owner.", name="recovery-descriptor")
async def descriptor(node: Node, channel_id: str) -> str:
    """Returns it, with the key that is set now: its address is the funding's if that is still the opening's key."""
    text = FUNDING.replace("recovery_key", key.value)
    for party, name in enumerate(("opener_funding", "acceptor_funding")):
        text = text.replace(name, (await node.channel_key(channel_id, "funding", party)).hex())
    return f"wsh({text})"


@plugin.provider
class Recovery(ProviderBase):
    """A mark in every commitment: who watches the chain sees that a closed channel was one of these."""

    spec = ProviderSpec("recovery", (1,), (Phase("contribute", ()), Phase("seal", ())), max_outputs=1, seal_length=8)

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        """An OP_RETURN, from the first commitment on."""
        return (OutputSpec("recovery", "mark", "mark", 0, DataCarrier(len(MARK)), trim="never"),)

    def seal(self, view: View, state: bytes, transaction: Transaction) -> bytes:
        """What it carries."""
        return MARK


if __name__ == "__main__":
    plugin.run()
