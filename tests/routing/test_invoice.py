"""Is every invoice of BOLT 11 read and written byte for byte, and each broken rule refused by its name?"""

from hashlib import sha256
from typing import Any

import msgspec
import pytest

from lnpd import errors
from lnpd.crypto import secp
from lnpd.routing import bech32, invoice
from lnpd.routing.invoice import Invoice, Sign
from lnpd.routing.invoice_fields import Fallback, HintedHop, RawField, join, write
from lnpd.wire.features import BOLT9, Features
from lnpd.wire.fields import scid_text
from tests.vectors import load

NODE_SECRET = bytes.fromhex("e126f68f7eafcc8b74f54d269fe206be715000f94dac067d1c04a8ca3b2db734")
NODE_ID = secp.public_key(NODE_SECRET)
OTHER_SECRET = b"\x42" * 32

# Of the vectors, so that a lone checkout tests something too: a donation, and one with route hints.
COFFEE = (
    "lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqc"
    "yq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3"
    "qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh"
)
BASE = Invoice(
    network="bcrt",
    timestamp_seconds=1_700_000_000,
    payment_hash=b"\x01" * 32,
    payment_secret=b"\x02" * 32,
    payee=NODE_ID,
    description="tea",
    features=Features.of(8, 14),
)

replace = msgspec.structs.replace


def sign(digest: bytes) -> tuple[bytes, int]:
    return secp.sign_recoverable(NODE_SECRET, digest)


def same_signature(fields: dict[str, Any]) -> Sign:
    """The published signature, for the one example whose key nobody knows."""
    return lambda digest: (bytes.fromhex(fields["signature"]), fields["recovery_flag"])


