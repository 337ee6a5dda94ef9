"""How do tests get a wallet, and money into it?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lnpd.services.onchain import Funded
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.seed import seed_from_entropy
from lnpd.services.signer.service import KeySigner
from lnpd.services.wallet.service import Wallet
from lnpd.store.store import Store
from lnpd.tx.transaction import TxOut
from tests.chain.purse import p2wsh
from tests.services.chain.chains import Chain

FUNDING_SCRIPT = p2wsh(b"\x53")
RATE = 1_000


def a_signer(byte: int = 1) -> KeySigner:
    """A signer of the seed that is one byte repeated."""
    return KeySigner(Keys(seed_from_entropy(bytes([byte]) * 16).master(1)))


@asynccontextmanager
async def a_wallet(
    directory: Path, chain: Chain, name: str = "node", signer: KeySigner | None = None, **options: int | None
) -> AsyncIterator[Wallet]:
    """A wallet on the store of a directory; hints alone wake it, for its poll is an hour."""
    store = Store.open(directory / name, "regtest")
    try:
        wallet = await Wallet.open(store, chain, signer or a_signer(), "regtest", poll_seconds=3600, **options)
        yield wallet
        await wallet.close()
    finally:
        store.close_sync()


async def paid(wallet: Wallet, chain: Chain, *amounts_sat: int) -> None:
    """Confirmed coins for the wallet."""
    for amount_sat in amounts_sat:
        await chain.fund(wallet.scripts.script_of(await wallet.new_address()), amount_sat)
    await wallet.sync()


def a_funding(amount_sat: int = 100_000) -> TxOut:
    """What an opening asks for."""
    return TxOut(amount_sat, FUNDING_SCRIPT)


def spent(made: Funded) -> set[bytes]:
    """The outpoints that a funding spends."""
    return {each.outpoint for each in made.transaction.inputs}
