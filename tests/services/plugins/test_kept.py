"""Are plugins that a person started kept in the order of their starts, once each, until they are stopped?"""

import asyncio
import logging
from pathlib import Path

import pytest

from lnpd.services.plugins import kept as plugin_kept
from lnpd.services.plugins.kept import Kept
from lnpd.store.store import Store


def test_what_is_kept_and_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_kept, "MAX_KEPT", 3)
    paths = [tmp_path / f"{name}.py" for name in "dcba"]
    for path in paths:
        path.touch()

    async def main() -> None:
        store = Store.open(tmp_path / "store", "regtest")
        kept = Kept(store)
        for path in (*paths[:3], paths[0]):
            await kept.add(path)
        assert await kept.paths(()) == tuple(paths[:3])
        assert await kept.paths((paths[1],)) == (paths[0], paths[2])  # that one is started anyway
        await kept.forget(paths[1])
        await kept.add(paths[3])
        assert await Kept(store).paths(()) == (paths[0], paths[2], paths[3])
        await kept.add(paths[1])
        assert await kept.paths(()) == (paths[2], paths[3], paths[1])  # the oldest gave way
        paths[3].unlink()
        assert await kept.paths(()) == (paths[2], paths[1])
        assert f"the plugin {paths[3]}, which was started" in caplog.text
        await store.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
