"""Which commitments are forbidden for what they hold?"""

from lnpd_sdk.manifest import MainSpec
from lnpd_sdk.script import DataCarrier, Miniscript, Sighash, Template
from lnpd_sdk.types import ACCEPTOR, OPENER
from msgspec.structs import replace

from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX
from lnpd.services.signer.refusals import Rule
from lnpd.tx.graph import Graph
from lnpd.tx.mains import with_mains
from lnpd.tx.script import compile_script
from lnpd.tx.transaction import TxIn, TxOut
from tests.services.signer.signers import CAPACITY_SAT, Pair
from tests.services.signer.world import (
    EXTENDED,
    ME,
    STRANGER,
    Row,
    World,
    changed_child,
    changed_child_tx,
    changed_output,
    of_kind,
    swapped_script,
    table_of,
    vout_of,
    with_outputs,
    without_children,
)

REMOTE = Miniscript("and_v(v:pk(counterparty_payment),older(1))")
LOCAL = Miniscript("andor(pk(delayed),older(to_self_delay),pk(revocation))")
OWN_MAINS = with_mains(ANCHORS_ZERO_FEE_HTLC_TX, MainSpec(LOCAL, REMOTE))

CASES: list[Row] = []
forbidden = table_of(CASES)


@forbidden(Rule.WRONG_INPUT)
async def a_commitment_with_another_input(world: World) -> None:
    graph = await world.next()
    await world.prepare(replace(graph, tx=replace(graph.tx, inputs=(*graph.tx.inputs, TxIn(bytes(32), 0)))))


@forbidden(Rule.WRONG_KEYS)
async def a_revocation_key_of_somebody_else(world: World) -> None:
    graph = await world.next()
    await world.prepare(replace(graph, keys=replace(graph.keys, revocation=graph.keys.delayed)))


@forbidden(Rule.WRONG_KEYS)
async def our_commitment_with_the_point_of_another_number(world: World) -> None:
    point = await world.signer.commitment_point(ME, 7)
    graph = await world.pair.graph(OPENER, 2)
    wrong = replace(graph, keys=replace(graph.keys, per_commitment_point=point))
    await world.signer.hold_commitment(ME, wrong, world.own_signatures)


@forbidden(Rule.WRONG_KEYS)
async def the_peers_first_commitment_with_a_point_it_did_not_name(world: World) -> None:
    fresh = await Pair().opened()
    graph = await fresh.graph(ACCEPTOR, 0)
    wrong = replace(graph, keys=replace(graph.keys, per_commitment_point=graph.keys.delayed))
    await fresh.signers[OPENER].prepare_commitment(ME, wrong)


@forbidden(Rule.WRONG_SCRIPT)
async def a_script_pubkey_that_is_not_what_its_expression_compiles_to(world: World) -> None:
    await world.prepare(changed_output(await world.next(), "to_remote", script_pubkey=STRANGER))


@forbidden(Rule.WRONG_SCRIPT)
async def a_template_that_does_not_exist(world: World) -> None:
    await world.prepare(changed_output(await world.next(), "to_remote", script=Template("to_nobody")))


@forbidden(Rule.WRONG_SCRIPT)
async def a_data_carrier_with_value(world: World) -> None:
    graph = await world.next()
    await world.prepare(changed_output(graph, "to_remote", script=DataCarrier(4), script_pubkey=b"\x6a\x04seal"))


@forbidden(Rule.WRONG_DELAY)
async def a_shorter_delay_than_the_openings(world: World) -> None:
    await world.prepare(swapped_script(await world.bare(), "to_local", Template("to_local"), 6))


@forbidden(Rule.WRONG_DELAY)
async def a_second_stage_that_waits_less_than_the_opening_says(world: World) -> None:
    graph = await world.next()
    child = graph.children[0]
    short = compile_script(Template("to_local"), graph.keys, 1)
    script_pubkey, witness_script = short.script_pubkey, short.witness_script
    output = replace(child.outputs[0], script_pubkey=script_pubkey, witness_script=witness_script)
    tx = replace(child.tx, outputs=(TxOut(output.value_sat, output.script_pubkey),))
    await world.prepare(changed_child(graph, outputs=(output,), tx=tx))


