"""How does RGB hash: which tag for which thing, and which tree over many?

A tagged hash is SHA256(SHA256(tag) || SHA256(tag) || message), as BIP 340 has it. The tree is that of client-side
validation (LNPBP 81): each node says what it is, how deep it lies and how many leaves the whole tree has.
"""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any

from nia.strict import number, u8

OPERATION = "urn:lnp-bp:rgb:operation#2024-02-03"
BUNDLE = "urn:lnp-bp:rgb:bundle#2024-02-03"
CONCEALED_SEAL = "urn:lnp-bp:seals:secret#2024-02-03"
NODE = "urn:ubideco:merkle:node#2024-01-31"  # leaves too
VALUE = "urn:ubideco:strict-types:value-hash#2024-02-10"
COMMITMENT = "urn:ubideco:mpc:commitment#2024-01-31"

# What a node has below it.
NOTHING, ONE, TWO = 0, 1, 2
NOBODY = b"\xff" * 32


@cache
def _begun(tag: str) -> Any:  # a hash object, which hashlib gives no public type
    prefix = sha256(tag.encode("ascii")).digest()
    return sha256(prefix + prefix)


def tagged(tag: str, message: bytes) -> bytes:
    """The tagged hash of a message."""
    engine = _begun(tag).copy()
    engine.update(message)
    digest: bytes = engine.digest()
    return digest


def leaf(message: bytes) -> bytes:
    """The hash of a leaf's bytes."""
    return tagged(NODE, message)


def node(branching: int, depth: int, width: int, left: bytes = NOBODY, right: bytes = NOBODY) -> bytes:
    """The hash of an inner node: `width` is the count of leaves of the whole tree, at every depth."""
    return tagged(NODE, u8(branching) + u8(depth) + number(width, 32) + left + right)


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over hashed leaves. One leaf is the root itself; none is a node with nothing below it."""
    return leaves[0] if len(leaves) == 1 else _subtree(leaves, 0, len(leaves))


def _subtree(part: Sequence[bytes], depth: int, width: int) -> bytes:
    if len(part) <= TWO:
        return node(len(part), depth, width, *part)
    half = (len(part) + 1) // 2
    return node(TWO, depth, width, _subtree(part[:half], depth + 1, width), _subtree(part[half:], depth + 1, width))
