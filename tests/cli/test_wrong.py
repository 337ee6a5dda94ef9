"""Is whatever a person can do wrong refused in one clear line, with its code, and is nothing changed by it?

Two real daemons with a channel; what is typed is done by the programs' own functions, in this process. What a real
process has to show (another lnpd in the directory, a taken port, a damaged database) is test_whole.py's.
"""

import hashlib
import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lnpd import errors
from lnpd.cli import daemon, lnp
from lnpd.cli.ask import TABLE
from lnpd.config.table import BY_KEY
from lnpd.rpc.codes import CODES, PARSE_ERROR, sentence
from tests.cli.called import Called, called
from tests.cli.wrong_pair import PATIENCE_SECONDS, Pair
from tests.cli.wrong_rows import ROWS, Row

pytest.importorskip("pbk")  # the embedded chain

LEAST = 100
LISTED = (Path(__file__).parents[2] / "contrib" / "docs" / "pages" / "errors.md").read_text()
NAMES = {"lockbox", *BY_KEY, *(name for row in TABLE for name in (row.name, *(each.name for each in row.parameters)))}
"""What a sentence may begin with as it is written: a command, a parameter, an option, a plugin."""
INTERNAL = ("Traceback", "InternalError", "way of its own", "Error(", " object at 0x", "NoneType")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("wrong"))
    try:
        yield made.begin()
    finally:
        made.end()


def test_there_are_a_hundred_kinds() -> None:
    assert len(set(ROWS)) == len(ROWS) >= LEAST


@pytest.mark.parametrize(
    "row", ROWS, ids=[f"{n} {row.how} {row.line.split(' {')[0][:40]}" for n, row in enumerate(ROWS)]
)
def test_a_wrong_wish_is_refused_and_changes_nothing(pair: Pair, row: Row) -> None:
    folder = pair.folder / "theirs"
    folder.mkdir(exist_ok=True)
    files, account = of_files(pair.folder), pair.settled()
    if row.how == "rpc":
        error = sent(pair, row.given.format(**pair.values))
        is_named(error["data"]["name"], error["code"], row)
        assert (error["code"], "result" in error) == (row.code, False), error
        judge(error["message"], row.says.format(**pair.values))
    else:
        refuses(pair, row)
    assert of_files(pair.folder) == files
    assert pair.settled() == account


def refuses(pair: Pair, row: Row) -> None:
    """The program refuses a row in one line, and says the same to a program."""
    words = [word.format(**pair.values) for word in row.line.split()]
    done = tried(pair, row, words)
    assert (done.code, done.out if row.how != "script" else "") == (row.code, ""), done
    line, *more = done.err.splitlines()
    name, _, told = line.partition(": ")
    assert name in ("lnp", "lnpd", f"lnpd {words[0] if words else ''}"), done.err
    assert more == [] or (row.how == "script" and more[0].startswith("lnp: stopped at line ") and not more[1:]), done
    judge(told, row.says.format(**pair.values))
    said = tried(pair, row, [*words, "--json"])
    assert (said.code, said.out if row.how != "script" else "") == (row.code, "")
    error = json.loads(said.err.splitlines()[0])["error"]
    assert error["message"].split() == told.split()
    is_named(error["name"], error["code"], row)


def is_named(name: str, code: int | None, row: Row) -> None:
    """What programs go by: a class of lnpd.errors that the page lists, and the code of its family, where a node refused
    it; what the program itself refuses has none."""
    kind = getattr(errors, name)
    assert issubclass(kind, errors.LnpdError) and f"`{name}`" in LISTED
    assert code in (None, PARSE_ERROR, next(CODES[each] for each in kind.__mro__ if each in CODES))


def judge(told: str, says: str) -> None:
    """A sentence, in words of a person's, that names what was wrong."""
    assert says in told
    first = told.split()[0].rstrip(",:")
    assert told == sentence(told)
    assert first[0].isupper() or first in NAMES or not first.isalpha(), told
    assert not [word for word in INTERNAL if word in told], told