@forbidden(Rule.WRONG_AMOUNTS)
async def outputs_and_fee_that_do_not_add_up(world: World) -> None:
    graph = await world.next()
    await world.prepare(replace(graph, fee_sat=graph.fee_sat + 1))


@forbidden(Rule.WRONG_AMOUNTS)
async def balances_that_do_not_add_up(world: World) -> None:
    graph = await world.next()
    await world.prepare(replace(graph, balances_msat=(graph.balances_msat[0] - 1, graph.balances_msat[1])))


@forbidden(Rule.WRONG_AMOUNTS)
async def a_transaction_with_other_outputs_than_the_graph(world: World) -> None:
    graph = await world.next()
    outputs = (TxOut(graph.tx.outputs[0].value_sat, STRANGER), *graph.tx.outputs[1:])
    await world.prepare(replace(graph, tx=replace(graph.tx, outputs=outputs)))


@forbidden(Rule.WRONG_AMOUNTS)
async def an_output_worth_less_than_it_takes_from_a_balance(world: World) -> None:
    graph = await world.next()
    less = graph.outputs[vout_of(graph, "to_remote")].value_sat - 1_000
    changed = changed_output(graph, "to_remote", value_sat=less)
    await world.prepare(replace(changed, fee_sat=graph.fee_sat + 1_000))


@forbidden(Rule.FEE_TOO_HIGH)
async def our_balance_burned_as_fee(world: World) -> None:
    graph = await world.next()
    vout = vout_of(graph, "to_remote")
    burned = graph.outputs[vout].value_sat
    left = with_outputs(graph, (*graph.outputs[:vout], *graph.outputs[vout + 1 :]))
    await world.prepare(replace(left, fee_sat=graph.fee_sat + burned))


@forbidden(Rule.BELOW_DUST)
async def an_output_under_the_openings_dust_limit(world: World) -> None:
    await world.prepare(
        await world.next(dust_limit_sat=(1, 1), balances_msat=(CAPACITY_SAT * 1000 - 60_300_000, 60_300_000))
    )


@forbidden(Rule.BELOW_RESERVE)
async def a_peer_that_goes_under_its_reserve(world: World) -> None:
    balances = (CAPACITY_SAT * 1000 - 68_000_000, 68_000_000)  # 60,000 sat of them in flight, 9,000 are the reserve
    await world.prepare(await world.next(balances_msat=balances))


@forbidden(Rule.RULE_3)
async def an_htlc_without_its_second_stage(world: World) -> None:
    await world.prepare(without_children(await world.next()))


@forbidden(Rule.RULE_3)
async def an_output_that_the_holder_takes_at_once(world: World) -> None:
    await world.prepare(swapped_script(await world.bare(), "to_local", Miniscript("pk(delayed)"), 96))


@forbidden(Rule.RULE_3)
async def an_output_that_the_holder_takes_too_early(world: World) -> None:
    script = Miniscript("or_d(pk(revocation),and_v(v:pk(delayed),older(95)))")
    await world.prepare(swapped_script(await world.bare(), "to_local", script, 96))


@forbidden(Rule.RULE_3)
async def an_output_without_a_way_to_punish(world: World) -> None:
    script = Miniscript("and_v(v:pk(delayed),older(96))")
    await world.prepare(swapped_script(await world.bare(), "to_local", script, 96))


@forbidden(Rule.RULE_3)
async def a_second_stage_whose_output_breaks_the_rule_again(world: World) -> None:
    graph = await world.next()
    child, script = graph.children[0], Miniscript("pk(delayed)")
    compiled = compile_script(script, graph.keys, 96)
    output = replace(
        child.outputs[0], script=script, script_pubkey=compiled.script_pubkey, witness_script=compiled.witness_script
    )
    tx = replace(child.tx, outputs=(TxOut(output.value_sat, output.script_pubkey),))
    await world.prepare(changed_child(graph, outputs=(output,), tx=tx))


@forbidden(Rule.RULE_3)
async def a_large_output_called_an_anchor(world: World) -> None:
    graph = await world.bare()
    vout = vout_of(graph, "to_local")
    named = replace(graph.outputs[vout], kind="anchor")
    await world.prepare(with_outputs(graph, (*graph.outputs[:vout], named, *graph.outputs[vout + 1 :])))


