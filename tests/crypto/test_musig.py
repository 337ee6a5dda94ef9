"""Does MuSig2 give what BIP 327 publishes, and can no secret nonce sign twice?"""

import os
from typing import Any

import pytest
from coincurve._libsecp256k1 import ffi
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpd.crypto import adaptor, musig
from lnpd.crypto.musig import Group, SecretNonce, Tweak
from lnpd.crypto.schnorr import output_key, verify_schnorr, x_only
from lnpd.crypto.secp import public_key
from lnpd.errors import InvalidNonce, InvalidPartialSignature, InvalidPoint, InvalidTweak, NonceUsed, NotInGroup

# Figures of BIP 327, each row by the numbers of its keys, nonces and tweaks.
AGGREGATED = tuple(
    bytes.fromhex(row)
    for row in (
        "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
        "03dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
        "023590a94e768f8e1815c2f24b4d80a8e3149316c3518ce7b7ad338368d038ca66",
    )
)
KEY_AGGREGATION = (
    ((0, 1, 2), "90539eede565f5d054f32cc0c220126889ed1e5d193baf15aef344fe59d4610c"),
    ((2, 1, 0), "6204de8b083426dc6eaf9502d27024d53fc826bf7d2012148a0575435df54b2b"),
    ((0, 0, 0), "b436e3bad62b8cd409969a224731c193d051162d8c5ae8b109306127da3aa935"),
    ((0, 0, 1, 1), "69bc22bfa5d106306e48a20679de1d7389386124d07571d0d872686028c26a3e"),
)
PUBLIC_NONCES = tuple(
    bytes.fromhex(row)
    for row in (
        "020151c80f435648df67a22b749cd798ce54e0321d034b92b709b567d60a42e666"
        "03ba47fbc1834437b3212e89a84d8425e7bf12e0245d98262268ebdcb385d50641",
        "03ff406ffd8adb9cd29877e4985014f66a59f6cd01c0e88caa8e5f3166b1f676a6"
        "0248c264cdd57d3c24d79990b0f865674eb62a0f9018277a95011b41bfc193b833",
        "020151c80f435648df67a22b749cd798ce54e0321d034b92b709b567d60a42e666"
        "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        "03ff406ffd8adb9cd29877e4985014f66a59f6cd01c0e88caa8e5f3166b1f676a6"
        "0379be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        "04ff406ffd8adb9cd29877e4985014f66a59f6cd01c0e88caa8e5f3166b1f676a6"
        "0248c264cdd57d3c24d79990b0f865674eb62a0f9018277a95011b41bfc193b833",
        "03ff406ffd8adb9cd29877e4985014f66a59f6cd01c0e88caa8e5f3166b1f676a6"
        "0248c264cdd57d3c24d79990b0f865674eb62a0f9018277a95011b41bfc193b831",
        "03ff406ffd8adb9cd29877e4985014f66a59f6cd01c0e88caa8e5f3166b1f676a6"
        "02fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30",
    )
)
NONCE_AGGREGATION = (
    (
        (0, 1),
        "035fe1873b4f2967f52fea4a06ad5a8eccbe9d0fd73068012c894e2e87ccb5804b",
        "024725377345bde0e9c33af3c43c0a29a9249f2f2956fa8cfeb55c8573d0262dc8",
    ),
    (
        (2, 3),
        "035fe1873b4f2967f52fea4a06ad5a8eccbe9d0fd73068012c894e2e87ccb5804b",
        "000000000000000000000000000000000000000000000000000000000000000000",
    ),
)
SECRET = bytes.fromhex("7fb9e0e687ada1eebf7ecfe2f21e73ebdb51a7d450948dfe8d76d7f2d1007671")
SECRET_NONCE = bytes.fromhex(
    "508b81a611f100a6b2b6b29656590898af488bcf2e1f55cf22e5cfb84421fe61"
    "fa27fd49b1d50085b481285e1ca205d55c82cc1b31ff5cd54a489829355901f7"
)
SIGNERS = tuple(
    bytes.fromhex(row)
    for row in (
        "03935f972da013f80ae011890fa89b67a27b7be6ccb24d3274d18b2d4067f261a9",
        "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
        "02dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba661",
    )
)
# The rows with tweaks have another third key.
TWEAKED = (*SIGNERS[:2], bytes.fromhex("02dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659"))
NONCES = tuple(
    bytes.fromhex(row)
    for row in (
        "0337c87821afd50a8644d820a8f3e02e499c931865c2360fb43d0a0d20dafe07ea"
        "0287bf891d2a6deaebadc909352aa9405d1428c15f4b75f04dae642a95c2548480",
        "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
        "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        "032de2662628c90b03f5e720284eb52ff7d71f4284f627b68a853d78c78e1ffe93"
        "03e4c5524e83ffe1493b9077cf1ca6beb2090c93d930321071ad40b2f44e599046",
        "0237c87821afd50a8644d820a8f3e02e499c931865c2360fb43d0a0d20dafe07ea"
        "0387bf891d2a6deaebadc909352aa9405d1428c15f4b75f04dae642a95c2548480",
    )
)
MESSAGE = bytes.fromhex("f95466d086770e689964664219266fe5ed215c92ae20bab5c9d79addddf3c0cf")
TWEAKS = tuple(
    bytes.fromhex(row)
    for row in (
        "e8f791ff9225a2af0102afff4a9a723d9612a682a25ebe79802b263cdfcd83bb",
        "ae2ea797cc0fe72ac5b97b97f3c6957d7e4199a167a58eb08bcaffda70ac0455",
        "f52ecbc565b3d8bea2dfd5b75a4f457e54369809322e4120831626f290fa87e0",
        "1969ad73cc177fa0b4fced6df1f7bf9907e665fde9ba196a74fed0a3cf5aef9d",
    )
)
# Keys, nonces, (tweak, whether x-only), the signer, its part.
SIGNING: tuple[tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, bool], ...], int, str], ...] = (
    ((0, 1, 2), (0, 1, 2), (), 0, "012abbcb52b3016ac03ad82395a1a415c48b93def78718e62a7a90052fe224fb"),
    ((1, 0, 2), (1, 0, 2), (), 1, "9ff2f7aaa856150cc8819254218d3adeeb0535269051897724f9db3789513a52"),
    ((1, 2, 0), (1, 2, 0), (), 2, "fa23c359f6fac4e7796bb93bc9f0532a95468c539ba20ff86d7c76ed92227900"),
    ((0, 1), (0, 3), (), 0, "ae386064b26105404798f75de2eb9af5eda5387b064b83d049cb7c5e08879531"),
    ((1, 2, 0), (1, 2, 0), ((0, True),), 2, "e28a5c66e61e178c2ba19db77b6cf9f7e2f0f56c17918cd13135e60cc848fe91"),
    ((1, 2, 0), (1, 2, 0), ((0, False),), 2, "38b0767798252f21bf5702c48028b095428320f73a4b14db1e25de58543d2d2d"),
    (
        (1, 2, 0),
        (1, 2, 0),
        ((0, False), (1, True)),
        2,
        "408a0a21c4a0f5dacaf9646ad6eb6fecd7f7a11f03ed1f48dfff2185bc2c2408",
    ),
    (
        (1, 2, 0),
        (1, 2, 0),
        ((0, False), (1, False), (2, True), (3, True)),
        2,
        "45abd206e61e3df2ec9e264a6fec8292141a633c28586388235541f9ade75435",
    ),
    (
        (1, 2, 0),
        (1, 2, 0),
        ((0, True), (1, False), (2, True), (3, False)),
        2,
        "b255fdcac27b40c7ce7848e2d3b7bf5ea0ed756da81565ac804ccca3e1d5d239",
    ),
)
OTHERS = tuple(
    bytes.fromhex(row)
    for row in (
        "03935f972da013f80ae011890fa89b67a27b7be6ccb24d3274d18b2d4067f261a9",
        "02d2dc6f5df7c56acf38c7fa0ae7a759ae30e19b37359dfde015872324c7ef6e05",
        "03c7fb101d97ff930acd0c6760852ef64e69083de0b06ac6335724754bb4b0522c",
        "02352433b21e7e05d3b452b81cae566e06d2e003ece16d1074aaba4289e0e3d581",
    )
)
OTHER_NONCES = tuple(
    bytes.fromhex(row)
    for row in (
        "036e5ee6e28824029fea3e8a9ddd2c8483f5af98f7177c3af3cb6f47caf8d94ae9"
        "02dba67e4a1f3680826172da15afb1a8ca85c7c5cc88900905c8dc8c328511b53e",
        "03e4f798da48a76eec1c9cc5ab7a880ffba201a5f064e627ec9cb0031d1d58fc51"
        "03e06180315c5a522b7ec7c08b69dcd721c313c940819296d0a7ab8e8795ac1f00",
        "02c0068fd25523a31578b8077f24f78f5bd5f2422aff47c1fada0f36b3ceb6c7d2"
        "02098a55d1736aa5fcc21cf0729cce852575c06c081125144763c2c4c4a05c09b6",
        "031f5c87dcfbfcf330dee4311d85e8f1dea01d87a6f1c14cdfc7e4f1d8c441cfa4"
        "0277bf176e9f747c34f81b0d9f072b1b404a86f402c2d86cf9ea9e9c69876ea3b9",
        "023f7042046e0397822c4144a17f8b63d78748696a46c3b9f0a901d296ec3406c3"
        "02022b0b464292cf9751d699f10980ac764e6f671efca15069bbe62b0d1c62522a",
        "02d97dda5988461df58c5897444f116a7c74e5711bf77a9446e27806563f3b6c47"
        "020cbad9c363a7737f99fa06b6be093ceaff5397316c5ac46915c43767ae867c00",
    )
)
PARTS = tuple(
    bytes.fromhex(row)
    for row in (
        "b15d2cd3c3d22b04dae438ce653f6b4ecf042f42cfded7c41b64aaf9b4af53fb",
        "6193d6ac61b354e9105bbdc8937a3454a6d705b6d57322a5a472a02ce99fcb64",
        "9a87d3b79ec67228cb97878b76049b15dbd05b8158d17b5b9114d3c226887505",
        "66f82ea90923689b855d36c6b7e032fb9970301481b99e01cdb4d6ac7c347a15",
        "4f5aee41510848a6447dcd1bbc78457ef69024944c87f40250d3ef2c25d33efe",
        "ddef427bbb847cc027beff4edb01038148917832253ebc355fc33f4a8e2fcce4",
        "97b890a26c981da8102d3bc294159d171d72810fdf7c6a691def02f0f7af3fdc",
        "53fa9e08ba5243cbcb0d797c5ee83bc6728e539eb76c2d0bf0f971ee4e909971",
    )
)
OTHER_TWEAKS = tuple(
    bytes.fromhex(row)
    for row in (
        "b511da492182a91b0ffb9a98020d55f260ae86d7ecbd0399c7383d59a5f2af7c",
        "a815fe049ee3c5aab66310477fbc8bcccac2f3395f59f921c364acd78a2f48dc",
        "75448a87274b056468b977be06eb1e9f657577b7320b0a3376ea51fd420d18a8",
    )
)
OTHER_MESSAGE = bytes.fromhex("599c67ea410d005b9da90817cf03ed3b1c868e4da4edf00a5880b0082c237869")
# Keys, nonces, tweaks, parts, the signature in two halves.
AGGREGATION: tuple[
    tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, bool], ...], tuple[int, ...], str, str], ...
] = (
    (
        (0, 1),
        (0, 1),
        (),
        (0, 1),
        "041da22223ce65c92c9a0d6c2cac828aaf1eee56304fec371ddf91ebb2b9ef09",
        "12f1038025857fedeb3ff696f8b99fa4bb2c5812f6095a2e0004ec99ce18de1e",
    ),
    (
        (0, 2),
        (0, 2),
        (),
        (2, 3),
        "1069b67ec3d2f3c7c08291accb17a9c9b8f2819a52eb5df8726e17e7d6b52e9f",
        "01800260a7e9dac450f4be522de4ce12ba91aeaf2b4279219ef74be1d286add9",
    ),
    (
        (0, 2),
        (0, 3),
        ((0, False),),
        (4, 5),
        "5c558e1dcade86da0b2f02626a512e30a22cf5255caea7ee32c38e9a71a0e914",
        "8ba6c0e6ec7683b64220f0298696f1b878cd47b107b81f7188812d593971e0cc",
    ),
    (
        (0, 3),
        (0, 4),
        ((0, True), (1, False), (2, True)),
        (6, 7),
        "839b08820b681dba8daf4cc7b104e8f2638f9388f8d7a555dc17b6e6971d7426",
        "ce07bf6ab01f1db50e4e33719295f4094572b79868e440fb3defd3fac1db589e",
    ),
)


