"""note: the opener of a channel writes 32 bytes into an output of both commitment transactions.

lnpd --plugin=plugins/note.py --grant note=updates:0
lnp open PEER 1000000 --channel-type note/anchors
lnp note-write CHANNEL 6d79206e6f7465
"""

from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.script import DataCarrier
from lnpd_sdk.types import Folded, OutputSpec, Phase, ProviderBase, ProviderSpec, Reject, Transaction, Update, View

plugin = Plugin("note", "0.1.0", "Writes a note into commitments.", capabilities=("updates:0",))
plugin.channel_type(ChannelTypeSpec("note/anchors", "anchors_zero_fee_htlc_tx", (("note", 1),)))


@plugin.provider
class Note(ProviderBase):
    """Its state is the note; both nodes fold the same updates into it and so build the same output."""

    spec = ProviderSpec(
        "note", (1,), (Phase("validate"), Phase("fold"), Phase("contribute"), Phase("seal")), seal_length=32
    )

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        """One side writes, so that no two updates can cross."""
        return None if update.proposer == 0 and len(update.body) <= 32 else Reject("the opener writes 32 bytes at most")

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        """The new note takes the place of the old one, and moves no money."""
        return Folded(update.body)

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        """An OP_RETURN of 32 bytes, from the first note on."""
        return (OutputSpec("note", "note", "note", 0, DataCarrier(32), trim="never"),) if state else ()

    def seal(self, view: View, state: bytes, transaction: Transaction) -> bytes:
        """What it carries."""
        return state.ljust(32, b"\0") if transaction.purpose == "commitment" else b""


@plugin.rpc("Writes the note of a channel that we opened.", example="lnp note-write 4ad1...c0 6d79206e6f7465")
async def write(node: Node, channel_id: str, note: bytes) -> int:
    """Returns the update's id."""
    return await node.propose(channel_id, "note", note)


if __name__ == "__main__":
    plugin.run()
