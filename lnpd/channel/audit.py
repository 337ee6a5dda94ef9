"""Does an extension take more in a commitment than its updates were admitted for? (rule 6 of the extension contract)

Asked of every commitment before its signature leaves, or the peer's is held. What was admitted with each update stands
in the log (proposals.py), what each extension had in the last signed commitments stands in the channel. A provider that
takes more is at fault, whatever made it do so: its view, an update of somebody else, or nothing at all. Nothing is
signed then, and the channel is frozen.
"""

from collections.abc import Generator
from typing import Any

from lnpd_sdk.types import PARTIES, Party, other
from msgspec.structs import replace

from lnpd.channel import commitments
from lnpd.channel.queries import AccountsOf, Folds, ask
from lnpd.channel.state import Channel
from lnpd.channel.updates import NEXT, SIGNED, new_in, updates_in
from lnpd.errors import UnaskedDebit
from lnpd.tx.accounts import NOTHING, Account, check_account, lowest

Accounts = dict[str, Account]  # by extension
Auditing = Generator[Any, Any, Channel]  # Any: each reply is typed by its own query


def audited(channel: Channel, holder: Party, folds: Folds) -> Auditing:
    """The channel with the extensions' accounts in the holder's next commitment, on every funding.

    Raises UnaskedDebit, which names provider and commitment.
    """
    if not channel.extensions:
        return channel
    number = channel.numbers[holder] + 1
    found = yield from _found(channel, holder, number, (yield from commitments.next_point(channel, holder)), folds)
    mirrored = yield from _found(channel, other(holder), *(yield from _mirror(channel, holder)), folds)
    place = f"party {holder}'s commitment {number}"
    accounts = dict(channel.accounts)
    for name, account in found.items():
        before = accounts.get(name, (NOTHING, NOTHING))
        floor = sum((p.effect for p in new_in(channel, holder) if p.update.provider == name), before[holder])
        check_account(name, place, account, floor)
        if mirrored[name].net_msat != account.net_msat:
            raise UnaskedDebit(name, f"would not take the same from the parties in {place} if the other side held it.")
        reached = floor if _waits(channel, holder, name) else account
        accounts[name] = (reached, before[1]) if holder == 0 else (before[0], reached)
    return replace(channel, accounts=tuple(sorted(accounts.items())))


def check_base(channel: Channel) -> None:
    """What a close would pay out, once nothing is pending, is what the last commitments were held to (UnaskedDebit)."""
    moved = dict(channel.base.moved_msat)
    for name, accounts in channel.accounts:
        for holder in PARTIES:
            floor = replace(accounts[holder], net_msat=(0, 0), weight=0)
            check_account(name, "what is irrevocable", Account(moved.get(name, (0, 0))), floor)


def _mirror(channel: Channel, holder: Party) -> Generator[Any, Any, tuple[int, bytes]]:
    """Number and point of the other party's commitment that holds the same as the holder's next one: its last, if that
    does, so that a provider was asked about it already; else its next."""
    mirror = other(holder)
    if updates_in(channel, mirror, SIGNED) != updates_in(channel, holder, NEXT):
        return channel.numbers[mirror] + 1, (yield from commitments.next_point(channel, mirror))
    return channel.numbers[mirror], (yield from commitments.last_point(channel, mirror))


def _found(channel: Channel, holder: Party, number: int, point: bytes, folds: Folds) -> Generator[Any, Any, Accounts]:
    """Each extension's account in a holder's commitment: the worst of all fundings."""
    fundings = []
    for funding in channel.fundings:
        spec = commitments.specification(channel, holder, point, folds, funding, number)
        fundings.append(dict((yield from ask(AccountsOf(spec, folds.moved_msat)))))
    return {name: lowest(each[name] for each in fundings) for name in fundings[0]}


def _waits(channel: Channel, holder: Party, name: str) -> bool:
    """Whether updates of this extension are pending that are not in the holder's next commitment."""
    return any(p.update.provider == name and p.update.proposer == holder and p.stage < 2 for p in channel.log)
