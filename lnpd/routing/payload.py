"""What does an onion tell one hop (BOLT 4, payload format), and which record is at fault if it cannot be read?

The stream's records are rows of the wire catalogue, and a payload is its `Payload`; a plugin's records ride in
`unknown`. What is refused here says where: invalid_onion_payload reports type and offset to the payer.
"""

from typing import Final

from lnpd.errors import InvalidOnionPayload, WireError
from lnpd.wire.catalogue import CORE
from lnpd.wire.message import CODEC, Codec
from lnpd.wire.messages import Payload, PaymentData
from lnpd.wire.tlv import spans

# All hops of an onion share this many bytes (BOLT 4, packet structure).
MAX_PAYLOAD_BYTES: Final = 1300


def decode(data: bytes, codec: Codec = CODEC) -> Payload:
    """The payload in these bytes, which are without their length; odd records that nobody knows are in `unknown`.

    codec: of the catalogue with the plugins' records, whose even types are then understood. Raises InvalidOnionPayload.
    """
    if len(data) > MAX_PAYLOAD_BYTES:
        raise InvalidOnionPayload(f"A payload of {len(data)} bytes fits into no onion.")
    try:
        return codec.decode_tlvs(Payload, data)
    except WireError as error:
        tlv_type, offset = _culprit(data, codec)
        raise InvalidOnionPayload(f"The payload cannot be read at byte {offset}: {error}", tlv_type, offset) from error


def encode(payload: Payload, codec: Codec = CODEC) -> bytes:
    """The bytes of a payload without their length; raises Unencodable, InvalidOnionPayload if they are too many."""
    data = codec.encode_tlvs(payload)
    if len(data) > MAX_PAYLOAD_BYTES:
        raise InvalidOnionPayload(f"A payload of {len(data)} bytes fits into no onion.")
    return data


def for_final_node(
    amount_msat: int,
    cltv_expiry: int,
    payment_secret: bytes,
    total_msat: int | None = None,
    payment_metadata: bytes | None = None,
) -> Payload:
    """What the payee is told (BOLT 4, Payload for the Last Node). total_msat: of all parts, this one's if None."""
    return Payload(
        amt_to_forward=amount_msat,
        outgoing_cltv_value=cltv_expiry,
        payment_data=PaymentData(
            payment_secret=payment_secret, total_msat=amount_msat if total_msat is None else total_msat
        ),
        payment_metadata=payment_metadata,
    )


def for_hop(amount_msat: int, cltv_expiry: int, short_channel_id: bytes) -> Payload:
    """What a node in the middle is told: to send this amount, with this expiry, over this channel (BOLT 4)."""
    return Payload(amt_to_forward=amount_msat, outgoing_cltv_value=cltv_expiry, short_channel_id=short_channel_id)


def require(payload: Payload, name: str) -> int:
    """The number in a record that must be there; raises InvalidOnionPayload with the type that is missing."""
    value = getattr(payload, name)
    if not isinstance(value, int):
        raise InvalidOnionPayload(f"The payload has no {name}.", record_type(name))
    return value


def record_type(name: str) -> int:
    """The TLV type of a record of BOLT 4's payload."""
    row = CORE.record(Payload.NAME, name)
    assert row is not None, f"{name} is no record of a payload"
    return row.number


def _culprit(data: bytes, codec: Codec) -> tuple[int, int]:
    """Type and offset of the first record that cannot be read; type 0 if the stream breaks off there."""
    offset = 0
    try:
        for tlv_type, _, end in spans(data, 0, len(data)):
            if not _is_readable(data[offset:end], codec):
                return tlv_type, offset
            offset = end
    except WireError:
        return 0, offset
    return 0, offset


def _is_readable(record: bytes, codec: Codec) -> bool:
    try:
        codec.decode_tlvs(Payload, record)
    except WireError:
        return False
    return True