secrets = st.integers(1, 2**255).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)


def group_of(keys: tuple[bytes, ...], numbers: tuple[int, ...], tweaks: Any, scalars: tuple[bytes, ...]) -> Group:
    """A row's group."""
    return Group(tuple(keys[n] for n in numbers), tuple(Tweak(scalars[n], is_x_only) for n, is_x_only in tweaks))


def published_nonce() -> SecretNonce:
    """BIP 327's secret nonce, in the library's own form: a mark, both scalars, the parsed key."""
    key = bytes(ffi.buffer(musig._point(SIGNERS[0])))
    data = ffi.new("secp256k1_musig_secnonce *")
    ffi.buffer(data)[:] = bytes.fromhex("220edcf1") + SECRET_NONCE + key
    return SecretNonce(data, SIGNERS[0], NONCES[0])


@pytest.mark.parametrize(("numbers", "expected"), KEY_AGGREGATION)
def test_keys_of_bip_327(numbers: tuple[int, ...], expected: str) -> None:
    assert x_only(Group(tuple(AGGREGATED[n] for n in numbers)).key).hex() == expected


@pytest.mark.parametrize(("numbers", "first", "second"), NONCE_AGGREGATION)
def test_nonces_of_bip_327(numbers: tuple[int, ...], first: str, second: str) -> None:
    assert musig.combine_nonces([PUBLIC_NONCES[n] for n in numbers]).hex() == first + second


