"""It sends 100 MB past the checks of the SDK."""

import time

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, View

plugin = Plugin("bad", version="1")


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("contribute"),))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        socket = plugin.node._call.__self__._socket  # type: ignore[union-attr]  # what a plugin in another language may do
        socket.send(bytes(100_000_000))
        time.sleep(1000)
        return ()


if __name__ == "__main__":
    plugin.run()
