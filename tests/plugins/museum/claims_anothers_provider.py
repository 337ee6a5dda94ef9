"""It claims the provider of the guest's."""

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.types import ProviderBase, ProviderSpec

plugin = Plugin("claims-anothers-provider", version="1")


@plugin.provider
class Guest(ProviderBase):
    spec = ProviderSpec("guest", (1,), ())


if __name__ == "__main__":
    plugin.run()
