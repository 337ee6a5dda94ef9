"""An update makes its state larger than a snapshot may be."""

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.types import Folded, OutputSpec, Phase, ProviderBase, ProviderSpec, Update, View

plugin = Plugin("bad", version="1")


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("contribute"), Phase("fold")))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        return ()

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        return Folded(bytes(100_000))


if __name__ == "__main__":
    plugin.run()
