"""Its revocation path has the revocation key of another commitment."""

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, View

plugin = Plugin("bad", version="1")


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("contribute"),))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        point = "02" + "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
        delay = view.to_self_delay[view.holder]
        script = Miniscript(f"and_v(v:older({delay}),or_d(pk({point}),pk(delayed)))")
        return (OutputSpec("bad", "1", "box", 50_000, script, (50_000_000, 0)),)


if __name__ == "__main__":
    plugin.run()