@pytest.mark.parametrize("wrong", [4, 5, 6])
def test_wrong_nonces_of_bip_327(wrong: int) -> None:
    with pytest.raises(InvalidNonce):
        musig.combine_nonces([PUBLIC_NONCES[0], PUBLIC_NONCES[wrong]])


@pytest.mark.parametrize(("keys", "nonces", "tweaks", "signer", "expected"), SIGNING)
def test_partial_signatures_of_bip_327(
    keys: tuple[int, ...], nonces: tuple[int, ...], tweaks: Any, signer: int, expected: str
) -> None:
    group = group_of(TWEAKED if tweaks else SIGNERS, keys, tweaks, TWEAKS)
    nonce, secret = musig.combine_nonces([NONCES[n] for n in nonces]), published_nonce()
    part = musig.partial_sign(SECRET, secret, group, nonce, MESSAGE)
    assert part.hex() == expected
    assert group.keys[signer] == SIGNERS[0]
    assert musig.verify_partial(part, NONCES[0], SIGNERS[0], group, nonce, MESSAGE)
    if len(keys) > 1:
        assert not musig.verify_partial(part, NONCES[1], SIGNERS[1], group, nonce, MESSAGE)
    assert not musig.verify_partial(b"\xff" * 32, NONCES[0], SIGNERS[0], group, nonce, MESSAGE)
    with pytest.raises(NonceUsed):
        musig.partial_sign(SECRET, secret, group, nonce, MESSAGE)


