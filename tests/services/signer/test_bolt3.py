"""Does the real signer make BOLT 3's published signatures, commitments and HTLC transactions alike?"""

import asyncio
from typing import Any

import pytest

from lnpd.crypto.hd import ChannelBasepoints, ChannelIndex, Master
from lnpd.crypto.secp import from_der, public_key
from lnpd.errors import SignerRefused
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY
from lnpd.services.interfaces import SignerChannel
from lnpd.services.signer.keys import FixedChannelSecrets, Keys, Overrides
from lnpd.services.signer.service import KeySigner
from lnpd.services.signer.state import ChannelState, FundingState, name_row, state_row, terms_row
from tests.tx.bolt3 import BASEPOINTS, FUNDING, SECRETS, graph_of, of_case
from tests.vectors import load

INDEX = ChannelIndex(1, 2, 3)
ABSURD_PER_KW = 1_000_000
REVEALED = b"\x28" * 32  # the opener's secret of commitment 40, which the vectors do not tell


def acceptor(case: dict[str, Any]) -> KeySigner:
    """The acceptor's signer, as it stands before the opener's commitment 42."""
    fixed = FixedChannelSecrets(
        SECRETS["acceptor_funding"],
        SECRETS["acceptor_revocation"],
        SECRETS["acceptor_payment"],
        SECRETS["acceptor_delayed"],
        SECRETS["acceptor_payment"],
        b"\x77" * 32,
    )
    keys = Keys(Master.from_seed(b"\x01" * 32, 1), Overrides(b"", fixed))
    opener = BASEPOINTS[0]
    theirs = ChannelBasepoints(
        funding_pubkey=opener.funding_key,
        revocation_basepoint=opener.revocation_basepoint,
        payment_basepoint=opener.payment_basepoint,
        delayed_payment_basepoint=opener.delayed_payment_basepoint,
        htlc_basepoint=opener.htlc_basepoint,
        first_per_commitment_point=public_key(b"\x29" * 32),
    )
    channel = SignerChannel(
        index=INDEX,
        us=1,
        type=ANCHORS_ZERO_FEE_HTLC_TX if case["option_anchors"] else STATIC_REMOTEKEY,
        publics=(theirs, keys.channel(INDEX).publics),
        dust_limit_sat=(case["local_dust_limit_satoshi"], 546),
        to_self_delay=(144, 144),
        reserve_sat=(0, 0),
        funding=FUNDING,
    )
    points = ((40, public_key(REVEALED)), (41, public_key(b"\x29" * 32)))
    state = ChannelState((FundingState(FUNDING, held=41),), released=41, signed=41, points=points)
    signer = KeySigner(keys, (name_row(INDEX, "bolt3"), terms_row(channel), state_row(INDEX, state)))
    asyncio.run(signer.resume_channel(INDEX, 41, 41))
    return signer


def test_the_published_signatures_of_25_commitments_and_their_htlc_transactions() -> None:
    vectors = load("bolt3-commitments.json")
    cases = [*vectors["cases"], *vectors["anchor_cases"]]
    children, absurd = 0, 0
    for case in cases:
        signer, graph = acceptor(case), graph_of(of_case(case))

        async def sign(signer: KeySigner = signer, graph: Any = graph) -> Any:
            await signer.prepare_commitment(INDEX, graph, REVEALED)
            return await signer.sign_commitment(INDEX, graph)

        if case["local_feerate_per_kw"] > ABSURD_PER_KW:  # the pipeline builds it; no signer of ours pays it
            with pytest.raises(SignerRefused, match="feerate"):
                asyncio.run(sign())
            absurd += 1
            continue
        signatures = asyncio.run(sign())
        assert signatures.commitment == from_der(bytes.fromhex(case["remote_signature"])), case["name"]
        published = [bytes.fromhex(each["remote_htlc_signature"]) for each in case["htlc_txs"]]
        assert list(signatures.children) == [from_der(each) for each in published], case["name"]
        children += len(published)
    assert (len(cases), absurd, children) == (25, 4, 48)
    print(
        f"bolt3-commitments.json: the signer's signatures of {len(cases) - absurd} commitments and {children} HTLC"
        f" transactions; {absurd} commitments refused for their feerate"
    )
