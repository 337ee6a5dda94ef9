"""Whenever a plugin with tokens, or its node, is killed: does the story go on, and is each token where it belongs?

Each test tells one long story of one victim, who dies at every step of it: while channels are opened, paid in and
closed, and while tokens come home. At its end the tokens are counted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from lnpd.testing import until_asked
from tests.interop.rgb_deaths import Kind, Moment, MortalPair, Victim, mortal_pair
from tests.interop.rgb_nodes import DEPTH, FUNDING_SAT, ISSUED, PUSH_MSAT

HELD: Final = 5_000
KINDS: Final[tuple[Kind, ...]] = ("plugin",)
Steps = tuple[tuple[Moment, str], ...]

FRUITLESS: Final[dict[str, Steps]] = {
    "alice": (
        ("after", "open_unfunded"),
        ("before", "kv_put funding/"),
        ("after", "kv_put funding/"),
        ("after", "send rgb_consignment"),
        ("before", "message rgb_verdict"),
        ("before", "fund_unfunded"),
    ),
    "bob": (
        ("after", "hook open_channel_received"),
        ("before", "message rgb_consignment"),
        ("after", "message rgb_consignment"),
        ("before", "kv_put funding/"),
        ("before", "send rgb_verdict"),
        ("before", "hook initial_states"),
        ("after", "hook initial_states"),
    ),
}
"""In an opening of which nothing comes."""

FRUITFUL: Final[dict[str, Steps]] = {
    "alice": (("after", "fund_unfunded"), ("after", "keep_ancestors"), ("after", "rpc rgb open")),
    "bob": (("after", "funding-signed"), ("before", "chain-event"), ("after", "channel-ready")),
}
"""Of which a channel comes."""

PAYING: Final[dict[str, Steps]] = {
    "alice": (
        ("before", "hook outgoing_records"),
        ("after", "payment-offered"),
        ("after", "commitment-signed"),
        ("after", "revocation-stored"),
        ("before", "payment-paid"),
        ("after", "payment-paid"),
    ),
    "bob": (
        ("after", "commitment-held"),
        ("after", "revocation-stored"),
        ("before", "hook htlc_accepted"),
        ("after", "hook htlc_accepted"),
        ("before", "invoice-paid"),
        ("after", "invoice-paid"),
    ),
}
"""While alice pays bob."""

ENDING: Final[tuple[tuple[str, Steps, Steps], ...]] = (
    ("alice", (("after", "shutdown-stored"),), (("after", "kv_put collecting/"), ("before", "send_psbt"))),
    ("bob", (("after", "closing-signed"),), (("after", "send_psbt"),)),
    ("alice", (("after", "chain-event"),), (("before", "kv_delete collecting/"), ("after", "kv_delete collecting/"))),
)
"""Who closes; the moments of that, and of bringing the tokens home."""


class Story:
    """What the pair has done, and what each is to have at the end."""

    def __init__(self, pair: MortalPair) -> None:
        self.pair = pair
        self.channels: list[str] = []
        self.bobs = self.home_of_bobs = 0

    # --- openings
    async def open_once(self) -> Any:  # Any: JSON values
        pair = self.pair
        terms = {"peer": pair.bob.node_id.hex(), "amount_sat": FUNDING_SAT, "asset": f"USDX:{HELD}"}
        return await pair.rgb(pair.alice, "open", push_msat=PUSH_MSAT, **terms)

    async def fruitless(self, moment: Moment, what: str) -> None:
        """An opening in which somebody dies leaves all tokens where they were."""
        assert await self.pair.at([(moment, what)], self.open_once) is None
        assert not await self.pair.rgb(self.pair.alice, "channels")
        await self.spendable(ISSUED)

    async def spendable(self, amount: int) -> None:
        found = 0

        async def there() -> bool:
            nonlocal found
            rows = (await self.pair.insist("alice", "balance"))["assets"]
            found = sum(row["spendable"] for row in rows)
            return found == amount

        try:
            await until_asked(there)
        except AssertionError:
            rows = await self.pair.insist("alice", "history")
            raise AssertionError(f"alice can spend {found} tokens, not {amount}: {rows}") from None

    async def fruitful(self, moment: Moment, what: str) -> None:
        """An opening in which somebody dies and of which a channel comes, nevertheless."""
        pair = self.pair
        await pair.at([(moment, what)], self._open_and_mine)
        known = set(self.channels)

        async def there() -> str:
            await pair.mine()
            rows = await pair.insist("alice", "channels")
            return next((row["channel_id"] for row in rows if row["channel_id"] not in known and row["usable"]), "")

        channel = await until_asked(there, f"the channel that was opened {moment} {what}")
        assert channel
        self.channels.append(channel)
        await pair.network.active(channel, pair.alice, pair.bob)

    async def _open_and_mine(self) -> None:
        opened = await self.open_once()
        await self.pair.network.seen(opened["funding"].partition(":")[0])
        for _ in range(DEPTH):
            await self.pair.world.mine()

    # --- payments
    async def pays(self, payer: str, moment: Moment, what: str, amount: int) -> None:
        """A payment in which somebody dies is made once, however often its user has to ask for it."""
        pair, payee = self.pair, "bob" if payer == "alice" else "alice"
        made = await pair.insist(payee, "invoice", asset=pair.asset, amount=amount)
        await pair.at([(moment, what)], lambda: pair.rgb(pair.node(payer), "pay", invoice=made["invoice"]))
        await self.usable()
        paid = await pair.insist(payer, "pay", invoice=made["invoice"])
        assert (paid["payment_hash"], paid["amount"]) == (made["payment_hash"], amount)
        self.bobs += amount if payer == "alice" else -amount
        for name in ("alice", "bob"):
            await self.quiet(name)

    async def usable(self) -> None:
        for channel in self.channels:
            await self.pair.network.active(channel, self.pair.alice, self.pair.bob)

    async def quiet(self, name: str) -> None:
        """Nothing is in flight, and each has in channels what it is to have."""
        bobs = self.bobs - self.home_of_bobs
        wanted = bobs if name == "bob" else HELD * len(self.channels) - bobs

        async def there() -> bool:
            rows = await self.pair.insist(name, "channels")
            return not any(row["in_flight"] for row in rows) and sum(row["ours"] for row in rows) == wanted

        await until_asked(there, f"{wanted} tokens of {name}'s in channels")

    # --- closing
    async def closes(self, closer: str, closing: Steps, collecting: Steps) -> None:
        """A close by agreement, and what it leaves comes home, while somebody dies in both."""
        pair, channel = self.pair, self.channels.pop()

        async def close() -> None:
            await pair.ask(closer, lambda node: node.api.close(channel, False, None))
            await pair.world.mine()

        await pair.at(closing, close)
        await pair.at(collecting, self._mine)

    async def _mine(self) -> None:
        """Blocks, until it is brought home."""
        while self.pair.network.due:
            await self.pair.world.mine()
            await asyncio.sleep(0.1)

    async def home(self) -> None:
        """All tokens are in wallets."""

        async def there() -> bool:
            await self.pair.back()
            await self.pair.mine()
            return (await self.tokens("alice"), await self.tokens("bob")) == (ISSUED - self.bobs, self.bobs)

        await until_asked(there, f"{self.bobs} tokens of bob's, and the others alice's")
        self.home_of_bobs = self.bobs
        await until_asked(self.agree, "histories that add up to the balances")

    async def agree(self) -> bool:
        """Each history adds up to its balance, whatever was killed; not between two steps of a homecoming."""
        await self.pair.back()
        try:
            return all([await self.pair.books(self.pair.node(name)) for name in ("alice", "bob")])
        except AssertionError:
            return False

    async def tokens(self, name: str) -> int:
        rows = (await self.pair.insist(name, "balance"))["assets"]
        return sum(row["settled"] for row in rows)


def told(folder: Path, victim: Victim, tell: Callable[[Story], Awaitable[None]]) -> None:
    async def main() -> None:
        async with mortal_pair(folder, victim) as pair:
            await pair.linked()
            await tell(Story(pair))

    asyncio.run(asyncio.wait_for(main(), 200))


@pytest.mark.parametrize("victim", [Victim(name, kind) for kind in KINDS for name in ("alice", "bob")], ids=str)
def test_whenever_it_dies_no_token_is_lost_or_made(tmp_path: Path, victim: Victim) -> None:
    async def tell(story: Story) -> None:
        for moment, what in FRUITLESS[victim.name]:
            await story.fruitless(moment, what)
        for opening, ending in zip(FRUITFUL[victim.name][:1], ENDING[:1], strict=True):
            await story.fruitful(*opening)
            for moment, what in PAYING[victim.name][:1]:
                await story.pays("alice", moment, what, 100)
            await story.closes(*ending)
            await story.home()

    told(tmp_path, victim, tell)
