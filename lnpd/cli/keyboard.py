"""Which commands of `lnp` ask the node again and again, for a person who looks on? Rows as those of the one table."""

from typing import Final

from lnpd.rpc.commands import Command, Parameter

KEYBOARD_GROUP: Final = "At the keyboard"

WATCH: Final = Command(
    "watch",
    KEYBOARD_GROUP,
    "Repeat a command that changes nothing, at each event and every 2 s, until a key is pressed.",
    None,
    (Parameter("command", "text", "the command with its words; `lnp watch --json channels` for one option of lnp"),),
    examples=("lnp watch channels", "lnp watch channels --onchain"),
)
WAIT: Final = Command(
    "wait",
    KEYBOARD_GROUP,
    "Wait until the chain is read, or until a channel is ready, or its close cannot be undone; show how far it is.",
    None,
    (Parameter("channel", "channel", "the channel's id, or its first digits (default: the chain)", False, bare=True),),
    examples=("lnp wait", "lnp wait 3f2a91 --timeout 3600"),
)
KEYBOARD: Final = (WATCH, WAIT)
