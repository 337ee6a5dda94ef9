"""lockbox: one peer locks an amount of its own into an extra output of both commitment transactions.

    lnpd --plugin=plugins/lockbox.py --grant lockbox=updates:1000000
    lnp lockbox-put CHANNEL 25000     lock 25,000 sat of ours
    lnp lockbox-release CHANNEL 0     the peer's box 0 may be taken back by the peer
    lnp lockbox-take CHANNEL 0        take our released box 0 back
    lnp lockbox-give CHANNEL 0        let the peer have what is in our box 0
    lnp lockbox-list

The owner cannot take a box back alone, and the keeper (the other peer) can never take it. An open box blocks a mutual
close. If the channel is closed by force the box is its owner's again: on the owner's own commitment after
to_self_delay, or at once the keeper's if that commitment was revoked; on the keeper's commitment after a block.

Only the owner removes a box and only the keeper releases it, so that updates of both that cross on the wire commute.
"""

from typing import Any, Literal

import msgspec
from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import (
    Blocked,
    Closable,
    Folded,
    OutputSpec,
    Party,
    PerParty,
    Phase,
    ProviderBase,
    ProviderSpec,
    Reject,
    Update,
    View,
)

MAX_BOXES = 8  # a party; each is an output of every commitment
MAX_SAT = 10_000_000

plugin = Plugin(
    "lockbox",
    version="0.1.0",
    help="Locks an amount into an extra output of both commitment transactions.",
    capabilities=("updates:1000000",),
)
for base in ("static_remotekey", "anchors_zero_fee_htlc_tx"):
    plugin.channel_type(ChannelTypeSpec(f"lockbox/{base}", base, (("lockbox", 1),)))


class Act(msgspec.Struct, frozen=True):
    """An update's body. `box` counts per owner; `amount_sat` is a put's."""

    verb: Literal["put", "release", "take", "give"]
    box: int
    amount_sat: int = 0


class Box(msgspec.Struct, frozen=True, order=True):
    """An open box. The state is the sorted list of them."""

    owner: Party
    box: int
    amount_sat: int
    released: bool = False


def boxes_of(state: bytes) -> list[Box]:
    """The boxes of a state; a new channel's state is empty."""
    return msgspec.msgpack.decode(state, type=list[Box]) if state else []


def state_of(boxes: list[Box]) -> bytes:
    """The one encoding of these boxes."""
    return msgspec.msgpack.encode(sorted(boxes)) if boxes else b""