def forge(*fields: RawField, readable: str = "lnbcrt", signer: Sign = sign, cut: int = 0) -> str:
    """An invoice with these fields, right or wrong, signed."""
    words = bech32.words_of(1_700_000_000, 7) + b"".join(join(field) for field in fields)
    words = words[: len(words) - cut]
    bits = 5 * len(words)
    data = (bech32.number_of(words) << -bits % 8).to_bytes(-(-bits // 8), "big")
    signature, recovery_id = signer(sha256(readable.encode() + data).digest())
    return bech32.encode(readable, words + bech32.to_words(signature + bytes([recovery_id])))


P, S, D = write("p", b"\x01" * 32), write("s", b"\x02" * 32), write("d", "tea")
H, N = write("h", b"\x03" * 32), write("n", NODE_ID)


def high_s(digest: bytes) -> tuple[bytes, int]:
    signature, recovery_id = sign(digest)
    s = secp.ORDER - int.from_bytes(signature[32:], "big")
    return signature[:32] + s.to_bytes(32, "big"), recovery_id ^ 1


# Vectors


def published(fields: dict[str, Any]) -> dict[str, Any]:
    """The figures of a vector under the names of Invoice."""
    routes = tuple(
        tuple((h["pubkey"], h["scid"], h["fee_base_msat"], h["fee_ppm"], h["cltv_expiry_delta"]) for h in route)
        for route in fields.get("routes", [])
    )
    return {
        "network": fields["prefix"].removeprefix("ln"),
        "amount_msat": fields["amount_msat"],
        "timestamp_seconds": fields["timestamp"],
        "payment_hash": fields["payment_hash"],
        "payment_secret": fields["payment_secret"],
        "payee": fields["recovered_payee"],
        "description": fields.get("description"),
        "description_hash": fields.get("description_hash"),
        "payment_metadata": fields.get("metadata"),
        "expiry_seconds": fields.get("expiry", 3600),
        "min_final_cltv_expiry_delta": fields.get("min_final_cltv_expiry_delta", 18),
        "fallbacks": tuple((f["version"], f["program"]) for f in fields.get("fallbacks", [])),
        "routes": routes,
        "features": tuple(sorted(fields["features"])),
    }


def plain(decoded: Invoice) -> dict[str, Any]:
    """The same of an Invoice: bytes in hexadecimal."""
    hops = tuple(
        tuple(
            (
                h.node_id.hex(),
                scid_text(h.short_channel_id),
                h.fee_base_msat,
                h.fee_proportional_millionths,
                h.cltv_expiry_delta,
            )
            for h in route
        )
        for route in decoded.routes
    )
    values = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in msgspec.structs.asdict(decoded).items()
        if name not in ("raw", "layout")
    }
    fallbacks = tuple((f.version, f.program.hex()) for f in decoded.fallbacks)
    return values | {"routes": hops, "fallbacks": fallbacks, "features": decoded.features.bits()}


def test_valid_vectors_are_read_and_written_again() -> None:
    vectors = load("bolt11-invoices.json")
    print(f"bolt11-invoices.json: {len(vectors['valid'])} valid")
    assert len(vectors["valid"]) == 16
    assert vectors["node_privkey"] == NODE_SECRET.hex()
    for case in vectors["valid"]:
        fields = case["fields"]
        decoded = invoice.decode(case["invoice"])
        assert plain(decoded) == published(fields), case["name"]
        signer = sign if fields["recovered_payee"] == NODE_ID.hex() else same_signature(fields)
        assert (signer is sign) == (case["name"] != "high_s_recovery")
        assert invoice.encode(decoded, signer) == case["invoice"].lower(), case["name"]
        ignored = [(field.letter, len(field.words)) for field in decoded.raw]
        # The vectors say the version of a fallback, and no length.
        expected = [("f", 33) if letter == "f" else (letter, n) for letter, n in fields.get("ignored", [])]
        assert ignored == expected, case["name"]


INVALID = {
    "unknown_required_feature": errors.InvoiceFeatureUnknown,
    "bad_checksum": errors.InvoiceChecksumMismatch,
    "no_separator": errors.InvoiceNoSeparator,
    "mixed_case": errors.InvoiceMixedCase,
    "unrecoverable_signature": errors.InvoiceSignatureInvalid,
    "too_short": errors.InvoiceTooShort,
    "bad_multiplier": errors.InvoiceMultiplierUnknown,
    "sub_msat": errors.InvoiceAmountNotWholeMsat,
    "missing_payment_secret": errors.InvoiceFieldMissing,
    "high_s_with_n": errors.InvoiceSignatureHighS,
}


def test_invalid_vectors_are_refused_by_name() -> None:
    cases = load("bolt11-invoices.json")["invalid"]
    print(f"bolt11-invoices.json: {len(cases)} invalid")
    assert len(cases) == len(INVALID) == 10
    for case in cases:
        with pytest.raises(INVALID[case["decoder_error"]]):
            invoice.decode(case["invoice"])


# Reading


def test_the_coffee() -> None:
    decoded = invoice.decode(COFFEE)
    assert (decoded.amount_msat, decoded.description, decoded.expiry_seconds) == (250_000_000, "1 cup coffee", 60)
    assert (decoded.payee, decoded.layout) == (NODE_ID, "spdx9")
    assert invoice.encode(decoded, sign) == COFFEE


@pytest.mark.parametrize(
    "text", [COFFEE.upper(), f"  {COFFEE}\n", f"lightning:{COFFEE}", f"LIGHTNING:{COFFEE.upper()}"]
)
def test_forms_in_which_people_hand_invoices_around(text: str) -> None:
    assert invoice.decode(text) == invoice.decode(COFFEE)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ((S, D), errors.InvoiceFieldMissing),
        ((P, D), errors.InvoiceFieldMissing),
        ((P, S), errors.InvoiceFieldMissing),
        ((P, S, D, H), errors.InvoiceTwoDescriptions),
        ((RawField("p", bytes(51)), S, D), errors.InvoiceFieldMissing),
        ((RawField("p", b"\x1f" * 52), S, D), errors.InvoiceFieldPadding),
        ((P, S, RawField("d", bytes([8, 8, 8, 9]))), errors.InvoiceFieldPadding),
        ((P, S, RawField("d", bech32.to_words(b"\xff\xfe"))), errors.InvoiceDescriptionNotText),
        ((P, S, D, RawField("x", b"\x00\x01")), errors.InvoiceFieldNotMinimal),
        ((P, S, D, RawField("c", b"\x00\x01")), errors.InvoiceFieldNotMinimal),
        ((P, S, D, RawField("9", b"\x00\x01")), errors.InvoiceFieldNotMinimal),
        ((P, S, D, RawField("x", b"\x1f" * 1023)), errors.InvoiceNumberTooLarge),
        ((P, S, D, RawField("c", b"\x1f" * 7)), errors.InvoiceNumberTooLarge),
        ((P, S, D, RawField("r", b"")), errors.InvoiceRouteMalformed),
        ((P, S, D, RawField("r", bech32.to_words(bytes(50)))), errors.InvoiceRouteMalformed),
        ((P, S, D, RawField("r", bech32.to_words(bytes(51)))), errors.InvoiceRouteMalformed),
        ((P, S, D, RawField("f", b"\x00" + bech32.to_words(bytes(21)))), errors.InvoiceFallbackMalformed),
        ((P, S, D, RawField("f", b"\x11" + bech32.to_words(bytes(32)))), errors.InvoiceFallbackMalformed),
        ((P, S, D, RawField("f", b"\x01" + bech32.to_words(bytes(41)))), errors.InvoiceFallbackMalformed),
        ((P, S, D, write("n", secp.public_key(OTHER_SECRET))), errors.InvoiceSignatureInvalid),
        ((P, S, D, write("n", bytes(33))), errors.InvoiceSignatureInvalid),
        ((P, S, D, write("9", Features.of(8, 14, 100))), errors.InvoiceFeatureUnknown),
    ],
)
def test_each_broken_rule_has_its_error(fields: tuple[RawField, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        invoice.decode(forge(*fields))


def test_a_field_that_is_cut() -> None:
    for cut in (1, 3, 5, 6, 7):  # within the data, the length, and between letter and length
        with pytest.raises(errors.InvoiceFieldCut):
            invoice.decode(forge(P, S, write("d", "tea"), cut=cut))


def test_high_s_is_accepted_only_where_the_payee_is_recovered() -> None:
    assert invoice.decode(forge(P, S, D, signer=high_s)).payee == NODE_ID
    with pytest.raises(errors.InvoiceSignatureHighS):
        invoice.decode(forge(P, S, D, N, signer=high_s))


def test_the_recovery_id_means_nothing_beside_the_payees_name() -> None:
    def other_id(digest: bytes) -> tuple[bytes, int]:
        signature, recovery_id = sign(digest)
        return signature, recovery_id ^ 1

    assert invoice.decode(forge(P, S, D, N, signer=other_id)).payee == NODE_ID
    assert invoice.decode(forge(P, S, D, signer=other_id)).payee != NODE_ID


def test_fields_that_a_reader_passes_over_are_kept() -> None:
    skipped = (
        RawField("y", b"\x01\x02"),
        RawField("f", b"\x13" + bytes(5)),
        RawField("9", b""),
        RawField("n", b"\x01"),
    )
    second = write("d", "coffee")
    text = forge(P, *skipped, S, D, second)
    decoded = invoice.decode(text)
    assert decoded.raw == (*skipped, second)
    assert (decoded.description, decoded.layout) == ("tea", "p????sd?")
    assert invoice.encode(decoded, sign) == text


def test_unknown_odd_features_are_kept() -> None:
    assert invoice.decode(forge(P, S, D, write("9", Features.of(8, 14, 99, 5001)))).features.bits() == (8, 14, 99, 5001)


def test_a_plugins_features_may_be_required() -> None:
    table = BOLT9.with_features("tips", ["feature,300,tips,9,tip_jar", "feature,302,tip_jar,9"])
    text = forge(P, S, D, write("9", Features.of(8, 14, 300, 302)))
    with pytest.raises(errors.InvoiceFeatureUnknown, match="300"):
        invoice.decode(text)
    assert invoice.encode(invoice.decode(text, table), sign, table) == text
    with pytest.raises(errors.InvoiceFeatureDependency, match="tip_jar"):
        invoice.decode(forge(P, S, D, write("9", Features.of(8, 14, 300))), table)


def test_a_timestamp_and_an_expiry_make_an_end() -> None:
    waiting = replace(BASE, timestamp_seconds=1000, expiry_seconds=60)
    assert [invoice.is_expired(waiting, now) for now in (0, 1000, 1060, 1061)] == [False, False, False, True]


# Writing


def test_a_new_invoice_names_what_the_payer_must_know() -> None:
    text = invoice.encode(replace(BASE, amount_msat=250_000_000), sign)
    decoded = invoice.decode(text)
    assert text.startswith("lnbcrt2500u1")
    assert decoded == replace(BASE, amount_msat=250_000_000, layout="psdxc9")


def test_what_the_layout_lacks_is_written_all_the_same() -> None:
    rich = replace(
        BASE,
        layout="",
        expiry_seconds=5,
        fallbacks=(Fallback(0, bytes(20)), Fallback(18, bytes(20))),
        raw=(RawField("y", b"\x01"),),
    )
    decoded = invoice.decode(invoice.encode(rich, sign))
    assert replace(decoded, layout="") == rich
    assert sorted(decoded.layout) == sorted("psdxff9?")


def test_the_payee_is_named_if_the_layout_says_so() -> None:
    text = invoice.encode(replace(BASE, layout="pnsd9"), sign)
    assert invoice.decode(text).layout == "pnsd9"
    assert len(text) == len(invoice.encode(replace(BASE, layout="psd9"), sign)) + 56


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"description": None}, errors.InvoiceFieldMissing),
        ({"description_hash": bytes(32)}, errors.InvoiceTwoDescriptions),
        ({"description": "x" * 640}, errors.InvoiceFieldTooLong),
        ({"description": "\ud800"}, errors.InvoiceDescriptionNotText),
        ({"payment_metadata": bytes(640)}, errors.InvoiceFieldTooLong),
        ({"payment_hash": bytes(31)}, errors.InvoiceFieldLength),
        ({"payment_secret": bytes(33)}, errors.InvoiceFieldLength),
        ({"expiry_seconds": -1}, errors.InvoiceNumberTooLarge),
        ({"expiry_seconds": 2**64}, errors.InvoiceNumberTooLarge),
        ({"min_final_cltv_expiry_delta": 2**32}, errors.InvoiceNumberTooLarge),
        ({"timestamp_seconds": 2**35}, errors.InvoiceNumberTooLarge),
        ({"timestamp_seconds": -1}, errors.InvoiceNumberTooLarge),
        ({"amount_msat": 0}, errors.InvoiceAmountMalformed),
        ({"network": "xx"}, errors.InvoiceNetworkUnknown),
        ({"fallbacks": (Fallback(17, bytes(21)),)}, errors.InvoiceFallbackMalformed),
        ({"fallbacks": (Fallback(19, bytes(20)),)}, errors.InvoiceFallbackMalformed),
        ({"routes": ((),)}, errors.InvoiceRouteMalformed),
        ({"routes": ((HintedHop(NODE_ID, bytes(8), 2**32, 0, 0),),)}, errors.InvoiceNumberTooLarge),
        ({"routes": ((HintedHop(NODE_ID, bytes(7), 0, 0, 0),),)}, errors.InvoiceRouteMalformed),
        ({"routes": ((HintedHop(bytes(33), bytes(8), 0, 0, 0),),)}, errors.InvoiceRouteMalformed),
        ({"routes": ((HintedHop(NODE_ID, bytes(8), 0, 0, 0),) * 13,)}, errors.InvoiceFieldTooLong),
        ({"features": Features.of(8, 14, 5115)}, errors.InvoiceFieldTooLong),
        ({"features": Features.of(8, 14, 100)}, errors.InvoiceFeatureUnknown),
        ({"fallbacks": (Fallback(1, bytes(32)),) * 130}, errors.InvoiceTooLong),
        ({"payee": secp.public_key(OTHER_SECRET)}, errors.InvoiceSignerMismatch),
        ({"payee": secp.public_key(OTHER_SECRET), "layout": "psdn9"}, errors.InvoiceSignatureInvalid),
    ],
)
def test_what_cannot_be_written(changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        invoice.encode(replace(BASE, **changes), sign)


def test_a_field_that_is_too_long_is_named_as_a_person_would() -> None:
    for name in ("description", "payment_metadata"):
        value = "x" * 640 if name == "description" else bytes(640)
        with pytest.raises(errors.InvoiceFieldTooLong, match=f"^The {name.replace('_', ' ')} is longer than the 639"):
            invoice.encode(replace(BASE, **{name: value}), sign)


@pytest.mark.parametrize("text", ["lnbc1" + "q" * 7085, "ln" * 4000, "lnbc" + "9" * 7079 + "1qqqqqq"])
def test_length_is_bounded(text: str) -> None:
    with pytest.raises(errors.InvoiceTooLong):
        invoice.decode(text)
