"""Which points do the names in a script expression mean, and whose is a point?"""

from functools import lru_cache
from typing import Final, NamedTuple

from lnpd_sdk.script import Key
from lnpd_sdk.types import CommitmentKeys

_HOLDERS: Final = (Key.DELAYED, Key.HOLDER_HTLC, Key.HOLDER_FUNDING)


class Names(NamedTuple):
    """Named points, in the order in which they are asked: of two names of one point the last one counts. `funding` are
    both funding keys."""

    points: tuple[tuple[str, bytes], ...]
    funding: tuple[bytes, bytes]

    def name_of(self, point: bytes, x_only: bool) -> str:
        """The name of a point, or its hex. In tapscript a point and its negative are one key."""
        start = 1 if x_only else 0
        found = [name for name, named in self.points if named[start:] == point[start:]]
        return found[-1] if found else point.hex()


@lru_cache(maxsize=256)
def names_of(keys: CommitmentKeys) -> Names:
    """A commitment's names, the holder's last: a point that both sides claim counts as the holder's."""
    ordered = sorted(Key, key=lambda name: name in _HOLDERS)
    points = tuple((str(name), bytes(getattr(keys, name))) for name in ordered)
    return Names(points, (keys.holder_funding, keys.counterparty_funding))
