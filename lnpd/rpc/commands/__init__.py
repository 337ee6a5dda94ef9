"""Which commands does a node have? The one table: RPC, command line, completion, help and reference come from it.

A row's parameters are those of the Backend's method `call`, by name; a test compares the two. The command `plugin
list` is the RPC method `plugin.list`; what is required is a word on the command line, the rest are options.
"""

from typing import Final

from lnpd.rpc.commands.channels import CHANNELS_COMMANDS
from lnpd.rpc.commands.config import CONFIG_COMMANDS
from lnpd.rpc.commands.estimates import ESTIMATES_COMMANDS
from lnpd.rpc.commands.node import NODE_COMMANDS
from lnpd.rpc.commands.payments import PAYMENTS_COMMANDS
from lnpd.rpc.commands.peers import PEERS_COMMANDS
from lnpd.rpc.commands.plugins import PLUGINS_COMMANDS
from lnpd.rpc.commands.table import CHANNELS, NODE, PAYMENTS, PEERS, PLUGINS, WALLET, Command, Parameter
from lnpd.rpc.commands.wallet import WALLET_COMMANDS

__all__ = [
    "BY_METHOD", "CHANNELS", "COMMANDS", "NODE", "PAYMENTS", "PEERS", "PLUGINS", "WALLET", "Command", "Parameter",
]  # fmt: skip

COMMANDS: Final[tuple[Command, ...]] = (
    *NODE_COMMANDS,
    *CONFIG_COMMANDS,
    *PEERS_COMMANDS,
    *WALLET_COMMANDS,
    *CHANNELS_COMMANDS,
    *PAYMENTS_COMMANDS,
    *ESTIMATES_COMMANDS,
    *PLUGINS_COMMANDS,
)
BY_METHOD: Final = {command.method: command for command in COMMANDS}
