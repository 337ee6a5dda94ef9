"""Does this node see the chain as it is now? Whoever takes on something with a deadline asks here first.

    unasked   it has not answered for a while (pulse.py), or nobody has asked it: this machine slept
    lacking   it knows of blocks that it has not taken in
    behind    it has blocks that the channels have not heard of
    old       its last block is hours old: it has no peers, or our clock is wrong

While one of these holds, heights are not what they seem: an HTLC that looks safe may have expired. So none is offered,
passed on or paid for by a preimage; what was decided before goes on, and so does what the chain's blocks ask for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from lnpd.chain.interface import SLACK_BLOCKS, ChainTip
from lnpd.errors import ChainNotCurrent
from lnpd.services.chain.pulse import ChainPulse

log = logging.getLogger("lnpd.chain")

UNASKED_SECONDS: Final = 600
"""A block's time: a chain that is started again meanwhile costs no payment."""
OLD_SECONDS: Final = 2 * 3600
"""Bitcoin waits so long for a block once in some years."""
NO_NEWS: Final = "until this ends no HTLC is offered, passed on or accepted as a payment"


class _Seen(NamedTuple):
    """The last tip, when it was heard, what the channels have handled, and the time."""

    tip: ChainTip
    heard_unix_seconds: float
    height: int
    now_unix_seconds: float

    @property
    def unasked_seconds(self) -> int:
        return round(self.now_unix_seconds - self.heard_unix_seconds)

    @property
    def age_seconds(self) -> int:
        return round(self.now_unix_seconds - self.tip.time_seconds)


class _Trouble(NamedTuple):
    """A name, when it is so, and what is said of it."""

    name: str
    holds: Callable[[_Seen], bool]
    says: Callable[[_Seen], str]


TROUBLES: Final = (
    _Trouble(
        "unasked",
        lambda s: s.unasked_seconds > UNASKED_SECONDS,
        lambda s: f"the chain was not asked for {s.unasked_seconds} s",
    ),
    _Trouble(
        "lacking",
        lambda s: s.tip.headers_height > s.tip.block.height + SLACK_BLOCKS,
        lambda s: f"the chain's node is at block {s.tip.block.height:,} of {s.tip.headers_height:,}",
    ),
    _Trouble(
        "behind",
        lambda s: s.tip.block.height > s.height + SLACK_BLOCKS,
        lambda s: f"lnpd has handled {s.height:,} of {s.tip.block.height:,} blocks",
    ),
    _Trouble(
        "old",
        lambda s: s.age_seconds > OLD_SECONDS,
        lambda s: (
            f"the chain's last block is {s.age_seconds / 3600:.1f} h old (has its node no peers, or is a clock wrong?)"
        ),
    ),
)


class ChainSight:
    """Whether what is known of the chain is current. height: up to which blocks were handled by the channels.

    mined_on_command: a regtest chain, whose last block may be of any age. unix_seconds: the clock.
    """

    def __init__(
        self,
        pulse: ChainPulse,
        height: Callable[[], int],
        mined_on_command: bool,
        unix_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._pulse, self._height, self._unix_seconds = pulse, height, unix_seconds
        self._troubles = tuple(each for each in TROUBLES if each.name != "old" or not mined_on_command)
        self._said = ""
        pulse.on_beat = self._say

    @property
    def is_current(self) -> bool:
        """Whether heights are what they seem, so that something new may be taken on."""
        return self._trouble() is None

    @property
    def warning(self) -> str:
        """A sentence for a person while it is not so, else nothing."""
        if self._pulse.warning:
            return self._pulse.warning
        trouble = self._trouble()
        return f"{trouble.says(self._seen())}: {NO_NEWS}" if trouble else ""

    def require_current(self) -> None:
        """Before anything new that depends on heights. Raises ChainUnreachable (silent), ChainNotCurrent (else)."""
        if (trouble := self._trouble()) is not None:
            self._pulse.require()
            why = trouble.says(self._seen())
            raise ChainNotCurrent(f"{why[0].upper()}{why[1:]}: ask again when `lnp info` has no warning of it.")

    def _trouble(self) -> _Trouble | None:
        seen = self._seen()
        return next((each for each in self._troubles if each.holds(seen)), None)

    def _seen(self) -> _Seen:
        assert self._pulse.heard is not None, "asked after the start only"
        return _Seen(self._pulse.heard, self._pulse.heard_unix_seconds, self._height(), self._unix_seconds())

    def _say(self) -> None:
        """Once when a trouble begins, and once when it ends; the pulse says it of silence."""
        trouble = None if self._pulse.silence else self._trouble()
        name = trouble.name if trouble else ""
        if name != self._said and trouble:
            log.warning("%s: %s", trouble.says(self._seen()), NO_NEWS)
        elif name != self._said and not self._pulse.silence:
            log.warning("the chain is seen as it is again")
        self._said = name
