"""What does a plugin keep in the node's database, and how much?

Rows under its name, which no other plugin can have while its channels and grants wait for it. What they hold in all is
counted in a row of its own, in the same transaction. It counts the versions too, so that a row which was deleted and
made again is another one.
"""

from functools import partial
from typing import Final

import msgspec
from lnpd_sdk.services.kv import (
    MAX_BYTES,
    MAX_KEY_BYTES,
    MAX_PAGE_ROWS,
    MAX_ROWS,
    MAX_VALUE_BYTES,
    KvDelete,
    KvKey,
    KvPage,
    KvPut,
    KvRange,
    KvRow,
)
from msgspec.structs import replace

from lnpd.errors import KeyValueChanged, KeyValueFull, KeyValueUnfit
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import Desk, Offer, there
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read
from lnpd.store.write import Write

ROWS: Final = "plugin-rows/"  # and the plugin's name: the namespace of what it keeps
SUMS: Final = "plugin-sums"
PAGE_BYTES: Final = 1024 * 1024


class Sums(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a plugin's rows hold: how many, with how many bytes of keys and values; and the last version of one."""

    rows: int = 0
    size: int = 0
    version: int = 0


class Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row's value with its version."""

    version: int
    value: bytes


async def get(desk: Desk, plugin: Plugin, wanted: KvKey) -> KvRow | None:
    """One row."""
    return await there(desk.store).read(lambda read: _found(read, plugin.name, wanted.key))


async def put(desk: Desk, plugin: Plugin, wanted: KvPut) -> int:
    """KeyValueUnfit, KeyValueFull, KeyValueChanged."""
    if not 1 <= len(wanted.key) <= MAX_KEY_BYTES or len(wanted.value) > MAX_VALUE_BYTES:
        raise KeyValueUnfit(
            f"A key has 1 to {MAX_KEY_BYTES} bytes and a value at most {MAX_VALUE_BYTES}, not {len(wanted.key)} and"
            f" {len(wanted.value)}."
        )
    return await there(desk.store).write(partial(_put, name=plugin.name, wanted=wanted))


async def delete(desk: Desk, plugin: Plugin, wanted: KvDelete) -> bool:
    """KeyValueChanged."""
    return await there(desk.store).write(partial(_delete, name=plugin.name, wanted=wanted))


async def listed(desk: Desk, plugin: Plugin, wanted: KvRange) -> KvPage:
    """KeyValueUnfit for a page that is too large."""
    if not 1 <= wanted.limit <= MAX_PAGE_ROWS:
        raise KeyValueUnfit(f"A page has 1 to {MAX_PAGE_ROWS} rows, not {wanted.limit}.")
    return await there(desk.store).read(partial(_listed, name=plugin.name, wanted=wanted))


def sums_of(read: Read, name: str) -> Sums:
    """What a plugin's rows hold."""
    stored = read.value(SUMS, name.encode())
    return Sums() if stored is None else decode(stored, Sums, table="key_value", key=name)


def _found(read: Read, name: str, key: bytes) -> KvRow | None:
    stored = read.value(ROWS + name, key)
    return None if stored is None else _row(name, key, stored)


def _row(name: str, key: bytes, stored: bytes) -> KvRow:
    row = decode(stored, Stored, table="key_value", key=name)
    return KvRow(key, row.value, row.version)


def _put(write: Write, name: str, wanted: KvPut) -> int:
    before, sums = _expected(write, name, wanted), sums_of(write, name)
    size = sums.size + len(wanted.value) - (len(before.value) if before else -len(wanted.key))
    sums = Sums(sums.rows + (before is None), size, sums.version + 1)
    if sums.rows > MAX_ROWS or sums.size > MAX_BYTES:
        raise KeyValueFull(f"{name} may keep {MAX_ROWS} rows and {MAX_BYTES} bytes in all: delete some first.")
    write.put_value(ROWS + name, wanted.key, encode(Stored(sums.version, wanted.value)))
    write.put_value(SUMS, name.encode(), encode(sums))
    return sums.version


def _delete(write: Write, name: str, wanted: KvDelete) -> bool:
    before, sums = _expected(write, name, wanted), sums_of(write, name)
    if before is None:
        return False
    write.delete_value(ROWS + name, wanted.key)
    size = sums.size - len(before.value) - len(before.key)
    write.put_value(SUMS, name.encode(), encode(replace(sums, rows=sums.rows - 1, size=size)))
    return True


def _expected(read: Read, name: str, wanted: KvPut | KvDelete) -> KvRow | None:
    found = _found(read, name, wanted.key)
    version = found.version if found else 0
    if wanted.expected_version not in (None, version):
        raise KeyValueChanged(f"The row has version {version}, not {wanted.expected_version}.")
    return found


def _listed(read: Read, name: str, wanted: KvRange) -> KvPage:
    start = wanted.prefix if wanted.after is None else max(wanted.prefix, wanted.after + b"\0")
    found = read.values(ROWS + name, wanted.prefix, wanted.limit + 1, start)
    rows: list[KvRow] = []
    size = 0
    for key, stored in found[: wanted.limit]:
        size += len(key) + len(stored)
        if rows and size > PAGE_BYTES:
            break
        rows.append(_row(name, key, stored))
    return KvPage(tuple(rows), len(rows) < len(found))


OFFERS: Final = (
    Offer(
        "kv_get",
        "",
        KvKey,
        KvRow | None,
        "One of the plugin's own rows.",
        'row = await node.kv_get("last")',
        get,
        early=True,
    ),
    Offer(
        "kv_put",
        "",
        KvPut,
        int,
        "Stores one of the plugin's own rows; its version.",
        'version = await node.kv_put("last", b"value", expected_version=row.version)',
        put,
        early=True,
    ),
    Offer(
        "kv_delete",
        "",
        KvDelete,
        bool,
        "Forgets one of the plugin's own rows; whether there was one.",
        'await node.kv_delete("last")',
        delete,
        early=True,
    ),
    Offer(
        "kv_list",
        "",
        KvRange,
        KvPage,
        "The plugin's own rows, page by page.",
        'page = await node.kv_list(prefix="box/")',
        listed,
        early=True,
    ),
)
