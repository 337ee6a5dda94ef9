"""Does each contract find its leaf, does its proof lead to the one commitment, and does no other proof?"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nia import errors
from nia.mpc import MAX_DEPTH, Proof, Tree, commit, opret_script, position, read_proof
from nia.strict import whole
from tests.plugins.nia.figures import BUNDLE_ID, COMMITMENT, CONTRACT, ENTROPY, SECRET

BUNDLE = bytes.fromhex(BUNDLE_ID)
HASH = st.binary(min_size=32, max_size=32)
BUNDLES = st.dictionaries(HASH, HASH, min_size=1, max_size=12)

# Two contracts that collide in a tree of 8 leaves, so that the cofactor is 1: as rgb-lib committed to them.
COLLIDING = {
    "0e8324beda5a68e507fbfa32c4bafdc3f83be44f40af366d3de390dd20feeb4c": (
        "d0160236c354527470c7838f945c496b411dd0fa6513319bc228b4d9f650c4a4"
    ),
    "7e94cface71fd2382cc5d6b14e2bf6a7b8fd6f0e87234c1aa93658b51c587c58": (
        "1253ab446fcd95c0927218d371550137dfb6d200ba8050c3b7e1a3fb453bcdee"
    ),
}


def number(value: int) -> bytes:
    """A contract whose id is this number."""
    return value.to_bytes(32, "little")


def test_one_contract() -> None:
    tree = commit({CONTRACT: BUNDLE}, ENTROPY)
    assert tree.commitment().hex() == COMMITMENT
    assert tree.script() == opret_script(bytes.fromhex(COMMITMENT)) == bytes.fromhex("6a20" + COMMITMENT)
    assert commit({CONTRACT: BUNDLE}, ENTROPY + 1).commitment() != tree.commitment()


def test_two_contracts_that_collide() -> None:
    tree = commit({bytes.fromhex(each): bytes.fromhex(of) for each, of in COLLIDING.items()}, 16562486321867477401)
    assert (tree.depth, tree.cofactor) == (3, 1)
    assert tree.commitment().hex() == "66ab9ff867eb1d52a0904eaf2423ea6cec0936fb2a85e1a742818de43b61e8f5"


@given(BUNDLES, st.integers(0, 2**64 - 1))
def test_every_proof_leads_to_the_commitment(bundles: dict[bytes, bytes], entropy: int) -> None:
    tree = commit(bundles, entropy)
    assert tree == commit(dict(reversed(bundles.items())), entropy)
    assert len({position(each, tree.depth, tree.cofactor) for each in bundles}) == len(bundles)
    for contract_id, bundle_id in bundles.items():
        proof = tree.proof(contract_id)
        assert whole(proof.encode(), read_proof) == proof
        assert proof.commitment(contract_id, bundle_id) == tree.commitment()
        assert proof.commitment(contract_id, bytes(31) + b"!") != tree.commitment()


def test_sizes_are_tried_in_rgbs_order() -> None:
    def size(*numbers: int) -> tuple[int, int]:
        tree = commit({number(each): SECRET for each in numbers}, 0)
        return tree.depth, tree.cofactor

    assert size(5) == (3, 0)
    assert size(0, 8) == (3, 1)  # of 8 leaves both would be the first, of 7 they are not
    assert size(0, 56) == (4, 0)  # the same of 8 and of 7; of 16 not
    assert size(0, 56 * 16) == (4, 1)  # of 8, of 7 and of 16; of 15 not
    assert size(*range(9)) == (4, 0)


def test_what_cannot_be_committed_to() -> None:
    with pytest.raises(errors.NothingToEncode):
        commit({}, 0)
    with pytest.raises(errors.OutOfRange):
        commit({CONTRACT: BUNDLE}, 2**64)
    with pytest.raises(errors.OutOfRange):
        commit({CONTRACT[1:]: BUNDLE}, 0)
    with pytest.raises(errors.NothingToEncode):
        commit({CONTRACT: BUNDLE}, 0).proof(SECRET)
    with pytest.raises(errors.NoPlace):
        commit({number(each): SECRET for each in range(2**MAX_DEPTH + 1)}, 0)


def test_a_proof_of_another_place_is_refused() -> None:
    proof = commit({CONTRACT: BUNDLE}, ENTROPY).proof(CONTRACT)
    for wrong in (
        msgspec.structs.replace(proof, position=proof.position ^ 1),
        msgspec.structs.replace(proof, position=proof.position + 8),
        msgspec.structs.replace(proof, path=()),
    ):
        with pytest.raises(errors.WrongPosition):
            wrong.commitment(CONTRACT, BUNDLE)
    for path in ((SECRET, *proof.path[1:]), proof.path[::-1]):
        assert msgspec.structs.replace(proof, path=path).commitment(CONTRACT, BUNDLE).hex() != COMMITMENT
    with pytest.raises(errors.OutOfRange):
        Proof(0, 0, (SECRET,) * 32)
    with pytest.raises(errors.Malformed):
        whole(Proof(0, 0, (SECRET,) * 31).encode()[:6] + b"\x20" + SECRET * 32, read_proof)


def test_a_cofactor_beyond_the_width_leaves_one_place() -> None:
    assert position(CONTRACT, 3, 9) == position(CONTRACT, 3, 7) == 0
    assert Tree(3, 9, 0, ((CONTRACT, BUNDLE),)).proof(CONTRACT).position == 0
