"""What may a plugin ask about the chain, and bring there?"""

import re
from typing import Final

from lnpd_sdk.services.chain import (
    MAX_DEPTH,
    Broadcast,
    HeightWatch,
    OutputWatch,
    ScriptWatch,
    Tip,
    TipWanted,
    WatchKey,
)

from lnpd.channel.actions import WatchOutput
from lnpd.errors import WatchUnfit
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import TARGET_BLOCKS, Desk, Offer, there
from lnpd.tx.transaction import parse

KEY: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
MAX_HEIGHT: Final = 500_000_000  # from here on a locktime is a time (BIP 65)
MAX_SCRIPT_BYTES: Final = 520
MAX_TRANSACTION_BYTES: Final = 100_000  # what nodes relay


async def chain_tip(desk: Desk, _plugin: Plugin, _wanted: TipWanted) -> Tip:
    """As the node sees it."""
    best = await there(desk.pulse).tip()
    return Tip(best.height, best.hash[::-1].hex(), await there(desk.feerate)(TARGET_BLOCKS))


async def broadcast(desk: Desk, plugin: Plugin, wanted: Broadcast) -> str:
    """TransactionUnreadable, WatchUnfit, TooManyWatches."""
    if len(wanted.transaction) > MAX_TRANSACTION_BYTES:
        raise WatchUnfit(f"A transaction of {len(wanted.transaction)} bytes is over {MAX_TRANSACTION_BYTES}.")
    tx = parse(wanted.transaction)
    _require_height(wanted.deadline_height)
    if not tx.outputs:
        raise WatchUnfit("A transaction has outputs.")
    await there(desk.watching).broadcast(plugin.name, tx, wanted.deadline_height)
    return tx.txid[::-1].hex()


async def watch_output(desk: Desk, plugin: Plugin, wanted: OutputWatch) -> None:
    """WatchUnfit, TooManyWatches."""
    _require_key(wanted.key)
    try:
        txid = bytes.fromhex(wanted.txid)[::-1]
    except ValueError:
        txid = b""
    is_fit = 0 <= wanted.vout < 1 << 32 and 1 <= wanted.depth <= MAX_DEPTH
    if len(txid) != 32 or not is_fit or len(wanted.script_pubkey) > MAX_SCRIPT_BYTES:
        raise WatchUnfit(f"An output is a txid in hex with an index and its script; a depth is 1 to {MAX_DEPTH}.")
    watch = WatchOutput(wanted.key, txid, wanted.vout, wanted.script_pubkey, wanted.depth)
    await there(desk.watching).watch(plugin.name, watch)


async def watch_script(desk: Desk, plugin: Plugin, wanted: ScriptWatch) -> None:
    """WatchUnfit, TooManyWatches."""
    _require_key(wanted.key)
    if not 1 <= len(wanted.script_pubkey) <= MAX_SCRIPT_BYTES or not 1 <= wanted.depth <= MAX_DEPTH:
        raise WatchUnfit(f"A script has 1 to {MAX_SCRIPT_BYTES} bytes; a depth is 1 to {MAX_DEPTH}.")
    await there(desk.watching).watch_script(plugin.name, wanted.key, wanted.script_pubkey, wanted.depth)


async def watch_height(desk: Desk, plugin: Plugin, wanted: HeightWatch) -> None:
    """WatchUnfit, TooManyWatches."""
    _require_key(wanted.key)
    _require_height(wanted.height)
    await there(desk.watching).watch_height(plugin.name, wanted.key, wanted.height)


async def unwatch(desk: Desk, plugin: Plugin, wanted: WatchKey) -> bool:
    """WatchUnfit."""
    _require_key(wanted.key)
    return await there(desk.watching).unwatch(plugin.name, wanted.key)


def _require_key(key: str) -> None:
    if not KEY.fullmatch(key):
        raise WatchUnfit("A key has 1 to 64 letters, digits, and _ . : or -.")


def _require_height(height: int) -> None:
    if not 0 <= height < MAX_HEIGHT:
        raise WatchUnfit(f"A height is 0 to {MAX_HEIGHT - 1}.")


OFFERS: Final = (
    Offer("chain_tip", "chain", TipWanted, Tip, "The best block.", "tip = await node.chain_tip()", chain_tip),
    Offer(
        "broadcast",
        "chain",
        Broadcast,
        str,
        "Brings a transaction to the chain, again at each block until a deadline; its txid.",
        "txid = await node.broadcast(transaction, deadline_height=tip.height + 144)",
        broadcast,
        dear=True,
    ),
    Offer(
        "watch_output",
        "chain",
        OutputWatch,
        None,
        "Tells when an output is spent.",
        'await node.watch_output("funding", txid, 0, script_pubkey, depth=6)',
        watch_output,
    ),
    Offer(
        "watch_script",
        "chain",
        ScriptWatch,
        None,
        "Tells when a script is paid, or what it holds is spent.",
        'await node.watch_script("jar", script_pubkey, depth=6)',
        watch_script,
    ),
    Offer(
        "watch_height",
        "chain",
        HeightWatch,
        None,
        "Tells when the chain has a height.",
        'await node.watch_height("refund", 840_000)',
        watch_height,
    ),
    Offer(
        "unwatch",
        "chain",
        WatchKey,
        bool,
        "Forgets a watch or a broadcast.",
        'await node.unwatch("refund")',
        unwatch,
    ),
)
