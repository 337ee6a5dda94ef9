"""A signer in the middle of a channel's life, requests to change, and the table of forbidden ones."""

from collections.abc import Awaitable, Callable
from typing import Any

from lnpd_sdk.types import ACCEPTOR, OPENER, Party, ProviderBase
from msgspec.structs import replace

from lnpd.channel.actions import SignClosing
from lnpd.crypto.hd import ChannelIndex
from lnpd.crypto.secp import public_key
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, with_extensions
from lnpd.services.interfaces import Claim, ClaimInput, Signer
from lnpd.services.signer.refusals import Rule
from lnpd.tx.graph import ChannelType, CommitmentSignatures, Graph, Output, ProviderPin
from lnpd.tx.script import compile_script, pay_to_key
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.services.signer.signers import INDEX, Pair, htlc, keys_from

ME = INDEX[0]
UNKNOWN = ChannelIndex(77, 78, 3)
EXTENDED = with_extensions(ANCHORS_ZERO_FEE_HTLC_TX, (ProviderPin("lockbox", 1),))
STRANGER = b"\0\x14" + bytes(20)
ADDRESS = pay_to_key(public_key(keys_from(1).wallet_secret(0, 0)))


class World:
    """The opener's signer after some updates: ours held up to 2 and revoked below 1, the peer's signed up to 1."""

    def __init__(self, pair: Pair, us: Party = OPENER) -> None:
        self.pair = pair
        self.signer: Signer = pair.signers[us]

    @classmethod
    async def made(cls) -> "World":
        world = cls(await Pair().opened())
        pair = world.pair
        for number in (0, 1):
            for holder in (OPENER, ACCEPTOR):
                graph = await pair.graph(holder, number, (htlc(OPENER),) if number else ())
                signatures = await pair.hold(holder, graph)
                if holder == OPENER:
                    world.own, world.own_signatures = graph, signatures
                else:
                    world.theirs = graph
        await pair.release(OPENER, 0)
        await pair.release(ACCEPTOR, 0)
        return world

    own: Graph
    own_signatures: CommitmentSignatures
    theirs: Graph

    async def next(self, **changes: Any) -> Graph:
        """The peer's commitment 2, which may be signed."""
        return await self.pair.graph(ACCEPTOR, 2, (htlc(OPENER), htlc(ACCEPTOR, amount_msat=60_000_000)), **changes)

    async def bare(self) -> Graph:
        """The peer's commitment 2 without HTLCs, so that no second stage hangs on its id."""
        return await self.pair.graph(ACCEPTOR, 2)

    async def prepare(self, graph: Graph) -> None:
        """Asks for the peer's commitment 2, its predecessor's predecessor revoked."""
        await self.signer.prepare_commitment(ME, graph, self.pair.secret(ACCEPTOR, 0))

    def claim(self, graph: Graph, vout: int, path: str, script: bytes = ADDRESS, **changes: Any) -> Claim:
        """A sweep of one output."""
        value = graph.outputs[vout].value_sat
        tx = Tx((TxIn(graph.tx.txid, vout, changes.pop("sequence", 1)),), (TxOut(value - 300, script),))
        return replace(Claim(graph, tx, (ClaimInput(vout, path),)), **changes)

    async def close(self, closing: SignClosing) -> bytes:
        """Our signature of a close."""
        await self.signer.prepare_closing(ME, closing)
        return await self.signer.sign_closing(ME, closing)

    @classmethod
    async def fresh(
        cls,
        channel_type: ChannelType = ANCHORS_ZERO_FEE_HTLC_TX,
        us: Party = OPENER,
        providers: tuple[ProviderBase, ...] = (),
    ) -> "World":
        """The signer of either side with the first commitments and nothing pending: it may close."""
        world = cls(await Pair(channel_type).opened(), us)
        world.pair.providers |= {each.spec.name: each for each in providers}
        for holder in (OPENER, ACCEPTOR):
            graph = await world.pair.graph(holder, 0, type=channel_type)
            await world.pair.hold(holder, graph)
            if holder == us:
                world.own = graph
            else:
                world.theirs = graph
        return world

    def closing(self, ours_sat: int, theirs_sat: int = 300_000, balance_sat: int = 0, max_fee_sat: int = 500) -> Any:
        """A close in which the wallet's address gets `ours_sat`."""
        funding = self.pair.funding
        outputs = (TxOut(theirs_sat, STRANGER), TxOut(ours_sat, ADDRESS))
        tx = Tx((TxIn(funding.txid, funding.vout),), outputs)
        return SignClosing(funding, tx, balance_sat, max_fee_sat)


def changed_output(graph: Graph, kind: str, **changes: Any) -> Graph:
    """The graph with one output changed, in the graph and in its transaction."""
    outputs = list(graph.outputs)
    vout = next(vout for vout, output in enumerate(outputs) if output.kind == kind)
    outputs[vout] = replace(outputs[vout], **changes)
    return with_outputs(graph, tuple(outputs))


def with_outputs(graph: Graph, outputs: tuple[Output, ...]) -> Graph:
    shown = tuple(TxOut(each.value_sat, each.script_pubkey) for each in outputs)
    return replace(graph, outputs=outputs, tx=replace(graph.tx, outputs=shown))


def swapped_script(graph: Graph, kind: str, script: Any, delay: int) -> Graph:
    """The graph with another script in one output, consistently compiled."""
    compiled = compile_script(script, graph.keys, delay)
    changes = {"script": script, "script_pubkey": compiled.script_pubkey, "witness_script": compiled.witness_script}
    return changed_output(graph, kind, **changes, paths=compiled.paths)


def without_children(graph: Graph) -> Graph:
    return replace(graph, children=())


def changed_child(graph: Graph, **changes: Any) -> Graph:
    """The graph with its first child changed."""
    return replace(graph, children=(replace(graph.children[0], **changes), *graph.children[1:]))


def changed_child_tx(graph: Graph, **changes: Any) -> Graph:
    return changed_child(graph, tx=replace(graph.children[0].tx, **changes))


def of_kind(graph: Graph, kind: str) -> int:
    """The child of this kind comes first."""
    return next(number for number, child in enumerate(graph.children) if child.kind == kind)


def vout_of(graph: Graph, kind: str) -> int:
    return next(vout for vout, output in enumerate(graph.outputs) if output.kind == kind)


Case = Callable[[World], Awaitable[object]]
Row = tuple[str, Rule, Case]


def table_of(rows: list[Row]) -> Callable[[Rule], Callable[[Case], Case]]:
    """A decorator that adds a request, and the rule that it breaks, to a table."""

    def forbidden(rule: Rule) -> Callable[[Case], Case]:
        def add(case: Case) -> Case:
            rows.append((case.__name__, rule, case))
            return case

        return add

    return forbidden
