"""What does the backend make of bitcoind's feerates and of its verdicts on transactions, in every version's words?"""

from decimal import Decimal
from typing import Any

import pytest

from lnpd.chain.bitcoind import fees
from lnpd.chain.bitcoind.broadcasts import Broadcaster
from lnpd.chain.bitcoind.rpc import Rpc
from lnpd.chain.interface import FoundTransaction, Outcome
from lnpd.errors import BitcoindFault, BitcoindMisbehaves, ChainError, FeerateUnknown
from lnpd.tx.feerates import MAX_FEERATE_PER_KW
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.chain.false_server import TX, Server, replying, told

POOL = {"mempoolminfee": 0.00001, "minrelaytxfee": 0.00001}
RATES: dict[str, tuple[dict[str, Any], dict[str, float], str, int]] = {
    "estimate": ({"feerate": 0.0002, "blocks": 6}, POOL, "bitcoin", 5_000),
    "mempool's floor": ({"feerate": 0.0002}, {**POOL, "mempoolminfee": 0.001}, "bitcoin", 25_300),
    "relay's floor": ({"feerate": 0.00001}, {**POOL, "minrelaytxfee": 0.00004}, "bitcoin", 1_012),
    "ceiling": ({"feerate": 5.0}, POOL, "bitcoin", MAX_FEERATE_PER_KW),
    "regtest": ({"errors": ["Insufficient data"]}, POOL, "regtest", fees.REGTEST_PER_KW),
    "busy regtest": ({"errors": ["Insufficient data"]}, {**POOL, "mempoolminfee": 0.0005}, "regtest", 12_650),
}


@pytest.mark.parametrize("case", RATES)
def test_a_feerate_keeps_within_limits(case: str) -> None:
    estimate, pool, network, expected = RATES[case]

    async def story(_: Server, rpc: Rpc) -> None:
        assert await fees.estimate(rpc, 6, network) == expected
        assert expected == min(MAX_FEERATE_PER_KW, max(expected, fees.per_kw(Decimal(str(pool["mempoolminfee"])))))

    told(replying({"estimatesmartfee": estimate, "getmempoolinfo": pool}), story)


def test_no_estimate_is_no_guess() -> None:
    async def story(_: Server, rpc: Rpc) -> None:
        with pytest.raises(FeerateUnknown, match="Insufficient data") as raised:
            await fees.estimate(rpc, 6, "bitcoin")
        assert raised.value.floor_per_kw == fees.relayed_per_kw(Decimal(str(POOL["mempoolminfee"])))

    told(replying({"estimatesmartfee": {"errors": ["Insufficient data"]}, "getmempoolinfo": POOL}), story)


CHILD = Tx((TxIn(TX.txid, 0),), (TxOut(500, b"\x00\x14" + bytes(20)),)).with_witness(0, (b"\x51",))
TXID = TX.txid[::-1].hex()
UNKNOWN = ValueError(-5, "Transaction not in mempool")
LOW = ValueError(-26, "min relay fee not met, 0 < 110")
SENT: dict[str, tuple[Any, Any, Outcome, str]] = {
    "taken": (UNKNOWN, TXID, Outcome.ACCEPTED, ""),
    "waits": ({"vsize": 1}, TXID, Outcome.KNOWN, ""),
    "confirmed": (UNKNOWN, ValueError(-27, "Transaction outputs already in utxo set"), Outcome.KNOWN, ""),
    "confirmed, older words": (UNKNOWN, ValueError(-27, "Transaction already in block chain"), Outcome.KNOWN, ""),
    "another witness waits": (UNKNOWN, ValueError(-26, "txn-same-nonwitness-data-in-mempool"), Outcome.KNOWN, ""),
    "already known": (UNKNOWN, ValueError(-26, "txn-already-known"), Outcome.KNOWN, ""),
    "inputs missing": (UNKNOWN, ValueError(-25, "bad-txns-inputs-missingorspent"), Outcome.REFUSED, "bad-txns-inputs-"),
    "inputs missing, older words": (UNKNOWN, ValueError(-25, "Missing inputs"), Outcome.REFUSED, "bad-txns-inputs-"),
    "fee": (UNKNOWN, LOW, Outcome.REFUSED, "min relay fee not met"),
    "too high": (UNKNOWN, ValueError(-25, "Fee exceeds maximum configured by user"), Outcome.REFUSED, "Fee exceeds"),
    "no transaction": (UNKNOWN, ValueError(-22, "TX decode failed."), Outcome.REFUSED, "TX decode failed"),
}


async def nowhere(_txid: bytes) -> FoundTransaction | None:
    return None


@pytest.mark.parametrize("case", SENT)
def test_what_bitcoind_says_of_a_broadcast(case: str) -> None:
    entry, sent, outcome, reason = SENT[case]

    async def story(_: Server, rpc: Rpc) -> None:
        result = await Broadcaster(rpc, 290_000, nowhere).broadcast((TX.serialise(),))
        assert result.outcome is outcome and result.reason.startswith(reason)
        assert bool(result.reason) is (outcome is Outcome.REFUSED)

    told(replying({"getmempoolentry": entry, "sendrawtransaction": sent}), story)


@pytest.mark.parametrize(("sent", "error"), [("00" * 32, BitcoindMisbehaves), (ValueError(-32601, "?"), BitcoindFault)])
def test_a_broadcast_that_tells_nothing_raises(sent: Any, error: type[ChainError]) -> None:
    async def story(_: Server, rpc: Rpc) -> None:
        with pytest.raises(error):
            await Broadcaster(rpc, 290_000, nowhere).broadcast((TX.serialise(),))

    told(replying({"getmempoolentry": UNKNOWN, "sendrawtransaction": sent}), story)


def test_a_package_needs_a_newer_bitcoind(caplog: pytest.LogCaptureFixture) -> None:
    both = (TX.serialise(), CHILD.serialise())
    results = {"getmempoolentry": UNKNOWN, "sendrawtransaction": LOW}

    async def old(server: Server, rpc: Rpc) -> None:
        result = await Broadcaster(rpc, 250_000, nowhere).broadcast(both)
        assert result.outcome is Outcome.REFUSED and "needs Bitcoin Core 26" in result.reason
        assert result.reason.startswith("min relay fee not met")

    told(replying(results), old)

    async def middle(server: Server, rpc: Rpc) -> None:
        broadcaster = Broadcaster(rpc, 270_000, nowhere)
        for _ in range(2):
            result = await broadcaster.broadcast(both)
            assert result.outcome is Outcome.REFUSED and result.reason == "package-too-large"

    told(replying({**results, "submitpackage": {"package_msg": "package-too-large", "tx-results": {}}}), middle)
    assert [record.message for record in caplog.records if "Core 28" in record.message] == [
        "this bitcoind takes packages, but it relays none: that needs Bitcoin Core 28 or later"
    ]
