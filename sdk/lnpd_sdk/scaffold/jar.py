"""jar: the opener of a channel puts an amount aside, into an output of both commitment transactions.

    lnpd --plugin=jar.py --grant jar=updates:1000000
    lnp open PEER 1000000 --channel-type jar/anchors
    lnp jar-fill CHANNEL 25000
    lnp jar-fill CHANNEL 0

What is in it stays the opener's: it comes back by an amount of 0, and after a forced close to the opener alone, unless
the opener broadcasts a commitment that is revoked.
"""

import logging
from typing import Annotated

from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import (
    OPENER,
    Blocked,
    Closable,
    Folded,
    OutputSpec,
    Phase,
    ProviderBase,
    ProviderSpec,
    Reject,
    Update,
    View,
)

MOST_SAT = 1_000_000

log = logging.getLogger(__name__)  # its lines go to the node's log
plugin = Plugin("jar", "0.1.0", "Puts an amount aside.", capabilities=(f"updates:{MOST_SAT}",))
plugin.channel_type(ChannelTypeSpec("jar/anchors", "anchors_zero_fee_htlc_tx", (("jar", 1),)))


def amount_of(data: bytes) -> int:
    """The amount in sat, of an update's body or of a state."""
    return int.from_bytes(data, "big")


def body_of(amount_sat: int) -> bytes:
    """An update's body: what there shall be from now on."""
    return amount_sat.to_bytes(8, "big")


@plugin.provider
class Jar(ProviderBase):
    """Its state is the amount, as 8 bytes; none while it is empty. Both nodes ask these functions, and again after a
    crash: they may use their arguments only."""

    spec = ProviderSpec(
        "jar",
        formats=(1,),
        phases=(
            Phase("validate", ("dust_limit_sat",)),
            Phase("fold", ()),
            Phase("contribute", ("holder", "to_self_delay")),
            Phase("close", ()),
        ),
        max_outputs=1,
    )

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        """Whether an update may stand. Its body is the peer's: it may be anything."""
        if update.proposer != OPENER or len(update.body) != 8:
            return Reject("the opener fills it, with an amount of 8 bytes")
        amount_sat, least_sat = amount_of(update.body), max(view.dust_limit_sat)
        if amount_sat and not least_sat <= amount_sat <= MOST_SAT:
            return Reject(f"it holds 0 or {least_sat} to {MOST_SAT} sat, not {amount_sat}")
        return None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        """The state after an update that was accepted. No balance moves: the output only debits the opener's."""
        return Folded(update.body if amount_of(update.body) else b"")

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        """The output: after the delay the opener's on its own commitment, and at once the peer's if that is revoked; on
        the peer's commitment the opener's."""
        if not state:
            return ()
        amount_sat, delay = amount_of(state), view.to_self_delay[view.holder]
        own = Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({delay})))")
        peers = Miniscript("and_v(v:pk(counterparty_payment),older(1))")
        script = own if view.holder == OPENER else peers
        return (OutputSpec("jar", "aside", "aside", amount_sat, script, debits_msat=(1000 * amount_sat, 0)),)

    def close(self, view: View, state: bytes) -> Blocked | Closable:
        """It is emptied before the channel closes by agreement."""
        return Blocked(f"{amount_of(state)} sat are put aside") if state else Closable()

    def samples(self) -> tuple[bytes, ...]:
        """Updates that make sense, for `lnp plugin check`."""
        return body_of(25_000), body_of(40_000), body_of(0)


@plugin.rpc("Puts an amount aside, or takes it back.", example="lnp jar-fill 4ad1...c0 25000")
async def fill(node: Node, channel_id: str, amount_sat: Annotated[int, "what there shall be; 0 is nothing"]) -> int:
    """Only the opener may. The update's id."""
    return await node.propose(channel_id, "jar", body_of(amount_sat))


@plugin.hook("peer_connected")
def connected(node: Node, node_id: str, **more: object) -> None:
    """A hook's fields come by name; a plain function is as good as an async one."""
    log.info("%s is connected", node_id)


if __name__ == "__main__":
    plugin.run()
