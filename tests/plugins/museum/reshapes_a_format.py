"""In its second life it shapes the format that channels pin otherwise."""

import sys
from pathlib import Path

from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.types import ProviderBase, ProviderSpec

plugin = Plugin("reshapes-a-format", version="1")
life = Path(sys.argv[0] + ".life")
again = life.exists()
life.touch()
plugin.channel_type(
    ChannelTypeSpec("reshapes-a-format/static_remotekey", "static_remotekey", (("reshapes-a-format", 1),))
)


@plugin.provider
class Provider(ProviderBase):
    spec = ProviderSpec("reshapes-a-format", (1,), (), max_outputs=3 if again else 2)


if __name__ == "__main__":
    plugin.run()
