"""Does the node run, and if not, what would keep it from starting?"""

import fcntl
import os
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from lnpd.cli.doctor.outside import Outside
from lnpd.errors import StoreError
from lnpd.rpc.answers import Finding
from lnpd.rpc.place import SOCKET_NAME
from lnpd.services.doctor.check import Check, danger, hint, warning, well
from lnpd.store.database import DATABASE_NAME, look
from lnpd.store.directory import LOCK_NAME, LONGEST_PID_BYTES
from lnpd.store.migrations import MIGRATIONS

CHECK_CONFIG: Final = "lnpd --check-config"
START: Final = "lnpd"
END: Final = "kill PROCESS"
STOP: Final = "lnp stop"
CHECK: Final = "lnpd check"
UPGRADE: Final = "pip install --upgrade lnpd"
WHO_LISTENS: Final = "ss -ltnp"
START_BITCOIND: Final = "bitcoind -daemon"
START_CHAIN: Final = "lnpd regtest"
CHECK_PLUGIN: Final = "lnp plugin check FILE"
CLOSE_FILE: Final = "chmod 600 FILE"
OPEN_FILE: Final = re.compile(r"others may read the file: chmod 600 (.+?)\.?$")
SHOW_LOG: Final = "tail -n 100 FILE"
SET_CLOCK: Final = "timedatectl set-ntp true"
PROBE_SECONDS: Final = 2.0
BACKWARDS_SECONDS: Final = 120
LAST_BYTES: Final = 64 * 1024
BAD_WORDS: Final = (" ERROR ", " CRITICAL ", '"level":"error"', '"level":"critical"')


def configuration(outside: Outside) -> Iterator[Finding]:
    """What lnpd would refuse."""
    if opened := OPEN_FILE.search(outside.refusal):
        yield danger(f"the configuration is refused: {outside.refusal}", CLOSE_FILE, file=opened[1])
    elif outside.refusal:
        yield danger(f"the configuration is refused: {outside.refusal}", CHECK_CONFIG)
    if outside.config is not None and not outside.runs:
        for path in outside.config.plugins:
            if not path.is_file():
                yield danger(f"there is no plugin at {path}", CHECK_PLUGIN, file=path)


def process(outside: Outside) -> Iterator[Finding]:
    """Whether a node has the directory, and answers."""
    holder = holder_of(outside.directory)
    if outside.info is not None:
        if outside.info.version != version("lnpd"):
            text = f"lnpd {outside.info.version} runs, and {version('lnpd')} is installed: stop it, and start it again"
            yield hint(text, STOP)
        yield well(f"lnpd {outside.info.version} runs as process {outside.info.process}")
    elif outside.silence:
        yield danger(f"lnpd has the directory and does not answer: {outside.silence}", END, process=holder or "PROCESS")
    elif holder:
        text = f"process {holder} has the directory and is not to be asked; perhaps it is starting, or does not end"
        yield warning(text, END, process=holder)
    else:
        left = " (a socket of its last life is left, which the next start replaces)"
        stale = left if (outside.directory / SOCKET_NAME).exists() else ""
        text = f"no lnpd runs in {outside.directory}{stale}; what follows is seen from the outside"
        yield warning(text, START)


def holder_of(directory: Path) -> str:
    """The id of the process that has a directory; empty if nobody has it. A file without its lock is of a node that
    has ended, however."""
    try:
        file = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return ""
    except BlockingIOError:
        return os.pread(file, LONGEST_PID_BYTES, 0).decode("ascii", "replace").strip() or "unknown"
    finally:
        os.close(file)


def database(outside: Outside) -> Iterator[Finding]:
    """The database of a node that does not run; one that runs is asked for its own."""
    path = outside.directory / DATABASE_NAME
    if outside.runs or holder_of(outside.directory):
        return
    if not path.exists():
        if path.with_name(path.name + "-wal").exists():
            yield danger(f"{path} is gone, and its log is not: copy the directory before anything else", CHECK)
        return
    try:
        looked = look(path)
    except StoreError as error:
        yield danger(str(error), CHECK)
        return
    network = outside.value("network")
    if looked.verdict != "ok":
        yield danger(f"{path} is damaged ({looked.verdict}): copy the directory before anything else", CHECK)
    if looked.schema_version > len(MIGRATIONS) + 1:
        yield danger(f"a newer lnpd wrote the database (schema version {looked.schema_version})", UPGRADE)
    if network and network != looked.network:
        text = f"the directory is of the network {looked.network}, and lnpd would be started for {network}"
        yield danger(text, CHECK_CONFIG)
    if path.stat().st_mtime > outside.now_unix_seconds + BACKWARDS_SECONDS:
        yield warning("the database was written later than now: the clock went back", SET_CLOCK)


