"""Which requests are forbidden? Each is driven directly at a signer in a real state, and names the rule it breaks."""

import pytest

from lnpd.errors import SignerRefused
from lnpd.services.signer.refusals import Rule
from tests.services.signer import (
    forbidden_closings,
    forbidden_content,
    forbidden_lost,
    forbidden_order,
    forbidden_plugins,
    forbidden_seals,
    forbidden_spends,
)
from tests.services.signer.signers import run_now
from tests.services.signer.world import ME, Case, World

CASES = (
    *forbidden_order.CASES,
    *forbidden_content.CASES,
    *forbidden_closings.CASES,
    *forbidden_spends.CASES,
    *forbidden_lost.CASES,
    *forbidden_plugins.CASES,
    *forbidden_seals.CASES,
)


@pytest.mark.parametrize(("name", "rule", "case"), CASES, ids=[name for name, _, _ in CASES])
def test_a_forbidden_request_is_refused_by_name(name: str, rule: Rule, case: Case) -> None:
    async def driven() -> None:
        world = await World.made()
        with pytest.raises(SignerRefused) as refused:
            await case(world)
        assert refused.value.rule == rule
        assert str(refused.value).startswith(f"{rule}: ") and len(str(refused.value)) > len(rule) + 10
        # What was refused changed nothing: the permitted request still works.
        if rule not in (Rule.WENT_BACKWARDS, Rule.RELEASE_AFTER_BROADCAST, Rule.TWO_REMOTE_COMMITMENTS):
            graph = await world.next()
            await world.prepare(graph)
            assert len((await world.signer.sign_commitment(ME, graph)).children) == 2

    run_now(driven())


# Rules about PSBTs are driven in test_wallet.py, a restart between nonce and signature in test_plugins.py.
ELSEWHERE = {
    Rule.PSBT_MALFORMED,
    Rule.MISSING_CHANGE,
    Rule.WRONG_CHANGE,
    Rule.COIN_VALUE_CHANGED,
    Rule.NONCE_LOST,
}


def test_every_rule_is_driven() -> None:
    assert len(CASES) >= 70
    assert {rule for _, rule, _ in CASES} | ELSEWHERE == set(Rule)
