"""What does a new regtest block look like, byte for byte?"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from lnpd.chain.transaction import Transaction
from lnpd.tx.transaction import compact_size, hash256, with_length

BITS: Final = 0x207FFFFF
"""Regtest's target: every second hash is low enough."""
_TOO_HIGH: Final = bytes.fromhex("7fffff")
"""What a hash, read from its last byte on, may not begin with or pass: the target goes on with zeros."""
HALVING_INTERVAL: Final = 150
COINBASE_MATURITY: Final = 100
MAX_BLOCK_WEIGHT: Final = 4_000_000
RESERVED_WEIGHT: Final = 8_000
"""Header, counts and coinbase, of the block's weight."""

_INITIAL_SUBSIDY_SAT: Final = 50 * 100_000_000
_BLOCK_VERSION: Final = 0x2000_0000
_LAST_SMALL_NUMBER: Final = 16
_WITNESS_COMMITMENT: Final = bytes.fromhex("6a24aa21a9ed")


def subsidy_sat(height: int) -> int:
    """The new coins of a block."""
    halvings = height // HALVING_INTERVAL
    return _INITIAL_SUBSIDY_SAT >> halvings if halvings < 64 else 0


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over one or more hashes; an odd one is paired with itself."""
    row = list(leaves)
    while len(row) > 1:
        row += row[-1:] * (len(row) % 2)
        row = [hash256(left + right) for left, right in zip(row[::2], row[1::2], strict=True)]
    return row[0]


def height_push(height: int) -> bytes:
    """The height as the script that a coinbase begins with (BIP 34)."""
    if height <= _LAST_SMALL_NUMBER:
        return bytes([0x50 + height]) if height else b"\0"
    return with_length(height.to_bytes(height.bit_length() // 8 + 1, "little"))


def coinbase(height: int, value_sat: int, script: bytes, witness_root: bytes, salt: bytes) -> bytes:
    """The first transaction of a block. `salt` makes two branches' coinbases differ."""
    signature = with_length(height_push(height) + with_length(salt))
    commitment = _WITNESS_COMMITMENT + hash256(witness_root + bytes(32))
    outputs = struct.pack("<q", value_sat) + with_length(script) + struct.pack("<q", 0) + with_length(commitment)
    body = b"\x01" + bytes(32) + b"\xff" * 4 + signature + b"\xff" * 4 + b"\x02" + outputs
    return struct.pack("<i", 2) + b"\0\x01" + body + b"\x01" + with_length(bytes(32)) + bytes(4)


def assemble(
    previous: bytes,
    height: int,
    time_seconds: int,
    script: bytes,
    txs: Sequence[Transaction],
    fees_sat: int,
    salt: bytes = b"",
) -> bytes:
    """A block with enough work whose coinbase pays subsidy and fees to `script`; the transactions parents first."""
    witness_root = merkle_root([bytes(32), *(tx.wtxid for tx in txs)])
    first = coinbase(height, subsidy_sat(height) + fees_sat, script, witness_root, salt)
    first_txid = hash256(first[:4] + first[6:-38] + first[-4:])  # without marker, flag and the one witness
    root = merkle_root([first_txid, *(tx.txid for tx in txs)])
    start = struct.pack("<i", _BLOCK_VERSION) + previous + root + struct.pack("<II", time_seconds, BITS)
    nonce = 0
    while hash256(header := start + struct.pack("<I", nonce))[:28:-1] >= _TOO_HIGH:
        nonce += 1
    return header + compact_size(len(txs) + 1) + first + b"".join(tx.raw for tx in txs)
