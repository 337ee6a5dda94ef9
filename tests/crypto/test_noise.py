"""Do handshake and transport follow BOLT 8 to the byte, and fail by name on anything else?"""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpd.crypto import secp
from lnpd.crypto.noise import (
    ACT_BYTES,
    HEADER_BYTES,
    MAX_MESSAGE_BYTES,
    TAG_BYTES,
    Direction,
    Handshake,
    Transport,
    ephemeral_key,
)
from lnpd.errors import HandshakeFailed, InvalidPoint, InvalidSecret, TransportFailed
from tests.vectors import load

hexed = bytes.fromhex

INITIATOR, INITIATOR_EPHEMERAL = b"\x11" * 32, b"\x12" * 32
RESPONDER, RESPONDER_EPHEMERAL = b"\x21" * 32, b"\x22" * 32
RESPONDER_ID = secp.public_key(RESPONDER)
ACTS = (
    hexed("00036360e856310ce5d294e8be33fc807077dc56ac80d95d9cd4ddbd21325eff73f70df6086551151f58b8afe6c195782c6a"),
    hexed("0002466d7fcae563e5cb09a0d1870bb580344804617879a14949cf22285f1bae3f276e2470b93aac583c9ef6eafca3f730ae"),
    hexed(
        "00b9e3a702e93e3a9948c2ed6e5fd7590a6e1c3a0344cfc9d5b57357049aa22355361aa02e55a8fc28fef5bd6d71ad0c3822"
        "8dc68b1c466263b47fdf31e560e139ba"
    ),
)
CHAINING_KEY = hexed("919219dbb2920afa8db80f9a51787a840bcf111ed8d588caf9ab4be716e42b01")
KEY = hexed("969ab31b4d288cedf6218839b27a3e2140827047f2c0f01bf5c04435d43511a9")
FIRST_HELLO = "cf2b30ddf0cf3f80e7c35a6e6730b59fe802473180f396d88a8fb0db8cbcf25d2f214cf9ea1d95"

