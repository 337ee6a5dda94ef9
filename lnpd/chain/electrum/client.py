"""Which of several Electrum servers is asked, and how much of its answer is believed?

One at a time, in the order given; the next one when it is lost or misbehaves, with growing pauses once none is left.
Each question names the type of its answer: whatever does not fit is ElectrumMisbehaves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from lnpd.chain.electrum.address import ElectrumAddress
from lnpd.chain.electrum.certificates import Certificates
from lnpd.chain.electrum.link import Hear, Link
from lnpd.errors import ChainError, ChainIsAnother, ElectrumMisbehaves, ElectrumUnreachable
from lnpd.peer.chains import CHAIN_HASHES, chain_name
from lnpd.tx.transaction import hash256

log = logging.getLogger("lnpd.chain")

OLDEST, NEWEST = "1.4", "1.6"
"""The versions of the protocol: from 1.6 on packages are taken."""

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
HeaderHex = Annotated[str, Meta(pattern="^[0-9a-f]{160}$")]
Word = Annotated[str, Meta(max_length=300)]

T = TypeVar("T")


class Client:
    """Questions to the first server that answers. `lost` is called when a connection is."""

    def __init__(
        self, addresses: Sequence[ElectrumAddress], certificates: Certificates, network: str, hear: Hear
    ) -> None:
        self._addresses, self._certificates, self._network, self._hear = addresses, certificates, network, hear
        self._link: Link | None = None
        self._turn = 0
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._not_before = 0.0
        self._busy = asyncio.Lock()
        self.protocol: tuple[int, ...] = ()
        self.lost: Callable[[], None] = lambda: None

    @property
    def asked(self) -> str:
        """The server whose turn it is, HOST:PORT; empty while there is no connection."""
        return str(self._addresses[self._turn]) if self._link is not None and self._link.is_alive else ""

    @property
    def servers(self) -> int:
        """How many may be asked."""
        return len(self._addresses)

    async def call(self, kind: Any, method: str, *params: Any) -> Any:  # Any: annotated types are no `type`; see Link
        """The answer to one question, of type `kind`. Raises ElectrumFault, and what `connect` raises."""
        raw = await (await self.connect()).ask(method, params)
        return read_as(kind, raw, method)

    async def ask(self, kind: Any, method: str, each: Sequence[tuple[Any, ...]]) -> list[Any]:  # Any: as in `call`
        """The answers to one question with several parameters, in their order. Raises as `call`."""
        return await gather([self.call(kind, method, *params) for params in each])

    async def leave(self, why: ChainError) -> None:
        """The server cannot be believed: the next one's turn."""
        log.warning("the Electrum server %s is left: %s", self._addresses[self._turn], why)
        if self._link is not None:
            link, self._link = self._link, None
            self._turn = (self._turn + 1) % len(self._addresses)
            if self._turn == 0:
                self._wait()
            await link.close(why)

    async def close(self) -> None:
        """Ends the connection."""
        if self._link is not None:
            await self._link.close()

    async def connect(self) -> Link:
        """The connection; a new one if there is none.

        Raises ElectrumUnreachable, CertificateChanged, ChainIsAnother, ElectrumMisbehaves, ElectrumFault.
        """
        async with self._busy:
            if self._link is not None and self._link.is_alive:
                return self._link
            if asyncio.get_running_loop().time() < self._not_before:
                raise ElectrumUnreachable("No Electrum server answers; lnpd tries again soon.")
            why: ChainError | None = None
            for _ in self._addresses:
                try:
                    self._link = await self._open(self._addresses[self._turn])
                except ChainError as error:
                    why = error
                    log.info("%s", error)
                    self._turn = (self._turn + 1) % len(self._addresses)
                else:
                    self._pause_seconds, self._not_before = FIRST_PAUSE_SECONDS, 0.0
                    return self._link
            self._wait()
            assert why is not None, "there is at least one address"
            raise why

    def _wait(self) -> None:
        self._not_before = asyncio.get_running_loop().time() + self._pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)

    async def _open(self, address: ElectrumAddress) -> Link:
        link = await Link.open(address, self._certificates, self._hear)
        try:
            raw = await link.ask("server.version", ("lnpd", (OLDEST, NEWEST)))
            software, version = read_as(tuple[Word, Word], raw, "server.version")
            self.protocol = _numbers(version)
            raw = await link.ask("blockchain.block.header", (0,))
            first = hash256(bytes.fromhex(read_as(HeaderHex, raw, "blockchain.block.header")))
            if first != CHAIN_HASHES[self._network]:
                raise ChainIsAnother(
                    f"The Electrum server {address} follows {chain_name(first)}, and lnpd was started for "
                    f"{self._network}."
                )
        except BaseException:
            await link.close()
            raise
        link.ended = self.lost
        log.info("the chain is that of the Electrum server %s (%s, protocol %s)", address, software, version)
        return link


async def gather(each: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:  # Any: as in `Client.call`
    """The answers of all, in their order; when one fails, nothing is left running."""
    tasks = [asyncio.ensure_future(one) for one in each]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def read_as(kind: Any, raw: bytes, method: str) -> Any:  # Any: annotated types are no `type`
    """An answer of a type. Raises ElectrumMisbehaves."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ElectrumMisbehaves(f"The Electrum server answers {method} with what cannot be: {error}.") from None


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    if not all(part.isdecimal() and len(part) < 5 for part in parts):
        raise ElectrumMisbehaves(f"The Electrum server speaks version {version!r} of the protocol.")
    numbers = tuple(map(int, parts))
    if not (1, 4) <= numbers[:2] <= (1, 6):
        raise ElectrumMisbehaves(f"The Electrum server speaks version {version} of the protocol, which nobody offered.")
    return numbers
