"""What of its node does the plugin need to judge payments and openings? Rows, channels, and what is told to peers.

Only that stands in for the node here; tests/interop has the whole one.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace as Told
from typing import Any

from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.types import OPENER, PerParty

from rgb_channel.state import HIGHEST_PER_KW, begin

USDX, EURX, PEER = b"\x01" * 32, b"\x02" * 32, "02" + "ab" * 32
ASSETS: tuple[tuple[str, bytes], ...] = (("c1", USDX), ("c2", EURX), ("c3", USDX))


def channel(
    name: str, contract_id: bytes = b"", settled: PerParty = (500, 100), highest_per_kw: int = HIGHEST_PER_KW
) -> dict[str, Any]:
    """A row of `Node.channels`, of a channel that we opened, with an asset or with none."""
    state = begin(contract_id, b"\x03" * 32, 0, settled, highest_per_kw).hex() if contract_id else ""
    scids = [f"1x{name[1:]}x0"]
    return {
        "channel_id": name, "peer": PEER, "us": OPENER, "usable": True, "scids": scids, "state": "normal",
        "states": {"rgb": state}, "funding": f"{'ff' * 32}:{name[1:]}",
    }  # fmt: skip


class StandIn:
    """A node."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}
        self.all = [*(channel(name, asset) for name, asset in ASSETS), channel("c4")]
        self.logged: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.paid: list[Any] = []
        self.metadata = b""
        self.hash = "aa" * 32

    async def kv_put(self, key: str, value: bytes) -> None:
        self.rows[key] = value

    async def kv_get(self, key: str) -> Told | None:
        return Told(value=self.rows[key]) if key in self.rows else None

    async def kv_delete(self, key: str) -> None:
        self.rows.pop(key, None)

    async def kv_list(self, prefix: str, after: bytes | None = None, limit: int = 0) -> Told:
        found = [Told(key=key.encode(), value=value) for key, value in self.rows.items() if key.startswith(prefix)]
        return Told(rows=found, more=False)

    async def channels(self, closed: bool = False) -> list[dict[str, Any]]:
        return self.all

    async def log(self, level: str, text: str) -> None:
        self.logged.append(text)

    async def send(self, peer: str, name: str, fields: dict[str, Any]) -> None:
        self.sent.append(fields)

    # --- payments
    async def rpc(self, method: str, **params: Any) -> dict[str, Any]:
        return {"payment_metadata": self.metadata.hex(), "payment_hash": self.hash, "payee": PEER, "node_id": ""}

    async def payments(self) -> Sequence[Told]:
        return ()

    async def pay(self, invoice: str, **_terms: Any) -> Told:
        self.paid.append(invoice)
        raise CallFailed("PaymentFailed", "The payee failed it.")

    async def invoice(self, description: str, amount_msat: int, expiry_seconds: int, **_more: Any) -> Told:
        return Told(invoice="lnbcrt1", payment_hash=self.hash, expires_unix_seconds=expiry_seconds)
