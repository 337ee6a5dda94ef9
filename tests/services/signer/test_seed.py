"""Is a seed file written once, for its user alone, and read back only with its passphrase?"""

import os
from pathlib import Path

import pytest

from lnpd.crypto.hd import TEST_COIN, Master, node_secret
from lnpd.crypto.secp import public_key
from lnpd.errors import (
    PassphraseMissing,
    PlainSeedRefused,
    SeedFileExists,
    SeedFileMalformed,
    SeedFileMissing,
    SeedFileUnsafe,
    SeedInvalid,
    WrongPassphrase,
)
from lnpd.services.signer.seed import (
    Seed,
    create_seed,
    new_seed,
    open_seed,
    seed_from_entropy,
    seed_from_extended_key,
    seed_from_words,
)

# BIP 39's own vector (without a passphrase of BIP 39) and its root key.
WORDS = " ".join(["abandon"] * 11 + ["about"])
BIP39_SEED = bytes.fromhex(
    "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1"
    "9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"
)
ROOT = "xprv9s21ZrQH143K3GJpoapnV8SFfukcVBSfeCficPSGfubmSFDxo1kuHnLisriDvSnRRuL2Qrg5ggqHKNVpxR86QEC8w35uxmGoggxtQTPvfUu"


def test_words_entropy_and_root_key_give_the_same_keys() -> None:
    master = Master.from_seed(BIP39_SEED, TEST_COIN)
    for seed in (seed_from_words(WORDS.upper()), seed_from_entropy(bytes(16)), seed_from_extended_key(ROOT)):
        assert node_secret(seed.master(TEST_COIN)) == node_secret(master)
    assert len(new_seed().text.split()) == 24
    assert new_seed() != new_seed()


def test_a_seed_is_sealed_for_its_user_alone(tmp_path: Path) -> None:
    path, seed = tmp_path / "seed", seed_from_words(WORDS)
    create_seed(path, seed, "correct horse")
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"abandon" not in path.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["seed"]
    assert open_seed(path, "correct horse") == seed
    with pytest.raises(WrongPassphrase):
        open_seed(path, "wrong horse")
    with pytest.raises(PassphraseMissing):
        open_seed(path, None)
    before = path.read_bytes()
    with pytest.raises(SeedFileExists):
        create_seed(path, new_seed(), None, plain=True)
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["seed"]


def test_a_plain_seed_takes_an_explicit_word_both_ways(tmp_path: Path) -> None:
    path, seed = tmp_path / "seed", new_seed()
    with pytest.raises(PlainSeedRefused):
        create_seed(path, seed, None)
    with pytest.raises(PassphraseMissing):
        create_seed(path, seed, "both", plain=True)
    create_seed(path, seed, None, plain=True)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(PlainSeedRefused):
        open_seed(path, None)
    assert open_seed(path, None, plain=True) == seed


def test_a_file_that_is_no_seed_of_ours_is_named(tmp_path: Path) -> None:
    path = tmp_path / "seed"
    with pytest.raises(SeedFileMissing):
        open_seed(path, "x")
    create_seed(path, new_seed(), None, plain=True)
    path.chmod(0o640)
    with pytest.raises(SeedFileUnsafe):
        open_seed(path, None, plain=True)
    path.chmod(0o600)
    for content in (b"lnpdseed", b"lnpdseed\x81", b"lnpdseed" + b"\x91" * 5000):
        path.write_bytes(content)
        with pytest.raises(SeedFileMalformed):
            open_seed(path, None, plain=True)
    link = tmp_path / "link"
    link.symlink_to(path)
    for other in (tmp_path, link):
        with pytest.raises(SeedFileMalformed):
            open_seed(other, "x")


@pytest.mark.parametrize(
    "words",
    ["", "abandon", " ".join(["abandon"] * 12), " ".join(["abandon"] * 11 + ["lnpd"]), "x" * 10_000],
)
def test_words_that_are_no_seed_are_refused_without_repeating_them(words: str) -> None:
    with pytest.raises(SeedInvalid) as refused:
        seed_from_words(words)
    assert "abandon" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ROOT[:-1],
        ROOT.replace("xprv", "zprv"),
        # The root's public key, and a child of it (BIP 32's first vector): neither is a root secret.
        "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8",
        "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7",
        "x" * 10_000,
    ],
)
def test_extended_keys_that_are_no_root_are_refused_without_repeating_them(text: str) -> None:
    with pytest.raises(SeedInvalid) as refused:
        seed_from_extended_key(text)
    assert not text or text not in str(refused.value)


@pytest.mark.parametrize("length", [0, 15, 17, 33, 64])
def test_entropy_has_one_of_five_lengths(length: int) -> None:
    with pytest.raises(SeedInvalid):
        seed_from_entropy(bytes(length))


def test_a_seed_made_by_hand_is_checked_before_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(SeedInvalid):
        create_seed(tmp_path / "seed", Seed("bip39", "not words"), None, plain=True)
    assert not os.listdir(tmp_path)
    assert public_key(node_secret(seed_from_words(WORDS).master(TEST_COIN))) != public_key(b"\x01" * 32)
