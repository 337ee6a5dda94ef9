"""What is a row of the table of commands, and what do many rows share?"""

from typing import Any, Final

import msgspec
from lnpd_sdk.moves import Moves

from lnpd.errors import LnpdError

NODE, PEERS, WALLET, CHANNELS, PAYMENTS, PLUGINS = "Node", "Peers", "Wallet", "Channels", "Payments", "Plugins"


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of a command: its kind is a row of KINDS; an optional one that is not given has the default. What is
    `bare` may be given without its flag too; `plugin` is whose it is, where one adds it to a command of the node's,
    `method` what is then called in the command's place, and `moves` whether that moves money."""

    name: str
    kind: str
    help: str
    required: bool = True
    default: Any = None  # a JSON value
    bare: bool = False
    plugin: str = ""
    method: str = ""
    moves: Moves | None = None

    @property
    def flag(self) -> str:
        """Its option on the command line."""
        return "--" + self.name.replace("_", "-")


class Command(msgspec.Struct, frozen=True):
    """A command. `result` is a class of answers.py, or a tuple of them; None where anything may come (a plugin's).

    `mutating` commands change something; `streaming` ones answer with notifications until they are ended. `refused` are
    the classes of errors that it may be refused with, beside those that any command may have. A key that may only read
    is not given the `hidden` fields of the answer, and a `secret` answer not at all. Before one that `moves` money a
    person is asked.
    """

    name: str
    group: str
    help: str
    result: Any = None  # a type that msgspec converts into
    parameters: tuple[Parameter, ...] = ()
    mutating: bool = False
    call: str = ""
    examples: tuple[str, ...] = ()
    streaming: bool = False
    plugin: str = ""
    refused: tuple[type[LnpdError], ...] = ()
    hidden: tuple[str, ...] = ()
    secret: bool = False
    moves: Moves | None = None

    @property
    def method(self) -> str:
        """Its name in the RPC."""
        return self.name.replace(" ", ".")

    @property
    def handler(self) -> str:
        """The Backend's method that does it."""
        return self.call or self.name


def optional(name: str, kind: str, help: str, default: object = None) -> Parameter:
    """A parameter that need not be given."""
    return Parameter(name, kind, help, False, default)


PEER: Final = Parameter("peer", "peer", "the peer's node id, or its first digits")
CHANNEL: Final = Parameter("channel", "channel", "the channel's id, or its first digits")
PLUGIN: Final = Parameter("plugin", "plugin", "the plugin's name, or the path of its file")
CLOSE_FEE: Final = optional(
    "max_fee_sat", "sat", "at most this in fees, if the close is ours to pay (default: twice the estimate)"
)
MAX_FEE: Final = optional("max_fee_sat", "sat", "at most this in fees (default: what is modest for the amount)")
FEERATE: Final = optional("feerate_per_kw", "per_kw", "satoshi per 1000 weight units (default: an estimate)")
