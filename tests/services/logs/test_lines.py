"""Is a record of the log one line without secrets, whoever wrote its words, for a person and for a program?"""

import json
import logging
import sys
from base64 import b64encode
from types import TracebackType

import pytest

from lnpd.hooks.trace import Trace, within
from lnpd.services.logs.lines import MAX_CHARACTERS, MAX_EXCEPTION_LINES, LineFormatter, subsystem_of
from lnpd.services.logs.secrets import MASK, SECRETS, Secrets

TEXT, JSON = LineFormatter(), LineFormatter(json=True)
Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None] | None


def record(message: str, *args: object, error: Raised = None, name: str = "lnpd.peers") -> logging.LogRecord:
    return logging.LogRecord(name, logging.INFO, "here", 1, message, args, error)


def formatted(message: str, *args: object, error: Raised = None) -> str:
    """Without the time."""
    return TEXT.format(record(message, *args, error=error))[20:]


def test_a_stranger_adds_no_line() -> None:
    expected = "INFO    peers: refused: x\\nERROR forged\\x1b[2J"
    assert formatted("refused: %s", "x\nERROR forged\x1b[2J") == expected


def test_a_record_ends() -> None:
    assert len(formatted("%s", "x" * 100_000)) == len("INFO    peers: ") + MAX_CHARACTERS


def test_a_tracebacks_lines_do_not_look_like_records() -> None:
    try:
        raise ValueError("a\nERROR forged\x1b[2J")
    except ValueError:
        first, *rest = formatted("it failed", error=sys.exc_info()).split("\n")
    assert first == "INFO    peers: it failed"
    assert rest and all(line.startswith("    ") and line.isprintable() for line in rest)


def test_a_traceback_ends() -> None:
    try:
        raise ValueError("\n" * 10_000)
    except ValueError:
        lines = formatted("it failed", error=sys.exc_info()).split("\n")
    assert len(lines) <= MAX_EXCEPTION_LINES + 2


def test_a_wrong_format_costs_the_words_alone() -> None:
    assert formatted("%d peers", "no") == "INFO    peers: %d peers (its arguments do not fit: TypeError)"


def test_a_program_reads_an_object() -> None:
    try:
        raise ValueError("why")
    except ValueError:
        with within(Trace("abcd")):
            said = record("it \n%s", "failed", error=sys.exc_info())
            said.created = 1_700_000_000.25
            found = json.loads(JSON.format(said))
    assert found.pop("exception").endswith("ValueError: why")
    assert found == {
        "time": "2023-11-14T22:13:20.250Z", "level": "info", "subsystem": "peers", "message": "it \\nfailed",
        "trace": "abcd",
    }  # fmt: skip
    assert set(json.loads(JSON.format(record("plain")))) == {"time", "level", "subsystem", "message"}


@pytest.mark.parametrize(
    ("logger", "name"),
    [("lnpd.peers", "peers"), ("lnpd.bus.curve", "bus"), ("lnpd", "lnpd"), ("asyncio", "asyncio"), ("a.b", "a.b")],
)
def test_a_subsystem_is_the_second_word(logger: str, name: str) -> None:
    assert subsystem_of(logger) == name


# --- secrets

PASSWORD, KEY = "p4ss/wörd'", bytes(range(32))


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD,
        "p4ss%2Fw%C3%B6rd%27",
        b64encode(PASSWORD.encode()).decode(),
        repr(PASSWORD),
        KEY.hex(),
        KEY.hex().upper(),
        repr(KEY),
        f"{KEY}",
    ],
)
def test_a_known_secret_is_masked_in_each_form(form: str) -> None:
    secrets = Secrets()
    secrets.add(PASSWORD, KEY, None, "", b"")
    masked = secrets.masked(f"x {form} y")
    assert MASK in masked and masked.startswith("x ") and masked.endswith(" y")
    assert not {PASSWORD, KEY.hex(), form} & set(masked.split())


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("GET http://alice:hunter2@127.0.0.1:8332/ failed", "hunter2"),
        ("GET http://alice:hun/ter2@127.0.0.1:8332/ failed", "hun/"),
        ("GET http://alice:hun@ter2@127.0.0.1:8332/ failed", "ter2"),
        ("GET https://0123456789token@node.example/ failed", "0123456789token"),
        ("Authorization: Bearer eyJhbGciOi.eyJzdWIi", "eyJzdWIi"),
        ("bitcoind -rpcpassword=hunter2 ended", "hunter2"),
        ("bitcoind -rpcpassword=hun,ter2)x ended", "ter2"),
        ("dialled with user=alice password=hunter2, refused", "hunter2"),
        ("dialled with PASSWD='hunter 2' refused", "hunter"),
        ('passphrase="hunter 2" refused', "2"),
        ("GET /hook?token=hunter2&n=1 failed", "hunter2"),
        ("Authorization: Basic YWxpY2U6aHVudGVyMg==", "YWxpY2U6aHVudGVyMg"),
        ("__cookie__:0123456789abcdef0123456789abcdef", "0123456789abcdef"),
        ("tprv8ZgxMBicQKsPd7Uf69XL1XwhmjHopUGep8GuEiJDZmbQz6o58LninorQAfcKZWARbtRtfnLcJ5MQ2AtHcQJCCRUcMRvmDUjyEmNUWwx8",
         "MBicQKsPd7Uf69XL1XwhmjHopUGep8GuEiJ"),
    ],
)  # fmt: skip
def test_forms_that_are_secrets_wherever_they_come_from(text: str, gone: str) -> None:
    masked = Secrets().masked(text)
    assert gone not in masked and MASK in masked


def test_what_is_no_secret_stays() -> None:
    secrets = Secrets()
    secrets.add("abc", "ab")  # too short: it would be found everywhere
    text = "abc ipc:///run/x http://127.0.0.1:18443 02aa@127.0.0.1:9735 xprv http://[USER:PASSWORD@]HOST"
    assert secrets.masked(text) == text


def test_a_secret_is_in_no_part_of_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SECRETS, "_longest_first", ())
    SECRETS.add("correct horse")
    try:
        raise ValueError("correct horse\ncorrect horse")
    except ValueError:
        for form in (TEXT, JSON):
            told = form.format(record("said %s", "a correct horse", error=sys.exc_info()))
            assert "correct horse" not in told and told.count(MASK) >= 3
