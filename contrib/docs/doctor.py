"""What does `lnp doctor` look at, and which command mends what it finds? (the checks are rows of the code's tables)"""

from collections.abc import Iterable
from typing import Any, Final

from contrib.docs.markdown import block, code, page, table
from lnpd.cli.doctor.run import LOCAL_CHECKS, UNWELL
from lnpd.cli.exits import OK, WRONG
from lnpd.services.doctor.check import Check
from lnpd.services.doctor.table import NODE_CHECKS

REPORT: Final = """## A report of a defect

`lnp report` writes one text file, which its user alone may read, for whoever looks for the defect: versions, what the
doctor says, the configuration with who said what, `lnp info`, channels, peers, plugins, metrics, the last 1,000 lines
of the log, and the database's schema with the number of rows. It works without a node, too.

No secret stands in it. What plugins were told is left out, and so are invoices, payments and coins. Of hex and base64
as long as a key only ids remain that the node's own answers name; the rest is a mark, the same for the same bytes.
Twelve words in a row, extended keys, passwords in URLs and invoices are named, not shown; of paths outside the data
directory the last name remains. With `--anonymous` ids, addresses and amounts are replaced by pseudonyms, the same one
for the same thing. It is a text so that you can look before you send it.
"""


def doctor() -> str:
    """The page."""
    return page(
        "What is wrong?",
        """`lnp doctor` looks at a node from both sides: the node looks at itself, if one runs, and `lnp` at its files,
its disk, its configuration and its doors, whether one runs or not. It changes nothing. Each finding says in one
sentence what is wrong, and below it stands the command that mends it, or shows more where no command can. The worst
come first. Capitals below are filled in: LNPD is the line that starts this very node as it was started last, with its
directory, its network, its options and its variables (the file `started` in its directory keeps it, without passwords).
What only a person can know stays in capitals: `ssl://HOST:PORT`, `MAX_SAT`, and VALUE for a plugin's option.
""",
        block("lnp doctor\nlnp doctor --json     # check, severity, text, command of each"),
        table(
            ("severity", "it means"),
            (
                (code("danger"), "money, or the whole node, is at risk"),
                (code("warning"), "something is wrong"),
                (code("hint"), "it could be better"),
                (code("ok"), "it is as it should be"),
            ),
        ),
        f"""The exit code is {OK} while there are hints at most, and {WRONG} if there is a {" or a ".join(UNWELL)}:
a timer may run it. What lnpd would refuse of the configuration is one of the findings. Other programs ask a node for
its own checks by the RPC's method `doctor`.
""",
        REPORT,
        "## Seen from the outside\n",
        _table(LOCAL_CHECKS),
        "## Seen by the node that runs\n",
        _table(NODE_CHECKS),
    )


def _table(checks: Iterable[Check[Any]]) -> str:  # Any: what they look at does not matter here
    rows = ((code(each.name), each.looks_at, ", ".join(map(code, each.mends))) for each in checks)
    return table(("check", "looks at", "commands that it may name"), rows)
