"""Is a proposed update refused, by rule and name, when it takes what is not its proposer's?"""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lnpd_sdk.types import AddHtlc, FailHtlc, FulfillHtlc, OutputSpec, PerParty, SetFee, Update

from lnpd import errors
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, CORE_PROVIDERS, STATIC_REMOTEKEY, pin, with_extensions
from lnpd.tx.graph import CommitmentSpec
from lnpd.tx.pipeline import view_of
from lnpd.tx.proposal import SideMemory
from lnpd.tx.states import HtlcState, decode_base, encode_state
from tests.tx.bolt3 import HTLCS, PREIMAGES, commitment_spec
from tests.tx.extension import Extension, box
from tests.tx.judge import judged

CALL = Update(0, "box", "change", 0)


class Remembering(Extension):
    """Contributes the outputs that its state names."""

    def __init__(self, *states: tuple[OutputSpec, ...]) -> None:
        super().__init__()
        self.states = states

    def contribute(self, view: Any, state: bytes) -> tuple[OutputSpec, ...]:
        return self.states[state[0]]


def propose(
    was: tuple[OutputSpec, ...],
    will: tuple[OutputSpec, ...],
    *,
    update: Update = CALL,
    moves: PerParty = (0, 0),
    balances: PerParty = (7_000_000_000, 3_000_000_000),
    grant_msat: int | None = None,
    own_msat: int | None = None,
    **changes: Any,
) -> None:
    extension = Remembering(was, will)
    kind = with_extensions(STATIC_REMOTEKEY, (pin(extension.spec, 1),))
    spec = commitment_spec(*balances, 1000, channel_type=kind, **changes)
    before, after = (msgspec.structs.replace(spec, states=(*spec.states[:2], ("box", bytes([n])))) for n in (0, 1))
    after = msgspec.structs.replace(after, balances_msat=(balances[0] + moves[0], balances[1] + moves[1]))
    drive(before, after, update, (grant_msat, own_msat), extension)


def drive(
    before: CommitmentSpec, after: CommitmentSpec, update: Update, grants: tuple[int | None, int | None], *more: Any
) -> None:
    providers = CORE_PROVIDERS | {each.spec.name: each for each in more}
    calls = judged(before, after, update, (100_000, 100_000), *grants)
    answer = None
    try:
        while True:
            call = calls.send(answer)
            answer = getattr(providers[call.provider], call.method)(*call.arguments)
    except StopIteration:
        pass


