"""Which words of a command line are addresses of peers?"""

import pytest

from lnpd.errors import ParameterRefused
from lnpd.rpc.kinds import read_word

NODE_ID = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"


@pytest.mark.parametrize("at", ["", "@127.0.0.1:9735", "@example.org:1", "@example.org", "@[::1]:9735", "@[::1]"])
def test_a_node_id_is_an_address_with_and_without_a_place(at: str) -> None:
    assert read_word("address", "peer_address", NODE_ID + at) == NODE_ID + at


@pytest.mark.parametrize(
    "word", [NODE_ID[:5], NODE_ID[:-2] + "@a", "127.0.0.1:9735", f"{NODE_ID}@", f"{NODE_ID}@a:b", f"04{NODE_ID[2:]}"]
)
def test_what_is_no_address_is_told_how_one_is_written(word: str) -> None:
    with pytest.raises(ParameterRefused, match="node_id@host:port, or the node id alone"):
        read_word("address", "peer_address", word)
