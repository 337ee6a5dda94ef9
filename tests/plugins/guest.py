"""guest: a good plugin that lives beside the bad ones of the museum, and has what they want to have."""

from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.types import ProviderBase, ProviderSpec

plugin = Plugin("guest", "1", "Has what others want.", ("messages",))
plugin.messages("message,41001,guest_word\ndata,u8,what")
plugin.channel_type(ChannelTypeSpec("guest/static_remotekey", "static_remotekey", (("guest", 1),)))
plugin.topic("guest/word", "Something was said.")


@plugin.rpc("Says what it is given.", name="guest-say")
async def say(node: Node, words: str) -> str:
    await node.publish("guest/word", words=words)
    return words


@plugin.hook("peer_connected")
async def connected(node: Node, **fields: object) -> None:
    return None


@plugin.provider
class Guest(ProviderBase):
    spec = ProviderSpec("guest", (1,), ())


if __name__ == "__main__":
    plugin.run()
