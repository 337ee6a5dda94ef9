"""Is a channel_update what BOLT 7 wants of one that only the peer gets, and is its signature checked?"""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lnpd.crypto import secp
from lnpd.routing.channel_update import direction, is_disabled, is_signed_by, policy_of, signed_part, unsigned_update
from lnpd.routing.relay import RelayPolicy
from lnpd.wire.message import decode, encode
from lnpd.wire.messages import ChannelUpdate

SECRET = sha256(b"origin").digest()
ORIGIN, PEER = secp.public_key(SECRET), secp.public_key(sha256(b"peer").digest())
POLICY = RelayPolicy(1_000, 10, 80, 1, 990_000_000)


def signed(policy: RelayPolicy = POLICY, disabled: bool = False) -> ChannelUpdate:
    update = unsigned_update(policy, b"\x06" * 32, b"\x01" * 8, 1_700_000_000, ORIGIN, PEER, disabled)
    digest = sha256(sha256(signed_part(update)).digest()).digest()
    return replace(update, signature=secp.sign(SECRET, digest))


def test_flags_of_an_unannounced_channel() -> None:
    update = signed()
    assert update.message_flags == 3  # must_be_one, dont_forward
    assert update.channel_flags == direction(ORIGIN, PEER) == (0 if ORIGIN < PEER else 1)
    assert direction(ORIGIN, PEER) != direction(PEER, ORIGIN)
    assert is_disabled(signed(disabled=True)) and not is_disabled(update)
    assert policy_of(update) == POLICY


def test_the_signature_covers_every_byte_behind_it() -> None:
    data = encode(signed())
    assert is_signed_by(signed(), ORIGIN) and not is_signed_by(signed(), PEER)
    for place in range(2 + 64, len(data)):
        changed = decode(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert isinstance(changed, ChannelUpdate)
        assert not is_signed_by(changed, ORIGIN), place
    longer = decode(data + b"\x01\x01\x00")  # fields that come later are signed too
    assert isinstance(longer, ChannelUpdate)
    assert not is_signed_by(longer, ORIGIN)


@given(st.binary(min_size=64, max_size=64))
def test_any_signature_is_only_wrong(signature: bytes) -> None:
    assert not is_signed_by(replace(signed(), signature=signature), ORIGIN)
