"""Its second-stage transaction weighs more than its output declared, and so pays too little."""

from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import Miniscript, Template
from lnpd_sdk.types import ChildOutput, ChildTx, OutputSpec, Phase, ProviderBase, ProviderSpec, Transaction, View

plugin = Plugin("bad", version="1")
PATH = "holder_htlc+counterparty_htlc"


@plugin.provider
class Bad(ProviderBase):
    spec = ProviderSpec("bad", (1,), (Phase("contribute"), Phase("descend")))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        script = Miniscript("or_d(pk(revocation),multi(2,holder_htlc,counterparty_htlc))")
        return (OutputSpec("bad", "1", "box", 50_000, script, (50_000_000, 0), second_stage_weight=400),)

    def descend(self, view: View, state: bytes, transaction: Transaction) -> tuple[ChildTx, ...]:
        value_sat = 50_000 - 400 * view.feerate_per_kw // 1000
        return (ChildTx("bad", "1", "split", PATH, (ChildOutput(value_sat, Template("to_local")),)),)


if __name__ == "__main__":
    plugin.run()
