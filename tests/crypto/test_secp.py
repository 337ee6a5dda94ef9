"""Do the calls on secp256k1 agree with published figures and with each other, and refuse everything else?"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd import errors
from lnpd.crypto import secp

ONE = (1).to_bytes(32, "big")
MINUS_ONE = (secp.ORDER - 1).to_bytes(32, "big")
ZERO = bytes(32)
ORDER = secp.ORDER.to_bytes(32, "big")
GENERATOR = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
DIGEST = sha256(b"a commitment").digest()

secrets = st.integers(1, secp.ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)

# RFC 6979 on secp256k1, as published with many implementations: secret, message, signature with a low s.
RFC6979 = [
    (
        1,
        b"Satoshi Nakamoto",
        "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
        "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
    ),
    (
        1,
        b"All those moments will be lost in time, like tears in rain. Time to die...",
        "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b"
        "547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21",
    ),
    (
        secp.ORDER - 1,
        b"Satoshi Nakamoto",
        "fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d0"
        "6b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5",
    ),
]


def high_s(signature: bytes) -> bytes:
    return signature[:32] + (secp.ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")


@pytest.mark.parametrize(("secret", "message", "signature"), RFC6979)
def test_signatures_use_the_nonce_of_rfc_6979(secret: int, message: bytes, signature: str) -> None:
    assert secp.sign(secret.to_bytes(32, "big"), sha256(message).digest()).hex() == signature


def test_public_keys_of_the_smallest_and_largest_secret() -> None:
    assert secp.public_key(ONE) == GENERATOR
    assert secp.public_key(MINUS_ONE) == b"\x03" + GENERATOR[1:]


def test_ecdh_hashes_the_compressed_point() -> None:
    assert secp.ecdh(ONE, GENERATOR) == sha256(GENERATOR).digest()


@given(secrets, secrets)
def test_ecdh_is_symmetric(ours: bytes, theirs: bytes) -> None:
    assert secp.ecdh(ours, secp.public_key(theirs)) == secp.ecdh(theirs, secp.public_key(ours))


@given(secrets, digests)
def test_a_signature_verifies_recovers_and_survives_der(secret: bytes, digest: bytes) -> None:
    point, signature = secp.public_key(secret), secp.sign(secret, digest)
    assert secp.verify(point, digest, signature)
    assert secp.from_der(secp.to_der(signature)) == signature
    assert not secp.verify(point, digest, high_s(signature))
    recoverable, recid = secp.sign_recoverable(secret, digest)
    assert recoverable == signature
    assert secp.recover(digest, signature, recid) == point
    assert secp.recover(digest, high_s(signature), recid ^ 1) == point


@given(secrets, digests, st.integers(0, 64 * 8 - 1))
def test_one_flipped_bit_is_refused(secret: bytes, digest: bytes, bit: int) -> None:
    signature = bytearray(secp.sign(secret, digest))
    signature[bit // 8] ^= 1 << bit % 8
    assert not secp.verify(secp.public_key(secret), digest, bytes(signature))


@given(secrets, secrets)
def test_tweaks_of_secrets_and_points_agree(secret: bytes, tweak: bytes) -> None:
    point = secp.public_key(secret)
    product = secp.tweak_mul_secret(secret, tweak)
    assert secp.public_key(product) == secp.tweak_mul_point(point, tweak)
    if (int.from_bytes(secret, "big") + int.from_bytes(tweak, "big")) % secp.ORDER == 0:
        return
    total = secp.tweak_add_secret(secret, tweak)
    assert secp.public_key(total) == secp.tweak_add_point(point, tweak)
    assert secp.public_key(total) == secp.add_points(point, secp.public_key(tweak))
    assert secp.check_point(point) == point, "a tweak must not change the parsed point that is kept"


NOT_POINTS = [
    b"",
    GENERATOR[:-1],
    GENERATOR + b"\0",
    b"\x04" + GENERATOR[1:],
    b"\x02" + bytes(32),
    b"\x02" + b"\xff" * 32,
    bytes(33),
]
NOT_SECRETS = [b"", ZERO, ORDER, b"\xff" * 32, ONE[:-1], ONE + b"\0"]
NOT_SIGNATURES = [b"", bytes(63), bytes(65), secp.sign(ONE, DIGEST) + b"\0", ORDER + ONE, ONE + ORDER]


@pytest.mark.parametrize("point", NOT_POINTS, ids=bytes.hex)
def test_what_is_no_point_is_refused(point: bytes) -> None:
    assert not secp.is_point(point)
    calls: list[Callable[[], Any]] = [
        lambda: secp.check_point(point),
        lambda: secp.ecdh(ONE, point),
        lambda: secp.tweak_add_point(point, ONE),
        lambda: secp.tweak_mul_point(point, ONE),
        lambda: secp.add_points(GENERATOR, point),
    ]
    for call in calls:
        with pytest.raises(errors.InvalidPoint):
            call()
    assert not secp.verify(point, DIGEST, secp.sign(ONE, DIGEST))


@pytest.mark.parametrize("secret", NOT_SECRETS, ids=bytes.hex)
def test_what_is_no_secret_is_refused_and_not_shown(secret: bytes) -> None:
    assert not secp.is_secret(secret)
    calls: list[Callable[[], Any]] = [
        lambda: secp.check_secret(secret),
        lambda: secp.public_key(secret),
        lambda: secp.ecdh(secret, GENERATOR),
        lambda: secp.sign(secret, DIGEST),
        lambda: secp.sign_recoverable(secret, DIGEST),
        lambda: secp.tweak_add_secret(secret, ONE),
        lambda: secp.tweak_mul_secret(secret, ONE),
    ]
    for call in calls:
        with pytest.raises(errors.InvalidSecret) as caught:
            call()
        assert not secret or secret.hex() not in str(caught.value)


@pytest.mark.parametrize("signature", NOT_SIGNATURES, ids=bytes.hex)
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    assert secp.verify(GENERATOR, DIGEST, signature) is False
    with pytest.raises(errors.InvalidSignature):
        secp.recover(DIGEST, signature, 0)
    with pytest.raises(errors.InvalidSignature):
        secp.to_der(signature)


def test_scalars_that_lead_nowhere_are_refused() -> None:
    for tweak in (ORDER, ONE[:-1]):
        with pytest.raises(errors.InvalidTweak):
            secp.tweak_add_point(GENERATOR, tweak)
        with pytest.raises(errors.InvalidTweak):
            secp.tweak_add_secret(ONE, tweak)
    for tweak in (ZERO, ORDER, ONE[:-1]):
        with pytest.raises(errors.InvalidTweak):
            secp.tweak_mul_point(GENERATOR, tweak)
        with pytest.raises(errors.InvalidTweak):
            secp.tweak_mul_secret(ONE, tweak)
    with pytest.raises(errors.InvalidTweak):
        secp.tweak_add_secret(ONE, MINUS_ONE)
    with pytest.raises(errors.InvalidTweak):
        secp.tweak_add_point(GENERATOR, MINUS_ONE)


def test_sums_without_a_result_are_refused() -> None:
    with pytest.raises(errors.InvalidPoint):
        secp.add_points(GENERATOR, secp.public_key(MINUS_ONE))
    with pytest.raises(errors.InvalidPoint):
        secp.add_points()


@pytest.mark.parametrize("digest", [b"", bytes(31), bytes(33)])
def test_a_digest_has_32_bytes(digest: bytes) -> None:
    signature = secp.sign(ONE, DIGEST)
    calls: list[Callable[[], Any]] = [
        lambda: secp.sign(ONE, digest),
        lambda: secp.sign_recoverable(ONE, digest),
        lambda: secp.verify(GENERATOR, digest, signature),
        lambda: secp.recover(digest, signature, 0),
    ]
    for call in calls:
        with pytest.raises(errors.InvalidDigest):
            call()


def test_recovery_refuses_ids_and_signatures_that_fit_no_key() -> None:
    signature, _ = secp.sign_recoverable(ONE, DIGEST)
    for recid in (-1, 4):
        with pytest.raises(errors.InvalidSignature):
            secp.recover(DIGEST, signature, recid)
    with pytest.raises(errors.UnrecoverableSignature):
        secp.recover(DIGEST, bytes(64), 0)
    for recid in (2, 3):  # for an r that was reduced by the order, which this one was not
        with pytest.raises(errors.UnrecoverableSignature):
            secp.recover(DIGEST, signature, recid)


# Tag, lengths and numbers that BIP 66 forbids, made from 30 06 02 01 01 02 01 01.
NOT_STRICT_DER = [
    "",
    "3006020101",
    "30060201010201",
    "3006020101020101" + "00",
    "3106020101020101",
    "308106020101020101",
    "300702020001020101",
    "3006020181020101",
    "3006020101030101",
    "30" + "26" + "0221" + "00" + ORDER.hex() + "020101",
    "30" + "ff" * 100,
]


@pytest.mark.parametrize("der", NOT_STRICT_DER)
def test_der_that_is_not_strict_is_refused(der: str) -> None:
    assert secp.from_der(bytes.fromhex("3006020101020101")) == ONE + ONE
    with pytest.raises(errors.InvalidSignature):
        secp.from_der(bytes.fromhex(der))