@forbidden(Rule.WRONG_CHILD)
async def a_child_that_spends_another_output(world: World) -> None:
    graph = await world.next()
    await world.prepare(changed_child_tx(graph, inputs=(TxIn(graph.tx.txid, 0, 1),)))


@forbidden(Rule.WRONG_CHILD)
async def a_child_of_no_output(world: World) -> None:
    await world.prepare(changed_child(await world.next(), vout=99))


@forbidden(Rule.WRONG_CHILD)
async def a_child_with_another_output_than_it_says(world: World) -> None:
    graph = await world.next()
    value = graph.children[0].tx.outputs[0].value_sat
    await world.prepare(changed_child_tx(graph, outputs=(TxOut(value, STRANGER),)))


@forbidden(Rule.WRONG_CHILD)
async def a_child_by_a_path_that_its_output_lacks(world: World) -> None:
    graph = await world.next()
    await world.prepare(changed_child(graph, path=replace(graph.children[0].path, name="keysend")))


@forbidden(Rule.WRONG_CHILD)
async def a_child_by_a_path_of_one_party(world: World) -> None:
    graph = await world.next()
    path = next(path for path in graph.outputs[graph.children[0].vout].paths if path.name == "revocation")
    await world.prepare(changed_child(graph, path=path))


@forbidden(Rule.WRONG_SIGHASH)
async def a_child_with_another_sighash(world: World) -> None:
    await world.prepare(changed_child(await world.next(), sighash=Sighash.ALL))


@forbidden(Rule.CHILD_LOCKS)
async def an_htlc_that_times_out_early(world: World) -> None:
    graph = await world.next()
    number = of_kind(graph, "htlc_timeout")
    child = graph.children[number]
    children = list(graph.children)
    children[number] = replace(child, tx=replace(child.tx, locktime=0))
    await world.prepare(replace(graph, children=tuple(children)))


@forbidden(Rule.CHILD_LOCKS)
async def a_child_that_does_not_wait_its_block(world: World) -> None:
    graph = await world.next()
    spent = graph.children[0].tx.inputs[0]
    await world.prepare(changed_child_tx(graph, inputs=(replace(spent, sequence=0),)))


@forbidden(Rule.CHILD_LOCKS)
async def a_child_with_a_sequence_that_no_transaction_has(world: World) -> None:
    graph = await world.next()
    spent = graph.children[0].tx.inputs[0]
    await world.prepare(changed_child_tx(graph, inputs=(replace(spent, sequence=1 << 40),)))


@forbidden(Rule.WRONG_CHILD)
async def a_child_for_an_adaptor_that_is_no_point(world: World) -> None:
    await world.prepare(changed_child(await world.next(), gated=True, adaptor_point=b"\5" * 33))


@forbidden(Rule.WRONG_CHILD)
async def a_child_for_an_adaptor_that_is_not_gated(world: World) -> None:
    await world.prepare(changed_child(await world.next(), adaptor_point=world.theirs.keys.revocation))


@forbidden(Rule.UNENCODABLE)
async def signing_numbers_that_no_transaction_has(world: World) -> None:
    graph = world.theirs
    await world.signer.sign_commitment(ME, replace(graph, tx=replace(graph.tx, locktime=1 << 40)))


@forbidden(Rule.WRONG_CHILD)
async def signing_a_child_of_no_output(world: World) -> None:
    await world.signer.sign_commitment(ME, changed_child(world.theirs, vout=99))


@forbidden(Rule.NOT_OUR_PATH)
async def signing_a_child_by_a_path_without_a_key_of_ours(world: World) -> None:
    path = replace(world.theirs.children[0].path, witness=())
    await world.signer.sign_commitment(ME, changed_child(world.theirs, path=path))


# Who pays, and what is said to be trimmed


