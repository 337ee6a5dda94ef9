"""Do both parties derive the same keys for a commitment, each role from the right basepoint?"""

import pytest

from lnpd.crypto.keys import derive_public_key, derive_revocation_public_key
from lnpd.errors import InvalidPoint
from lnpd.tx.keys import commitment_keys
from tests.tx.bolt3 import BASEPOINTS, POINTS

POINT = POINTS["per_commitment"]


@pytest.mark.parametrize("holder", [0, 1])
def test_roles(holder: int) -> None:
    keys = commitment_keys(holder, BASEPOINTS, POINT)  # type: ignore[arg-type]
    own, theirs = BASEPOINTS[holder], BASEPOINTS[1 - holder]
    assert keys.per_commitment_point == POINT
    assert keys.revocation == derive_revocation_public_key(theirs.revocation_basepoint, POINT)
    assert keys.delayed == derive_public_key(own.delayed_payment_basepoint, POINT)
    assert keys.holder_htlc == derive_public_key(own.htlc_basepoint, POINT)
    assert keys.counterparty_htlc == derive_public_key(theirs.htlc_basepoint, POINT)
    assert keys.counterparty_payment == theirs.payment_basepoint
    assert (keys.holder_funding, keys.counterparty_funding) == (own.funding_key, theirs.funding_key)


def test_a_wrong_point() -> None:
    with pytest.raises(InvalidPoint):
        commitment_keys(0, BASEPOINTS, bytes(33))
