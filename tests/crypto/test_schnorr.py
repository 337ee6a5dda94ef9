"""Are signatures and keys those of BIP 340, and do adaptor signatures sell exactly one secret?"""

from hashlib import sha256

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lnpd.crypto import schnorr
from lnpd.crypto.adaptor import adaptor_complete, adaptor_secret, adaptor_sign, adaptor_verify
from lnpd.crypto.schnorr import sign_schnorr, tagged_hash, verify_schnorr, x_only
from lnpd.crypto.secp import public_key
from lnpd.errors import InvalidDigest, InvalidPoint, InvalidSecret, InvalidTweak, WrongAdaptor

# BIP 340: secret, x-only key, entropy, digest, both halves of the signature.
SIGNED = """
0000000000000000000000000000000000000000000000000000000000000003
f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9
0000000000000000000000000000000000000000000000000000000000000000
0000000000000000000000000000000000000000000000000000000000000000
e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca8215
25f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0

b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef
dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659
0000000000000000000000000000000000000000000000000000000000000001
243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89
6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de3341
8906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a

0b432b2677937381aef05bb02a66ecd012773062cf3fa2549e44f58ed2401710
25d1dff95105f5253c4022f628a996ad3a0d95fbf21d468a1b33f8c160d8f517
ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
7eb0509757e246f19449885651611cb965ecc1a187dd51b64fda1edc9637d5ec
97582b9cb13db3933705b32ba982af5af25fd78881ebb32771fc5922efc66ea3
"""
CASES = [tuple(bytes.fromhex(row) for row in text.split()) for text in SIGNED.strip().split("\n\n")]
# BIP 340: a key that is not on the curve; a nonce with an odd y.
UNSIGNED = """
eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34
243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89
6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e177769
69e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b

dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659
243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89
fff97bd5755eeea420453a14355235d382f6472f8568a18b2f057a1460297556
3cc27944640ac607cd107ae10923d9ef7a73c643e166be5ebeafa34b1ac553e2
"""
REFUSED = [tuple(bytes.fromhex(row) for row in text.split()) for text in UNSIGNED.strip().split("\n\n")]

secrets = st.integers(1, 2**255).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize(("secret", "key", "entropy", "digest", "nonce", "scalar"), CASES)
def test_signatures_of_bip_340(
    secret: bytes, key: bytes, entropy: bytes, digest: bytes, nonce: bytes, scalar: bytes
) -> None:
    assert x_only(public_key(secret)) == key
    assert sign_schnorr(secret, digest, entropy) == nonce + scalar
    assert verify_schnorr(key, digest, nonce + scalar)


@pytest.mark.parametrize(("key", "digest", "nonce", "scalar"), REFUSED)
def test_refused_signatures_of_bip_340(key: bytes, digest: bytes, nonce: bytes, scalar: bytes) -> None:
    assert not verify_schnorr(key, digest, nonce + scalar)


def test_a_tagged_hash() -> None:
    tag = bytes.fromhex("7bb52d7a9fef58323eb1bf7a407db382d2f3f2d81bb1224f49fe518f6d48d37c")  # of BIP0340/challenge
    assert sha256(b"BIP0340/challenge").digest() == tag
    assert tagged_hash("BIP0340/challenge", b"ab", b"c") == sha256(tag + tag + b"abc").digest()


def test_malformed_bytes() -> None:
    key, digest = x_only(public_key(b"\x01" * 32)), bytes(32)
    for signature in (b"", bytes(63), bytes(65), b"\xff" * 64):
        assert not verify_schnorr(key, digest, signature)
        assert not adaptor_verify(key, digest, public_key(b"\x02" * 32), signature)
    assert not verify_schnorr(b"\xff" * 32, digest, bytes(64)) and not verify_schnorr(b"", digest, bytes(64))
    for bad in (b"", bytes(31), bytes(33)):
        with pytest.raises(InvalidDigest):
            sign_schnorr(b"\x01" * 32, bad)
        with pytest.raises(InvalidPoint):
            schnorr.lift(bad)
    with pytest.raises(InvalidSecret):
        sign_schnorr(bytes(32), digest)
    with pytest.raises(InvalidTweak):
        schnorr.output_key(key, bytes(31))


@given(secrets)
def test_the_even_one_of_two_secrets(secret: bytes) -> None:
    even = schnorr.even_secret(secret)
    assert even in (secret, schnorr.negate_secret(secret)) and schnorr.is_even(public_key(even))
    assert schnorr.lift(x_only(public_key(secret))) == public_key(even)
    assert schnorr.negate_point(public_key(secret)) == public_key(schnorr.negate_secret(secret))


@settings(deadline=None)
@given(secrets, secrets, digests)
def test_an_adaptor_signature_sells_its_secret(secret: bytes, hidden: bytes, digest: bytes) -> None:
    assume(secret != hidden)
    key, point = x_only(public_key(secret)), public_key(hidden)
    pre_signature = adaptor_sign(secret, digest, point)
    assert pre_signature == adaptor_sign(secret, digest, point), "asked again, the same"
    assert not verify_schnorr(key, digest, pre_signature)
    assert adaptor_verify(key, digest, point, pre_signature)
    assert not adaptor_verify(key, digest, public_key(secret), pre_signature)
    assert not adaptor_verify(key, tagged_hash("other", digest), point, pre_signature)
    signature = adaptor_complete(key, digest, hidden, pre_signature)
    assert verify_schnorr(key, digest, signature)
    assert adaptor_secret(point, pre_signature, signature) == hidden
    with pytest.raises(WrongAdaptor):
        adaptor_complete(key, digest, secret, pre_signature)
    with pytest.raises(WrongAdaptor):
        adaptor_secret(public_key(secret), pre_signature, signature)


def test_two_points_have_two_nonces() -> None:
    secret, digest = b"\x05" * 32, b"\x06" * 32
    first, second = (adaptor_sign(secret, digest, public_key(bytes([n]) * 32)) for n in (1, 2))
    assert first[:32] != second[:32]
