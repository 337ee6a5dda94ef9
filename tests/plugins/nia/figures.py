"""Which figures of RGB's own encoder do the tests of plugins/nia compare with, and how are they read?

A transfer is a dictionary as in `rgb-vectors.json`: contracts, each with its transitions, its bundle's map and id, and
perhaps the whole consignment; the entropy, the commitment, the transaction.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from nia.bundle import Bundle
from nia.seals import Assignment, Seal
from nia.transition import Opout, Transition
from tests.vectors import load

TEN_TRANSFERS = (Path(__file__).parent / "ten_transfers.rgb").read_bytes()  # of rgb-lib's; tests/interop writes it

Figures = Mapping[str, Any]

CONTRACT = bytes.fromhex("bb30fc598b32523db9d0f460883b810423fe6adf62439b53134504e0d2392469")
PARENT = bytes.fromhex("ac6e7e32af1e8b36b4dfe5d42fec8ed0f8fdf50f440380d7ceb2655b1e30946a")
SECRET = bytes.fromhex("cffa61f6f53cd94dd4edc3e7cfd2547455c74fa2044bb26a88c39a7767fe86ef")

# A transfer that rgb-lib made: 7 to an open seal, the change, and 50 to a concealed one.
TRANSFER = Transition.spending(
    CONTRACT,
    [Opout(PARENT, 4)],
    [Assignment(7, Seal(1, 12345)), Assignment(93309, Seal(2, 16601731775584812415)), Assignment(50, SECRET)],
)
OP_ID = "3641f967f6553e5b52877c26bad8f9329103148291e6dbe555481896fc17f108"
BUNDLE_ID = "cdca5d56828c84cb957d39cb55c6bfb7add31852a43458b4f8057dc9f3b3183b"
ENTROPY = 1104019551389093475
COMMITMENT = "78e51d61d1310427e511b2e3a8f519da09e92ab7d101361d0d80caf6fc798f13"


def opout_of(text: str) -> Opout:
    """`operation/type/index`."""
    op_id, _, index = text.split("/")
    return Opout(bytes.fromhex(op_id), int(index))


def assignment_of(figures: Figures) -> Assignment:
    """An amount and its seal."""
    if "secret" in figures:
        return Assignment(figures["amount"], bytes.fromhex(figures["secret"]))
    txid = bytes.fromhex(figures["txid"])[::-1] if figures.get("txid") else None
    return Assignment(figures["amount"], Seal(figures["vout"], figures["blinding"], txid))


def transition_of(contract_id: bytes, figures: Figures) -> Transition:
    """A transition of a contract."""
    inputs, assignments = map(opout_of, figures["inputs"]), map(assignment_of, figures["assigns"])
    return Transition.spending(contract_id, inputs, assignments, figures["nonce"])


def bundle_of(figures: Figures) -> Bundle:
    """A contract's bundle."""
    contract_id = bytes.fromhex(figures["contract_id"])
    return Bundle(tuple(transition_of(contract_id, each) for each in figures["transitions"]))


@cache
def transfers() -> tuple[Figures, ...]:
    """The published transfers."""
    return tuple(load("rgb-vectors.json")["transfers"])


@cache
def consignments() -> tuple[bytes, ...]:
    """Every whole file among the vectors: eleven of rgb-lib's, and those of ours that rgb-lib accepted."""
    ours = load("rgb-vectors.json")["own_extension_accepted_by_rgb_lib"]
    theirs = [contract["consignment_hex"] for each in transfers() for contract in each["contracts"]]
    extended = [ours[name] for name in ("funding_consignment", "accepted_consignment", "second_consignment")]
    return tuple(bytes.fromhex(each) for each in [*theirs, *extended] if each)
