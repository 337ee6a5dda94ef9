"""It never answers."""

import time

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, View

plugin = Plugin("bad", version="1")


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("contribute"),))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        time.sleep(1000)
        return ()


if __name__ == "__main__":
    plugin.run()
