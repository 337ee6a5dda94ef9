"""Is the work of Bitcoin's own headers what the rules of difficulty ask for, where its target changes?

The headers are the main chain's; each shows by its hash that nobody made it up. A row has a period's first block and
its last one, and the block after them.
"""

import pytest

from lnpd.chain.electrum import work
from lnpd.errors import ElectrumMisbehaves
from lnpd.tx.transaction import hash256

# The height of the new period; its target in the compact form; three headers.
PERIODS = {
    "the first period, with the least work that is allowed": (2_016, 0x1D00FFFF, (
        "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f61"
        "7fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c",
        "01000000e25509cde707c3d02a693e4fe9e7cdd57c38a0d2c8d6341f20dae84b000000000c113df1185e162ee92d031fe21d1400"
        "ff7d705a3e9b9c860eea855313cd8ca26c087f49ffff001d30b73231",
        "010000006397bb6abd4fc521c0d3f6071b5650389f0b4551bc40b4e6b067306900000000ace470aecda9c8818c8fe57688cd2a77"
        "2b5a57954a00df0420a7dd546b6d2c576b0e7f49ffff001d33f0192f",
    )),
    "the first change": (32_256, 0x1D00D86A, (
        "01000000e6bf7fd7f7790a63786faa878d0dc7fd8f2ff365732e45862c66075100000000700d342f65c7b6834dffb615358a1897"
        "016f0448913372190cbe3d27a4b53355b1512b4bffff001dbfb02519",
        "0100000049c1daab3b6536ff1b2633c3a316a6e06ec287676cdeec4ca7baae6b00000000ac10b36b8f354b3353207de15940a5ed"
        "bc05bb8364af75b4b5409e7823f2b48923ec3a4bffff001dbd5fa412",
        "010000004b0360d834a330ec7833e30e1f523ee05a0793361e29a73421964f980000000027b64a020af294e903feed9376870533"
        "6a20090612a043f47af462a2f5e5b564f8ee3a4b6ad8001dd3a43707",
    )),
    "an easier target, January 2019": (560_448, 0x17306835, (
        "00c0ff2f6550b5dae76559589e3e3e135237072b6bc498949da6280000000000000000005988783435f506d2ccfbadb484e56d6f"
        "1d5dfdd480650acae1e3b43d3464ea73caf13b5c33d62f171d508fdb",
        "00000020d8e8e54ca5e33522b94fbba5de736efc55ff75e832cf2300000000000000000007b395f80858ee022c9c3c2f0f5cee4b"
        "d807039f0729b0559ae4326c3ba77d6b209f4e5c33d62f1746ee356d",
        "000000206b05bd2c4a06b3d8503a033c2593396a25a79e1dcadb140000000000000000001b08df3d42cd9a38d8b66adf9dc5eb46"
        "4f503633bd861085ffff723634531596a1a24e5c35683017bf67b72a",
    )),
    "a harder one, September 2026, after a last block that is dated before its parent": (967_680, 0x17021EC5, (
        "0020f4228a1af9368ebe5ed1fd29c4715449c63d429303e4c835000000000000000000006d04326138d4832a5bdcc1ec8cf510b8"
        "feb9fd538f5cd7d2666e5a207bc0dce66f7c9c6a5e3502179d9b6e7c",
        "00006a28f1807cf33f7aefcb11236f8d0a5e1a0616fe1cf608e701000000000000000000dafc8185d9e33235d84c63e2e355fadc"
        "4cd9fccd3edd9dae4eae6ba4aab28f9f9b34ae6a5e350217ca9042a4",
        "00000030410ccb1cba623e26f2e02f3fcb0e7f06f66998b68cb5010000000000000000003d16ae2558e8ec7b8dd369ee29bb2733"
        "fbd39bcc1058c681970a36a7f1a2bdea1135ae6ac51e0217480c3581",
    )),
}  # fmt: skip


def period(name: str) -> tuple[int, int, bytes, dict[int, bytes]]:
    """The new period's height and target, its first header, and those before it by height."""
    height, bits, (first, last, new) = PERIODS[name]
    chain = {height - work.PERIOD_BLOCKS: bytes.fromhex(first), height - 1: bytes.fromhex(last)}
    return height, bits, bytes.fromhex(new), chain


@pytest.mark.parametrize("name", PERIODS)
def test_bitcoins_own_headers_have_the_target_and_the_work(name: str) -> None:
    height, bits, new, chain = period(name)
    for header in (*chain.values(), new):
        assert int.from_bytes(hash256(header), "little") <= work.target(work.bits(header))
    assert work.bits(new) == bits
    work.check("bitcoin", height, new, chain.__getitem__)


@pytest.mark.parametrize("name", PERIODS)
def test_a_target_that_is_off_by_the_least_digit_is_refused(name: str) -> None:
    height, bits, new, chain = period(name)
    for wrong in (bits - 1, bits + 1, bits - (1 << 24)):
        forged = new[:72] + wrong.to_bytes(4, "little") + new[76:]
        with pytest.raises(ElectrumMisbehaves, match="target of its own"):
            work.check("bitcoin", height, forged, chain.__getitem__)


@pytest.mark.parametrize("name", PERIODS)
def test_another_nonce_has_not_the_work(name: str) -> None:
    height, _, new, chain = period(name)
    with pytest.raises(ElectrumMisbehaves, match="lacks work"):
        work.check("bitcoin", height, new[:76] + bytes(4), chain.__getitem__)
