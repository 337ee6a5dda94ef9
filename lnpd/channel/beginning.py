"""In which states do a new channel's providers begin, where these depend on its funding?

    opener                          acceptor
     |  InitialStates                  |
     |---- funding_created ----------->|  with digests of them; InitialStates, compared
     |<--- funding_signed -------------|

Most begin with an empty state. Of those that a type names (`ChannelTypeSpec.begins`) the base has none before: their
plugins are asked on both sides, just before these sign for the first time, for then the funding output is known. What
comes of it is stored with that step. It is no update: nobody has agreed to pay for it, so that it may not take anything
(`commitments.first`).
"""

from collections.abc import Generator
from hashlib import sha256
from itertools import zip_longest
from typing import Any, Final

import msgspec
from lnpd_sdk.types import Reject
from msgspec.structs import replace

from lnpd.channel.queries import Query, ask
from lnpd.channel.state import Channel
from lnpd.errors import InitialStateDiffers, InitialStateRefused

DIGEST_BYTES: Final = 8
States = tuple[tuple[str, bytes], ...]


class InitialStates(msgspec.Struct, Query[States | Reject], frozen=True):
    """The states of these providers, as this node's plugins say; the channel has its funding. Replies one for each, or
    why there is no channel."""

    channel: Channel
    providers: tuple[str, ...]


def begun(channel: Channel) -> Generator[Any, Any, Channel]:
    """The channel with a state of every provider. Raises InitialStateRefused."""
    known = dict(channel.base.states)
    names = tuple(pin.name for pin in channel.channel_type.providers)
    missing = tuple(name for name in names if name not in known)
    if not missing:
        return channel
    reply = yield from ask(InitialStates(channel, missing))
    if isinstance(reply, Reject):
        raise InitialStateRefused(f"The channel cannot begin: {reply.reason}")
    known |= dict(reply)
    return replace(channel, base=replace(channel.base, states=tuple((name, known[name]) for name in names)))


def digests(channel: Channel) -> tuple[bytes, ...] | None:
    """Of each extension's state, in the order of the channel's list; None where all are empty."""
    states = dict(channel.base.states)
    found = tuple(states[extension.name] for extension in channel.extensions)
    return tuple(sha256(state).digest()[:DIGEST_BYTES] for state in found) if any(found) else None


def check_digests(channel: Channel, theirs: tuple[bytes, ...] | None) -> None:
    """Raises InitialStateDiffers unless the opener begins with the same states as we do."""
    ours, theirs = digests(channel) or (), theirs or ()
    if ours == theirs:
        return
    names = (extension.name for extension in channel.extensions)
    name = next(name for name, *pair in zip_longest(names, ours, theirs, fillvalue="") if pair[0] != pair[1])
    raise InitialStateDiffers(f"funding_created: {name or 'nobody'} begins with another state on the two sides.")
