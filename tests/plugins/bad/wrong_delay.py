"""Its script waits for the delay of the other side."""

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, View

plugin = Plugin("bad", version="1")


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("contribute"),))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        delay = min(view.to_self_delay)
        script = Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({delay})))")
        return (OutputSpec("bad", "1", "box", 50_000, script, (50_000_000, 0)),)


if __name__ == "__main__":
    plugin.run()
