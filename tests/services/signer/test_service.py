"""Given a signer in some state and a permitted request, what does it answer, and does it answer the same again?"""

from hashlib import sha256

import pytest
from lnpd_sdk.script import Key, Template
from lnpd_sdk.types import ACCEPTOR, OPENER, Party
from msgspec.structs import replace

from lnpd.channel.actions import CompleteClosing, SignClosing
from lnpd.crypto.hd import ChannelIndex, node_secret
from lnpd.crypto.keys import derive_secret
from lnpd.crypto.secp import ecdh, public_key, recover, sign
from lnpd.errors import InvalidPoint, SignerRefused
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY
from lnpd.routing.channel_update import is_signed_by, signed_part, unsigned_update
from lnpd.routing.relay import RelayPolicy
from lnpd.services.interfaces import Claim, ClaimInput, SecondStage, SignerRecord, StagePart
from lnpd.services.signer.commitment import keys_without_point
from lnpd.services.signer.keys import FixedChannelSecrets, Keys, Overrides
from lnpd.services.signer.seed import seed_from_entropy
from lnpd.services.signer.service import KeySigner
from lnpd.tx.graph import Graph
from lnpd.tx.script import compile_script, pay_to_key
from lnpd.tx.signatures import commitment_digest
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.services.signer.signers import CAPACITY_SAT, DELAY, INDEX, PREIMAGE, Pair, htlc, keys_from, run_now
from tests.tx.kernel import accepts

TYPES = {"static_remotekey": STATIC_REMOTEKEY, "anchors": ANCHORS_ZERO_FEE_HTLC_TX}
LATE = ((f"sha256:{sha256(PREIMAGE).hexdigest()}", PREIMAGE),)


def ours(party: Party, number: int = 0) -> bytes:
    """A receiving address of a party's wallet."""
    return pay_to_key(public_key(keys_from(1 + party).wallet_secret(0, number)))


def sweep(graph: Graph, vout: int, script: bytes, sequence: int = 0xFFFFFFFD, locktime: int = 0) -> Tx:
    """A claim of one output of a commitment."""
    value = graph.outputs[vout].value_sat
    return Tx((TxIn(graph.tx.txid, vout, sequence),), (TxOut(value - 200, script),), locktime)


def vout_of(graph: Graph, kind: str) -> int:
    return next(vout for vout, output in enumerate(graph.outputs) if output.kind == kind)


def kernel_takes(tx: Tx, graph: Graph, vout: int, index: int = 0) -> bool:
    output = graph.outputs[vout]
    return accepts(tx, output.script_pubkey, output.value_sat, index)


@pytest.mark.parametrize("name", TYPES)
def test_a_channel_runs_from_its_opening_through_updates(name: str) -> None:
    async def story() -> None:
        pair = await Pair(TYPES[name]).opened()
        for holder in (OPENER, ACCEPTOR):
            await pair.hold(holder, await pair.graph(holder, 0))
        pending = (htlc(OPENER), htlc(ACCEPTOR, amount_msat=40_000_000))
        for number in (1, 2, 3):
            for holder in (OPENER, ACCEPTOR):
                graph = await pair.graph(holder, number, pending if number < 3 else ())
                signatures = await pair.hold(holder, graph)
                assert len(signatures.children) == (2 if number < 3 else 0)
                secret = await pair.release(holder, number - 1)
                before = await pair.graph(holder, number - 1)
                assert public_key(secret) == before.keys.per_commitment_point

    run_now(story())


