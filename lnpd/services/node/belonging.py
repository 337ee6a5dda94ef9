"""Do a data directory, its seed and its chain belong together?

What is stored is worth something with the keys and the chain that it was made with, and with others it is dangerous:
channels would be kept with keys that cannot sign for them, and closes looked for where they never happen. So it is
asked before anything is done with it.
"""

from pathlib import Path

from msgspec.structs import replace

from lnpd.chain.interface import BlockRef, ChainBackend
from lnpd.config import Config
from lnpd.errors import UnknownBlock, WrongChain, WrongSeed
from lnpd.services.interfaces import Signer
from lnpd.store.read import Read
from lnpd.store.rows import Belonging, ChainCursor
from lnpd.store.store import Store

MEND = "Put back what it was made with, or name another --directory."


async def check_seed(store: Store, signer: Signer, directory: Path) -> bytes:
    """The node id of the signer's keys, which are the directory's from its first start on. Raises WrongSeed."""
    node_id, account = await signer.node_id(), await signer.wallet_account()
    known = await store.read(Read.belonging)
    if known.node_id is not None and known.node_id != node_id:
        raise WrongSeed(
            f"{directory} belongs to the node {known.node_id.hex()}, and these keys are those of {node_id.hex()}. "
            + MEND
        )
    if known.account is not None and known.account != account:
        raise WrongSeed(f"{directory} belongs to the wallet of another seed than this one. {MEND}")
    await _keep(store, replace(known, node_id=node_id, account=account))
    return node_id


async def check_chain(store: Store, backend: ChainBackend, config: Config) -> None:
    """Whether the chain has the block that the directory followed it to. Raises WrongChain, ChainError."""
    known, cursor = await store.read(lambda read: (read.belonging(), read.chain_cursor()))
    if cursor is not None:
        await _check_block(backend, config, cursor, known.chain)
    await _keep(store, replace(known, chain=chain_place(config)))


def chain_place(config: Config) -> str:
    """Where a node's chain is, for a person; never with a password."""
    if config.uses_bitcoind:
        return "that of a bitcoind"
    if config.electrum:
        return "that of an Electrum server"
    return f"the one at {config.chain}" if config.chain else f"the embedded one in {config.directory / 'chain'}"


async def _check_block(backend: ChainBackend, config: Config, cursor: ChainCursor, before: str | None) -> None:
    try:
        await backend.blocks_since(BlockRef(cursor.height, cursor.block_hash))  # it may have been undone meanwhile
    except UnknownBlock:
        there = await backend.block_at(cursor.height)
        place = chain_place(config)
        last = f", {before}" if before and before != place else ""
        has = f"has {there.block.hash[::-1].hex()} there" if there else "is not that long"
        raise WrongChain(
            f"{config.directory} belongs to another {config.network} chain{last}: block {cursor.height} of that one is "
            f"{cursor.block_hash[::-1].hex()}, and this one, {place}, {has}. {MEND}"
        ) from None


async def _keep(store: Store, belonging: Belonging) -> None:
    if await store.read(Read.belonging) != belonging:
        await store.write(lambda write: write.set_belonging(belonging))