def listening(outside: Outside) -> Iterator[Finding]:
    """Whether somebody answers where the node listens; and who else has the port, if it does not run."""
    if outside.info is not None:
        for address in outside.info.addresses:
            if not _answers(*_split(address)):
                yield danger(f"nobody answers at {address}, where the node listens", WHO_LISTENS)
        return
    wanted = outside.config.listen if outside.config is not None else ()
    for each in wanted:
        if each.port and (why := _taken(each.host, each.port)):
            yield danger(f"{each} cannot be listened at: {why}", WHO_LISTENS)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _answers(host: str, port: int) -> bool:
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  where a node may listen
    with suppress(OSError), socket.create_connection((here, port), PROBE_SECONDS):
        return True
    return False


def _taken(host: str, port: int) -> str:
    """Why nobody could listen there now; empty if somebody could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the node does: a socket that ends is no holder
        try:
            probe.bind((host, port))
        except OSError as error:
            return f"{(error.strerror or str(error)).lower()}{_holder_of_port(port)}"
    return ""


def _holder_of_port(port: int) -> str:
    """The process that listens at a port, if it is one of ours, as far as /proc tells."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for folder in Path("/proc").glob("[0-9]*") if inodes else ():
        with suppress(OSError):
            if any(os.readlink(link) in inodes for link in (folder / "fd").iterdir()):
                return f" by process {folder.name} ({(folder / 'comm').read_text().strip()})"
    return ""


async def chain(outside: Outside) -> AsyncIterator[Finding]:
    """Whether the chain that the node would follow answers."""
    config = outside.config
    if outside.runs or config is None:
        return
    if config.uses_bitcoind:
        from lnpd.services.doctor.bitcoind import findings  # with much of lnpd, which another chain does not need

        for each in await findings(config):
            yield each
    elif config.electrum:
        from lnpd.chain.electrum.address import read_url

        servers = [read_url(word) for word in config.electrum]
        silent = [each for each in servers if not _answers(each.host, each.port)]
        for server in silent:
            severe = danger if len(silent) == len(servers) else warning
            yield severe(f"nobody answers at the Electrum server {server}", CHECK_CONFIG)
    elif config.chain:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(config.chain.removeprefix("ipc://"))
            except OSError:
                yield danger(f"no chain answers at {config.chain}", START_CHAIN)


def last_words(outside: Outside) -> Iterator[Finding]:
    """What a node that does not run said last, if its log went into a file."""
    path = outside.config.log_path if outside.config is not None else None
    if outside.runs or path is None or not path.is_file():
        return
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LAST_BYTES))
        lines = [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    bad = [line for line in lines if any(word in line for word in BAD_WORDS)]
    if bad:
        yield hint(f"the log's last complaint: {bad[-1].strip()}", SHOW_LOG, file=path)
    elif lines:
        yield well(f"the log's last line: {lines[-1].strip()}")


CHECKS: Final[tuple[Check[Outside], ...]] = (
    Check(
        "process",
        "whether a node runs and answers; a lock or a socket that is left; whether the installed version runs",
        process,
        (START, STOP, END),
        "the node runs",
    ),
    Check(
        "configuration",
        "what lnpd would refuse: an unknown key, a wrong value, a password that others can read, a plugin that is gone",
        configuration,
        (CHECK_CONFIG, CLOSE_FILE, CHECK_PLUGIN),
        "the configuration is accepted",
    ),
    Check(
        "stored",
        "of a node that does not run: whether its database can be read, is sound, of this network and version",
        database,
        (CHECK, UPGRADE, CHECK_CONFIG, SET_CLOCK),
        "the database can be read, or is its node's to look at",
    ),
    Check(
        "listening",
        "whether somebody answers where the node listens; of one that does not run, who has its port",
        listening,
        (WHO_LISTENS,),
        "the node's addresses are its own",
    ),
    Check(
        "reachable",
        "of a node that does not run: whether its bitcoind, Electrum server or chain service answers",
        chain,
        (START_BITCOIND, CHECK_CONFIG, START_CHAIN),
        "the chain answers, or is the node's to look at",
    ),
    Check(
        "last words",
        "of a node that does not run: the last error in its log's file, or its last line",
        last_words,
        (SHOW_LOG,),
        "there is no log of a node that has ended",
    ),
)
