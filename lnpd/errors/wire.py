"""What can be wrong with bytes that should be a message?"""

from lnpd.errors.base import LnpdError, ProtocolError


class WireError(ProtocolError):
    """Bytes that a peer sent are not what BOLT 1 or the message's definition says."""


class MessageTooLong(WireError):
    """A message is longer than the 65535 bytes that the transport carries (BOLT 1)."""


class Truncated(WireError):
    """The bytes end before the field does."""


class NotMinimal(WireError):
    """A bigsize or truncated integer is encoded in more bytes than it needs (BOLT 1)."""


class BadPoint(WireError):
    """A point does not begin with 02 or 03, or a sciddir_or_pubkey not with 00 to 03 (BOLT 1)."""


class BadUtf8(WireError):
    """A string is not valid UTF-8 (BOLT 1)."""


class UnknownEvenMessage(WireError):
    """A message of an even type that nobody here understands: the connection ends (BOLT 1)."""


class TlvOutOfOrder(WireError):
    """The types of a TLV stream do not strictly increase (BOLT 1)."""


class TlvLengthWrong(WireError):
    """A known TLV record is longer than its value (BOLT 1); a shorter one is Truncated."""


class UnknownEvenTlv(WireError):
    """A TLV record of an even type that nobody here understands (BOLT 1)."""


class Unencodable(LnpdError):
    """A value of our own does not fit the field that it is written into."""


class BadRow(LnpdError):
    """A row of the wire catalogue or of the feature table cannot be read; the text names its owner."""


class CatalogueClash(LnpdError):
    """Two owners claim one message number, TLV type, feature bit or name; the text names both."""


class ReservedNumber(LnpdError):
    """A number that BOLT 1 or BOLT 9 keeps for the specification is claimed by somebody else."""


class UnknownFeatureName(LnpdError):
    """The program asks for a feature by a name that is in no row."""


class FeatureError(ProtocolError):
    """A feature vector breaks a rule of BOLT 9, or two vectors do not agree."""


class FeaturesNotMinimal(FeatureError):
    """A feature vector begins with zero bytes where its shortest form is required."""


class UnknownEvenFeature(FeatureError):
    """A compulsory feature bit is set that we do not know (BOLT 1, init)."""


class MissingFeatureDependency(FeatureError):
    """A feature is set without a feature that it depends on (BOLT 9)."""


class FeatureRequiredByPeer(FeatureError):
    """The peer makes a feature compulsory that we do not offer."""


class FeatureRequiredByUs(FeatureError):
    """We make a feature compulsory that the peer does not offer."""


class UnknownChannelType(FeatureError):
    """A channel_type is not one of the sets of features that we know (BOLT 2, open_channel)."""
