"""How does a transaction that leaves a channel come to pay enough, and again enough as its deadline nears?

    a sweep, a penalty     from what it takes
    an HTLC transaction    as it was signed (static_remotekey), or from the wallet's coins (anchors)
    our commitment         by its own feerate, or by a child of our anchor that the wallet's coins pay

What the mempool took last is stored: a new version is made only where BIP 125 lets it replace the old one. What it
pays is lnpd.tx.feerates' to say.
"""

import logging
from collections.abc import Collection, Sequence
from functools import partial
from typing import NamedTuple

from lnpd.chain.interface import ChainBackend
from lnpd.chain.interface import Outpoint as ChainOutpoint
from lnpd.channel.actions import Broadcast, Claim
from lnpd.channel.queries import Kept
from lnpd.channel.stakes import our_anchor
from lnpd.errors import ClaimUneconomic, FeeTooHigh, InsufficientFunds
from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.onchain import ChainWatcher, FeeWanted, FundingWallet, Outpoint
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.tx import fees
from lnpd.tx.claims import Claimable
from lnpd.tx.feerates import Paid, estimate_blocks, least_per_kw, most_per_kw, most_sat, scheduled_per_kw
from lnpd.tx.graph import Graph
from lnpd.tx.sweeps import RBF_SEQUENCE, make_claim, may_share, second_stage, second_stage_weight, sweep_weight
from lnpd.tx.transaction import Tx, TxIn, TxOut, parse

log = logging.getLogger("lnpd.channels")

PAID = "onchain-paid"
WALLET_WEIGHT = 4 * 41 + 109 + 4 * 31  # one coin and the change
SWEEP_WEIGHT = 4 * 41 + 160  # what it costs later to take a second stage's output home


class Parent(NamedTuple):
    """A commitment for which a child of our anchor, its output `vout`, shall pay."""

    tx: Tx
    graph: Graph
    vout: int
    fee_sat: int


