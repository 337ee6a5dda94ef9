"""What becomes of a funding that the wallet of assets has signed, when an opening was cut short?"""

import asyncio
from pathlib import Path
from types import SimpleNamespace as Told
from typing import Any

import pytest
from lnpd_sdk.envelope import CallFailed

from nia.genesis import ChainNet
from rgb_node.opener import Opener
from rgb_node.shelf import Shelf
from tests.plugins.rgb_node.stand_in import StandIn, channel

TXID = "ff" * 32
KEPT = ["kept", "finished"]


class Wallet:
    """An engine with one funding that is signed and not sent; the chain may have it all the same."""

    def __init__(self, done: list[str], is_seen: bool) -> None:
        self.done, self.is_seen = done, is_seen

    async def transfers(self) -> list[Told]:
        return [Told(kind="sent", status="unsent", txid=TXID)]

    async def heights(self) -> dict[str, int]:
        return {TXID: 0} if self.is_seen else {}

    async def signed(self, txid: str) -> bytes:
        return bytes.fromhex(txid)

    async def finish(self, _txid: str) -> None:
        self.done.append("finished")

    async def cancel(self, _txid: str) -> None:
        assert not self.is_seen, "rgb-lib takes back nothing that the chain has"
        self.done.append("taken back")


class Keeper(StandIn):
    """A node that keeps ancestors for channels which are not on chain yet."""

    def __init__(self, done: list[str], rows: list[dict[str, Any]]) -> None:
        super().__init__()
        self.done, self.all = done, rows

    async def keep_ancestors(self, _channel_id: str, _ancestors: tuple[bytes, ...]) -> None:
        if self.all[0]["state"] == "on_chain":
            raise CallFailed("CommandRefused", "Its funding is broadcast no more.")
        self.done.append("kept")


@pytest.mark.parametrize(
    ("state", "is_seen", "done"),
    [
        ("", False, ["taken back"]),
        ("awaiting_funding_signed", False, []),
        ("awaiting_confirmation", False, KEPT),
        ("normal", True, ["finished"]),
        ("on_chain", True, ["finished"]),
        ("closed", False, ["taken back"]),
        ("closed", True, ["finished"]),
    ],
)
def test_it_is_sent_with_a_channel_and_taken_back_without(
    tmp_path: Path, state: str, is_seen: bool, done: list[str]
) -> None:
    did: list[str] = []
    rows = [{**channel("c1"), "funding": f"{TXID}:1", "state": state}] if state else []
    opener = Opener(Wallet(did, is_seen), Shelf(tmp_path), ChainNet.REGTEST)  # type: ignore[arg-type]
    asyncio.run(opener.recover(Keeper(did, rows)))  # type: ignore[arg-type]
    assert did == done and opener.doubtful == (state == "awaiting_funding_signed")
