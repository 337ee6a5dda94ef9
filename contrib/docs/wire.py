"""Which messages are on the wire, whose are they, and how does a plugin add its own?"""

from collections.abc import Iterable

import lnpd.wire.catalogue
import lnpd.wire.features
import lnpd.wire.rows
from contrib.docs.markdown import block, code, page, prose, table
from lnpd.hooks.records import CARRIERS
from lnpd.wire.catalogue import CORE
from lnpd.wire.features import BOLT9
from lnpd.wire.generate import FOLDER
from lnpd.wire.rows import FieldRow


def messages() -> str:
    """Every message, TLV record and composite type of the catalogue."""
    numbered = sorted(CORE.numbers.items())
    rows = [(str(n), code(row.name), row.owner, row.option, shown(row.fields), code(row.stream)) for n, row in numbered]
    records = [
        (code(stream.name), str(row.number), code(row.name), row.owner, shown(row.fields))
        for stream in CORE.streams.values()
        for row in stream.records
    ]
    subtypes = [(code(row.name), row.owner, shown(row.fields)) for row in CORE.subtypes.values()]
    features = [
        (f"{row.bit}/{row.bit + 1}", code(row.name), row.contexts + "A" * row.assumed, ", ".join(row.dependencies))
        for row in BOLT9.features.values()
    ]
    return page(
        "Messages",
        "## How they are declared\n",
        prose(lnpd.wire.rows),
        """A plugin declares such rows with `plugin.messages(rows)`: see [sdk.md](sdk.md). A row is not a handler: what
lnpd can read it may still ignore.
""",
        prose(lnpd.wire.catalogue),
        "## Records of plugins on the node's messages\n",
        """A plugin adds types to a message's stream with `plugin.records(rows)`. The hook that asks says what is sent;
the hooks that show have what came, each plugin the records of its own rows (of the payload also those of nobody's). An
odd record that no rows here know is ignored, an even one ends the connection (BOLT 1). All that plugins add to one
message has together at most so many bytes, with 16 for each record; more is not sent, and not shown.
""",
        table(("message", "asked for by", "shown by", "bytes", "sent again"), carriers()),
        "## lnpd's own, in this notation\n",
        block((FOLDER / "lnpd.csv").read_text()),
        "## All messages\n",
        table(("number", "message", "owner", "option", "fields", "TLV stream"), rows),
        "## TLV records\n",
        table(("stream", "type", "record", "owner", "fields"), records),
        "## Composite types\n",
        table(("name", "owner", "fields"), subtypes),
        "## Feature bits\n",
        prose(lnpd.wire.features),
        table(("bits", "feature", "contexts", "depends on"), features),
    )


def carriers() -> list[tuple[str, ...]]:
    """Each message that carries plugins' records."""
    return [
        (code(row.name), code(row.asked), ", ".join(map(code, row.shown)), f"{row.most_bytes:,}", row.again)
        for row in CARRIERS.values()
    ]


def shown(fields: Iterable[FieldRow]) -> str:
    """Fields as the rows write them: `count*type name`."""
    return ", ".join(f"{row.count}*{row.type} {row.name}" if row.count else f"{row.type} {row.name}" for row in fields)
