"""Is each thing that a hostile peer sends with an asset refused by name, and does it cost nobody anything?

Alice's plugin runs in the test's process, which alters what it sends; the nodes, rgb-lib and the chain are real.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.plugin import Plugin
from msgspec.structs import asdict, replace

from lnpd.errors import LnpdError
from lnpd.testing import Network
from nia.consignment import Consignment, parse
from nia.genesis import ChainNet
from nia.names import contract_id_of
from nia.transaction import Tx, TxOut
from rgb_channel.records import TOKENS_HTLC, TOKENS_ONION
from rgb_engine.commands import Desk
from rgb_node import opener, payments
from rgb_node.desk import CAPABILITIES, Channels
from rgb_node.wire import MAX_AMOUNT, MAX_PIECE, Piece, Terms, pieces_of
from tests.interop.rgb import rgb_world
from tests.interop.rgb_nodes import FUNDING_SAT, ISSUED, PLUGIN, RgbNodes

HELD, ASKED = 5_000, 700
EURX_ISSUED, EURX_HELD, EURX_ASKED = 10_000, 900, 40
NO_CONSIGNMENT = "no consignment of this opening"
NOT_COMMITTED = b"\x6a\x20" + bytes(32)
Forge = Callable[[bytes, int], list[Piece]]
Records = dict[str, str] | None


def anew(change: Callable[[Consignment], Consignment]) -> Forge:
    """Of a consignment that was read and changed."""
    return lambda data, vout: list(pieces_of(change(parse(data)).encode(), vout))


def with_output(number: int, change: Callable[[TxOut], TxOut]) -> Forge:
    """With another output in its transaction: the channel's (-1) or the first that commits."""

    def forge(data: bytes, vout: int) -> list[Piece]:
        file = parse(data)
        last = file.bundles[-1]
        assert isinstance(last.witness, Tx)
        outputs = list(last.witness.outputs)
        place = vout if number < 0 else [each.script[:1] for each in outputs].index(b"\x6a")
        outputs[place] = change(outputs[place])
        forged = replace(last, witness=replace(last.witness, outputs=tuple(outputs)))
        return list(pieces_of(replace(file, bundles=(*file.bundles[:-1], forged)).encode(), vout))

    return forge


FORGED: dict[str, tuple[Forge, str]] = {
    "truncated": (lambda data, vout: list(pieces_of(data[:-100], vout)), "ForeignSchema: 4253 bytes"),
    "longer": (lambda data, vout: list(pieces_of(data + b"\0", vout)), "ForeignSchema: 4354 bytes"),
    "no file at all": (lambda _data, vout: list(pieces_of(b"hello", vout)), "NotATransfer"),
    "of another output": (lambda data, vout: list(pieces_of(data, 1 if vout != 1 else 2)), "assigns .* to the output"),
    "of no output": (lambda data, _vout: list(pieces_of(data, 65_535)), "no transaction with the channel's output"),
    "of another chain": (
        anew(lambda file: replace(file, genesis=replace(file.genesis, chain=ChainNet.BITCOIN))), "ForeignChain",
    ),
    "without its history": (anew(lambda file: replace(file, bundles=file.bundles[-1:])), "UnknownInput"),
    "without its last step": (anew(lambda file: replace(file, bundles=file.bundles[:-1])), NO_CONSIGNMENT),
    "with fewer sat": (with_output(-1, lambda out: replace(out, value_sat=out.value_sat - 1)), "holds 999999 sat"),
    "with another commitment": (with_output(0, lambda out: replace(out, script=NOT_COMMITTED)), "[A-Z][a-z]+: "),
    "of another script": (with_output(-1, lambda out: replace(out, script=b"\0\x20" + bytes(32))), NO_CONSIGNMENT),
    "without end": (lambda _data, _vout: [Piece(bytes(32), 0, 0, 65_535, bytes(MAX_PIECE))], "1 to 34 pieces"),
    "oversized": (
        lambda _data, _vout: [Piece(bytes(32), 0, n, 34, bytes(MAX_PIECE)) for n in range(34)], "do not make",
    ),
}  # fmt: skip
"""What is sent in the place of the right file, and what the peer says of it."""

TERMS: dict[str, tuple[Terms, str]] = {
    "nothing of it": (Terms(b"\1" * 32, 0), "an amount of nothing"),
    "an asset that Bob does not know": (Terms(b"\1" * 32, HELD), "is unknown here"),
}


