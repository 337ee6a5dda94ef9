"""It answers the same question differently the second time."""

from itertools import count

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, View

plugin = Plugin("bad", version="1")
calls = count()


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("contribute"),))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        script = Miniscript("pk(counterparty_payment)")
        value_sat = 50_000 + next(calls)
        return (OutputSpec("bad", "1", "box", value_sat, script, (1000 * value_sat, 0)),)


if __name__ == "__main__":
    plugin.run()
