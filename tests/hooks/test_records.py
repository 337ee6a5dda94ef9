"""Is each plugin shown its own records, of no more than a message may carry, and is every carrier what it says?"""

import pytest

from lnpd.errors import UnknownEvenTlv
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.records import CARRIERS, PAYLOAD, Received
from lnpd.wire.catalogue import CORE, Catalogue
from lnpd.wire.codec import Codec
from lnpd.wire.tlv import join


def rows(*streams: str) -> Catalogue:
    """Those of two plugins."""
    found = CORE
    for owner, number in (("eye", 70001), ("ear", 70003)):
        text = "\n".join(f"tlv_stream,{name}\ntype,{number},{owner}_note\ndata,...*byte,note" for name in streams)
        found = found.with_rows(owner, text)
    return found


@pytest.mark.parametrize("name", CARRIERS)
def test_a_carrier_has_its_stream_and_its_hooks(name: str) -> None:
    carrier, kinds = CARRIERS[name], Hooks().kinds
    assert carrier.stream in CORE.streams
    assert name == PAYLOAD or CORE.messages[name].stream == carrier.stream
    assert kinds[carrier.asked].answer == dict[str, str] | str | None
    for hook in carrier.shown:
        assert {"records", "htlc_records"} & kinds[hook].fields.keys(), hook


def test_the_carriers_are_those_of_the_contract() -> None:
    assert len(CARRIERS) == 10
    assert CARRIERS["payload"].asked == "onion_payload"


@pytest.mark.parametrize("name", CARRIERS)
def test_who_is_shown_what(name: str) -> None:
    """Its own; of the payload also those of nobody's, which payers and payees agree upon elsewhere."""
    catalogue = rows(CARRIERS[name].stream)
    came = Received(name, ((70001, b"\1"), (70003, b"\2"), (70005, b"\3")))
    others = {"70005": "03"} if name == PAYLOAD else {}
    assert came.shown("eye", catalogue) == {"70001": "01", **others}
    assert came.shown("ear", catalogue) == {"70003": "02", **others}
    assert came.shown("mouth", catalogue) == others


@pytest.mark.parametrize("name", ["commitment_signed", "update_fee"])
def test_too_much_is_not_shown(name: str) -> None:
    """Of whatever message, one too that this node adds nothing to."""
    most = CARRIERS[name].most_bytes if name in CARRIERS else 4_000
    for length, found in ((most, {"70001": "00" * most}), (most + 1, {})):
        assert Received(name, ((70001, bytes(length)),)).shown("eye", rows(f"{name}_tlvs")) == found


@pytest.mark.parametrize("name", CARRIERS)
def test_what_no_rows_know_is_kept_if_it_is_odd_and_refused_if_it_is_even(name: str) -> None:
    """By a connection's codec (BOLT 1); what is stored was read by one, and its plugin may be gone since."""
    stream = CARRIERS[name].stream
    one = CORE.with_rows("eye", f"tlv_stream,{stream}\ntype,70003,a_note\ndata,byte,note")
    strict, lenient = (Codec(one, each)._stream(stream)[1] for each in (False, True))
    odd, even = join([(70001, b"\1")]), join([(70002, b"\1"), (70003, b"\2")])
    assert strict.read(odd, 0, len(odd))[0].unknown == ((70001, b"\1"),)
    with pytest.raises(UnknownEvenTlv, match=f"{stream}: TLV type 70002"):
        strict.read(even, 0, len(even))
    kept = lenient.read(even, 0, len(even))[0]
    assert (kept.unknown, lenient.write(kept)) == (((70002, b"\1"), (70003, b"\2")), even)
