"""Does a taproot signature commit to what BIP 341 says it does?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lnpd.crypto.schnorr import output_key, output_secret, sign_schnorr, tagged_hash, verify_schnorr, x_only
from lnpd.crypto.secp import public_key
from lnpd.errors import WrongSpent
from lnpd.tx.sighash import leaf_hash, leaf_script_pubkey, taproot_sighash
from lnpd.tx.transaction import Tx, TxIn, TxOut, parse

# BIP 341's wallet test vectors: one transaction that spends nine outputs, seven of them by a key path.
UNSIGNED = parse(
    bytes.fromhex(
        "02000000097de20cbff686da83a54981d2b9bab3586f4ca7e48f57f5b55963115f3b334e9c010000000000000000d7b7cab5"
        "7b1393ace2d064f4d4a2cb8af6def61273e127517d44759b6dafdd990000000000fffffffff8e1f583384333689228c5d28e"
        "ac13366be082dc57441760d957275419a418420000000000fffffffff0689180aa63b30cb162a73c6d2a38b7eeda2a83ece7"
        "4310fda0843ad604853b0100000000feffffffaa5202bdf6d8ccd2ee0f0202afbbb7461d9264a25e5bfd3c5a52ee1239e0ba"
        "6c0000000000feffffff956149bdc66faa968eb2be2d2faa29718acbfe3941215893a2a3446d32acd0500000000000000000"
        "00e664b9773b88c09c32cb70a2a3e4da0ced63b7ba3b22f848531bbb1d5d5f4c94010000000000000000e9aa6b8e6c9de676"
        "19e6a3924ae25696bb7b694bb677a632a74ef7eadfd4eabf0000000000ffffffffa778eb6a263dc090464cd125c466b5a996"
        "67720b1c110468831d058aa1b82af10100000000ffffffff0200ca9a3b000000001976a91406afd46bcdfd22ef94ac122aa1"
        "1f241244a37ecc88ac807840cb0000000020ac9a87f5594be208f8532db38cff670c450ed2fea8fcdefcc9a663f78bab962b"
        "0065cd1d"
    )
)
SPENT = tuple(
    TxOut(amount_sat, bytes.fromhex(script))
    for amount_sat, script in (
        (420000000, "512053a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343"),
        (462000000, "5120147c9c57132f6e7ecddba9800bb0c4449251c92a1e60371ee77557b6620f3ea3"),
        (294000000, "76a914751e76e8199196d454941c45d1b3a323f1433bd688ac"),
        (504000000, "5120e4d810fd50586274face62b8a807eb9719cef49c04177cc6b76a9a4251d5450e"),
        (630000000, "512091b64d5324723a985170e4dc5a0f84c041804f2cd12660fa5dec09fc21783605"),
        (378000000, "00147dd65592d0ab2fe0d0257d571abf032cd9db93dc"),
        (672000000, "512075169f4001aa68f15bbed28b218df1d0a62cbbcf1188c6665110c293c907b831"),
        (546000000, "5120712447206d7a5238acc7ff53fbe94a3b64539ad291c7cdbc490b7577e4b17df5"),
        (588000000, "512077e30a5522dd9f894c3f8b8bd4c4b2cf82ca7da8a3ea6a239655c39c050ab220"),
    )
)
# Input, sighash flags; then internal secret, merkle root, digest; the signature in two halves.
KEY_PATHS = (
    (
        0,
        3,
        "6b973d88838f27366ed61c9ad6367663045cb456e28335c109e30717ae0c6baa",
        "",
        "2514a6272f85cfa0f45eb907fcb0d121b808ed37c6ea160a5a9046ed5526d555",
        (
            "ed7c1647cb97379e76892be0cacff57ec4a7102aa24296ca39af7541246d8ff1",
            "4d38958d4cc1e2e478e4d4a764bbfd835b16d4e314b72937b29833060b87276c",
        ),
    ),
    (
        1,
        131,
        "1e4da49f6aaf4e5cd175fe08a32bb5cb4863d963921255f33d3bc31e1343907f",
        "5b75adecf53548f3ec6ad7d78383bf84cc57b55a3127c72b9a2481752dd88b21",
        "325a644af47e8a5a2591cda0ab0723978537318f10e6a63d4eed783b96a71a4d",
        (
            "052aedffc554b41f52b521071793a6b88d6dbca9dba94cf34c83696de0c1ec35",
            "ca9c5ed4ab28059bd606a4f3a657eec0bb96661d42921b5f50a95ad33675b54f",
        ),
    ),
    (
        3,
        1,
        "d3c7af07da2d54f7a7735d3d0fc4f0a73164db638b2f2f7c43f711f6d4aa7e64",
        "c525714a7f49c28aedbbba78c005931a81c234b2f6c99a73e4d06082adc8bf2b",
        "bf013ea93474aa67815b1b6cc441d23b64fa310911d991e713cd34c7f5d46669",
        (
            "ff45f742a876139946a149ab4d9185574b98dc919d2eb6754f8abaa59d18b025",
            "637a3aa043b91817739554f4ed2026cf8022dbd83e351ce1fabc272841d2510a",
        ),
    ),
    (
        4,
        0,
        "f36bb07a11e469ce941d16b63b11b9b9120a84d9d87cff2c84a8d4affb438f4e",
        "ccbd66c6f7e8fdab47b3a486f59d28262be857f30d4773f2d5ea47f7761ce0e2",
        "4f900a0bae3f1446fd48490c2958b5a023228f01661cda3496a11da502a7f7ef",
        (
            "b4010dd48a617db09926f729e79c33ae0b4e94b79f04a1ae93ede6315eb3669d",
            "e185a17d2b0ac9ee09fd4c64b678a0b61a0a86fa888a273c8511be83bfd6810f",
        ),
    ),
    (
        6,
        2,
        "415cfe9c15d9cea27d8104d5517c06e9de48e2f986b695e4f5ffebf230e725d8",
        "2f6b2c5397b6d68ca18e09a3f05161668ffe93a988582d55c6f07bd5b3329def",
        "15f25c298eb5cdc7eb1d638dd2d45c97c4c59dcaec6679cfc16ad84f30876b85",
        (
            "a3785919a2ce3c4ce26f298c3d51619bc474ae24014bcdd31328cd8cfbab2eff",
            "3395fa0a16fe5f486d12f22a9cedded5ae74feb4bbe5351346508c5405bcfee0",
        ),
    ),
    (
        7,
        130,
        "c7b0e81f0a9a0b0499e112279d718cca98e79a12e2f137c72ae5b213aad0d103",
        "6c2dc106ab816b73f9d07e3cd1ef2c8c1256f519748e0813e4edd2405d277bef",
        "cd292de50313804dabe4685e83f923d2969577191a3e1d2882220dca88cbeb10",
        (
            "ea0c6ba90763c2d3a296ad82ba45881abb4f426b3f87af162dd24d5109edc1cd",
            "d11915095ba47c3a9963dc1e6c432939872bc49212fe34c632cd3ab9fed429c4",
        ),
    ),
    (
        8,
        129,
        "77863416be0d0665e517e1c375fd6f75839544eca553675ef7fdf4949518ebaa",
        "ab179431c28d3b68fb798957faf5497d69c883c6fb1e1cd9f81483d87bac90cc",
        "cccb739eca6c13a8a89e6e5cd317ffe55669bbda23f2fd37b0f18755e008edd2",
        (
            "bbc9584a11074e83bc8c6759ec55401f0ae7b03ef290c3139814f545b58a9f81",
            "27258000874f44bc46db7646322107d4d86aec8e73b8719a61fff761d75b5dd9",
        ),
    ),
)
# A tree of two leaves: script, version, control block in two halves; and the output that has both.
LEAVES = (
    (
        "20387671353e273264c495656e27e39ba899ea8fee3bb69fb2a680e22093447d48ac",
        192,
        (
            "c0ee4fe085983462a184015d1f782d6a5f8b9c2b60130aff050ce221ecf3786592",
            "f224a923cd0021ab202ab139cc56802ddb92dcfc172b9212261a539df79a112a",
        ),
    ),
    (
        "06424950333431",
        250,
        (
            "faee4fe085983462a184015d1f782d6a5f8b9c2b60130aff050ce221ecf3786592",
            "8ad69ec7cf41c2a4001fd1f738bf1e505ce2277acdcaa63fe4765192497f47a7",
        ),
    ),
)
OUTPUT = "5120712447206d7a5238acc7ff53fbe94a3b64539ad291c7cdbc490b7577e4b17df5"


@pytest.mark.parametrize(("index", "flags", "secret", "root", "digest", "signature"), KEY_PATHS)
def test_key_paths_of_bip_341(
    index: int, flags: int, secret: str, root: str, digest: str, signature: tuple[str, str]
) -> None:
    tweaked = output_secret(bytes.fromhex(secret), bytes.fromhex(root))
    assert SPENT[index].script_pubkey == b"\x51\x20" + x_only(public_key(tweaked))
    internal = x_only(public_key(bytes.fromhex(secret)))
    assert x_only(output_key(internal, bytes.fromhex(root))) == x_only(public_key(tweaked))
    assert taproot_sighash(UNSIGNED, index, SPENT, flags).hex() == digest
    made = sign_schnorr(tweaked, bytes.fromhex(digest))
    assert made.hex() == "".join(signature)
    assert verify_schnorr(x_only(public_key(tweaked)), bytes.fromhex(digest), made)


def test_all_key_paths_are_there() -> None:
    assert len(KEY_PATHS) == 7 and len(LEAVES) == 2


@pytest.mark.parametrize(("script", "version", "control"), LEAVES)
def test_leaves_of_bip_341(script: str, version: int, control: tuple[str, str]) -> None:
    leaf = leaf_hash(bytes.fromhex(script), version)
    assert leaf_script_pubkey(leaf, bytes.fromhex("".join(control))).hex() == OUTPUT
    assert leaf_script_pubkey(leaf_hash(b"", version), bytes.fromhex("".join(control))).hex() != OUTPUT


@pytest.mark.parametrize(
    "control", [b"", b"\xc0" * 32, b"\xc0" * 34, b"\xc0" + b"\xff" * 32, b"\xc0" * (33 + 129 * 32)]
)
def test_bad_control_blocks(control: bytes) -> None:
    with pytest.raises(WrongSpent):
        leaf_script_pubkey(bytes(32), control)


@pytest.mark.parametrize(
    ("index", "spent", "flags"), [(9, SPENT, 0), (-1, SPENT, 0), (0, SPENT[:8], 0), (0, SPENT, 4), (2, SPENT, 3)]
)
def test_what_cannot_be_signed(index: int, spent: tuple[TxOut, ...], flags: int) -> None:
    with pytest.raises(WrongSpent):
        taproot_sighash(UNSIGNED, index, spent, flags)


@given(st.integers(0, 3), st.sampled_from((0, 1, 0x83)), st.binary(max_size=32))
def test_a_leaf_and_every_amount_count(index: int, flags: int, leaf: bytes) -> None:
    inputs = tuple(TxIn(bytes([number]) * 32, number) for number in range(4))
    tx = Tx(inputs, tuple(TxOut(number, b"") for number in range(4)))
    spent = tuple(TxOut(1000 + number, b"\x51") for number in range(4))
    digest = taproot_sighash(tx, index, spent, flags)
    assert taproot_sighash(tx, index, spent, flags, tagged_hash("x", leaf)) != digest
    other = (index + 1) % 4
    changed = tuple(replace(each, value_sat=7) if number == other else each for number, each in enumerate(spent))
    assert (taproot_sighash(tx, index, changed, flags) == digest) == (flags == 0x83)
