"""Is the Merkle tree built as RGB builds it: halves rounded up on the left, and each node aware of depth and width?"""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nia.hashes import NODE, NOTHING, ONE, TWO, leaf, merkle_root, node, tagged

LEAVES = [leaf(bytes([at])) for at in range(5)]


def test_a_tagged_hash() -> None:
    tag = sha256(NODE.encode()).digest()
    assert tagged(NODE, b"message") == sha256(tag + tag + b"message").digest()
    assert tagged(NODE, b"message") == tagged(NODE, b"message")  # the cached beginning is not used up


def test_small_trees() -> None:
    a, b, c, d, e = LEAVES
    assert merkle_root([]) == node(NOTHING, 0, 0)
    assert merkle_root([a]) == a
    assert merkle_root([a, b]) == node(TWO, 0, 2, a, b)
    assert merkle_root([a, b, c]) == node(TWO, 0, 3, node(TWO, 1, 3, a, b), node(ONE, 1, 3, c))
    left, right = node(TWO, 1, 5, node(TWO, 2, 5, a, b), node(ONE, 2, 5, c)), node(TWO, 1, 5, d, e)
    assert merkle_root(LEAVES) == node(TWO, 0, 5, left, right)


def test_the_bytes_of_a_node() -> None:
    a, b = LEAVES[:2]
    assert node(TWO, 3, 259, a, b) == tagged(NODE, b"\2\3" + b"\3\1" + bytes(30) + a + b)
    assert node(ONE, 1, 3, a) == tagged(NODE, b"\1\1\3" + bytes(31) + a + b"\xff" * 32)


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40, unique=True))
def test_every_leaf_and_its_place_count(leaves: list[bytes]) -> None:
    root = merkle_root(leaves)
    assert merkle_root([*leaves, leaves[0]]) != root
    assert len(leaves) == 1 or merkle_root([*leaves[1:], leaves[0]]) != root


@pytest.mark.parametrize("count", [2**10, 2**10 + 1, 65_535])
def test_wide_trees(count: int) -> None:
    assert len(merkle_root([bytes(32)] * count)) == 32
