"""Are the relay rules of script execution seen where Lightning's scripts meet them?"""

from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest
from embit.hashes import hash160

from lnpd.chain.interface import Output
from lnpd.chain.kernel import KernelChain
from lnpd.chain.scriptrules import HASH_TYPE, HIGH_S, KEY_TYPE, MINIMAL_DATA, MINIMAL_IF, NOT_DER, NULL_FAIL
from lnpd.chain.verify import first_failure
from lnpd.crypto import secp
from lnpd.errors import TransactionMalformed
from lnpd.tx.transaction import Tx
from tests.chain.purse import (
    KEY,
    OTHER_KEY,
    P2WPKH,
    PKH_CODE,
    SECRET,
    coin,
    opened,
    p2wsh,
    pay,
    reason,
    signature,
    spend_script,
)

OTHER_SECRET = b"\x22" * 32
PREIMAGE = b"\x05" * 32
UNCOMPRESSED = bytes.fromhex(
    "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
)


def push(data: bytes) -> bytes:
    return bytes([len(data)]) + data


def high_s(der: bytes) -> bytes:
    """The same signature with the other s, in strict DER."""
    compact = secp.from_der(der[:-1])
    s = secp.ORDER - int.from_bytes(compact[32:], "big")
    parts = [compact[:32].lstrip(b"\0"), s.to_bytes(32, "big").lstrip(b"\0")]
    body = b"".join(b"\x02" + push((b"\0" if part[0] & 0x80 else b"") + part) for part in parts)
    return b"\x30" + push(body) + der[-1:]


PAY_KEY = push(KEY) + b"\xac"
MULTI = b"\x52" + push(KEY) + push(OTHER_KEY) + b"\x52\xae"
# BOLT 3's offered HTLC, with the roles' keys: revocation, success with a preimage, or the second stage.
HTLC = (
    b"\x76\xa9" + push(bytes(hash160(OTHER_KEY))) + b"\x87\x63\xac\x67"
    + push(KEY) + b"\x7c\x82\x01\x20\x87\x64\x75\x52\x7c" + push(OTHER_KEY) + b"\x52\xae\x67"
    + b"\xa9" + push(bytes(hash160(sha256(PREIMAGE).digest()))) + b"\x88\xac\x68\x68"
)  # fmt: skip
HTLC_PREIMAGE = sha256(PREIMAGE).digest()
TO_LOCAL = b"\x63" + push(OTHER_KEY) + b"\x67\x51\xb2\x75" + push(KEY) + b"\x68\xac"
SIGN_OR_NOT = push(KEY) + b"\xac\x91"  # satisfied by a signature that fails
IF_KEY = b"\x63" + PAY_KEY + b"\x67" + PAY_KEY + b"\x68"


def sign(script: bytes, flags: int = 1, secret: bytes = SECRET) -> Callable[[Tx, Output], bytes]:
    return lambda tx, spent: signature(tx, 0, script, spent.value_sat, flags, secret)


Maker = Callable[[Tx, Output], tuple[bytes, ...]]

BROKEN: list[tuple[str, bytes, Maker]] = [
    (HIGH_S, PAY_KEY, lambda t, o: (high_s(sign(PAY_KEY)(t, o)),)),
    (HASH_TYPE, PAY_KEY, lambda t, o: (sign(PAY_KEY, 0)(t, o),)),
    (HASH_TYPE, PAY_KEY, lambda t, o: (sign(PAY_KEY, 4)(t, o),)),
    (NULL_FAIL, SIGN_OR_NOT, lambda t, o: (sign(b"another script")(t, o),)),
    (NULL_FAIL, MULTI + b"\x91", lambda t, o: (b"", sign(MULTI)(t, o), sign(MULTI)(t, o))),
    (MINIMAL_IF, IF_KEY, lambda t, o: (sign(IF_KEY)(t, o), b"\x02")),
    (MINIMAL_IF, IF_KEY, lambda t, o: (sign(IF_KEY)(t, o), b"\0")),
    (MINIMAL_IF, TO_LOCAL, lambda t, o: (sign(TO_LOCAL, secret=OTHER_SECRET)(t, o), b"\x01\x00")),
    (KEY_TYPE, push(UNCOMPRESSED) + b"\xac\x91", lambda t, o: (b"",)),
    (MINIMAL_DATA, b"\x4c\x01\x20\x75" + PAY_KEY, lambda t, o: (sign(b"\x4c\x01\x20\x75" + PAY_KEY)(t, o),)),
    (MINIMAL_DATA, b"\x01\x05\x75" + PAY_KEY, lambda t, o: (sign(b"\x01\x05\x75" + PAY_KEY)(t, o),)),
]

