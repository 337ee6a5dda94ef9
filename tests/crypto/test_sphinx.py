"""Are onions and returned failures those of BOLT 4, for any route, and is every altered bit refused by name?"""

from hashlib import sha256
from hmac import digest as hmac_digest
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lnpd import errors
from lnpd.crypto import secp, sphinx
from tests.vectors import load

hexed = bytes.fromhex

SESSION_KEY, PAYMENT_HASH = b"\x41" * 32, b"\x42" * 32
NODE_SECRETS = [bytes([0x41 + hop]) * 32 for hop in range(5)]
NODE_IDS = [secp.public_key(secret) for secret in NODE_SECRETS]
# BOLT 4, returning errors: what the sender of the published onion shares with its five hops.
SHARED_SECRETS = [
    hexed("53eb63ea8a3fec3b3cd433b85cd62a4b145e1dda09391b348c4e1cd36a03ea66"),
    hexed("a6519e98832a0b179f62123b3567c106db99ee37bef036e783263602f3488fae"),
    hexed("3a6b412548762f0dbccce5c7ae7bb8147d1caf9b5471c34120b30bc9c04891cc"),
    hexed("21e13c2d7cfe7e18836df50872466117a295783ab8aab0e7ecc8c725503ad02d"),
    hexed("b5756b9b542727dbafc6765a49488b023a725d631af688fc031217e90770c328"),
]

