"""Which rules does the host hold plugins to, and which test breaks each of them?

The one list that is written by hand: a rule is enforced in several places, and only a test shows that it is. A test
fails for a case that pytest does not collect, and for a bad plugin that no rule names.
"""

from typing import NamedTuple

from contrib.docs.markdown import code, page, table

BAD = "tests/plugins/test_rules.py"
PIPELINE = "tests/tx/test_pipeline_refused.py"
SEALS = "tests/tx/test_seals.py"
SPEND = "tests/tx/test_rules.py"
PROPOSAL = "tests/tx/test_proposal.py"
REGISTRY = "tests/hooks/test_registry.py"
AUDIT = "tests/channel/test_audit.py"
TAKERS = "tests/e2e/test_takers.py"
LOCKBOX = "tests/e2e/test_lockbox.py"
TAPROOT = "tests/tx/test_taproot.py"
FUNDING = "tests/tx/test_funding_types.py"
RECOVERY = "tests/e2e/test_recovery.py"


class Enforced(NamedTuple):
    """A rule in one sentence, and the tests that break it."""

    text: str
    broken_by: tuple[str, ...]


RULES: dict[str, tuple[Enforced, ...]] = {
    "What may be declared": (
        Enforced("A manifest is registered as a whole or not at all.",
                 (f"{REGISTRY}::test_what_is_wrong_is_named_and_nothing_is_registered[twice]",)),
        Enforced("What somebody owns is nobody else's: a provider, an RPC method, a channel type.",
                 (f"{BAD}::test_refused_at_registration[clash]",
                  f"{REGISTRY}::test_what_is_wrong_is_named_and_nothing_is_registered[rpc taken]",
                  f"{REGISTRY}::test_what_is_wrong_is_named_and_nothing_is_registered[type taken]")),
        Enforced("A number on the wire has one owner.",
                 (f"{BAD}::test_refused_at_registration[clash_on_the_wire]",)),
    ),
    "What an answer must be": (
        Enforced("The same question has the same answer, until the commitment that it is about is revoked.",
                 (f"{BAD}::test_an_answer_that_cannot_be_used_ends_the_process[another_answer]",)),
        Enforced("It comes within 5 s, of the agreed type, and is bounded: 4 MiB a frame, 64 KiB a state.",
                 (f"{BAD}::test_an_answer_that_cannot_be_used_ends_the_process[no_answer]",
                  f"{BAD}::test_an_answer_that_cannot_be_used_ends_the_process[huge_answer]",
                  f"{BAD}::test_an_answer_that_cannot_be_used_ends_the_process[huge_frame]",
                  f"{BAD}::test_an_answer_that_cannot_be_used_ends_the_process[huge_state]")),
        Enforced("Else the channels that pin the provider freeze, and no other notices.",
                 (f"{LOCKBOX}::test_without_its_plugin_a_channel_freezes_and_thaws",)),
        Enforced("A provider's outputs are its own, each with an id of its own.",
                 (f"{BAD}::test_refused_in_a_commitment[anothers_output]",
                  f"{PIPELINE}::test_refused_by_name[twice]")),
    ),
    "Who can spend an output": (
        Enforced("The holder of a commitment, who can broadcast it, takes nothing of it before to_self_delay.",
                 (f"{BAD}::test_refused_in_a_commitment[wrong_delay]",
                  f"{SPEND}::test_refused_by_name[undelayed]")),
        Enforced("That holds for every way to satisfy the script, found by the host; none can be hidden.",
                 (f"{BAD}::test_refused_in_a_commitment[hidden_branch]",
                  f"{SPEND}::test_refused_by_name[hidden branch in a threshold]")),
        Enforced("The counterparty has an undelayed path with this commitment's revocation key.",
                 (f"{BAD}::test_refused_in_a_commitment[other_revocation]",
                  f"{SPEND}::test_refused_by_name[revocation delayed]")),
        Enforced("A path that needs both parties is spent by a child that obeys the same rules.",
                 (f"{SPEND}::test_refused_by_name[both, with no child]",
                  f"{SPEND}::test_a_child_obeys_the_rule_again")),
        Enforced("Every path needs a signature.", (f"{SPEND}::test_refused_by_name[anyone]",)),
        Enforced("Of a taproot output that is the whole tree and the internal key, which has to have a name.",
                 (f"{TAPROOT}::test_rule_3_sees_the_whole_tree",
                  f"{TAPROOT}::test_a_point_without_a_name_is_the_holders",
                  f"{TAPROOT}::test_the_negative_of_the_holders_point_is_the_holders")),
    ),
    "What a channel type pays its funding to": (
        Enforced("Both parties together can take it at once, with nothing else.",
                 (f"{FUNDING}::test_both_parties_need_a_way_at_once[pk(opener_funding)]",)),
        Enforced("Every other way needs a signature and 4,032 blocks: when it is declared, and with the keys in it.",
                 (f"{FUNDING}::test_what_a_type_may_not_declare[too early]",
                  f"{FUNDING}::test_what_a_type_may_not_declare[by anyone]",
                  f"{REGISTRY}::test_what_is_wrong_is_named_and_nothing_is_registered"
                  "[a funding that a third key takes too early]")),
        Enforced("A type's own main outputs keep rule 3, are their owner's in time, and to_remote is found without the "
                 "commitment.",
                 ("tests/tx/test_mains.py::test_what_a_type_may_not_pay_to[the counterparty early]",
                  "tests/tx/test_mains.py::test_what_a_type_may_not_pay_to[to_remote by a key that is lost]",
                  "tests/tx/test_mains.py::test_each_party_takes_its_own_and_what_was_revoked"
                  "[0-miniscripts-static_remotekey]")),
        Enforced("Both nodes come to the same script and keys, or no channel is opened.",
                 (f"{RECOVERY}::test_another_node_refuses_it_by_name[with another key]",
                  f"{RECOVERY}::test_another_node_refuses_it_by_name[without the plugin]",
                  "tests/channel/test_opening_rules.py::test_accept_channel[FundingTypeChanged-changes6]")),
        Enforced("The channel closes 1,008 blocks before anybody else may take it.",
                 ("tests/channel/test_phases.py::test_a_funding_that_others_may_take_soon_is_closed_before",)),
    ),
    "Amounts": (
        Enforced("An output is worth what its debits take from the balances.",
                 (f"{BAD}::test_refused_in_a_commitment[wrong_debits]",)),
        Enforced("No balance is overdrawn, and no transaction makes money.",
                 (f"{PIPELINE}::test_refused_by_name[more than there is]",
                  f"{PIPELINE}::test_outputs_worth_more_than_the_channel")),
        Enforced("A second stage weighs what was declared, whatever the feerate.",
                 (f"{BAD}::test_refused_in_a_commitment[wrong_weight]",
                  f"{PIPELINE}::test_a_declared_weight_is_held_at_any_feerate")),
        Enforced("Outputs and weight stay within the provider's limits.",
                 (f"{BAD}::test_refused_in_a_commitment[too_many]",
                  f"{PIPELINE}::test_refused_by_name[too heavy]")),
        Enforced("An output under a dust limit is refused when it is proposed.",
                 (f"{BAD}::test_refused_when_proposed[dust]",)),
        Enforced("One that pays for its second stage is large enough at any feerate, and in the way of none.",
                 ("tests/tx/test_proposal.py::test_refused_by_name[dust after the second stage, at a feerate that may "
                  "come]", "tests/e2e/test_presigned.py::test_what_pays_its_fee_from_the_amount_leaves_every_feerate_"
                  "possible")),
        Enforced("A data carrier has no value, and one slot of the agreed length.",
                 (f"{PIPELINE}::test_refused_by_name[value on a carrier]",
                  f"{PIPELINE}::test_refused_by_name[another length of slot]")),
        Enforced("What is sealed in a second stage the counterparty's signature covers: no other carrier gets there.",
                 (f"{SEALS}::test_a_cheat_can_put_nothing_of_its_own_into_what_is_sealed",
                  f"{SEALS}::test_under_anchors_it_could_and_so_there_is_no_such_type")),
    ),
    "Updates": (
        Enforced("An update debits its proposer only.",
                 (f"{BAD}::test_refused_when_proposed[other_partys_money]",
                  f"{PROPOSAL}::test_refused_by_name[straight from the other]")),
        Enforced("Nothing is taken without one: by a provider a commitment takes as much as the last one, and what was "
                 "admitted with that provider's own updates since. Else nothing is signed, and the channel freezes.",
                 (f"{TAKERS}::test_a_plugin_that_helps_itself_gets_nothing[by_number]",
                  f"{TAKERS}::test_a_plugin_that_helps_itself_gets_nothing[by_feerate]",
                  f"{AUDIT}::test_updates_that_move_another_amount_when_they_are_folded_again[3]",
                  f"{AUDIT}::test_at_random_moments_our_loss_is_never_more_than_the_grant[0]")),
        Enforced("Nothing is taken by the update of somebody else, which a provider only observes.",
                 (f"{TAKERS}::test_a_plugin_that_helps_itself_gets_nothing[by_htlc_observed]",)),
        Enforced("The same is taken in both sides' commitments.",
                 (f"{TAKERS}::test_a_plugin_that_helps_itself_gets_nothing[by_holder]",
                  f"{AUDIT}::test_an_update_takes_the_same_in_both_commitments")),
        Enforced("The opener pays a fee for no weight that no update of the provider's added.",
                 (f"{AUDIT}::test_the_opener_pays_for_no_weight_that_no_update_added",)),
        Enforced("It credits a balance with no more than left the provider's own outputs.",
                 (f"{PROPOSAL}::test_refused_by_name[more than left the output]",)),
        Enforced("A plugin moves our money only with a grant, up to its limit, and only by its own provider.",
                 (f"{LOCKBOX}::test_updates_need_a_grant_and_the_right_owner",)),
        Enforced("Updates of both sides that cross lead to the same state in either order.",
                 ("tests/channel/test_limits.py::test_crossing_updates_that_do_not_commute_are_refused",)),
        Enforced("Nobody falls below its reserve by an update of its own.",
                 (f"{PROPOSAL}::test_refused_by_name[below the reserve]",)),
    ),
    "Without the plugin": (
        Enforced("Deadlines, force-closes and penalties need stored data only.",
                 ("tests/e2e/test_worst_days.py::test_htlcs_that_run_out_close_the_channel_with_its_provider_dead"
                  "[one process]",
                  "tests/e2e/test_worst_days.py::test_a_revoked_commitment_is_punished_with_the_plugin_dead"
                  "[lockbox/anchors_zero_fee_htlc_tx]")),
    ),
}  # fmt: skip


def rules() -> str:
    """All of them."""
    parts = ["Each of these protects money or the node. A plugin that breaks one is refused by the rule's name and its "
             "own,\nand the node and its other plugins go on.\n"]  # fmt: skip
    for title, rows in RULES.items():
        parts.append(f"## {title}\n")
        parts.append(table(("rule", "broken by"), ((r.text, "<br>".join(map(code, r.broken_by))) for r in rows)))
    return page("Rules that the host enforces", *parts)