@pytest.mark.parametrize(("keys", "nonces", "tweaks", "parts", "first", "second"), AGGREGATION)
def test_signatures_of_bip_327(
    keys: tuple[int, ...], nonces: tuple[int, ...], tweaks: Any, parts: tuple[int, ...], first: str, second: str
) -> None:
    group = group_of(OTHERS, keys, tweaks, OTHER_TWEAKS)
    nonce = musig.combine_nonces([OTHER_NONCES[n] for n in nonces])
    signature = musig.combine_partials([PARTS[n] for n in parts], group, nonce, OTHER_MESSAGE)
    assert signature.hex() == first + second
    assert verify_schnorr(x_only(group.key), OTHER_MESSAGE, signature)


def test_as_many_rows_as_were_taken() -> None:
    assert [len(rows) for rows in (KEY_AGGREGATION, NONCE_AGGREGATION, SIGNING, AGGREGATION)] == [4, 2, 9, 4]


def signed(members: list[bytes], digest: bytes, group: Group, point: bytes = b"") -> tuple[bytes, bytes]:
    """The nonce and the signature of all members."""
    nonces = [musig.new_nonce(secret, os.urandom(32), group, digest) for secret in members]
    nonce = musig.combine_nonces([each.public for each in nonces], point)
    parts = []
    for secret, own in zip(members, nonces, strict=True):
        parts.append(musig.partial_sign(secret, own, group, nonce, digest))
        assert musig.verify_partial(parts[-1], own.public, public_key(secret), group, nonce, digest)
    return nonce, musig.combine_partials(parts, group, nonce, digest)


