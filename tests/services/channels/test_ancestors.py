"""Is what leads to a funding judged by what it spends, and is nothing said where that is not known?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.crypto.secp import public_key
from lnpd.errors import AncestorsUnfit, RegtestNotInstalled
from lnpd.services.channels import ancestors
from lnpd.services.channels.ancestors import judge
from lnpd.testing import Network
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.chain.purse import p2wsh

ANYONE = b"\x52"


def signed(tx: Tx, *witness: bytes) -> Tx:
    return tx.with_witness(0, witness)


def test_what_is_signed_is_judged_by_what_it_spends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            chain = network.chain
            coin = await chain.fund(p2wsh(ANYONE), 1_000_000)
            parent = Tx((TxIn(coin.txid, coin.index),), (TxOut(990_000, p2wsh(ANYONE)),))
            child = Tx((TxIn(parent.txid, 0),), (TxOut(980_000, p2wsh(ANYONE)),))
            far = Tx((TxIn(bytes(32), 7),), (TxOut(1_000, p2wsh(ANYONE)),))
            assert await judge(chain, (parent, child)) == ()
            assert await judge(chain, (parent, signed(child, ANYONE))) == (child.txid,)
            assert await judge(chain, (signed(parent, ANYONE), signed(child, ANYONE))) == (parent.txid, child.txid)
            with pytest.raises(AncestorsUnfit, match=f"Input 0 of {child.txid[::-1].hex()}"):
                await judge(chain, (parent, signed(child, b"", ANYONE)))
            assert await judge(chain, (signed(far, b"", ANYONE),)) == (), "what it spends is unknown"
            monkeypatch.setattr(ancestors, "first_failure", absent)
            assert await judge(chain, (signed(parent, b"", ANYONE),)) == (), "nobody is there to judge it"

    asyncio.run(main())


def absent(_tx: bytes, _spent: object) -> int | None:
    raise RegtestNotInstalled("The interpreter is not installed.")


def test_what_takes_the_interpreter_long_holds_up_nothing_else() -> None:
    script = b"\x6e\xac\x75" * 66 + b"\x6d\x51"  # 66 signatures that are wrong, and it may be spent all the same
    wrong = bytes.fromhex("3044") + 2 * (b"\x02\x20" + 32 * b"\x11") + b"\x01"
    witness = (wrong, public_key(bytes(31) + b"\1"), script)
    parent = Tx((TxIn(bytes(32), 7),), (TxOut(1_000, p2wsh(script)),) * 40)
    child = Tx(tuple(TxIn(parent.txid, n, witness=witness) for n in range(40)), (TxOut(1_000, p2wsh(ANYONE)),))

    async def main() -> None:
        turns = 0
        judging = asyncio.create_task(judge(Unasked(), (parent, child)))  # type: ignore[arg-type]
        while not judging.done():
            await asyncio.sleep(0)
            turns += 1
        assert await judging == (child.txid,)
        assert turns > 10

    asyncio.run(main())


class Unasked:
    """No chain: what is spent is among the transactions."""