secrets = st.integers(1, secp.ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
messages = st.lists(st.binary(max_size=300), max_size=12)


class Node:
    """A handshake beside the signer that it would ask."""

    def __init__(self, secret: bytes, ephemeral_secret: bytes, remote_node_id: bytes | None = None) -> None:
        self.handshake = Handshake(secp.public_key(secret), ephemeral_secret, remote_node_id)
        self.secret, self.knows_ephemeral = secret, False

    def write(self) -> bytes:
        return self.handshake.write()

    def transport(self) -> Transport:
        return self.handshake.transport()

    def read(self, act: bytes) -> None:
        static_ecdh = b"" if self.knows_ephemeral else secp.ecdh(self.secret, ephemeral_key(act))
        self.knows_ephemeral = True
        self.handshake.read(act, static_ecdh)


def initiator() -> Node:
    return Node(INITIATOR, INITIATOR_EPHEMERAL, RESPONDER_ID)


def responder() -> Node:
    return Node(RESPONDER, RESPONDER_EPHEMERAL)


def shake(one: Node, other: Node) -> tuple[Transport, Transport]:
    other.read(one.write())
    one.read(other.write())
    other.read(one.write())
    return one.transport(), other.transport()


def linked() -> tuple[Transport, Transport]:
    return shake(initiator(), responder())


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


# Handshake


def test_three_acts_of_appendix_a_without_a_warning() -> None:
    one, other = initiator(), responder()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (one.handshake.next_act_bytes, other.handshake.next_act_bytes) == (50, 50)
        assert one.write() == ACTS[0]
        other.read(ACTS[0])
        assert other.write() == ACTS[1]
        one.read(ACTS[1])
        assert one.write() == ACTS[2]
        other.read(ACTS[2])
        assert (one.handshake.next_act_bytes, other.handshake.next_act_bytes) == (0, 0)
    ours, theirs = one.transport(), other.transport()
    assert ours.remote_node_id == RESPONDER_ID
    assert theirs.remote_node_id == secp.public_key(INITIATOR)
    assert ours.encrypt(b"hello").hex() == FIRST_HELLO
    assert theirs.feed(hexed(FIRST_HELLO)) == [b"hello"]


REASONS = {
    "READ_FAILED": "ha(s|ve) .* bytes, not",
    "BAD_VERSION": "version",
    "BAD_PUBKEY": "no public key",
    "BAD_TAG": "not authentic",
    "BAD_CIPHERTEXT": "not authentic",
}


def node(case: dict[str, Any]) -> Node:
    remote = hexed(case["rs_pub"]) if case["role"] == "initiator" else None
    return Node(hexed(case["ls_priv"]), hexed(case["e_priv"]), remote)


def play(case: dict[str, Any]) -> Node:
    """Runs one published handshake; raises HandshakeFailed where it goes wrong."""
    player = node(case)
    for step in case["steps"]:
        if "input" in step:
            player.read(hexed(step["input"]))
        if "output" in step:
            assert player.write().hex() == step["output"], case["name"]
    return player


def refuse(case: dict[str, Any]) -> None:
    """A published handshake fails in the act, and for the reason, that its error names."""
    act, kind = case["error"].split("_", 1)
    with pytest.raises(HandshakeFailed, match=REASONS[kind]):
        play(case)
    if act == "ACT3":
        return
    # Asked without looking for the ephemeral key first, the handshake finds the same fault.
    player = node(case)
    if act == "ACT2":
        player.write()
    (read,) = [step["input"] for step in case["steps"] if "input" in step]
    with pytest.raises(HandshakeFailed, match=REASONS[kind]):
        player.handshake.read(hexed(read), bytes(32))


def test_handshake_vectors() -> None:
    cases = load("bolt8-transport.json")["handshake"]
    succeeded = 0
    for case in cases:
        if "error" in case:
            refuse(case)
            continue
        link = play(case).transport()
        assert link.encrypt(b"hello") == Transport(
            Direction(CHAINING_KEY, hexed(case["result"]["sk"])), Direction(CHAINING_KEY, bytes(32)), b""
        ).encrypt(b"hello")
        theirs = Direction(CHAINING_KEY, hexed(case["result"]["rk"]))
        assert link.feed(theirs.seal(b"\0\5") + theirs.seal(b"hello")) == [b"hello"]
        succeeded += 1
    print(f"bolt8-transport.json: {len(cases)} handshakes, {succeeded} of them succeed")
    assert (len(cases), succeeded) == (15, 2)


@settings(max_examples=25)
@given(secrets, secrets, secrets, secrets)
def test_any_two_nodes_meet(ours: bytes, ours_drawn: bytes, theirs: bytes, theirs_drawn: bytes) -> None:
    one = Node(ours, ours_drawn, secp.public_key(theirs))
    a, b = shake(one, Node(theirs, theirs_drawn))
    assert b.remote_node_id == secp.public_key(ours)
    assert b.feed(a.encrypt(b"there")) == [b"there"]
    assert a.feed(b.encrypt(b"and back", b"")) == [b"and back", b""]


@settings(max_examples=60)
@given(st.integers(0, 2), st.data())
def test_an_act_with_one_flipped_bit_fails_and_ends_the_handshake(act: int, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, ACT_BYTES[act] * 8 - 1))
    reader = initiator() if act == 1 else responder()
    if act == 1:
        reader.write()
    if act == 2:
        reader.read(ACTS[0])
        reader.write()
    with pytest.raises(HandshakeFailed):
        reader.read(flipped(ACTS[act], bit))
    if reader.knows_ephemeral:
        with pytest.raises(HandshakeFailed, match="over"):
            reader.read(ACTS[act])


def test_acts_out_of_turn_fail() -> None:
    with pytest.raises(HandshakeFailed):
        responder().write()
    with pytest.raises(HandshakeFailed):
        initiator().read(ACTS[1])
    with pytest.raises(HandshakeFailed):
        initiator().transport()


@pytest.mark.parametrize(
    "late",
    [Node.write, Node.transport, lambda node: node.handshake.read(b""), lambda node: node.read(ACTS[0])],
    ids=["write", "transport", "read nothing", "read act one"],
)
def test_nothing_follows_a_handshake_that_made_its_transport(late: Callable[[Node], Any]) -> None:
    for side in range(2):
        pair = initiator(), responder()
        shake(*pair)
        with pytest.raises(HandshakeFailed):
            late(pair[side])


def test_a_responder_that_is_not_who_was_called_fails() -> None:
    with pytest.raises(HandshakeFailed):
        Node(b"\x31" * 32, RESPONDER_EPHEMERAL).read(ACTS[0])


def test_keys_are_checked_before_the_first_act() -> None:
    with pytest.raises(InvalidPoint):
        Handshake(bytes(33), RESPONDER_EPHEMERAL)
    with pytest.raises(InvalidSecret):
        Handshake(RESPONDER_ID, bytes(32))
    with pytest.raises(InvalidPoint):
        Handshake(RESPONDER_ID, INITIATOR_EPHEMERAL, b"\x02" * 32)


