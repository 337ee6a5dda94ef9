"""In its second life it does not speak the format that channels pin."""

import sys
from pathlib import Path

from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.types import ProviderBase, ProviderSpec

plugin = Plugin("drops-a-format", version="1")
life = Path(sys.argv[0] + ".life")
again = life.exists()
life.touch()
plugin.channel_type(ChannelTypeSpec("drops-a-format/static_remotekey", "static_remotekey", (("drops-a-format", 1),)))


@plugin.provider
class Provider(ProviderBase):
    spec = ProviderSpec("drops-a-format", (2,) if again else (1,), ())


if __name__ == "__main__":
    plugin.run()
