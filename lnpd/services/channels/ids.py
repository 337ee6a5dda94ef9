"""Which channel has a channel_id?"""


class Ids:
    """The ids of all channels, temporary ones too. A stranger names the funding that an id is made of (BOLT 2), so two
    channels could have one, and then neither could be told from the other: the first has it."""

    def __init__(self) -> None:
        self._keys: dict[bytes, str] = {}

    def __contains__(self, channel_id: bytes) -> bool:
        return channel_id in self._keys

    def key(self, channel_id: bytes) -> str:
        """Which channel has the id, or had it as a temporary one; "" if none."""
        return self._keys.get(channel_id, "")

    def claim(self, channel_id: bytes, key: str) -> bool:
        """Whether the channel of this key has the id, from here on if nobody had it."""
        return self._keys.setdefault(channel_id, key) == key

    def leave(self, key: str) -> None:
        """The channel of this key is gone."""
        self._keys = {channel_id: owner for channel_id, owner in self._keys.items() if owner != key}
