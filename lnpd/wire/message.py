"""How does the core encode and decode messages?

With the codec of the BOLTs' messages and lnpd's own. A connection to a peer uses a larger one when plugins have added
rows: `Codec(CORE.with_rows(owner, rows))`. What came over it is stored without them, for they may be gone later.
"""

from lnpd.wire.base import Message, Tlvs, Unknown
from lnpd.wire.catalogue import CORE
from lnpd.wire.codec import Codec

__all__ = [
    "CODEC",
    "Codec",
    "Message",
    "Tlvs",
    "Unknown",
    "decode",
    "decode_tlvs",
    "encode",
    "encode_tlvs",
    "from_row",
    "to_row",
]

CODEC = Codec(CORE)

encode, decode = CODEC.encode, CODEC.decode
_STORED = Codec(CORE, lenient=True)
to_row, from_row = _STORED.encode, _STORED.decode
encode_tlvs, decode_tlvs = CODEC.encode_tlvs, CODEC.decode_tlvs
