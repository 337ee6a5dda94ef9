"""What is wrong with the clock, and with how the chain is seen?"""

import shlex
from collections.abc import AsyncIterator, Iterator
from typing import Final

from lnpd.chain.bitcoind.backend import BitcoindChain
from lnpd.chain.bitcoind.broadcasts import RELAYED_FROM
from lnpd.chain.bitcoind.state import BitcoindState
from lnpd.chain.electrum.backend import ElectrumChain
from lnpd.chain.interface import SLACK_BLOCKS, BlockSummary
from lnpd.config import Config
from lnpd.errors import ChainError
from lnpd.rpc.answers import Finding
from lnpd.services.doctor.check import Check, Line, danger, hint, span, warning, well
from lnpd.services.doctor.patient import Bounds, Patient
from lnpd.store.read import Read

SET_CLOCK: Final = "timedatectl set-ntp true"
LOOK: Final = "lnp info"
START_BITCOIND: Final = "bitcoind CHAIN -daemon"
ASK_BITCOIND: Final = "bitcoin-cli CHAIN getblockchaininfo"
CONNECT_BITCOIND: Final = "bitcoin-cli CHAIN setnetworkactive true"
UNPRUNE: Final = "bitcoind CHAIN -daemon -prune=0 -reindex"
NOTIFY: Final = (
    "bitcoind CHAIN -daemon -zmqpubhashblock=tcp://127.0.0.1:28332 -zmqpubsequence=tcp://127.0.0.1:28332"
)  # fmt: skip
SHOW_VERSION: Final = "bitcoin-cli -version"
TWO_HOURS: Final = "2 h"
RESTART: Final = "lnp stop && LNPD"
ANOTHER_SERVER: Final = "ssl://HOST:PORT"


async def clock(patient: Patient) -> AsyncIterator[Finding]:
    """A clock that is behind makes invoices and deadlines live too long; blocks and the own past tell of it."""
    now = patient.now_unix_seconds
    for text in await _against_the_chain(patient):
        yield danger(text, SET_CLOCK)
    last = await patient.services.store.read(_last_event_unix_seconds)
    if last > now + patient.bounds.backwards_seconds:
        yield warning(f"the clock went back: the last event was stored {span(last - now)} from now", SET_CLOCK)
    backend = patient.services.backend
    if isinstance(backend, BitcoindChain) and not patient.services.pulse.silence:
        offset = (await backend.state()).offset_seconds
        if abs(offset) > patient.bounds.offset_seconds:
            which = "behind" if offset > 0 else "ahead"
            yield warning(f"the clock is {span(abs(offset))} {which}, by those of bitcoind's peers", SET_CLOCK)


async def _against_the_chain(patient: Patient) -> list[str]:
    """What the newest block says of the clock. No node takes a header that is two hours ahead of its own time, and a
    block's time is behind nobody's by the median of eleven (BIP 113): it lags an hour, so it is in nobody's future."""
    services = patient.services
    if services.pulse.heard is None or services.pulse.silence:
        return []
    tip = await services.backend.block_at(services.pulse.heard.block.height)
    return [] if tip is None else told_by(tip, patient.now_unix_seconds, patient.bounds, services.miner is not None)


def told_by(tip: BlockSummary, now_unix_seconds: float, bounds: Bounds, mined_on_command: bool) -> list[str]:
    """The same, of a block and a time; blocks that are mined on command say nothing by not coming."""
    ahead, median_ahead = tip.time_seconds - now_unix_seconds, tip.median_time_seconds - now_unix_seconds
    block = f"the newest block, {tip.block.height:,},"
    if ahead > bounds.future_seconds:
        return [f"the clock is behind: {block} is of {span(ahead)} from now, and nobody takes one of {TWO_HOURS} ahead"]
    if median_ahead > 0 and not mined_on_command:
        return [f"the clock is behind: the median time of {block} and the ten before is {span(median_ahead)} from now"]
    if -ahead > bounds.stale_seconds and not mined_on_command:
        return [f"{block} is of {span(-ahead)} ago: the clock is ahead, or new blocks do not arrive"]
    return []


def _last_event_unix_seconds(read: Read) -> int:
    last = read.last_event()
    rows = read.events_since(last - 1, 1)
    return rows[0].unix_seconds if rows else 0


def chain(patient: Patient) -> Iterator[Finding]:
    """Whether blocks are seen as they come: as long as they are not, nothing on the chain is enforced."""
    services = patient.services
    command = START_BITCOIND if isinstance(services.backend, BitcoindChain) else LOOK
    if services.sight.warning:
        yield danger(services.sight.warning, command, chain=chain_flags(services.config))
    elif services.watcher.complaint:
        yield danger(f"the chain cannot be followed, and nothing on it is enforced: {services.watcher.complaint}", LOOK)
    elif services.pulse.heard is not None:
        yield well(f"the chain is seen up to block {services.pulse.heard.block.height:,}")


