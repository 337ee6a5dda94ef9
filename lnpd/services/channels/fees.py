"""How does a transaction that leaves a channel come to pay enough, and again enough as its deadline nears?

    a sweep, a penalty     from what it takes; where something is sealed in it, also from the wallet's coins
    an HTLC transaction    as it was signed (static_remotekey), or from the wallet's coins (anchors)
    our commitment         lnpd.services.channels.anchors

Each version of it is known to lnpd.services.channels.versions.
"""

import logging
from collections.abc import Collection, Sequence
from typing import Final

from msgspec.structs import replace

from lnpd.chain.interface import ChainBackend
from lnpd.channel.actions import Broadcast, Claim
from lnpd.channel.queries import Kept
from lnpd.channel.stakes import our_anchor, stake_in
from lnpd.errors import ClaimUneconomic, LnpdError
from lnpd.services.channels.anchors import WALLET_WEIGHT, Commitments
from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.channels.versions import Version, Versions, points_of
from lnpd.services.onchain import ChainWatcher, FeeWanted, FundingWallet, Outpoint
from lnpd.store.store import Store
from lnpd.tx import fees
from lnpd.tx.claims import Claimable
from lnpd.tx.feerates import RAMP_BLOCKS, Bid, Paid, Stake
from lnpd.tx.graph import Graph
from lnpd.tx.sweeps import bare_claim, make_claim, may_share, second_stage, second_stage_weight, sweep_weight
from lnpd.tx.transaction import Tx, TxOut

log = logging.getLogger("lnpd.channels")

SWEEP_WEIGHT = 4 * 41 + 160  # what it costs later to take a second stage's output home
SEALED_WORTH_SAT: Final = 20_000
"""What an output is taken to hold whose sealer says that something stands there beside the satoshi. A thief takes for
its own what is not worth our fee: what a revoked commitment moves must cost it more than a small output and a time of
high fees."""
SEALED_KEEPS_SAT: Final = 1_000  # what it comes home with pays for its next step


