"""Which transitions does a node take, and which of its signatures and losses does the ledger hear of?"""

from collections import Counter
from functools import partial
from typing import Any

from lnpd_sdk.types import Party

from lnpd.channel import actions, events
from lnpd.channel.queries import FoldMemory
from lnpd.channel.table import TRANSITIONS
from lnpd.errors import CommandRefused
from lnpd.wire.messages import CommitmentSigned
from tests.channel.schedules.ledger import Ledger
from tests.channel.schedules.signing import SigningNode

DELAYS = (144, 150)  # by party
TAKEN: Counter[tuple[type, type]] = Counter()  # transitions whose handler ended well
REFUSED: Counter[tuple[type, type]] = Counter()  # transitions whose handler refused a command


class Observed(SigningNode):
    """A node whose transitions are counted, and whose signatures and losses the ledger hears of."""

    def __init__(
        self, us: Party, ledger: Ledger, dust_sat: int, slots: int, providers: dict[str, Any] | None = None
    ) -> None:
        self.ledger = ledger
        self.keys: dict[str, Any] = {}
        super().__init__(us, providers=providers)
        terms = {"dust_limit_sat": dust_sat, "to_self_delay": DELAYS[us], "max_accepted_htlcs": slots}
        self.signer.terms = partial(self.signer.terms, **terms)  # type: ignore[method-assign]

    def run(self, event: Any) -> list[actions.Action]:
        before, errors = type(self.channel.phase), len(self.errors)
        if isinstance(event, events.Disconnected):
            self.ledger.lost(self.us)
        pair = (before, type(event))
        try:
            wanted = super().run(event)
        except CommandRefused:
            REFUSED[pair] += pair in TRANSITIONS
            raise
        TAKEN[pair] += pair in TRANSITIONS and len(self.errors) == errors
        return wanted

    def act(self, action: actions.Action) -> None:
        if isinstance(action, actions.Send) and isinstance(action.message, CommitmentSigned):
            self.ledger.signed(self.us)
        if isinstance(action, actions.Tell):
            # Whoever is told knows a message by its key: another message under that key would be lost.
            assert self.keys.setdefault(action.key, action.message) == action.message, f"{action.key} means two things"
        super().act(action)

    def restart(self) -> None:
        self.folds = FoldMemory()
        super().restart()
