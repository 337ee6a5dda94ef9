"""What does the node know of a kind of value? Completions ask; they are told in a second, or --timeout, or nothing."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from lnpd.cli.arguments import Common
from lnpd.errors import LnpdError
from lnpd.rpc.client import Client

SECONDS: Final = 1.0
PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]*")
"""What a shell takes as one word, whoever named it: a plugin may call its provider what it wants."""

Known = tuple[str, str]
Row = dict[str, Any]  # Any: JSON values

# By kind: the method that lists them, and what each row of it is good for.
ASKED: Final[dict[str, tuple[str, Callable[[Row], Iterator[Known]]]]] = {
    "peer": ("peers", lambda row: iter([(row["node_id"], row["address"] or "not connected")])),
    "channel": ("channels", lambda row: iter([(row["channel_id"], f"{row['state']}, {row['capacity_sat']:,} sat")])),
    "invoice": ("invoices", lambda row: iter([(row["invoice"], f"{row['state']}: {row['description']}")])),
    "names": ("plugin.list", lambda row: ((name, f"of {row['name']}") for name in row["providers"])),
    "plugin": ("plugin.list", lambda row: iter([(row["name"], row["status"])])),
    "command": ("help", lambda row: iter([(row["name"].split(" ")[0], row["help"])] if row["plugin"] else [])),
}


def known(kind: str, common: Common) -> list[Known]:
    """Values, each with what it is in one line; none if no node answers."""
    method, values = ASKED[kind]
    seconds = common.timeout_seconds or SECONDS
    try:
        with Client(common.place, seconds) as node:
            rows = node.call(method, {}, seconds)
            found = [(value, " ".join(help.split())) for row in rows for value, help in values(row)]
    except (LnpdError, LookupError, TypeError):
        return []
    once: dict[str, str] = {}
    for value, help in found:
        once.setdefault(value, help)  # of a group of commands the first word is the same
    return [(value, "".join(filter(str.isprintable, help))) for value, help in once.items() if PLAIN.fullmatch(value)]
