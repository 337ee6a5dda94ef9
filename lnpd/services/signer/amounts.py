"""Does a commitment's money add up: who pays for each output, what is trimmed away, and what goes to the fee?

What a graph says of its outputs' providers and of what was trimmed is bounded by the opening's terms, and the rest
follows from the transaction: whatever of our balance is in no output went to the fee.
"""

from collections import Counter
from typing import Final

from lnpd_sdk.script import Template
from lnpd_sdk.types import OPENER, PARTIES, Party, PerParty

from lnpd.services.interfaces import SignerChannel
from lnpd.services.signer.refusals import Rule, refuse
from lnpd.services.signer.state import Settled
from lnpd.tx import fees
from lnpd.tx.feerates import MAX_FEERATE_PER_KW
from lnpd.tx.graph import Graph, Output
from lnpd.tx.mains import script_of
from lnpd.tx.seals import carrier_weight
from lnpd.tx.states import ANCHORS, BASE, CORE, HTLC

HOLDER_PAYS, OTHER_PAYS, NOBODY_PAYS = "holder", "other", "nobody"
# By core template: whose provider makes such outputs, and from whose balance they are paid.
TEMPLATES: Final = {
    "to_local": (BASE, HOLDER_PAYS),
    "to_remote": (BASE, OTHER_PAYS),
    "to_remote_anchors": (BASE, OTHER_PAYS),
    "offered_htlc": (HTLC, HOLDER_PAYS),
    "offered_htlc_anchors": (HTLC, HOLDER_PAYS),
    "received_htlc": (HTLC, OTHER_PAYS),
    "received_htlc_anchors": (HTLC, OTHER_PAYS),
    "anchor": (ANCHORS, NOBODY_PAYS),
}
_NO_TEMPLATE: Final = ("", "")


def check_amounts(terms: SignerChannel, graph: Graph) -> Settled:
    """What each party has beside what is pending. Raises SignerRefused unless outputs, balances and fee are the
    capacity, and each party pays for its own."""
    capacity_sat = graph.funding.capacity_sat
    if len(graph.tx.outputs) != len(graph.outputs) or any(
        (shown.value_sat, shown.script_pubkey) != (meant.value_sat, meant.script_pubkey)
        for shown, meant in zip(graph.tx.outputs, graph.outputs, strict=True)
    ):
        refuse(Rule.WRONG_AMOUNTS, "the transaction's outputs are not those of the graph.")
    if graph.fee_sat < 0 or sum(each.value_sat for each in graph.outputs) + graph.fee_sat != capacity_sat:
        refuse(Rule.WRONG_AMOUNTS, f"the outputs and the fee do not add up to the capacity of {capacity_sat} sat.")
    if sum(graph.balances_msat) != capacity_sat * 1000 or min(graph.balances_msat) < 0:
        refuse(Rule.WRONG_AMOUNTS, f"the balances do not add up to the capacity of {capacity_sat} sat.")
    _check_names(terms, graph)
    left_msat = _left_msat(terms, graph)
    _check_fee(terms, graph, left_msat)
    return _settled(graph, _trimmed_msat(terms, graph, left_msat))


def _settled(graph: Graph, trimmed_msat: PerParty) -> Settled:
    left = list(graph.balances_msat)
    trimmed = {provider for provider, _ in graph.trimmed}
    for each in graph.outputs:
        if each.debits_msat != (0, 0) and each.provider != BASE:
            left[0] -= each.debits_msat[0]
            left[1] -= each.debits_msat[1]
    in_flight = HTLC in trimmed or any(each.provider == HTLC for each in graph.outputs)
    return Settled((left[0], left[1]), in_flight, bool(trimmed - CORE), trimmed_msat)


def _trimmed_msat(terms: SignerChannel, graph: Graph, left_msat: PerParty) -> PerParty:
    """What trimmed outputs held of each party at most: all that is left, but for what the opener paid by weight, which
    is all of that if it has a main output."""
    paid_msat = 1000 * _cost_sat(terms, graph) if _has_main(graph, OPENER) else 0
    return max(0, left_msat[0] - paid_msat), left_msat[1]


def _check_names(terms: SignerChannel, graph: Graph) -> None:
    """Outputs, and what was trimmed, belong to the type's providers, in the numbers that they may have at most."""
    limits = {pin.name: 2 * pin.max_outputs for pin in terms.type.providers}  # max_outputs is each party's
    names = [(each.provider, each.id) for each in graph.outputs]
    names += graph.trimmed
    if len(set(names)) != len(names):
        refuse(Rule.WRONG_AMOUNTS, "two outputs, or trimmed ones, have one name.")
    for provider, count in Counter(provider for provider, _ in names).items():
        if count > limits.get(provider, 0):
            refuse(Rule.WRONG_AMOUNTS, f"{count} outputs are said to be of {provider[:100]}, which may have fewer.")


