"""What may happen in a node, by name? (events, persistence points, errors, refusals of the signer, channel states)"""

import importlib
import inspect
import pkgutil
import re

import lnpd.channel.step  # fills the table of transitions
from contrib.docs.markdown import code, line_of, members, page, prose, table
from lnpd import errors
from lnpd.channel.table import printed
from lnpd.rpc.codes import CODES
from lnpd.services.events import KEPT_EVENTS, TOPICS
from lnpd.services.signer.refusals import Rule
from lnpd.store import points
from lnpd.store.points import PERSISTENCE_POINTS

assert lnpd.channel.step


def events() -> str:
    """Every topic of the log of events."""
    rows = [(code(name), ", ".join(map(code, topic.fields)), topic.text) for name, topic in TOPICS.items()]
    return page(
        "Events",
        f"""`lnp events` and the RPC method `events` follow a node's log. Each event has a sequence number and is stored
in the transaction of what happened; a client that was away reads on from its last number (`since`). The newest
{KEPT_EVENTS:,} are kept.

`channel` is the channel's key in this node's database, which it has before it has a `channel_id`. Amounts carry
their unit, ids are written as explorers write them, bytes are hex.
""",
        table(("topic", "fields", "meaning"), rows),
    )


def persistence() -> str:
    """Every persistence point."""
    rows = [(code(name), text) for name, text in PERSISTENCE_POINTS.items()]
    return page(
        "Persistence points",
        prose(points),
        "`lnpd --developer --dev-fail-at POINT[:before|after[:N]]` ends the node there as a power cut would.\n",
        table(("point", "what the transaction holds"), rows),
    )


def refusals() -> str:
    """Every rule of the signer."""
    source = inspect.getsource(Rule)
    parts: list[str] = []
    rows: list[tuple[str, str]] = []
    lines = source.splitlines()
    for member in members(Rule):
        above = lines[next(n for n, line in enumerate(lines) if re.match(rf" +{member.name} =", line)) - 1].strip()
        if above.startswith("#"):
            parts += [table(("name", "refused is"), rows)] if rows else []
            rows = []
            parts.append(f"## {above.strip('# ').capitalize()}\n")
        rows.append((code(member.value.strip("'")), member.comment))
    return page(
        "What the signer refuses",
        "The signer holds the keys, sees every transaction whole, and signs nothing that breaks one of these rules. "
        "`SignerRefused.rule`\ncarries the name.\n",
        *parts,
        table(("name", "refused is"), rows),
    )


def errors_page() -> str:
    """Every error class, by the file of lnpd/errors that it stands in."""
    parts: list[str] = []
    for _, name, _ in pkgutil.iter_modules(errors.__path__):
        module = importlib.import_module(f"lnpd.errors.{name}")
        found = re.findall(r"^class (\w+)", inspect.getsource(module), re.MULTILINE)
        if rows := [_error_row(getattr(errors, each)) for each in found if hasattr(errors, each)]:
            parts.append(f"## {name}\n\n{module.__doc__}\n")
            parts.append(table(("class", "a kind of", "RPC", "meaning"), rows))
    return page(
        "Errors",
        f"One class for each broken rule. A peer hears of a ProtocolError as `error`, of a ProtocolWarning as "
        f"`warning`.\nThe RPC gives a code ({len(CODES)} classes have one of their own) and the class's name.\n",
        *parts,
    )


def _error_row(kind: type[Exception]) -> tuple[str, str, str, str]:
    above = ", ".join(base.__name__ for base in kind.__bases__ if base is not Exception)
    number = next(CODES[each] for each in kind.__mro__ if each in CODES)
    return code(kind.__name__), above, str(number), line_of(kind)


def states() -> str:
    """The table of transitions, which stands beside the code of the channel."""
    return printed()
