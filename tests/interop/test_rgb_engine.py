"""Does the RGB wallet issue, send, receive, fund a script and judge a stranger's consignment, with the real rgb-lib?

Each story ends by counting the tokens: none is lost or made.
"""

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest

from lnpd.tx.transaction import parse
from nia import consignment as consignments
from nia.genesis import ChainNet
from nia.names import script_recipient
from nia.transaction import Tx as ConsignedTx
from rgb_engine import binding, opened
from rgb_engine.engine import Engine
from rgb_engine.errors import (
    BadRequest,
    ConsignmentRefused,
    ElectrumUnreachable,
    ElectrumUnset,
    EngineError,
    NotEnough,
    TransferUnknown,
    WalletBusy,
    WalletDamaged,
)
from rgb_engine.values import Amounts, Funding
from tests.interop.rgb import ISSUED, NETWORK, RgbWorld, rgb_world

SCRIPT = b"\x00\x20" + sha256(b"a script of nobody's wallet").digest()
FUNDING_SAT, FUNDED, BLINDING, FEERATE = 1_000_000, 5_000, 2**64 - 1, 3


def told(story: Callable[[RgbWorld], Awaitable[None]]) -> None:
    """Tells a story in the world that the tests share."""
    world = rgb_world()

    async def main() -> None:
        await asyncio.wait_for(story(world), 120)

    asyncio.run(main())


async def balance(engine: Engine, asset: str) -> Amounts:
    """After a look at the chain."""
    await engine.refresh()
    return (await engine.asset(asset)).balance


async def fund(engine: Engine, asset: str, amount: int = FUNDED) -> Funding:
    """Tokens for the script."""
    return await engine.fund_script(SCRIPT, FUNDING_SAT, asset, amount, BLINDING, FEERATE)


def signed(funding: Funding) -> bytes:
    """The consignment with the witnesses of its last transaction."""
    given = consignments.parse(funding.consignment)
    tx, *before = parse(funding.signed), *given.bundles[:-1]
    last = given.bundles[-1]
    assert isinstance(last.witness, ConsignedTx)
    witnesses = zip(last.witness.inputs, tx.inputs, strict=True)
    inputs = tuple(msgspec.structs.replace(bare, witness=whole.witness) for bare, whole in witnesses)
    last = msgspec.structs.replace(last, witness=msgspec.structs.replace(last.witness, inputs=inputs))
    return msgspec.structs.replace(given, bundles=(*before, last)).encode()


def test_tokens_move_between_wallets_by_consignments(tmp_path: Path) -> None:
    async def story(world: RgbWorld) -> None:
        alice, asset = await world.issuer(tmp_path / "alice")
        bob = await world.wallet(tmp_path / "bob", 0)
        other = await alice.issue("EURX", "Euro", 2, 7)  # never in the same output
        invoice = await bob.invoice(amount=1_200)
        assert (await alice.read_invoice(invoice.text)).amount == 1_200
        sent = await alice.send(invoice, "USDX", 1_200, FEERATE)
        consignment = await alice.consignment(sent)
        (taken,) = await bob.receive(consignment)
        assert (taken.asset_id, taken.amount, taken.txid) == (asset, 1_200, sent.txid)
        assert (await bob.asset("USDX")).balance == Amounts(0, 1_200, 0)
        assert (await alice.asset(asset)).balance == Amounts(ISSUED, ISSUED - 1_200, 0)
        await world.mine()
        assert await balance(bob, asset) == Amounts(1_200, 1_200, 1_200)
        # and back, to an output that alice has
        back = await alice.invoice(asset, 300, blinded=True)
        await world.fund(await bob.address(), 100_000)
        (returned,) = await alice.receive(await bob.consignment(await bob.send(back, asset, 300, FEERATE)))
        await world.mine()
        assert returned.amount == 300
        counted = [(await balance(each, asset)).settled for each in (alice, bob)]
        assert counted == [ISSUED - 900, 900] and sum(counted) == ISSUED
        assert (await balance(alice, other.asset_id)) == Amounts(7, 7, 7)
        kinds = [(each.kind, each.amount, each.status) for each in await alice.transfers(asset)]
        assert kinds == [("issued", ISSUED, "settled"), ("sent", 1_200, "settled"), ("received", 300, "settled")]
        with pytest.raises(ConsignmentRefused, match="no open invoice"):
            await bob.receive(consignment)  # a second time

    told(story)


