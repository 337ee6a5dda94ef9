"""What is a key given that may only read?

No command that changes something, and no secret: neither the answers that hold one, nor those fields of other answers.
"""

from typing import Any

import msgspec

from lnpd.errors import OnlyReads
from lnpd.rpc.commands import Command


def check(command: Command) -> None:
    """Raises OnlyReads if it may not ask this."""
    if command.mutating or command.plugin:
        raise OnlyReads(f"{command.name} may change something, and this key may only read.")
    if command.secret:
        raise OnlyReads(f"{command.name} may show a secret, and this key may only read what is none.")


def shown(command: Command, answer: object) -> object:
    """What it sees of an answer: JSON values."""
    if not command.hidden:
        return answer
    return _without(msgspec.json.decode(msgspec.json.encode(answer)), frozenset(command.hidden))


def _without(value: Any, names: frozenset[str]) -> Any:  # Any: JSON values
    if isinstance(value, dict):
        return {name: _without(each, names) for name, each in value.items() if name not in names}
    return [_without(each, names) for each in value] if isinstance(value, list) else value