MINE, THEIRS = box(id="m"), box(id="t", debits_msat=(0, 50_000_000))
MORE = box(70_000, id="more", debits_msat=(70_000_000, 0))
SHARED = box(100_000, id="s", debits_msat=(50_000_000, 50_000_000))
ALLOWED: dict[str, dict[str, Any]] = {
    "my own into an output": {"was": (), "will": (MINE,)},
    "back again": {"was": (MINE,), "will": ()},
    "mine to the other": {"was": (MINE,), "will": (), "moves": (-50_000_000, 50_000_000)},
    "theirs to me, when granted": {"was": (THEIRS,), "will": (), "moves": (50_000_000, -50_000_000)},
    "my own, within my plugin's grant": {"was": (MINE,), "will": (MINE, MORE), "own_msat": 120_000_000},
    "mine to the other, within the grant": {
        "was": (MINE,),
        "will": (),
        "moves": (-50_000_000, 50_000_000),
        "own_msat": 50_000_000,
    },
    "back again, with nothing granted any more": {"was": (MINE, MORE), "will": (MORE,), "own_msat": 0},
    "from the other's output to mine is no cost": {
        "was": (THEIRS,),
        "will": (box(id="t"),),
        "moves": (50_000_000, -50_000_000),
        "own_msat": 0,
    },
    "an accept adds its own side": {
        "was": (MINE,),
        "will": (box(100_000, id="m", debits_msat=(50_000_000, 50_000_000)),),
        "update": Update(1, "box", "accept", 0),
    },
    "up, if still below the reserve": {"was": (MINE,), "will": (), "balances": (60_000_000, 9_940_000_000)},
    "large enough for its second stage at any feerate": {
        "was": (),
        "will": (box(150_546, second_stage_weight=600, debits_msat=(150_546_000, 0)),),
    },
    "down to the reserve": {"was": (), "will": (MINE,), "balances": (150_896_000, 9_849_104_000)},
}
REFUSED: dict[str, tuple[type[errors.ProposalRefused], dict[str, Any]]] = {
    "the other's into an output": (errors.DebitsOtherParty, {"was": (), "will": (THEIRS,)}),
    "both sides at once": (errors.DebitsOtherParty, {"was": (), "will": (SHARED,)}),
    "out of thin air": (errors.MovesUnbalanced, {"was": (), "will": (), "moves": (1000, 0)}),
    "into thin air": (errors.MovesUnbalanced, {"was": (MINE,), "will": (), "moves": (0, -1000)}),
    "straight from the other": (errors.DebitsOtherParty, {"was": (), "will": (), "moves": (1000, -1000)}),
    "straight to the other": (errors.CreditUnfounded, {"was": (), "will": (), "moves": (-1000, 1000)}),
    "more than left the output": (
        errors.CreditUnfounded,
        {"was": (MINE,), "will": (), "moves": (-50_001_000, 50_001_000)},
    ),
    "more than was in the output": (
        errors.DebitsOtherParty,
        {"was": (THEIRS,), "will": (), "moves": (50_001_000, -50_001_000)},
    ),
    "theirs to me, without a grant": (
        errors.GrantExceeded,
        {"was": (THEIRS,), "will": (), "moves": (50_000_000, -50_000_000), "grant_msat": 49_999_999},
    ),
    "my own, beyond my plugin's grant": (
        errors.GrantExceeded,
        {"was": (MINE,), "will": (MINE, MORE), "own_msat": 119_999_999},
    ),
    "mine to the other and into an output": (
        errors.GrantExceeded,
        {"was": (MINE,), "will": (MORE,), "moves": (-50_000_000, 50_000_000), "own_msat": 119_999_999},
    ),
    "mine to the other, beyond the grant": (
        errors.GrantExceeded,
        {"was": (MINE,), "will": (), "moves": (-50_000_000, 50_000_000), "own_msat": 49_999_999},
    ),
    "below the reserve": (
        errors.ReserveBroken,
        {"was": (), "will": (MINE,), "balances": (150_895_999, 9_849_104_001)},
    ),
    "dust": (errors.DustProposed, {"was": (), "will": (box(545),)}),
    "dust for the other side": (
        errors.DustProposed,
        {"was": (), "will": (box(999),), "dust_limit_sat": (546, 1000)},
    ),
    "dust after the second stage": (
        errors.DustProposed,
        {"was": (), "will": (box(1000, second_stage_weight=600),)},
    ),
    "dust after the second stage, at a feerate that may come": (
        errors.DustProposed,
        {"was": (), "will": (box(150_545, second_stage_weight=600, debits_msat=(150_545_000, 0)),)},
    ),
}


@pytest.mark.parametrize("arguments", ALLOWED.values(), ids=ALLOWED)
def test_allowed(arguments: dict[str, Any]) -> None:
    propose(**arguments)


@pytest.mark.parametrize(("rule", "arguments"), REFUSED.values(), ids=REFUSED)
def test_refused_by_name(rule: type[errors.ProposalRefused], arguments: dict[str, Any]) -> None:
    with pytest.raises(errors.ProposalRefused) as refused:
        propose(**arguments)
    assert type(refused.value) is rule


def test_the_acceptor_keeps_its_reserve_too() -> None:
    update = Update(1, "box", "change", 0)
    propose((), (THEIRS,), update=update, balances=(9_850_000_000, 150_000_000))
    with pytest.raises(errors.ReserveBroken):
        propose((), (THEIRS,), update=update, balances=(9_850_000_001, 149_999_999))


def test_a_declared_trim_rule_allows_dust() -> None:
    propose((), (box(100, trim="dust"),))


def test_limits_and_ids_count_when_proposed() -> None:
    with pytest.raises(errors.UpdateRejected, match="box has 17 outputs"):
        propose((), tuple(box(1000, id=str(n)) for n in range(17)))
    with pytest.raises(errors.UpdateRejected, match="two outputs named m"):
        propose((), (MINE, MINE))


# The core's own updates go through the same check.


def fold(spec: CommitmentSpec, update: Update) -> CommitmentSpec:
    state = dict(spec.states)[update.provider]
    provider = CORE_PROVIDERS[update.provider]
    assert provider.validate(view_of(spec), state, update) is None
    folded = provider.fold(view_of(spec), state, update)
    states = tuple((name, folded.state if name == update.provider else old) for name, old in spec.states)
    balances = (spec.balances_msat[0] + folded.moves_msat[0], spec.balances_msat[1] + folded.moves_msat[1])
    feerate = decode_base(dict(states)["base"]).feerate_per_kw
    return msgspec.structs.replace(spec, states=states, balances_msat=balances, feerate_per_kw=feerate)


