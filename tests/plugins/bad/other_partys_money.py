"""Its update takes from the party that did not propose it."""

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, View

plugin = Plugin("bad", version="1")


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("contribute"),))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        if not state:
            return ()
        script = Miniscript("pk(counterparty_payment)")
        return (OutputSpec("bad", "1", "box", 50_000, script, (0, 50_000_000)),)


if __name__ == "__main__":
    plugin.run()
