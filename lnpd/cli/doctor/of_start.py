"""Does the node run, and if not, what would keep it from starting?"""

import fcntl
import os
import re
import shlex
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

import lnpd
from lnpd.cli.doctor.outside import Outside
from lnpd.config import Address
from lnpd.errors import StoreError
from lnpd.rpc.answers import Finding
from lnpd.rpc.place import SOCKET_NAME
from lnpd.services.doctor.check import Check, Line, danger, hint, warning, well
from lnpd.store.database import DATABASE_NAME, look
from lnpd.store.directory import LOCK_NAME, LONGEST_PID_BYTES
from lnpd.store.migrations import MIGRATIONS

CHECK_CONFIG: Final = "LNPD --check-config"
EDIT: Final = '"${EDITOR:-nano}" LINE FILE'
UNSET: Final = "unset VARIABLE"
START: Final = "LNPD"
RESTART: Final = "lnp stop && LNPD"
END: Final = "kill PROCESS"
CHECK: Final = "lnpd check"
START_BITCOIND: Final = "bitcoind CHAIN -daemon"
UPGRADE: Final = "git -C CHECKOUT pull && make -C CHECKOUT setup"
LISTEN: Final = "lnp listen ADDRESS"
START_CHAIN: Final = "lnpd regtest WHERE"
CLOSE_FILE: Final = "chmod 600 FILE"
CHECKOUT: Final = Path(lnpd.__file__).parents[1]
"""lnpd is installed from its checkout (README.md), where `make setup` installs what is new as well."""
IN_FILE: Final = re.compile(r"(/.+?), line (\d+)\b")
IN_VARIABLE: Final = re.compile(r"\b(LNPD_[A-Z_]+)\b")
OPEN_FILE: Final = re.compile(r"others may read the file: chmod 600 (.+?)\.?$")
SHOW_LOG: Final = "tail -n 100 FILE"
SET_CLOCK: Final = "timedatectl set-ntp true"
ANOTHER_SERVER: Final = "ssl://HOST:PORT"
LAST_PORT: Final = 1 << 16
PROBE_SECONDS: Final = 2.0
BACKWARDS_SECONDS: Final = 120
LAST_BYTES: Final = 64 * 1024
BAD_WORDS: Final = (" ERROR ", " CRITICAL ", '"level":"error"', '"level":"critical"')


def configuration(outside: Outside) -> Iterator[Finding]:
    """What lnpd would refuse."""
    if outside.refusal:
        yield _of_refusal(outside)
    if outside.config is not None and not outside.runs:
        there = [path for path in outside.config.plugins if path.is_file()]
        line = outside.lnpd_with(plugins=tuple(map(str, there)))
        for path in outside.config.plugins:
            if path not in there:
                yield danger(f"there is no plugin at {path}: put it there, or start without it", START, lnpd=line)


def _of_refusal(outside: Outside) -> Finding:
    """Where a person mends it is where it was said."""
    text = f"the configuration is refused: {outside.refusal}"
    if opened := OPEN_FILE.search(outside.refusal):
        return danger(text, CLOSE_FILE, file=opened[1])
    if place := IN_FILE.search(outside.refusal):
        return danger(text, EDIT, line=Line(f"+{place[2]}"), file=place[1])
    if variable := IN_VARIABLE.search(outside.refusal):
        return danger(text, UNSET, variable=variable[1])
    return danger(text, CHECK_CONFIG, lnpd=outside.lnpd)


def process(outside: Outside) -> Iterator[Finding]:
    """Whether a node has the directory, and answers."""
    holder = holder_of(outside.directory)
    if outside.info is not None:
        if outside.info.version != version("lnpd"):
            text = f"lnpd {outside.info.version} runs, and {version('lnpd')} is installed"
            yield hint(text, RESTART, lnpd=outside.lnpd)
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
        yield warning(text, START, lnpd=outside.lnpd)


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
        yield danger(
            f"a newer lnpd wrote the database (schema version {looked.schema_version})", UPGRADE, checkout=CHECKOUT
        )
    if network and network != looked.network:
        text = f"the directory is of the network {looked.network}, and lnpd would be started for {network}"
        yield danger(text, START, lnpd=outside.lnpd_with(network=(looked.network,)))
    if path.stat().st_mtime > outside.now_unix_seconds + BACKWARDS_SECONDS:
        yield warning("the database was written later than now: the clock went back", SET_CLOCK)


def listening(outside: Outside) -> Iterator[Finding]:
    """Whether somebody answers where the node listens; and who else has the port, if it does not run."""
    if outside.info is not None:
        for address in outside.info.addresses:
            if not _answers(*_split(address)):
                yield danger(f"nobody answers at {address}, where the node listens", LISTEN, address=address)
        return
    wanted = outside.config.listen if outside.config is not None else ()
    for each in wanted:
        if each.port and (why := _taken(each.host, each.port)):
            free = next((port for port in range(each.port + 1, LAST_PORT) if not _taken(each.host, port)), 0)
            words = tuple(str(Address(each.host, free) if one == each else one) for one in wanted)
            yield danger(f"{each} cannot be listened at: {why}", START, lnpd=outside.lnpd_with(listen=words))


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

        servers = {word: read_url(word) for word in config.electrum}
        silent = [word for word, each in servers.items() if not _answers(each.host, each.port)]
        heard = tuple(word for word in servers if word not in silent) or (ANOTHER_SERVER,)
        for word in silent:
            severe = danger if len(silent) == len(servers) else warning
            text = f"nobody answers at the Electrum server {servers[word]}"
            yield severe(text, START, lnpd=outside.lnpd_with(electrum=heard))
    elif config.chain:
        path = Path(config.chain.removeprefix("ipc://"))
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                where = Line(f"--directory {shlex.quote(str(path.parent))} --endpoint {shlex.quote(config.chain)}")
                yield danger(f"no chain answers at {config.chain}", START_CHAIN, where=where)


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
        (START, RESTART, END),
        "the node runs",
    ),
    Check(
        "configuration",
        "what lnpd would refuse: an unknown key, a wrong value, a password that others can read, a plugin that is gone",
        configuration,
        (EDIT, UNSET, CHECK_CONFIG, CLOSE_FILE, START),
        "the configuration is accepted",
    ),
    Check(
        "stored",
        "of a node that does not run: whether its database can be read, is sound, of this network and version",
        database,
        (CHECK, UPGRADE, START, SET_CLOCK),
        "the database can be read, or is its node's to look at",
    ),
    Check(
        "listening",
        "whether somebody answers where the node listens; of one that does not run, who has its port",
        listening,
        (LISTEN, START),
        "the node's addresses are its own",
    ),
    Check(
        "reachable",
        "of a node that does not run: whether its bitcoind, Electrum server or chain service answers",
        chain,
        (START_BITCOIND, START, START_CHAIN),
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