def test_a_script_is_funded_when_we_say_so_and_not_before(tmp_path: Path) -> None:
    async def story(world: RgbWorld) -> None:
        alice, asset = await world.issuer(tmp_path / "alice")
        given_up = await fund(alice, asset)
        assert await balance(alice, asset) == Amounts(ISSUED, ISSUED - FUNDED, 0)
        with pytest.raises(NotEnough, match="0 of USDX can be spent now"):
            await fund(alice, asset)
        await alice.cancel(given_up.txid)
        assert await balance(alice, asset) == Amounts(ISSUED, ISSUED, ISSUED)
        funding = await fund(alice, asset)
        assert funding.txid not in world.bitcoind.call("getrawmempool")
        for raw in (funding.unsigned, funding.signed):
            tx = parse(raw)
            assert tx.txid[::-1].hex() == funding.txid
            output = tx.outputs[funding.vout]
            assert (output.value_sat, output.script_pubkey) == (FUNDING_SAT, SCRIPT)
        # the wallet knows after a restart what waits
        await alice.close()
        again = Engine(tmp_path / "alice", NETWORK, world.electrum)
        assert (await again.sent(funding.txid)).status == "unsent"
        await again.bitcoin()
        await world.broadcast(funding.signed)  # by the node, which has it too
        with pytest.raises(TransferUnknown, match="on its way"):
            await again.cancel(funding.txid)
        for _ in range(2):  # the second time is harmless
            assert (await again.finish(funding.txid)).status == "unconfirmed"
        assert funding.txid in world.bitcoind.call("getrawmempool")
        with pytest.raises(TransferUnknown, match="cannot be taken back"):
            await again.cancel(funding.txid)
        await world.mine()
        assert await balance(again, asset) == Amounts(ISSUED - FUNDED, ISSUED - FUNDED, ISSUED - FUNDED)

    told(story)


def test_a_kill_between_a_broadcast_and_its_record_costs_nothing(tmp_path: Path) -> None:
    """rgb-lib's databases are set back to what they were before the broadcast, which is what a kill leaves."""

    async def story(world: RgbWorld) -> None:
        alice, asset = await world.issuer(tmp_path / "alice")
        bob = await world.wallet(tmp_path / "bob", 0)
        invoice = await bob.invoice(amount=7)

        async def killed(work: Callable[[Engine], Awaitable[object]]) -> Engine:
            books = [
                each for name in ("rgb_lib_db", "bdk_db") for each in (tmp_path / "alice").glob(f"wallet/*/{name}")
            ]
            before = [each.read_bytes() for each in books]
            await work(alice)
            await alice.close()
            await world.settled()
            for path, data in zip(books, before, strict=True):
                path.write_bytes(data)
            return Engine(tmp_path / "alice", NETWORK, world.electrum)

        funding = await fund(alice, asset)
        alice = await killed(lambda engine: engine.finish(funding.txid))
        with pytest.raises(TransferUnknown, match="unconfirmed: it cannot be taken back"):
            await alice.cancel(funding.txid)
        await world.mine()
        await alice.refresh()
        # a funding whose caller never heard of it
        recipient = script_recipient(SCRIPT, ChainNet.REGTEST)
        output = binding.load().WitnessData(amount_sat=10_000, blinding=1)
        begun = await alice.ask(lambda wallet: wallet._begin(recipient, output, asset, 9, FEERATE, gift=False).psbt)
        alice = await killed(lambda engine: engine.ask(lambda wallet: wallet.sign_and_end(begun)))
        assert await balance(alice, asset) == Amounts(*3 * [ISSUED - FUNDED])
        psbt = await alice.ask(lambda wallet: wallet.begin_gift(invoice, asset, 7, FEERATE))
        alice = await killed(lambda engine: engine.ask(lambda wallet: wallet.end_gift(psbt)))
        (sent,) = [each for each in await alice.transfers(asset) if each.amount == 7]
        assert sent.status == "begun"
        await alice.refresh()
        sent = await alice.sent(sent.txid)
        assert sent.status == "unconfirmed"
        await bob.receive(await alice.consignment(sent))
        await world.mine()
        assert (await balance(alice, asset), await balance(bob, asset)) == (
            Amounts(*3 * [ISSUED - FUNDED - 7]),
            Amounts(7, 7, 7),
        )
        # an old copy of the whole wallet: nothing is sent from it
        later = await fund(alice, asset)
        await alice.cancel(later.txid)
        bobs = await bob.invoice()
        alice = await killed(lambda engine: engine.send(bobs, asset, 1, FEERATE))
        await world.mine()
        assert (await balance(alice, asset)).settled == ISSUED - FUNDED - 7
        with pytest.raises(WalletDamaged, match="put back from an older copy"):
            await fund(alice, asset)

    told(story)


def test_a_wallet_whose_process_was_killed_at_work_opens_at_once(tmp_path: Path) -> None:
    """rgb-lib leaves a file then, and waits an hour for its end."""

    async def story(world: RgbWorld) -> None:
        engine = await world.wallet(tmp_path / "alice", coins_sat=0)
        await engine.address()
        await engine.close()
        (folder,) = (path.parent for path in (tmp_path / "alice" / "wallet").glob("*/rgb_lib_db"))
        left = folder / "rgb_runtime.lock"
        left.touch()
        again = Engine(tmp_path / "alice", NETWORK, world.electrum)
        try:
            await asyncio.wait_for(again.address(), 60)
        finally:
            left.unlink(missing_ok=True)  # a thread that waits goes on
        await again.close()

    told(story)


