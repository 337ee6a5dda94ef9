"""What of a channel has the signer given out, and may therefore never forget?

Preparing moves the signer's memory before the caller has stored anything, and the caller may fail. A signature or a
secret that somebody has seen stays; what was only prepared does not.
"""

from msgspec.structs import replace

from lnpd.services.signer.refusals import Rule, refuse
from lnpd.services.signer.state import ChannelState, FundingState


class Given:
    """By channel (its levels): what was given out. Starts from stored rows, which may hold a step more than that."""

    def __init__(self, states: dict[bytes, ChannelState]) -> None:
        self._states = dict(states)

    def signed(self, levels: bytes, memory: ChannelState) -> None:
        """The peer's commitment that is prepared is being signed."""
        prepared = {each.funding: each for each in memory.fundings}
        lasting = self.lasting(levels, memory)
        fundings = tuple(_signed_as(each, prepared[each.funding]) for each in lasting.fundings)
        self._states[levels] = replace(lasting, fundings=fundings, signed=memory.signed, points=memory.points)

    def released(self, levels: bytes, memory: ChannelState, number: int) -> None:
        """The secret of our commitment `number` is being shown."""
        lasting = self.lasting(levels, memory)
        self._states[levels] = replace(lasting, released=max(lasting.released, number + 1))

    def broadcast(self, levels: bytes, memory: ChannelState) -> None:
        """Our prepared commitment is being signed."""
        self._states[levels] = replace(self.lasting(levels, memory), broadcast=memory.broadcast)

    def closing(self, levels: bytes, memory: ChannelState) -> None:
        """A mutual close is being signed."""
        self._states[levels] = replace(self.lasting(levels, memory), closing=True)

    def lasting(self, levels: bytes, memory: ChannelState) -> ChannelState:
        """The memory of a channel without what was only prepared. What is held binds nobody, and stays."""
        given = self._states.get(levels) or ChannelState(tuple(FundingState(f.funding) for f in memory.fundings))
        known = {each.funding: each for each in given.fundings}
        fundings = tuple(
            _signed_as(each, known.get(each.funding, FundingState(each.funding))) for each in memory.fundings
        )
        return replace(
            given,
            fundings=fundings,
            destinations=memory.destinations,
            forgotten=memory.forgotten,
            lost=memory.lost,
        )

    def forget(self, levels: bytes) -> None:
        """The channel came to nothing."""
        self._states.pop(levels, None)

    def check(self, levels: bytes, state: ChannelState | None) -> None:
        """Raises SignerRefused if something that was given out is missing in this state."""
        given = self._states.get(levels)
        if given is None:
            return
        if state is None or not _covers(state, given):
            refuse(Rule.WENT_BACKWARDS, "what the signer gave out of this channel is not in the caller's rows.")


def _covers(state: ChannelState, given: ChannelState) -> bool:
    """Whether a state remembers all that was given out."""
    known = {each.funding: each for each in state.fundings}
    forgotten = set(state.forgotten)
    left = [each for each in given.fundings if each.signed and each.outpoint not in forgotten]
    return (
        all(getattr(state, name) >= getattr(given, name) for name in ("released", "signed", "broadcast", "closing"))
        and set(given.points[-1:]) <= set(state.points)
        and set(given.forgotten) <= forgotten
        and all(each.funding in known and _covers_signed(known[each.funding], each) for each in left)
    )


def _covers_signed(state: FundingState, given: FundingState) -> bool:
    """Whether what was signed on one funding is known. Rows may have a step more, which was prepared and stored: it has
    the place of the oldest, which nobody may ask for any more."""
    if state.signed == given.signed:
        return state.settled[0] == given.settled[0]
    return len(state.signed) == 2 and given.signed[-1] in state.signed[:-1]


def _signed_as(funding: FundingState, other: FundingState) -> FundingState:
    """One funding's own side, with what `other` knows of the peer's."""
    return replace(funding, signed=other.signed, settled=(other.settled[0], funding.settled[1]))
