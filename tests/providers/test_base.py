"""Does the base provider pay out what is left, and let the opener alone change the feerate?"""

import msgspec
import pytest
from lnpd_sdk.types import Folded, Reject, SetFee, Update

from lnpd.providers.base import Base
from lnpd.tx.pipeline import view_of
from lnpd.tx.states import BaseState, encode_state, feerate_of
from tests.tx.bolt3 import commitment_spec

BASE = Base()
VIEW = view_of(commitment_spec(7_000_000_000, 3_000_000_000, 1000, dust_limit_sat=(546, 1000)))
STATE = encode_state(BaseState(1000))


def fee(proposer: int, feerate: int) -> Update:
    return Update(proposer, "base", "fee", 0, msgspec.msgpack.encode(SetFee(feerate)))  # type: ignore[arg-type]


def test_the_opener_changes_the_feerate() -> None:
    assert BASE.validate(VIEW, STATE, fee(0, 2000)) is None
    assert feerate_of((("base", BASE.fold(VIEW, STATE, fee(0, 2000)).state),)) == 2000


@pytest.mark.parametrize(
    "update",
    [fee(1, 2000), fee(0, -1), fee(0, 2**32), Update(0, "base", "fee", 0), Update(0, "base", "push", 0)],
)
def test_rejected(update: Update) -> None:
    assert isinstance(BASE.validate(VIEW, STATE, update), Reject)


def test_others_updates_change_nothing() -> None:
    assert BASE.validate(VIEW, STATE, Update(1, "htlc", "fee", 0)) is None
    assert BASE.fold(VIEW, STATE, Update(1, "htlc", "fee", 0)) == Folded(STATE)


@pytest.mark.parametrize(
    ("holder", "remaining_msat", "kinds"),
    [
        (0, (546_000, 546_999), ["to_local", "to_remote"]),
        (0, (545_999, 546_000), ["to_remote"]),
        (1, (999_999, 1_000_000), ["to_local"]),
        (1, (1_000_000, 999_999), ["to_remote"]),
        (0, (0, 0), []),
    ],
)
def test_main_outputs(holder: int, remaining_msat: tuple[int, int], kinds: list[str]) -> None:
    outputs = BASE.settle(msgspec.structs.replace(VIEW, holder=holder), STATE, remaining_msat)
    assert [output.kind for output in outputs] == kinds
    for output in outputs:
        assert output.value_sat == sum(output.debits_msat) // 1000


def test_no_empty_output_without_a_dust_limit() -> None:
    view = msgspec.structs.replace(VIEW, dust_limit_sat=(0, 0))
    assert BASE.settle(view, STATE, (999, 0)) == ()
