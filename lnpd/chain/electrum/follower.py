"""How do the headers that lnpd knows become those of the server's chain?"""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from lnpd.chain.electrum.client import Client, HeaderHex, gather
from lnpd.chain.electrum.headers import MAX_DEPTH, Headers
from lnpd.chain.electrum.work import HEADER_BYTES, PERIOD_BLOCKS, previous
from lnpd.chain.interface import BlockRef
from lnpd.errors import ElectrumBusy, ElectrumFault, ElectrumMisbehaves
from lnpd.tx.transaction import hash256

Height = Annotated[int, Meta(ge=0, le=2**31)]

FIRST_STEP: Final = 10
"""So far below the tip the parting of two branches is looked for at first."""


class Tip(msgspec.Struct, frozen=True):
    """blockchain.headers.subscribe."""

    height: Height
    hex: HeaderHex


class _Headers(msgspec.Struct, frozen=True):
    """blockchain.block.headers: one text, or from protocol 1.6 on, a list."""

    count: Annotated[int, Meta(ge=0, le=PERIOD_BLOCKS)]
    hex: Annotated[str, Meta(pattern="^[0-9a-f]*$", max_length=2 * HEADER_BYTES * PERIOD_BLOCKS)] = ""
    headers: Annotated[tuple[HeaderHex, ...], Meta(max_length=PERIOD_BLOCKS)] = ()


class Follower:
    """Keeps headers at the server's tip."""

    def __init__(self, client: Client, headers: Headers) -> None:
        self._client, self.headers = client, headers
        self._busy = asyncio.Lock()

    async def settle(self) -> BlockRef:
        """The tip, at which the server and lnpd agree.

        Raises ElectrumBusy if the server is behind, and what Client.call raises.
        """
        async with self._busy:
            told: Tip = await self._client.call(Tip, "blockchain.headers.subscribe")
            header = bytes.fromhex(told.hex)
            there = BlockRef(told.height, hash256(header))
            if not self.headers.is_best(there):
                await self._advance(there, header)
            if self.headers.tip != there:
                raise ElectrumBusy(
                    f"The Electrum server is at block {told.height:,}, and the best chain known goes to block "
                    f"{self.headers.height:,}."
                )
            return there

    async def stands(self, tip: BlockRef) -> bool:
        """Whether the server still has this tip, in what it announces and in what it stores."""
        try:
            told, stored = await gather(
                [
                    self._client.call(Tip, "blockchain.headers.subscribe"),
                    self._client.call(HeaderHex, "blockchain.block.header", tip.height),
                ]
            )
        except ElectrumFault:  # it is taking blocks back
            return False
        return hash256(bytes.fromhex(stored)) == tip.hash == hash256(bytes.fromhex(told.hex))

    async def _advance(self, there: BlockRef, header: bytes) -> None:
        headers = self.headers
        if there.height == headers.height + 1 and headers.height >= 0 and previous(header) == headers.tip.hash:
            headers.join(there.height, [header])
            return
        start, new = await self._fork(there.height)
        while True:
            if await asyncio.to_thread(headers.join, start, new):
                start, new = start + len(new), []
            elif len(new) > MAX_DEPTH:
                raise ElectrumMisbehaves("The Electrum server's chain is long, and little work was done on it.")
            if start + len(new) > there.height:
                return
            more = await self._read(start + len(new), there.height)
            if not more:
                return
            new += more

    async def _fork(self, tip_height: int) -> tuple[int, list[bytes]]:
        """The first height at which the server's chain is another, and its headers from there on."""
        headers, step = self.headers, FIRST_STEP
        while True:
            start = max(0, min(headers.height + 1, tip_height) - step)
            found = await self._read(start, tip_height)
            if start == 0 or (found and previous(found[0]) == headers.ref(start - 1).hash):
                break
            step *= 4
            if step > 4 * MAX_DEPTH:
                raise ElectrumMisbehaves("The Electrum server's chain left the known one too long ago.")
        while found and start <= headers.height and headers.at(start) == found[0]:
            start, found = start + 1, found[1:]
        return start, found

    async def _read(self, start: int, last: int) -> list[bytes]:
        """At most 2,016 headers of the server's from a height on."""
        count = min(PERIOD_BLOCKS, last - start + 1)
        told: _Headers = await self._client.call(_Headers, "blockchain.block.headers", start, count)
        raw = bytes.fromhex(told.hex or "".join(told.headers))
        if len(raw) != told.count * HEADER_BYTES or told.count > count:
            raise ElectrumMisbehaves(f"The Electrum server gives {len(raw)} bytes as {told.count} headers.")
        return [raw[at : at + HEADER_BYTES] for at in range(0, len(raw), HEADER_BYTES)]
