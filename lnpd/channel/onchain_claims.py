"""Which outputs are claimed now, and which of them together?

Outputs that are due share a transaction as far as that is safe:

    swept straight to us            all of them
    through a second stage          those of one locktime, if the peer's signatures let others join (anchors)
    close to a rival's height       each alone: a transaction of many can be held up by whoever may spend one of them
    of a type that seals claims     each alone, beside the carrier that was made for it

Through the second stage of an HTLC whose preimage we know no rival goes before its expiry, whatever it knows: those
stay together to the end, for alone each would need a coin of the wallet, and of coins there may be one.

Our anchor goes with what is swept anyway, where it is worth its input. The peer's, which anyone may take 16 blocks
later (BOLT 3, to_remote_anchor), is left to others: it is 330 sat less the fee of its input, and a stranger who takes
it first, at a higher fee, puts off the sweep of all that shares its transaction.

A Claim lasts until its outputs are spent: the driver makes its transaction anew as fees change and as others take some
of them. Here it is only decided what belongs to it.
"""

from typing import Final

from msgspec.structs import replace

from lnpd.channel.actions import Action, Claim
from lnpd.channel.onchain_outputs import ANCHOR, claims_by_output
from lnpd.channel.state import Channel, OnChain, Resolution
from lnpd.crypto.shachain import index_of
from lnpd.tx.graph import Graph
from lnpd.tx.seals import sealing
from lnpd.tx.states import HTLC
from lnpd.tx.sweeps import MAX_INPUTS, may_share

ALONE_BLOCKS: Final = 18
"""So long before a rival can take an output too, it leaves what it shares a transaction with. As many as BOLT 5
recommends for `security_delay`."""

Acted = tuple[Channel, list[Action]]
Together = tuple[object, ...]


def claim_what_is_due(channel: Channel, height: int, graph: Graph | None) -> Acted:
    """Claim every output whose lock has passed; an anchor only goes with others, for alone it is not worth its fee."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    due = [r for r in phase.resolutions if r.status == "waiting" and height >= r.due_height]
    if graph is None or not any(r.kind != ANCHOR for r in due):
        return channel, []
    sealed = sealing(channel.channel_type, "claim") is not None
    batches: dict[Together, list[Resolution]] = {}
    for r in due:
        alone = sealed and r.stage < 0
        batches.setdefault((r.txid, r.vout) if alone else _company(graph, r, height), []).append(r)
    keys: dict[Resolution, str] = {}
    for batch in batches.values():
        for start in range(0, len(batch), MAX_INPUTS):
            part = batch[start : start + MAX_INPUTS]
            if any(r.kind != ANCHOR for r in part):
                keys |= dict.fromkeys(part, _key(part[0]))
    return _given(channel, graph, keys)


def split_what_is_close(channel: Channel, height: int, graph: Graph | None) -> Acted:
    """Take outputs that a rival may soon spend out of the transactions that they share."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    shared: dict[str, list[Resolution]] = {}
    for r in phase.resolutions:
        if r.status == "claiming":
            shared.setdefault(r.claim, []).append(r)
    keys: dict[Resolution, str] = {}
    for key, batch in shared.items():
        close = [r for r in batch if graph is not None and _stands_alone(graph, r, height)]
        if len(batch) > 1 and close:
            keeper = next((r for r in batch if r not in close), close[0])  # its key stays in use
            rest = [r for r in batch if r is keeper or r not in close]
            keys |= dict.fromkeys(rest, key)
            keys |= {r: _key(r, "alone") for r in close if r is not keeper}
    return _given(channel, graph, keys) if graph is not None and keys else (channel, [])


def give_again(channel: Channel, graph: Graph | None, changed: set[str]) -> Acted:
    """Claims of which an output does not exist any more, without it."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    if graph is None:
        return channel, []
    return _given(channel, graph, {r: r.claim for r in phase.resolutions if r.claim in changed})


def _stands_alone(graph: Graph, resolution: Resolution, height: int) -> bool:
    """Whether a rival can take the output so soon that nothing else should depend on it."""
    is_close = 0 < resolution.rival_height <= height + ALONE_BLOCKS
    if resolution.provider != HTLC or resolution.stage < 0:
        return is_close
    child = graph.children[resolution.stage]
    return is_close and not (child.path.late and may_share(child))


def _company(graph: Graph, resolution: Resolution, height: int) -> Together:
    """What is equal for outputs that may share a transaction."""
    if _stands_alone(graph, resolution, height):
        return resolution.txid, resolution.vout
    if resolution.stage < 0:
        return ()
    child = graph.children[resolution.stage]
    return (child.tx.locktime,) if may_share(child) else (resolution.txid, resolution.vout)


def _key(resolution: Resolution, prefix: str = "claim") -> str:
    return f"{prefix}/{resolution.txid.hex()}/{resolution.vout}"


def _given(channel: Channel, graph: Graph, keys: dict[Resolution, str]) -> Acted:
    """The channel with these outputs in these claims, and the claims."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    places = claims_by_output(channel, graph, list(keys))
    secret = channel.their_secrets.get(index_of(graph.number)) if phase.spend == "revoked" else b""
    actions: list[Action] = []
    for key in dict.fromkeys(keys.values()):
        part = [r for r, name in keys.items() if name == key]
        rivals = [r.rival_height for r in part if r.rival_height]
        claims = tuple(places[r.txid, r.vout] for r in part)
        destination = channel.policy.sweep_script
        actions.append(Claim(key, phase.commitment, claims, destination, secret, min(rivals, default=0)))
    resolutions = tuple(replace(r, status="claiming", claim=keys[r]) if r in keys else r for r in phase.resolutions)
    return replace(channel, phase=replace(phase, resolutions=resolutions)), actions
