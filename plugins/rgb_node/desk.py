"""Which modules make up what the plugin does in channels?

doors       the node asks, or tells: hooks, messages, the provider
commands    a person asks: `lnp rgb`
parts       what both use: openings, payments, what comes home; and what goes on by itself
"""

from lnpd_sdk.plugin import Plugin

from rgb_engine.commands import Desk
from rgb_node.commands import Commands
from rgb_node.doors import CAPABILITIES, Doors
from rgb_node.parts import Parts

__all__ = ["CAPABILITIES", "Channels"]


class Channels:
    """All of it for one plugin, upon the wallet of its desk."""

    def __init__(self, plugin: Plugin, desk: Desk) -> None:
        self.parts = Parts(desk)
        self.doors, self.commands = Doors(plugin, self.parts), Commands(plugin, self.parts)
