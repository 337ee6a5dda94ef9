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

    def lasting(self, levels: bytes, memory: ChannelState) -> ChannelState:
        """The memory of a channel without what was only prepared. What is held binds nobody, and stays."""
        given = self._states.get(levels) or ChannelState(tuple(FundingState(f.funding) for f in memory.fundings))
        known = {each.funding: each for each in given.fundings}
        fundings = tuple(_signed_as(each, known.get(each.funding, each)) for each in memory.fundings)
        return replace(given, fundings=fundings, destinations=memory.destinations)

    def check(self, levels: bytes, state: ChannelState | None) -> None:
        """Raises SignerRefused if something that was given out is missing in this state."""
        given = self._states.get(levels)
        if given is None:
            return
        least = (given.released, given.signed, given.broadcast)
        has = (-1, -1, -1) if state is None else (state.released, state.signed, state.broadcast)
        if any(mine < theirs for mine, theirs in zip(has, least, strict=True)):
            refuse(Rule.WENT_BACKWARDS, "what the signer gave out of this channel is not in the caller's rows.")


def _signed_as(funding: FundingState, other: FundingState) -> FundingState:
    """One funding's own side, with what `other` knows of the peer's."""
    return replace(funding, signed=other.signed, settled_msat=(other.settled_msat[0], funding.settled_msat[1]))
