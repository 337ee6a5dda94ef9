"""What becomes of a funding that the wallet of assets has signed, when an opening was cut short?"""

import asyncio
from pathlib import Path
from types import SimpleNamespace as Told
from typing import Any

import pytest
from lnpd_sdk.envelope import CallFailed

from nia.genesis import ChainNet
from nia.names import contract_name
from rgb_engine.errors import ElectrumUnreachable
from rgb_node.opener import Opener
from rgb_node.shelf import Shelf
from tests.plugins.rgb_node.stand_in import PEER, USDX, StandIn, channel

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


class Cut(Wallet):
    """One whose Electrum server goes away behind the signature."""

    async def asset(self, _asset: str) -> Told:
        return Told(asset_id=contract_name(USDX))

    async def fund_script(self, *_terms: object) -> None:
        raise ElectrumUnreachable("It is gone.")


class Asked(StandIn):
    """A node that waits for a funding."""

    def __init__(self) -> None:
        super().__init__()
        self.all = []

    async def open_unfunded(self, *_terms: object) -> Told:
        return Told(opening="one", script_pubkey=b"")

    async def drop_unfunded(self, _opening: str) -> None:
        pass


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


def test_what_an_opening_left_signed_is_taken_back_later(tmp_path: Path) -> None:
    async def main() -> None:
        did: list[str] = []
        opener, node = Opener(Cut(did, False), Shelf(tmp_path), ChainNet.REGTEST), Asked()  # type: ignore[arg-type]
        opener.doubtful = False
        with pytest.raises(ElectrumUnreachable):
            await opener.open(node, PEER, 1_000_000, "USDX", 5, 0, 2)  # type: ignore[arg-type]
        assert opener.doubtful, "at the next block"
        await opener.recover(node)  # type: ignore[arg-type]
        assert did == ["taken back"] and not opener.doubtful

    asyncio.run(main())
