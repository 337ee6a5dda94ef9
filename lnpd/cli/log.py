"""How is the node's log shown? (`lnp log`, `lnp log --follow`: until Ctrl-C, or the end of the node)"""

import sys
import time
from typing import Any

import msgspec

from lnpd.cli.arguments import Common
from lnpd.cli.safe import clean, json_text
from lnpd.rpc.answers import Log, LogLine
from lnpd.rpc.client import Client


def show_log(node: Client, params: dict[str, Any], common: Common) -> None:  # Any: JSON values
    """Prints the last lines; with `follow` those that come as well."""
    follow = params.pop("follow", False)
    asked = {**params, "lines": params.get("lines", 20)}
    _print(said := _asked(node, asked, common), common)
    while follow:
        said = _asked(node, {**asked, "lines": 500, "since": said.last, "follow": True}, common)
        _print(said, common)


def _asked(node: Client, params: dict[str, Any], common: Common) -> Log:  # Any: JSON values
    return msgspec.convert(node.call("log", params, common.timeout_seconds), Log)


def _print(said: Log, common: Common) -> None:
    if said.lost:
        print(f"lnp: {said.lost} lines were gone before they could be shown.", file=sys.stderr)
    for line in said.lines:
        print(json_text(line) if common.json else as_text(line), flush=True)


def as_text(line: LogLine) -> str:
    """A line as a person reads it, with its traceback below it."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.unix_seconds))
    told = f"{when} {line.level.upper():<7} {line.subsystem}: {clean(line.message)}"
    return "\n".join([told, *(f"    {clean(each)}" for each in line.exception.splitlines())])
