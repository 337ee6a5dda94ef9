"""What is wrong with the clock, and with how the chain is seen?"""

from collections.abc import AsyncIterator, Iterator
from typing import Final

from lnpd.chain.bitcoind.backend import BitcoindChain
from lnpd.chain.bitcoind.broadcasts import RELAYED_FROM
from lnpd.chain.bitcoind.state import BitcoindState
from lnpd.chain.electrum.backend import ElectrumChain
from lnpd.chain.interface import SLACK_BLOCKS
from lnpd.errors import ChainError
from lnpd.rpc.answers import Finding
from lnpd.services.doctor.check import Check, danger, hint, warning, well
from lnpd.services.doctor.patient import Patient
from lnpd.store.read import Read

SET_CLOCK: Final = "timedatectl set-ntp true"
LOOK: Final = "lnp info"
START_BITCOIND: Final = "bitcoind -daemon"
ASK_BITCOIND: Final = "bitcoin-cli getblockchaininfo"
CONNECT_BITCOIND: Final = "bitcoin-cli setnetworkactive true"
UNPRUNE: Final = "bitcoind -daemon -prune=0 -reindex"
NOTIFY: Final = (
    "bitcoind -daemon -zmqpubhashblock=tcp://127.0.0.1:28332 -zmqpubsequence=tcp://127.0.0.1:28332"
)  # fmt: skip
SHOW_VERSION: Final = "bitcoin-cli -version"
MORE_SERVERS: Final = "lnpd --electrum ssl://HOST:PORT --electrum ssl://HOST:PORT"


async def clock(patient: Patient) -> AsyncIterator[Finding]:
    """A clock that is behind makes invoices and deadlines live too long; blocks and the own past tell of it."""
    now, heard = patient.now_unix_seconds, patient.services.pulse.heard
    ahead = heard.time_seconds - now if heard is not None else 0
    if ahead > patient.bounds.future_seconds:
        yield danger(f"the clock is behind: the newest block is of {ahead / 3600:.1f} h from now", SET_CLOCK)
    last = await patient.services.store.read(_last_event_unix_seconds)
    if last > now + patient.bounds.backwards_seconds:
        yield warning(f"the clock went back: the last event was stored {_span(last - now)} from now", SET_CLOCK)
    backend = patient.services.backend
    if isinstance(backend, BitcoindChain) and not patient.services.pulse.silence:
        offset = (await backend.state()).offset_seconds
        if abs(offset) > patient.bounds.offset_seconds:
            which = "behind" if offset > 0 else "ahead"
            yield warning(f"the clock is {_span(abs(offset))} {which}, by those of bitcoind's peers", SET_CLOCK)


def _last_event_unix_seconds(read: Read) -> int:
    last = read.last_event()
    rows = read.events_since(last - 1, 1)
    return rows[0].unix_seconds if rows else 0


def chain(patient: Patient) -> Iterator[Finding]:
    """Whether blocks are seen as they come: as long as they are not, nothing on the chain is enforced."""
    services = patient.services
    command = START_BITCOIND if isinstance(services.backend, BitcoindChain) else LOOK
    if services.sight.warning:
        yield danger(services.sight.warning, command)
    elif services.watcher.complaint:
        yield danger(f"the chain cannot be followed, and nothing on it is enforced: {services.watcher.complaint}", LOOK)
    elif services.pulse.heard is not None:
        yield well(f"the chain is seen up to block {services.pulse.heard.block.height:,}")


async def bitcoind(patient: Patient) -> AsyncIterator[Finding]:
    """The bitcoind that the node runs on."""
    backend = patient.services.backend
    if not isinstance(backend, BitcoindChain):
        return
    try:
        state = await backend.state()
    except ChainError as error:
        yield danger(f"bitcoind does not answer: {error}", START_BITCOIND)
        return
    cursor = await patient.services.store.read(lambda read: read.chain_cursor())
    for each in of_bitcoind(state, cursor.height if cursor else 0, patient.services.config.network == "regtest"):
        yield each
    if state.notifies and not backend.is_notified:
        yield hint("bitcoind's notifications (ZeroMQ) do not come, so that it is asked every few seconds", NOTIFY)


def of_bitcoind(state: BitcoindState, needed_height: int, is_regtest: bool) -> Iterator[Finding]:
    """What is wrong with a bitcoind, from what it says of itself. needed_height: the last block that lnpd has read."""
    if state.headers_height > state.height + SLACK_BLOCKS:
        yield danger(f"bitcoind is at block {state.height:,} of {state.headers_height:,}", ASK_BITCOIND)
    if state.pruned_below_height > needed_height + 1:
        text = (
            f"bitcoind has pruned the blocks below {state.pruned_below_height:,}, and {needed_height + 1:,} is needed"
        )
        yield danger(text, UNPRUNE)
    if not state.peers and not is_regtest:
        yield warning("bitcoind is connected to nobody, and hears of no block", CONNECT_BITCOIND)
    if not state.notifies:
        yield hint("bitcoind publishes nothing by ZeroMQ, so that it is asked every few seconds", NOTIFY)
    if state.version < RELAYED_FROM:
        text = f"{state.subversion or 'bitcoind'} relays no packages: a forced close pays its fee alone"
        yield hint(f"{text}, until Bitcoin Core {RELAYED_FROM // 10_000} is installed", SHOW_VERSION)


def electrum(patient: Patient) -> Iterator[Finding]:
    """The Electrum server that is asked: it can hide what happens."""
    backend = patient.services.backend
    if isinstance(backend, ElectrumChain):
        yield of_electrum(backend.server, backend.servers)


def of_electrum(server: str, servers: int) -> Finding:
    """What is to be said of the server that is asked, none if it is empty, out of so many."""
    if not server:
        return danger("no Electrum server answers: nothing on the chain is seen or enforced", MORE_SERVERS)
    if servers < 2:
        return hint(f"{server} alone is asked: what it hides or loses, nobody else tells", MORE_SERVERS)
    return well(f"{server} is asked, of {servers} servers")


def _span(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"


CHECKS: Final[tuple[Check[Patient], ...]] = (
    Check(
        "clock",
        "this machine's clock, against the newest block's time, the node's own last event, and bitcoind's peers",
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
        (MORE_SERVERS,),
        "no Electrum server is used",
    ),
)
