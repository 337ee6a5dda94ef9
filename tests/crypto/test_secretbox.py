"""Does a box open with its passphrase only, and ask for no more than is reasonable?"""

import struct
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpd import errors
from lnpd.crypto import secretbox
from lnpd.crypto.secretbox import DEFAULT_COST, MAX_MEMORY_BYTES, ScryptCost, seal, unseal

SALT, NONCE = bytes(range(16)), bytes(range(12))
CHEAP = ScryptCost(log2_n=4, r=1, p=1)
SEED = bytes(range(64))
HEADER_BYTES = 7 + 4 + 16 + 12


def with_cost(log2_n: int, r: int, p: int) -> bytes:
    box = seal(SEED, "correct horse", SALT, NONCE, CHEAP)
    return box[:8] + bytes([log2_n, r, p]) + box[11:]


def test_the_default_is_what_is_written_and_a_box_is_made_of_its_parts() -> None:
    assert (DEFAULT_COST.log2_n, DEFAULT_COST.r, DEFAULT_COST.p) == (17, 8, 1)
    box = seal(SEED, "correct horse", SALT, NONCE)
    header = b"lnpdbox" + bytes([1, 17, 8, 1]) + SALT + NONCE
    key = Scrypt(salt=SALT, length=32, n=1 << 17, r=8, p=1).derive(b"correct horse")
    assert box == header + ChaCha20Poly1305(key).encrypt(NONCE, SEED, header)
    assert unseal(box, "correct horse") == SEED
    assert SEED not in box


def test_a_box_of_version_1_still_opens() -> None:
    # Never edit: what was written once must be read for ever.
    box = bytes.fromhex(
        "6c6e7064626f7801040101000102030405060708090a0b0c0d0e0f000102030405060708090a0b"
        "a01c28d830a7e560d01a888e493c5baa6dac8327a39467e2daefb9d1e9611e"
    )
    assert unseal(box, "correct horse") == b"abandon ability"


@settings(max_examples=60)
@given(st.binary(max_size=200), st.text(min_size=1, max_size=40), st.binary(min_size=16, max_size=16))
def test_what_is_sealed_is_unsealed(plaintext: bytes, passphrase: str, salt: bytes) -> None:
    assert unseal(seal(plaintext, passphrase, salt, NONCE, CHEAP), passphrase) == plaintext


def test_the_same_letters_typed_otherwise_are_the_same_passphrase() -> None:
    box = seal(SEED, "caf\u00e9", SALT, NONCE, CHEAP)
    assert unseal(box, "cafe\u0301") == SEED
    with pytest.raises(errors.WrongPassphrase):
        unseal(box, "cafe")


@settings(max_examples=60)
@given(st.text(min_size=1, max_size=20))
def test_another_passphrase_is_wrong(passphrase: str) -> None:
    box = seal(SEED, "correct horse", SALT, NONCE, CHEAP)
    if passphrase != "correct horse":
        with pytest.raises(errors.WrongPassphrase):
            unseal(box, passphrase)


def test_every_flipped_bit_is_refused_by_name() -> None:
    box = seal(SEED, "correct horse", SALT, NONCE, CHEAP)
    named = (errors.WrongPassphrase, errors.SecretBoxMalformed, errors.SecretBoxNewer, errors.SecretBoxTooCostly)
    cost_bits = range(8 * 8, 11 * 8)  # a changed cost that is within bounds takes its time: those are in another test
    for bit in range(len(box) * 8):
        if bit in cost_bits:
            continue
        altered = bytearray(box)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(named):
            unseal(bytes(altered), "correct horse")


def test_another_cost_within_bounds_is_a_wrong_passphrase() -> None:
    with pytest.raises(errors.WrongPassphrase):
        unseal(with_cost(5, 1, 1), "correct horse")


@pytest.mark.parametrize(
    ("log2_n", "r", "p"),
    [
        (0, 8, 1),
        (17, 0, 1),
        (17, 8, 0),
        (21, 8, 1),
        (255, 255, 255),
        (63, 1, 1),
        (20, 8, 1),  # 1 GiB
        (20, 255, 1),
        (17, 33, 1),
        (17, 8, 9),  # time, not memory
        (10, 255, 255),
    ],
)
def test_a_box_that_asks_for_too_much_is_refused_before_scrypt_runs(
    log2_n: int, r: int, p: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = with_cost(log2_n, r, p)
    monkeypatch.setattr(secretbox, "Scrypt", None)
    with pytest.raises(errors.SecretBoxTooCostly):
        unseal(box, "correct horse")
    with pytest.raises(errors.SecretBoxTooCostly):
        seal(SEED, "correct horse", SALT, NONCE, ScryptCost(log2_n, r, p))


@pytest.mark.skipif(sys.platform != "linux", reason="reads its own size from /proc")
def test_a_machine_with_too_little_memory_says_so() -> None:
    program = """
import resource
from lnpd.crypto import secretbox
from lnpd.errors import SecretBoxTooCostly
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
try:
    secretbox.seal(b"seed", "correct horse", bytes(16), bytes(12))
except SecretBoxTooCostly as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("The key takes 128 MiB of memory to derive.\n", "")


def test_the_default_stays_within_the_bounds() -> None:
    assert 128 * DEFAULT_COST.r << DEFAULT_COST.log2_n == 128 << 20 < MAX_MEMORY_BYTES


@pytest.mark.parametrize("length", [0, 6, 7, HEADER_BYTES, HEADER_BYTES + 15])
def test_a_box_that_is_cut_off_is_malformed(length: int) -> None:
    with pytest.raises(errors.SecretBoxMalformed):
        unseal(seal(SEED, "correct horse", SALT, NONCE, CHEAP)[:length], "correct horse")


def test_other_files_and_newer_boxes_are_told_apart() -> None:
    box = seal(SEED, "correct horse", SALT, NONCE, CHEAP)
    with pytest.raises(errors.SecretBoxMalformed):
        unseal(b"SQLite format 3" + bytes(100), "correct horse")
    with pytest.raises(errors.SecretBoxMalformed):
        unseal(box + bytes(5000), "correct horse")
    for version in (0, 2, 255):
        with pytest.raises(errors.SecretBoxNewer, match=f"version {version};"):
            unseal(box[:7] + struct.pack("B", version) + box[8:], "correct horse")


def test_arguments_are_bounded() -> None:
    for passphrase in ("", "x" * 1025):
        with pytest.raises(errors.PassphraseRefused):
            seal(SEED, passphrase, SALT, NONCE, CHEAP)
    with pytest.raises(errors.SecretBoxTooLong):
        seal(bytes(4097), "correct horse", SALT, NONCE, CHEAP)
    for salt, nonce in ((SALT[1:], NONCE), (SALT, NONCE[1:])):
        with pytest.raises(errors.SecretBoxMalformed):
            seal(SEED, "correct horse", salt, nonce, CHEAP)
