"""Which transaction is in a PSBT (BIP 174), without its witnesses and with them?"""

from base64 import b64decode
from typing import Final

from rgb_engine.errors import WalletDamaged

MAGIC: Final = b"psbt\xff"
UNSIGNED_TX, FINAL_SCRIPTSIG, FINAL_WITNESS = b"\x00", b"\x07", b"\x08"
SEGWIT: Final = b"\x00\x01"
VERSION_BYTES = LOCKTIME_BYTES = 4


def transactions(psbt: str) -> tuple[bytes, bytes]:
    """The unsigned transaction, and the same with the witnesses of the inputs that are final. WalletDamaged."""
    try:
        raw = b64decode(psbt, validate=True)
        if not raw.startswith(MAGIC):
            raise ValueError("no PSBT")
        head, at = _map(raw, len(MAGIC))
        unsigned = head[UNSIGNED_TX]
        count, _ = _number(unsigned, VERSION_BYTES)
        witnesses = []
        for _ in range(count):
            rows, at = _map(raw, at)
            if FINAL_SCRIPTSIG in rows:
                raise ValueError("an input is not segwit")
            witnesses.append(rows.get(FINAL_WITNESS, b"\x00"))
    except (ValueError, KeyError, IndexError) as error:
        raise WalletDamaged(f"rgb-lib's PSBT cannot be read: {error}") from None
    body, locktime = unsigned[VERSION_BYTES:-LOCKTIME_BYTES], unsigned[-LOCKTIME_BYTES:]
    return unsigned, unsigned[:VERSION_BYTES] + SEGWIT + body + b"".join(witnesses) + locktime


def _map(raw: bytes, at: int) -> tuple[dict[bytes, bytes], int]:
    """The rows of a map, and where the next one begins."""
    rows: dict[bytes, bytes] = {}
    while True:
        length, at = _number(raw, at)
        if not length:
            return rows, at
        key, at = raw[at : at + length], at + length
        length, at = _number(raw, at)
        value, at = raw[at : at + length], at + length
        if at > len(raw):
            raise ValueError("it ends too early")
        rows[key] = value


def _number(raw: bytes, at: int) -> tuple[int, int]:
    """A CompactSize, and where it ends."""
    first = raw[at]
    length = {0xFD: 2, 0xFE: 4, 0xFF: 8}.get(first, 0)
    return (int.from_bytes(raw[at + 1 : at + 1 + length], "little") if length else first), at + 1 + length
