"""How much may the other side of a link ask of us at once, and send us that we did not ask for?"""

from typing import NamedTuple

from lnpd_sdk.envelope import MAX_FRAME_BYTES

FRAME_COST_BYTES = 1024  # what a frame costs beside its bytes: many small ones are as dear as a large one


class Limits(NamedTuple):
    """`running` calls of one side are answered at once, with `running_bytes` of parameters among them and `call_bytes`
    in each. What nobody asked it for (calls, notices, answers to nothing), with our answers to that, may be
    `unasked_bytes` a second, twice that in a burst; None is no limit."""

    running: int = 1_000
    call_bytes: int = MAX_FRAME_BYTES
    running_bytes: int = 64 * 1024 * 1024
    unasked_bytes: int | None = None


class Allowance:
    """What may still come in, as time goes by. `now` is in seconds, of any clock that does not go back."""

    def __init__(self, a_second: int) -> None:
        self._a_second, self._most = a_second, 2 * a_second
        self._left = float(self._most)
        self._at = 0.0

    def take(self, size: int, now: float) -> bool:
        """Whether a frame of this many bytes is still allowed."""
        self._left = min(self._most, self._left + (now - self._at) * self._a_second)
        self._at = now
        self._left -= size + FRAME_COST_BYTES
        return self._left >= 0
