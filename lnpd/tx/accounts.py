"""What has an extension done to the two parties' money in a commitment, and was it allowed to? (rule 6)

An account is what one provider comes to in one commitment. The difference that an update makes to it is judged when the
update is proposed, and is what its proposer agreed to. So the account in the next commitment may be as low as the last
signed one's and the differences of the updates that are new in it, and no lower: a provider that takes more does so
without an update, or by somebody else's, and nothing is signed.
"""

from collections.abc import Iterable

import msgspec
from lnpd_sdk.types import PARTIES, PerParty

from lnpd.errors import UnaskedDebit
from lnpd.tx import checks
from lnpd.tx.tally import Tally


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By party, in msat: what a provider's updates moved to a balance in all, and that less what its outputs debit.
    `weight` is what the opener pays a fee for; a data carrier's was agreed with the channel type and is not counted."""

    moved_msat: PerParty = (0, 0)
    net_msat: PerParty = (0, 0)
    weight: int = 0

    def __add__(self, more: "Account") -> "Account":
        return Account(
            (self.moved_msat[0] + more.moved_msat[0], self.moved_msat[1] + more.moved_msat[1]),
            (self.net_msat[0] + more.net_msat[0], self.net_msat[1] + more.net_msat[1]),
            self.weight + more.weight,
        )

    def __sub__(self, less: "Account") -> "Account":
        return Account(
            (self.moved_msat[0] - less.moved_msat[0], self.moved_msat[1] - less.moved_msat[1]),
            (self.net_msat[0] - less.net_msat[0], self.net_msat[1] - less.net_msat[1]),
            self.weight - less.weight,
        )


NOTHING = Account()


def account_of(tally: Tally, moved_msat: PerParty) -> Account:
    """The account of a provider with these outputs, trimmed ones too: what they debit is gone from the balances."""
    net_msat = (moved_msat[0] - tally.debits_msat[0], moved_msat[1] - tally.debits_msat[1])
    weight = sum([checks.spec_weight(each) for each in tally.specs if each.trim != "never"])
    return Account(moved_msat, net_msat, weight)


def lowest(accounts: Iterable[Account]) -> Account:
    """In each respect the worst of these for the parties."""
    each = tuple(accounts)
    return Account(
        (min(a.moved_msat[0] for a in each), min(a.moved_msat[1] for a in each)),
        (min(a.net_msat[0] for a in each), min(a.net_msat[1] for a in each)),
        max(a.weight for a in each),
    )


def check_account(provider: str, place: str, account: Account, floor: Account) -> None:
    """Raises UnaskedDebit where an account is lower than its floor; `place` says in which commitment."""
    for party in PARTIES:
        taken = max(
            floor.net_msat[party] - account.net_msat[party], floor.moved_msat[party] - account.moved_msat[party]
        )
        if taken > 0:
            raise UnaskedDebit(
                provider, f"takes {taken} msat of party {party} in {place}, and no update of that party's allows it."
            )
    if account.weight > floor.weight:
        raise UnaskedDebit(
            provider, f"adds {account.weight - floor.weight} weight units to {place}, and no update of its own does."
        )
