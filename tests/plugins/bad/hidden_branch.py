"""Its script has one more way to be spent: by the holder at once."""

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, View

plugin = Plugin("bad", version="1")


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("contribute"),))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        own = f"or_i(and_v(v:pk(delayed),older({view.to_self_delay[view.holder]})),pk(holder_htlc))"
        return (OutputSpec("bad", "1", "box", 50_000, Miniscript(f"or_d(pk(revocation),{own})"), (50_000_000, 0)),)


if __name__ == "__main__":
    plugin.run()
