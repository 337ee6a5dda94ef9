"""Do the channels of a copied database know it, whenever the power fails, and until their peers have spoken?"""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from lnpd.channel.failure import proven
from lnpd.channel.reestablish import doubted, restored
from lnpd.channel.state import Channel, Closed
from lnpd.errors import StoreHalted
from lnpd.services.channels.doubt import doubt_copied, warnings
from lnpd.store.codec import decode, encode
from lnpd.store.store import Store
from lnpd.store.transactions import Moment
from lnpd.store.witness import WITNESS_NAME
from lnpd.store.write import Write
from tests.channel.harness import Pair, opened

LIVING, OVER = b"living", b"over"


def made(directory: Path, pair: Pair) -> None:
    """The database of a node with one channel that lives and one that is over, as if it were copied."""
    channel = pair.nodes[0].channel

    def work(write: Write) -> None:
        write.save_channel(LIVING, b"peer", encode(channel))
        write.save_channel(OVER, b"peer", encode(replace(channel, phase=Closed("over"))), closed=True)

    store = Store.open(directory, "regtest")
    store.write_sync(work)
    store.close_sync()
    (directory / WITNESS_NAME).unlink()


def channel_of(store: Store, key: bytes) -> Channel:
    (row,) = [row for row in store.read_sync(lambda read: read.channels()) if row.channel_id == key]
    return decode(row.snapshot, Channel, table="channel", key=key)


class Cut:
    """The power fails at one moment of the commit with the point."""

    def __init__(self, moment: str) -> None:
        self._moment = moment

    def __call__(self, moment: Moment, points: frozenset[str]) -> None:
        if moment == self._moment and "channels-doubted" in points:
            raise OSError("power cut")


@pytest.mark.parametrize("moment", ["before_commit", "after_commit", "never"])
def test_every_living_channel_is_told_once(tmp_path: Path, moment: str, caplog: pytest.LogCaptureFixture) -> None:
    made(tmp_path, opened())
    store = Store.open(tmp_path, "regtest", Cut(moment))
    if moment == "never":
        asyncio.run(doubt_copied(store))
        assert "this database is a copy" in caplog.text
    else:
        with pytest.raises(StoreHalted):
            asyncio.run(doubt_copied(store))
    store.close_sync()
    store = Store.open(tmp_path, "regtest")
    assert not store.displaced, "the witness agrees from then on"
    asyncio.run(doubt_copied(store))
    assert channel_of(store, LIVING).doubted
    assert not channel_of(store, OVER).doubted
    assert not store.read_sync(lambda read: read.is_copy())
    store.write_sync(lambda write: write.save_channel(LIVING, b"peer", encode(opened().nodes[0].channel)))
    asyncio.run(doubt_copied(store))
    assert not channel_of(store, LIVING).doubted, "what is proven is not doubted again"
    store.close_sync()


def test_a_person_is_told_until_the_peer_has_spoken() -> None:
    pair = opened()
    channel = restored(doubted(pair.nodes[0].channel))
    (said,) = warnings([channel, restored(pair.nodes[0].channel)])
    assert said.startswith(f"channel {channel.id.hex()[:16]} is of a copy of the database")
    assert not warnings([proven(channel)])