def encoded(body: Any) -> bytes:
    return msgspec.msgpack.encode(body)


def core_update(spec: CommitmentSpec, update: Update) -> None:
    drive(spec, fold(spec, update), update, (None, None))


@pytest.mark.parametrize("channel_type", [STATIC_REMOTEKEY, ANCHORS_ZERO_FEE_HTLC_TX])
def test_core_updates(channel_type: Any) -> None:
    spec = commitment_spec(6_988_000_000, 3_000_000_000, 1000, htlcs=(0, 1, 2, 3, 4), channel_type=channel_type)
    core_update(spec, Update(0, "htlc", "fulfill", 4, encoded(FulfillHtlc(PREIMAGES[4]))))
    core_update(spec, Update(1, "htlc", "fulfill", 2, encoded(FulfillHtlc(PREIMAGES[2]))))
    core_update(spec, Update(1, "htlc", "fail", 3, encoded(FailHtlc())))
    core_update(spec, Update(0, "htlc", "fail_malformed", 0, encoded(FailHtlc())))
    core_update(spec, Update(0, "base", "fee", 0, encoded(SetFee(5000))))
    for proposer in (0, 1):
        body = encoded(AddHtlc(1_000_000, bytes(32), 500))
        core_update(spec, Update(proposer, "htlc", "add", 9, body))  # type: ignore[arg-type]


def test_reserve_and_fee_of_the_opener() -> None:
    """The proposer that pays the fee must be able to, whatever it proposes."""
    balance = 1000 * (100_000 + 724 + 172 + 2000)
    spec = commitment_spec(balance, 10_000_000_000 - balance, 1000)

    def add(amount_msat: int) -> Update:
        return Update(0, "htlc", "add", 0, encoded(AddHtlc(amount_msat, bytes(32), 500)))

    core_update(spec, add(2_000_000))
    with pytest.raises(errors.ReserveBroken):
        core_update(spec, add(2_000_001))
    with pytest.raises(errors.ReserveBroken):
        core_update(spec, Update(0, "base", "fee", 0, encoded(SetFee(10_000))))
    # What the other party takes of the fee is its own affair.
    core_update(spec, Update(1, "htlc", "add", 0, encoded(AddHtlc(2_000_001, bytes(32), 500))))


@given(st.integers(0, 1), st.sampled_from(list(HTLCS)), st.integers(1, 4_000_000_000))
def test_an_htlc_can_be_added_and_removed_by_whoever_may(proposer: int, number: int, amount_msat: int) -> None:
    spec = commitment_spec(5_000_000_000, 5_000_000_000, 253)
    htlc = msgspec.structs.replace(HTLCS[number], offerer=proposer, amount_msat=amount_msat)  # type: ignore[arg-type]
    add = Update(
        htlc.offerer, "htlc", "add", htlc.id, encoded(AddHtlc(amount_msat, htlc.payment_hash, htlc.cltv_expiry))
    )
    core_update(spec, add)
    added = fold(spec, add)
    preimage = PREIMAGES[min(number, 5)]
    remover = 1 - htlc.offerer
    for kind, body in (("fulfill", FulfillHtlc(preimage)), ("fail", FailHtlc())):
        update = Update(remover, "htlc", kind, htlc.id, encoded(body))  # type: ignore[arg-type]
        core_update(added, update)
        removed = fold(added, update)
        moved = amount_msat if kind == "fulfill" else 0
        assert removed.balances_msat[htlc.offerer] == 5_000_000_000 - moved
        assert dict(removed.states)["htlc"] == encode_state(
            HtlcState((number + 1, 0) if proposer == 0 else (0, number + 1), ())
        )


def test_a_memory_asks_of_a_side_once_and_forgets_the_oldest() -> None:
    asked: list[str] = []

    def side(spec: CommitmentSpec) -> object:
        calls, answer = memory.side(spec), None
        try:
            while True:
                call = calls.send(answer)
                asked.append(call.provider)
                answer = getattr(CORE_PROVIDERS[call.provider], call.method)(*call.arguments)
        except StopIteration as finished:
            return finished.value

    memory = SideMemory(size=2)
    first, second, third = (commitment_spec(7_000_000_000, 3_000_000_000, feerate) for feerate in (1000, 2000, 3000))
    assert side(first) is side(first)
    assert asked == ["htlc"]
    assert side(second) is not side(first)
    assert len(asked) == 2
    side(third)
    side(first)
    assert len(asked) == 4, "the first was forgotten"
