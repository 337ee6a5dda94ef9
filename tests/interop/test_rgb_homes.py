"""Whenever a plugin with tokens, or its node, is killed while channels end: does each token, and each sat, come home?

Each test tells of one victim, who dies at every step of a close by agreement and of bringing the tokens home; while the
chain tells of a forced close with tokens in flight, and once he knows a preimage; and, if it is not he who stole, of a
theft. At the end of each, tokens and satoshi are counted. After a forced close the way home is told with a few deaths,
and with LNPD_DEATHS=every (make crash) with each.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final
from unittest.mock import patch

import msgspec
import pytest

from lnpd.channel.actions import HtlcReceived, Told
from lnpd.channel.state import Channel
from lnpd.services.payments.service import Payments
from lnpd.services.recipients import Effects
from lnpd.testing import until_asked
from tests.e2e.closing import is_closed, know, preimage, spender
from tests.e2e.thief import loot
from tests.interop.rgb_deaths import Kind, Moment, Victim
from tests.interop.rgb_nodes import FUNDING_SAT, ISSUED
from tests.interop.rgb_wakes import REFUSED, MortalPair, mortal_pair
from tests.plugins.rgb_channel.test_story import at_rest, offer

Death = tuple[Moment, str]

HELD, PAID = 5_000, 700
EVERY: Final = os.environ.get("LNPD_DEATHS") == "every"
COINS_SAT: Final = 200_000
STEP: Final = 5  # blocks at a time, of the 40 that an HTLC has left
LEAP: Final = 10  # and when nobody dies any more
MOST_BLOCKS: Final = 500  # until something that has to come
SECONDS: Final = 900  # on a loaded machine

CLOSING: Final[dict[str, tuple[str, ...]]] = {
    "alice": ("shutdown-stored", "provider close", "closing-signed"),
    "bob": ("provider close", "shutdown-stored", "closing-signed"),
}
"""Of a close by agreement; what a block tells of it, and of its coin, comes in any order."""

COMING: Final = ("kept_commitment", "own_script", "kv_put collecting/", "kv_put collecting/")
SENDING: Final[dict[Kind, tuple[str, ...]]] = {
    "plugin": ("send_psbt",),
    "node": ("plugin-spend-charged", "plugin-coins-held", "plugin-psbt-sent"),
}
ARRIVING: Final = ("kv_put home/", "kv_delete collecting/")
"""Of bringing tokens home: what is planned, kept and kept again with its transaction; sent; taken by the wallet."""

FORCING: Final = ("force-close",)
CHAIN: Final = ("chain-event",)
"""Of a forced close, and of what the chain tells of it."""

HOMEWARD: Final[dict[Kind, tuple[str, ...]]] = {
    "plugin": (*COMING, *SENDING["plugin"], *ARRIVING) if EVERY else ("kv_put collecting/", "send_psbt"),
    "node": (*COMING, *SENDING["node"], *ARRIVING) if EVERY else ("kv_put collecting/", "plugin-psbt-sent"),
}
"""Of those, what is tried again after a forced close."""

TABLES: Final = (*CLOSING.values(), CHAIN, COMING, *SENDING.values(), ARRIVING, FORCING)

LIKE: Final[dict[str, str]] = {
    "provider seal": "it stores nothing: the same as provider close",
    "provider fold": "it stores nothing: the same as provider close",
    "release_held": "a coin without tokens, which another coin's steps do not change",
    "held-coin-let-go": "a coin without tokens, which another coin's steps do not change",
    "send_psbt": "at a node that dies: the same as its first commit, and as its last",
    "log": "it changes nothing",
    "wallet-given": "the commit of own_script",
    "rpc rgb collect": "what it does, each block does",
    "hook peer_disconnected": "of openings: test_rgb_kills.py",
    "channel-reestablished": "after any death",
    "channel-update-made": "it belongs to the node: tests/crash",
    "channel-update-kept": "it belongs to the node: tests/crash",
    "store-owner": "at any start: tests/crash",
}
for _each in ("rpc", "kv_get", "kv_list", "channels", "held_coins", "rpc rgb channels", "rpc rgb balance"):
    LIKE[_each] = "it changes nothing: the same as what comes before it"
for _each in (
    "providers",
    "update-proposed",
    "commitment-signed",
    "commitment-held",
    "revocation-stored",
    "preimage-learned",
):
    LIKE[_each] = "of payments: test_rgb_kills.py"
for _each in ("wallet-followed", "wallet-past-read", "chain-followed", "chain-past-read", "hook block_connected"):
    LIKE[_each] = "it belongs to the node, and comes with any block: tests/crash"
"""What is in no table, and why."""


def around(kind: Kind, whats: Sequence[str]) -> list[Death]:
    """Before and after each of these. A plugin dies once while the node commits (what has a hyphen): it is not there
    again so soon."""
    moments: tuple[Moment, Moment] = ("before", "after")
    return [(each, what) for what in whats for each in moments if kind == "node" or each == "before" or "-" not in what]


async def _unanswered(payments: Payments, channel: Channel, message: Told) -> Effects:
    """HTLCs stay as they are, whoever is born again."""
    return Effects() if isinstance(message, HtlcReceived) else await TELL(payments, channel, message)


TELL: Final = Payments.told


class Homes:
    """Channels of the pair, one after the other, end."""

    def __init__(self, pair: MortalPair) -> None:
        self.pair, self.bobs, self.channel = pair, 0, ""

    async def begins(self) -> None:
        """A channel with 5,000 tokens, of which Alice pays 700 to Bob."""
        pair = self.pair
        self.channel = await pair.opened(HELD)
        await pair.paid(pair.alice, pair.bob, pair.asset, PAID)
        for node in (pair.alice, pair.bob):
            await pair.settled(node)
        self.bobs += PAID
        pair.network.ever.clear()

    async def home(self, **wanted: int) -> None:
        """All tokens are in wallets: first none is missing, then each is where it belongs."""
        for _ in range(MOST_BLOCKS):
            await self.passes()
            found = {name: await self.tokens(name) for name in wanted}
            missing = sum(wanted.values()) - sum(found.values())
            if not missing:
                break
        assert not missing, f"{missing} tokens did not come home, beside {found}"
        assert found == wanted

    async def tokens(self, name: str) -> int:
        """What somebody's wallet has, settled."""
        rows = (await self.pair.insist(name, "balance"))["assets"]
        return sum(row["settled"] for row in rows)

    async def sat(self) -> int:
        """All that they have, in their nodes' wallets and in those of assets."""
        found = 0
        for node in self.pair.there:
            await node.wallet.sync()
            found += sum(msgspec.structs.astuple(await node.wallet.balance()))
            told = await self.pair.insist(node.config.alias, "balance")
            found += told["free_sat"] + told["holding_sat"]
        return found

    def fees_sat(self, since_height: int) -> int:
        """Of all transactions in blocks since then."""
        call = self.pair.world.bitcoind.call
        blocks = range(since_height + 1, call("getblockcount") + 1)
        return sum(int(call("getblockstats", height, ["totalfee"])["totalfee"]) for height in blocks)

    async def passes(self, step: int = 1) -> None:
        """Blocks go by. The next come when all have done what these ask for: whatever has a deadline is met, however
        slow the machine."""
        await self.pair.world.mine(step)
        await self.pair.handled()

    async def blocks(self, step: int) -> None:
        """Blocks go by until the last death."""
        due = self.pair.network.due
        for _ in range(0, MOST_BLOCKS, step):
            if not due:
                return
            await self.passes(step)
        raise AssertionError(f"{due} in {MOST_BLOCKS} blocks")

    def now(self) -> int:
        """The chain's height."""
        return int(self.pair.world.bitcoind.call("getblockcount"))

    async def dies(self, *moments: Death, step: int = 1) -> None:
        """Somebody dies at these moments while blocks go by."""
        await self.pair.at(moments, lambda: self.blocks(step))

    async def counted(self, since_height: int, before_sat: int) -> None:
        """No sat is lost or held back, and nothing is on its way."""
        for node in self.pair.there:
            assert await self.pair.insist(node.config.alias, "collect") == []
        assert await self.sat() == before_sat - self.fees_sat(since_height)
        for node in self.pair.there:
            balance = await node.wallet.balance()
            assert (balance.held_sat, balance.reserved_sat, balance.pending_sat) == (0, 0, 0), balance

    # --- the three endings
    async def closed(self, force: bool, moments: Sequence[Death]) -> None:
        """Alice closes, and asks again as long as she was not answered and somebody is to die of it."""
        pair, channel = self.pair, self.channel

        async def close() -> None:
            while pair.network.due:
                try:
                    await pair.ask("alice", lambda node: node.api.close(channel, force, None))
                except REFUSED:
                    await asyncio.sleep(0.05)

        if not moments:
            await pair.ask("alice", lambda node: node.api.close(channel, force, None))
        await pair.at(moments, close)
        await self.insisted(channel)

    async def insisted(self, channel: str) -> None:
        """Returns once something that spends the channel's funding waits for a block."""
        pair = self.pair
        (driver,) = (each for each in pair.alice.channels.drivers.values() if each.channel.id.hex() == channel)
        funding = driver.channel.fundings[0]

        async def there() -> object:
            await pair.back()
            return await spender(pair.network, funding.txid, funding.vout)

        await until_asked(there, "what closes the channel")

    async def forced(self, moments: Sequence[Death]) -> None:
        """Alice closes with four HTLCs in flight; two will be redeemed, and two time out."""
        pair = self.pair
        height = await pair.network.followed()
        taken = await offer(pair.alice, pair.bob, 1, 40_000, height + 60, 1_000)
        await offer(pair.alice, pair.bob, 2, 30_000, height + 40, 200)
        redeemed = await offer(pair.bob, pair.alice, 3, 25_000, height + 60, 50)
        await offer(pair.bob, pair.alice, 4, 26_000, height + 44, 7)
        self.bobs += 1_000 - 50
        await self.closed(True, moments)
        await self.passes()
        await self.knows("bob", taken, 1)
        await self.knows("alice", redeemed, 3)

    async def stolen(self) -> None:
        """Alice broadcasts a revoked commitment with an HTLC transaction of it, and is gone."""
        pair, height = self.pair, await self.pair.network.followed()
        alice, bob = pair.alice, pair.bob
        await offer(alice, bob, 1, 40_000, height + 60, 1_000)
        mine = await offer(bob, alice, 2, 30_000, height + 40, 200)
        stale = await loot(alice)
        await know(alice, mine, 2)
        await at_rest(alice, bob)
        known = preimage(2)
        (success,) = [each for each in stale.claims([known], [sha256(known).digest()]) if each.late]
        second = stale.second_stage([success])
        pair.gone = alice
        await alice.plugins.stop()
        await pair.network.stop(alice)
        for tx in (stale.commitment, second):
            pair.world.bitcoind.call("sendrawtransaction", tx.serialise().hex())

    async def ended(self) -> None:
        """The channel is closed for good, at all who are there."""
        for _ in range(0, MOST_BLOCKS, LEAP):
            await self.passes(LEAP)
            if all(map(is_closed, self.pair.there)):
                return
        raise AssertionError(f"the channel is not closed after {MOST_BLOCKS} blocks")

    async def knows(self, name: str, identity: int, number: int) -> None:
        """Somebody learns the preimage of an HTLC, and dies before he uses it if he is the one who dies."""
        network = self.pair.network
        await know(self.pair.node(name), identity, number)
        if name == network.victim.name:
            network.strike()
            await self.pair.back()


