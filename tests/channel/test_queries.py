"""Does every query of providers say which calls answer it?"""

from lnpd.channel import feerates, queries
from lnpd.channel.queries import ProviderQuery


def test_every_query_of_providers_has_its_calls() -> None:
    found = ProviderQuery.__subclasses__()
    assert {queries.FoldUpdates, queries.BuildCommitment, feerates.AffordedFeerate} <= set(found)
    for each in found:
        assert each.calls is not ProviderQuery.calls, f"{each.__name__} leaves its calls open"
