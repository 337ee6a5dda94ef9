"""It claims a channel type of the guest's."""

from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Plugin

plugin = Plugin("claims-anothers-type", version="1")
plugin.channel_type(ChannelTypeSpec("guest/static_remotekey", "static_remotekey", ()))

if __name__ == "__main__":
    plugin.run()
