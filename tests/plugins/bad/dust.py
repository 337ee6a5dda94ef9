"""Its output is too small for one of the commitments."""

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
        return (OutputSpec("bad", "1", "box", 400, script, (400_000, 0)),)


if __name__ == "__main__":
    plugin.run()
