"""How does a plugin's line get into the node's log?"""

import logging
from typing import Final

from lnpd_sdk.services.log import LogLine

from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import Desk, Offer

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


async def write(_desk: Desk, plugin: Plugin, line: LogLine) -> None:
    """Too many lines are counted, not written."""
    plugin.voice.say(LEVELS[line.level], line.text)


OFFERS: Final = (
    Offer(
        "log",
        "",
        LogLine,
        None,
        "Writes a line to the node's log.",
        'await node.log("info", "ready")',
        write,
        early=True,
    ),
)