@forbidden(Rule.WRONG_AMOUNTS)
async def the_peers_main_output_paid_from_our_balance(world: World) -> None:
    graph = await world.bare()
    ours, theirs = (graph.outputs[vout_of(graph, kind)] for kind in ("to_remote", "to_local"))
    debits = (ours.debits_msat[0], theirs.debits_msat[1])
    left = with_outputs(graph, tuple(each for each in graph.outputs if each is not ours))
    await world.prepare(changed_output(left, "to_local", value_sat=sum(debits) // 1000, debits_msat=debits))


@forbidden(Rule.WRONG_AMOUNTS)
async def the_peers_htlc_paid_from_our_balance(world: World) -> None:
    graph = await world.next()
    swapped = graph.outputs[vout_of(graph, "offered_htlc")].debits_msat[::-1]
    await world.prepare(changed_output(graph, "offered_htlc", debits_msat=swapped))


@forbidden(Rule.WRONG_SCRIPT)
async def an_output_of_an_extension_in_the_cores_name(world: World) -> None:
    script = Miniscript("and_v(v:pk(counterparty_payment),older(1))")
    await world.prepare(swapped_script(await world.bare(), "to_remote", script, 96))


@forbidden(Rule.WRONG_SCRIPT)
async def a_main_output_in_an_extensions_name(world: World) -> None:
    extended = await World.fresh(EXTENDED)
    graph = await extended.pair.graph(ACCEPTOR, 1, type=EXTENDED)
    await extended.signer.prepare_commitment(ME, changed_output(graph, "to_local", provider="lockbox"))


@forbidden(Rule.WRONG_AMOUNTS)
async def an_output_of_a_provider_that_nobody_pinned(world: World) -> None:
    await world.prepare(changed_output(await world.bare(), "to_remote", provider="lockbox"))


def burned(graph: Graph, trimmed: tuple[tuple[str, str], ...]) -> Graph:
    """What is ours goes to the fee, for the sake of outputs that are said to be trimmed."""
    gone = graph.outputs[vout_of(graph, "to_remote")]
    left = with_outputs(graph, tuple(each for each in graph.outputs if each is not gone))
    return replace(left, fee_sat=graph.fee_sat + gone.value_sat, trimmed=trimmed)


@forbidden(Rule.WRONG_AMOUNTS)
async def more_trimmed_outputs_than_a_commitment_has_room_for(world: World) -> None:
    await world.prepare(burned(await world.bare(), tuple(("htlc", f"0/{number}") for number in range(967))))


@forbidden(Rule.WRONG_AMOUNTS)
async def an_output_that_was_trimmed_twice(world: World) -> None:
    await world.prepare(replace(await world.bare(), trimmed=(("htlc", "0/7"), ("htlc", "0/7"))))


@forbidden(Rule.WRONG_AMOUNTS)
async def a_trimmed_output_of_a_provider_that_nobody_pinned(world: World) -> None:
    await world.prepare(replace(await world.bare(), trimmed=(("lockbox", "0"),)))


@forbidden(Rule.FEE_TOO_HIGH)
async def more_of_ours_trimmed_than_our_dust_exposure(world: World) -> None:
    balances = (70_000_000, CAPACITY_SAT * 1000 - 70_000_000)
    graph = await world.pair.graph(ACCEPTOR, 2, balances_msat=balances)
    await world.prepare(burned(graph, tuple(("htlc", f"0/{number}") for number in range(960))))


@forbidden(Rule.WRONG_SCRIPT)
async def a_main_output_of_bolt_3_in_a_type_with_its_own(world: World) -> None:
    own = await World.fresh(OWN_MAINS)
    await own.signer.prepare_commitment(ME, await own.pair.graph(ACCEPTOR, 1, type=ANCHORS_ZERO_FEE_HTLC_TX))


@forbidden(Rule.WRONG_AMOUNTS)
async def a_main_output_of_the_types_own_paid_from_the_other_balance(world: World) -> None:
    own = await World.fresh(OWN_MAINS)
    graph = await own.pair.graph(ACCEPTOR, 1, type=OWN_MAINS)
    debits = graph.outputs[vout_of(graph, "to_local")].debits_msat[::-1]
    await own.signer.prepare_commitment(ME, changed_output(graph, "to_local", debits_msat=debits))


@forbidden(Rule.UNFIT_TERMS)
async def a_type_whose_main_outputs_cannot_be_punished(world: World) -> None:
    unpunished = Miniscript("and_v(v:pk(delayed),older(to_self_delay))")
    await World.fresh(replace(OWN_MAINS, main=MainSpec(unpunished, REMOTE)))
