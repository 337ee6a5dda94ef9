"""How does the core encode and decode messages?

With the codec of the BOLTs' messages and lnpd's own. A connection to a peer uses a larger one when plugins have added
rows: `Codec(CORE.with_rows(owner, rows))`.
"""

from lnpd.wire.base import Message, Tlvs, Unknown
from lnpd.wire.catalogue import CORE
from lnpd.wire.codec import Codec

__all__ = ["CODEC", "Codec", "Message", "Tlvs", "Unknown", "decode", "decode_tlvs", "encode", "encode_tlvs"]

CODEC = Codec(CORE)

encode, decode = CODEC.encode, CODEC.decode
encode_tlvs, decode_tlvs = CODEC.encode_tlvs, CODEC.decode_tlvs
