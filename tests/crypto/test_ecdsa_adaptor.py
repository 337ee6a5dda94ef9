"""Does an ECDSA pre-signature say what it sells, and sell exactly that? (dlcspecs)"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpd.crypto.ecdsa_adaptor import (
    PRE_SIGNATURE_BYTES,
    ecdsa_adaptor_complete,
    ecdsa_adaptor_secret,
    ecdsa_adaptor_sign,
    ecdsa_adaptor_verify,
)
from lnpd.crypto.secp import ORDER, public_key, verify
from lnpd.errors import CryptoError, InvalidPoint, InvalidSecret, WrongAdaptor
from tests.vectors import load

numbers = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32).filter(any)
# The first of the published ones, for a checkout without them.
FIGURES = {
    "adaptor_sig": (
        "03424d14a5471c048ab87b3b83f6085d125d5864249ae4297a57c84e74710bb6730223f325042fce535d040fee52ec13231bf709ccd84233"
        "c6944b90317e62528b2527dff9d659a96db4c99f9750168308633c1867b70f3a18fb0f4539a1aecedcd1fc0148fc22f36b6303083ece3f87"
        "2b18e35d368b3958efe5fb081f7716736ccb598d269aa3084d57e1855e1ea9a45efc10463bbf32ae378029f5763ceb40173f"
    ),
    "message_hash": "8131e6f4b45754f2c90bd06688ceeabc0c45055460729928b4eecf11026a9e2d",
    "public_signing_key": "035be5e9478209674a96e60f1f037f6176540fd001fa1d64694770c56a7709c42c",
    "encryption_key": "02c2662c97488b07b6e819124b8989849206334a4c2fbdf691f7b34d2b16e9c293",
    "decryption_key": "0b2aba63b885a0f0e96fa0f303920c7fb7431ddfa94376ad94d969fbf4109dc8",
    "signature": (
        "424d14a5471c048ab87b3b83f6085d125d5864249ae4297a57c84e74710bb67329e80e0ee60e57af3e625bbae1672b1ecaa58effe613426b"
        "024fa1621d903394"
    ),
}


@settings(deadline=None, max_examples=60)
@given(numbers, numbers, digests)
def test_what_is_signed_is_completed_and_sells_its_secret(secret: bytes, sold: bytes, digest: bytes) -> None:
    key, point = public_key(secret), public_key(sold)
    made = ecdsa_adaptor_sign(secret, digest, point)
    assert made == ecdsa_adaptor_sign(secret, digest, point) and len(made) == PRE_SIGNATURE_BYTES
    assert ecdsa_adaptor_verify(key, digest, point, made)
    signature = ecdsa_adaptor_complete(key, digest, sold, made)
    assert verify(key, digest, signature)
    assert ecdsa_adaptor_secret(point, made, signature) == sold


@settings(deadline=None, max_examples=60)
@given(numbers, numbers, digests, st.integers(0, 8 * PRE_SIGNATURE_BYTES - 1))
def test_a_changed_bit_is_found(secret: bytes, sold: bytes, digest: bytes, bit: int) -> None:
    key, point = public_key(secret), public_key(sold)
    made = bytearray(ecdsa_adaptor_sign(secret, digest, point))
    made[bit // 8] ^= 1 << bit % 8
    assert not ecdsa_adaptor_verify(key, digest, point, bytes(made))


@given(st.binary(max_size=200))
def test_anything_may_come(data: bytes) -> None:
    key = public_key(bytes(31) + b"\1")
    assert not ecdsa_adaptor_verify(key, bytes(32), key, data)
    with pytest.raises(CryptoError):
        ecdsa_adaptor_complete(key, bytes(32), bytes(31) + b"\1", data)
    with pytest.raises(WrongAdaptor):
        ecdsa_adaptor_secret(key, data, bytes(64))


def test_what_does_not_belong_together() -> None:
    secret, sold, other = (bytes(31) + bytes([n]) for n in (1, 2, 3))
    key, point, digest = public_key(secret), public_key(sold), b"\7" * 32
    made = ecdsa_adaptor_sign(secret, digest, point)
    assert not ecdsa_adaptor_verify(key, digest, public_key(other), made)
    assert not ecdsa_adaptor_verify(public_key(other), digest, point, made)
    assert not ecdsa_adaptor_verify(key, b"\x08" * 32, point, made)
    with pytest.raises(WrongAdaptor):
        ecdsa_adaptor_complete(key, digest, other, made)
    with pytest.raises(WrongAdaptor):
        ecdsa_adaptor_secret(public_key(other), made, ecdsa_adaptor_complete(key, digest, sold, made))
    with pytest.raises(InvalidPoint):
        ecdsa_adaptor_sign(secret, digest, bytes(33))
    with pytest.raises(InvalidSecret):
        ecdsa_adaptor_sign(bytes(32), digest, point)


def check(case: dict[str, str]) -> None:
    """One published case; an `error` is what makes it false."""
    key, digest, point, made = (
        bytes.fromhex(case.get(name) or "")
        for name in ("public_signing_key", "message_hash", "encryption_key", "adaptor_sig")
    )
    good = not case.get("error")
    if case["kind"] == "verification":
        assert ecdsa_adaptor_verify(key, digest, point, made) == good
        if good:
            secret, signature = bytes.fromhex(case["decryption_key"]), bytes.fromhex(case["signature"])
            assert ecdsa_adaptor_complete(key, digest, secret, made) == signature
            assert ecdsa_adaptor_secret(point, made, signature) == secret
    elif case["kind"] == "recovery":
        signature = bytes.fromhex(case["signature"])
        if good:
            assert ecdsa_adaptor_secret(point, made, signature).hex() == case["decryption_key"]
        else:
            with pytest.raises(WrongAdaptor):
                ecdsa_adaptor_secret(point, made, signature)


def test_the_figures_of_this_file() -> None:
    check({"kind": "verification", **FIGURES})


def test_published() -> None:
    cases = load("dlc/ecdsa_adaptor.json")
    for case in cases:
        check(case)
    judged = [case for case in cases if case["kind"] != "serialization"]
    print(f"dlc/ecdsa_adaptor.json: {len(judged)} of {len(cases)} cases; the others only say how bytes are parsed")
    assert (len(cases), len(judged)) == (11, 6)
