"""Where do the signer and the chain of a node run: in this process, or in one of their own?"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Protocol

from lnpd.bus.subscription import Subscription
from lnpd.chain.bitcoind.address import AUTO, BitcoindAddress, find
from lnpd.chain.bitcoind.backend import BitcoindChain
from lnpd.chain.bitcoind.regtest import RegtestBitcoind
from lnpd.chain.electrum.address import read_url
from lnpd.chain.electrum.backend import ElectrumChain
from lnpd.chain.embedded import EmbeddedChain
from lnpd.chain.interface import BlockRef, ChainBackend, Outpoint
from lnpd.config import Config, Developer
from lnpd.crypto.hd import BITCOIN_COIN, TEST_COIN
from lnpd.errors import ChainUnreachable, SignerEnded, WrongNetwork
from lnpd.peer.chains import CHAIN_HASHES, chain_name
from lnpd.services.chain.keeper import ChainProcess
from lnpd.services.chain.service import RemoteChain
from lnpd.services.interfaces import Signer, SignerRecord
from lnpd.services.logs.secrets import SECRETS
from lnpd.services.signer.keys import NO_OVERRIDES, FixedChannelSecrets, Keys, Overrides
from lnpd.services.signer.process import SignerProcess, Start
from lnpd.services.signer.seed import open_seed, seed_from_entropy
from lnpd.services.signer.service import KeySigner
from lnpd.store.store import Store

FIRST_ANSWER_SECONDS = 5.0


class Miner(Protocol):
    """A regtest chain that makes blocks on command."""

    async def mine(self, count: int, script: bytes) -> list[BlockRef]:
        """New blocks that pay to a script."""
        ...

    async def fund(self, script: bytes, amount_sat: int) -> Outpoint:
        """Pays from the faucet, and mines the payment."""
        ...


async def open_signer(
    config: Config, passphrase: str | None, store: Store, stack: AsyncExitStack, broken: Callable[[Exception], None]
) -> Signer:
    """The signer. Raises what opening the seed raises (SeedError, WrongPassphrase)."""
    developer = config.developer or Developer()
    fixed = FixedChannelSecrets(*developer.channel_secrets) if developer.channel_secrets else None
    if config.signer_process:
        start = Start(
            seed_file=str(config.seed_path),
            directory=str(config.directory / "signer"),
            network=config.network,
            endpoint=f"ipc://{config.runtime}/signer",
            passphrase=passphrase,
            plain=passphrase is None,
            node_secret=developer.node_key,
            channel_secrets=fixed,
        )
        process = await SignerProcess.start(start)
        stack.push_async_callback(process.stop)

        async def watch() -> None:
            status = await process.ended()
            broken(SignerEnded(f"The signer's process ended with status {status}."))

        task = asyncio.create_task(watch())
        stack.callback(task.cancel)
        return process.signer
    seed = (
        seed_from_entropy(developer.seed)
        if developer.seed
        else await asyncio.to_thread(open_seed, config.seed_path, passphrase, plain=passphrase is None)
    )
    SECRETS.add(seed.text, passphrase)
    overrides = Overrides(developer.node_key, fixed) if developer.node_key or fixed else NO_OVERRIDES
    keys = Keys(seed.master(BITCOIN_COIN if config.coin == 0 else TEST_COIN), overrides)
    rows = await store.read(lambda read: read.signer_states())
    return KeySigner(keys, tuple(SignerRecord(key, value) for key, value in rows))


async def open_chain(
    config: Config, stack: AsyncExitStack, broken: Callable[[Exception], None], shared: EmbeddedChain | None = None
) -> tuple[ChainBackend, Miner | None]:
    """The chain, and who mines on it if it is a regtest chain. A `shared` one belongs to somebody else. `broken` hears
    of what leaves the node without it."""
    if shared is not None:
        return _view(shared, stack), shared
    if config.uses_bitcoind:
        return await _open_bitcoind(config, stack)
    if config.electrum:
        return await _open_electrum(config, stack), None
    if config.chain or config.chain_process:
        remote = await _open_remote(config, stack, broken)
        return remote, remote if config.network == "regtest" else None
    chain = await EmbeddedChain.open(config.directory / "chain")
    stack.push_async_callback(chain.close)
    return _view(chain, stack), chain


async def _open_remote(config: Config, stack: AsyncExitStack, broken: Callable[[Exception], None]) -> RemoteChain:
    endpoint = config.chain
    if config.chain_process:
        endpoint = f"ipc://{config.runtime}/chain"
        process = await ChainProcess.start(config.directory / "chain", endpoint, broken)
        stack.push_async_callback(process.stop)
    remote = RemoteChain(endpoint)
    stack.push_async_callback(remote.close)
    try:
        async with asyncio.timeout(FIRST_ANSWER_SECONDS):
            await check_network(config.network, remote)
    except TimeoutError:
        raise ChainUnreachable(f"Nothing answers as a chain at {endpoint}: start one with `lnpd regtest`.") from None
    return remote


def find_bitcoind(config: Config) -> BitcoindAddress:
    """Where a node's bitcoind answers. Raises BitcoindNotFound."""
    return find(config.network, config.bitcoind.word if config.bitcoind else AUTO, config.bitcoind_directory)


async def _open_bitcoind(config: Config, stack: AsyncExitStack) -> tuple[ChainBackend, Miner | None]:
    """Returns once bitcoind has the whole chain."""
    address = find_bitcoind(config)
    SECRETS.add(address.login.password)
    poll_seconds = config.developer.poll_seconds if config.developer else None
    if config.network == "regtest":
        miner = await RegtestBitcoind.open(address, "regtest", subscribe=Subscription, poll_seconds=poll_seconds)
        stack.push_async_callback(miner.close)
        return miner, miner
    chain = await BitcoindChain.open(address, config.network, subscribe=Subscription, poll_seconds=poll_seconds)
    stack.push_async_callback(chain.close)
    return chain, None


async def _open_electrum(config: Config, stack: AsyncExitStack) -> ChainBackend:
    """Returns once all headers are read."""
    chain = await ElectrumChain.open(
        [read_url(word) for word in config.electrum],
        config.network,
        directory=config.directory / "electrum",
        poll_seconds=config.developer.poll_seconds if config.developer else None,
    )
    stack.push_async_callback(chain.close)
    return chain


def _view(chain: EmbeddedChain, stack: AsyncExitStack) -> ChainBackend:
    view = chain.view()
    stack.push_async_callback(view.detach)
    return view


async def check_network(network: str, chain: ChainBackend) -> None:
    """Whether a chain is the one of a network, by its first block. Raises WrongNetwork."""
    first = await chain.block_at(0)
    if first is None or first.block.hash != CHAIN_HASHES[network]:
        found = chain_name(first.block.hash) if first else "empty"
        raise WrongNetwork(f"The chain is {found}, and lnpd was started for {network}.")
