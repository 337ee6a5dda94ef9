"""How are events followed on a terminal or through a pipe? A line each, until Ctrl-C, through the node's restarts.

What was told last is where it goes on: nothing is left out, and nothing told twice.
"""

import sys
import time
from collections.abc import Callable
from typing import Final, NoReturn

from lnpd.cli.arguments import Common
from lnpd.cli.safe import json_text
from lnpd.rpc.answers import Event
from lnpd.rpc.client import Client
from lnpd.rpc.following import AWAY, Following

RETRY_SECONDS: Final = 0.5


def follow(node: Client, since: int | None, common: Common) -> NoReturn:
    """Prints events as they come. Raises what the first question is refused with, and EventsLost."""
    following = node.events(since, patience_seconds=0)
    while True:
        try:
            _print_all(following, common)
        except AWAY:
            following.close()
            _say("The node ended, or was lost. What happens is told once it is back; Ctrl-C ends.")
        following = _again(lambda after=following.sequence: node.events(after, patience_seconds=0))  # type: ignore[misc]  # mypy: a default argument
        _say("The node is back.")


def _print_all(following: Following, common: Common) -> None:
    for event in following:
        print(json_text(event) if common.json else _line(event), flush=True)


def _line(event: Event) -> str:
    from lnpd.cli.render import event as shown  # a program that reads JSON needs it not

    return shown(event.sequence, event.unix_seconds, event.topic, event.payload)


def _again(opened: Callable[[], Following]) -> Following:
    while True:
        try:
            return opened()
        except AWAY:
            time.sleep(RETRY_SECONDS)


def _say(sentence: str) -> None:
    print(f"lnp: {sentence}", file=sys.stderr, flush=True)
