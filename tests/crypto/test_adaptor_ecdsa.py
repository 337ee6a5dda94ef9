"""Are ECDSA adaptor signatures those of the DLC specifications, and do they sell exactly one secret?"""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lnpd.crypto.adaptor_ecdsa import (
    ecdsa_adaptor_complete,
    ecdsa_adaptor_secret,
    ecdsa_adaptor_sign,
    ecdsa_adaptor_verify,
    read_parts,
)
from lnpd.crypto.secp import public_key, verify
from lnpd.errors import InvalidDigest, InvalidPoint, InvalidSecret, WrongAdaptor
from tests.vectors import load

# The first of the specification's cases: pre-signature in its parts, digest, key, point, secret, signature in halves.
PLAIN = """
03424d14a5471c048ab87b3b83f6085d125d5864249ae4297a57c84e74710bb673
0223f325042fce535d040fee52ec13231bf709ccd84233c6944b90317e62528b25
27dff9d659a96db4c99f9750168308633c1867b70f3a18fb0f4539a1aecedcd1
fc0148fc22f36b6303083ece3f872b18e35d368b3958efe5fb081f7716736ccb
598d269aa3084d57e1855e1ea9a45efc10463bbf32ae378029f5763ceb40173f
8131e6f4b45754f2c90bd06688ceeabc0c45055460729928b4eecf11026a9e2d
035be5e9478209674a96e60f1f037f6176540fd001fa1d64694770c56a7709c42c
02c2662c97488b07b6e819124b8989849206334a4c2fbdf691f7b34d2b16e9c293
0b2aba63b885a0f0e96fa0f303920c7fb7431ddfa94376ad94d969fbf4109dc8
424d14a5471c048ab87b3b83f6085d125d5864249ae4297a57c84e74710bb673
29e80e0ee60e57af3e625bbae1672b1ecaa58effe613426b024fa1621d903394
"""

secrets = st.integers(1, 2**255).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)


def test_a_pre_signature_of_the_specification() -> None:
    rows = [bytes.fromhex(row) for row in PLAIN.split()]
    pre_signature, signature = b"".join(rows[:5]), rows[9] + rows[10]
    digest, key, point, secret = rows[5:9]
    assert ecdsa_adaptor_verify(key, digest, point, pre_signature)
    assert ecdsa_adaptor_complete(key, digest, secret, pre_signature) == signature
    assert ecdsa_adaptor_secret(point, pre_signature, signature) == secret


def unhexed(row: dict[str, Any]) -> dict[str, Any]:
    """A case with bytes for hex."""
    texts = ("kind", "error", "comment")
    return {name: value if name in texts or not value else bytes.fromhex(value) for name, value in row.items()}


def test_every_case_of_the_specification() -> None:
    rows = [unhexed(row) for row in load("dlc/ecdsa_adaptor.json")]
    kinds = [row["kind"] for row in rows]
    print(f"dlc/ecdsa_adaptor.json: {len(rows)} cases of adaptor signatures")
    assert {kind: kinds.count(kind) for kind in kinds} == {"verification": 3, "recovery": 3, "serialization": 5}
    for row in rows:
        pre_signature = row["adaptor_sig"]
        if row["kind"] == "serialization":
            if row["error"]:
                with pytest.raises(WrongAdaptor):
                    read_parts(pre_signature)
            else:
                assert b"".join(read_parts(pre_signature)) == pre_signature
        elif row["kind"] == "recovery":
            if row.get("error"):
                with pytest.raises(WrongAdaptor):
                    ecdsa_adaptor_secret(row["encryption_key"], pre_signature, row["signature"])
            else:
                found = ecdsa_adaptor_secret(row["encryption_key"], pre_signature, row["signature"])
                assert found == row["decryption_key"]
        else:
            key, digest, point = row["public_signing_key"], row["message_hash"], row["encryption_key"]
            assert ecdsa_adaptor_verify(key, digest, point, pre_signature) == (not row.get("error"))
            if not row.get("error"):
                made = ecdsa_adaptor_complete(key, digest, row["decryption_key"], pre_signature)
                assert made == row["signature"]


@settings(deadline=None)
@given(secrets, secrets, digests)
def test_a_pre_signature_sells_its_secret(secret: bytes, hidden: bytes, digest: bytes) -> None:
    assume(secret != hidden)
    key, point = public_key(secret), public_key(hidden)
    pre_signature = ecdsa_adaptor_sign(secret, digest, point)
    assert pre_signature == ecdsa_adaptor_sign(secret, digest, point)
    assert ecdsa_adaptor_verify(key, digest, point, pre_signature)
    assert not ecdsa_adaptor_verify(key, digest, key, pre_signature)
    assert not ecdsa_adaptor_verify(point, digest, point, pre_signature)
    signature = ecdsa_adaptor_complete(key, digest, hidden, pre_signature)
    assert verify(key, digest, signature)
    assert ecdsa_adaptor_secret(point, pre_signature, signature) == hidden
    with pytest.raises(WrongAdaptor):
        ecdsa_adaptor_complete(key, digest, secret, pre_signature)
    with pytest.raises(WrongAdaptor):
        ecdsa_adaptor_secret(key, pre_signature, signature)


@pytest.mark.parametrize("hidden", [(1).to_bytes(32, "big"), b"\x07" * 32])
@pytest.mark.parametrize("digest", [bytes(32), b"\xff" * 32])
def test_odd_digests_and_points(hidden: bytes, digest: bytes) -> None:
    pre_signature = ecdsa_adaptor_sign(b"\x05" * 32, digest, public_key(hidden))
    key = public_key(b"\x05" * 32)
    assert ecdsa_adaptor_verify(key, digest, public_key(hidden), pre_signature)
    assert verify(key, digest, ecdsa_adaptor_complete(key, digest, hidden, pre_signature))


def test_malformed_bytes() -> None:
    key, digest = public_key(b"\x05" * 32), bytes(32)
    for bad in (b"", bytes(161), bytes(162), bytes(163), b"\xff" * 162):
        assert not ecdsa_adaptor_verify(key, digest, key, bad)
        with pytest.raises(WrongAdaptor):
            ecdsa_adaptor_complete(key, digest, b"\x05" * 32, bad)
        with pytest.raises(WrongAdaptor):
            ecdsa_adaptor_secret(key, bad, bytes(64))
    good = ecdsa_adaptor_sign(b"\x05" * 32, digest, public_key(b"\x06" * 32))
    for place in range(len(good)):
        changed = good[:place] + bytes((good[place] ^ 1,)) + good[place + 1 :]
        assert not ecdsa_adaptor_verify(key, digest, public_key(b"\x06" * 32), changed), place
    with pytest.raises(InvalidDigest):
        ecdsa_adaptor_sign(b"\x05" * 32, b"", key)
    with pytest.raises(InvalidPoint):
        ecdsa_adaptor_sign(b"\x05" * 32, digest, bytes(33))
    with pytest.raises(InvalidSecret):
        ecdsa_adaptor_sign(bytes(32), digest, key)
