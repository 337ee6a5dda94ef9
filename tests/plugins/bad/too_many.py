"""It wants more outputs than its manifest allows it."""

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, View

plugin = Plugin("bad", version="1")


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("contribute"),))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        script = Miniscript("pk(counterparty_payment)")
        return tuple(OutputSpec("bad", str(n), "box", 1000, script, (1_000_000, 0)) for n in range(17))


if __name__ == "__main__":
    plugin.run()
