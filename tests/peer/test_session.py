"""Does a session let through what BOLT 8 and BOLT 1 allow, and end at everything else?"""

from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd import errors
from lnpd.crypto import secp
from lnpd.crypto.noise import Framing
from lnpd.errors import LnpdError
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.peer.greeting import OFFERED, Greeting, Records
from lnpd.peer.outputs import Authenticated, Close, Deliver, Initialised, NeedEcdh, Output, Write
from lnpd.peer.session import Session, Stage
from lnpd.wire.features import Features
from lnpd.wire.message import encode
from lnpd.wire.messages import (
    ChannelReady,
    Error,
    Extension,
    Init,
    InitTlvs,
    OnionMessage,
    PeerStorage,
    Ping,
    Pong,
    SpliceLocked,
    Stfu,
    TxAbort,
    Warning,
)
from tests.peer.ends import ALICE, BOB, CAROL, EPHEMERALS, REGTEST, End, closed_by, connected, raw, talk

READY = ChannelReady(channel_id=bytes(32), second_per_commitment_point=secp.public_key(BOB))
REGTEST_CHAIN, MAINNET = CHAIN_HASHES["regtest"], CHAIN_HASHES["bitcoin"]


# The way to an open link


@pytest.mark.parametrize("chunk", [1, 7, 50, 66, 1 << 20])
def test_two_ends_prove_who_they_are_and_exchange_init(chunk: int) -> None:
    alice, bob = connected(chunk)
    for end, other in ((alice, bob), (bob, alice)):
        authenticated, initialised = end.outputs
        assert authenticated == Authenticated(other.node_id)
        assert isinstance(initialised, Initialised) and initialised.agreement.offered == OFFERED
        assert end.session.stage is Stage.OPEN


def test_messages_of_one_read_come_in_order_each_whole() -> None:
    alice, bob = connected()
    messages = [Warning(channel_id=bytes(32), data=bytes([n]) * n) for n in range(100)]
    alice.say(*messages)
    talk(alice, bob, chunk=1000)
    assert bob.all(Deliver) == [Deliver(message) for message in messages]


def test_a_whole_message_follows_act_three_at_once() -> None:
    """An initiator may write act three and init together; the responder has not admitted it yet."""
    alice, bob = End(ALICE, to=BOB), End(BOB)
    bob.admitting = False
    alice.take(alice.session.start())
    talk(alice, bob)
    assert bob.outputs == [Authenticated(alice.node_id)], "init waits for the answer"
    bob.take(bob.session.admit(1.0))
    talk(alice, bob)
    assert [len(end.all(Initialised)) for end in (alice, bob)] == [1, 1]


def test_the_node_key_is_asked_for_once_with_the_point_of_the_first_act_read() -> None:
    alice, bob = End(ALICE, to=BOB), End(BOB)
    (write,) = alice.session.start()
    assert isinstance(write, Write)
    (asked,) = bob.session.receive(write.data, 0.0)
    assert asked == NeedEcdh(secp.public_key(EPHEMERALS[ALICE])) == NeedEcdh(write.data[1:34])
    act_two, *rest = bob.session.ecdh(secp.ecdh(BOB, write.data[1:34]), 0.0)
    assert isinstance(act_two, Write) and not rest
    (asked,) = alice.session.receive(act_two.data, 0.0)
    assert asked == NeedEcdh(secp.public_key(EPHEMERALS[BOB]))


def test_framing_is_a_parameter() -> None:
    alice, bob = connected(framing=Framing(length_bytes=3, max_message_bytes=1 << 18))
    before = len(alice.sent)
    alice.say(READY)
    assert len(alice.sent) - before == 3 + 16 + len(encode(READY)) + 16
    talk(alice, bob)
    assert bob.all(Deliver) == [Deliver(READY)]


def test_a_message_over_the_frames_limit_ends_the_link_before_it_is_buffered() -> None:
    alice, bob = connected(framing=Framing(length_bytes=3, max_message_bytes=100))
    alice.session._transport._framing = Framing(3, 1 << 20)  # type: ignore[union-attr]  # a peer that keeps no limit
    raw(alice, bytes(101))
    talk(alice, bob)
    assert isinstance(closed_by(bob), errors.TransportFailed)


# Who is refused in the handshake


