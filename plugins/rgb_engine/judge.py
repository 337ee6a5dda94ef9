"""Does a stranger's consignment assign what it has to, to an output of a script that is no wallet's own?

First the bytes are read by our own parser, which knows fungible assets alone, and each step of their history is checked
(nia). Then rgb-lib says whether the chain has what they tell of. It judges consignments only as it receives them, for
invoices to its own keys, and what it took cannot be given back; so each is received by a new wallet in a folder of its
own, whose one invoice is made to name the script: a row of its database says who the recipient is. The last
transaction's witnesses are left out, for rgb-lib would broadcast it.

All that happens in a process of its own, with bounds for what it may take: bytes of a stranger's may end it, or take
for ever.
"""

import asyncio
import os
import resource
import shutil
import signal
import sqlite3
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from nia.consignment import Consignment, parse
from nia.errors import NiaError
from nia.history import check
from nia.names import contract_name, script_recipient
from nia.transaction import Tx
from rgb_engine import binding
from rgb_engine.errors import (
    ConsignmentRefused,
    ElectrumUnreachable,
    ElectrumUnset,
    EngineError,
    LibraryMissing,
    NetworkUnknown,
    WalletDamaged,
)
from rgb_engine.values import Accepted, sized

JUDGE_SECONDS: Final = 60  # with an Electrum server that is slow
MAX_VERDICT_BYTES: Final = 16 * 1024
CONSIGNMENT: Final = "given"
PREFIX: Final = "judge-"

NOT_ITS_FAULT: Final = {
    kind.__name__: kind for kind in (ElectrumUnreachable, ElectrumUnset, LibraryMissing, NetworkUnknown, WalletDamaged)
}
"""What says nothing of a consignment. All else that goes wrong is its fault."""


class Expected(msgspec.Struct, frozen=True):
    """What has to be assigned, to which output."""

    script_pubkey: bytes
    txid: str
    vout: int
    asset_id: str
    amount: int


class Bounds(msgspec.Struct, frozen=True):
    """What the other process may take. With rgb-lib it maps 0.4 GiB, and needs 0.2 s for a short history."""

    memory_bytes: int = 1024 * 1024 * 1024
    cpu_seconds: int = 30
    file_bytes: int = 64 * 1024 * 1024


BOUNDS: Final = Bounds()


class Case(msgspec.Struct, frozen=True):
    """What the other process is told; the consignment is a file of its folder."""

    network: str
    electrum: str
    expected: Expected
    bounds: Bounds = BOUNDS


class Verdict(msgspec.Struct, frozen=True):
    """What it says: `error` names a class of `errors`, or nothing."""

    accepted: Accepted | None
    error: str = ""
    text: str = ""


async def validate(
    folder: Path, network: str, electrum: str, consignment: bytes, expected: Expected, bounds: Bounds = BOUNDS
) -> Accepted:
    """What the consignment assigns, once all of its history is valid and confirmed, and the last transaction, which may
    be unknown to the chain, is the expected one. ConsignmentRefused, ElectrumUnreachable, LibraryMissing."""
    _sweep(folder)
    with TemporaryDirectory(prefix=PREFIX, dir=folder) as name:
        (Path(name) / CONSIGNMENT).write_bytes(sized(consignment))
        return accepted(await _asked(name, Case(network, electrum, expected, bounds)), expected)


def _sweep(folder: Path) -> None:
    """Removes what a killed process left."""
    for each in folder.glob(f"{PREFIX}*"):
        if time.time() - each.stat().st_mtime > 10 * JUDGE_SECONDS:
            shutil.rmtree(each, ignore_errors=True)


async def _asked(folder: str, case: Case) -> Verdict:
    package = Path(__file__).parents[1]
    path = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH", ""))))
    judge = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__,
        cwd=folder, env={**os.environ, "PYTHONPATH": path},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(judge.communicate(msgspec.json.encode(case)), JUDGE_SECONDS)
    except TimeoutError:
        raise ConsignmentRefused(f"the consignment was not judged within {JUDGE_SECONDS} seconds") from None
    finally:
        if judge.returncode is None:
            judge.kill()
            await judge.wait()
    try:
        return msgspec.json.decode(said[:MAX_VERDICT_BYTES], type=Verdict)
    except msgspec.DecodeError:
        if judge.returncode == -signal.SIGXCPU:
            raise ConsignmentRefused(f"judging it takes more than {case.bounds.cpu_seconds} s of a processor") from None
        raise ConsignmentRefused(f"rgb-lib did not survive the consignment (code {judge.returncode})") from None