def test_every_answer_repeats_and_survives_a_restart() -> None:
    async def story() -> None:
        pair = await Pair().opened()
        graph = await pair.graph(ACCEPTOR, 0, (htlc(OPENER),))
        first = await pair.sign(OPENER, graph)
        assert await pair.sign(OPENER, graph) == first
        mine = await pair.graph(OPENER, 0)
        await pair.hold(OPENER, mine)
        await pair.hold(OPENER, await pair.graph(OPENER, 1))
        secret = await pair.release(OPENER, 0)
        rows = pair.rows(OPENER)
        again = KeySigner(keys_from(1), rows)
        await again.resume_channel(INDEX[0], 1, 0)
        assert await again.sign_commitment(INDEX[0], graph) == first
        released = await again.release_secret(INDEX[0], 0)
        assert released.per_commitment_secret == secret
        assert released.next_per_commitment_point == await again.commitment_point(INDEX[0], 2)
        assert await again.register_channel(pair.terms[0]) == tuple(r for r in rows if not r.key.startswith(b"name/"))
        with pytest.raises(SignerRefused, match="revoked_broadcast"):
            await again.prepare_broadcast(INDEX[0], 0)

    run_now(story())


def test_a_prepared_step_that_was_never_stored_or_signed_may_change() -> None:
    async def story() -> None:
        pair = await Pair().opened()
        signer = pair.signers[OPENER]
        await signer.prepare_commitment(INDEX[0], await pair.graph(ACCEPTOR, 0))
        changed = await pair.graph(ACCEPTOR, 0, (htlc(OPENER),))
        await signer.prepare_commitment(INDEX[0], changed)
        assert len((await signer.sign_commitment(INDEX[0], changed)).children) == 1
        with pytest.raises(SignerRefused, match="two_remote_commitments"):
            await signer.prepare_commitment(INDEX[0], await pair.graph(ACCEPTOR, 0))

    run_now(story())


def test_a_wrong_signature_of_the_peer_is_named_and_not_held() -> None:
    async def story() -> None:
        pair = await Pair().opened()
        graph = await pair.graph(OPENER, 0, (htlc(OPENER),))
        good = await pair.sign(ACCEPTOR, graph)
        bad_child = replace(good, children=(good.commitment,))
        for wrong, said in (
            (replace(good, commitment=bytes(64)), "commitment 0"),
            (bad_child, "Signature 0"),
            (replace(good, children=()), "0 signatures for 1"),
        ):
            held = await pair.signers[OPENER].hold_commitment(INDEX[0], graph, wrong)
            assert said in held.wrong
            assert held.records == ()
        with pytest.raises(SignerRefused, match="went_backwards"):
            await pair.signers[OPENER].prepare_broadcast(INDEX[0], 0)

    run_now(story())


@pytest.mark.parametrize("name", TYPES)
def test_our_commitment_and_its_second_stage_are_completed_for_the_chain(name: str) -> None:
    async def story() -> None:
        pair = await Pair(TYPES[name]).opened()
        graph = await pair.graph(OPENER, 0, (htlc(OPENER), htlc(ACCEPTOR, amount_msat=60_000_000)))
        signatures = await pair.hold(OPENER, graph)
        signer = pair.signers[OPENER]
        await signer.prepare_broadcast(INDEX[0], 0)
        tx = await signer.sign_broadcast(INDEX[0], graph, signatures)
        script_pubkey = b"\0\x20" + sha256(graph.funding.witness_script).digest()
        assert accepts(tx, script_pubkey, CAPACITY_SAT)
        for number, child in enumerate(graph.children):
            stage = SecondStage(graph, (StagePart(number, signatures.children[number], LATE),), child.tx)
            assert kernel_takes(await signer.sign_second_stage(INDEX[0], stage), graph, child.vout)
        grown = replace(graph.children[0].tx, inputs=(*graph.children[0].tx.inputs, TxIn(b"\x09" * 32, 0)))
        grown = replace(grown, outputs=(*grown.outputs, TxOut(5_000, ours(OPENER))))
        stage = SecondStage(graph, (StagePart(0, signatures.children[0], LATE),), grown)
        if name == "anchors":
            done = await signer.sign_second_stage(INDEX[0], stage)
            spent = graph.outputs[graph.children[0].vout]
            others = ((spent.value_sat, spent.script_pubkey), (20_000, ours(OPENER)))
            assert accepts(done, spent.script_pubkey, spent.value_sat, 0, others)
        else:
            with pytest.raises(SignerRefused, match="wrong_child"):
                await signer.sign_second_stage(INDEX[0], stage)

    run_now(story())


