"""How long does pyln-proto take for a message? Run by the Python that has it; each line read is a count to measure.

Both ends are in this process and what one sends the other finds in a queue: no system call, as for the others.
"""

import os
import sys
import time
from collections import deque

from pyln.proto.primitives import PrivateKey  # type: ignore[import-not-found]  # it has an environment of its own
from pyln.proto.wire import LightningConnection  # type: ignore[import-not-found]

MESSAGE = bytes(100)


class Pipe:
    """What one end of a connection needs of a socket."""

    def __init__(self) -> None:
        self.inbox: deque[bytes] = deque()
        self.other = self

    def send(self, data: bytes) -> None:
        """The other end receives the same pieces."""
        self.other.inbox.append(data)

    def recv(self, _length: int) -> bytes:
        """The next piece."""
        return self.inbox.popleft()


def connected() -> tuple[LightningConnection, LightningConnection]:
    """Two ends after a real handshake."""
    near, far = Pipe(), Pipe()
    near.other, far.other = far, near
    secrets = PrivateKey(os.urandom(32)), PrivateKey(os.urandom(32))
    one = LightningConnection(near, secrets[1].public_key(), secrets[0], is_initiator=True)
    two = LightningConnection(far, None, secrets[1], is_initiator=False)
    two.handshake_act_one_responder(one.handshake_act_one_initiator())
    one.handshake_act_two_initiator(two.handshake_act_two_responder())
    two.handshake_act_three_responder(one.handshake_act_three_initiator())
    for end in (one, two):
        end.sck = end.rck = end.chaining_key
    return one, two


def main() -> None:
    """Answers each count with the seconds of processor time that one message took."""
    one, two = connected()
    for line in sys.stdin:
        count = int(line)
        start = time.thread_time()
        for _ in range(count):
            one.send_message(MESSAGE)
            assert two.read_message() == MESSAGE
        print((time.thread_time() - start) / count, flush=True)


if __name__ == "__main__":
    main()
