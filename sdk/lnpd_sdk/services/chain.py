"""What does a plugin learn of the chain, and what does it bring there?"""

import msgspec

from lnpd_sdk.services.base import Asks

MAX_WATCHES = 1_000
MAX_DEPTH = 144


class TipWanted(msgspec.Struct, frozen=True):
    """What `chain_tip` takes: nothing."""


class Tip(msgspec.Struct, frozen=True):
    """The best block: its height, and its hash in hex as explorers write it; and the feerate at which a transaction is
    expected to be confirmed within six blocks, in sat per 1000 weight units."""

    height: int
    block_hash: str
    feerate_per_kw: int


class Broadcast(msgspec.Struct, frozen=True):
    """What `broadcast` takes."""

    transaction: bytes
    deadline_height: int


class OutputWatch(msgspec.Struct, frozen=True):
    """What `watch_output` takes."""

    key: str
    txid: str
    vout: int
    script_pubkey: bytes
    depth: int = 1


class ScriptWatch(msgspec.Struct, frozen=True):
    """What `watch_script` takes."""

    key: str
    script_pubkey: bytes
    depth: int = 1


class HeightWatch(msgspec.Struct, frozen=True):
    """What `watch_height` takes."""

    key: str
    height: int


class WatchKey(msgspec.Struct, frozen=True):
    """What `unwatch` takes."""

    key: str


class ChainAsks(Asks):
    """`Node`'s methods for the chain. They need the capability `chain`.

    What happens comes as events of the topic `chain_event` (`Plugin.on`), to this plugin alone, at least once and also
    after a restart: `key`, `what` (confirmed, unconfirmed, spent, unspent, height, expired, busy), `height`, `depth`,
    `txid` and `transaction`, in hex, of what confirmed or spent, if it has at most 20,000 bytes.
    """

    async def chain_tip(self) -> Tip:
        """The best block that the node knows, and what a place in one of the next costs."""
        tip: Tip = await self._ask("chain_tip", TipWanted(), Tip)
        return tip

    async def broadcast(self, transaction: bytes, deadline_height: int) -> str:
        """Brings a transaction to the chain: now, and at each block again, until it or a rival is confirmed; its txid.

        Behind `deadline_height` it is sent no more, and the event `expired` says so. Its `key` in events is its txid.
        Whether mempools take it, nobody promises. TransactionUnreadable, WatchUnfit, TooManyWatches.
        """
        txid: str = await self._ask("broadcast", Broadcast(transaction, deadline_height), str)
        return txid

    async def watch_output(self, key: str, txid: str, vout: int, script_pubkey: bytes, depth: int = 1) -> None:
        """Tells when an output is spent (at depth 1 and at `depth`), and if that is undone; the past counts too, as far
        as 144 blocks back. `key` is a name of the plugin's own; the same key replaces it. WatchUnfit,
        TooManyWatches."""
        await self.call("watch_output", OutputWatch(key, txid, vout, script_pubkey, depth))

    async def watch_script(self, key: str, script_pubkey: bytes, depth: int = 1) -> None:
        """Tells of each transaction that pays to a script, or spends what was paid to it: `confirmed` at depth 1, with
        its `transaction` and the places of its `inputs` and `outputs` that did, and without them again at `depth`, and
        `unconfirmed` if that is undone; the past counts as far as 144 blocks back. Mempools do not count.

        A script that more than 200 transactions meet in 2,016 blocks is nobody's own: its watch ends with the event
        `busy`. `key` is a name of the plugin's own; the same key replaces it. WatchUnfit, TooManyWatches."""
        await self.call("watch_script", ScriptWatch(key, script_pubkey, depth))

    async def watch_height(self, key: str, height: int) -> None:
        """Tells when the best chain has this height; at the next block, if it has. WatchUnfit, TooManyWatches."""
        await self.call("watch_height", HeightWatch(key, height))

    async def unwatch(self, key: str) -> bool:
        """Forgets a watch of this key, or a broadcast of this txid; whether there was one."""
        was_there: bool = await self._ask("unwatch", WatchKey(key), bool)
        return was_there