async def bitcoind(patient: Patient) -> AsyncIterator[Finding]:
    """The bitcoind that the node runs on."""
    backend = patient.services.backend
    if not isinstance(backend, BitcoindChain):
        return
    config = patient.services.config
    try:
        state = await backend.state()
    except ChainError as error:
        yield danger(f"bitcoind does not answer: {error}", START_BITCOIND, chain=chain_flags(config))
        return
    cursor = await patient.services.store.read(lambda read: read.chain_cursor())
    for each in of_bitcoind(state, cursor.height if cursor else 0, config):
        yield each
    if state.notifies and not backend.is_notified:
        text = "bitcoind's notifications (ZeroMQ) do not come, so that it is asked every few seconds"
        yield hint(text, NOTIFY, chain=chain_flags(config))


def chain_flags(config: Config) -> Line:
    """What tells bitcoind and bitcoin-cli which chain is meant."""
    network = {"bitcoin": ""}.get(config.network, f"-{config.network}")
    folder = f"-datadir={shlex.quote(str(config.bitcoind_directory))}" if config.bitcoind_directory else ""
    return Line(f"{folder} {network}".strip())


def of_bitcoind(state: BitcoindState, needed_height: int, config: Config) -> Iterator[Finding]:
    """What is wrong with a bitcoind, from what it says of itself. needed_height: the last block that lnpd has read."""
    flags = chain_flags(config)
    if state.headers_height > state.height + SLACK_BLOCKS:
        yield danger(f"bitcoind is at block {state.height:,} of {state.headers_height:,}", ASK_BITCOIND, chain=flags)
    if state.pruned_below_height > needed_height + 1:
        text = (
            f"bitcoind has pruned the blocks below {state.pruned_below_height:,}, and {needed_height + 1:,} is needed"
        )
        yield danger(text, UNPRUNE, chain=flags)
    if not state.peers and config.network != "regtest":
        yield warning("bitcoind is connected to nobody, and hears of no block", CONNECT_BITCOIND, chain=flags)
    if not state.notifies:
        text = "bitcoind publishes nothing by ZeroMQ, so that it is asked every few seconds"
        yield hint(text, NOTIFY, chain=flags)
    if state.version < RELAYED_FROM:
        text = f"{state.subversion or 'bitcoind'} relays no packages: a forced close pays its fee alone"
        yield hint(f"{text}, until Bitcoin Core {RELAYED_FROM // 10_000} is installed", SHOW_VERSION)


def electrum(patient: Patient) -> Iterator[Finding]:
    """The Electrum server that is asked: it can hide what happens."""
    backend = patient.services.backend
    if isinstance(backend, ElectrumChain):
        another = patient.lnpd_with(electrum=(*patient.services.config.electrum, ANOTHER_SERVER))
        yield of_electrum(backend.server, backend.servers, another)


def of_electrum(server: str, servers: int, another: Line) -> Finding:
    """What is to be said of the server that is asked, none if it is empty, out of so many."""
    if not server:
        return danger("no Electrum server answers: nothing on the chain is seen or enforced", RESTART, lnpd=another)
    if servers < 2:
        return hint(f"{server} alone is asked: what it hides or loses, nobody else tells", RESTART, lnpd=another)
    return well(f"{server} is asked, of {servers} servers")


CHECKS: Final[tuple[Check[Patient], ...]] = (
    Check(
        "clock",
        "this machine's clock, by the newest block's time and the median of eleven (BIP 113), the last event, and "
        "bitcoind's peers",
        clock,
        (SET_CLOCK,),
        "the clock agrees with the chain's",
    ),
    Check(
        "chain",
        "whether the chain answers, is whole and new, and is followed",
        chain,
        (START_BITCOIND, LOOK),
        "the chain is seen",
    ),
    Check(
        "bitcoind",
        "bitcoind's answer, its blocks, what it pruned, its peers, its notifications (ZeroMQ), its version",
        bitcoind,
        (START_BITCOIND, ASK_BITCOIND, UNPRUNE, CONNECT_BITCOIND, NOTIFY, SHOW_VERSION),
        "nothing is wrong with bitcoind, or none is used",
    ),
    Check(
        "electrum",
        "which Electrum server is asked, and whether there is another one",
        electrum,
        (RESTART,),
        "no Electrum server is used",
    ),
)
