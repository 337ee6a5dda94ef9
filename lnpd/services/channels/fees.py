"""How does a transaction that leaves a channel come to pay enough, and again enough as its deadline nears?

    a sweep, a penalty     from what it takes
    an HTLC transaction    as it was signed (static_remotekey), or from the wallet's coins (anchors)
    our commitment         by its own feerate, or by a child of our anchor that the wallet's coins pay

What was broadcast last is stored: a new version is made only where BIP 125 lets it replace the old one. What it pays
is lnpd.tx.feerates' to say.
"""

import logging
from collections.abc import Sequence

from lnpd.channel.actions import Broadcast, Claim
from lnpd.channel.queries import Kept, commitment_key
from lnpd.errors import ClaimUneconomic, InsufficientFunds
from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.onchain import ChainWatcher, FeeWanted, FundingWallet, Outpoint
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.tx import fees
from lnpd.tx.claims import Claimable
from lnpd.tx.feerates import Paid, estimate_blocks, least_per_kw, scheduled_per_kw
from lnpd.tx.graph import Graph
from lnpd.tx.sweeps import RBF_SEQUENCE, make_claim, may_share, second_stage, second_stage_weight, sweep_weight
from lnpd.tx.transaction import Tx, TxIn, TxOut

log = logging.getLogger("lnpd.channels")

PAID = "onchain-paid"
WALLET_WEIGHT = 4 * 41 + 109 + 4 * 31  # one coin and the change
SWEEP_WEIGHT = 4 * 41 + 160  # what it costs later to take a second stage's output home


