"""It answers with an output of another provider."""

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, View

plugin = Plugin("bad", version="1")


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("contribute"),))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        script = Miniscript("pk(counterparty_payment)")
        return (OutputSpec("lockbox", "1", "box", 50_000, script, (50_000_000, 0)),)


if __name__ == "__main__":
    plugin.run()