@pytest.mark.parametrize("name", TYPES)
def test_claims_take_what_is_ours_of_every_commitment(name: str) -> None:
    async def story() -> None:
        pair = await Pair(TYPES[name]).opened()
        pending = (htlc(OPENER), htlc(ACCEPTOR, amount_msat=60_000_000))
        own, theirs = await pair.graph(OPENER, 0, pending), await pair.graph(ACCEPTOR, 0, pending)
        await pair.hold(OPENER, own)
        received, offered = vout_of(theirs, "received_htlc"), vout_of(theirs, "offered_htlc")
        csv = 1 if name == "anchors" else 0xFFFFFFFD
        secret = pair.secret(ACCEPTOR, 0)
        cases = [
            (own, vout_of(own, "to_local"), "delayed", DELAY[0], 0, b"", ()),
            (theirs, vout_of(theirs, "to_remote"), "payment", csv, 0, b"", ()),
            (theirs, offered, "preimage", csv, 0, b"", LATE),
            (theirs, received, "expired", csv, 500, b"", ()),
            (theirs, vout_of(theirs, "to_local"), "revocation", 0xFFFFFFFD, 0, secret, ()),
            (theirs, offered, "revocation", 0xFFFFFFFD if csv > 1 else 1, 0, secret, ()),
            (theirs, received, "revocation", 0xFFFFFFFD if csv > 1 else 1, 0, secret, ()),
        ]
        for graph, vout, path, sequence, locktime, revealed, late in cases:
            tx = sweep(graph, vout, ours(OPENER, 7), sequence, locktime)
            claim = Claim(graph, tx, (ClaimInput(vout, path, late=late),), revealed)
            assert kernel_takes(await pair.signers[OPENER].sign_claim(INDEX[0], claim), graph, vout), path

    run_now(story())


def test_a_claim_takes_outputs_of_second_stages_and_several_inputs() -> None:
    async def story() -> None:
        pair = await Pair().opened()
        graph = await pair.graph(ACCEPTOR, 0, (htlc(ACCEPTOR, amount_msat=60_000_000),))
        child, secret = graph.children[0], pair.secret(ACCEPTOR, 0)
        main = vout_of(graph, "to_local")
        inputs = (TxIn(graph.tx.txid, main, 0xFFFFFFFD), TxIn(b"\x33" * 32, 0, 0xFFFFFFFD))  # the child grew an input
        value = graph.outputs[main].value_sat + child.outputs[0].value_sat - 1_000
        tx = Tx(inputs, (TxOut(value, ours(OPENER)),))
        described = (ClaimInput(main, "revocation"), ClaimInput(0, "revocation", child=0))
        signed = await pair.signers[OPENER].sign_claim(INDEX[0], Claim(graph, tx, described, secret))
        outputs = (graph.outputs[main], child.outputs[0])
        others = tuple((each.value_sat, each.script_pubkey) for each in outputs)
        for index, each in enumerate(outputs):
            assert accepts(signed, each.script_pubkey, each.value_sat, index, others)

    run_now(story())


