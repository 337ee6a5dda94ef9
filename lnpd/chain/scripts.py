"""What kind of script is this, and what does it push?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final

from lnpd.errors import TransactionMalformed

OP_0: Final = 0x00
OP_PUSHDATA1: Final = 0x4C
OP_PUSHDATA4: Final = 0x4E
OP_1: Final = 0x51
OP_16: Final = 0x60

_CHECKS: Final = (0xAC, 0xAD)
_MULTI_CHECKS: Final = (0xAE, 0xAF)
_MAX_MULTISIG_KEYS: Final = 20
_LENGTH_BYTES: Final = {0x4C: 1, 0x4D: 2, 0x4E: 4}


class Kind(Enum):
    """The kinds of scriptPubKey that nodes relay."""

    PUBKEY = "pubkey"
    PUBKEY_HASH = "pubkeyhash"
    SCRIPT_HASH = "scripthash"
    MULTISIG = "multisig"
    WITNESS_PUBKEY_HASH = "witness_v0_keyhash"
    WITNESS_SCRIPT_HASH = "witness_v0_scripthash"
    TAPROOT = "witness_v1_taproot"
    ANCHOR = "anchor"
    WITNESS_UNKNOWN = "witness_unknown"
    NULL_DATA = "nulldata"
    NONSTANDARD = "nonstandard"


_PATTERNS: Final = tuple(
    (kind, re.compile(pattern, re.DOTALL))
    for kind, pattern in (
        (Kind.WITNESS_PUBKEY_HASH, rb"\x00\x14.{20}"),
        (Kind.WITNESS_SCRIPT_HASH, rb"\x00\x20.{32}"),
        (Kind.TAPROOT, rb"\x51\x20.{32}"),
        (Kind.ANCHOR, rb"\x51\x02\x4e\x73"),
        (Kind.PUBKEY_HASH, rb"\x76\xa9\x14.{20}\x88\xac"),
        (Kind.SCRIPT_HASH, rb"\xa9\x14.{20}\x87"),
        (Kind.PUBKEY, rb"(\x21[\x02\x03].{32}|\x41\x04.{64})\xac"),
        (Kind.MULTISIG, rb"[\x51-\x53](\x21[\x02\x03].{32}|\x41\x04.{64}){1,3}[\x51-\x53]\xae"),
    )
)


def kind_of(script: bytes) -> Kind:
    """The kind of a scriptPubKey."""
    for kind, pattern in _PATTERNS:
        if pattern.fullmatch(script):
            return kind
    if script[:1] == b"\x6a":
        return Kind.NULL_DATA if is_push_only(script[1:]) else Kind.NONSTANDARD
    if 4 <= len(script) <= 42 and OP_1 <= script[0] <= OP_16 and script[1] == len(script) - 2:
        return Kind.WITNESS_UNKNOWN
    return Kind.NONSTANDARD


def is_witness_program(script: bytes) -> bool:
    """Whether a script is a version and 2 to 40 bytes (BIP 141)."""
    return 4 <= len(script) <= 42 and (script[0] == OP_0 or OP_1 <= script[0] <= OP_16) and script[1] == len(script) - 2


def operations(script: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Each opcode with what it pushes and where the next begins. Raises TransactionMalformed if a push is cut short."""
    at = 0
    while at < len(script):
        opcode, at = script[at], at + 1
        length = opcode if opcode < OP_PUSHDATA1 else 0
        if OP_PUSHDATA1 <= opcode <= OP_PUSHDATA4:
            width = _LENGTH_BYTES[opcode]
            length, at = int.from_bytes(script[at : at + width], "little"), at + width
        if at + length > len(script):
            raise TransactionMalformed("A push in a script is cut short.")
        yield opcode, script[at : at + length], at + length
        at += length


def is_push_only(script: bytes) -> bool:
    """Whether a script does nothing but push."""
    try:
        return all(opcode <= OP_16 for opcode, _, _ in operations(script))
    except TransactionMalformed:
        return False


def last_push(script: bytes) -> bytes:
    """The last bytes that a scriptSig pushes: a P2SH input's redeem script."""
    try:
        pushes = [pushed for _, pushed, _ in operations(script)]
    except TransactionMalformed:
        return b""
    return pushes[-1] if pushes else b""


def count_signature_checks(script: bytes, *, accurate: bool) -> int:
    """How many signature checks a script may cost, as Bitcoin Core counts: a multisig 20, or accurately its keys."""
    total, last = 0, 0xFF
    try:
        for opcode, _, _ in operations(script):
            if opcode in _CHECKS:
                total += 1
            elif opcode in _MULTI_CHECKS:
                total += last - OP_1 + 1 if accurate and OP_1 <= last <= OP_16 else _MAX_MULTISIG_KEYS
            last = opcode
    except TransactionMalformed:
        pass  # what came before the torn push counts
    return total
