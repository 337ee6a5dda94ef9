"""Is a payment that nobody asked for sent and taken, whoever opened the channel, and a wrong preimage refused?"""

import asyncio
import logging
from hashlib import sha256
from typing import Any

import pytest

from lnpd.channel.events import Add
from lnpd.crypto import sphinx
from lnpd.errors import LnpdError
from lnpd.routing import payload
from lnpd.services.payments.unasked import CODEC, KEYSEND
from lnpd.testing.network import until
from lnpd.testing.pair import Pair, Side
from lnpd.wire.messages import Payload

pytestmark = pytest.mark.lnpd_plugin("../../../plugins/examples/keysend.py")
AMOUNT_MSAT = 5_000_000
PREIMAGE = sha256(b"a secret of the payer's").digest()


def ours_msat(side: Side) -> int:
    return side.driver.channel.base.balances_msat[side.party]


def test_both_send_and_take(pair: Pair) -> None:
    pair.open()
    for payer, payee in ((pair.alice, pair.bob), (pair.bob, pair.alice)):
        before = ours_msat(payee)
        paid: Any = payer.rpc("send", node_id=payee.node.node_id.hex(), amount_msat=AMOUNT_MSAT)
        pair.outputs()  # once no update is on its way any more
        assert (paid["amount_msat"], paid["fee_msat"]) == (AMOUNT_MSAT, 0)
        assert ours_msat(payee) == before + AMOUNT_MSAT
        (booked,) = pair.run(payee.node.api.invoices())
        assert (booked.payment_hash, booked.state, booked.invoice) == (paid["payment_hash"], "paid", "")


def test_it_is_limited_by_its_grant(pair: Pair) -> None:
    pair.open()
    with pytest.raises(LnpdError, match="may pay 100000 sat in all"):
        pair.alice.rpc("send", node_id=pair.bob.node.node_id.hex(), amount_msat=100_000_001)


def test_a_wrong_preimage_is_an_unknown_payment(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        driver, node_id = pair.alice.driver, pair.bob.node.node_id
        payment_hash, expiry = sha256(b"of another preimage").digest(), (await pair.alice.node.api.info()).height + 40
        told = Payload(amt_to_forward=AMOUNT_MSAT, outgoing_cltv_value=expiry, unknown=((KEYSEND, PREIMAGE),))
        onion = sphinx.build(b"\x05" * 32, [(node_id, payload.encode(told, CODEC))], payment_hash).packet
        await driver.command(Add(AMOUNT_MSAT, payment_hash, expiry, onion))
        await until(lambda: "is failed by keysend: incorrect_or_unknown" in caplog.text, "the refusal")
        assert await pair.bob.node.api.invoices() == ()

    caplog.set_level(logging.INFO, "lnpd.payments")
    pair.open()
    before = ours_msat(pair.bob)
    pair.run(asyncio.wait_for(story(), 30))
    pair.pay()
    assert ours_msat(pair.bob) == before + 1_000_000
