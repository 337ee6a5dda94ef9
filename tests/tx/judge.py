"""A proposal, judged as a channel judges it: by the query that its driver answers."""

from collections.abc import Generator

from lnpd_sdk.types import PerParty, Update

from lnpd.channel.queries import JudgeProposal
from lnpd.tx.accounts import Account
from lnpd.tx.graph import CommitmentSpec, ProviderCall


def judged(
    before: CommitmentSpec,
    after: CommitmentSpec,
    update: Update,
    reserve_sat: PerParty,
    grant_msat: int | None = None,
    own_msat: int | None = None,
) -> Generator[ProviderCall, object, None]:
    """Raises what the update is refused with. Reserves count; the fee-spike buffer and a shutdown do not."""
    refused = yield from JudgeProposal(
        before,
        after,
        update,
        reserve_sat,
        grant_msat,
        strict=True,
        spike=False,
        shrink=False,
        own_msat=own_msat,
    ).calls()
    if not isinstance(refused, Account):
        raise refused
