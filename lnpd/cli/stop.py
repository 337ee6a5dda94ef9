"""When has a node stopped that was told to? When nobody answers there any more, and nobody holds its directory."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from lnpd.cli.arguments import Common
from lnpd.cli.progress import Line, can_move
from lnpd.errors import DeadlineMissed, KeyNotKnown, NodeConnectionLost, NodeUnavailable
from lnpd.rpc.client import Client
from lnpd.rpc.place import Place

STOPPED: Final = "lnpd stopped."
WAIT_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.1
ANSWER_SECONDS: Final = 2.0


def stop(node: Client, params: dict[str, Any], common: Common) -> None:  # Any: JSON values
    """Stops a node and says so once it has. Raises DeadlineMissed: it is at it."""
    with suppress(NodeConnectionLost):  # it may end before its answer is out
        node.call("stop", params, common.timeout_seconds)
    node.hang_up()
    line, until = Line(can_move(common.plain)), time.monotonic() + WAIT_SECONDS
    try:
        while _is_there(common.place):
            line.show("lnpd is stopping")
            if time.monotonic() > until:
                raise DeadlineMissed(f"lnpd is told to stop, and has not within {WAIT_SECONDS:g} s.")
            time.sleep(LOOK_SECONDS)
    finally:
        line.clear()
    print(STOPPED)


def _is_there(place: Place) -> bool:
    try:
        with Client(place, ANSWER_SECONDS) as node:
            node.call("info")
        return True
    except NodeUnavailable:
        pass
    except (NodeConnectionLost, DeadlineMissed, KeyNotKnown):
        return True
    if not isinstance(place, Path):
        return False
    from lnpd.cli.doctor.of_start import holder_of  # with all that the doctor needs

    return bool(holder_of(place))