@pytest.mark.parametrize("name", TYPES)
def test_of_a_commitment_that_we_lost_our_own_output_is_claimed_and_no_other(name: str) -> None:
    async def story() -> None:
        pair = await Pair(TYPES[name]).opened()
        known = await pair.graph(ACCEPTOR, 9, (htlc(ACCEPTOR, amount_msat=60_000_000),))
        lost = replace(known, keys=keys_without_point(pair.terms[0], ACCEPTOR), children=())
        vout, signer = vout_of(lost, "to_remote"), pair.signers[OPENER]
        tx = sweep(lost, vout, ours(OPENER), 1 if name == "anchors" else 0xFFFFFFFD)
        assert kernel_takes(
            await signer.sign_claim(INDEX[0], Claim(lost, tx, (ClaimInput(vout, "payment"),))), lost, vout
        )
        with pytest.raises(SignerRefused, match="wrong_keys"):
            await signer.prepare_commitment(INDEX[0], lost)
        script = Template("offered_htlc", payment_hash=sha256(PREIMAGE).digest())
        made = compile_script(script, lost.keys, 96)
        forged = replace(lost.outputs[vout], script=script, script_pubkey=made.script_pubkey)
        forged = replace(forged, witness_script=made.witness_script)
        outputs = (*lost.outputs[:vout], forged, *lost.outputs[vout + 1 :])
        shown = tuple(TxOut(each.value_sat, each.script_pubkey) for each in outputs)
        lost = replace(lost, outputs=outputs, tx=replace(lost.tx, outputs=shown))
        claim = Claim(lost, sweep(lost, vout, ours(OPENER)), (ClaimInput(vout, "preimage", late=LATE),))
        with pytest.raises(SignerRefused, match="not_our_path"):
            await signer.sign_claim(INDEX[0], claim)

    run_now(story())


def test_a_mutual_close_is_signed_and_completed() -> None:
    async def story() -> None:
        pair = await Pair().opened()
        for holder in (OPENER, ACCEPTOR):
            await pair.hold(holder, await pair.graph(holder, 0))
        outputs = (TxOut(300_000, ours(ACCEPTOR)), TxOut(699_500, ours(OPENER)))
        tx = Tx((TxIn(pair.funding.txid, pair.funding.vout, 0xFFFFFFFF),), outputs)
        payer, payee = SignClosing(pair.funding, tx, 700_000, 500), SignClosing(pair.funding, tx, 300_000, 0)
        for party, closing in ((OPENER, payer), (ACCEPTOR, payee)):
            await pair.signers[party].prepare_closing(INDEX[party], closing)
        theirs = await pair.signers[ACCEPTOR].sign_closing(INDEX[1], payee)
        done = await pair.signers[OPENER].complete_closing(INDEX[0], CompleteClosing(payer, theirs))
        assert accepts(done, b"\0\x20" + sha256(pair.funding.witness_script).digest(), CAPACITY_SAT)

    run_now(story())


def test_a_destination_that_the_user_named_may_be_paid() -> None:
    async def story() -> None:
        pair = await Pair().opened()
        graph = await pair.graph(ACCEPTOR, 0)
        vout, script = vout_of(graph, "to_remote"), b"\x51\x20" + bytes(32)
        claim = Claim(graph, sweep(graph, vout, script, 1), (ClaimInput(vout, "payment"),))
        with pytest.raises(SignerRefused, match="pays_elsewhere"):
            await pair.signers[OPENER].sign_claim(INDEX[0], claim)
        pair.keep(OPENER, await pair.signers[OPENER].allow_destination(INDEX[0], script))
        assert kernel_takes(await pair.signers[OPENER].sign_claim(INDEX[0], claim), graph, vout)

    run_now(story())


def test_a_second_funding_is_signed_beside_the_first() -> None:
    async def story() -> None:
        pair = await Pair().opened()
        for number in (0, 1):
            await pair.hold(OPENER, await pair.graph(OPENER, number))
        await pair.release(OPENER, 0)
        first = pair.funding
        pair.funding = replace(first, txid=b"\x1f" * 32)
        for p in (OPENER, ACCEPTOR):
            pair.keep(p, await pair.signers[p].register_funding(INDEX[p], pair.funding))
        await pair.hold(OPENER, await pair.graph(OPENER, 1))
        await pair.hold(OPENER, await pair.graph(OPENER, 2))
        with pytest.raises(SignerRefused, match="release_before_held"):
            await pair.release(OPENER, 1)  # commitment 2 is not held on the first funding
        pair.keep(OPENER, await pair.signers[OPENER].forget_funding(INDEX[0], first.txid))
        await pair.release(OPENER, 1)

    run_now(story())


