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
it, be it gone already, and a box's number, the id of the update that opened it, is never used again.
"""

from typing import Any, Literal

import msgspec
from lnpd_sdk.envelope import BadFrame, decode, encode
from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Moves, Node, Plugin
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
    """An open box."""

    owner: Party
    box: int
    amount_sat: int
    released: bool = False


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The open boxes, sorted, and for each party a number above all that it ever opened."""

    boxes: tuple[Box, ...] = ()
    above: PerParty = (0, 0)


def read(state: bytes) -> State:
    """The state from its bytes; a new channel has none."""
    return msgspec.msgpack.decode(state, type=State) if state else State()


def act_of(update: Update) -> Put | Move | None:
    """What an update means; None if it cannot be read."""
    try:
        return decode(update.body, Put | Move)  # type: ignore[no-any-return]  # it is what it was decoded as
    except BadFrame:
        return None


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
        max_outputs=MAX_BOXES,
    )

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        """Whether the proposer may do this now."""
        held, who = read(state), update.proposer
        match act_of(update):
            case Put(amount_sat=amount):
                if not max(*view.dust_limit_sat, 330) <= amount <= MAX_SAT:
                    return Reject(f"a box holds between both sides' dust limits and {MAX_SAT} sat, not {amount}")
                many = sum(b.owner == who for b in held.boxes) >= MAX_BOXES
                return Reject(f"a party has at most {MAX_BOXES} boxes") if many else None
            case Move(how="release", box=number):
                return None if 0 <= number < held.above[1 - who] else Reject(f"there never was a box {number}")
            case Move(how=how, box=number):
                box = next((b for b in held.boxes if (b.owner, b.box) == (who, number)), None)
                if box is None or (how == "take" and not box.released):
                    return Reject(f"box {number} is not released" if box else f"there is no box {number} to {how}")
                return None
        return Reject("the update cannot be read")

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        """The boxes after an update; giving moves the amount, everything else only opens or closes the output."""
        held, who, msat = read(state), update.proposer, 0
        match act_of(update):
            case Put(amount_sat=amount):
                above = (update.id + 1, held.above[1]) if who == 0 else (held.above[0], update.id + 1)
                held = State(tuple(sorted([*held.boxes, Box(who, update.id, amount)])), above)
            case Move(how="release", box=number):
                named = [b for b in held.boxes if b.owner != who and b.box == number]
                held = replace(held, boxes=tuple(replace(b, released=True) if b in named else b for b in held.boxes))
            case Move(how=how, box=number):
                gone = [b for b in held.boxes if (b.owner, b.box) == (who, number)]
                msat = 1000 * sum(b.amount_sat for b in gone) if how == "give" else 0
                held = replace(held, boxes=tuple(b for b in held.boxes if b not in gone))
        return Folded(encode(held) if held != State() else b"", (-msat, msat) if who == 0 else (msat, -msat))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        """One output a box, on the commitments of both."""
        own = Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({view.to_self_delay[view.holder]})))")
        owners = Miniscript("and_v(v:pk(counterparty_payment),older(1))")
        outputs = []
        for b in read(state).boxes:
            script, msat = own if b.owner == view.holder else owners, 1000 * b.amount_sat
            debits = (msat, 0) if b.owner == 0 else (0, msat)
            outputs.append(OutputSpec("lockbox", f"{b.owner}/{b.box}", "box", b.amount_sat, script, debits))
        return tuple(outputs)

    def close(self, view: View, state: bytes) -> Blocked | Closable:
        """Open boxes have to be settled first."""
        boxes = read(state).boxes
        held = f"{len(boxes)} open, with {sum(b.amount_sat for b in boxes)} sat in them"
        return Blocked(held) if boxes else Closable()

    def samples(self) -> tuple[bytes, ...]:
        """Each verb, for `lnp plugin check`."""
        acts = Put(25_000), Put(40_000), Move("release", 0), Move("take", 0), Move("give", 0)
        return tuple(encode(act) for act in acts)


async def propose(node: Node, channel_id: str, act: Put | Move) -> dict[str, Any]:
    """Sends an update on its way; a new box's number is its id."""
    identity = await node.propose(channel_id, "lockbox", encode(act))
    return {"channel_id": channel_id, "box": identity, **msgspec.to_builtins(act)}


@plugin.rpc(
    "Locks an amount of ours into an output of its own.",
    example="lnp lockbox-put 4ad1...c0 25000",
    moves=Moves("amount_sat"),
)
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


@plugin.rpc("Gives what is in a box of ours to the peer.", example="lnp lockbox-give 4ad1...c0 0", moves=Moves())
async def give(node: Node, channel_id: str, box: int) -> dict[str, Any]:
    """Only the owner may."""
    return await propose(node, channel_id, Move("give", box))


@plugin.rpc("Lists the open boxes of every channel.", name="lockbox-list")
async def list_boxes(node: Node) -> list[dict[str, Any]]:
    """As committed on both sides."""
    return [
        {"channel_id": c["channel_id"], "ours": b.owner == c["us"], **msgspec.to_builtins(b)}
        for c in await node.channels()
        for b in read(bytes.fromhex(c["states"]["lockbox"])).boxes
    ]


if __name__ == "__main__":
    plugin.run()