def _left_msat(terms: SignerChannel, graph: Graph) -> PerParty:
    """What is left of the balances after every output's debits: it went to the fee."""
    left = list(graph.balances_msat)
    attached_sat = 0
    for each in graph.outputs:
        left[0] -= each.debits_msat[0]
        left[1] -= each.debits_msat[1]
        if each.debits_msat == (0, 0):
            attached_sat += each.value_sat
        elif min(each.debits_msat) < 0 or each.value_sat != sum(each.debits_msat) // 1000:
            refuse(Rule.WRONG_AMOUNTS, f"{each.provider} {each.id} is not worth what it takes from the balances.")
    if min(left) < 0 or attached_sat > terms.type.fixed_cost_sat:
        refuse(Rule.WRONG_AMOUNTS, "the outputs take more than the balances, or the type's fixed costs, hold.")
    return left[0], left[1]


def check_payer(terms: SignerChannel, graph: Graph, output: Output) -> None:
    """A core template is its own provider's, and paid by the party that BOLT 3 says; a main output of the type's own
    likewise; the core has nothing else. Raises SignerRefused."""
    provider, payer = _core_output(terms, graph, output)
    if output.provider != provider if provider else output.provider in CORE:
        refuse(Rule.WRONG_SCRIPT, f"{output.provider[:100]} makes no output like {output.id[:100]}.")
    if not payer:
        return
    free = {HOLDER_PAYS: (1 - graph.holder,), OTHER_PAYS: (graph.holder,), NOBODY_PAYS: PARTIES}[payer]
    if any(output.debits_msat[party] for party in free):
        refuse(Rule.WRONG_AMOUNTS, f"{provider} {output.id} is taken from the other party's balance.")


def _core_output(terms: SignerChannel, graph: Graph, output: Output) -> tuple[str, str]:
    """Whose provider makes such an output, and from whose balance: empty of what no core provider makes."""
    script, main = output.script, terms.type.main
    if main is not None and output.provider == BASE:
        delay = terms.to_self_delay[graph.holder]
        payers = {script_of(main, "to_local", delay): HOLDER_PAYS, script_of(main, "to_remote", delay): OTHER_PAYS}
        return (BASE, payers[script]) if script in payers else _NO_TEMPLATE
    return TEMPLATES.get(script.name, _NO_TEMPLATE) if isinstance(script, Template) else _NO_TEMPLATE


def _check_fee(terms: SignerChannel, graph: Graph, left_msat: PerParty) -> None:
    """What the feerate asks for, the fixed costs, and no more than what may have been trimmed or rounded away: in all,
    and of our balance no more than our dust exposure."""
    if not 0 <= graph.feerate_per_kw <= MAX_FEERATE_PER_KW:
        refuse(Rule.FEE_TOO_HIGH, f"nobody means a feerate of {graph.feerate_per_kw} sat per 1000 weight.")
    dust_sat = terms.dust_limit_sat[graph.holder]
    cost_sat = _cost_sat(terms, graph)
    trimmed_sat = _trimmed_sat(terms, graph, dust_sat)
    most_sat = cost_sat + trimmed_sat + len(graph.outputs) + 2 * (dust_sat + 1)
    if graph.fee_sat > most_sat:
        refuse(
            Rule.FEE_TOO_HIGH, f"the commitment pays {graph.fee_sat} sat; its weight and trimmed outputs, {most_sat}."
        )
    ours_sat = min(trimmed_sat, terms.dust_exposure_sat) + (cost_sat if terms.us == OPENER else 0)
    if not _has_main(graph, terms.us):
        ours_sat += dust_sat + 1
    if left_msat[terms.us] > 1000 * ours_sat:
        refuse(Rule.FEE_TOO_HIGH, f"{left_msat[terms.us]} msat of ours go to the fee; at most {ours_sat} sat may.")


def _cost_sat(terms: SignerChannel, graph: Graph) -> int:
    """What the opener owes in fee and fixed costs."""
    extras = [each for each in graph.outputs if each.provider not in (BASE, ANCHORS)]
    weight = terms.type.commitment_weight + sum(fees.output_weight(each.script_pubkey) for each in extras)
    return terms.type.fixed_cost_sat + fees.fee_sat(weight, graph.feerate_per_kw)


def _trimmed_sat(terms: SignerChannel, graph: Graph, dust_sat: int) -> int:
    """The most that all trimmed outputs were worth."""
    carrier = carrier_weight(terms.type, "second_stage")
    limits = {pin.name: pin.max_weight + carrier for pin in terms.type.providers}
    limits[HTLC] = fees.HTLC_SUCCESS_WEIGHT + carrier
    counts = Counter(provider for provider, _ in graph.trimmed)
    return sum(
        count * (dust_sat + fees.fee_sat(limits[provider], graph.feerate_per_kw) + 1)
        for provider, count in counts.items()
    )


def _has_main(graph: Graph, party: Party) -> bool:
    return any(each.provider == BASE and each.debits_msat[party] for each in graph.outputs)
