"""Does a recipient's name give the script back that it was made of?"""

import pytest

from nia.errors import UnreadableName
from nia.genesis import ChainNet
from nia.names import script_of, script_recipient, secret_recipient

SCRIPTS = {
    "P2WPKH": b"\x00\x14" + bytes(range(20)),
    "P2WSH": b"\x00\x20" + bytes(range(32)),
    "P2TR": b"\x51\x20" + bytes(range(32)),
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_script_comes_back_on_its_own_chain_alone(kind: str) -> None:
    name = script_recipient(SCRIPTS[kind], ChainNet.REGTEST)
    assert script_of(name, ChainNet.REGTEST) == SCRIPTS[kind]
    for other in (name[:-1], name[:-1] + "~", secret_recipient(bytes(32), ChainNet.REGTEST), ""):
        with pytest.raises(UnreadableName):
            script_of(other, ChainNet.REGTEST)
    with pytest.raises(UnreadableName):
        script_of(name, ChainNet.BITCOIN)
