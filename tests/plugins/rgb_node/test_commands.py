"""Does a person who names an asset get that one, and not another that a stranger called the same?"""

import asyncio
from pathlib import Path
from types import SimpleNamespace as Told
from typing import Any

import pytest
from lnpd_sdk.plugin import Plugin

from nia.names import contract_name
from rgb_engine.commands import Desk
from rgb_node.commands import Commands
from rgb_node.errors import AssetUnknown
from rgb_node.parts import Parts
from tests.plugins.rgb_node.stand_in import EURX, USDX, StandIn

KNOWN = [("USDX", USDX), ("EURX", EURX), ("TWIN", b"\x05" * 32), ("TWIN", b"\x06" * 32)]


@pytest.mark.parametrize(
    ("asset", "found"),
    [
        ("EURX", EURX),
        (contract_name(USDX), USDX),
        (contract_name(b"\x06" * 32), b"\x06" * 32),
        ("TWIN", "knows 2 assets with the ticker 'TWIN'"),
        ("NONE", "knows no asset 'NONE'"),
    ],
)
def test_an_invoice_is_for_the_asset_that_was_named(
    asset: str, found: bytes | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plugin = Plugin("rgb", "1")
    desk = Desk(plugin)
    commands, node = Commands(plugin, Parts(desk)), StandIn()

    async def assets() -> list[Told]:
        return [Told(ticker=ticker, asset_id=contract_name(contract_id)) for ticker, contract_id in KNOWN]

    async def engine(_node: object) -> Any:
        return Told(assets=assets)

    monkeypatch.setattr(desk, "engine", engine)
    if isinstance(found, bytes):
        made = asyncio.run(commands.invoice(node, asset, 7))  # type: ignore[arg-type]
        assert made["asset_id"] == contract_name(found)
    else:
        with pytest.raises(AssetUnknown, match=found):
            asyncio.run(commands.invoice(node, asset, 7))  # type: ignore[arg-type]
