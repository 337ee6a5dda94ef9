"""What do Alice and Bob do with their tokens while one of them dies, and what must hold after each death?

A channel that is opened, or is not; a payment that is made once; and always: the count of all.
"""

from typing import Any, Final

from lnpd.testing import until_asked
from tests.interop.rgb_moments import Death
from tests.interop.rgb_nodes import DEPTH, FUNDING_SAT, ISSUED, PUSH_MSAT
from tests.interop.rgb_wakes import MortalPair

HELD: Final = 5_000
HOLDING: Final = frozenset({"begun", "unsent", "failed"})  # of a transfer that may hold something back in vain


class Story:
    """What the pair has done, and what each is to have at the end."""

    def __init__(self, pair: MortalPair) -> None:
        self.pair = pair
        self.channels: list[str] = []
        self.bobs = 0

    # --- openings
    async def open_once(self) -> Any:  # Any: JSON values
        """Alice opens a channel with 5,000 tokens."""
        pair = self.pair
        terms = {"peer": pair.bob.node_id.hex(), "amount_sat": FUNDING_SAT, "asset": f"USDX:{HELD}"}
        return await pair.rgb(pair.alice, "open", push_msat=PUSH_MSAT, **terms)

    async def open_and_mine(self) -> None:
        """And blocks go by."""
        opened = await self.open_once()
        await self.pair.network.seen(opened["funding"].partition(":")[0])
        for _ in range(DEPTH):
            await self.pair.world.mine()

    async def fruitless(self, *deaths: Death) -> None:
        """An opening in which somebody dies leaves all tokens where they were, and holds nothing back."""
        answer = await self.pair.at(deaths, self.open_once)
        assert answer is None, f"{deaths}: {answer}"
        await self.spendable()
        rows = await self.pair.insist("alice", "channels")
        assert {row["channel_id"] for row in rows} == set(self.channels), f"{deaths}: {rows}"
        rows = await self.pair.insist("alice", "history")
        assert not HOLDING & {row["status"] for row in rows}, f"{deaths}: {rows}"

    async def spendable(self) -> None:
        """Alice can spend all tokens that are in no channel."""
        found, wanted = 0, ISSUED - HELD * len(self.channels)

        async def there() -> bool:
            nonlocal found
            rows = (await self.pair.insist("alice", "balance"))["assets"]
            found = sum(row["spendable"] for row in rows)
            return found == wanted

        try:
            await until_asked(there)
        except AssertionError:
            rows = await self.pair.insist("alice", "history")
            raise AssertionError(f"alice can spend {found} tokens, not {wanted}: {rows}") from None

    async def fruitful(self, *deaths: Death) -> None:
        """An opening in which somebody dies and of which a channel comes, nevertheless."""
        pair = self.pair
        await pair.at(deaths, self.open_and_mine)
        await self.usable_again(f"the channel that was opened with {deaths}")

    async def usable_again(self, what: str) -> None:
        """Blocks go by, until there is one channel more."""
        pair, known = self.pair, set(self.channels)

        async def there() -> str:
            await pair.mine()
            rows = await pair.insist("alice", "channels")
            return next((row["channel_id"] for row in rows if row["channel_id"] not in known and row["usable"]), "")

        self.channels.append(await until_asked(there, what))
        await self.usable()

    async def waited(self, *deaths: Death) -> None:
        """An opening of which a channel comes, while somebody dies after it was broadcast."""
        pair = self.pair

        opened = await self.open_once()
        await pair.network.seen(opened["funding"].partition(":")[0])
        await pair.at(deaths, self.mine)
        await self.usable_again(f"the channel that waited with {deaths}")

    async def mine(self) -> None:
        """Blocks go by until the last death."""
        while self.pair.network.due:
            await self.pair.world.mine()
            await self.pair.handled()

    # --- payments
    async def pays(self, payer: str, amount: int, *deaths: Death) -> None:
        """A payment in which somebody dies is made once, however often its user has to ask for it."""
        pair, payee, made = self.pair, "bob" if payer == "alice" else "alice", {}

        async def pay() -> None:
            made.update(await pair.rgb(pair.node(payee), "invoice", asset=pair.asset, amount=amount))
            await pair.rgb(pair.node(payer), "pay", invoice=made["invoice"])

        await pair.at(deaths, pay)
        await self.usable()
        made = made or await pair.insist(payee, "invoice", asset=pair.asset, amount=amount)
        paid = await pair.insist(payer, "pay", invoice=made["invoice"])
        assert (paid["payment_hash"], paid["amount"]) == (made["payment_hash"], amount)
        self.bobs += amount if payer == "alice" else -amount
        for name in ("alice", "bob"):
            await self.quiet(name)

    async def usable(self) -> None:
        """All channels can be used, by both."""
        for channel in self.channels:
            await self.pair.network.active(channel, self.pair.alice, self.pair.bob)

    async def quiet(self, name: str) -> None:
        """Nothing is in flight, and each has in channels what it is to have."""
        wanted = self.bobs if name == "bob" else HELD * len(self.channels) - self.bobs
        rows: Any = []  # Any: JSON values

        async def there() -> bool:
            nonlocal rows
            rows = await self.pair.insist(name, "channels")
            return not any(row["in_flight"] for row in rows) and sum(row["ours"] for row in rows) == wanted

        try:
            await until_asked(there)
        except AssertionError:
            raise AssertionError(f"{name} has not {wanted} tokens in channels: {rows}") from None

    async def agree(self) -> bool:
        """Each history adds up to its balance, whatever was killed."""
        await self.pair.back()
        try:
            return all([await self.pair.books(self.pair.node(name)) for name in ("alice", "bob")])
        except AssertionError:
            return False