def test_a_strangers_consignment_is_judged_without_a_trace(tmp_path: Path) -> None:
    async def story(world: RgbWorld) -> None:
        alice, asset = await world.issuer(tmp_path / "alice")
        bob = await world.wallet(tmp_path / "bob", 0)
        funding = await fund(alice, asset)
        given, of = funding.consignment, (SCRIPT, funding.txid, funding.vout, asset, FUNDED)
        assert await bob.validate(signed(funding), *of)  # which rgb-lib would broadcast
        found = await bob.validate(given, *of)
        assert (found.asset_id, found.amount, found.txid, found.vout) == (asset, FUNDED, funding.txid, funding.vout)
        assert funding.txid not in world.bitcoind.call("getrawmempool")
        assert (await bob.assets(), await bob.transfers()) == ((), ())
        assert {each.name for each in (tmp_path / "bob").iterdir()} <= {"words", "wallet", "lock"}
        other = f"{asset[:-1]}{'A' if asset[-1] != 'A' else 'B'}"
        wrong: tuple[tuple[str, bytes, tuple[bytes, str, int, str, int]], ...] = (
            ("NotATransfer", b"", of),
            ("Truncated", given[:700], of),
            ("ForeignSchema", given + b"\0", of),
            ("the consignment's amount is 5000, and not 5001", given, (*of[:4], FUNDED + 1)),
            ("the consignment's txid", given, (SCRIPT, "00" * 32, *of[2:])),
            ("the consignment's amount is 95000", given, (*of[:2], 2, *of[3:])),
            ("the consignment's asset_id", given, (*of[:3], other, FUNDED)),
            ("no open invoice", given, (SCRIPT[:-1] + b"\0", *of[1:])),
            ("at most 4194304 bytes", bytes(4 * 1024 * 1024 + 1), of),
        )
        for text, bytes_given, expected in wrong:
            with pytest.raises(ConsignmentRefused, match=text):
                await bob.validate(bytes_given, *expected)

    told(story)


def test_a_wallet_comes_back_from_its_words_and_its_backup(tmp_path: Path) -> None:
    async def story(world: RgbWorld) -> None:
        alice, asset = await world.issuer(tmp_path / "alice")
        backup = await alice.backup()
        await alice.close()
        (tmp_path / "again").mkdir()
        for name in ("words", backup.name):
            (backup.parent / name).rename(tmp_path / "again" / name)
        again = Engine(tmp_path / "again", NETWORK, world.electrum)
        funding = await fund(again, asset)
        assert (await again.finish(funding.txid)).status == "unconfirmed"
        await world.mine()
        assert (await balance(again, asset)).settled == ISSUED - FUNDED

    told(story)


def test_what_is_wrong_has_a_sentence(tmp_path: Path) -> None:
    async def story(world: RgbWorld) -> None:
        poor = await world.wallet(tmp_path / "poor", 0)
        asked: tuple[tuple[type[EngineError], str, Callable[[], Awaitable[object]]], ...] = (
            (NotEnough, "lnp rgb address", lambda: poor.issue("USDX", "US dollars", 0, 1)),
            (BadRequest, "invalid ticker", lambda: poor.issue("usdx", "US dollars", 0, 1)),
            (BadRequest, "the precision is 0 to 18", lambda: poor.issue("USDX", "US dollars", 19, 1)),
            (BadRequest, "the amount is 1 to", lambda: poor.issue("USDX", "US dollars", 0, 2**64)),
            (BadRequest, "knows no asset", lambda: poor.asset("USDX")),
            (BadRequest, "invalid invoice", lambda: poor.read_invoice("rgb:nothing")),
            (BadRequest, "knows no asset", lambda: poor.fund_script(SCRIPT, 10_000, "USDX", 1, 0, 1)),
            (TransferUnknown, "has sent nothing", lambda: poor.finish("00" * 32)),
            (ConsignmentRefused, "no consignment", lambda: poor.receive(b"RGB")),
        )
        for kind, text, ask in asked:
            with pytest.raises(kind, match=text):
                await ask()
        second = Engine(tmp_path / "poor", NETWORK, world.electrum)
        with patch.object(opened, "DYING_SECONDS", 0), pytest.raises(WalletBusy, match="another process"):
            await second.address()
        dying = asyncio.create_task(second.address())  # waits for the first one's end
        await asyncio.sleep(0)
        await poor.close()
        assert await dying
        await second.close()
        for server, refused in (("", ElectrumUnset), ("tcp://127.0.0.1:1", ElectrumUnreachable)):
            await poor.use(server)
            assert await poor.assets() == ()  # what needs no chain is answered
            with pytest.raises(refused):
                await poor.bitcoin()
        await poor.close()
        (tmp_path / "poor" / "words").unlink()
        with pytest.raises(WalletDamaged, match=r"put .* back from your copy"):
            await poor.address()

    told(story)
