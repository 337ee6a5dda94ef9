"""What can be wrong with RGB data? Every class that this package raises, one for each broken rule.

Four families: bytes that are no strict encoding, sound RGB of a kind that this package does not do, data that
contradicts itself, and values of our own that no bytes exist for.
"""


class NiaError(Exception):
    """The root of this package's errors."""


class Malformed(NiaError):
    """The bytes are not what the strict encoding writes for any value."""


class Oversized(Malformed):
    """The file is longer than the limit."""


class Truncated(Malformed):
    """The bytes end within a value, or a count promises more items than the rest can hold."""


class TrailingBytes(Malformed):
    """Bytes follow where the value has ended."""


class UnknownTag(Malformed):
    """A tag byte names none of its type's variants."""


class BrokenOrder(Malformed):
    """The items of a set or the keys of a map do not ascend."""


class EmptyCollection(Malformed):
    """A collection that needs an item has none."""


class UnreadableText(Malformed):
    """A text is too short, too long, or of characters that its type does not have."""


class UnreadableTransaction(Malformed):
    """The bytes are no Bitcoin transaction."""


class UnreadableName(Malformed):
    """A contract's or a recipient's name is no Baid64 text of its kind, or its checksum is wrong."""


class Foreign(NiaError):
    """RGB that this package does not do."""


class NotATransfer(Foreign):
    """The file is no RGB consignment of a transfer."""


class UnknownVersion(Foreign):
    """The container or an operation is of another version."""


class ForeignChain(Foreign):
    """The contract lives on another chain."""


class ForeignSchema(Foreign):
    """The contract's schema is not NIA, or schema, types and scripts at the file's end are not those of NIA."""


class ForeignState(Foreign):
    """An operation has state, metadata or a type that NIA does not know."""


class SignedTransition(Foreign):
    """A transition carries a signature, which nothing in NIA asks for."""


class NotOpret(Foreign):
    """The commitment is not in an OP_RETURN output."""


class Forged(NiaError):
    """The data is readable and contradicts itself."""


class WrongOperation(Forged):
    """A transition does not hash to the id that stands before it."""


class WrongContract(Forged):
    """A transition is of another contract than the genesis."""


class WrongSupply(Forged):
    """Genesis assigns another sum than it says to issue."""


class UnmappedInput(Forged):
    """The bundle's map does not give a transition's input to that transition."""


class UnknownInput(Forged):
    """A transition spends an assignment that nothing before it made."""


class ConcealedInput(Forged):
    """A transition spends an assignment whose seal is concealed, so that nobody can see it closed."""


class SpentTwice(Forged):
    """Two transitions spend one assignment."""


class WrongSum(Forged):
    """A transition assigns another sum than it spends."""


class WrongPosition(Forged):
    """A proof places the contract where its id does not belong."""


class NoCommitment(Forged):
    """The witness transaction has no output that could commit to anything."""


class WrongCommitment(Forged):
    """The witness transaction commits to something else."""


class SealNotClosed(Forged):
    """The witness transaction does not spend the output that an input's seal names."""


class WitnessMissing(Forged):
    """A bundle names its witness transaction by id only, so that its commitment cannot be checked."""


class WrongTerminal(Forged):
    """A terminal names a bundle or a seal that the file does not have."""


class Unencodable(NiaError):
    """A value of our own that the encoding has no bytes for, or that no validator would accept."""


class OutOfRange(Unencodable):
    """A number does not fit its field, or a hash is not 32 bytes."""


class NothingToEncode(Unencodable):
    """A transition without inputs or assignments, a bundle without transitions, a commitment to nothing."""


class Unordered(Unencodable):
    """Inputs do not ascend, or one stands twice."""


class NoPlace(Unencodable):
    """No tree within the limits gives each contract a leaf of its own."""