@pytest.mark.parametrize("static_ecdh", [b"", bytes(31), bytes(32), bytes(33)])
def test_an_act_is_not_read_without_the_product_of_our_secret(static_ecdh: bytes) -> None:
    with pytest.raises(HandshakeFailed):
        responder().handshake.read(ACTS[0], static_ecdh)
    one = initiator().handshake
    one.write()
    if len(static_ecdh) == 32:
        one.read(ACTS[1], static_ecdh)  # nothing in act two depends on it: it is the responder who finds out
        other = responder()
        other.read(ACTS[0])
        other.write()
        with pytest.raises(HandshakeFailed):
            other.read(one.write())
    else:
        with pytest.raises(HandshakeFailed):
            one.read(ACTS[1], static_ecdh)


def test_no_secret_is_shown() -> None:
    one, other = linked()
    for shown in (repr(one), repr(other), repr(initiator().handshake), repr(Direction(CHAINING_KEY, KEY))):
        assert KEY.hex() not in shown
        assert repr(KEY) not in shown
        assert INITIATOR.hex() not in shown


# Transport


def test_message_vectors_in_both_directions() -> None:
    vectors = load("bolt8-transport.json")["messages"]
    plaintext, expected = hexed(vectors["plaintext"]), vectors["outputs"]
    keys = [CHAINING_KEY, KEY]
    for rotation in vectors["rotations"]:
        assert keys == [hexed(rotation["ck"]), hexed(rotation["k"])]
        keys = [hexed(rotation["ck_new"]), hexed(rotation["k_new"])]
    checked = set()
    initiator_link, responder_link = linked()
    for number in range(vectors["count"]):
        sealed = initiator_link.encrypt(plaintext)
        if str(number) in expected:
            assert sealed.hex() == expected[str(number)], number
            checked.add(number)
        assert responder_link.feed(sealed) == [plaintext]
        assert initiator_link.feed(responder_link.encrypt(plaintext)) == [plaintext]
    # Both published rotations, as states: 1000 uses of each key are 500 messages.
    fresh = Transport(Direction(*keys), Direction(*keys), RESPONDER_ID)
    assert fresh.encrypt(plaintext).hex() == expected["1000"]
    print(f"bolt8-transport.json: {len(checked)} of {vectors['count']} messages, {len(vectors['rotations'])} rotations")
    assert (len(checked), len(vectors["rotations"]), vectors["count"]) == (6, 2, 1002)


def test_each_direction_rotates_by_its_own_count() -> None:
    one, other = linked()
    for _ in range(1300):
        assert other.feed(one.encrypt(b"onwards")) == [b"onwards"]
    for _ in range(3):
        assert one.feed(other.encrypt(b"back")) == [b"back"]


def test_the_key_that_was_rotated_away_no_longer_opens() -> None:
    direction, unrotated = Direction(CHAINING_KEY, KEY), ChaCha20Poly1305(KEY)
    sealed = [direction.seal(b"x") for _ in range(1001)]
    assert sealed[0] == unrotated.encrypt(bytes(12), b"x", None)
    assert sealed[1000] != unrotated.encrypt(bytes(12), b"x", None)
    assert sealed[1000] != unrotated.encrypt(bytes(4) + (1000).to_bytes(8, "little"), b"x", None)


@given(messages, st.data())
def test_any_split_of_the_bytes_gives_the_same_messages(sent: list[bytes], data: st.DataObject) -> None:
    one, other = linked()
    stream = one.encrypt(*sent)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=20)))
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += other.feed(stream[start:end])
    assert received == sent


def test_the_longest_message_byte_by_byte() -> None:
    one, other = linked()
    longest = bytes(range(256)) * 255 + bytes(255)
    assert len(longest) == MAX_MESSAGE_BYTES
    stream = one.encrypt(longest)
    assert len(stream) == HEADER_BYTES + MAX_MESSAGE_BYTES + TAG_BYTES
    received = [other.feed(stream[place : place + 1]) for place in range(len(stream))]
    assert received[-1] == [longest]
    assert not any(received[:-1])


def test_a_message_that_is_too_long_is_refused_and_costs_no_nonce() -> None:
    one, other = linked()
    with pytest.raises(TransportFailed):
        one.encrypt(b"first", bytes(MAX_MESSAGE_BYTES + 1))
    assert other.feed(one.encrypt(b"second")) == [b"second"]


@given(messages.filter(bool), st.data())
def test_one_flipped_bit_fails_the_link_for_good(sent: list[bytes], data: st.DataObject) -> None:
    one, other = linked()
    stream = one.encrypt(*sent)
    bit = data.draw(st.integers(0, len(stream) * 8 - 1))
    with pytest.raises(TransportFailed):
        other.feed(flipped(stream, bit))
    with pytest.raises(TransportFailed):
        other.feed(one.encrypt(b"again"))


def test_a_repeated_message_fails() -> None:
    one, other = linked()
    sealed = one.encrypt(b"pay")
    assert other.feed(sealed) == [b"pay"]
    with pytest.raises(TransportFailed):
        other.feed(sealed)
