"""Where does the wallet's history begin? Kept from the first start on, for whoever restores its seed."""

from typing import Final

from lnpd.chain.interface import ChainBackend
from lnpd.services.wallet.rows import STATE
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write

BIRTH: Final = b"birth"
HEIGHT_BYTES: Final = 4


def stored_birth_height(read: Read) -> int | None:
    """The height that is kept; None before the first start."""
    stored = read.value(STATE, BIRTH)
    return int.from_bytes(stored, "big") if stored is not None else None


def keep_birth_height(write: Write, height: int) -> None:
    """Keeps a height."""
    write.put_value(STATE, BIRTH, height.to_bytes(HEIGHT_BYTES, "big"))


async def birth_height(store: Store, backend: ChainBackend, network: str, given: int | None) -> int:
    """What the user gave, or what is kept, or else the present block (on regtest the first), which is kept then.

    A database that followed its wallet before heights were kept began somewhere unknown: that is the first block.
    Raises ChainError.
    """
    stored, followed = await store.read(lambda read: (stored_birth_height(read), read.value(STATE, b"cursor")))
    if given is None and stored is not None:
        return stored
    fresh = network != "regtest" and followed is None
    height = given if given is not None else (await backend.best_block()).height if fresh else 0
    if stored is None or height < stored:
        await store.write(lambda write: keep_birth_height(write, height))
    return height
