"""What does the next version of a transaction pay, given its deadline and what of ours the mempool has already?

What the mempool took last is stored: a new version is made only where BIP 125 lets it replace the old one. What it
offers is lnpd.tx.feerates' to say. Since when it is tried is not stored: a node that was away rises anew, and faster.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import partial

import msgspec

from lnpd.services.onchain import ChainWatcher, FundingWallet, Outpoint
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.tx.claims import Claimable
from lnpd.tx.feerates import Bid, Paid, Stake, estimate_blocks, least_per_kw, scheduled

PAID = "onchain-paid"
COMMITMENT = "commitment/"  # how the keys of commitments, and of their children, begin


class Version(msgspec.Struct, frozen=True):
    """One to be made of a channel's transaction `key`: which outputs it takes, and what it weighs at most.

    What shared a `spent` output with it is in the mempool no more.
    """

    channel: str
    key: str
    points: tuple[Outpoint, ...]
    weight: int
    spent: frozenset[Outpoint] = frozenset()

    @property
    def name(self) -> str:
        """How the wallet calls all versions of it."""
        return f"{self.channel}/{self.key}"


class Versions:
    """The versions of all channels' transactions."""

    def __init__(self, store: Store, watcher: ChainWatcher, wallet: FundingWallet) -> None:
        self._store, self._watcher, self._wallet = store, watcher, wallet
        self._since: dict[str, int] = {}  # by name: the height of the first attempt
        self._offered: dict[bytes, tuple[bytes, Paid]] = {}  # by txid: whose it is, until the mempool has answered

    async def bid(self, version: Version, stake: Stake, deadline_height: int) -> Bid:
        """What it offers today; a deadline of 0 is none."""
        return await self.highest_bid(version, ((stake, deadline_height),))

    async def highest_bid(self, version: Version, stakes: Iterable[tuple[Stake, int]]) -> Bid:
        """The same, where each of several deadlines has its own stake."""
        height = self._watcher.height
        waited = height - self._since.setdefault(version.name, height)
        estimates, bids = dict[int, int](), []
        for stake, deadline_height in stakes:
            blocks_left = deadline_height - height if deadline_height else None
            blocks = estimate_blocks(blocks_left)
            if blocks not in estimates:
                estimates[blocks] = await self._watcher.feerate(blocks)
            now = msgspec.structs.replace(stake, blocks_left=blocks_left, waited_blocks=waited)
            bids.append(scheduled(now, version.weight, estimates[blocks]))
        return max(bids, key=lambda bid: (bid.feerate_per_kw, bid.most_sat))

    async def replacing(self, version: Version, bid: Bid) -> int:
        """The feerate: what is offered if it may replace what is there; else that of what is there, or, where that has
        other inputs and has to go, the least that replaces it.

        Where the least is more than the bid allows, what is offered is tried: it is taken if what is there was
        forgotten by the mempool, or as soon as another version of ours replaced it.
        """
        points = set(version.points)
        rivals = [
            paid
            for paid in (await self._out_there(version.channel)).values()
            if points & set(paid.inputs) and not version.spent & set(paid.inputs)
        ]
        least = least_per_kw(rivals, version.weight)
        if bid.feerate_per_kw >= least:
            return bid.feerate_per_kw
        if len(rivals) == 1 and set(rivals[0].inputs) == points:
            return rivals[0].feerate_per_kw
        return least if least * version.weight <= 1000 * bid.most_sat else bid.feerate_per_kw

    async def paid_by_child(self, channel: str, anchor: Outpoint) -> int:
        """What the child of a commitment's anchor pays, or paid; 0 if there is none."""
        found = await self._paid(channel)
        prefix = _prefix(channel) + COMMITMENT.encode()
        return sum(paid.fee_sat for name, paid in found.items() if name.startswith(prefix) and anchor in paid.inputs)

    async def _out_there(self, channel: str) -> dict[bytes, Paid]:
        """What the mempool took last, and what it is just being asked to take: a block may come in between."""
        prefix = _prefix(channel)
        asked = {name: paid for name, paid in self._offered.values() if name.startswith(prefix)}
        return {**await self._paid(channel), **asked}

    async def _paid(self, channel: str) -> dict[bytes, Paid]:
        return await self._store.read(lambda read: _all_paid(read, _prefix(channel)))

    def offer(self, version: Version, txid: bytes, paid: Paid) -> None:
        """It is about to be offered to the mempool."""
        self._offered[txid] = (version.name.encode(), paid)

    async def answered(self, txids: Collection[bytes], taken: Collection[bytes]) -> None:
        """The mempool was offered these, and `taken` of them are in it: each is all that is out there of its inputs.

        Of one that was refused nothing is remembered: what it was to replace is still there.
        """
        offered = [(txid, self._offered[txid]) for txid in txids if txid in self._offered]
        for txid, (name, paid) in offered:
            await self._wallet.fee_answered(txid, txid in taken)
            if txid in taken and await self._store.read(lambda read, name=name: read.value(PAID, name)) != encode(paid):  # type: ignore[misc]  # mypy: a default argument
                await self._store.write(partial(_remember, name=name, paid=paid))
            self._offered.pop(txid, None)

    async def ended(self, owner: bytes, key: str) -> None:
        """All that a broadcast spends was spent some blocks ago: coins that wait to pay for it are free."""
        name = f"{owner.decode()}/{key}"
        self._since.pop(name, None)
        await self._wallet.give_back(name)


def forget(write: Write, owner: bytes) -> None:
    """The channel is closed for good."""
    for key, _ in write.values(PAID, owner + b"/"):
        write.delete_value(PAID, key)


def points_of(claims: Sequence[Claimable]) -> tuple[Outpoint, ...]:
    """Which outputs are claimed."""
    return tuple((each.txid, each.vout) for each in claims)


def _prefix(channel: str) -> bytes:
    return channel.encode() + b"/"


def _all_paid(read: Read, prefix: bytes) -> dict[bytes, Paid]:
    return {key: decode(value, Paid, table=PAID, key=key) for key, value in read.values(PAID, prefix)}


def _remember(write: Write, name: bytes, paid: Paid) -> None:
    points = set(paid.inputs)
    for each, other in _all_paid(write, name.partition(b"/")[0] + b"/").items():
        if each != name and points & set(other.inputs):
            write.delete_value(PAID, each)
    write.put_value(PAID, name, encode(paid))
