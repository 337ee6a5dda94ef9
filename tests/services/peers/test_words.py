"""Is each of a peer's errors and warnings logged, until it says so many that they would fill a disk?"""

import logging

import pytest

from lnpd.errors.words import Sparing
from lnpd.services.peers.words import MAX_PEERS, AllWords, Words
from lnpd.wire.messages import Error, Ping, Warning
from tests.services.peers.nodes import words

WHO = b"\2" * 33


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return said


def test_errors_and_warnings_are_logged_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    heard = Words(WHO)
    heard.log([Error(channel_id=b"\1" * 32, data=b"no\n"), Ping(num_pong_bytes=0, ignored=b""), words(7)], 100.0)
    assert logged(caplog) == [
        f"{WHO.hex()}: error about {'01' * 32}: no\\n",
        f"{WHO.hex()}: warning about all channels: 7",
    ]


def test_a_peer_that_talks_without_end_is_logged_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    heard = Words(WHO)
    heard.log([words(number) for number in range(1000)], 5000.0)
    said = logged(caplog)
    assert [line.rsplit(" ", 1)[1] for line in said] == [str(number) for number in range(Sparing.MOST)]
    heard.log([words(1)], 5009.0)
    assert logged(caplog) == []
    heard.log([words(2)], 5010.0)
    assert logged(caplog) == [f"{WHO.hex()}: warning about all channels: 2 (and 981 more before it)"]
    heard.log([Warning(channel_id=bytes(32), data=b"calm")] * 30, 9000.0)
    assert len(logged(caplog)) == Sparing.MOST, "what it did not say for an hour it may not say at once either"


def test_a_new_connection_gives_nobody_more_to_say(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    every = AllWords()
    for _ in range(3):
        every.of(WHO).log([words(number) for number in range(100)], 5000.0)
    assert len(logged(caplog)) == Sparing.MOST
    for number in range(MAX_PEERS - 1):
        every.of(number.to_bytes(33, "big"))
    every.of(WHO)
    every.of(b"\3" * 33)
    every.of(WHO).log([words(1)], 5000.0)
    assert (logged(caplog), len(every._words)) == ([], MAX_PEERS), "who is here is known, however many come"
