"""What may a plugin keep in the node's database? Small rows of its own, which survive restarts and reloads."""

import msgspec

from lnpd_sdk.services.base import Asks

MAX_KEY_BYTES = 255
MAX_VALUE_BYTES = 64 * 1024
MAX_ROWS = 10_000
MAX_BYTES = 16 * 1024 * 1024
MAX_PAGE_ROWS = 1_000


class KvKey(msgspec.Struct, frozen=True):
    """What `kv_get` takes."""

    key: bytes


class KvRow(msgspec.Struct, frozen=True):
    """A row as it is stored. `version` grows with each change of any row of the plugin, and is never used twice."""

    key: bytes
    value: bytes
    version: int


class KvPut(msgspec.Struct, frozen=True):
    """What `kv_put` takes."""

    key: bytes
    value: bytes
    expected_version: int | None = None


class KvDelete(msgspec.Struct, frozen=True):
    """What `kv_delete` takes."""

    key: bytes
    expected_version: int | None = None


class KvRange(msgspec.Struct, frozen=True):
    """What `kv_list` takes."""

    prefix: bytes = b""
    after: bytes | None = None
    limit: int = 100


class KvPage(msgspec.Struct, frozen=True):
    """Rows in the order of their keys; `more` says whether others follow the last of them."""

    rows: tuple[KvRow, ...]
    more: bool


def key_of(key: str | bytes) -> bytes:
    """A key as it is stored: a text is its UTF-8."""
    return key.encode() if isinstance(key, str) else key


class KvAsks(Asks):
    """`Node`'s methods for the plugin's own rows."""

    async def kv_get(self, key: str | bytes) -> KvRow | None:
        """The row of a key, None if there is none. A text as key is its UTF-8."""
        found: KvRow | None = await self._ask("kv_get", KvKey(key_of(key)), KvRow | None)
        return found

    async def kv_put(self, key: str | bytes, value: bytes, expected_version: int | None = None) -> int:
        """Stores a row, durably when this returns; its new version.

        With `expected_version` only if the row still has it (0: if there is no such row): KeyValueChanged otherwise.
        A plugin has at most 10,000 rows and 16 MiB in all, keys of 1 to 255 bytes and values of at most 64 KiB:
        KeyValueFull, KeyValueUnfit.
        """
        version: int = await self._ask("kv_put", KvPut(key_of(key), value, expected_version), int)
        return version

    async def kv_delete(self, key: str | bytes, expected_version: int | None = None) -> bool:
        """Forgets a row; whether there was one. With `expected_version` only that version: else KeyValueChanged."""
        was_there: bool = await self._ask("kv_delete", KvDelete(key_of(key), expected_version), bool)
        return was_there

    async def kv_list(self, prefix: str | bytes = b"", after: str | bytes | None = None, limit: int = 100) -> KvPage:
        """Rows whose keys begin with `prefix`, in their order, those behind the key `after` only.

        At most `limit` (1 to 1,000), and fewer if their values are large: `more` says whether others follow.
        """
        wanted = KvRange(key_of(prefix), None if after is None else key_of(after), limit)
        page: KvPage = await self._ask("kv_list", wanted, KvPage)
        return page