class FeePayer:
    """Completes broadcasts and claims at the feerate that is due."""

    def __init__(self, store: Store, backend: ChainBackend, watcher: ChainWatcher, wallet: FundingWallet) -> None:
        self._store, self._backend, self._watcher, self._wallet = store, backend, watcher, wallet
        self._offered: dict[bytes, tuple[bytes, Paid]] = {}  # by txid: whose it is, until the mempool has answered

    async def claim(self, driver: ChannelDriver, action: Claim, spent: frozenset[Outpoint]) -> Tx | None:
        """The transaction of a claim, less what others took; None if nothing is left. ClaimUneconomic."""
        left = tuple(each for each in action.claims if (each.txid, each.vout) not in spent)
        if not left:
            return None
        kept = await driver.fills.kept(driver.channel, action.commitment)
        if left[0].stage < 0:
            return await self._sweep(driver, action, kept.graph, left, spent)
        if may_share(kept.graph.children[left[0].stage]):
            return await self._stage(driver, action, kept, left, spent)
        return await driver.fills.second_stage(kept, second_stage(kept.graph, left), left)

    async def _sweep(
        self,
        driver: ChannelDriver,
        action: Claim,
        graph: Graph,
        left: tuple[Claimable, ...],
        spent: frozenset[Outpoint],
    ) -> Tx:
        stake_sat = sum(each.output.value_sat for each in left)
        weight = sweep_weight(left, action.destination)
        wanted = await self._scheduled(action.deadline_height, stake_sat, weight)
        feerate_per_kw = await self._replacing(driver, left, spent, weight, wanted, most_per_kw(stake_sat, weight))
        made = make_claim(graph, left, action.destination, feerate_per_kw)
        self._offer(driver, action.key, made.tx.txid, Paid(_points(made.inputs), made.fee_sat, made.weight))
        return await driver.fills.sweep(graph, made.tx, made.inputs, action.secret)

    async def _stage(
        self, driver: ChannelDriver, action: Claim, kept: Kept, left: tuple[Claimable, ...], spent: frozenset[Outpoint]
    ) -> Tx:
        stake_sat = sum(each.output.value_sat for each in left)
        weight = second_stage_weight(second_stage(kept.graph, left), left) + WALLET_WEIGHT
        wanted = await self._scheduled(action.deadline_height, stake_sat, weight)
        left = tuple(c for c in left if c.output.value_sat > fees.fee_sat(c.weight + SWEEP_WEIGHT, wanted))
        if not left:
            raise ClaimUneconomic(f"None of {len(action.claims)} HTLCs is worth the fee of its transaction.")
        base = second_stage(kept.graph, left)
        weight, stake_sat = second_stage_weight(base, left), sum(each.output.value_sat for each in left)
        whole, most = weight + WALLET_WEIGHT, most_per_kw(stake_sat, weight + WALLET_WEIGHT)
        feerate_per_kw = await self._replacing(driver, left, spent, whole, wanted, most)
        outputs = tuple(TxOut(each.output.value_sat, each.output.script_pubkey) for each in left)
        name, most_fee_sat = reference(driver, action.key), most_sat(stake_sat)
        paid = await self._wallet.pay_fee(
            FeeWanted(name, base, outputs, weight, feerate_per_kw, max_fee_sat=most_fee_sat)
        )
        self._offer(driver, action.key, paid.tx.txid, Paid(_points(left), paid.fee_sat, paid.weight))
        return await driver.fills.second_stage(kept, paid.tx, left)

    # Our commitment

    async def commitment(self, driver: ChannelDriver, action: Broadcast) -> tuple[Tx, ...]:
        """The transaction, with a child of our anchor if it does not pay enough by itself; or a child of the peer's
        commitment alone, if that is in the mempool and keeps ours out."""
        tx = await driver.fills.transaction(driver.channel, action)
        if action.anchor_vout is None:
            return (tx,)
        rival = await self._rival(driver, tx)
        parent = rival or await self._parent(driver, tx)
        if parent is None:
            return (tx,)
        package = parent.tx.weight + _anchor_weight(parent)
        wanted = max(
            await self._scheduled(0, action.ours_sat, package),
            await self._scheduled(action.deadline_height, action.stake_sat, package),
        )
        if 1000 * parent.fee_sat >= wanted * parent.tx.weight:
            return (tx,)
        try:
            child = await self._child(driver, action, parent, wanted)
        except (InsufficientFunds, FeeTooHigh) as error:
            text = "channel %s: its commitment pays %s sat, which is too little, and cannot be helped: %s"
            log.warning(text, driver.channel.key, parent.fee_sat, error)
            return (tx,)
        return (child,) if rival else (tx, child)

    async def _parent(self, driver: ChannelDriver, tx: Tx) -> Parent | None:
        """A commitment of either side with an anchor of ours."""
        graph = await driver.fills.commitment(tx.txid)
        vout = our_anchor(graph, driver.channel.us) if graph is not None else None
        if graph is None or vout is None:
            return None
        return Parent(tx, graph, vout, graph.funding.capacity_sat - sum(output.value_sat for output in tx.outputs))

    async def _rival(self, driver: ChannelDriver, ours: Tx) -> Parent | None:
        """The peer's commitment, if the mempool has it."""
        spent = ours.inputs[0]
        output = await self._backend.output(ChainOutpoint(spent.txid, spent.vout))
        if output is None or output.spent_by is None or output.spent_by == ours.txid:
            return None
        found = await self._backend.transaction(output.spent_by)
        return await self._parent(driver, parse(found.transaction)) if found is not None else None

    async def _child(self, driver: ChannelDriver, action: Broadcast, parent: Parent, wanted: int) -> Tx:
        claim, above = _anchor(parent), parent.tx.weight
        base = Tx((TxIn(parent.tx.txid, parent.vout, RBF_SEQUENCE),), ())
        # Miners count the package; a replacement is measured by the child alone (BIP 125).
        own = _anchor_weight(parent)
        alone = -(-(wanted * (own + above) - 1000 * parent.fee_sat) // own)
        alone = await self._replacing(driver, (claim,), frozenset(), own, alone, alone)
        package_per_kw = -(-(alone * own + 1000 * parent.fee_sat) // (own + above))
        output = TxOut(claim.output.value_sat, claim.output.script_pubkey)
        name, most_fee_sat = reference(driver, action.key), most_sat(max(action.ours_sat, action.stake_sat))
        paid = await self._wallet.pay_fee(
            FeeWanted(name, base, (output,), own - WALLET_WEIGHT, package_per_kw, above, parent.fee_sat, most_fee_sat)
        )
        self._offer(driver, action.key, paid.tx.txid, Paid(_points((claim,)), paid.fee_sat, paid.weight))
        return await driver.fills.sweep(parent.graph, paid.tx, (claim,))

    # Feerates, and what was paid before

    async def _scheduled(self, deadline_height: int, stake_sat: int, weight: int) -> int:
        blocks_left = deadline_height - self._watcher.height if deadline_height else None
        estimate_per_kw = await self._watcher.feerate(estimate_blocks(blocks_left))
        return scheduled_per_kw(blocks_left, stake_sat, weight, estimate_per_kw)

    async def _replacing(
        self,
        driver: ChannelDriver,
        claims: Sequence[Claimable],
        spent: frozenset[Outpoint],
        weight: int,
        wanted: int,
        most: int,
    ) -> int:
        """The feerate: what is wanted if it may replace what is there; else that of what is there, or, where that has
        other inputs and has to go, the least that replaces it.

        What shared a `spent` output is there no more. Where the least is more than `most`, what is wanted is tried: it
        is taken if what is there was forgotten by the mempool, or as soon as another version of ours replaced it.
        """
        points = set(_points(claims))
        rivals = [
            paid
            for paid in (await self._paid(driver)).values()
            if points & set(paid.inputs) and not spent & set(paid.inputs)
        ]
        least = least_per_kw(rivals, weight)
        if wanted >= least:
            return wanted
        if len(rivals) == 1 and set(rivals[0].inputs) == points:
            return rivals[0].feerate_per_kw
        return least if least <= most else wanted

    async def _paid(self, driver: ChannelDriver) -> dict[bytes, Paid]:
        return await self._store.read(lambda read: _all_paid(read, _prefix(driver.channel.key)))

    def _offer(self, driver: ChannelDriver, key: str, txid: bytes, paid: Paid) -> None:
        self._offered[txid] = (_prefix(driver.channel.key) + key.encode(), paid)

    async def answered(self, txids: Collection[bytes], taken: Collection[bytes]) -> None:
        """The mempool was offered these, and `taken` of them are in it: each is all that is out there of its inputs.

        Of one that was refused nothing is remembered: what it was to replace is still there.
        """
        offered = [(txid, self._offered.pop(txid)) for txid in txids if txid in self._offered]
        for txid, _ in offered:
            await self._wallet.fee_answered(txid, txid in taken)
        for name, paid in [each for txid, each in offered if txid in taken]:
            if await self._store.read(lambda read, name=name: read.value(PAID, name)) != encode(paid):  # type: ignore[misc]  # mypy: a default argument
                await self._store.write(partial(_remember, name=name, paid=paid))

    @staticmethod
    def forget(write: Write, owner: bytes) -> None:
        """The channel is closed for good."""
        for key, _ in write.values(PAID, owner + b"/"):
            write.delete_value(PAID, key)

    async def ended(self, owner: bytes, key: str) -> None:
        """All that a broadcast spends was spent some blocks ago: coins that wait to pay for it are free."""
        await self._wallet.give_back(f"{owner.decode()}/{key}")


def _anchor(parent: Parent) -> Claimable:
    anchor = parent.graph.outputs[parent.vout]
    path = next(path for path in anchor.paths if path.name == "owner")
    return Claimable(parent.tx.txid, parent.vout, anchor, path)


def _anchor_weight(parent: Parent) -> int:
    """What a child of the anchor weighs with one coin of the wallet."""
    return fees.transaction_weight(_anchor(parent).weight, 1, ()) + WALLET_WEIGHT


def reference(driver: ChannelDriver, key: str) -> str:
    """How the wallet calls the versions of a transaction."""
    return f"{driver.channel.key}/{key}"


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


def _points(claims: Sequence[Claimable]) -> tuple[Outpoint, ...]:
    return tuple((each.txid, each.vout) for each in claims)
