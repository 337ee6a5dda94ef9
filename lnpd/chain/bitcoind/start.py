"""May lnpd begin to use a bitcoind: is it the right chain, new enough, and does it know the whole of it?"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from lnpd.chain.bitcoind.address import CHAINS
from lnpd.chain.bitcoind.answers import BlockchainInfo, NetworkInfo
from lnpd.chain.bitcoind.rpc import Rpc
from lnpd.chain.interface import SLACK_BLOCKS
from lnpd.errors import BitcoindBusy, BitcoindTooOld, ChainIsAnother

log = logging.getLogger("lnpd.chain")

OLDEST: Final = 240_000
"""Bitcoin Core 24 has gettxspendingprevout."""

# The public signet's (BIP 325). Other signets have the same first block, so that only this tells them apart.
SIGNET_CHALLENGE: Final = (
    "512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be430"
    "210359ef5021964fe22d6f8e05b2463c9540ce96883fe3b278760f048f5189f2e6c452ae"
)
ASK_AGAIN_SECONDS: Final = 1.0
SAY_AGAIN_SECONDS: Final = 30.0
PATIENCE_SECONDS: Final = 60.0
"""So long a bitcoind that knows of more blocks than it has is waited for: perhaps nobody gives it some block."""
GIVEN_UP: Final = (
    "lnpd waits no longer for what bitcoind lacks: it watches the blocks that there are, and takes no new HTLC until "
    "the rest is there"
)
PRUNED: Final = (
    "bitcoind is pruned and has no block below %s: lnpd must not be away for longer than it keeps blocks, and an older "
    "wallet cannot be looked for"
)


async def ready(
    rpc: Rpc,
    network: str,
    ask_again_seconds: float = ASK_AGAIN_SECONDS,
    patience_seconds: float = PATIENCE_SECONDS,
) -> NetworkInfo:
    """Returns once bitcoind has the whole chain of a network, or gets no further, and says meanwhile how far it is.

    Raises ChainIsAnother, BitcoindTooOld, and what keeps bitcoind from answering, other than that it is starting.
    """
    said, at, since = "", 0.0, None
    now = asyncio.get_running_loop().time
    while True:
        line, is_long = await _missing(rpc, network)
        since = None if is_long else since or now()
        if not line or (since is not None and now() >= since + patience_seconds):
            break
        if line.split()[0] != said or now() >= at + SAY_AGAIN_SECONDS:
            said, at = line.split()[0], now()
            log.warning("%s", line)
        await asyncio.sleep(ask_again_seconds)
    if line or said:
        log.warning("%s", GIVEN_UP if line else "bitcoind is ready")
    chain = await rpc.call(BlockchainInfo, "getblockchaininfo")
    if chain.pruned:
        log.warning(PRUNED, f"{chain.pruneheight:,}")
    info = await rpc.call(NetworkInfo, "getnetworkinfo")
    if info.version < OLDEST:
        raise BitcoindTooOld(
            f"{info.subversion or 'This bitcoind'} is too old: lnpd needs Bitcoin Core {OLDEST // 10_000} or later."
        )
    return info


async def _missing(rpc: Rpc, network: str) -> tuple[str, bool]:
    """Why to wait, empty if there is nothing to wait for; and whether however long it takes. Raises ChainIsAnother."""
    try:
        info = await rpc.call(BlockchainInfo, "getblockchaininfo")
    except BitcoindBusy as error:
        return f"waiting: {error}", True
    check_chain(info, network)
    # The flag says only that the tip is a day old at most, and an old regtest chain sets it until somebody mines.
    is_initial = info.initialblockdownload and network != "regtest"
    if info.blocks + SLACK_BLOCKS >= info.headers and not is_initial:
        return "", False
    return (
        f"downloading: bitcoind is at block {info.blocks:,} of {info.headers:,} "
        f"({100 * info.verificationprogress:.1f} %), and lnpd waits for it"
    ), is_initial


def check_chain(info: BlockchainInfo, network: str) -> None:
    """Raises ChainIsAnother unless bitcoind's chain is the one of a network."""
    if info.chain != CHAINS[network].name:
        raise ChainIsAnother(f"bitcoind's chain is {info.chain[:20]!r}, and lnpd was started for {network}.")
    if network == "signet" and info.signet_challenge not in ("", SIGNET_CHALLENGE):
        raise ChainIsAnother("bitcoind is on a signet of its own, and lnpd knows the public one only.")
