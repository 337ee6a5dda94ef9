"""Are ids, bundles, commitments and files those of rgb-lib, byte for byte, in every published transfer?"""

from collections import Counter

from nia import history
from nia.bundle import Bundle
from nia.consignment import WitnessBundle, parse
from nia.genesis import ChainNet
from nia.mpc import commit
from nia.transaction import Tx, parse_tx
from tests.plugins.nia.figures import (
    BUNDLE_ID,
    COMMITMENT,
    CONTRACT,
    ENTROPY,
    OP_ID,
    TRANSFER,
    bundle_of,
    consignments,
    transfers,
)
from tests.vectors import load


def test_a_transfer_in_a_lone_checkout() -> None:
    bundle = Bundle((TRANSFER,))
    assert TRANSFER.op_id().hex() == OP_ID
    assert bundle.bundle_id().hex() == BUNDLE_ID
    tree = commit({CONTRACT: bundle.bundle_id()}, ENTROPY)
    assert (tree.depth, tree.cofactor, tree.script().hex()) == (3, 0, f"6a20{COMMITMENT}")
    assert tree.proof(CONTRACT).commitment(CONTRACT, bundle.bundle_id()).hex() == COMMITMENT


def test_published_transfers() -> None:
    seen: Counter[str] = Counter()
    for transfer in transfers():
        bundles = {bytes.fromhex(each["contract_id"]): bundle_of(each) for each in transfer["contracts"]}
        for figures, bundle in zip(transfer["contracts"], bundles.values(), strict=True):
            assert [each.op_id().hex() for each in bundle.transitions] == [
                each["opid"] for each in figures["transitions"]
            ]
            assert bundle.bundle_id().hex() == figures["bundle_id"]
            lines = {str(opout): op_id.hex() for opout, op_id in bundle.lines()}
            assert lines == figures["input_map"]
            seen["transitions"] += len(bundle.transitions)
        tree = commit({contract: bundle.bundle_id() for contract, bundle in bundles.items()}, transfer["entropy"])
        assert (tree.depth, tree.cofactor) == (transfer["depth"], transfer["cofactor"])
        assert tree.commitment().hex() == transfer["inspect_commitment"]
        assert tree.script().hex() == transfer["opret_script"]
        seen["commitments"] += 1
        for figures in transfer["contracts"]:
            if figures["consignment_hex"]:
                data, contract_id = bytes.fromhex(figures["consignment_hex"]), bytes.fromhex(figures["contract_id"])
                made = WitnessBundle.committed(parse_tx(bytes.fromhex(transfer["tx"])), tree, bundles[contract_id])
                assert parse(data).bundles[-1].encode() == made.encode()
                seen["witness bundles"] += 1
    print(seen)
    assert seen == {"transitions": 13, "commitments": 10, "witness bundles": 11}


def test_published_files() -> None:
    files = consignments()
    for data in files:
        consignment = parse(data)
        assert consignment.encode() == data
        found = history.check(consignment, ChainNet.REGTEST)
        assert sum(each.amount for each in found.allocations) == found.supply
        for each in consignment.bundles:
            assert isinstance(each.witness, Tx)
            assert parse_tx(each.witness.serialize()) == each.witness
    print(f"{len(files)} files")
    assert len(files) == 14


def test_a_file_that_rgb_lib_accepted_is_made_again() -> None:
    """A commitment transaction of a channel, appended to the file that funded it."""
    ours = load("rgb-vectors.json")["own_extension_accepted_by_rgb_lib"]
    funding, accepted = (parse(bytes.fromhex(ours[f"{name}_consignment"])) for name in ("funding", "accepted"))
    tx = parse_tx(bytes.fromhex(ours["commitment_tx"]))
    assert tx.txid()[::-1].hex() == ours["commitment_txid"]
    transition = accepted.bundles[-1].bundle.transitions[0]
    assert transition.op_id().hex() == ours["opid"]
    assert transition.encode().hex() == ours["transition"]
    bundle = Bundle((transition,))
    tree = commit({transition.contract_id: bundle.bundle_id()}, int(ours["entropy"]))
    made = funding.extended([WitnessBundle.committed(tx, tree, bundle)])
    assert made.encode().hex() == ours["accepted_consignment"]
    said = history.check(made, ChainNet.REGTEST)
    assert said.contract_id.hex() == ours["contract_id"]
    assert {each.txid for each in said.allocations} >= {tx.txid()}
