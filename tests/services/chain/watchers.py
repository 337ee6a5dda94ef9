"""How do tests get a chain watcher, and who listens to it?"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from lnpd.channel.actions import WatchOutput, WatchTransaction
from lnpd.channel.events import SpendSeen
from lnpd.errors import LnpdError
from lnpd.services.chain.rows import Fact, read_fact
from lnpd.services.chain.watch import ChainWatch
from lnpd.services.onchain import Outpoint, StoredBroadcast
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.tx.transaction import Tx
from tests.chain.purse import p2wsh
from tests.services.chain.chains import Chain

OWNER, OTHER = b"channel-one", b"channel-two"
ELSEWHERE = p2wsh(b"\x52")


class Driver:
    """The channels: it takes its inbox rows as the real driver does, and completes broadcasts from a table."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.woken: list[bytes] = []
        self.heights: list[int] = []
        self.seen_spends: list[tuple[bytes, SpendSeen]] = []
        self.transactions: dict[str, Tx | LnpdError | None] = {}
        self.asked: list[tuple[str, int]] = []
        self.over: list[str] = []
        self.answers: list[tuple[set[bytes], set[bytes]]] = []

    def deliver(self, owner: bytes) -> None:
        self.woken.append(owner)

    def seen(self, owner: bytes, event: SpendSeen) -> None:
        self.seen_spends.append((owner, event))

    def deliver_block(self, height: int) -> None:
        self.heights.append(height)

    async def complete(
        self, owner: bytes, broadcast: StoredBroadcast, spent: frozenset[Outpoint]
    ) -> tuple[bytes, ...] | None:
        self.asked.append((broadcast.key, len(spent)))
        found = self.transactions.get(broadcast.key)
        if isinstance(found, LnpdError):
            raise found
        return None if found is None else (found.serialise(),)

    async def answered(self, txids: Collection[bytes], taken: Collection[bytes]) -> None:
        self.answers.append((set(txids), set(taken)))

    async def ended(self, owner: bytes, key: str) -> None:
        self.over.append(key)

    def take(self, owner: bytes = OWNER) -> list[Fact]:
        """The events that wait, and takes them out."""
        rows = self.store.read_sync(lambda read: read.inbox(owner))

        def remove(write: Write) -> None:
            for row in rows:
                write.remove_inbox(owner, row.key)

        self.store.write_sync(remove)
        return [read_fact(row.value) for row in rows]


@asynccontextmanager
async def watching(directory: Path, chain: Chain) -> AsyncIterator[tuple[ChainWatch, Driver]]:
    """A watcher on the store of a directory; hints alone wake it, for its poll is an hour."""
    store = Store.open(directory / "node", "regtest")
    driver = Driver(store)
    watch = ChainWatch(store, chain, driver, poll_seconds=3600)
    try:
        await watch.start()
        yield watch, driver
        await watch.stop()
    finally:
        store.close_sync()


async def add(watch: ChainWatch, driver: Driver, *subjects: object, owner: bytes = OWNER) -> None:
    """What a channel's step does."""

    def rows(write: Write) -> None:
        for subject in subjects:
            if isinstance(subject, StoredBroadcast):
                watch.add_broadcast(write, owner, subject)
            else:
                assert isinstance(subject, WatchTransaction | WatchOutput)
                watch.add_watch(write, owner, subject)

    await driver.store.write(rows)
    watch.applied()
    await watch.sync()


def of_transaction(tx: Tx, depth: int = 3) -> WatchTransaction:
    """A watch of a transaction."""
    return WatchTransaction("funding", tx.txid, tx.outputs[0].script_pubkey, depth)


def of_output(tx: Tx, depth: int = 2, key: str = "funding") -> WatchOutput:
    """A watch of its first output."""
    return WatchOutput(key, tx.txid, 0, tx.outputs[0].script_pubkey, depth)
