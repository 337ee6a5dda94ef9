"""Does a commitment have the anchors that BOLT 3 says, whatever else is in it?"""

import msgspec
import pytest
from lnpd_sdk.script import Template
from lnpd_sdk.types import OutputSpec

from lnpd.providers.anchors import Anchors
from lnpd.tx.pipeline import view_of
from tests.tx.bolt3 import commitment_spec
from tests.tx.extension import box

VIEW = view_of(commitment_spec(7_000_000_000, 3_000_000_000, 1000))
LOCAL = OutputSpec("base", "main/0", "to_local", 1000, Template("to_local"), (1_000_000, 0))
REMOTE = OutputSpec("base", "main/1", "to_remote", 1000, Template("to_remote_anchors"), (0, 1_000_000))
HTLC = OutputSpec("htlc", "0/0", "offered_htlc", 1000, Template("offered_htlc_anchors", bytes(32)), (1_000_000, 0))


@pytest.mark.parametrize(
    ("survivors", "parties"),
    [
        ((), ""),
        ((LOCAL,), "0"),
        ((REMOTE,), "1"),
        ((LOCAL, REMOTE), "01"),
        ((HTLC,), "01"),
        ((LOCAL, HTLC), "01"),
        ((box(),), "01"),
    ],
)
def test_presence(survivors: tuple[OutputSpec, ...], parties: str) -> None:
    anchors = Anchors().attach(VIEW, b"", survivors)
    assert [each.id for each in anchors] == [f"anchor/{party}" for party in parties]
    assert all((each.value_sat, each.debits_msat) == (330, (0, 0)) for each in anchors)


def test_each_carries_its_owners_funding_key() -> None:
    for holder in (0, 1):
        anchors = Anchors().attach(msgspec.structs.replace(VIEW, holder=holder), b"", (HTLC,))
        assert [each.script.counterparty for each in anchors] == [holder != 0, holder != 1]  # type: ignore[union-attr]
