"""Does our encoder write what rgb-lib writes, byte for byte, and does rgb-lib accept what ours adds?

Transfers of every shape, prepared by a real wallet: 1 to 20 assignments, amounts split at random, several contracts in
a transaction, several transitions of one contract in a bundle, concealed seals, histories of up to ten transfers.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random

import msgspec
import pytest

from nia import history
from nia.bundle import Bundle
from nia.consignment import Consignment, Terminal, WitnessBundle, parse
from nia.errors import NiaError, NotOpret, SealNotClosed, UnknownInput, WrongCommitment, WrongSum
from nia.genesis import ChainNet
from nia.mpc import Tree, commit, opret_script
from nia.names import script_of, secret_of
from nia.seals import Assignment, Seal
from nia.strict import whole
from nia.transaction import Tx, TxIn, TxOut
from nia.transition import Opout, Transition, read_transition
from rgb_engine import binding
from rgb_engine.errors import ConsignmentRefused
from tests.interop.rgb import RgbWorld, rgb_world
from tests.interop.rgb_transfers import ANYONE, ANYONE_SCRIPT, Maker, Part, Said, parts

ROUNDS, VARIANTS, MAX_ASSIGNMENTS = 10, 13, 20
LEAST = 200
ENTROPY, BLINDING = 2**63 + 6, 77
DUST_SAT = 330
SHARED = ("USDX", "EURX", "GOLD")


def compared(said: Said, seen: Counter[str]) -> tuple[Tree, dict[bytes, Bundle]]:
    """The same transfer, encoded by us, equal in everything; counts what it was."""
    bundles = {}
    for contract_id, known in said.transitions.items():
        for op_id, ours in known.items():
            assert ours.encode() == said.encoded[op_id]
            assert whole(said.encoded[op_id], read_transition) == ours
            assert ours.op_id() == op_id
            seen["transitions"] += 1
            seen["of recipients"] += len(ours.assignments) > 1 or len(said.transitions) == 1
            seen["concealed"] += any(isinstance(each.seal, bytes) for each in ours.assignments)
            seen[f"{len(ours.inputs)} inputs"] += 1
            seen[f"{len(ours.assignments)} assignments"] += 1
        bundles[contract_id] = Bundle(tuple(known.values()))
        assert {str(opout): op_id.hex() for opout, op_id in bundles[contract_id].lines()} == said.lines[contract_id]
        assert bundles[contract_id].bundle_id() == said.bundle_ids[contract_id]
        seen["bundles of several"] += len(known) > 1
    tree = commit({contract_id: each.bundle_id() for contract_id, each in bundles.items()}, said.entropy)
    assert (tree.depth, tree.cofactor, tree.commitment()) == (said.depth, said.cofactor, said.commitment)
    assert tree.script() == said.tx.outputs[0].script
    seen["commitments"] += 1
    seen[f"{len(bundles)} contracts"] += 1
    return tree, bundles


def with_coins(world: RgbWorld, folder: Path, outputs: int, per_output: int) -> Maker:
    """A wallet with that many outputs for assets."""
    maker = Maker(binding.load(), folder, world.electrum, per_output)
    asyncio.run(world.fund(maker.address(), outputs * 2_000_000 + 1_000_000))
    maker.refresh()
    maker.make_room(outputs)
    asyncio.run(world.mine())
    return maker


def with_shared_output(world: RgbWorld, folder: Path) -> Maker:
    """A wallet of four assets: three that move together from the first transfer on, and one upon six outputs."""
    maker = with_coins(world, folder, 9, 1)
    for ticker, amounts in zip(SHARED, ([60_000], [10_000], [2**64 - 1]), strict=True):
        maker.issue(ticker, amounts)
    maker.issue("MANY", [100, 200, 300, 400, 500, 600])
    return maker


def with_crowded_output(world: RgbWorld, folder: Path, maker: Maker, rng: Random, seen: Counter[str]) -> Maker:
    """A wallet that has three allocations of one contract upon one output."""
    crowded = with_coins(world, folder / "crowded", 1, 5)
    wanted = [Part(amount, secret=secret) for amount, secret in zip((10, 20, 30), crowded.concealed(3), strict=True)]
    (data,) = made(world, maker, rng, seen, {maker.assets[-1]: wanted})
    (folder / "consignment").write_bytes(data)
    crowded.take(folder / "consignment", parse(data).genesis.contract_id())
    crowded.refresh()
    return crowded


def variants(maker: Maker, rng: Random, seen: Counter[str], sizes: Sequence[int]) -> None:
    """Transfers of these sizes that are compared and never made."""
    usdx, eurx, _, many = maker.assets
    for count in sizes:
        asset = many if count % 4 == 3 else usdx
        have, keeps_change = maker.spendable(asset), count > 1 and rng.random() < 0.5
        amount = rng.randrange(count, have) if keeps_change else have
        wanted = {asset: parts(rng, amount, count - keeps_change)}
        if asset == usdx and rng.random() < 0.5:
            wanted[eurx] = parts(rng, rng.randrange(2, maker.spendable(eurx)), rng.randrange(1, 3))
        compared(maker.prepare(wanted)[1], seen)


def made(world: RgbWorld, maker: Maker, rng: Random, seen: Counter[str], wanted: dict[str, list[Part]]) -> list[bytes]:
    """A transfer that is made; its consignments, each equal to ours."""
    said, files = maker.make(wanted)
    tree, bundles = compared(said, seen)
    for contract_id, data in files.items():
        theirs = parse(data)
        last = theirs.bundles[-1]
        assert isinstance(last.witness, Tx) and last.witness.unsigned() == said.tx
        assert WitnessBundle.committed(last.witness, tree, bundles[contract_id]).encode() == last.encode()
        assert theirs.encode() == data
        known = history.check(theirs, ChainNet.REGTEST)
        assert (known.contract_id, known.last) == (contract_id, said.tx.txid())
        assert sum(each.amount for each in known.allocations) == known.supply
        seen["files"] += 1
        seen["longest history"] = max(seen["longest history"], len(theirs.bundles))
    asyncio.run(world.mine())
    maker.refresh()
    return list(files.values())


def test_what_rgb_lib_writes(tmp_path: Path) -> None:
    world, rng, seen = rgb_world(), Random(6), Counter[str]()
    maker = with_shared_output(world, tmp_path / "maker")
    for length in range(1, ROUNDS + 1):
        variants(maker, rng, seen, [(length * VARIANTS + each) % MAX_ASSIGNMENTS + 1 for each in range(VARIANTS)])
        together = zip(maker.assets, (parts(rng, 500, length), parts(rng, 20, 2), parts(rng, 10**6, 1)), strict=False)
        made(world, maker, rng, seen, dict(together))
    crowded = with_crowded_output(world, tmp_path, maker, rng, seen)
    for amount in range(10, 60, 10):
        compared(crowded.prepare({crowded.assets[0]: parts(rng, amount, 1)})[1], seen)
    print(dict(sorted(seen.items())))
    assert seen["of recipients"] >= LEAST
    assert seen["longest history"] == ROUNDS
    assert all(seen[f"{count} assignments"] for count in range(1, MAX_ASSIGNMENTS + 1))
    assert all(seen[what] for what in ("concealed", "bundles of several", "3 contracts", "6 inputs"))
    assert any(seen[f"{count} inputs"] for count in range(2, 6))


def moved(file: Consignment, spent: TxIn, opout: Opout, outputs: list[TxOut], shares: list[Assignment]) -> Consignment:
    """The file with one more transfer, by a transaction of ours."""
    contract_id = file.genesis.contract_id()
    bundle = Bundle((Transition.spending(contract_id, [opout], shares),))
    tree = commit({contract_id: bundle.bundle_id()}, ENTROPY)
    tx = Tx(2, (spent,), (TxOut(0, tree.script()), *outputs), 0)
    return file.extended([WitnessBundle.committed(tx, tree, bundle)])


def funded(world: RgbWorld, folder: Path, amount: int) -> tuple[Consignment, TxIn, Opout]:
    """A file that puts an amount on an output that anybody may spend, the input that spends it, and the assignment."""
    maker = with_coins(world, folder, 2, 1)
    maker.issue("USDX", [60_000])
    wanted = {maker.assets[0]: [Part(amount, BLINDING, script=ANYONE_SCRIPT)]}
    (data,) = made(world, maker, Random(6), Counter(), wanted)
    said = history.check(parse(data), ChainNet.REGTEST)
    assert said.last is not None
    (allocation,) = said.upon(said.last, 1)
    assert (allocation.amount, allocation.assignment.seal) == (amount, Seal(1, BLINDING))
    return parse(data), TxIn(said.last, 1, 0xFFFFFFFD, witness=(ANYONE,)), allocation.opout


def told(story: Callable[[RgbWorld], Awaitable[None]]) -> None:
    """Tells a story in the world that the tests share."""
    world = rgb_world()

    async def main() -> None:
        await asyncio.wait_for(story(world), 120)

    asyncio.run(main())


def test_rgb_lib_accepts_what_ours_adds(tmp_path: Path) -> None:
    """To an output of bob's and to a concealed seal of carol's."""
    file, spent, opout = funded(rgb_world(), tmp_path / "maker", 5_000)

    async def story(world: RgbWorld) -> None:
        bob, carol = await world.wallet(tmp_path / "bob"), await world.wallet(tmp_path / "carol")
        to_bob, to_carol = await bob.invoice(amount=1_500), await carol.invoice(amount=3_500, blinded=True)
        script = script_of(to_bob.recipient_id, ChainNet.REGTEST)
        secret = secret_of(to_carol.recipient_id, ChainNet.REGTEST)
        shares = [Assignment(1_500, Seal(1, BLINDING)), Assignment(3_500, secret)]
        given = moved(file, spent, opout, [TxOut(DUST_SAT, script)], shares)
        terminal = Terminal(given.bundles[-1].bundle.bundle_id(), (secret,))
        history.check(given, ChainNet.REGTEST)
        (accepted,) = await bob.receive(given.encode())
        assert (accepted.amount, accepted.txid) == (1_500, given.bundles[-1].txid()[::-1].hex())
        (accepted,) = await carol.receive(given.extended([], [terminal]).encode())
        assert accepted.amount == 3_500
        await world.mine()
        for engine, amount in ((bob, 1_500), (carol, 3_500)):
            await engine.refresh()
            assert (await engine.asset("USDX")).balance.settled == amount
        sent = await bob.send(await carol.invoice(amount=900), "USDX", 900, 2)  # spends what ours assigned
        onwards = parse(await bob.consignment(sent))
        assert onwards.bundles[-2].bundle.bundle_id() == given.bundles[-1].bundle.bundle_id()
        said = history.check(onwards, ChainNet.REGTEST)
        assert sorted(each.amount for each in said.allocations) == [600, 900, 3_500, 55_000]

    told(story)


def test_what_ours_refuses_rgb_lib_refuses(tmp_path: Path) -> None:
    file, spent, opout = funded(rgb_world(), tmp_path / "maker", 5_000)
    other = msgspec.structs.replace(spent, txid=bytes(32))
    taproot = TxOut(DUST_SAT, b"\x51\x20" + bytes(range(32)))

    async def story(world: RgbWorld) -> None:
        bob = await world.wallet(tmp_path / "bob", 0)

        async def forged(kind: type[NiaError], forge: Callable[[TxOut], Consignment]) -> None:
            invoice = await bob.invoice(amount=10)
            given = forge(TxOut(DUST_SAT, script_of(invoice.recipient_id, ChainNet.REGTEST)))
            with pytest.raises(kind):
                history.check(parse(given.encode()), ChainNet.REGTEST)
            with pytest.raises(ConsignmentRefused):
                await bob.receive(given.encode())

        def share(amount: int) -> list[Assignment]:
            return [Assignment(amount, Seal(1, BLINDING))]

        def committing(outputs: Callable[[TxOut, TxOut], tuple[TxOut, ...]]) -> Callable[[TxOut], Consignment]:
            def forge(to: TxOut) -> Consignment:
                given = moved(file, spent, opout, [to], share(5_000))
                last = given.bundles[-1]
                assert isinstance(last.witness, Tx)
                tx = msgspec.structs.replace(last.witness, outputs=outputs(last.witness.outputs[0], to))
                return file.extended([msgspec.structs.replace(last, witness=tx)])

            return forge

        await forged(WrongSum, lambda to: moved(file, spent, opout, [to], share(5_001)))
        await forged(WrongSum, lambda to: moved(file, spent, opout, [to], share(4_999)))
        await forged(SealNotClosed, lambda to: moved(file, other, opout, [to], share(5_000)))
        await forged(UnknownInput, lambda to: moved(file, spent, Opout(opout.op_id, 9), [to], share(5_000)))
        await forged(NotOpret, committing(lambda opret, to: (taproot, to, opret)))
        await forged(WrongCommitment, committing(lambda _, to: (TxOut(0, opret_script(bytes(32))), to)))

    told(story)
