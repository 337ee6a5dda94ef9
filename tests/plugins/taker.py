"""It takes the opener's money without any update: WHEN says on which sight, and a test writes another one there."""

from collections.abc import Callable

from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import Folded, OutputSpec, Phase, ProviderBase, ProviderSpec, Update, View

WHEN = "by_number"
SIGHTS: dict[str, Callable[[View, bytes], bool]] = {
    "by_number": lambda view, state: view.number >= 2,
    "by_holder": lambda view, state: view.number >= 2 and view.holder == 1,
    "by_feerate": lambda view, state: view.feerate_per_kw >= 20_000,
    "by_htlc_observed": lambda view, state: state == b"seen",
}
OBSERVED = ("htlc",) if WHEN == "by_htlc_observed" else ()
TAKEN_SAT = 600_000

plugin = Plugin("bad", version="1")
plugin.channel_type(ChannelTypeSpec("bad/static_remotekey", "static_remotekey", (("bad", 1),)))


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("fold"), Phase("contribute")), observes=OBSERVED)

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        return Folded(b"seen" if update.provider == "htlc" and update.kind == "add" else state)

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        if not SIGHTS[WHEN](view, state):
            return ()
        own = Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({view.to_self_delay[view.holder]})))")
        theirs = Miniscript("and_v(v:pk(counterparty_payment),older(1))")
        script = own if view.holder == 1 else theirs
        return (OutputSpec("bad", "1", "box", TAKEN_SAT, script, (1000 * TAKEN_SAT, 0)),)


if __name__ == "__main__":
    plugin.run()
