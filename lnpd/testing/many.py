"""How does a data directory get many channels at once, for a screen or a measurement?

    python -m lnpd.testing.many DIRECTORY 300
    lnpd --directory DIRECTORY --plain-seed --listen 127.0.0.1:0

Nothing is left out but the wire: the keys are those of seeds, the fundings are mined on the directory's own embedded
chain, each commitment is built, signed by the peer's signer and held by ours (made.py), and `lnp check` finds nothing
wrong. The peers are nowhere to be reached. A directory is filled once.
"""

import asyncio
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

from lnpd_sdk.types import Htlc

from lnpd.chain.embedded import EmbeddedChain
from lnpd.chain.interface import BlockRef, Output
from lnpd.chain.kernel import ANYONE, ANYONE_SCRIPT
from lnpd.crypto.hd import TEST_COIN
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY
from lnpd.services.channels.service import TURN, TURNS
from lnpd.services.interfaces import ChannelIndex
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.seed import create_seed, open_seed, seed_from_entropy
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.testing.made import Made, Plan, Side
from lnpd.tx.transaction import Tx, TxIn, TxOut

NETWORK: Final = "regtest"
DEPTH: Final = 6
AT_ONCE: Final = 500  # fundings of a block
FEE_SAT: Final = 500  # of a funding transaction
CAPACITIES_SAT: Final = (200_000, 500_000, 1_000_000, 2_500_000, 5_000_000)
SHARES: Final = (0.5, 0.05, 0.95, 0.3, 0.72, 1.0, 0.0)  # of the capacity that is ours, as far as reserves allow
EXPIRY_HEIGHT: Final = 100_000  # of an HTLC: nothing is due as long as somebody looks


def entropy(what: str) -> bytes:
    """16 bytes that are the same each time."""
    return sha256(f"lnpd.testing {what}".encode()).digest()[:16]


def plan(number: int) -> Plan:
    """What channel `number` is like: each has its size, its share and its HTLCs."""
    random = Random(number)  # noqa: S311  # it draws sizes, no secrets
    capacity_sat = CAPACITIES_SAT[number % len(CAPACITIES_SAT)]
    reserve_msat = 40 * capacity_sat  # more than both sides have to keep, and the opener's fee
    share = SHARES[number % len(SHARES)]
    ours_msat = round(reserve_msat + share * (1000 * capacity_sat - 2 * reserve_msat))
    htlcs: list[Htlc] = []
    for turn in range(random.choice((0, 0, 0, 1, 3)) if 0 < share < 1 else 0):
        offerer = random.randrange(2)
        payment_hash = sha256(f"lnpd.testing {number} {turn}".encode()).digest()
        identity = sum(htlc.offerer == offerer for htlc in htlcs)
        free_msat = (ours_msat if offerer == 0 else 1000 * capacity_sat - ours_msat) - reserve_msat
        amount_msat = 200_000 if turn == 2 else free_msat * random.randrange(5, 33) // 100  # one is dust
        htlcs.append(Htlc(offerer, identity, amount_msat, payment_hash, EXPIRY_HEIGHT + number))  # type: ignore[arg-type]  # of a range
    kind = STATIC_REMOTEKEY if number % 7 == 3 else ANCHORS_ZERO_FEE_HTLC_TX
    return Plan(number, capacity_sat, ours_msat, number % 3 == 1, kind, tuple(htlcs))


async def many(directory: Path, count: int) -> tuple[str, ...]:
    """Fills a data directory with channels; their ids in the order of their numbers."""
    us = Side(_keys(directory))
    peers = [Side(Keys(seed_from_entropy(entropy(f"peer {n}")).master(TEST_COIN))) for n in range((2 * count + 2) // 3)]
    made = []
    for number in range(count):
        index = ChannelIndex.drawn(sha256(entropy(f"index {number}")).digest()[:8], (number + 1) % TURNS)
        made.append(await Made.begun(plan(number), us, peers[number % len(peers)], index))
    store = Store.open(directory, NETWORK)
    chain = await EmbeddedChain.open(directory / "chain")
    try:
        for first in range(0, count, AT_ONCE):
            await _funded(chain, made[first : first + AT_ONCE])
        await chain.mine(DEPTH)
        tip = await chain.best_block()
        for each in made:
            await each.signed()
        await store.write(lambda write: _put(write, made, tip))
    finally:
        await chain.close()
        await store.close()
    return tuple(each.channel.id.hex() for each in made)


def _keys(directory: Path) -> Keys:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    seed_path = directory / "seed"
    if not seed_path.exists():
        create_seed(seed_path, seed_from_entropy(entropy("us")), None, plain=True)
    return Keys(open_seed(seed_path, None, plain=True).master(TEST_COIN))


async def _funded(chain: EmbeddedChain, made: Sequence[Made]) -> None:
    """Mines a coin for each in one transaction, and a block in which each funding spends its own."""
    coin = max((c for c in await chain.unspent(ANYONE_SCRIPT) if _is_mature(c)), key=lambda coin: coin.value_sat)
    values_sat = [each.plan.capacity_sat + FEE_SAT for each in made]
    left_sat = coin.value_sat - sum(values_sat) - FEE_SAT * len(made)
    source = TxIn(coin.outpoint.txid, coin.outpoint.index, witness=(ANYONE,))
    split = Tx((source,), tuple(TxOut(value_sat, ANYONE_SCRIPT) for value_sat in (*values_sat, left_sat)))
    await chain.mine_only((split.serialise(),))
    fundings = [
        Tx((TxIn(split.txid, vout, witness=(ANYONE,)),), (each.funding_output,)) for vout, each in enumerate(made)
    ]
    (block,) = await chain.mine_only([tx.serialise() for tx in fundings])
    for position, (each, tx) in enumerate(zip(made, fundings, strict=True), 1):
        each.funded(tx, position, block)


def _is_mature(coin: Output) -> bool:
    return coin.height == 1 or not coin.is_coinbase  # the chain has 101 blocks or more


def _put(write: Write, made: Sequence[Made], tip: BlockRef) -> None:
    for each in made:
        each.put(write)
    write.put_value("settings", TURN.encode(), (len(made) % TURNS).to_bytes(2, "big"))
    write.set_chain_cursor(tip.height, tip.hash)


if __name__ == "__main__":
    print(f"{len(asyncio.run(many(Path(sys.argv[1]).absolute(), int(sys.argv[2]))))} channels in {sys.argv[1]}")