class Hostile:
    """Alice, whose plugin does what the test says."""

    def __init__(self, pair: RgbNodes, channels: Channels, plugin: Plugin, patch: pytest.MonkeyPatch) -> None:
        assert plugin.node is not None
        self.pair, self.channels, self.plugin_node, self.patch = pair, channels, plugin.node, patch
        self.good: list[Piece] = []

    async def opener(self) -> opener.Opener:
        """Alice's."""
        return await self.channels.parts.opener(self.plugin_node)

    async def opening_refused(self, why: str, asset: str = f"USDX:{HELD}") -> None:
        """An opening comes to nothing, and says so."""
        terms = {"peer": self.pair.bob.node_id.hex(), "amount_sat": FUNDING_SAT, "asset": asset}
        with pytest.raises(LnpdError, match=why):
            await self.pair.rgb(self.pair.alice, "open", push_msat=200_000_000, **terms)

    async def paying(self, asset: str, carried: Records, told: Records) -> None:
        """A payment of an invoice of Bob's, with these records."""
        ours = self.channels.parts.payments

        async def carries(*_args: Any) -> Records:
            return carried

        with self.patch.context() as patch:
            patch.setattr(ours, "carried", carries)
            patch.setattr(ours, "told", lambda *_args: told)
            with pytest.raises(
                LnpdError, match=r"does not accept this payment|tokens are more than|adds to the HTLC what it may not"
            ):
                await self.pair.paid(self.pair.alice, self.pair.bob, asset, ASKED)

    async def tokens_for_sat(self) -> None:
        """A payment of an invoice of Bob's in sat alone, with tokens that it does not ask for."""
        asked = await self.pair.bob.api.invoice(20_000_000, "sat", 3600)

        async def carries(*_args: Any) -> Records:
            return u64(TOKENS_HTLC, ASKED)

        with self.patch.context() as patch:
            patch.setattr(self.channels.parts.payments, "carried", carries)
            with pytest.raises(LnpdError, match="does not accept this payment"):
                await self.pair.alice.api.pay(asked.invoice, None, 20)

    async def paying_over(self, asked: str, other: str) -> None:
        """A payment of an invoice of Bob's in one asset, over the channel of another, of which as much is sent."""
        chosen = payments._chosen

        def wrong(held: list[payments.Held], payee: str, terms: Terms) -> payments.Held:
            return chosen(held, payee, replace(terms, contract_id=contract_id_of(other)))

        async def carries(*_args: Any) -> Records:
            return u64(TOKENS_HTLC, EURX_ASKED)

        pay = (self.pair.alice, self.pair.bob, asked, EURX_ASKED)
        with self.patch.context() as patch:
            patch.setattr(payments, "_chosen", wrong)
            with pytest.raises(LnpdError, match="not of the asset that this channel holds"):
                await self.pair.paid(*pay)
            patch.setattr(self.channels.parts.payments, "carried", carries)
            with pytest.raises(LnpdError, match="does not accept this payment"):
                await self.pair.paid(*pay)


def keeping(hostile: Hostile) -> Forge:
    def kept(data: bytes, vout: int) -> list[Piece]:
        hostile.good = list(pieces_of(data, vout))
        return hostile.good

    return kept


async def hostile_openings(hostile: Hostile) -> None:
    for forge, why in FORGED.values():
        hostile.patch.setattr(opener, "pieces_of", forge)
        await hostile.opening_refused(why)
    hostile.patch.setattr(opener, "pieces_of", lambda _data, _vout: hostile.good)
    await hostile.opening_refused(NO_CONSIGNMENT)
    hostile.patch.setattr(opener, "pieces_of", pieces_of)
    ours = await hostile.opener()
    for terms, why in TERMS.values():
        with hostile.patch.context() as patch:
            patch.setattr(ours, "terms_for", lambda _peer, terms=terms: terms)
            await hostile.opening_refused(why)
    known = ours.terms_for

    def most(peer: str) -> Terms | None:
        said = known(peer)
        return said and Terms(said.contract_id, MAX_AMOUNT)

    with hostile.patch.context() as patch:
        patch.setattr(ours, "terms_for", most)
        await hostile.opening_refused(f"assigns {HELD} to the output, and not {MAX_AMOUNT}")


def test_each_is_refused_by_name_and_costs_nobody_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = rgb_world()
    plugin = Plugin("rgb", "1", capabilities=CAPABILITIES)
    (tmp_path / "alices").mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path / "alices")
        channels = Channels(plugin, Desk(plugin))

    async def main() -> None:
        settings: dict[str, Any] = {
            "grants": tuple(("rgb", each) for each in CAPABILITIES),
            "plugin_options": (("rgb", "electrum", world.electrum),),
        }
        async with Network(tmp_path / "n", bitcoind=world.bitcoind.directory) as network:
            alice = await network.node("alice", **settings)
            bob = await network.node("bob", plugins=(PLUGIN,), **settings)
            await alice.plugins.add_in_process(plugin)
            pair = RgbNodes(world, network, alice, bob)
            await story(Hostile(pair, channels, plugin, monkeypatch))

    asyncio.run(asyncio.wait_for(main(), 240))


