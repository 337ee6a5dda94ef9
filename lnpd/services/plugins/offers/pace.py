"""Does a plugin ask for something more often than it may?"""

import time
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

from lnpd.errors import LnpdError
from lnpd.services.plugins.calls import Plugin


class Pace:
    """At most `times` within `seconds` for each plugin; more is refused with `refusal`."""

    def __init__(
        self, times: int, seconds: float, refusal: type[LnpdError], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._times, self._seconds, self._refusal, self._clock = times, seconds, refusal, clock
        self._asked: WeakKeyDictionary[Plugin, deque[float]] = WeakKeyDictionary()

    def take(self, plugin: Plugin) -> None:
        """Counts one; raises the refusal, and counts nothing, if it is one too many."""
        now = self._clock()
        asked = self._asked.setdefault(plugin, deque())
        while asked and now - asked[0] >= self._seconds:
            asked.popleft()
        if len(asked) >= self._times:
            raise self._refusal(f"{plugin.name} may ask for this {self._times} times in {self._seconds:g} seconds.")
        asked.append(now)
