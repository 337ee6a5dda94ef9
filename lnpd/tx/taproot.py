"""What does a taproot output commit to, and what proves one of its leaves? (BIP 341, BIP 342)

Leaves come in the order of a walk from left to right, each with its depth: that says the whole tree.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from lnpd_sdk.nearest import nearest
from lnpd_sdk.script import InternalKey

from lnpd.crypto.musig import Group
from lnpd.crypto.schnorr import lift, tagged_hash, tap_tweak, x_only
from lnpd.crypto.secp import tweak_add_point
from lnpd.errors import ScriptRefused
from lnpd.tx.names import Names
from lnpd.tx.sighash import TAPROOT_PREFIX, TAPSCRIPT, leaf_hash

MAX_LEAVES: Final = 16
MAX_DEPTH: Final = 15  # of 16 leaves in a row

# Points whose secret nobody knows, by the name under which a script may use them.
NUMS_POINTS: Final[dict[InternalKey, bytes]] = {
    InternalKey.NUMS: bytes.fromhex("0250929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0"),
    InternalKey.NUMS_SIMPLE_TAPROOT: bytes.fromhex(
        "02dca094751109d0bd055d03565874e8276dd53e926b44e3bd1bb6bf4bc130a279"
    ),
}


class Tree(NamedTuple):
    """A taproot output: its key, the tweak of its internal key, and each leaf's control block."""

    output_key: bytes  # compressed: the parity counts in a control block
    tweak: bytes
    controls: tuple[bytes, ...]


class _Branch(NamedTuple):
    depth: int
    hash: bytes
    proofs: dict[int, bytes]  # by leaf: the hashes beside its way up


def internal_point(name: InternalKey, names: Names) -> bytes:
    """The point that a kind of internal key means among these names. Raises ScriptRefused."""
    if name in NUMS_POINTS:
        return NUMS_POINTS[name]
    if name == InternalKey.MUSIG2_FUNDING:
        return joint_key(names.funding)
    point = dict(names.points).get(name)
    if point is None:
        known = [each for each, _ in names.points]
        raise ScriptRefused(f"There is no key {name} here{nearest(name, known) or '.'}")
    return point


def joint_key(funding_keys: tuple[bytes, bytes]) -> bytes:
    """The MuSig2 key of both funding keys, the lesser first. Raises InvalidPoint."""
    return Group(tuple(sorted(funding_keys))).key


def grow(internal: bytes, leaves: Sequence[tuple[int, bytes]]) -> Tree:
    """The output of an internal key and (depth, script) of each leaf. Raises ScriptRefused, InvalidPoint."""
    branch = _root(leaves) if leaves else None
    x = x_only(internal)
    tweak = tap_tweak(x, branch.hash if branch else b"")
    output_key = tweak_add_point(lift(x), tweak)
    start = bytes((TAPSCRIPT | output_key[0] & 1,)) + x
    controls = tuple(start + branch.proofs[index] for index in range(len(leaves))) if branch else ()
    return Tree(output_key, tweak, controls)


def _root(leaves: Sequence[tuple[int, bytes]]) -> _Branch:
    if len(leaves) > MAX_LEAVES:
        raise ScriptRefused(f"A taproot tree has at most {MAX_LEAVES} leaves, not {len(leaves)}.")
    waiting: list[_Branch] = []
    for index, (depth, script) in enumerate(leaves):
        if not 0 <= depth <= MAX_DEPTH:
            raise ScriptRefused(f"A leaf of a taproot tree lies 0 to {MAX_DEPTH} branches deep, not {depth}.")
        branch = _Branch(depth, leaf_hash(script), {index: b""})
        while waiting and waiting[-1].depth == branch.depth:
            branch = _joined(waiting.pop(), branch)
        waiting.append(branch)
    if len(waiting) != 1 or waiting[0].depth != 0:
        raise ScriptRefused(f"Leaves at the depths {[depth for depth, _ in leaves]} make no tree.")
    return waiting[0]


def _joined(left: _Branch, right: _Branch) -> _Branch:
    joint = tagged_hash("TapBranch", *sorted((left.hash, right.hash)))
    proofs = {index: proof + right.hash for index, proof in left.proofs.items()}
    proofs |= {index: proof + left.hash for index, proof in right.proofs.items()}
    return _Branch(left.depth - 1, joint, proofs)


def pay_to_taproot(output_key: bytes) -> bytes:
    """The scriptPubKey of an output key."""
    return TAPROOT_PREFIX + x_only(output_key)