@plugin.provider
class Lockbox(ProviderBase):
    """The output of each box. None of these functions knows whose node it runs on."""

    spec = ProviderSpec(
        "lockbox",
        formats=(1,),
        phases=(
            Phase("validate", ("dust_limit_sat",)),
            Phase("fold", ()),
            Phase("contribute", ("holder", "to_self_delay")),
            Phase("close", ()),
        ),
        max_outputs=2 * MAX_BOXES,
    )

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        """Whether the proposer may do this now."""
        try:
            act = msgspec.msgpack.decode(update.body, type=Act)
        except msgspec.MsgspecError:
            return Reject("the update cannot be read")
        boxes = boxes_of(state)
        mine = [b for b in boxes if b.owner == update.proposer]
        if act.verb == "put":
            if not max(*view.dust_limit_sat, 330) <= act.amount_sat <= MAX_SAT:
                return Reject(f"a box holds between both sides' dust limits and {MAX_SAT} sat, not {act.amount_sat}")
            if len(mine) >= MAX_BOXES:
                return Reject(f"a party has at most {MAX_BOXES} boxes")
            return Reject(f"box {act.box} exists") if any(b.box == act.box for b in mine) else None
        theirs = [b for b in boxes if b.owner != update.proposer]
        box = next((b for b in (theirs if act.verb == "release" else mine) if b.box == act.box), None)
        if box is None:
            return Reject(f"there is no box {act.box} to {act.verb}")
        if act.verb == "take" and not box.released:
            return Reject(f"box {act.box} is not released by the other side")
        return Reject(f"box {act.box} is released already") if act.verb == "release" and box.released else None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        """The boxes after an update; giving moves the amount, everything else only opens or closes the output."""
        act = msgspec.msgpack.decode(update.body, type=Act)
        boxes, proposer = boxes_of(state), update.proposer
        if act.verb == "put":
            return Folded(state_of([*boxes, Box(proposer, act.box, act.amount_sat)]))
        if act.verb == "release":
            named = [b.owner != proposer and b.box == act.box for b in boxes]
            flagged = [msgspec.structs.replace(b, released=b.released or n) for b, n in zip(boxes, named, strict=True)]
            return Folded(state_of(flagged))
        gone = [b for b in boxes if b.owner == proposer and b.box == act.box]
        msat = 1000 * sum(b.amount_sat for b in gone) if act.verb == "give" else 0
        moves: PerParty = (-msat, msat) if proposer == 0 else (msat, -msat)
        return Folded(state_of([b for b in boxes if b not in gone]), moves)

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        """One output a box, on the commitments of both."""
        delay = view.to_self_delay[view.holder]
        own = Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({delay})))")
        owners = Miniscript("and_v(v:pk(counterparty_payment),older(1))")
        return tuple(
            OutputSpec(
                "lockbox",
                f"{b.owner}/{b.box}",
                "box",
                b.amount_sat,
                own if b.owner == view.holder else owners,
                (1000 * b.amount_sat, 0) if b.owner == 0 else (0, 1000 * b.amount_sat),
            )
            for b in boxes_of(state)
        )

    def close(self, view: View, state: bytes) -> Blocked | Closable:
        """Open boxes have to be settled first."""
        boxes = boxes_of(state)
        total_sat = sum(b.amount_sat for b in boxes)
        return Blocked(f"{len(boxes)} open, with {total_sat} sat in them") if boxes else Closable()


async def propose(node: Node, channel_id: str, act: Act) -> dict[str, Any]:
    """Sends an update on its way."""
    await node.propose(channel_id, "lockbox", msgspec.msgpack.encode(act))
    return {"channel_id": channel_id, **msgspec.to_builtins(act)}


@plugin.rpc("Locks an amount of ours into an output of its own.", example="lnp lockbox-put 4ad1...c0 25000")
async def put(node: Node, channel_id: str, amount_sat: int) -> dict[str, Any]:
    """The new box's number is the lowest that no open box of ours has."""
    row = next((c for c in await node.channels() if c["channel_id"] == channel_id), None)
    taken = {b.box for b in boxes_of(bytes.fromhex(row["states"]["lockbox"])) if b.owner == row["us"]} if row else set()
    return await propose(node, channel_id, Act("put", min(set(range(MAX_BOXES + 1)) - taken), amount_sat))


@plugin.rpc("Lets the peer take its box back.", example="lnp lockbox-release 4ad1...c0 0")
async def release(node: Node, channel_id: str, box: int) -> dict[str, Any]:
    """Only the keeper may."""
    return await propose(node, channel_id, Act("release", box))


@plugin.rpc("Takes a released box of ours back.", example="lnp lockbox-take 4ad1...c0 0")
async def take(node: Node, channel_id: str, box: int) -> dict[str, Any]:
    """Only the owner may, once it is released."""
    return await propose(node, channel_id, Act("take", box))


@plugin.rpc("Gives what is in a box of ours to the peer.", example="lnp lockbox-give 4ad1...c0 0")
async def give(node: Node, channel_id: str, box: int) -> dict[str, Any]:
    """Only the owner may."""
    return await propose(node, channel_id, Act("give", box))


@plugin.rpc("Lists the open boxes of every channel.", name="lockbox-list")
async def list_boxes(node: Node) -> list[dict[str, Any]]:
    """As committed on both sides."""
    return [
        {"channel_id": c["channel_id"], "ours": b.owner == c["us"], **msgspec.to_builtins(b)}
        for c in await node.channels()
        for b in boxes_of(bytes.fromhex(c["states"]["lockbox"]))
    ]


if __name__ == "__main__":
    plugin.run()