secrets = st.integers(1, secp.ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
payloads = st.one_of(st.binary(min_size=2, max_size=40), st.binary(min_size=250, max_size=300))


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def travel(onion: bytes, node_secrets: list[bytes], associated_data: bytes) -> list[sphinx.Peeled]:
    """Every node peels and passes on; only the last may find nothing to pass on."""
    peeled: list[sphinx.Peeled] = []
    for secret in node_secrets:
        peeled.append(sphinx.peel(secret, onion, associated_data))
        onion = peeled[-1].next_onion or b""
        assert len(onion) in (0, 66 + 1300, 66 + 32768)
    assert [one.next_onion is None for one in peeled] == [False] * (len(peeled) - 1) + [True]
    return peeled


# Onions


def test_an_onion_for_two_in_figures() -> None:
    onion = sphinx.build(SESSION_KEY, [(NODE_IDS[0], b"first"), (NODE_IDS[1], b"second")], PAYMENT_HASH)
    assert len(onion.packet) == sphinx.ONION_BYTES == 1366
    assert onion.packet[:34] == b"\0" + secp.public_key(SESSION_KEY)
    assert onion.shared_secrets == tuple(SHARED_SECRETS[:2])
    first, second = travel(onion.packet, NODE_SECRETS[:2], PAYMENT_HASH)
    assert (first.payload, second.payload) == (b"first", b"second")
    assert (first.shared_secret, second.shared_secret) == onion.shared_secrets


def unframed(payload: bytes) -> bytes:
    """A published payload begins with its length."""
    return payload[3:] if payload[0] == 0xFD else payload[1:]


def test_onion_vector() -> None:
    vector = load("bolt4-onion-test.json")
    generate = vector["generate"]
    hops = [(hexed(hop["pubkey"]), unframed(hexed(hop["payload"]))) for hop in generate["hops"]]
    associated_data = hexed(generate["associated_data"])
    onion = sphinx.build(hexed(generate["session_key"]), hops, associated_data)
    assert onion.packet.hex() == vector["onion"]
    assert onion.shared_secrets == tuple(SHARED_SECRETS)
    peeled = travel(onion.packet, [hexed(secret) for secret in vector["decode"]], associated_data)
    assert [one.payload for one in peeled] == [payload for _, payload in hops]
    print(f"bolt4-onion-test.json: an onion built, {len(peeled)} layers peeled")
    assert len(peeled) == 5


@settings(max_examples=40, deadline=None)
@given(secrets, st.lists(st.tuples(secrets, payloads), min_size=1, max_size=27), st.binary(max_size=32))
def test_any_route_that_fits_arrives(session: bytes, route: list[tuple[bytes, bytes]], associated_data: bytes) -> None:
    while sum(len(payload) + 35 for _, payload in route) > 1300:
        route.pop()
    hops = [(secp.public_key(secret), payload) for secret, payload in route]
    onion = sphinx.build(session, hops, associated_data)
    peeled = travel(onion.packet, [secret for secret, _ in route], associated_data)
    assert [one.payload for one in peeled] == [payload for _, payload in route]
    assert tuple(one.shared_secret for one in peeled) == onion.shared_secrets


@pytest.mark.parametrize("payloads_bytes", [sphinx.PAYLOADS_BYTES, sphinx.MESSAGE_PAYLOADS_BYTES])
@pytest.mark.parametrize("hops", [1, 2, 5])
def test_an_onion_filled_to_the_last_byte_arrives_and_one_more_is_refused(payloads_bytes: int, hops: int) -> None:
    small = [(NODE_IDS[hop], b"on") for hop in range(hops - 1)]
    room = payloads_bytes - 35 * (hops - 1) - 3 - 32
    full = [*small, (NODE_IDS[hops - 1], bytes(room))]
    onion = sphinx.build(SESSION_KEY, full, b"", payloads_bytes)
    assert len(onion.packet) == 66 + payloads_bytes
    assert travel(onion.packet, NODE_SECRETS[:hops], b"")[-1].payload == bytes(room)
    with pytest.raises(errors.OnionTooLong):
        sphinx.build(SESSION_KEY, [*small, (NODE_IDS[hops - 1], bytes(room + 1))], b"", payloads_bytes)


@pytest.mark.parametrize("length", [2, 252, 253, 254])
def test_lengths_around_the_edge_of_a_bigsize(length: int) -> None:
    onion = sphinx.build(SESSION_KEY, [(NODE_IDS[0], bytes(length)), (NODE_IDS[1], b"end")], PAYMENT_HASH)
    assert [one.payload for one in travel(onion.packet, NODE_SECRETS[:2], PAYMENT_HASH)] == [bytes(length), b"end"]


def test_the_product_with_the_node_secret_may_come_from_elsewhere() -> None:
    onion = sphinx.build(SESSION_KEY, [(NODE_IDS[0], b"first"), (NODE_IDS[1], b"second")], PAYMENT_HASH).packet
    shared = secp.ecdh(NODE_SECRETS[0], sphinx.ephemeral_key(onion))
    assert sphinx.peel_shared(shared, onion, PAYMENT_HASH) == sphinx.peel(NODE_SECRETS[0], onion, PAYMENT_HASH)


def test_what_cannot_be_an_onion_is_not_built() -> None:
    with pytest.raises(errors.OnionWithoutHops):
        sphinx.build(SESSION_KEY, [], PAYMENT_HASH)
    for short in (b"", b"1"):
        with pytest.raises(errors.OnionPayloadTooShort):
            sphinx.build(SESSION_KEY, [(NODE_IDS[0], short)], PAYMENT_HASH)
    with pytest.raises(errors.InvalidSecret):
        sphinx.build(bytes(32), [(NODE_IDS[0], b"on")], PAYMENT_HASH)
    with pytest.raises(errors.InvalidPoint):
        sphinx.build(SESSION_KEY, [(bytes(33), b"on")], PAYMENT_HASH)


# Onions that are refused

ONION = sphinx.build(SESSION_KEY, [(NODE_IDS[0], b"first"), (NODE_IDS[1], b"second")], PAYMENT_HASH).packet


@settings(max_examples=150)
@given(st.integers(0, len(ONION) * 8 - 1))
def test_one_flipped_bit_is_answered_by_its_name(bit: int) -> None:
    onion = flipped(ONION, bit)
    with pytest.raises(errors.BadOnion) as caught:
        sphinx.peel(NODE_SECRETS[0], onion, PAYMENT_HASH)
    error = caught.value
    assert error.sha256_of_onion == sha256(onion).digest()
    if bit < 8:
        assert (type(error), error.failure_code) == (errors.InvalidOnionVersion, 0x8000 | 0x4000 | 4)
    elif not secp.is_point(onion[1:34]):
        assert (type(error), error.failure_code) == (errors.InvalidOnionKey, 0x8000 | 0x4000 | 6)
    else:
        assert (type(error), error.failure_code) == (errors.InvalidOnionHmac, 0x8000 | 0x4000 | 5)


def test_another_node_or_payment_cannot_read_it() -> None:
    for secret, payment_hash in ((NODE_SECRETS[1], PAYMENT_HASH), (NODE_SECRETS[0], bytes(32)), (NODE_SECRETS[0], b"")):
        with pytest.raises(errors.InvalidOnionHmac):
            sphinx.peel(secret, ONION, payment_hash)


@pytest.mark.parametrize("length", [0, 1, 65, 66, 66 + 32769])
def test_what_has_no_length_of_an_onion_is_refused(length: int) -> None:
    with pytest.raises(errors.InvalidOnionLength):
        sphinx.peel(NODE_SECRETS[0], bytes(length), b"")


def forged(clear: bytes, size: int = 1300) -> bytes:
    """An onion whose hmac is right and whose payloads are what its sender likes."""
    keys = [sphinx._key(kind, secp.ecdh(NODE_SECRETS[0], secp.public_key(SESSION_KEY))) for kind in (b"rho", b"mu")]
    hidden = sphinx._cipher(keys[0], clear + bytes(size - len(clear)))
    hmac = hmac_digest(keys[1], hidden + PAYMENT_HASH, "sha256")
    return b"\0" + secp.public_key(SESSION_KEY) + hidden + hmac


@pytest.mark.parametrize(
    "clear",
    [
        b"\x00",
        b"\x01",
        hexed("fd0000"),
        hexed("fd0001"),
        hexed("fd00fc"),
        hexed("fd04f2"),  # 1266: one byte more than fits with its length and hmac
        hexed("fdffff"),
        hexed("fe00010000"),
        hexed("fe00000010"),
        hexed("ff0000000000000010"),
    ],
    ids=bytes.hex,
)
def test_a_payload_with_an_impossible_length_is_refused(clear: bytes) -> None:
    with pytest.raises(errors.InvalidOnionPayload):
        sphinx.peel(NODE_SECRETS[0], forged(clear), PAYMENT_HASH)


def test_the_longest_payload_that_fits_is_read() -> None:
    assert len(sphinx.peel(NODE_SECRETS[0], forged(hexed("fd04f1")), PAYMENT_HASH).payload) == 1265


@given(st.binary(min_size=1, max_size=80), st.integers(1, 80))
def test_whatever_a_sender_hides_is_a_payload_or_refused_by_name(clear: bytes, size: int) -> None:
    assume(len(clear) <= size)
    try:
        peeled = sphinx.peel(NODE_SECRETS[0], forged(clear, size), PAYMENT_HASH)
    except errors.InvalidOnionPayload:
        return
    assert 2 <= len(peeled.payload) <= size - 33


# Failures


def returned(failure_message: bytes, hop: int, fill_bytes: int = 256) -> bytes:
    packet = sphinx.build_error(SHARED_SECRETS[hop], failure_message, fill_bytes)
    for secret in reversed(SHARED_SECRETS[:hop]):
        packet = sphinx.wrap_error(secret, packet)
    return packet


def test_failure_vector() -> None:
    vector = load("bolt4-onion-error-test.json")
    generate = vector["generate"]
    assert [hop["hop_shared_secret"] for hop in generate["hops"]] == [secret.hex() for secret in SHARED_SECRETS]
    message = hexed(generate["failure_message"])
    packet = returned(message, 4)
    assert packet.hex() == vector["errorpacket"]
    assert sphinx.unwrap_error(SHARED_SECRETS, packet) == (4, message)
    print(f"bolt4-onion-error-test.json: a failure through {len(generate['hops'])} hops")
    assert len(generate["hops"]) == 5


def test_longer_failure_vector() -> None:
    vector = load("bolt4-attribution.json")
    # As published, the encoded message has its pad behind it; 320 bytes are the message.
    message = hexed(vector["encoded_failure_message"])[:320]
    assert hexed(vector["payload"]) == hexed("0140") + message + hexed("02c0") + bytes(704)
    steps: list[dict[str, Any]] = vector["hops"]
    packet = sphinx.build_error(hexed(steps[0]["shared_secret"]), message, fill_bytes=1024)
    assert packet.hex() == steps[0]["error_packet"]
    for step in steps[1:]:
        packet = sphinx.wrap_error(hexed(step["shared_secret"]), packet)
        assert packet.hex() == step["error_packet"], step["node"]
    assert sphinx.unwrap_error(SHARED_SECRETS, packet) == (vector["failure_source_node"], message)
    print(f"bolt4-attribution.json: {len(steps)} return packets of {len(packet)} bytes")
    assert (len(steps), len(packet)) == (5, 1060)


def test_a_failure_in_figures() -> None:
    packet = returned(hexed("2002"), 4)
    assert len(packet) == 292
    assert packet.hex().startswith("9c5add3963fc7f6ed7f148623c84134b5647e1306419dbe2174e523fa9e2fbed")


@given(st.binary(max_size=600), st.integers(0, 4))
def test_the_sender_reads_which_hop_failed(message: bytes, hop: int) -> None:
    packet = returned(message, hop)
    assert len(packet) == 36 + max(256, len(message))
    assert sphinx.unwrap_error(SHARED_SECRETS, packet) == (hop, message)


@given(st.integers(0, 4), st.integers(0, 292 * 8 - 1))
def test_an_altered_failure_has_no_author(hop: int, bit: int) -> None:
    with pytest.raises(errors.FailureUnreadable) as caught:
        sphinx.unwrap_error(SHARED_SECRETS, flipped(returned(b"\x20\x02", hop), bit))
    assert caught.value.hop is None


@given(st.binary(max_size=400))
def test_a_made_up_failure_has_no_author(packet: bytes) -> None:
    with pytest.raises(errors.FailureUnreadable) as caught:
        sphinx.unwrap_error(SHARED_SECRETS, packet)
    assert caught.value.hop is None


@pytest.mark.parametrize("clear", [b"", b"\0", hexed("0000"), hexed("000020"), hexed("ffff") + bytes(300)])
def test_a_hop_that_writes_nonsense_is_named(clear: bytes) -> None:
    hmac = hmac_digest(sphinx._key(b"um", SHARED_SECRETS[1]), clear, "sha256")
    packet = sphinx.wrap_error(SHARED_SECRETS[0], sphinx.wrap_error(SHARED_SECRETS[1], hmac + clear))
    with pytest.raises(errors.FailureUnreadable) as caught:
        sphinx.unwrap_error(SHARED_SECRETS, packet)
    assert caught.value.hop == 1


def test_a_dummy_round_is_nobody() -> None:
    packet = sphinx.build_error(bytes(32), b"\x20\x02")
    for secret in reversed(SHARED_SECRETS):
        packet = sphinx.wrap_error(secret, packet)
    with pytest.raises(errors.FailureUnreadable):
        sphinx.unwrap_error(SHARED_SECRETS, packet)


@pytest.mark.parametrize("hop", range(5))
def test_unwrapping_takes_27_rounds_wherever_a_hop_failed(hop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    packet, rounds, cipher = returned(b"\x20\x02", hop), [], sphinx._cipher

    def counted(key: bytes, data: bytes) -> bytes:
        rounds.append(len(data))
        return cipher(key, data)

    monkeypatch.setattr(sphinx, "_cipher", counted)
    assert sphinx.unwrap_error(SHARED_SECRETS, packet)[0] == hop
    assert rounds == [292] * 27


def test_a_failure_that_fits_no_message_is_refused() -> None:
    longest = sphinx.MAX_ERROR_PACKET_BYTES - 36
    assert len(sphinx.build_error(SHARED_SECRETS[0], bytes(longest))) == sphinx.MAX_ERROR_PACKET_BYTES
    with pytest.raises(errors.FailureTooLong):
        sphinx.build_error(SHARED_SECRETS[0], bytes(longest + 1))
    with pytest.raises(errors.FailureTooLong):
        sphinx.unwrap_error(SHARED_SECRETS, bytes(sphinx.MAX_ERROR_PACKET_BYTES + 1))


def test_no_secret_is_shown() -> None:
    onion = sphinx.build(SESSION_KEY, [(NODE_IDS[0], b"payment secret")], PAYMENT_HASH)
    assert repr(onion) == "Onion(1366 bytes, 1 hops)"
    assert repr(sphinx.peel(NODE_SECRETS[0], onion.packet, PAYMENT_HASH)) == "Peeled(14 bytes, last)"
