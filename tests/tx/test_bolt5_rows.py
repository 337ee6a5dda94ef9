"""What does each row of BOLT 5's cases become, for each channel type: which path, through which transaction, when?

Rows 6, 10 and 15 (what is told of an HTLC) are tests/channel/test_onchain_htlcs.py; row 24 (data loss) is
tests/channel/test_onchain.py. Row 25, an anchor that anyone may take after 16 blocks, is left to others: see
lnpd/channel/onchain_claims.py. tests/e2e/test_rows.py tells all of them on a real bitcoind.
"""

from typing import NamedTuple

import pytest
from lnpd_sdk.types import Party

from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY
from lnpd.tx.claims import NO_PREIMAGE, Confirmed, Plan, State, plan
from lnpd.tx.graph import Graph
from tests.tx.test_claims import LATE, graph_with_everything

TYPES = {"static_remotekey": STATIC_REMOTEKEY, "anchors": ANCHORS_ZERO_FEE_HTLC_TX}
HEIGHT, DELAY = 400, 144
HOLDER, OTHER = 0, 1  # the commitment is the opener's in all of them


class Row(NamedTuple):
    """A party looks at an output (by its kind, offerer, or the child that made it) in a state of the commitment.

    `path` is empty where it takes nothing. `older` is beside the 1 of anchor types; "expiry" stands for the HTLC's.
    """

    party: Party
    state: State
    output: str
    path: str
    stage: str = ""
    older: int = 0
    after: str = ""
    known: bool = True
    anchors_older: bool = False  # a lock of one block more with anchors
    anchors_only: bool = False


ROWS: dict[str, Row] = {
    "1 our to_local": Row(HOLDER, "latest", "to_local", "delayed", older=DELAY),
    "2 our anchor": Row(HOLDER, "latest", "anchor/0", "owner", anchors_only=True),
    "3 the peer's to_remote on ours": Row(HOLDER, "latest", "to_remote", ""),
    "4 ours, offered, expired": Row(
        HOLDER, "latest", "htlc 0/2", "timeout", "htlc_timeout", after="expiry", anchors_older=True
    ),
    "5 our HTLC-timeout output": Row(HOLDER, "latest", "child 0/2", "delayed", older=DELAY),
    "7 ours, received, preimage known": Row(
        HOLDER, "latest", "htlc 1/1", "success", "htlc_success", anchors_older=True
    ),
    "8 our HTLC-success output": Row(HOLDER, "latest", "child 1/1", "delayed", older=DELAY),
    "9 ours, received, no preimage": Row(HOLDER, "latest", "htlc 1/1", "", known=False),
    "11, 12 our to_remote on theirs": Row(OTHER, "latest", "to_remote", "payment", anchors_older=True),
    "13 our anchor on theirs": Row(OTHER, "latest", "anchor/1", "owner", anchors_only=True),
    "14 theirs, we offered, expired": Row(OTHER, "latest", "htlc 1/1", "expired", after="expiry", anchors_older=True),
    "16 theirs, they offered, preimage known": Row(OTHER, "latest", "htlc 0/2", "preimage", anchors_older=True),
    "17 theirs, they offered, no preimage": Row(OTHER, "latest", "htlc 0/2", "", known=False),
    "17 theirs, their to_local": Row(OTHER, "latest", "to_local", ""),
    "18 revoked, to_local": Row(OTHER, "revoked", "to_local", "revocation"),
    "19 revoked, we offered": Row(OTHER, "revoked", "htlc 1/1", "revocation"),
    "20 revoked, they offered": Row(OTHER, "revoked", "htlc 0/2", "revocation", known=False),
    "21 revoked, their HTLC-timeout output": Row(OTHER, "revoked", "child 0/2", "revocation"),
    "22 revoked, their HTLC-success output": Row(OTHER, "revoked", "child 1/1", "revocation"),
    "23 revoked, to_remote": Row(OTHER, "revoked", "to_remote", "payment", anchors_older=True),
}
CASES = [(kind, name) for name, row in ROWS.items() for kind in TYPES if kind == "anchors" or not row.anchors_only]


def seen(graph: Graph, row: Row) -> tuple[Confirmed, int]:
    """The confirmed transaction that holds the row's output, and the place of that in it."""
    what, _, identity = row.output.partition(" ")
    if what == "child":
        index = next(i for i, child in enumerate(graph.children) if child.id == identity)
        return Confirmed(graph, HEIGHT, bytes(32), index), 0
    names = [(o.kind, o.id, f"{o.provider} {o.id}") for o in graph.outputs]
    return Confirmed(graph, HEIGHT, graph.tx.txid), next(v for v, each in enumerate(names) if row.output in each)


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{name}, {kind}" for kind, name in CASES])
def test_row(kind: str, name: str) -> None:
    row, graph = ROWS[name], graph_with_everything(TYPES[kind])
    confirmed, vout = seen(graph, row)
    found: Plan = plan(confirmed, row.party, row.state, LATE if row.known else {})
    claims = [claim for claim in found.claims if claim.vout == vout]
    if not row.path:
        assert not claims
        left = [each.reason for each in found.unclaimed if each.vout == vout]
        assert left == ([] if row.output.startswith("to_") else [NO_PREIMAGE])
        return
    (claim,) = claims
    assert claim.path.name == row.path
    assert (graph.children[claim.stage].kind if claim.stage >= 0 else "") == row.stage
    assert claim.path.older == row.older + (row.anchors_older and kind == "anchors")
    assert claim.path.after == (claim.output.cltv_expiry if row.after else 0)
    assert bool(claim.late) == (row.path in ("success", "preimage"))


def test_each_row_is_there() -> None:
    numbers = {int(n) for name in ROWS for n in name.partition(" our")[0].replace(",", " ").split() if n.isdigit()}
    elsewhere = {6, 10, 15, 24, 25}
    assert numbers | elsewhere == set(range(1, 26)) and not numbers & elsewhere
    print(f"{len(CASES)} cases of {len(ROWS)} rows and {len(TYPES)} channel types")
