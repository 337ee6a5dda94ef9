"""Which of the wallet's coins are held for a plugin?

A channel whose type pins a provider that `holds` pays its closes and claims to one script of the wallet. That script is
marked in the transaction that gives it to the channel, before anybody is shown it; whatever is paid there is held, in
whatever block it is, until the plugin or the user lets that coin go.

wallet-mark     one row for each script: for which provider, of which channel
wallet-let-go   one row for each coin of such a script that is an ordinary one now
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from lnpd.services.onchain import Outpoint
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read
from lnpd.store.write import Write
from lnpd.tx.graph import ChannelType
from lnpd.tx.seals import holder_of

MARKS, LET_GO = "wallet-mark", "wallet-let-go"
TXID_BYTES: Final = 32


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For which provider a script is held, and of which channel (its key)."""

    provider: str
    channel: str


@dataclass(frozen=True)
class Marks:
    """Every marked script, and the coins that were let go."""

    scripts: Mapping[bytes, Mark] = field(default_factory=dict)
    let_go: frozenset[Outpoint] = frozenset()

    def holder(self, point: Outpoint, script_pubkey: bytes) -> str:
        """For which provider a coin is held; empty for an ordinary one."""
        mark = self.scripts.get(script_pubkey)
        return mark.provider if mark is not None and point not in self.let_go else ""


def stored_marks(read: Read) -> Marks:
    """All of them."""
    scripts = {script: decode(value, Mark, table=MARKS, key=script) for script, value in read.values(MARKS)}
    return Marks(scripts, frozenset(map(_point, (key for key, _ in read.values(LET_GO)))) if scripts else frozenset())


def mark(write: Write, script_pubkey: bytes, kind: ChannelType, channel: str) -> None:
    """Marks a channel's script, if its type has it so."""
    if holder := holder_of(kind):
        write.put_value(MARKS, script_pubkey, encode(Mark(holder, channel)))


def unmark(write: Write, script_pubkey: bytes, channel: str) -> None:
    """The channel came to nothing: nobody was told to pay to its script."""
    stored = write.value(MARKS, script_pubkey)
    if stored is not None and decode(stored, Mark, table=MARKS, key=script_pubkey).channel == channel:
        write.delete_value(MARKS, script_pubkey)


def forget_stale(write: Write) -> None:
    """After a start: nothing is held for openings that came to nothing."""
    for script, value in write.values(MARKS):
        if write.channel(decode(value, Mark, table=MARKS, key=script).channel.encode()) is None:
            write.delete_value(MARKS, script)


def let_go(write: Write, point: Outpoint) -> None:
    """A held coin is an ordinary one from now on."""
    write.put_value(LET_GO, point[0] + point[1].to_bytes(4, "big"), b"")


def _point(key: bytes) -> Outpoint:
    return key[:TXID_BYTES], int.from_bytes(key[TXID_BYTES:], "big")
