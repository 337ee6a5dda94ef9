"""What does `lnp doctor` look at, and which command mends what it finds? (the checks are rows of the code's tables)"""

from collections.abc import Iterable
from typing import Any

from contrib.docs.markdown import block, code, page, table
from lnpd.cli.doctor.run import LOCAL_CHECKS, UNWELL
from lnpd.cli.exits import OK, WRONG
from lnpd.services.doctor.check import Check
from lnpd.services.doctor.table import NODE_CHECKS


def doctor() -> str:
    """The page."""
    return page(
        "What is wrong?",
        """`lnp doctor` looks at a node from both sides: the node looks at itself, if one runs, and `lnp` at its files,
its disk, its configuration and its doors, whether one runs or not. It changes nothing. Each finding says in one
sentence what is wrong, and below it stands the command that mends it, or shows more where no command can. The worst
come first.
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
        f"""The exit code is {OK} while there are hints at most, and {WRONG} if there is a {" or a ".join(UNWELL)}, so
that a timer may run it. What lnpd would refuse of the configuration is one of the findings. Other programs ask a node
for its own checks by the RPC's method `doctor`.
""",
        "## Seen from the outside\n",
        _table(LOCAL_CHECKS),
        "## Seen by the node that runs\n",
        _table(NODE_CHECKS),
    )


def _table(checks: Iterable[Check[Any]]) -> str:  # Any: what they look at does not matter here
    rows = ((code(each.name), each.looks_at, ", ".join(map(code, each.mends))) for each in checks)
    return table(("check", "looks at", "commands that it may name"), rows)
