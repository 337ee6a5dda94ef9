"""Do per-commitment secrets come, and get stored, as BOLT 3 appendix D says?"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd import errors
from lnpd.crypto.shachain import (
    FIRST_INDEX,
    SLOTS,
    Known,
    Near,
    Shachain,
    index_of,
    per_commitment_secret,
    secret_at,
)
from tests.vectors import load

SEED = b"\xff" * 32
seeds = st.binary(min_size=32, max_size=32)


def revealed(seed: bytes, count: int) -> Shachain:
    chain = Shachain()
    for number in range(count):
        chain = chain.insert(index_of(number), per_commitment_secret(seed, number))
    return chain


@pytest.mark.parametrize(
    ("seed", "index", "secret"),
    [
        (bytes(32), FIRST_INDEX, "02a40c85b6f28da08dfdbe0926c53fab2de6d28c10301f8f7c4073d5e42e3148"),
        (SEED, 0xAAAAAAAAAAA, "56f4008fb007ca9acf0e15b054d5c9fd12ee06cea347914ddbaed70d1c13a528"),
        (b"\x01" * 32, 1, "915c75942a26bb3a433a8ce2cb0427c29ec6c1775cfc78328b57f6ba7bfeaa9c"),
        (SEED, 0, SEED.hex()),
    ],
)
def test_figures_of_appendix_d(seed: bytes, index: int, secret: str) -> None:
    assert secret_at(seed, index).hex() == secret


def test_generation_vectors() -> None:
    cases = load("bolt3-keys.json")["generation"]
    for case in cases:
        assert secret_at(bytes.fromhex(case["seed"]), case["I"]).hex() == case["output"], case["name"]
    print(f"bolt3-keys.json: {len(cases)} generated secrets")
    assert len(cases) == 5


def test_storage_vectors() -> None:
    cases = load("bolt3-keys.json")["storage"]
    steps = 0
    for case in cases:
        chain = Shachain()
        for step in case["steps"]:
            steps += 1
            secret = bytes.fromhex(step["secret"])
            if step["output"] == "OK":
                chain = chain.insert(step["I"], secret)
                assert chain.get(step["I"]) == secret
            else:
                with pytest.raises(errors.ShachainContradiction):
                    chain.insert(step["I"], secret)
    print(f"bolt3-keys.json: {len(cases)} storage sequences, {steps} steps")
    assert (len(cases), steps) == (9, 56)


def test_commitments_count_down_from_the_first_index() -> None:
    assert per_commitment_secret(SEED, 0) == secret_at(SEED, 2**48 - 1)
    assert per_commitment_secret(SEED, 2**48 - 1) == SEED


numbers = st.integers(0, FIRST_INDEX) | st.integers(0, 1000) | st.integers(FIRST_INDEX - 1000, FIRST_INDEX)


@given(seeds, st.lists(numbers, max_size=20))
def test_neighbours_share_steps_and_nothing_else(seed: bytes, wanted: list[int]) -> None:
    near = Near(seed)
    for number in wanted:
        assert near.secret(number) == per_commitment_secret(seed, number)
    assert seed.hex() not in repr(near) and repr(seed) not in repr(near)


@given(seeds, st.integers(0, 300))
def test_every_revealed_secret_stays_known_and_no_other(seed: bytes, count: int) -> None:
    chain = revealed(seed, count)
    assert [chain.get(index_of(number)) for number in range(count)] == [
        per_commitment_secret(seed, number) for number in range(count)
    ]
    assert chain.next_index == index_of(count)
    with pytest.raises(errors.UnknownShachainIndex):
        chain.get(index_of(count))
    assert len(chain.slots) <= 9 < SLOTS


@given(seeds, st.integers(1, 200), st.data())
def test_secrets_out_of_order_are_refused_and_known_ones_must_agree(
    seed: bytes, count: int, data: st.DataObject
) -> None:
    chain = revealed(seed, count)
    skipped = data.draw(st.integers(count + 1, 2**48 - 1))
    with pytest.raises(errors.ShachainOrderBroken):
        chain.insert(index_of(skipped), per_commitment_secret(seed, skipped))
    repeated = data.draw(st.integers(0, count - 1))
    assert chain.insert(index_of(repeated), per_commitment_secret(seed, repeated)) is chain
    with pytest.raises(errors.ShachainContradiction):
        chain.insert(index_of(repeated), data.draw(seeds.filter(lambda s: s != chain.get(index_of(repeated)))))


@given(seeds, seeds, st.integers(0, 100).map(lambda half: 2 * half + 1))
def test_a_secret_of_another_seed_is_refused_where_it_must_yield_others(seed: bytes, other: bytes, number: int) -> None:
    chain = revealed(seed, number)
    if other == seed:
        return
    with pytest.raises(errors.ShachainContradiction):
        chain.insert(index_of(number), per_commitment_secret(other, number))


def test_a_chain_is_stored_and_read_back() -> None:
    chain = revealed(SEED, 100)
    assert msgspec.json.decode(msgspec.json.encode(chain), type=Shachain) == chain
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(chain), type=Shachain) == chain


def test_the_last_secret_is_the_seed_and_must_yield_all_others() -> None:
    almost = Shachain(tuple(Known(1 << bits, secret_at(SEED, 1 << bits)) for bits in range(SLOTS - 1)))
    assert almost.next_index == 0
    full = almost.insert(0, SEED)
    assert (len(full.slots), full.next_index) == (SLOTS, -1)
    assert full.get(0x123456789ABC) == secret_at(SEED, 0x123456789ABC)
    with pytest.raises(errors.ShachainContradiction):
        almost.insert(0, bytes(32))


@pytest.mark.parametrize("index", [-1, 2**48])
def test_indices_have_48_bits(index: int) -> None:
    calls = (
        lambda: secret_at(SEED, index),
        lambda: index_of(index),
        lambda: Shachain().get(index),
        lambda: Near(SEED).secret(index),
    )
    for call in calls:
        with pytest.raises(errors.ShachainIndexOutOfRange):
            call()


def test_a_secret_has_32_bytes_and_stays_out_of_reprs() -> None:
    for length in (0, 31, 33):
        with pytest.raises(errors.InvalidSecret):
            secret_at(bytes(length), 0)
        with pytest.raises(errors.InvalidSecret):
            Shachain().insert(FIRST_INDEX, bytes(length))
    secret = secret_at(SEED, FIRST_INDEX)
    shown = repr(Shachain().insert(FIRST_INDEX, secret))
    assert repr(secret) not in shown
    assert secret.hex() not in shown
