"""It answers with 100 MB."""

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, View

plugin = Plugin("bad", version="1")


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("contribute"),))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        return bytes(100_000_000)  # type: ignore[return-value]  # that is what is bad about it


if __name__ == "__main__":
    plugin.run()