@settings(max_examples=25, deadline=None)
@given(st.lists(secrets, min_size=1, max_size=5), digests, st.binary(min_size=32, max_size=32) | st.just(b""))
def test_a_group_signs_for_its_taproot_output(members: list[bytes], digest: bytes, root: bytes) -> None:
    bare = Group(tuple(public_key(secret) for secret in members))
    group = bare.taproot(root)
    assert group.key == output_key(x_only(bare.key), root)
    assert verify_schnorr(x_only(group.key), digest, signed(members, digest, group)[1])


@settings(max_examples=25, deadline=None)
@given(st.lists(secrets, min_size=1, max_size=3), digests, secrets)
def test_an_adaptor_is_bought_with_a_groups_signature(members: list[bytes], digest: bytes, hidden: bytes) -> None:
    point, group = public_key(hidden), Group(tuple(public_key(secret) for secret in members)).taproot()
    _, pre_signature = signed(members, digest, group, point)
    key = x_only(group.key)
    assert not verify_schnorr(key, digest, pre_signature)
    assert adaptor.adaptor_verify(key, digest, point, pre_signature)
    signature = adaptor.adaptor_complete(key, digest, hidden, pre_signature)
    assert verify_schnorr(key, digest, signature)
    assert adaptor.adaptor_secret(point, pre_signature, signature) == hidden


SECOND = b"\x02" * 32


def test_what_is_refused() -> None:
    group = Group((public_key(SECRET), public_key(SECOND)))
    nonce = musig.new_nonce(SECRET, b"\x07" * 32)
    combined = musig.combine_nonces([nonce.public, musig.new_nonce(SECOND, b"\x08" * 32).public])
    with pytest.raises(NotInGroup):
        musig.partial_sign(b"\x03" * 32, nonce, group, combined, MESSAGE)
    with pytest.raises(NotInGroup):
        musig.partial_sign(SECOND, nonce, group, combined, MESSAGE)
    with pytest.raises(InvalidNonce):
        musig.partial_sign(SECRET, nonce, group, b"\x04" + combined[1:], MESSAGE)
    with pytest.raises(InvalidNonce):
        musig.new_nonce(SECRET, bytes(32))
    with pytest.raises(InvalidNonce):
        musig.combine_nonces([])
    with pytest.raises(InvalidPartialSignature):
        musig.combine_partials([bytes(32)], group, combined, MESSAGE)
    with pytest.raises(InvalidPartialSignature):
        musig.combine_partials([bytes(31), bytes(32)], group, combined, MESSAGE)
    for keys in ((), (SIGNERS[0],) * 101):
        with pytest.raises(NotInGroup):
            assert Group(keys).key
    with pytest.raises(InvalidPoint):
        assert Group((b"\x02" + bytes(32),)).key
    with pytest.raises(InvalidTweak):
        assert Group(group.keys, (Tweak(b"\xff" * 32),)).key
    assert nonce._data is not None, "what is refused uses nothing up"
    nonce.drop()
    with pytest.raises(NonceUsed):
        musig.partial_sign(SECRET, nonce, group, combined, MESSAGE)
    assert "07" not in repr(nonce)
