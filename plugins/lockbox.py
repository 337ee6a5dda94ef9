"""lockbox: one peer locks an amount of its own into an extra output of both commitment transactions.

    lnpd --plugin=plugins/lockbox.py --grant lockbox=updates:1000000
    lnp lockbox-put CHANNEL 25000     lock 25,000 sat of ours; says the new box's number
    lnp lockbox-release CHANNEL 0     the peer's box 0 may be taken back by the peer
    lnp lockbox-take CHANNEL 0        take our released box 0 back
    lnp lockbox-give CHANNEL 0        let the peer have what is in our box 0
    lnp lockbox-list

The owner cannot take a box back alone, and the keeper (the other peer) can never take it. An open box blocks a mutual
close. If the channel is closed by force the box is its owner's again: on the owner's own commitment after
to_self_delay, or at once the keeper's if that commitment was revoked; on the keeper's commitment after a block.
Updates of both sides that cross on the wire commute: only the owner opens and removes a box, only the keeper releases
it, and a box's number, the id of the update that opened it, is never used again.
"""

from typing import Any, Literal

import msgspec
from lnpd_sdk.envelope import BadFrame, decode, encode
from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import (
    Blocked,
    Closable,
    Folded,
    OutputSpec,
    Party,
    Phase,
    ProviderBase,
    ProviderSpec,
    Reject,
    Update,
    View,
)
from msgspec.structs import replace

MAX_BOXES = 8  # a party; each is an output of every commitment
MAX_SAT = 10_000_000

plugin = Plugin("lockbox", "0.1.0", "Locks an amount into an output of its own.", ("updates:1000000",))
for base in ("static_remotekey", "anchors_zero_fee_htlc_tx"):
    plugin.channel_type(ChannelTypeSpec(f"lockbox/{base}", base, (("lockbox", 1),)))


class Put(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="verb", tag="put"):
    """An update's body: open a box of the proposer's. Its number is the update's id."""

    amount_sat: int


class Move(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="verb", tag="move"):
    """An update's body: `release` a box of the other side, or `take` back or `give` away one of the proposer's."""

    how: Literal["release", "take", "give"]
    box: int


class Box(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """An open box. The state is the sorted list of them."""

    owner: Party
    box: int
    amount_sat: int
    released: bool = False


def act_of(update: Update) -> Put | Move | None:
    """What an update means; None if it cannot be read."""
    try:
        return decode(update.body, Put | Move)  # type: ignore[no-any-return]  # it is what it was decoded as
    except BadFrame:
        return None


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
        boxes = boxes_of(state)
        match act_of(update):
            case Put(amount_sat=amount):
                if not max(*view.dust_limit_sat, 330) <= amount <= MAX_SAT:
                    return Reject(f"a box holds between both sides' dust limits and {MAX_SAT} sat, not {amount}")
                if sum(b.owner == update.proposer for b in boxes) >= MAX_BOXES:
                    return Reject(f"a party has at most {MAX_BOXES} boxes")
                return None
            case Move(how=how, box=number):
                mine = how != "release"
                box = next((b for b in boxes if b.box == number and (b.owner == update.proposer) == mine), None)
                if box is None:
                    return Reject(f"there is no box {number} to {how}")
                if how == "take" and not box.released:
                    return Reject(f"box {number} is not released by the other side")
                return Reject(f"box {number} is released already") if how == "release" and box.released else None
        return Reject("the update cannot be read")

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        """The boxes after an update; giving moves the amount, everything else only opens or closes the output."""
        boxes, proposer = boxes_of(state), update.proposer
        match act_of(update):
            case Put(amount_sat=amount):
                return Folded(state_of([*boxes, Box(proposer, update.id, amount)]))
            case Move(how="release", box=number):
                named = [b for b in boxes if b.owner != proposer and b.box == number]
                return Folded(state_of([replace(b, released=True) if b in named else b for b in boxes]))
            case Move(how=how, box=number):
                gone = [b for b in boxes if b.owner == proposer and b.box == number]
                msat = 1000 * sum(b.amount_sat for b in gone) if how == "give" else 0
                moves = (-msat, msat) if proposer == 0 else (msat, -msat)
                return Folded(state_of([b for b in boxes if b not in gone]), moves)
        return Folded(state)

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        """One output a box, on the commitments of both."""
        own = Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({view.to_self_delay[view.holder]})))")
        owners = Miniscript("and_v(v:pk(counterparty_payment),older(1))")
        outputs = []
        for b in boxes_of(state):
            script, msat = own if b.owner == view.holder else owners, 1000 * b.amount_sat
            debits = (msat, 0) if b.owner == 0 else (0, msat)
            outputs.append(OutputSpec("lockbox", f"{b.owner}/{b.box}", "box", b.amount_sat, script, debits))
        return tuple(outputs)

    def close(self, view: View, state: bytes) -> Blocked | Closable:
        """Open boxes have to be settled first."""
        boxes = boxes_of(state)
        held = f"{len(boxes)} open, with {sum(b.amount_sat for b in boxes)} sat in them"
        return Blocked(held) if boxes else Closable()


async def propose(node: Node, channel_id: str, act: Put | Move) -> dict[str, Any]:
    """Sends an update on its way; a new box's number is its id."""
    identity = await node.propose(channel_id, "lockbox", encode(act))
    return {"channel_id": channel_id, "box": identity, **msgspec.to_builtins(act)}


@plugin.rpc("Locks an amount of ours into an output of its own.", example="lnp lockbox-put 4ad1...c0 25000")
async def put(node: Node, channel_id: str, amount_sat: int) -> dict[str, Any]:
    """Anyone may, out of its own balance."""
    return await propose(node, channel_id, Put(amount_sat))


@plugin.rpc("Lets the peer take its box back.", example="lnp lockbox-release 4ad1...c0 0")
async def release(node: Node, channel_id: str, box: int) -> dict[str, Any]:
    """Only the keeper may."""
    return await propose(node, channel_id, Move("release", box))


@plugin.rpc("Takes a released box of ours back.", example="lnp lockbox-take 4ad1...c0 0")
async def take(node: Node, channel_id: str, box: int) -> dict[str, Any]:
    """Only the owner may, once it is released."""
    return await propose(node, channel_id, Move("take", box))


@plugin.rpc("Gives what is in a box of ours to the peer.", example="lnp lockbox-give 4ad1...c0 0")
async def give(node: Node, channel_id: str, box: int) -> dict[str, Any]:
    """Only the owner may."""
    return await propose(node, channel_id, Move("give", box))


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
