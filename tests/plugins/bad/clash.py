"""It claims a provider that the core owns."""

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.types import ProviderBase, ProviderSpec

plugin = Plugin("bad", version="1")


@plugin.provider
class Htlcs(ProviderBase):
    spec = ProviderSpec("htlc", (1,), ())


if __name__ == "__main__":
    plugin.run()
