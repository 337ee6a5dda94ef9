"""How are contracts, recipients and concealed seals written as text?

Baid64: base 64 with `_` and `~` at the end of its alphabet, no padding, with a dash after 8 characters and then after
every 7. A recipient is a concealed seal (`utxob`) or an output script of the payer's transaction (`wvout`); both end in
four bytes of checksum, and stand behind their chain's prefix. A contract's name (`rgb:`) has no checksum.
"""

from base64 import b64decode, b64encode
from binascii import Error
from hashlib import sha256
from re import fullmatch

from nia.errors import OutOfRange, UnreadableName
from nia.genesis import ChainNet
from nia.strict import HASH_BYTES, a_hash

PREFIX = {
    ChainNet.BITCOIN: "bc",
    ChainNet.TESTNET3: "tb3",
    ChainNet.TESTNET4: "tb4",
    ChainNet.SIGNET: "sb",
    ChainNet.REGTEST: "bcrt",
    ChainNet.LIQUID: "lq",
    ChainNet.LIQUID_TESTNET: "tl",
    ChainNet.CUSTOM_SIGNET: "sbc",
}

CONTRACT, SECRET, SCRIPT = "rgb", "utxob", "wvout"
CHECKSUM_BYTES = 4
FIRST_CHUNK, CHUNK = 8, 7
MAX_NAME = 200
ALTERNATIVE = b"_~"

# The first byte of a script's payload, and the script that stands for it.
WITNESS_SCRIPTS = {3: (b"\x00\x14", 20), 4: (b"\x00\x20", 32), 5: (b"\x51\x20", 32)}
SCRIPT_PAYLOAD_BYTES = 33


def contract_name(contract_id: bytes) -> str:
    """`rgb:...` of a contract's id."""
    return f"{CONTRACT}:{_chunked(a_hash(contract_id))}"


def contract_id_of(name: str) -> bytes:
    """The id that `rgb:...` stands for. Raises UnreadableName."""
    kind, _, text = name.partition(":")
    found = _unchunked(text)
    if kind != CONTRACT or len(found) != HASH_BYTES:
        raise UnreadableName(f"{name[:MAX_NAME]!r} is no contract")
    return found


def secret_recipient(secret: bytes, chain: ChainNet) -> str:
    """The recipient whose seal is concealed by these 32 bytes."""
    return _recipient(SECRET, a_hash(secret), chain)


def script_recipient(script: bytes, chain: ChainNet) -> str:
    """The recipient at an output of this script: P2WPKH, P2WSH or P2TR. Raises OutOfRange for any other."""
    for tag, (prefix, length) in WITNESS_SCRIPTS.items():
        if script.startswith(prefix) and len(script) == len(prefix) + length:
            payload = bytes([tag]) + script[len(prefix) :]
            return _recipient(SCRIPT, payload.ljust(SCRIPT_PAYLOAD_BYTES, b"\0"), chain)
    raise OutOfRange(f"{script.hex()} is no script that a recipient can name")


def secret_of(name: str, chain: ChainNet) -> bytes:
    """The concealed seal that a recipient is. Raises UnreadableName."""
    return _payload(name, SECRET, HASH_BYTES, chain)


def script_of(name: str, chain: ChainNet) -> bytes:
    """The output script that a recipient is. Raises UnreadableName."""
    payload = _payload(name, SCRIPT, SCRIPT_PAYLOAD_BYTES, chain)
    prefix, length = WITNESS_SCRIPTS.get(payload[0], (b"", 0))
    if not length or any(payload[1 + length :]):
        raise UnreadableName(f"{name[:MAX_NAME]!r} is no script that is known")
    return prefix + payload[1 : 1 + length]


def _payload(name: str, wanted: str, length: int, chain: ChainNet) -> bytes:
    prefix, _, rest = name.partition(":")
    kind, _, text = rest.partition(":")
    data = _unchunked(text)
    found, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    if (prefix, kind, len(found)) != (PREFIX[chain], wanted, length) or checksum != _checksum(wanted, found):
        raise UnreadableName(f"{name[:MAX_NAME]!r} is no {wanted} of {chain.name}")
    return found


def _recipient(kind: str, payload: bytes, chain: ChainNet) -> str:
    return f"{PREFIX[chain]}:{kind}:{_chunked(payload + _checksum(kind, payload))}"


def _checksum(kind: str, payload: bytes) -> bytes:
    """Of the hash's first three bytes, the second twice."""
    digest = sha256(sha256(kind.encode("ascii")).digest() + payload).digest()
    return bytes([digest[0], digest[1], digest[1], digest[2]])


def _chunked(data: bytes) -> str:
    text = b64encode(data, ALTERNATIVE).decode("ascii").rstrip("=")
    rest = [text[at : at + CHUNK] for at in range(FIRST_CHUNK, len(text), CHUNK)]
    return "-".join([text[:FIRST_CHUNK], *rest])


def _unchunked(text: str) -> bytes:
    bare = text.replace("-", "")
    if len(text) > MAX_NAME or not fullmatch("[A-Za-z0-9_~]*", bare):
        raise UnreadableName(f"{text[:MAX_NAME]!r} is no Baid64")
    try:
        found = b64decode(bare + "=" * (-len(bare) % 4), ALTERNATIVE, validate=True)
    except Error as why:
        raise UnreadableName(f"{text[:MAX_NAME]!r} is no Baid64") from why
    if _chunked(found).replace("-", "") != bare:
        raise UnreadableName(f"{text[:MAX_NAME]!r} ends in bits that say nothing: one thing has one name")
    return found