def accepted(verdict: Verdict, expected: Expected) -> Accepted:
    """Nothing that the other process says is taken as it is."""
    if verdict.error or verdict.accepted is None:
        raise NOT_ITS_FAULT.get(verdict.error, ConsignmentRefused)(verdict.text)
    found = verdict.accepted
    if found.status == "unsafe":
        raise ConsignmentRefused("what came before the consignment's last transaction is not confirmed yet")
    _compare(found, expected)
    return found


def _compare(found: Accepted, expected: Expected) -> None:
    for name in ("txid", "vout", "asset_id", "amount"):
        has, wanted = getattr(found, name), getattr(expected, name)
        if has != wanted:
            raise ConsignmentRefused(f"the consignment's {name} is {has}, and not {wanted}")


# --- in the other process
def judge(case: Case, folder: Path) -> Verdict:
    """What of the folder's consignment is right."""
    try:
        given = read((folder / CONSIGNMENT).read_bytes(), case)
        return Verdict(_received(given, case, folder))
    except EngineError as error:
        return Verdict(None, type(error).__name__, str(error))
    except MemoryError:
        size = case.bounds.memory_bytes // 1024 // 1024
        return Verdict(None, ConsignmentRefused.__name__, f"judging it takes more than {size} MiB of memory")


def bind(bounds: Bounds) -> None:
    """Lets this process take no more, for ever. A system that knows no such limit has the others."""
    wanted = {
        resource.RLIMIT_AS: bounds.memory_bytes,
        resource.RLIMIT_CPU: bounds.cpu_seconds,
        resource.RLIMIT_FSIZE: bounds.file_bytes,
        resource.RLIMIT_CORE: 0,
    }
    for which, most in wanted.items():
        _, hard = resource.getrlimit(which)
        hard = most + 1 if hard == resource.RLIM_INFINITY else min(most + 1, hard)  # above the first, which has a name
        with suppress(ValueError, OSError):
            resource.setrlimit(which, (min(most, hard), hard))


def read(given: bytes, case: Case) -> Consignment:
    """A consignment that agrees with itself and with what is expected, without the last witnesses. ConsignmentRefused
    says which rule it breaks."""
    expected = case.expected
    try:
        parts = parse(given)
        history = check(parts, binding.chain(case.network))
    except NiaError as error:
        raise ConsignmentRefused(f"{type(error).__name__}: {error}") from None
    txid = bytes.fromhex(expected.txid)[::-1]
    amount = sum(each.amount for each in history.upon(txid, expected.vout))
    last = (history.last or b"")[::-1].hex()
    _compare(Accepted(contract_name(history.contract_id), amount, last, expected.vout, "unbroadcast"), expected)
    *before, ending = parts.bundles
    assert isinstance(ending.witness, Tx)  # check
    ending = msgspec.structs.replace(ending, witness=ending.witness.unsigned())
    return msgspec.structs.replace(parts, bundles=(*before, ending))


def _received(given: Consignment, case: Case, folder: Path) -> Accepted:
    """What rgb-lib finds in it, with a new wallet."""
    from rgb_engine.wallet import Wallet  # whoever only asks needs no more than the types above

    wallet = Wallet(folder, case.network, case.electrum)
    wallet.invoice()
    _name(folder, script_recipient(case.expected.script_pubkey, binding.chain(case.network)))
    (found,) = wallet.receive(given.encode())
    return found


def _name(folder: Path, recipient: str) -> None:
    """Makes the wallet's only invoice one for somebody else."""
    (path,) = folder.glob("wallet/*/rgb_lib_db")
    with closing(sqlite3.connect(path)) as database, database:
        changed = database.execute("UPDATE transfer SET recipient_id = ?", (recipient,)).rowcount
    if changed != 1:
        raise WalletDamaged(f"rgb-lib's database is another one than was expected: {changed} rows")


def main() -> None:
    """Says on standard output what `judge` finds."""
    case = msgspec.json.decode(sys.stdin.buffer.read(), type=Case)
    bind(case.bounds)
    sys.stdout.buffer.write(msgspec.json.encode(judge(case, Path.cwd())))


if __name__ == "__main__":
    main()
