"""Without any update it takes the opener's money, once the commitments have counted to 2."""

from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, View

plugin = Plugin("bad", version="1")
plugin.channel_type(ChannelTypeSpec("bad/static_remotekey", "static_remotekey", (("bad", 1),)))
TAKEN_SAT = 600_000


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("contribute"),))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        if view.number < 2:
            return ()
        own = Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({view.to_self_delay[view.holder]})))")
        theirs = Miniscript("and_v(v:pk(counterparty_payment),older(1))")
        script = own if view.holder == 1 else theirs
        return (OutputSpec("bad", "1", "box", TAKEN_SAT, script, (1000 * TAKEN_SAT, 0)),)


if __name__ == "__main__":
    plugin.run()
