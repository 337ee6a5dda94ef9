"""Does a plugin keep its rows, its own only, and no more than it may?"""

import asyncio
from pathlib import Path

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.node import Node
from lnpd_sdk.services.kv import KvRow

from lnpd.services.plugins.offers import kv
from tests.services.plugins.offers.desk import desk, joined


async def refused(code: str, node: Node, key: bytes, value: bytes, expected: int | None = None) -> None:
    with pytest.raises(CallFailed) as error:
        await node.kv_put(key, value, expected)
    assert error.value.code == code


def test_rows_are_kept_versioned_and_their_owners_alone(tmp_path: Path) -> None:
    async def first() -> None:
        async with desk(tmp_path) as host:
            one, other = await joined(host, "one"), await joined(host, "other")
            assert await one.kv_get("a") is None
            assert await one.kv_put("a", b"1") == 1
            assert await one.kv_put("b", b"2", expected_version=0) == 2
            assert await one.kv_put("a", b"3", expected_version=1) == 3
            await refused("KeyValueChanged", one, b"a", b"4", 1)
            await refused("KeyValueChanged", one, b"b", b"4", 0)
            assert await other.kv_get("a") is None
            assert await other.kv_put("a", b"theirs") == 1

    async def second() -> None:
        async with desk(tmp_path) as host:
            one = await joined(host, "one")
            assert await one.kv_get(b"a") == KvRow(b"a", b"3", 3)
            with pytest.raises(CallFailed, match="version 3, not 1"):
                await one.kv_delete("a", expected_version=1)
            assert await one.kv_delete("a", expected_version=3)
            assert not await one.kv_delete("a")
            assert await one.kv_put("a", b"again") == 4  # no version comes back

    asyncio.run(first())
    asyncio.run(second())


def test_rows_are_listed_page_by_page(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as host:
            node = await joined(host, "one")
            for name in ("box/1", "box/2", "box/3", "other", "box/"):
                await node.kv_put(name, name.encode())
            page = await node.kv_list("box/", limit=2)
            assert ([row.key for row in page.rows], page.more) == ([b"box/", b"box/1"], True)
            page = await node.kv_list("box/", after=page.rows[-1].key, limit=2)
            assert ([row.value for row in page.rows], page.more) == ([b"box/2", b"box/3"], False)
            assert [row.key for row in (await node.kv_list(after="box/3")).rows] == [b"other"]
            for number in range(20):
                await node.kv_put(f"large/{number:02}", bytes(kv.MAX_VALUE_BYTES))
            large = await node.kv_list("large/")
            assert large.more and 10 < len(large.rows) < 20  # an answer has its own limit of bytes
            for limit in (0, 1_001):
                with pytest.raises(CallFailed, match="1 to 1000 rows"):
                    await node.kv_list(limit=limit)

    asyncio.run(main())


def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kv, "MAX_ROWS", 3)
    monkeypatch.setattr(kv, "MAX_BYTES", 1_000)

    async def main() -> None:
        async with desk(tmp_path) as host:
            node = await joined(host, "one")
            for key, value in ((b"", b""), (bytes(256), b""), (b"k", bytes(kv.MAX_VALUE_BYTES + 1))):
                await refused("KeyValueUnfit", node, key, value)
            for key in (b"1", b"2", b"3"):
                await node.kv_put(key, bytes(300))
            await refused("KeyValueFull", node, b"4", b"")
            await refused("KeyValueFull", node, b"3", bytes(398))
            assert await node.kv_put("3", bytes(397)) == 4  # 1,000 bytes, keys included
            assert await node.kv_delete("3")
            assert await node.kv_put("4", bytes(397)) == 5
            assert host.desk.store is not None
            sums = await host.desk.store.read(lambda read: kv.sums_of(read, "one"))
            assert (sums.rows, sums.size) == (3, 1_000)

    asyncio.run(main())
