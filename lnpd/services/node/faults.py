"""When is the power cut, if a developer asked for it? (--fail-at)"""

import os
import signal
from collections.abc import Sequence

from lnpd.config import FailPoint
from lnpd.store.transactions import Fault


def fail_points(wanted: Sequence[FailPoint]) -> Fault:
    """A fault for a store: the process kills itself at the N-th commit with a point, just before or after it."""
    left = {(each.point, f"{each.moment}_commit"): each.count for each in wanted}

    def fault(moment: str, points: frozenset[str]) -> None:
        for point in points:
            if (count := left.get((point, moment))) is not None:
                left[point, moment] = count - 1
                if count == 1:
                    os.kill(os.getpid(), signal.SIGKILL)

    return fault
