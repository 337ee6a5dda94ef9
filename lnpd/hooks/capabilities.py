"""Which capabilities may a plugin ask for, and which of them are in effect?

A capability is a word, or a word with its parameter: `messages`, `updates:50000`. A plugin's manifest asks for it, the
user grants it with --grant; in effect is what was both asked for and granted.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec


class Capability(msgspec.Struct, frozen=True):
    """What a capability allows, and how it is written: `form` shows it, `parameter` is the expression of what stands
    behind the colon. Without the grant the node refuses."""

    form: str
    text: str
    parameter: str = ""


SAT: Final = "[0-9]{1,16}"
WORD: Final = "[a-z0-9][a-z0-9_-]{0,63}"
WORDS: Final = f"{WORD}(?:,{WORD}){{0,63}}"

CAPABILITIES: Final[dict[str, Capability]] = {
    "messages": Capability("messages", "Sends and receives the wire messages that its manifest declares."),
    "updates": Capability("updates:MAX_SAT", "What its updates may take of our money in each channel.", SAT),
    "sign": Capability("sign:PURPOSE", "Signs with those keys of its own that have this purpose.", WORD),
    "spend": Capability("spend:SAT", "What it may spend of the wallet in 24 hours, fees included.", SAT),
    "pay": Capability("pay:SAT", "What all its payments over Lightning may ever cost, fees included.", SAT),
    "invoice": Capability("invoice", "Makes invoices of the node's."),
    "hook": Capability("hook:NAME", "Takes part in a hook that moves money or changes terms.", WORD),
    "factory": Capability("factory", "Opens channels on outputs that others fund."),
    "chain": Capability("chain", "Watches the chain and broadcasts transactions."),
    "rpc": Capability("rpc:METHODS", "Calls the node's own RPC methods, by their names.", WORDS),
}


def kind_of(capability: str) -> str:
    """The word before the parameter."""
    return capability.partition(":")[0]


def parameter_of(capability: str) -> str:
    """The parameter, "" without one."""
    return capability.partition(":")[2]


def wrong_with(capability: str) -> str:
    """Why this is no capability; empty if it is one."""
    row = CAPABILITIES.get(kind_of(capability))
    if row is None:
        return f"one of the capabilities {', '.join(each.form for each in CAPABILITIES.values())}"
    wanted = f"{kind_of(capability)}:{row.parameter}" if row.parameter else kind_of(capability)
    return "" if re.fullmatch(wanted, capability) else f"the form {row.form}"


def in_effect(asked: Sequence[str], granted: Sequence[str]) -> tuple[str, ...]:
    """Of what was granted, what the plugin asked for. That may be no capability at all: its manifest is refused for
    that later."""
    known = {_counted(each) for each in asked if kind_of(each) in CAPABILITIES}
    return tuple(each for each in granted if _counted(each) in known)


def _counted(capability: str) -> str:
    """What of it both sides must have said: a hook's name, a purpose; of others how much is the user's word alone."""
    return capability if kind_of(capability) in ("hook", "sign") else kind_of(capability)


def ungranted(asked: Sequence[str], granted: Sequence[str]) -> tuple[str, ...]:
    """What was asked for, and is not granted."""
    counted = {_counted(each) for each in granted}
    return tuple(each for each in asked if _counted(each) not in counted)


def grantable(asked: str) -> str:
    """What --grant would take for it; a bound is for the user to fill in."""
    known = CAPABILITIES.get(kind_of(asked))
    return known.form if known is not None and known.parameter and ":" not in asked else asked


def explained(plugin: str, asked: Sequence[str], granted: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each capability that was asked for or granted, and is not simply in effect."""
    sentences = [_explained(plugin, each, granted) for each in asked]
    known = {_counted(each) for each in asked}
    sentences += [f"{each} is granted, but not asked for" for each in granted if _counted(each) not in known]
    return tuple(sentence for sentence in sentences if sentence)


def _explained(plugin: str, asked: str, granted: Sequence[str]) -> str:
    is_granted = _counted(asked) in {_counted(each) for each in granted}
    return "" if is_granted else f"{asked} needs --grant {plugin}={grantable(asked)}"
