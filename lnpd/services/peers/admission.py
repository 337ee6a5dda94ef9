"""Which plugin says whether a peer may come in, and may one that is asked dial that peer meanwhile?

dial --> handshake --> hook peer_connecting --> a plugin --> connect to the same peer --> the dial that waits for it
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from lnpd.errors import WouldDeadlock
from lnpd.errors.words import one_line
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.trace import Trace, current, fresh_id, within
from lnpd.services.peers.connection import Connection


class Admission:
    """Asks the hook peer_connecting."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self._dialled: Counter[tuple[str, bytes]] = Counter()  # traces in which it is asked about a node that we dial

    async def refusal(self, connection: Connection) -> str | None:
        """Why a plugin does not let in a node that proved who it is, or None."""
        with self.asking(connection):
            answer = await self._hooks.chain(
                *("peer_connecting", None),
                node_id=connection.node_id.hex(),
                address=str(connection.address),
                incoming=connection.incoming,
            )
        return None if answer is None else one_line(str(answer))

    @contextmanager
    def asking(self, connection: Connection) -> Iterator[None]:
        """While plugins are asked for what a connection waits for before its `init`."""
        trace = current() or Trace(fresh_id())
        key = trace.id, b"" if connection.incoming else connection.node_id
        self._dialled[key] += 1
        try:
            with within(trace):
                yield
        finally:
            self._dialled -= Counter((key,))

    def check_dial(self, node_id: bytes) -> None:
        """WouldDeadlock for a plugin that would wait for a dial which waits for its own answer."""
        if (trace := current()) is not None and self._dialled[trace.id, node_id]:
            raise WouldDeadlock(f"{node_id.hex()} is being dialled, and that waits for the hook that asks for it.")