class FeePayer:
    """Completes broadcasts and claims at the feerate that is due."""

    def __init__(self, store: Store, watcher: ChainWatcher, wallet: FundingWallet) -> None:
        self._store, self._watcher, self._wallet = store, watcher, wallet

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
        feerate_per_kw = await self._replacing(driver, left, spent, weight, wanted)
        made = make_claim(graph, left, action.destination, feerate_per_kw)
        await self._remember(driver, action.key, Paid(_points(made.inputs), made.fee_sat, made.weight))
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
        weight = second_stage_weight(base, left)
        feerate_per_kw = await self._replacing(driver, left, spent, weight + WALLET_WEIGHT, wanted)
        outputs = tuple(TxOut(each.output.value_sat, each.output.script_pubkey) for each in left)
        paid = await self._wallet.pay_fee(
            FeeWanted(reference(driver, action.key), base, outputs, weight, feerate_per_kw)
        )
        await self._remember(driver, action.key, Paid(_points(left), paid.fee_sat, paid.weight))
        return await driver.fills.second_stage(kept, paid.tx, left)

    # Our commitment

    async def commitment(self, driver: ChannelDriver, action: Broadcast) -> tuple[Tx, ...]:
        """The transaction; with a child of our anchor if it does not pay enough by itself."""
        tx = await driver.fills.transaction(driver.channel, action)
        funding = next((f for f in driver.channel.fundings if tx.inputs[0].txid == f.txid), None)
        if action.anchor_vout is None or funding is None:
            return (tx,)
        channel = driver.channel
        kept = await driver.fills.kept(channel, commitment_key(funding.txid, channel.us, channel.numbers[channel.us]))
        parent_sat = funding.capacity_sat - sum(output.value_sat for output in tx.outputs)
        wanted = await self._scheduled(action.deadline_height, action.stake_sat, tx.weight)
        if 1000 * parent_sat >= wanted * tx.weight:
            return (tx,)
        try:
            return tx, await self._child(driver, action, kept.graph, tx, wanted, parent_sat)
        except InsufficientFunds as error:
            log.warning(
                "channel %s: its commitment pays %s sat and cannot be helped: %s", channel.key, parent_sat, error
            )
            return (tx,)

    async def _child(
        self, driver: ChannelDriver, action: Broadcast, graph: Graph, parent: Tx, wanted: int, parent_sat: int
    ) -> Tx:
        assert action.anchor_vout is not None
        anchor = graph.outputs[action.anchor_vout]
        path = next(path for path in anchor.paths if path.name == "owner")
        claim = Claimable(parent.txid, action.anchor_vout, anchor, path)
        base = Tx((TxIn(parent.txid, action.anchor_vout, RBF_SEQUENCE),), ())
        weight = fees.transaction_weight(claim.weight, 1, ())
        own = weight + WALLET_WEIGHT
        # The whole package counts for a miner, but a replacement is measured by the child alone (BIP 125).
        alone = -(-(wanted * (own + parent.weight) - 1000 * parent_sat) // own)
        least = await self._replacing(driver, (claim,), frozenset(), own, alone)
        package_per_kw = (least * own + 1000 * parent_sat) // (own + parent.weight)
        paid = await self._wallet.pay_fee(
            FeeWanted(
                reference(driver, action.key),
                base,
                (TxOut(anchor.value_sat, anchor.script_pubkey),),
                weight,
                package_per_kw,
                parent.weight,
                parent_sat,
            )
        )
        await self._remember(driver, action.key, Paid(_points((claim,)), paid.fee_sat, paid.weight))
        return await driver.fills.sweep(graph, paid.tx, (claim,))

    # Feerates, and what was paid before

    async def _scheduled(self, deadline_height: int, stake_sat: int, weight: int) -> int:
        blocks_left = deadline_height - self._watcher.height if deadline_height else None
        estimate_per_kw = await self._watcher.feerate(estimate_blocks(blocks_left))
        return scheduled_per_kw(blocks_left, stake_sat, weight, estimate_per_kw)

    async def _replacing(
        self, driver: ChannelDriver, claims: Sequence[Claimable], spent: frozenset[Outpoint], weight: int, wanted: int
    ) -> int:
        """The feerate: what is wanted if it may replace what is there; else that of what is there, or, where that has
        other inputs and has to go, the least that replaces it. What shared a `spent` output is there no more."""
        points = set(_points(claims))
        rivals = [
            paid
            for paid in (await self._paid(driver)).values()
            if points & set(paid.inputs) and not spent & set(paid.inputs)
        ]
        least = least_per_kw(rivals, weight)
        if wanted >= least:
            return wanted
        same = len(rivals) == 1 and set(rivals[0].inputs) == points
        return rivals[0].feerate_per_kw if same else least

    async def _paid(self, driver: ChannelDriver) -> dict[bytes, Paid]:
        prefix = _prefix(driver)

        def read_all(read: Read) -> dict[bytes, Paid]:
            return {key: decode(value, Paid, table=PAID, key=key) for key, value in read.values(PAID, prefix)}

        return await self._store.read(read_all)

    async def _remember(self, driver: ChannelDriver, key: str, paid: Paid) -> None:
        """What goes out now is all that is out there of these inputs."""
        name, points = _prefix(driver) + key.encode(), set(paid.inputs)
        known = await self._paid(driver)
        if known.get(name) == paid:
            return
        gone = [each for each, other in known.items() if each != name and points & set(other.inputs)]

        def write_it(write: Write) -> None:
            for each in gone:
                write.delete_value(PAID, each)
            write.put_value(PAID, name, encode(paid))

        await self._store.write(write_it)

    @staticmethod
    def forget(write: Write, owner: bytes) -> None:
        """The channel is closed for good."""
        for key, _ in write.values(PAID, owner + b"/"):
            write.delete_value(PAID, key)

    async def ended(self, owner: bytes, key: str) -> None:
        """All that a broadcast spends was spent some blocks ago: coins that wait to pay for it are free."""
        await self._wallet.give_back(f"{owner.decode()}/{key}")


def reference(driver: ChannelDriver, key: str) -> str:
    """How the wallet calls the versions of a transaction."""
    return f"{driver.channel.key}/{key}"


def _prefix(driver: ChannelDriver) -> bytes:
    return driver.channel.key.encode() + b"/"


def _points(claims: Sequence[Claimable]) -> tuple[Outpoint, ...]:
    return tuple((each.txid, each.vout) for each in claims)