def test_a_wrong_node_id_never_gets_an_answer_and_hanging_up_then_is_named() -> None:
    alice, bob = End(ALICE, to=CAROL), End(BOB)
    alice.take(alice.session.start())
    talk(alice, bob)
    assert isinstance(closed_by(bob), errors.HandshakeFailed) and not bob.sent
    assert isinstance(alice.session.lost(), errors.WrongNodeId)
    assert secp.public_key(CAROL).hex() in str(alice.session.lost())


def test_what_it_means_that_the_other_end_hangs_up() -> None:
    stages: list[type[LnpdError]] = []
    alice, bob = End(ALICE, to=BOB), End(BOB)
    bob.admitting = alice.admitting = False
    stages += [type(alice.session.lost()), type(bob.session.lost())]
    alice.take(alice.session.start())
    talk(alice, bob)
    stages += [type(alice.session.lost()), type(bob.session.lost())]
    alice.take(alice.session.admit(0.0))
    stages.append(type(alice.session.lost()))
    bob.take(bob.session.admit(0.0))
    talk(alice, bob)
    stages += [type(alice.session.lost()), type(bob.session.lost())]
    lost, refused = errors.ConnectionLost, errors.PeerRefused
    assert stages == [errors.WrongNodeId, lost, refused, refused, refused, lost, lost]


def test_a_stranger_may_not_fill_memory_while_we_think() -> None:
    bob = End(BOB)
    act_one = Session(REGTEST, secp.public_key(ALICE), EPHEMERALS[ALICE], 0.0, remote_node_id=bob.node_id).start()
    (write,) = act_one
    assert isinstance(write, Write)
    bob.outputs += bob.session.receive(write.data, 0.0)
    bob.outputs += bob.session.receive(bytes(60_000), 0.0)
    assert bob.session.stage is Stage.ECDH
    bob.outputs += bob.session.receive(bytes(60_000), 0.0)
    assert isinstance(closed_by(bob), errors.HandshakeFailed)


def test_our_own_refusal_before_init_is_silent() -> None:
    alice, bob = End(ALICE, to=BOB), End(BOB)
    bob.admitting = False
    alice.take(alice.session.start())
    talk(alice, bob)
    bob.take(bob.session.close(errors.PeerTurnedAway("no"), Error(channel_id=bytes(32), data=b"no")))
    assert not bob.sent, "BOLT 1: nothing is sent before the peer's init came"
    assert isinstance(closed_by(bob), errors.PeerTurnedAway)
    assert bob.session.receive(b"more", 0.0) == []
    assert bob.session.close(errors.PeerTurnedAway("twice")) == []


# init


def init(*bits: int, **tlvs: object) -> Init:
    return Init(globalfeatures=b"", features=Features.of(*bits).to_bytes(), tlvs=InitTlvs(**tlvs))  # type: ignore[arg-type]


GOOD = (0, 8, 12, 14, 23, 45)
INITS: dict[str, tuple[Init, type[LnpdError] | None, str]] = {
    "ours": (REGTEST.init(), None, ""),
    "LDK 0.1": (init(0, 8, 12, 14, 5, 17, 19, 25, 27, 45, 47, 51, 23, networks=(REGTEST_CHAIN,)), None, ""),
    "CLN": (init(0, 8, 12, 14, 44, 5, 7, 11, 17, 19, 23, 25, 27, 35, 39, 43, 47, 51, 63), None, ""),
    "Electrum's wallet": (init(0, 8, 12, 14, 22, 44, 17, 19, 27, 47, 5, 151), None, ""),
    "nothing but what is assumed": (init(), None, ""),
    "one chain of two": (init(*GOOD, networks=(MAINNET, REGTEST_CHAIN)), None, ""),
    "unknown odd bit": (init(*GOOD, 1001), None, ""),
    "global features count too": (Init(globalfeatures=b"\x20\x00", features=b"", tlvs=InitTlvs()), None, ""),
    "wrong chain": (init(*GOOD, networks=(MAINNET,)), errors.NoCommonChain, "on regtest, you are on bitcoin"),
    "no chain": (init(*GOOD, networks=()), errors.NoCommonChain, "no chain"),
    "nameless chain": (init(networks=(bytes(31) + b"\1",)), errors.NoCommonChain, "000001"),
    "unknown even bit": (init(*GOOD, 1000), errors.UnknownEvenFeature, "1000"),
    "unknown even global bit": (
        Init(globalfeatures=b"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", features=b"", tlvs=InitTlvs()),
        errors.UnknownEvenFeature,
        "96",
    ),
    "requires what we lack": (init(*GOOD, 62), errors.FeatureRequiredByPeer, "option_splice"),
    "zeroconf without alias": (init(*GOOD, 51), errors.MissingFeatureDependency, "option_scid_alias"),
}  # fmt: skip


