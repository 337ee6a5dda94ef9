"""Is a function that looks at anything but its arguments stopped and named, and is every other left in peace?"""

import datetime
import os
import random
import secrets
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest
from lnpd_sdk.guard import NotPure, guarded, in_test_mode

FORBIDDEN: dict[str, tuple[Callable[[], object], str]] = {
    "clock": (lambda: time.time(), "the clock (time.time)"),
    "clock, by a name of its own": (lambda: monotonic(), "the clock (time.monotonic)"),
    "sleep": (lambda: time.sleep(0), "the clock"),
    "date": (lambda: datetime.datetime.now(datetime.UTC), "the clock"),
    "today": (lambda: datetime.date.today(), "the clock"),
    "random": (lambda: random.random(), "chance"),
    "shuffle": (lambda: random.shuffle([1, 2, 3]), "chance"),
    "a generator without a seed": (lambda: random.Random(), "chance (random.Random() without a seed)"),
    "secrets": (lambda: secrets.token_bytes(4), "the operating system (posix.urandom)"),
    "urandom": (lambda: os.urandom(4), "the operating system (posix.urandom)"),
    "uuid4": (lambda: uuid.uuid4(), "the operating system"),
    "open": (lambda: open(os.devnull).close(), "a file (io.open)"),  # it is never opened
    "pathlib": (lambda: Path(os.devnull).read_bytes(), "a file"),
    "folder": (lambda: os.listdir("."), "the operating system"),
    "process id": (lambda: os.getpid(), "the operating system (posix.getpid)"),
    "environment": (lambda: os.environ["PATH"], "the environment (os.environ)"),
    "getenv": (lambda: os.getenv("PATH"), "the environment (os.environ)"),
    "socket": (lambda: socket.socket(), "the network"),
    "process": (lambda: subprocess.run(["true"]), "a process"),
    "thread": (lambda: threading.Thread(target=int).start(), "a thread"),
    "print": (lambda: print("x"), "the terminal"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_a_provider_may_not_use(what: str) -> None:
    function, words = FORBIDDEN[what]
    with pytest.raises(NotPure) as stopped:
        guarded("Lockbox.fold", function)
    assert str(stopped.value).startswith(f"Lockbox.fold uses {words}")
    assert "in test_guard.py, line " in str(stopped.value)
    function()  # nobody watches any more


def test_whoever_catches_it_is_told_all_the_same() -> None:
    def careless() -> int:
        try:
            return int(time.time())
        except Exception:
            return 0

    with pytest.raises(NotPure, match="uses the clock"):
        guarded("Careless.fold", careless)


def test_what_follows_from_arguments_is_nobodys_business() -> None:
    def pure(number: int) -> object:
        import colorsys  # reading a module is not the function's doing

        return (
            colorsys,
            random.Random(number).random(),
            datetime.date(2026, 1, 1),
            sorted({1, 2}),
            os.path.join("a", "b"),
        )

    assert guarded("Pure.fold", pure, 5) == pure(5)
    with pytest.raises(ZeroDivisionError):
        guarded("Wrong.fold", lambda: 1 // 0)


def test_other_threads_go_on() -> None:
    begun, go_on, told = threading.Event(), threading.Event(), []

    def beside() -> None:
        begun.wait(10)
        told.append(time.time() and os.listdir("."))
        go_on.set()

    thread = threading.Thread(target=beside)
    thread.start()

    def slow() -> bool:
        begun.set()
        return go_on.wait(10)

    assert guarded("Slow.fold", slow)
    thread.join()
    assert told


def test_test_mode_is_asked_for_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, expected in (("", False), ("0", False), ("1", True)):
        monkeypatch.setenv("LNPD_TEST_MODE", value)
        assert in_test_mode() is expected