def tried(pair: Pair, row: Row, words: Sequence[str]) -> Called:
    given, folder = row.given.format(**pair.values) if row.how == "script" else row.given, pair.folder / "theirs"
    mine = {"HOME": str(folder), "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": ""}
    match row.how:
        case "lnp":
            return called(lnp.main, ["--directory", str(pair.alice.directory), *words], variables=mine, folder=folder)
        case "script":
            return called(lnp.main, ["--directory", str(pair.alice.directory), *words], given, mine, folder)
        case "file":
            file = pair.folder / "theirs" / "wrong.toml"
            file.write_text(given)
            try:
                return called(daemon.main, ["--config", str(file), "--check-config", *words], "", mine, folder)
            finally:
                file.unlink()
        case "variable":
            name, _, value = given.partition("=")
            return called(daemon.main, ["--check-config", *words], "", mine | {name: value}, folder)
    return called(daemon.main, words, given, mine, folder)


def sent(pair: Pair, line: str) -> dict[str, Any]:  # Any: JSON values
    """The error that a line of the RPC is answered with."""
    with socket.socket(socket.AF_UNIX) as pipe:
        pipe.settimeout(PATIENCE_SECONDS)
        pipe.connect(str(pair.alice.directory / "rpc.sock"))
        pipe.sendall(line.encode() + b"\n")
        with pipe.makefile("rb") as answers:
            return dict(json.loads(answers.readline())["error"])


def of_files(folder: Path) -> dict[str, str]:
    """A digest of each file that is not a running node's own."""
    own = {folder / name for name in ("a", "b", "c")}
    found = [path for path in folder.rglob("*") if path.is_file() and not own & set(path.parents)]
    found += [folder / name / "seed" for name in ("a", "b")]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found if path.suffix != ".log"}


def test_an_invoice_that_was_paid_is_not_paid_again_and_says_so(pair: Pair) -> None:
    before = pair.settled()
    done = called(lnp.main, ["--directory", str(pair.alice.directory), "--json", "pay", pair.values["paid"]])
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert "nothing was paid now" in told["note"]
    assert told["amount_msat"] == 1000
    assert pair.settled() == before


def test_what_keeps_a_close_is_named_each_time(pair: Pair) -> None:
    """Last of the pair: the refused close has begun, the plugin leaves, then bob, and only force is left."""
    channel = pair.values["channel"]
    pair.asked(pair.alice, "lockbox-put", channel_id=channel, amount_sat=25_000)
    pair.waits(lambda: all(pair.asked(n, "channels")[0]["extension_outputs"] for n in (pair.alice, pair.bob)), "a box")
    refuses(pair, Row("by agreement yet: lockbox: 1 open, with 25000 sat in", 1, "CloseBlocked", "close {channel}"))
    assert pair.bob.end() == 0
    assert "frozen" not in pair.bob.log.read_text()
    pair.waits(lambda: not pair.asked(pair.alice, "channels")[0]["connected"], "bob's absence")
    refuses(pair, Row("The peer is not connected", 1, "PeerNotConnected", "close {channel}"))
    refuses(pair, Row("There is no connection to", 1, "PeerNotConnected", "open {bob} 100000"))
    assert pair.alice.end() == 0
    pair.alice = pair.daemon("a")
    refuses(pair, Row("The channel is frozen: no plugin here provides lockbox", 1, "ChannelFrozen", "close {channel}"))
    refuses(pair, Row("No usable channel leads to", 1, "NoDirectChannel", "pay {priced}"))
    refuses(pair, Row("lnp close {channel:.12} --force --not-restored", 1, "StateUnproven", "close {channel} --force"))
    closed = pair.asked(pair.alice, "close", channel=channel, force=True, not_restored=True)
    assert closed["how"] == "forced"
    pair.asked(pair.alice, "mine", blocks=1)
    pair.waits(lambda: pair.asked(pair.alice, "channels")[0]["state"] == "on_chain", "the close on chain")
    refuses(pair, Row(f"on chain already, closed by {closed['txid']}", 1, "AlreadyClosed", "close {channel}"))
    refuses(pair, Row(f"on chain already, closed by {closed['txid']}", 1, "AlreadyClosed", "close {channel} --force"))