@pytest.mark.parametrize("case", INITS)
def test_init(case: str) -> None:
    message, error, words = INITS[case]
    alice, bob = End(ALICE, Saying(REGTEST_CHAIN, message=message), to=BOB), End(BOB)
    alice.take(alice.session.start())
    talk(alice, bob)
    if error is None:
        assert len(bob.all(Initialised)) == 1 and not bob.all(Close)
        return
    assert isinstance(closed_by(bob), error)
    assert words in str(closed_by(bob))
    (said,) = [output.message for output in alice.outputs if isinstance(output, Deliver)]
    assert isinstance(said, Warning), "an error for all channels would have to fail them"
    assert said.data.decode() == str(closed_by(bob)) and said.channel_id == bytes(32)


class Saying(Greeting, frozen=True, kw_only=True):
    """A greeting with an init that is not ours."""

    message: Init

    def init(self, remote_addr: bytes = b"", records: Records = ()) -> Init:
        return self.message


def connected_until_init() -> tuple[End, End]:
    """Bob waits for the init of Alice, who says nothing yet."""
    alice, bob = End(ALICE, to=BOB), End(BOB)
    alice.take(alice.session.start())
    alice.admitting = False
    talk(alice, bob)
    assert (alice.session.stage, bob.session.stage) == (Stage.ADMISSION, Stage.INIT)
    return alice, bob


def test_features_that_we_require_are_asked_for_by_name() -> None:
    greeting = Greeting(REGTEST_CHAIN, Features.of(0, 8, 12, 14, 22, 44))
    alice, bob = End(ALICE, Greeting(REGTEST_CHAIN, Features.of(1, 9, 13, 15, 45)), to=BOB), End(BOB, greeting)
    alice.take(alice.session.start())
    talk(alice, bob)
    assert isinstance(closed_by(bob), errors.FeatureRequiredByUs)
    assert "option_anchors" in str(closed_by(bob))


def test_extensions_and_address_of_an_init_are_agreed() -> None:
    offered = (Extension(name="lockbox", format=1), Extension(name="rgb", format=3))
    alice = End(ALICE, Greeting(REGTEST_CHAIN, extensions=offered), to=BOB)
    bob = End(BOB, remote_addr=b"\x01\x01\x02\x03\x04\x26\x07")
    alice.take(alice.session.start())
    talk(alice, bob)
    (of_bob,), (of_alice,) = alice.all(Initialised), bob.all(Initialised)
    assert isinstance(of_bob, Initialised) and isinstance(of_alice, Initialised)
    assert of_alice.agreement.extensions == offered and of_bob.agreement.extensions == ()
    assert of_bob.agreement.remote_addr == b"\x01\x01\x02\x03\x04\x26\x07" and of_alice.agreement.remote_addr == b""


@pytest.mark.parametrize(
    ("first", "error"),
    [
        (encode(READY), errors.InitMissing),
        (encode(Ping(num_pong_bytes=1, ignored=b"")), errors.InitMissing),
        (encode(Error(channel_id=bytes(32), data=b"go \xff away")), errors.PeerRefused),
        (b"\xff\xfe", errors.UnknownEvenMessage),
        (encode(REGTEST.init())[:-1], errors.Truncated),
        (b"\0", errors.Truncated),
    ],
)
def test_what_comes_instead_of_init_ends_the_link_in_silence(first: bytes, error: type[LnpdError]) -> None:
    alice, bob = connected_until_init()
    sealed = alice.session._transport.encrypt(b"\xff\xff ignored", first)  # type: ignore[union-attr]
    bob.take(bob.session.receive(sealed, 0.0))
    assert isinstance(closed_by(bob), error) and not bob.sent
    if error is errors.PeerRefused:
        assert str(closed_by(bob)).endswith(": go \\xff away")


# Messages of an open link