CLEAN: list[tuple[str, bytes, Maker]] = [
    ("key", PAY_KEY, lambda t, o: (sign(PAY_KEY)(t, o),)),
    ("single and anyone can pay", PAY_KEY, lambda t, o: (sign(PAY_KEY, 0x83)(t, o),)),
    ("2 of 2", MULTI, lambda t, o: (b"", sign(MULTI)(t, o), sign(MULTI, secret=OTHER_SECRET)(t, o))),
    ("revoked HTLC", HTLC, lambda t, o: (sign(HTLC, secret=OTHER_SECRET)(t, o), OTHER_KEY)),
    ("HTLC, preimage", HTLC, lambda t, o: (sign(HTLC)(t, o), HTLC_PREIMAGE)),
    ("HTLC, second stage", HTLC, lambda t, o: (b"", sign(HTLC)(t, o), sign(HTLC, secret=OTHER_SECRET)(t, o), b"")),
    ("revoked to_local", TO_LOCAL, lambda t, o: (sign(TO_LOCAL, secret=OTHER_SECRET)(t, o), b"\x01")),
    ("an empty signature may fail", SIGN_OR_NOT, lambda t, o: (b"",)),
    ("an opcode outside the table", b"\xab" + PAY_KEY, lambda t, o: (sign(PAY_KEY)(t, o),)),
]  # fmt: skip


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelChain]:
    with opened(tmp_path_factory.mktemp("chain")) as it:
        yield it


def spend(chain: KernelChain, script: bytes, make: Maker) -> tuple[Tx, list[tuple[int, bytes]]]:
    spent = coin(chain, p2wsh(script))
    tx = spend_script(spent, lambda tx: (*make(tx, spent), script))
    return tx, [(spent.value_sat, spent.script)]


@pytest.mark.parametrize("words, script, make", BROKEN)
def test_sees_what_consensus_permits(chain: KernelChain, words: str, script: bytes, make: Maker) -> None:
    tx, spent = spend(chain, script, make)
    assert first_failure(tx.serialise(), spent) is None, "the kernel's interpreter permits it"
    assert reason(chain, tx) == f"non-mandatory-script-verify-flag ({words}), input 0"


@pytest.mark.parametrize("what, script, make", CLEAN)
def test_is_silent_about_clean_spends(chain: KernelChain, what: str, script: bytes, make: Maker) -> None:
    tx, spent = spend(chain, script, make)
    assert first_failure(tx.serialise(), spent) is None, what
    assert reason(chain, tx) == "", what


def test_sees_a_high_s_of_a_key_hash(chain: KernelChain) -> None:
    spent = coin(chain)
    tx = pay(spent)
    high = tx.with_witness(0, (high_s(signature(tx, 0, PKH_CODE, spent.value_sat)), KEY))
    assert reason(chain, high) == f"non-mandatory-script-verify-flag ({HIGH_S}), input 0"
    assert reason(chain, tx) == ""


def test_sees_signatures_that_are_no_der(chain: KernelChain) -> None:
    script = SIGN_OR_NOT
    tx, spent = spend(chain, script, lambda t, o: (b"\x30\x06\x02\x01\x01\x02\x01\x01" + b"\x01",))
    assert reason(chain, tx) == f"non-mandatory-script-verify-flag ({NULL_FAIL}), input 0"
    tx, spent = spend(chain, script, lambda t, o: (b"junk",))
    assert first_failure(tx.serialise(), spent) == 0, f"{NOT_DER} is consensus since BIP 66"
    assert reason(chain, tx) == "mandatory-script-verify-flag-failed, input 0"


def test_the_judge_refuses_wrong_arguments(chain: KernelChain) -> None:
    tx = pay(coin(chain)).serialise()
    for call in (
        lambda: first_failure(tx, [(5, P2WPKH)] * 2),
        lambda: first_failure(tx, []),
        lambda: first_failure(tx + b"\0", [(5, P2WPKH)]),
        lambda: first_failure(tx[:-1], [(5, P2WPKH)]),
    ):
        with pytest.raises(TransactionMalformed):
            call()
    assert first_failure(tx, [(5, P2WPKH)]) == 0, "another amount, another digest"
