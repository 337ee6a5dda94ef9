"""What does the signer hand out to be stored?"""

import msgspec


class SignerRecord(msgspec.Struct, frozen=True):
    """A row of the signer's durable state, to be written by whoever keeps it: in the same transaction as the step
    that asked, where signer and store share a process. A signer in a process of its own keeps its rows itself and
    hands out none."""

    key: bytes
    value: bytes


SignerRecords = tuple[SignerRecord, ...]