async def story(hostile: Hostile) -> None:
    """A good channel goes on while everything else is tried, and the tokens are counted."""
    pair = hostile.pair
    asset = await pair.issued()
    await pair.network.connect(pair.alice, pair.bob)
    await unasked_pieces(hostile)
    hostile.patch.setattr(opener, "pieces_of", keeping(hostile))
    await pair.opened(HELD)
    await hostile_openings(hostile)
    await hostile_payments(hostile, asset)
    await pair.paid(pair.alice, pair.bob, asset, ASKED)
    for node, ours in ((pair.alice, HELD - ASKED), (pair.bob, ASKED)):
        row = await pair.settled(node)
        assert (row["ours"], row["theirs"]) == (ours, HELD - ours)
    await pair.mine()
    assert await pair.tokens(pair.alice) == ISSUED - HELD
    await two_assets(hostile, asset)


async def two_assets(hostile: Hostile, usdx: str) -> None:
    """EURX in a channel of its own beside it: neither is ever paid for the other, and both come home."""
    pair, alice, bob = hostile.pair, hostile.pair.alice, hostile.pair.bob
    eurx = str((await pair.rgb(alice, "issue", ticker="EURX", amount=EURX_ISSUED))["asset_id"])
    await hostile.opening_refused(f"the asset {eurx} is unknown here", f"EURX:{EURX_HELD}")
    await pair.rgb(bob, "accept", asset_id=eurx)
    await replayed(hostile)
    first = (await pair.settled(alice))["channel_id"]
    second = await pair.opened(EURX_HELD, ticker="EURX")
    await pair.paid(alice, bob, eurx, EURX_ASKED)
    over = {row["asset_id"]: row["channel_id"] for row in await pair.rgb(alice, "channels")}
    assert over == {usdx: first, eurx: second}
    for asked, other in ((usdx, eurx), (eurx, usdx)):
        await hostile.paying_over(asked, other)
    bobs = {usdx: ASKED, eurx: EURX_ASKED}
    alices = {usdx: ISSUED - ASKED, eurx: EURX_ISSUED - EURX_ASKED}
    for channel in (first, second):
        closed = await alice.api.close(channel, False, None)
        await pair.network.seen(closed.txid)
    for node, wanted in ((bob, bobs), (alice, alices)):
        await pair.until_settled(node, wanted)


async def replayed(hostile: Hostile) -> None:
    """Pieces of the good channel's consignment, for a channel in another asset, and for another one in the same."""
    hostile.patch.setattr(opener, "pieces_of", lambda _data, _vout: hostile.good)
    await hostile.opening_refused("another asset", f"EURX:{EURX_HELD}")
    await hostile.opening_refused(f"assigns {HELD} to the output, and not {HELD - 1}", f"USDX:{HELD - 1}")
    hostile.patch.setattr(opener, "pieces_of", pieces_of)


async def unasked_pieces(hostile: Hostile) -> None:
    """From a peer that opens nothing."""
    ours, bob = await hostile.opener(), hostile.pair.bob.node_id.hex()
    heard = asyncio.get_running_loop().create_future()
    ours._verdicts[bob, bytes(32)] = heard
    await hostile.plugin_node.send(bob, "rgb_consignment", asdict(Piece(bytes(32), 0, 0, 1, b"unasked")))
    assert await asyncio.wait_for(heard, 30) == "no opening of yours waits for a consignment here"
    del ours._verdicts[bob, bytes(32)]


def u64(record: int, tokens: int) -> Records:
    return {str(record): tokens.to_bytes(8, "big").hex()}


async def hostile_payments(hostile: Hostile, asset: str) -> None:
    cases = (
        (u64(TOKENS_HTLC, ASKED - 1), u64(TOKENS_ONION, ASKED)),  # fewer
        (u64(TOKENS_HTLC, ASKED - 1), u64(TOKENS_ONION, ASKED - 1)),
        (None, u64(TOKENS_ONION, ASKED)),  # sat alone
        (None, None),
        (u64(TOKENS_HTLC, ASKED), None),  # an onion that says nothing
        (u64(TOKENS_HTLC, ASKED), u64(TOKENS_ONION, ASKED + 1)),  # or another amount
        (u64(TOKENS_HTLC, ASKED + 1), u64(TOKENS_ONION, ASKED + 1)),  # more
        (u64(TOKENS_HTLC, HELD + 1), u64(TOKENS_ONION, ASKED)),  # than she has
        (u64(TOKENS_HTLC, MAX_AMOUNT), u64(TOKENS_ONION, MAX_AMOUNT)),
        ({str(TOKENS_HTLC): "00" * 7}, u64(TOKENS_ONION, ASKED)),  # what her own node does not offer
    )
    for carried, told in cases:
        await hostile.paying(asset, carried, told)
    await hostile.tokens_for_sat()
    row = await hostile.pair.settled(hostile.pair.bob)
    assert (row["ours"], row["theirs"], row["usable"]) == (0, HELD, True)