def test_the_node_key_answers_handshakes_onions_and_invoices() -> None:
    async def story() -> None:
        master = seed_from_entropy(b"\x01" * 16).master(1)
        signer, node = KeySigner(Keys(master)), node_secret(master)
        assert await signer.node_id() == public_key(node)
        other = public_key(b"\x55" * 32)
        assert await signer.ecdh(other) == ecdh(node, other)
        with pytest.raises(InvalidPoint):
            await signer.ecdh(b"\x02" * 33 if not _is_point(b"\x02" * 33) else bytes(33))
        signature, recid = await signer.sign_invoice("lnbcrt20u", b"data")
        assert recover(sha256(b"lnbcrt20udata").digest(), signature, recid) == public_key(node)
        update = unsigned_update(RelayPolicy(), bytes(32), bytes(8), 1, public_key(node), other)
        signed = replace(update, signature=await signer.sign_channel_update(signed_part(update)))
        assert is_signed_by(signed, public_key(node)) and not is_signed_by(update, public_key(node))

    run_now(story())


def _is_point(point: bytes) -> bool:
    try:
        return bool(ecdh(b"\x01" * 32, point))
    except InvalidPoint:
        return False


def test_fixed_developer_secrets_replace_derived_ones_in_every_channel() -> None:
    async def story() -> None:
        fixed = FixedChannelSecrets(*(bytes([n]) * 32 for n in range(0x11, 0x17)))
        master = seed_from_entropy(b"\x01" * 16).master(1)
        signer = KeySigner(Keys(master, Overrides(b"\x21" * 32, fixed)))
        assert await signer.node_id() == public_key(b"\x21" * 32)
        publics = [(await signer.reserve_channel(ChannelIndex(n, n, n), f"{n}")).publics for n in (1, 2)]
        assert publics[0] == publics[1]
        assert publics[0].funding_pubkey == public_key(b"\x11" * 32)
        assert publics[0].htlc_basepoint == public_key(b"\x15" * 32)

    run_now(story())


def test_no_secret_is_in_a_representation() -> None:
    keys = keys_from(1)
    channel = keys.channel(INDEX[0])
    secrets = [channel.funding, channel.released(0), keys.node_secret, keys.wallet_secret(0, 0)]
    secrets.append(derive_secret(channel.funding, channel.point(0)))
    fixed = FixedChannelSecrets(*secrets, bytes(32))
    seen = repr([keys, channel, KeySigner(keys), fixed, Overrides(secrets[0], fixed), seed_from_entropy(bytes(16))])
    assert "abandon" not in seen
    for secret in secrets:
        assert secret.hex() not in seen
        assert repr(secret)[2:-1] not in seen
    text = str(SignerRefused("rule", "why"))
    assert text == "rule: why" and SignerRefused("rule", "why").rule == "rule"


def test_a_signature_uses_the_funding_key_and_no_other() -> None:
    async def story() -> None:
        pair = await Pair().opened()
        graph = await pair.graph(ACCEPTOR, 0)
        signatures = await pair.sign(OPENER, graph)
        secret = keys_from(1).channel(INDEX[0]).secret(Key.COUNTERPARTY_FUNDING, False, b"")
        assert secret is not None
        assert signatures.commitment == sign(secret, commitment_digest(graph))

    run_now(story())


def test_damaged_or_incomplete_rows_are_refused() -> None:
    async def story() -> tuple[SignerRecord, ...]:
        return (await Pair().opened()).rows(OPENER)

    rows = run_now(story())
    assert len(rows) == 3
    KeySigner(keys_from(1), rows)
    for broken in (
        rows[1:],
        rows[:2],
        (*rows[:2], replace(rows[2], value=rows[2].value[:-1])),
        (*rows, SignerRecord(b"other/12345678", b"\x01")),
        (replace(rows[0], value=b"\x63" + rows[0].value[1:]), *rows[1:]),
    ):
        with pytest.raises(SignerRefused, match="went_backwards"):
            KeySigner(keys_from(1), broken)
