"""How do coroutines use the wallet, of which each call blocks?

One thread makes all calls, in their order: rgb-lib holds a lock and a database, and a call whose caller has gone still
runs to its end.

    engine = Engine(Path("."), "regtest", "tcp://127.0.0.1:50001")
    funding = await engine.fund_script(script_pubkey, 1_000_000, asset_id, 5_000, blinding, feerate)
    await engine.finish(funding.txid)
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from rgb_engine.errors import ElectrumUnreachable, LibraryPanicked, WalletDamaged
from rgb_engine.judge import Expected, validate
from rgb_engine.values import MAX_AMOUNT, Accepted, Asset, Bitcoin, Funding, Invoice, Transfer, a_txid, bounded
from rgb_engine.wallet import DAY_SECONDS, HOLDING_SAT, ROOM, Wallet

T = TypeVar("T")
MOST_JUDGES = 2  # processes at once


class Engine:
    """A wallet's calls as coroutines; `Wallet` says what each does. All raise classes of `errors`.

    After a panic, or when the Electrum server was lost, the next call opens the wallet anew.
    """

    def __init__(self, folder: Path, network: str, electrum: str) -> None:
        self._wallet: Wallet | None = None
        self._made = (folder.absolute(), network, electrum)
        self._thread = ThreadPoolExecutor(1, "rgb")
        self._judges = asyncio.Semaphore(MOST_JUDGES)

    @property
    def network(self) -> str:
        """By the node's name."""
        return self._made[1]

    async def ask(self, work: Callable[[Wallet], T]) -> T:
        """Runs anything else with the wallet, in its turn."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    def _run(self, work: Callable[[Wallet], T]) -> T:
        if self._wallet is None:
            self._wallet = Wallet(*self._made)
        try:
            return work(self._wallet)
        except ElectrumUnreachable as error:
            self._close()
            raise ElectrumUnreachable(f"the Electrum server {self._made[2]}: {error}") from None
        except (LibraryPanicked, WalletDamaged):
            self._close()
            raise

    def _close(self) -> None:
        if self._wallet is not None:
            self._wallet.close()
            self._wallet = None

    async def close(self) -> None:
        """Lets go of the wallet, once the calls before this are done; the next call opens it again."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)

    async def use(self, electrum: str) -> None:
        """Another Electrum server from the next call on."""
        self._made = (*self._made[:2], electrum)
        await self.close()

    async def address(self) -> str:
        return await self.ask(lambda wallet: wallet.address())

    async def bitcoin(self) -> Bitcoin:
        return await self.ask(lambda wallet: wallet.bitcoin())

    async def assets(self) -> tuple[Asset, ...]:
        return await self.ask(lambda wallet: wallet.assets())

    async def asset(self, name: str) -> Asset:
        return await self.ask(lambda wallet: wallet.asset(name))

    async def transfers(self, asset_id: str = "") -> tuple[Transfer, ...]:
        return await self.ask(lambda wallet: wallet.transfers(asset_id))

    async def refresh(self) -> None:
        await self.ask(lambda wallet: wallet.refresh())

    async def make_room(self, size_sat: int = HOLDING_SAT, count: int = ROOM, feerate: int = 2) -> None:
        await self.ask(lambda wallet: wallet.make_room(size_sat, count, feerate))

    async def issue(self, ticker: str, name: str, precision: int, amount: int, feerate: int = 2) -> Asset:
        return await self.ask(lambda wallet: wallet.issue(ticker, name, precision, amount, feerate))

    async def invoice(
        self,
        asset_id: str = "",
        amount: int = 0,
        expiry_seconds: int = DAY_SECONDS,
        blinded: bool = False,
        feerate: int = 2,
    ) -> Invoice:
        return await self.ask(lambda wallet: wallet.invoice(asset_id, amount, expiry_seconds, blinded, feerate))

    async def read_invoice(self, text: str) -> Invoice:
        return await self.ask(lambda wallet: wallet.read_invoice(text))

    async def receive(self, consignment: bytes) -> tuple[Accepted, ...]:
        return await self.ask(lambda wallet: wallet.receive(consignment))

    async def validate(
        self, consignment: bytes, script_pubkey: bytes, txid: str, vout: int, asset_id: str, amount: int
    ) -> Accepted:
        """See `judge.validate`: nothing of this wallet is touched."""
        expected = Expected(script_pubkey, a_txid(txid), vout, asset_id, bounded("the amount", amount, 1, MAX_AMOUNT))
        async with self._judges:
            return await validate(*self._made, consignment, expected)

    async def heights(self) -> dict[str, int]:
        return await self.ask(lambda wallet: wallet.heights())

    async def send(
        self, to: Invoice, asset_id: str, amount: int, feerate: int, amount_sat: int = HOLDING_SAT
    ) -> Transfer:
        return await self.ask(lambda wallet: wallet.send(to, asset_id, amount, feerate, amount_sat))

    async def fund_script(
        self, script_pubkey: bytes, amount_sat: int, asset_id: str, amount: int, blinding: int, feerate: int
    ) -> Funding:
        return await self.ask(
            lambda wallet: wallet.fund_script(script_pubkey, amount_sat, asset_id, amount, blinding, feerate)
        )

    async def finish(self, txid: str) -> Transfer:
        return await self.ask(lambda wallet: wallet.finish(txid))

    async def cancel(self, txid: str) -> None:
        await self.ask(lambda wallet: wallet.cancel(txid))

    async def signed(self, txid: str) -> bytes:
        return await self.ask(lambda wallet: wallet.signed(txid))

    async def sent(self, txid: str) -> Transfer:
        return await self.ask(lambda wallet: wallet.sent(txid))

    async def consignment(self, sent: Transfer) -> bytes:
        return await self.ask(lambda wallet: wallet.consignment(sent))

    async def backup(self) -> Path:
        return await self.ask(lambda wallet: wallet.backup())
