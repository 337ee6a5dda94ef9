"""Are the keys of a commitment those of BOLT 3, appendix E, and do both sides of each agree?"""

from hypothesis import given
from hypothesis import strategies as st

from lnpd.crypto import keys, secp
from tests.vectors import load

BASE_SECRET = bytes(range(32))
PER_COMMITMENT_SECRET = bytes(reversed(range(32)))
BASEPOINT, PER_COMMITMENT_POINT = secp.public_key(BASE_SECRET), secp.public_key(PER_COMMITMENT_SECRET)

DERIVED = {
    "localpubkey": keys.derive_public_key(BASEPOINT, PER_COMMITMENT_POINT),
    "localprivkey": keys.derive_secret(BASE_SECRET, PER_COMMITMENT_POINT),
    "revocationpubkey": keys.derive_revocation_public_key(BASEPOINT, PER_COMMITMENT_POINT),
    "revocationprivkey": keys.derive_revocation_secret(BASE_SECRET, PER_COMMITMENT_SECRET),
}

secrets = st.integers(1, secp.ORDER - 1).map(lambda number: number.to_bytes(32, "big"))


def test_two_figures_of_appendix_e() -> None:
    assert DERIVED["localpubkey"].hex() == "0235f2dbfaa89b57ec7b055afe29849ef7ddfeb1cefdb9ebdc43f5494984db29e5"
    assert DERIVED["revocationpubkey"].hex() == "02916e326636d19c33f13e8c0c3a03dd157f332f3e99c317c141dd865eb01f8ff0"


def test_every_derivation_of_appendix_e() -> None:
    vectors = load("bolt3-keys.json")["key_derivation"]
    inputs = {name: bytes.fromhex(value) for name, value in vectors["inputs"].items()}
    assert inputs == {
        "base_secret": BASE_SECRET,
        "per_commitment_secret": PER_COMMITMENT_SECRET,
        "base_point": BASEPOINT,
        "per_commitment_point": PER_COMMITMENT_POINT,
    }
    checked = 0
    for case in vectors["cases"]:
        (expected,) = {name: value for name, value in case.items() if name != "name"}.items()
        assert DERIVED[expected[0]].hex() == expected[1], case["name"]
        checked += 1
    print(f"bolt3-keys.json: {checked} derivations")
    assert checked == 4


@given(secrets, secrets)
def test_secrets_belong_to_the_derived_points(base_secret: bytes, per_commitment_secret: bytes) -> None:
    basepoint, point = secp.public_key(base_secret), secp.public_key(per_commitment_secret)
    assert secp.public_key(keys.derive_secret(base_secret, point)) == keys.derive_public_key(basepoint, point)
    revocation_secret = keys.derive_revocation_secret(base_secret, per_commitment_secret)
    assert secp.public_key(revocation_secret) == keys.derive_revocation_public_key(basepoint, point)
