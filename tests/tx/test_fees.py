"""Are weights, fees and dust limits those of BOLT 3?"""

import pytest
from lnpd_sdk.script import Template

from lnpd.tx import fees
from lnpd.tx.script import compile_script
from lnpd.tx.transaction import TxOut
from tests.tx.bolt3 import KEYS
from tests.vectors import load

SCRIPTS = {
    "p2pkh": "76a914" + "00" * 20 + "88ac",
    "p2sh": "a914" + "00" * 20 + "87",
    "p2wpkh": "0014" + "00" * 20,
    "p2wsh": "0020" + "00" * 32,
    "unknown_segwit": "5120" + "00" * 32,
    "p2a": "51024e73",
}
LIMITS = {"p2pkh": 546, "p2sh": 540, "p2wpkh": 294, "p2wsh": 330, "unknown_segwit": 354, "p2a": 240}


@pytest.mark.parametrize("kind", LIMITS)
def test_dust_limits(kind: str) -> None:
    assert fees.dust_limit_sat(bytes.fromhex(SCRIPTS[kind])) == LIMITS[kind]


def test_op_return_has_no_dust_limit() -> None:
    assert fees.dust_limit_sat(b"\x6a\x01\x00") == 0
    assert fees.dust_limit_sat(b"") == 546


def test_published_weights() -> None:
    weights = load("bolt3-weights.json")
    assert weights["dust_limits_sat"] == LIMITS
    assert weights["commitment_weight"] == {
        "base": fees.COMMITMENT_WEIGHT,
        "base_anchors": fees.COMMITMENT_WEIGHT_ANCHORS,
        "per_htlc": fees.HTLC_OUTPUT_WEIGHT,
    }
    assert weights["htlc_timeout_weight"]["base"] == fees.HTLC_TIMEOUT_WEIGHT
    assert weights["htlc_success_weight"]["base"] == fees.HTLC_SUCCESS_WEIGHT
    assert weights["anchor_output_sat"] == fees.ANCHOR_SAT
    print(f"bolt3-weights.json: {len(LIMITS)} dust limits, 5 weights, 3 penalty witnesses, 1 example")
    # BOLT 5 counts signatures of 73 bytes, one with a low s has 72 at most; and a delay of 8 bytes, two suffice.
    scripts = {"to_local": "to_local", "offered_htlc": "offered_htlc", "accepted_htlc": "received_htlc"}
    for name, template in scripts.items():
        compiled = compile_script(Template(template, bytes(32), 0x7FFFFF), KEYS, 0x7FFF)
        revocation = next(path for path in compiled.paths if path.name == "revocation")
        published = weights["penalty_witness"][name]
        estimate = fees.witness_weight(revocation, compiled.witness_script)
        assert published - 6 <= estimate <= published, (name, estimate)
        assert fees.input_weight(revocation, compiled.witness_script) == estimate + 164
        assert weights["penalty_input_weight"][name] == published + 164


def test_the_example() -> None:
    """BOLT 3, "Fee Calculation"."""
    assert fees.fee_sat(fees.HTLC_TIMEOUT_WEIGHT, 5000) == 3315
    assert fees.fee_sat(fees.HTLC_SUCCESS_WEIGHT, 5000) == 3515
    kept = [
        value
        for value, weight in ((5000, 663), (1000, 663), (7000, 703), (800, 703))
        if not fees.is_trimmed(value, 546, weight, 5000)
    ]
    assert kept == [5000, 7000]
    assert fees.fee_sat(724 + 172 * 2, 5000) == 5340


def test_each_product_is_floored() -> None:
    assert (fees.fee_sat(663, 1), fees.fee_sat(663, 2), fees.fee_sat(1000, 1)) == (0, 1, 1)
    assert fees.is_trimmed(545, 546, 663, 1)
    assert not fees.is_trimmed(546, 546, 663, 1)


def test_weight_of_outputs() -> None:
    assert fees.output_weight(bytes.fromhex(SCRIPTS["p2wsh"])) == 172
    assert fees.outputs_weight((TxOut(1, bytes(34)), TxOut(1, bytes(22)))) == 172 + 124
