"""Which coins are held for a plugin, how did each come from its channel, and who lets one go?

What leads from the funding to a coin was kept when the channel saw it on the chain; the coin's own transaction the
wallet has, as soon as it waits in the mempool.
"""

from collections.abc import Iterable

from lnpd_sdk.services.holding import HeldRow, HeldRows

from lnpd.channel.state import Channel
from lnpd.errors import CoinNotHeld
from lnpd.services.channels.batch import find_row
from lnpd.services.onchain import Outpoint, WalletCoin
from lnpd.services.wallet.ledger import Entries
from lnpd.services.wallet.marks import let_go, stored_marks
from lnpd.services.wallet.rows import WalletRows
from lnpd.store.codec import decode
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.tx.seals import sealing
from lnpd.tx.transaction import Tx, parse

MOST_STEPS = 8  # from a funding to a coin there are three at most


class Holding:
    """The held coins of a node's wallet."""

    def __init__(self, store: Store, rows: WalletRows) -> None:
        self._store, self._rows = store, rows

    async def coins(self, providers: frozenset[str], channel_id: str = "") -> HeldRows:
        """Those that are held for one of these providers, of all channels or one."""
        return await self._store.read(lambda read: self._coins(read, providers, channel_id))

    def _coins(self, read: Read, providers: frozenset[str], channel_id: str) -> HeldRows:
        ledger, marks, channels = self._rows.ledger(read), stored_marks(read), dict[str, Channel | None]()
        places: dict[bytes, int] = {}
        raw: list[bytes] = []
        rows: list[HeldRow] = []
        for coin in ledger.coins():
            if coin.held_for not in providers or coin.reserved_for:
                continue
            key = marks.scripts[coin.script_pubkey].channel
            if key not in channels:
                channels[key] = _channel(read, key)
            channel = channels[key]
            name = channel.id.hex() if channel is not None else ""
            if channel is None or channel_id not in ("", name):
                continue
            path = _path(read, channel, coin.txid, ledger.entries)
            for tx in path:
                if tx.txid not in places:
                    places[tx.txid] = len(raw)
                    raw.append(tx.serialise())
            rows.append(_row(coin, name, (places[tx.txid] for tx in path)))
        return HeldRows(tuple(rows), tuple(raw))

    async def let_go(self, point: Outpoint, providers: frozenset[str] | None = None) -> WalletCoin:
        """A held coin is an ordinary one from now on; of these providers only, if any are given. CoinNotHeld."""

        def work(write: Write) -> WalletCoin:
            coin = held_coin(self._rows, write, point)
            if providers is not None and coin.held_for not in providers:
                raise CoinNotHeld(f"{_text(point)} is held for {coin.held_for}.")
            write.point("held-coin-let-go")
            let_go(write, point)
            return coin

        return await self._store.write(work)

    async def coin(self, point: Outpoint) -> tuple[WalletCoin, str]:
        """A held coin, and the id of the channel that it came from. CoinNotHeld."""

        def found(read: Read) -> tuple[WalletCoin, str]:
            coin = held_coin(self._rows, read, point)
            channel = _channel(read, stored_marks(read).scripts[coin.script_pubkey].channel)
            return coin, channel.id.hex() if channel is not None else ""

        return await self._store.read(found)


def held_coin(rows: WalletRows, read: Read, point: Outpoint) -> WalletCoin:
    """The held coin at a place. CoinNotHeld."""
    for coin in rows.ledger(read).coins():
        if (coin.txid, coin.vout) == point and coin.held_for:
            return coin
    raise CoinNotHeld(f"No coin of the wallet is held at {_text(point)}.")


def point_of(txid: str, vout: int) -> Outpoint:
    """An outpoint from what a person or a plugin writes. CoinNotHeld."""
    try:
        return bytes.fromhex(txid)[::-1], vout
    except ValueError:
        raise CoinNotHeld(f"{txid[:64]!r} is no txid.") from None


def _channel(read: Read, key: str) -> Channel | None:
    row = read.channel(key.encode())
    return decode(row.snapshot, Channel, table="channel", key=row.channel_id) if row is not None else None


def _path(read: Read, channel: Channel, txid: bytes, entries: Entries) -> list[Tx]:
    """The transactions from what spends the funding to this one, parents first; none of a stranger's payment, of which
    there may be many, as long as they please."""
    path, wanted = [entries[txid].tx], _parents(channel, entries[txid].tx)
    while wanted and len(path) < MOST_STEPS:
        raw = find_row(read, channel, "spend", wanted.pop().hex())
        if raw is not None and (tx := parse(raw)) not in path:
            path.insert(0, tx)
            wanted += _parents(channel, tx)
    fundings = {(each.txid, each.vout) for each in channel.fundings}
    return path if any((each.txid, each.vout) in fundings for each in path[0].inputs) else []


def _parents(channel: Channel, tx: Tx) -> list[bytes]:
    """What may lead to a transaction. Where claims are sealed it is the first input alone: the others pay its fee, and
    may have come from this very channel."""
    inputs = tx.inputs[:1] if sealing(channel.channel_type, "claim") is not None else tx.inputs
    return [each.txid for each in inputs]


def _row(coin: WalletCoin, channel_id: str, path: Iterable[int]) -> HeldRow:
    txid = coin.txid[::-1].hex()
    return HeldRow(txid, coin.vout, coin.value_sat, coin.script_pubkey, coin.height or 0, channel_id, tuple(path))


def _text(point: Outpoint) -> str:
    return f"{point[0][::-1].hex()}:{point[1]}"
