"""How many 100-byte messages go over a BOLT 8 link with both ends on one core?

Beside it: the same with pyln-proto, and the four AEAD calls that each message needs at the least (its length and
itself, sealed and opened).
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from contrib.bench.measure import Size, Timed, contest, processor_seconds_each
from contrib.bench.places import NotInstalled, python_with
from contrib.bench.profiling import profile
from contrib.bench.report import Section, at_least
from lnpd.crypto import secp
from lnpd.crypto.noise import Handshake, Transport, ephemeral_key

MESSAGE = bytes(100)
TOGETHER = 50  # messages in one write
COUNT = 5000
GOAL_PYLN, GOAL_AEAD = 1.8, 0.4


def linked() -> tuple[Transport, Transport]:
    """Two ends after a real handshake."""
    ours, theirs = os.urandom(32), os.urandom(32)
    initiator = Handshake(secp.public_key(ours), os.urandom(32), secp.public_key(theirs))
    responder = Handshake(secp.public_key(theirs), os.urandom(32))
    one = initiator.write()
    responder.read(one, secp.ecdh(theirs, ephemeral_key(one)))
    two = responder.write()
    initiator.read(two, secp.ecdh(ours, ephemeral_key(two)))
    responder.read(initiator.write())
    return initiator.transport(), responder.transport()


def single(sender: Transport, receiver: Transport) -> Callable[[], object]:
    """One message in one write."""

    def operation() -> None:
        assert receiver.feed(sender.encrypt(MESSAGE)) == [MESSAGE]

    return operation


def coalesced(sender: Transport, receiver: Transport) -> Callable[[], object]:
    """TOGETHER messages in one write."""
    messages = [MESSAGE] * TOGETHER

    def operation() -> None:
        assert receiver.feed(sender.encrypt(*messages)) == messages

    return operation


def aead_calls() -> Callable[[], object]:
    """What each message needs whoever carries it: a key that is kept, and a nonce that is ready."""
    aead, nonce, length = ChaCha20Poly1305(os.urandom(32)), bytes(12), bytes(2)
    sealed_length, sealed = aead.encrypt(nonce, length, None), aead.encrypt(nonce, MESSAGE, None)

    def operation() -> None:
        aead.encrypt(nonce, length, None)
        aead.encrypt(nonce, MESSAGE, None)
        aead.decrypt(nonce, sealed_length, None)
        aead.decrypt(nonce, sealed, None)

    return operation


@contextmanager
def pyln(count: int) -> Iterator[Timed]:
    """Measures pyln-proto, in its own environment and process. Raises NotInstalled."""
    worker = str(Path(__file__).with_name("pyln_worker.py"))
    with subprocess.Popen(
        (str(python_with("pyln-proto")), worker), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        asked, answered = process.stdin, process.stdout
        assert asked is not None and answered is not None

        def timed() -> float:
            asked.write(f"{count}\n")
            asked.flush()
            return float(answered.readline())

        try:
            yield timed
        finally:
            asked.close()


def run(size: Size) -> Section:
    """See the file's question."""
    section = Section(f"transport: BOLT 8, {len(MESSAGE)}-byte messages, processor time of both ends")
    count, ends = size.of(COUNT, TOGETHER), linked()
    one, many = single(*ends), coalesced(*ends)
    contestants: dict[str, Timed] = {
        "lnpd, one message in a write": lambda: processor_seconds_each(count, one),
        f"lnpd, {TOGETHER} messages in a write": lambda: processor_seconds_each(count // TOGETHER, many) / TOGETHER,
        "four AEAD calls": lambda: processor_seconds_each(count, aead_calls()),
    }
    ours = list(contestants)[:2]
    try:
        with pyln(count) as theirs:
            found = contest({**contestants, "pyln-proto": theirs}, size.rounds)
    except NotInstalled as error:
        section.not_run = f"the comparison with pyln-proto: {error}"
        found = contest(contestants, size.rounds)
    for name, series in found.items():
        section.time(name, series)
    for name, operation in zip(ours, (one, many), strict=True):
        why = lambda operation=operation: profile(lambda: processor_seconds_each(count // TOGETHER, operation))  # noqa: E731
        if "pyln-proto" in found:
            ratio = found["pyln-proto"].over(found[name])
            section.ratio(f"{name}: speed / pyln-proto", ratio, at_least(GOAL_PYLN), why)
        limit = found["four AEAD calls"].over(found[name])
        section.ratio(f"{name}: speed / four AEAD calls", limit, at_least(GOAL_AEAD), why)
    return section