SPOKEN: dict[str, tuple[bytes, type[LnpdError] | None, int]] = {
    "a channel's": (encode(READY), None, 1),
    "error": (encode(Error(channel_id=bytes(32), data=b"x")), None, 1),
    "warning": (encode(Warning(channel_id=bytes(32), data=b"x")), None, 1),
    "negotiated": (encode(Stfu(channel_id=bytes(32), initiator=1)), None, 1),
    "unknown odd": (b"\x80\x01 anything", None, 0),
    "unknown even": (b"\x80\x00 anything", errors.UnknownEvenMessage, 0),
    "cut": (encode(READY)[:-1], errors.Truncated, 0),
    "empty": (b"", errors.Truncated, 0),
    "one byte": (b"\0", errors.Truncated, 0),
    "init again": (encode(REGTEST.init()), errors.InitRepeated, 0),
    "odd, not negotiated": (encode(PeerStorage(blob=b"x")), None, 0),
    "odd of onions": (encode(OnionMessage(path_key=bytes([2]) * 33, onion_message_packet=b"")), None, 0),
    "odd of splicing": (encode(SpliceLocked(channel_id=bytes(32), splice_txid=bytes(32))), None, 0),
    "even, not negotiated": (encode(TxAbort(channel_id=bytes(32), data=b"")), errors.FeatureNotNegotiated, 0),
    "unexpected pong": (encode(Pong(ignored=b"")), errors.UnexpectedPong, 0),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOKEN)
def test_a_message_on_an_open_link(case: str) -> None:
    data, error, delivered = SPOKEN[case]
    alice, bob = connected()
    raw(alice, data)
    talk(alice, bob)
    assert len(bob.all(Deliver)) == delivered
    if error is None:
        assert not bob.all(Close)
        return
    assert isinstance(closed_by(bob), error)
    assert [type(output.message) for output in alice.outputs if isinstance(output, Deliver)] == [Warning]


def test_what_came_before_a_broken_message_is_delivered_and_nothing_after() -> None:
    alice, bob = connected()
    raw(alice, encode(READY), b"\x80\x00", encode(READY))
    talk(alice, bob)
    assert [type(output) for output in bob.outputs[2:]] == [Deliver, Close]


def test_altered_bytes_end_the_link() -> None:
    alice, bob = connected()
    alice.say(READY)
    alice.sent = alice.sent[:-1] + bytes([alice.sent[-1] ^ 1])
    talk(alice, bob)
    assert isinstance(closed_by(bob), errors.TransportFailed) and not bob.all(Deliver)


def test_the_last_message_may_be_the_callers() -> None:
    alice, bob = connected()
    mine = Error(channel_id=sha256(b"channel").digest(), data=b"closing")
    bob.take(bob.session.close(errors.ConnectionClosed("closing"), mine))
    talk(alice, bob)
    assert alice.all(Deliver) == [Deliver(mine)]
    with pytest.raises(errors.PeerNotConnected):
        bob.session.send(encode(READY))


# Whatever comes


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data cut at these places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in pairwise(places)]


def stage_acts() -> End:
    return End(BOB)


def stage_initiator() -> End:
    alice = End(ALICE, to=BOB)
    alice.take(alice.session.start())
    return alice


def stage_waiting() -> End:
    bob = End(BOB)
    bob.admitting = False
    alice = End(ALICE, to=BOB)
    alice.take(alice.session.start())
    talk(alice, bob)
    return bob


def stage_init() -> End:
    return connected_until_init()[1]


def stage_open() -> End:
    return connected()[1]


@pytest.mark.parametrize("stage", [stage_acts, stage_initiator, stage_waiting, stage_init, stage_open])
@given(data=st.binary(min_size=70, max_size=300), cuts=st.lists(st.integers(0, 300), max_size=6))
def test_any_bytes_at_any_stage_end_in_close_or_wait(stage: Callable[[], End], data: bytes, cuts: list[int]) -> None:
    end = stage()
    for chunk in chunks(data, cuts):
        end.take(end.session.receive(chunk, 0.0))
    if stage is stage_waiting:
        assert end.session.stage is Stage.ADMISSION
        end.take(end.session.admit(0.0))
    assert isinstance(closed_by(end), LnpdError), "70 random bytes are neither an act nor a message"


@given(message=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=6), first=st.booleans())
def test_any_message_is_delivered_ignored_or_the_end(message: bytes, cuts: list[int], first: bool) -> None:
    alice, bob = connected_until_init() if first else connected()
    sealed = alice.session._transport.encrypt(message)  # type: ignore[union-attr]
    for chunk in chunks(sealed, cuts):
        bob.take(bob.session.receive(chunk, 0.0))
    assert len(bob.all(Close)) == (bob.session.stage is Stage.CLOSED)
    outcomes: list[Output] = bob.outputs[1 if first else 2 :]
    assert len(outcomes) <= 1