class FeePayer:
    """Completes broadcasts and claims at the feerate that is due."""

    def __init__(self, store: Store, backend: ChainBackend, watcher: ChainWatcher, wallet: FundingWallet) -> None:
        self._wallet = wallet
        self._versions = Versions(store, watcher, wallet)
        self._commitments = Commitments(backend, wallet, self._versions)

    async def commitment(self, driver: ChannelDriver, action: Broadcast) -> tuple[Tx, ...]:
        """See Commitments.complete."""
        return await self._commitments.complete(driver, action)

    async def answered(self, txids: Collection[bytes], taken: Collection[bytes]) -> None:
        """See Versions.answered."""
        await self._versions.answered(txids, taken)

    async def ended(self, owner: bytes, key: str) -> None:
        """See Versions.ended."""
        await self._versions.ended(owner, key)

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
        weight = sweep_weight(left, action.destination)
        version = Version(driver.channel.key, action.key, points_of(left), weight, spent)
        bid = await self._bid(driver, action, graph, left, version)
        feerate_per_kw = await self._versions.replacing(version, bid)
        if left[0].bears and not _pays_itself(left[0], weight, feerate_per_kw):
            try:
                return await self._beside_coins(driver, action, graph, left[0], version)
            except LnpdError as error:  # whatever keeps the coins back
                log.info("channel %s: %s pays its own fee: %s", driver.channel.key, action.key, error)
                feerate_per_kw = min(feerate_per_kw, _most_per_kw(left[0], weight, action.destination))
        made = make_claim(graph, left, action.destination, feerate_per_kw)
        if made.uneconomic:  # what is not worth its fee is in no version, and none is measured by it
            version = replace(version, points=points_of(made.inputs), weight=made.weight)
            feerate_per_kw = await self._versions.replacing(version, bid)
            made = make_claim(graph, made.inputs, action.destination, feerate_per_kw)
        self._versions.offer(version, made.tx.txid, Paid(points_of(made.inputs), made.fee_sat, made.weight))
        return await driver.fills.sweep(graph, made.tx, made.inputs, action.secret)

    async def _beside_coins(
        self, driver: ChannelDriver, action: Claim, graph: Graph, claim: Claimable, version: Version
    ) -> Tx:
        """The sweep of a sealed output whose fee the wallet pays. Raises what the wallet and the signer raise."""
        version = replace(version, weight=version.weight + WALLET_WEIGHT)
        bid = await self._bid(driver, action, graph, (claim,), version)
        wanted = FeeWanted(
            version.name,
            bare_claim(claim, action.destination, SEALED_KEEPS_SAT),
            (TxOut(claim.output.value_sat, claim.output.script_pubkey),),
            version.weight - WALLET_WEIGHT,
            await self._versions.replacing(version, bid),
            max_fee_sat=bid.most_sat,
        )
        paid = await self._wallet.pay_fee(wanted)
        self._versions.offer(version, paid.tx.txid, Paid(version.points, paid.fee_sat, paid.weight))
        return await driver.fills.sweep(graph, paid.tx, (claim,), action.secret, paid.coins)

    async def _stage(
        self, driver: ChannelDriver, action: Claim, kept: Kept, left: tuple[Claimable, ...], spent: frozenset[Outpoint]
    ) -> Tx:
        version = Version(driver.channel.key, action.key, points_of(left), _stage_weight(kept.graph, left), spent)
        bid = await self._bid(driver, action, kept.graph, left, version)
        rate = bid.feerate_per_kw
        left = tuple(c for c in left if c.output.value_sat > fees.fee_sat(c.weight + SWEEP_WEIGHT, rate))
        if not left:
            raise ClaimUneconomic(f"None of {len(action.claims)} HTLCs is worth the fee of its transaction.")
        version = replace(version, points=points_of(left), weight=_stage_weight(kept.graph, left))
        bid = await self._bid(driver, action, kept.graph, left, version)
        wanted = FeeWanted(
            version.name,
            second_stage(kept.graph, left),
            tuple(TxOut(each.output.value_sat, each.output.script_pubkey) for each in left),
            version.weight - WALLET_WEIGHT,
            await self._versions.replacing(version, bid),
            max_fee_sat=bid.most_sat,
        )
        paid = await self._wallet.pay_fee(wanted)
        self._versions.offer(version, paid.tx.txid, Paid(version.points, paid.fee_sat, paid.weight))
        return await driver.fills.second_stage(kept, paid.tx, left, paid.coins)

    async def _bid(
        self, driver: ChannelDriver, action: Claim, graph: Graph, left: Sequence[Claimable], version: Version
    ) -> Bid:
        """What these outputs are worth a confirmation now, less what was paid to bring their commitment in."""
        worth_sat = sum(map(_worth_sat, left))
        soon_height = action.deadline_height + RAMP_BLOCKS
        risk_sat = sum(_worth_sat(each) for each in left if 0 < each.rival_height <= soon_height)
        paid_sat, stake_sat = 0, stake_in(driver.channel, graph).stake_sat
        vout = our_anchor(graph, driver.channel.us)
        if vout is not None and stake_sat:
            paid_sat = await self._versions.paid_by_child(driver.channel.key, (graph.tx.txid, vout))
        stake = Stake(worth_sat, risk_sat, paid_sat=paid_sat * min(risk_sat, stake_sat) // max(1, stake_sat))
        return await self._versions.bid(version, stake, action.deadline_height)


def _stage_weight(graph: Graph, claims: Sequence[Claimable]) -> int:
    """What their HTLC transactions weigh together, with one coin of the wallet."""
    return second_stage_weight(second_stage(graph, claims), claims) + WALLET_WEIGHT


def _worth_sat(claim: Claimable) -> int:
    """What an output is worth, as far as a fee goes."""
    return claim.output.value_sat + (SEALED_WORTH_SAT if claim.bears else 0)


def _pays_itself(claim: Claimable, weight: int, feerate_per_kw: int) -> bool:
    return claim.output.value_sat - fees.fee_sat(weight, feerate_per_kw) >= SEALED_KEEPS_SAT


def _most_per_kw(claim: Claimable, weight: int, destination: bytes) -> int:
    """The highest feerate that a sweep of one output pays from it."""
    return 1000 * max(0, claim.output.value_sat - fees.dust_limit_sat(destination)) // weight
