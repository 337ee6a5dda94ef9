"""Are contracts and recipients named as rgb-lib names them, and does each name give back what it was made of?"""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nia.errors import OutOfRange, UnreadableName
from nia.genesis import ChainNet
from nia.names import contract_id_of, contract_name, script_of, script_recipient, secret_of, secret_recipient
from nia.seals import Seal

REGTEST = ChainNet.REGTEST
SCRIPTS = {
    "P2WPKH": b"\x00\x14" + bytes(range(20)),
    "P2WSH": b"\x00\x20" + bytes(range(32)),
    "P2TR": b"\x51\x20" + bytes(range(32)),
}

# As rgb-lib printed them, and a seal of rgb-consensus's own tests.
CONTRACT = bytes.fromhex("c3708f6610cafc94ffa8e84cbbde594d5bcb6ce86fe43545d7c139757b40b793")
NAME = "rgb:w3CPZhDK-~JT~qOh-Mu95ZTV-vLbOhv5-DVF18E5-dXtAt5M"
TXID = bytes.fromhex("646ca5c1062619e2a2d60771c9dfd820551fb773e4dc8c4ed67965a8d1fae839")[::-1]
SECRET = Seal(2, 54683213134637, TXID).secret()
SECRET_NAME = "bcrt:utxob:nBRVm39A-ioJydHE-ug2d90m-aZyfPI0-MCc0ZNM-oMXMs2O-opKQ7"
SCRIPT_NAME = "bcrt:wvout:BBIN8oqL-u4s5eQV-SyTbyJm-iQf785k-i1_w5Lu-t5BC_wu-wrk9PPA"

HASHES = st.binary(min_size=32, max_size=32)


def test_names_of_rgb_lib() -> None:
    assert (contract_name(CONTRACT), contract_id_of(NAME)) == (NAME, CONTRACT)
    assert (secret_recipient(SECRET, REGTEST), secret_of(SECRET_NAME, REGTEST)) == (SECRET_NAME, SECRET)
    script = script_of(SCRIPT_NAME, REGTEST)
    assert script.hex().startswith("0020120df28a8bbb8b39") and len(script) == 34
    assert script_recipient(script, REGTEST) == SCRIPT_NAME


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_script_comes_back_on_its_own_chain_alone(kind: str) -> None:
    name = script_recipient(SCRIPTS[kind], REGTEST)
    assert script_of(name, REGTEST) == SCRIPTS[kind]
    for other in (name[:-1], name[:-1] + "~", secret_recipient(bytes(32), REGTEST), ""):
        with pytest.raises(UnreadableName):
            script_of(other, REGTEST)
    with pytest.raises(UnreadableName):
        script_of(name, ChainNet.BITCOIN)


@given(HASHES, st.sampled_from(ChainNet))
def test_every_name_comes_back(data: bytes, chain: ChainNet) -> None:
    assert contract_id_of(contract_name(data)) == data
    assert secret_of(secret_recipient(data, chain), chain) == data


def test_a_script_that_no_recipient_can_name() -> None:
    for script in (b"", b"\x6a", SCRIPTS["P2WSH"][:-1], SCRIPTS["P2TR"] + b"\0"):
        with pytest.raises(OutOfRange):
            script_recipient(script, REGTEST)


READERS: dict[str, Callable[[str], bytes]] = {
    NAME: contract_id_of,
    SECRET_NAME: lambda name: secret_of(name, REGTEST),
    SCRIPT_NAME: lambda name: script_of(name, REGTEST),
}


@pytest.mark.parametrize("name", READERS)
def test_no_misspelt_name_gives_the_same(name: str) -> None:
    read = READERS[name]
    right = read(name)
    for at in range(len(name)):
        for other in ("A", "~", "é", ""):
            changed = name[:at] + other + name[at + 1 :]
            if changed.replace("-", "") == name.replace("-", ""):
                continue  # dashes say nothing
            try:
                assert read(changed) != right and name == NAME  # which has no checksum
            except UnreadableName as refusal:
                assert str(refusal)


@given(st.text(max_size=80))
def test_no_text_escapes(text: str) -> None:
    for name, read in READERS.items():
        for given_text in (text, name.rpartition(":")[0] + ":" + text):
            try:
                read(given_text)
            except UnreadableName as refusal:
                assert str(refusal)