@contextmanager
def unanswered() -> Iterator[None]:
    """HTLCs are answered by nobody, whoever is born again."""
    with patch.object(Payments, "told", _unanswered):
        yield


async def agrees(story: Homes, victim: Victim) -> None:
    """A close by agreement."""
    height, before_sat = story.now(), await story.sat()
    await story.begins()
    await story.closed(False, around(victim.kind, CLOSING[victim.name]))
    await story.dies(*around(victim.kind, (*COMING, *SENDING[victim.kind], *ARRIVING)))
    await story.ended()
    await story.home(alice=ISSUED - story.bobs, bob=story.bobs)
    await story.counted(height, before_sat)


async def is_forced(story: Homes, victim: Victim) -> None:
    """A forced close, after which three coins come home for each."""
    height, before_sat = story.now(), await story.sat()
    await story.begins()
    with unanswered():
        await story.forced(around(victim.kind, FORCING) if victim.name == "alice" else [])
        await story.dies(*around(victim.kind, CHAIN), step=STEP)
        await story.dies(*around(victim.kind, HOMEWARD[victim.kind]), step=STEP)
        await story.ended()
    await story.home(alice=ISSUED - story.bobs, bob=story.bobs)
    await story.counted(height, before_sat)


async def is_stolen(story: Homes, victim: Victim) -> None:
    """Bob has all of what Alice tried to take, and she has what she had beside it."""
    await story.begins()
    kept = await story.tokens("alice")
    with unanswered():
        await story.stolen()
    height, before_sat = story.now(), await story.sat()
    await story.dies(*around(victim.kind, (*CHAIN, *SENDING[victim.kind])))
    await story.ended()
    await story.home(bob=ISSUED - kept)
    await story.counted(height, before_sat + FUNDING_SAT)


ENDS: Final[dict[str, tuple[Callable[[Homes, Victim], Awaitable[None]], ...]]] = {
    "alice": (agrees, is_forced),
    "bob": (agrees, is_forced, is_stolen),
}
KINDS: Final[tuple[Kind, ...]] = ("plugin", "node")
VICTIMS: Final = [Victim(name, kind) for kind in KINDS for name in ENDS]


@pytest.mark.parametrize("victim", VICTIMS, ids=str)
def test_whenever_it_dies_while_a_channel_ends_all_comes_home(tmp_path: Path, victim: Victim) -> None:
    async def main() -> None:
        async with mortal_pair(tmp_path, victim) as pair:
            await pair.network.fund(pair.alice, COINS_SAT)
            story = Homes(pair)
            for end in ENDS[victim.name]:
                await end(story, victim)
                named = {what for table in TABLES for what in table} | LIKE.keys()
                new = {what for who, what in pair.network.ever if who == victim.name} - named
                assert not new, f"no row says what {victim} does around {new} when a channel {end.__name__}"

    asyncio.run(asyncio.wait_for(main(), SECONDS))
