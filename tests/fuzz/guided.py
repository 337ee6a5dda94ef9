"""Where in the pure layers do bytes lead, if their coverage leads them? For atheris, which is optional.

The first byte says what the others are: a message, a session's traffic, or the choices of a liar's story (machines.py).
Whatever is raised but a named error is a failure; atheris then prints the bytes that repeat it.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import atheris

with atheris.instrument_imports(include=["lnpd"]):
    from lnpd.errors import LnpdError
    from lnpd.wire.catalogue import CORE
    from lnpd.wire.message import decode, encode
    from tests.fuzz.machines import told
    from tests.fuzz.mutations import invented
    from tests.peer.ends import End, connected

MOST_BYTES: Final = 4096


class Choices(Random):
    """Chance whose choices are bytes, then nothing but zeros."""

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self._data, self._at = data, 0

    def getrandbits(self, k: int, /) -> int:
        """The next bits."""
        size = (k + 7) // 8
        taken = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(taken.ljust(size, b"\0"), "big") >> (8 * size - k)

    def random(self) -> float:
        """The next 16 bits as a fraction."""
        return self.getrandbits(16) / (1 << 16)

    def randbytes(self, n: int) -> bytes:
        """The next bytes."""
        return self.getrandbits(8 * n).to_bytes(n, "big") if n else b""


def message(data: bytes) -> None:
    """What is decoded is encoded to the same bytes."""
    with suppress(LnpdError):
        assert encode(decode(data)) == data


def story(data: bytes) -> None:
    """A liar's story."""
    told(Choices(data))


def session(data: bytes) -> None:
    """A peer, after `init`, says this, sealed as it has to be: nothing is raised."""
    honest, other = connected()
    said = [data[at : at + 100] for at in range(0, len(data), 100)]
    assert isinstance(honest, End)
    _hear(honest, other, said)


def _hear(honest: End, other: End, said: list[bytes]) -> None:
    transport = other.session._transport
    assert transport is not None
    honest.session.receive(transport.encrypt(*said), 1.0)


TARGETS: tuple[Callable[[bytes], None], ...] = (message, story, story, session)


def one(data: bytes) -> None:
    """One input."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])


def beginnings(chance: Random) -> list[bytes]:
    """Inputs to begin with: messages of every row, and choices for stories."""
    made = [bytes([target]) + invented(chance, row, (bytes(32),)) for row in CORE.numbers.values() for target in (0, 3)]
    return [each[:MOST_BYTES] for each in made] + [b"\1" + chance.randbytes(1000) for _ in range(50)]


def main(seconds: str, seed: str) -> None:
    """Runs for so long; atheris ends the process."""
    with tempfile.TemporaryDirectory(prefix="lnpd-fuzz-") as found:
        chance = Random(seed)
        for number, data in enumerate(beginnings(chance)):
            Path(found, str(number)).write_bytes(data)
        options = (f"-max_total_time={seconds}", f"-seed={chance.randrange(1, 1 << 31)}", f"-max_len={MOST_BYTES}")
        atheris.Setup([sys.argv[0], *options, "-len_control=0", f"-artifact_prefix={found}{os.sep}", found], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:3])
