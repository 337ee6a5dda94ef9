"""Was enough work done on a header? (Bitcoin's rules of difficulty; pure)"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

from lnpd.errors import ElectrumMisbehaves
from lnpd.tx.transaction import hash256

HEADER_BYTES: Final = 80
PERIOD_BLOCKS: Final = 2_016
PERIOD_SECONDS: Final = 14 * 24 * 3_600
LATE_SECONDS: Final = 20 * 60
"""After so long a pause a block of testnet may be easy."""

EASIEST: Final = {"bitcoin": 0x1D00FFFF, "testnet": 0x1D00FFFF, "signet": 0x1E0377AE, "regtest": 0x207FFFFF}
MEDIAN_OF: Final = 11

_U32: Final = Struct("<I")
HeaderAt = Callable[[int], bytes]
"""The header at a height below the one in question, of the same branch."""


def previous(header: bytes) -> bytes:
    """The hash of the block before."""
    return header[4:36]


def merkle_root(header: bytes) -> bytes:
    """The root over the block's txids."""
    return header[36:68]


def time_seconds(header: bytes) -> int:
    """When the block was made, as its miner says."""
    return int(_U32.unpack_from(header, 68)[0])


def bits(header: bytes) -> int:
    """The target that the header says, in its compact form."""
    return int(_U32.unpack_from(header, 72)[0])


def target(compact: int) -> int:
    """The target of a compact form; 0 if it is none."""
    exponent, mantissa = compact >> 24, compact & 0x7FFFFF
    if compact & 0x800000 or exponent > 34:
        return 0
    return mantissa << 8 * (exponent - 3) if exponent > 3 else mantissa >> 8 * (3 - exponent)


def compact(full: int) -> int:
    """The compact form of a target, which loses its lower digits."""
    size = (full.bit_length() + 7) // 8
    mantissa = full >> 8 * (size - 3) if size > 3 else full << 8 * (3 - size)
    return (size + 1) << 24 | mantissa >> 8 if mantissa & 0x800000 else size << 24 | mantissa


def work(header: bytes) -> int:
    """How many hashes a block took, on average."""
    return int(2**256 // (target(bits(header)) + 1))


def next_bits(first_seconds: int, last_seconds: int, last_bits: int, easiest: int) -> int:
    """The target of the next period, from the times of this one's first and last block and its target."""
    took = min(max(last_seconds - first_seconds, PERIOD_SECONDS // 4), PERIOD_SECONDS * 4)
    return compact(min(target(last_bits) * took // PERIOD_SECONDS, target(easiest)))


def expected_bits(network: str, height: int, seconds: int, at: HeaderAt) -> int:
    """The target that a block must have, at least at height 1."""
    easiest, last = EASIEST[network], at(height - 1)
    if network == "regtest":
        return easiest
    if height % PERIOD_BLOCKS == 0:
        first = at(height - PERIOD_BLOCKS)
        return next_bits(time_seconds(first), time_seconds(last), bits(last), easiest)
    if network != "testnet":
        return bits(last)
    if seconds > time_seconds(last) + LATE_SECONDS:
        return easiest
    below = height - 1
    while below % PERIOD_BLOCKS and bits(at(below)) == easiest:
        below -= 1
    return bits(at(below))


def check(network: str, height: int, header: bytes, at: HeaderAt) -> None:
    """Holds a header against the ones before it. Raises ElectrumMisbehaves."""
    if previous(header) != hash256(at(height - 1)):
        raise ElectrumMisbehaves(f"The Electrum server's header {height} does not follow the one before it.")
    if bits(header) != expected_bits(network, height, time_seconds(header), at):
        raise ElectrumMisbehaves(f"The Electrum server's header {height} has a target of its own.")
    if int.from_bytes(hash256(header), "little") > target(bits(header)):
        raise ElectrumMisbehaves(f"The Electrum server's header {height} lacks work.")


def median_time(height: int, at: HeaderAt) -> int:
    """The median of a block's time and of the ten before it (BIP 113)."""
    times = sorted(time_seconds(at(each)) for each in range(max(0, height - MEDIAN_OF + 1), height + 1))
    return times[len(times) // 2]
