"""How does a person wait for blocks? `lnp wait` shows how far the chain is read, or a channel's opening or close."""

import select
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from lnpd.cli.arguments import Common
from lnpd.cli.ears import Ears
from lnpd.cli.progress import Line, bar, can_move
from lnpd.errors import DeadlineMissed
from lnpd.rpc.client import Client

EVERY_SECONDS: Final = 2.0
ASK_SECONDS: Final = 60.0

Row = Mapping[str, Any]  # Any: JSON values


class Stage(msgspec.Struct, frozen=True):
    """How far something is: what is said of it, how much of it is done, and whether it has ended."""

    words: str
    part: float = 0.0
    ended: bool = False


def of_chain(info: Row) -> Stage:
    """How far the chain is read."""
    known, height = info["synced_height"], info["height"]
    if known >= height:
        return Stage(f"The chain is read up to block {height:,}.", 1.0, True)
    return Stage(f"reading the chain: block {known:,} of {height:,}, {height - known:,} left", known / max(height, 1))


def of_channel(row: Row | None, most_left: int) -> Stage:
    """How far a channel is. `most_left` is the most that its `blocks_left` were while it was looked at."""
    if row is None:
        return Stage("Nothing of the channel is left to do.", 1.0, True)
    name, left = row["channel_id"][:12], row["blocks_left"]
    part = 1 - left / max(most_left, 1)
    if row["closing_txid"]:
        deep = row["closing_confirmations"]
        where = f"{deep:,} {'block' if deep == 1 else 'blocks'} deep" if deep else "in no block yet"
        return Stage(f"closing {name}: {where}, {left:,} left until it cannot be undone", part, not left)
    if row["state"] == "normal":
        return Stage(f"The channel {name} is ready.", 1.0, True)
    if left:
        deep, whole = row["confirmations"], row["confirmations"] + left
        return Stage(f"opening {name}: {deep:,} of {whole:,} blocks", deep / whole)
    return Stage(f"the channel {name} is {row['state'].replace('_', ' ')}", part)


def wait(channel: str | None, common: Common) -> None:
    """Waits for the chain, or for a channel by its whole id. Raises DeadlineMissed."""
    ears, line = Ears(common.place), Line(can_move(common.plain))
    began, most_left = time.monotonic(), 0
    try:
        with Client(common.place) as node:
            while True:
                row = _row(node, channel) if channel else None
                most_left = max(most_left, row["blocks_left"] if row else 0)
                stage = of_channel(row, most_left) if channel else of_chain(node.call("info", {}, ASK_SECONDS))
                if stage.ended:
                    line.clear()
                    print(stage.words)
                    return
                line.show(f"{bar(stage.part)}  {stage.words}" if can_move(common.plain) else stage.words)
                _pause(ears, began, common.timeout_seconds, stage)
    except KeyboardInterrupt:
        line.clear()
        print("\nNo longer waiting; it goes on in the node.", file=sys.stderr)
        raise
    finally:
        line.clear()
        ears.close()


def _row(node: Client, channel: str) -> Row | None:
    rows = node.call("channels", {}, ASK_SECONDS)
    return next((row for row in rows if row["channel_id"] == channel), None)


def _pause(ears: Ears, began: float, timeout_seconds: float | None, stage: Stage) -> None:
    left = EVERY_SECONDS if timeout_seconds is None else began + timeout_seconds - time.monotonic()
    if left <= 0:
        raise DeadlineMissed(f"It is not done within {timeout_seconds:g} s: {stage.words}.")
    select.select([ears], [], [], min(left, EVERY_SECONDS))
    ears.clear()
