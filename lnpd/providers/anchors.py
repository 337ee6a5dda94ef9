"""When does a commitment have anchors? (BOLT 3, `to_local_anchor` and `to_remote_anchor`)"""

from lnpd_sdk.script import Template
from lnpd_sdk.types import PARTIES, OutputSpec, Party, Phase, ProviderBase, ProviderSpec, View

from lnpd.tx.fees import ANCHOR_SAT
from lnpd.tx.states import ANCHORS, BASE


class Anchors(ProviderBase):
    """A party has an anchor if its main output exists, or if anything else that is pending does.

    BOLT 3 speaks of HTLCs; an extension's output is as good a reason to want the commitment confirmed. The opener pays
    for both anchors even when one is absent: that is the channel type's fixed cost.
    """

    spec = ProviderSpec(name=ANCHORS, formats=(1,), phases=(Phase("attach", ("holder",)),), max_outputs=2)

    def attach(self, view: View, state: bytes, survivors: tuple[OutputSpec, ...]) -> tuple[OutputSpec, ...]:
        """Up to two outputs of 330 sat."""
        pending = any(each.provider != BASE for each in survivors)
        mains = {each.kind for each in survivors if each.provider == BASE}
        return tuple(_anchor(view, party) for party in PARTIES if pending or _main_kind(view, party) in mains)


def _main_kind(view: View, party: Party) -> str:
    return "to_local" if party == view.holder else "to_remote"


def _anchor(view: View, party: Party) -> OutputSpec:
    script = Template("anchor", counterparty=party != view.holder)
    return OutputSpec(ANCHORS, f"anchor/{party}", "anchor", ANCHOR_SAT, script)
