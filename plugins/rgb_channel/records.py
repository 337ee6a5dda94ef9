"""How many tokens does an HTLC carry, on the wire and in the onion?

Beside its sats, an HTLC of a channel with an asset may carry tokens of that one asset: a record in update_add_htlc,
which both nodes count by, and one in the onion's payload, by which a payee knows that all of it came. Both are a u64,
big-endian. Without the record an HTLC is one of sats alone.
"""

from collections.abc import Iterable

TOKENS_HTLC = 66_001  # in update_add_htlc_tlvs
TOKENS_ONION = 66_003  # in payload
ROWS = f"""
tlv_stream,update_add_htlc_tlvs
type,{TOKENS_HTLC},rgb_tokens
data,u64,tokens
tlv_stream,payload
type,{TOKENS_ONION},rgb_payload_tokens
data,u64,tokens
"""
"""For `Plugin.records`."""

TOKENS_BYTES = 8
MOST_TOKENS = 2**64 - 1


class TokensUnreadable(ValueError):
    """A record of tokens that is no u64, twice in one message, or of no token."""


def encode_tokens(tokens: int) -> bytes:
    """The value of either record. Raises TokensUnreadable for none, or for more than an asset can have."""
    if not 0 < tokens <= MOST_TOKENS:
        raise TokensUnreadable(f"an amount of {tokens} tokens cannot be sent: it has to be 1 to 2^64 - 1")
    return tokens.to_bytes(TOKENS_BYTES, "big")


def decode_tokens(value: bytes) -> int:
    """The tokens of either record's value. Raises TokensUnreadable."""
    if len(value) != TOKENS_BYTES:
        raise TokensUnreadable(f"the amount of tokens has {TOKENS_BYTES} bytes, not {len(value)}")
    tokens = int.from_bytes(value, "big")
    if not tokens:
        raise TokensUnreadable("an amount of no token is no amount: an HTLC of sats alone has no such record")
    return tokens


def tokens_of(tlvs: Iterable[tuple[int, bytes]], record: int = TOKENS_HTLC) -> int:
    """The tokens that these records say, 0 if they say nothing. Raises TokensUnreadable."""
    values = [value for number, value in tlvs if number == record]
    if len(values) > 1:
        raise TokensUnreadable("the amount of tokens stands there twice")
    return decode_tokens(values[0]) if values else 0
