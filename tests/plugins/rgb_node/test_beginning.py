"""Does a channel with an asset begin only where everybody who has tokens has an output to hold them?"""

import asyncio
from pathlib import Path

import pytest
from lnpd_sdk.hooks import InitialStates

from lnpd.channel.state import Policy
from rgb_node.beginning import begun
from rgb_node.shelf import Funding, Outpoint, Shelf
from tests.plugins.rgb_node.stand_in import PEER, USDX, StandIn

# What an opener needs for a commitment with 16 HTLCs of its peer's, at the highest feerate.
LEAST_SAT = Policy().max_dust_limit_sat + (724 + 172 + 16 * 172) * 10


@pytest.mark.parametrize(("more_sat", "word"), [(0, ""), (-1, "its opener needs")])
def test_a_channel_begins_where_the_opener_has_an_output_whatever_its_peer_calls_dust(
    more_sat: int, word: str, tmp_path: Path
) -> None:
    """Which dust limit the peer has is told to no plugin: it may be the highest that lnpd grants."""

    async def main() -> None:
        node, shelf, outpoint = StandIn(), Shelf(tmp_path), Outpoint("ab" * 32, 0)
        funding_sat = LEAST_SAT + more_sat
        row = Funding(PEER, True, USDX, bytes(32), 0, 7, funding_sat)
        await shelf.put_funding(node, outpoint, row, b"")  # type: ignore[arg-type]
        terms = {"funding_sat": funding_sat, "push_msat": 0, "feerate_per_kw": 2_500}
        said = await begun(shelf, node, PEER, True, outpoint, terms)  # type: ignore[arg-type]
        assert isinstance(said, InitialStates) if not word else word in str(said)

    asyncio.run(main())
