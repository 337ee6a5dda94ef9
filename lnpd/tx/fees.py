"""What does a transaction weigh and pay, and which outputs are too small to exist? (BOLT 3, Fees and Trimmed Outputs)

Each product is floored on its own, as BOLT 3 says.
"""

from collections.abc import Iterable
from typing import Final

from lnpd_sdk.script import BytesSlot, LateSlot, Sighash, SignatureSlot, SpendPath

from lnpd.tx.transaction import TxOut, compact_size

COMMITMENT_WEIGHT: Final = 724
COMMITMENT_WEIGHT_ANCHORS: Final = 1124
HTLC_OUTPUT_WEIGHT: Final = 172
HTLC_TIMEOUT_WEIGHT: Final = 663
HTLC_SUCCESS_WEIGHT: Final = 703
ANCHOR_SAT: Final = 330
MAX_STANDARD_WEIGHT: Final = 400_000
SIGNATURE_BYTES: Final = 72  # DER with a low s is at most 71, and the sighash byte
FUNDING_WITNESS_WEIGHT: Final = 1 + 1 + 2 * (1 + SIGNATURE_BYTES) + 1 + 71

# Prefix and length of a scriptPubKey, and its dust limit (BOLT 3, "Dust Limits"); the first that fits.
_DUST_LIMITS: Final[tuple[tuple[bytes, int, int], ...]] = (
    (b"\x76\xa9\x14", 25, 546),  # P2PKH
    (b"\xa9\x14", 23, 540),  # P2SH
    (b"\0\x14", 22, 294),  # P2WPKH
    (b"\0\x20", 34, 330),  # P2WSH
    (b"\x51\x02\x4e\x73", 4, 240),  # P2A
)
_UNKNOWN_SEGWIT: Final = 354
_LATE_BYTES: Final = 32  # late data are preimages and attestations


def fee_sat(weight: int, feerate_per_kw: int) -> int:
    """The fee of a weight, rounded down."""
    return weight * feerate_per_kw // 1000


def is_trimmed(value_sat: int, dust_limit_sat: int, second_stage_weight: int, feerate_per_kw: int) -> bool:
    """Whether an output is too small once the fee of its second stage is paid."""
    return value_sat < dust_limit_sat + second_stage_weight * feerate_per_kw // 1000


def dust_limit_sat(script_pubkey: bytes) -> int:
    """Below which value nodes do not relay an output with this script; 0 for OP_RETURN."""
    if script_pubkey[:1] == b"\x6a":
        return 0
    for prefix, length, limit in _DUST_LIMITS:
        if len(script_pubkey) == length and script_pubkey.startswith(prefix):
            return limit
    is_segwit = 4 <= len(script_pubkey) <= 42 and (script_pubkey[0] == 0 or 0x51 <= script_pubkey[0] <= 0x60)
    return _UNKNOWN_SEGWIT if is_segwit else 546


def output_weight(script_pubkey: bytes) -> int:
    """Weight units of an output: 172 for P2WSH."""
    return 4 * (8 + 1 + len(script_pubkey))


def outputs_weight(outputs: Iterable[TxOut]) -> int:
    """Weight units of all outputs, without their count."""
    return sum(output_weight(output.script_pubkey) for output in outputs)


def witness_weight(path: SpendPath, witness_script: bytes) -> int:
    """The most that a witness weighs, its count included: signatures of 72 bytes (Schnorr's of 64, or 65 with a
    sighash), late data of 32."""
    weight = 1
    for slot in path.witness:
        match slot:
            case SignatureSlot():
                weight += 1 + (SIGNATURE_BYTES if not path.taproot else 64 + (slot.sighash != Sighash.ALL))
            case LateSlot():
                weight += 1 + _LATE_BYTES
            case BytesSlot():
                weight += 1 + len(slot.data)
    proof = (path.leaf, path.control) if path.taproot else (witness_script,)
    return weight + sum(len(compact_size(len(each))) + len(each) for each in proof if each)


def input_weight(path: SpendPath, witness_script: bytes) -> int:
    """The most that an input weighs with its witness."""
    return 4 * (36 + 1 + 4) + witness_weight(path, witness_script)


def transaction_weight(inputs_weight: int, inputs: int, outputs: tuple[TxOut, ...]) -> int:
    """The weight of a segwit transaction whose inputs, witnesses included, weigh `inputs_weight`."""
    counts = len(compact_size(inputs)) + len(compact_size(len(outputs)))
    return 4 * (4 + counts + 4) + 2 + inputs_weight + outputs_weight(outputs)
