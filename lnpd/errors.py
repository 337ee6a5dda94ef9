"""Which errors can lnpd raise, and which of them does a peer hear about?

One class for each broken rule. A pure layer raises; one place turns a ProtocolError into the `error` or `warning`
message that goes to the peer: channel/failure where it concerns a channel, peer/farewell where it ends a connection.
"""


class LnpdError(Exception):
    """Root of everything that lnpd raises on purpose. Its text is a sentence for a person."""


class ProtocolError(LnpdError):
    """A peer broke a rule of the protocol; the connection or the channel ends (BOLT 1, `error`)."""


class ProtocolWarning(ProtocolError):
    """A peer broke a rule, yet nothing is lost by reconnecting: answered with `warning` (BOLT 1)."""


# lnpd.crypto


class CryptoError(LnpdError):
    """Something that lnpd.crypto was given or found is refused."""


class InvalidPoint(CryptoError, ProtocolError):
    """Bytes are no compressed point of secp256k1 (BOLT 1, `point`)."""


class InvalidSecret(CryptoError, ProtocolError):
    """Bytes are no secret key: wrong length, zero, or not below the group's order (a peer sends some, BOLT 2)."""


class InvalidSignature(CryptoError, ProtocolError):
    """Bytes are no encoding of a signature (BOLT 1, `signature`; BIP 66)."""


class UnrecoverableSignature(CryptoError, ProtocolError):
    """No public key fits a recoverable signature (BOLT 11)."""


class InvalidDigest(CryptoError):
    """A digest is not 32 bytes long."""


class InvalidTweak(CryptoError):
    """A tweak is no scalar, or its result is zero or the point at infinity."""


class ShachainIndexOutOfRange(CryptoError):
    """A commitment number or shachain index is not within 0..2^48-1 (BOLT 3)."""


class ShachainOrderBroken(CryptoError, ProtocolError):
    """A per-commitment secret was revealed out of order (BOLT 3)."""


class ShachainContradiction(CryptoError, ProtocolError):
    """A per-commitment secret does not come from the seed of those before it (BOLT 3)."""


class UnknownShachainIndex(CryptoError):
    """A per-commitment secret was asked for that the peer has not revealed."""


class DerivationOutOfRange(CryptoError):
    """A seed, path element, channel index or payment turn is outside its range (BIP 32, LNPBP-46)."""


class HandshakeFailed(CryptoError, ProtocolError):
    """The other end of a connection broke BOLT 8's handshake, or is not who it should be."""


class TransportFailed(CryptoError, ProtocolError):
    """Encrypted bytes were altered, or a message is longer than 65535 bytes (BOLT 8)."""


class OnionWithoutHops(CryptoError):
    """An onion was to be built for no hop."""


class OnionPayloadTooShort(CryptoError):
    """A hop's payload has a length that is reserved, 0 or 1 (BOLT 4)."""


class OnionTooLong(CryptoError):
    """The payloads of a route do not fit into one onion (BOLT 4)."""


class InvalidOnionLength(CryptoError):
    """Bytes are too few or too many to be an onion (BOLT 4)."""


class BadOnion(CryptoError):
    """An onion cannot be read: answered with update_fail_malformed_htlc, which carries both attributes (BOLT 4)."""

    failure_code = 0xC000

    def __init__(self, sentence: str, sha256_of_onion: bytes) -> None:
        super().__init__(sentence)
        self.sha256_of_onion = sha256_of_onion


class InvalidOnionVersion(BadOnion):
    """An onion's version is not 0 (BOLT 4, BADONION|PERM|4)."""

    failure_code = 0xC004


class InvalidOnionHmac(BadOnion):
    """An onion was altered or belongs to another node or payment (BOLT 4, BADONION|PERM|5)."""

    failure_code = 0xC005


class InvalidOnionKey(BadOnion):
    """An onion's ephemeral key is no point (BOLT 4, BADONION|PERM|6)."""

    failure_code = 0xC006


class FailureTooLong(CryptoError):
    """A failure does not fit into update_fail_htlc (BOLT 4)."""


class FailureUnreadable(CryptoError):
    """A returned failure has no author on the route (`hop` is None), or its author wrote nonsense (BOLT 4)."""

    def __init__(self, sentence: str, hop: int | None = None) -> None:
        super().__init__(sentence)
        self.hop = hop


class PassphraseRefused(CryptoError):
    """A passphrase is empty or absurdly long."""


class WrongPassphrase(CryptoError):
    """A passphrase does not open an encrypted file, or the file was altered."""


class SecretBoxMalformed(CryptoError):
    """A file is no encrypted file of lnpd, or it is damaged."""


class SecretBoxNewer(CryptoError):
    """An encrypted file was written by a version of lnpd that this one does not know."""


class SecretBoxTooCostly(CryptoError):
    """An encrypted file asks for more memory or work than an honest one needs."""


class SecretBoxTooLong(CryptoError):
    """More was to be encrypted than an encrypted file holds."""


# Invoices and onions (routing; BOLT 11 and BOLT 4). None of them goes to a peer as `error`: an invoice comes from a
# person, and what is wrong in an onion is answered with a failure message.


class InvoiceError(LnpdError):
    """A text is no invoice that may be paid (BOLT 11)."""


class InvoiceTooLong(InvoiceError):
    """The text is longer than any invoice that a QR code can carry."""


class InvoiceCharacter(InvoiceError):
    """The text holds a character that bech32 does not use (BIP 173)."""


class InvoiceMixedCase(InvoiceError):
    """The text mixes upper and lower case (BIP 173)."""


class InvoiceNoSeparator(InvoiceError):
    """The text has no `1` between its readable part and its data (BIP 173)."""


class InvoiceChecksumMismatch(InvoiceError):
    """The six last characters do not fit the rest (BIP 173)."""


class InvoiceTooShort(InvoiceError):
    """The data is too short to hold a timestamp and a signature."""


class InvoiceNetworkUnknown(InvoiceError):
    """The prefix names no network that lnpd knows."""


class InvoiceAmountMalformed(InvoiceError):
    """The amount is not a positive decimal number without leading zeros."""


class InvoiceMultiplierUnknown(InvoiceError):
    """The letter after the amount is none of m, u, n, p."""


class InvoiceAmountNotWholeMsat(InvoiceError):
    """The amount is not a whole number of millisatoshis."""


class InvoiceAmountTooLarge(InvoiceError):
    """The amount is more bitcoin than there can be."""


class InvoiceFieldCut(InvoiceError):
    """A tagged field is longer than what is left of the data."""


class InvoiceFieldPadding(InvoiceError):
    """The bits that fill up a tagged field are not zero, or more than needed."""


class InvoiceFieldNotMinimal(InvoiceError):
    """A `c`, `x` or `9` field begins with zeros."""


class InvoiceFieldMissing(InvoiceError):
    """There is no payment hash, payment secret or description of the right length."""


class InvoiceTwoDescriptions(InvoiceError):
    """There are both a description and the hash of one."""


class InvoiceDescriptionNotText(InvoiceError):
    """The description is not UTF-8."""


class InvoiceNumberTooLarge(InvoiceError):
    """An expiry, a CLTV delta, a timestamp or a part of a routing hint is out of its range."""


class InvoiceRouteMalformed(InvoiceError):
    """A routing hint is not a list of 51-byte entries with public keys."""


class InvoiceFallbackMalformed(InvoiceError):
    """An on-chain fallback has the wrong length for its version."""


class InvoiceFeatureUnknown(InvoiceError):
    """The payee requires a feature that lnpd does not know (BOLT 9)."""


class InvoiceFeatureDependency(InvoiceError):
    """The payee offers a feature without another that it needs (BOLT 9)."""


class InvoiceSignatureInvalid(InvoiceError):
    """The signature is by nobody, or not by the payee that the invoice names."""


class InvoiceSignatureHighS(InvoiceError):
    """The invoice names its payee, and its signature has a high s."""


class InvoiceFieldTooLong(InvoiceError):
    """A field to be written holds more than 639 bytes."""


class InvoiceFieldLength(InvoiceError):
    """A field to be written has not the length that BOLT 11 fixes."""


class InvoiceSignerMismatch(InvoiceError):
    """The signer's key is not the invoice's payee."""


class InvalidOnionPayload(LnpdError):
    """A hop's payload in an onion was not understood (BOLT 4, `invalid_onion_payload`).

    `tlv_type` is the record that was wrong and `offset` where it begins; both are 0 if it is no single record.
    """

    def __init__(self, sentence: str, tlv_type: int = 0, offset: int = 0) -> None:
        super().__init__(sentence)
        self.tlv_type = tlv_type
        self.offset = offset


class FailureMalformed(LnpdError):
    """A failure message, or what is to be written into one, does not fit its code (BOLT 4)."""


# --- bus


class EndpointRefused(LnpdError):
    """A bus endpoint cannot be used: malformed, too long, or taken."""


class LinkOverflow(LnpdError):
    """A frame could not be queued: the other process is gone or takes no more."""


class DeadlineMissed(LnpdError):
    """Another process did not answer a call in time."""


# --- wire: bytes and messages (BOLT 1, BOLT 9) ---


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


# lnpd.chain


class ChainError(LnpdError):
    """A view of the blockchain cannot answer, or cannot do what was asked."""


class RegtestNotInstalled(ChainError):
    """The embedded regtest chain needs a library that is not installed."""


class ChainLocked(ChainError):
    """Another process, or another part of this one, has the chain's directory open."""


class ChainClosed(ChainError):
    """The chain was closed, or is closing."""


class BlockLogDamaged(ChainError):
    """The block log holds something that a write cut short does not explain."""


class KernelUnusable(ChainError):
    """The kernel does not open, or disagrees with the block log even after its directory was rebuilt."""


class UnknownBlock(ChainError):
    """A block that the chain has never seen: the asker has followed another chain."""


class WatchesTooMany(ChainError):
    """A view watches as much as it can."""


class FaucetDry(ChainError):
    """The faucet of the regtest chain cannot pay an amount, even after mining."""


class BlockRefused(ChainError):
    """A block breaks a consensus rule. `reason` is in Bitcoin Core's words, `result` is the kind of failure."""

    def __init__(self, reason: str, result: str) -> None:
        super().__init__(f"The block was refused: {reason} ({result}).")
        self.reason = reason
        self.result = result


class TransactionMalformed(ChainError):
    """Bytes that are not one whole transaction in BIP 144's form."""


class TransactionRefused(ChainError):
    """A transaction breaks a rule of consensus or policy. `reason` begins with Bitcoin Core's name of the rule."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The transaction was refused: {reason}.")
        self.reason = reason


class NoSuchMethod(LnpdError):
    """A service was asked for a method that it does not have."""


class RemoteFault(LnpdError):
    """A service in another process failed in a way of its own."""


# ---- store ----


class StoreError(LnpdError):
    """Root of what the database refuses or cannot do."""


class DirectoryUnusable(StoreError):
    """The data directory cannot be made or written."""


class DirectoryInUse(StoreError):
    """Another process holds the data directory; the text names its process id."""


class WrongNetwork(StoreError):
    """A data directory belongs to one network, and this is another one."""


class NewerDatabase(StoreError):
    """A later lnpd wrote this database; what it added would be lost silently."""


class CorruptDatabase(StoreError):
    """The file is not what was written: damaged, emptied, or not a database of lnpd."""


class DatabaseFailed(StoreError):
    """The database could not do what it was asked: a full disk, an I/O error, a foreign lock."""


class StoreClosed(StoreError):
    """The store was closed before this request reached it."""


class StoreHalted(StoreError):
    """A commit failed, or the power was cut on purpose: nothing is written until the store is opened again."""


class OwnerSuperseded(StoreHalted):
    """Another process took over the database: whatever this one knows may be old."""


class TransactionOver(StoreError):
    """A transaction was used after its function had returned."""


class NotATransaction(StoreError):
    """A transaction must be a synchronous function: an `await` in it would let others commit what is half done."""


class UnknownPoint(StoreError):
    """A persistence point that the table of lnpd/store/points.py lacks."""


class RecordConflict(StoreError):
    """A record, or its entry in the index, exists with other content: records are never rewritten."""


class RowExists(StoreError):
    """A row of this key exists, and taking its place would lose it."""


class RowMissing(StoreError):
    """No row has this key."""


class ValueUnfit(StoreError):
    """A value, or the type of a value, cannot be stored: too large, out of range, or against the rules of codec.py."""


class ValueUnreadable(StoreError):
    """Stored bytes are not a value of the expected type; the text names the table and the key."""


# --- hooks and plugins


class PluginFault(LnpdError):
    """A plugin failed: it died, was late, raised, or answered with nonsense. `plugin` is its name."""

    def __init__(self, plugin: str, why: str = "") -> None:
        super().__init__(f"{plugin}: {why}" if why else plugin)
        self.plugin = plugin


class ProviderFault(PluginFault):
    """A provider did not answer, or not as it must; channels that pin it freeze. `plugin` is the provider's name."""


class ManifestRefused(LnpdError):
    """A plugin's manifest is malformed, or claims what another owns; nothing of it was registered."""


# lnpd.tx and lnpd.providers


class TxError(LnpdError):
    """A transaction, or what a provider wants in one, breaks a rule."""


class TransactionUnreadable(TxError):
    """Bytes are no transaction, or not in the one form that it has (BIP 144)."""


class ScriptRefused(TxError):
    """A script expression is malformed, unsound, or beyond the bounds of what can be spent."""


class UnknownSpendPath(TxError):
    """An output has no way to be spent of this name."""


class WitnessIncomplete(TxError):
    """A signature or a late datum that a witness needs is missing."""


class FormatNotSpoken(TxError):
    """A channel type pins a provider at a format that it does not speak, or twice."""


class StateUnreadable(TxError):
    """A provider's state is not what its format says."""


class UpdateUnreadable(TxError):
    """The body of an update is not what its kind says."""


class NotThisCommitment(TxError):
    """A transaction, side or number does not belong to the commitment at hand."""


class ClaimUneconomic(TxError):
    """What a claim spends does not pay its fee and leave an output above the dust limit."""


class OutputRefused(TxError):
    """An output that a provider wants in a commitment, or under one, breaks a rule; the text names provider and id."""


class WrongProvider(OutputRefused):
    """A provider answered with an output or a child that is not its own, or in a phase in which it has no place."""


class DuplicateOutput(OutputRefused):
    """Two outputs of one provider have the same id."""


class WrongDebits(OutputRefused):
    """An output's value is not what it takes from the balances, rounded down, or a debit is negative."""


class BalanceOverdrawn(OutputRefused):
    """The outputs take more from a party's balance than it has."""


class BalancesMismatch(TxError):
    """The balances of a commitment do not add up to its funding's capacity."""


class FixedCostExceeded(OutputRefused):
    """Attached outputs are worth more than the channel type's fixed costs, or take from a balance."""


class ValueCreated(OutputRefused):
    """A transaction's outputs are worth more than what it spends."""


class ValueOnDataCarrier(OutputRefused):
    """A data carrier has a value, or an output that is not one claims never to be trimmed."""


class TooManyOutputs(OutputRefused):
    """A provider has more outputs for one party than its limit."""


class WeightExceeded(OutputRefused):
    """A provider's outputs weigh more than its limit, or a transaction more than the standard one."""


class SealSlotTaken(OutputRefused):
    """A transaction has more than one seal slot."""


class SealRefused(OutputRefused):
    """A provider reserved a seal slot that it may not have, or filled it with another length."""


class WrongSecondStageWeight(OutputRefused):
    """A second-stage transaction is heavier than its output declared, or pays another fee than that weight's."""


class ChildRefused(OutputRefused):
    """A second-stage transaction spends no output or path of its provider, or its locks or outputs are unfit."""


class SpendPathRefused(OutputRefused):
    """A way to spend an output breaks rule 3 of the extension contract."""


class PathNeedsNoSignature(SpendPathRefused):
    """Anyone could spend the output."""


class HolderPathUndelayed(SpendPathRefused):
    """The holder could take the output at once, before a cheat can be punished."""


class HolderDelayTooShort(SpendPathRefused):
    """The holder could take the output before its to_self_delay is over."""


class JointPathWithoutChild(SpendPathRefused):
    """Both parties' signatures could take the output, and no second-stage transaction fixes where it goes."""


class NoRevocationPath(SpendPathRefused):
    """The holder can take the output, and this commitment's revocation key alone cannot, undelayed."""


class AnchorTooLarge(SpendPathRefused):
    """An anchor is worth more than 330 sat."""


class GraphAltered(TxError):
    """A graph is not what its own scripts, keys and transactions make of it."""


class WrongSignature(TxError, ProtocolError):
    """A signature of a commitment or of a second-stage transaction is invalid; the text says which (BOLT 2)."""


class WrongSignatureCount(TxError, ProtocolError):
    """There is not one signature for each second-stage transaction (BOLT 2, commitment_signed)."""


class ProposalRefused(TxError, ProtocolWarning):
    """A proposed update breaks a rule of the extension contract or of BOLT 2."""


class ReserveBroken(ProposalRefused):
    """The proposer could not pay its outputs, its fee and its channel reserve (BOLT 2, update_add_htlc)."""


class DebitsOtherParty(ProposalRefused):
    """An update takes from the party that did not propose it."""


class MovesUnbalanced(ProposalRefused):
    """An update makes or destroys balance."""


class CreditUnfounded(ProposalRefused):
    """An update credits more than what leaves its provider's own outputs."""


class GrantExceeded(ProposalRefused):
    """An update moves more of the other party's balance than the user granted its provider."""


class DustProposed(ProposalRefused):
    """An output of a kind that declares no trim rule is under a party's dust limit."""


class PluginNotFound(LnpdError):
    """There is no plugin at the given path."""


class CapabilityMissing(LnpdError):
    """A plugin asked for what the user did not grant it."""


class MessageNotOwned(CapabilityMissing):
    """A plugin would send a wire message that its manifest does not declare."""


class PeerDidNotAgree(LnpdError):
    """A plugin would send an even message to a peer whose `init` did not say that it knows the plugin's messages."""


# lnpd.services: the signer


class SignerRefused(LnpdError):
    """The signer does not do what it was asked; `rule` names the rule that forbids it, the text begins with it."""

    def __init__(self, rule: str, why: str) -> None:
        super().__init__(f"{rule}: {why}")

    @property
    def rule(self) -> str:
        """The rule's name; it is read from the text, which is all that travels between processes."""
        return str(self).partition(":")[0]


class SignerEnded(LnpdError):
    """The signer's process is gone, or did not come up."""


class SeedError(LnpdError):
    """A seed, or the file that keeps it, cannot be used."""


class SeedFileMissing(SeedError):
    """There is no seed file at this path."""


class SeedFileExists(SeedError):
    """A seed file is never written over: what it protects would be lost."""


class SeedFileMalformed(SeedError):
    """The seed file is not what lnpd writes."""


class SeedFileUnsafe(SeedError):
    """Other users may read the seed file."""


class SeedInvalid(SeedError):
    """Words, entropy or an extended key are no seed (BIP 39, BIP 32)."""


class PassphraseMissing(SeedError):
    """The seed file is encrypted and no passphrase was given, or it is not and one was."""


class PlainSeedRefused(SeedError):
    """A seed would be kept, or was kept, without a passphrase, and that was not asked for."""


# lnpd.config, lnpd.services.rpc and what a command may be refused for


class ConfigRefused(LnpdError):
    """An option, or a combination of options, is not allowed; the text names it."""


class NodeUnavailable(LnpdError):
    """No lnpd answers for a data directory."""


class NodeConnectionLost(LnpdError):
    """The node ended, or closed the connection, before it had answered."""


class RefusedByNode(LnpdError):
    """The node answered a command with an error: `code` is stable, `name` that of the error's class."""

    def __init__(self, code: int, name: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.name = name


class RpcError(LnpdError):
    """A request over the RPC, or its connection, is not as it must be."""


class RequestMalformed(RpcError):
    """A line is not JSON, or not a request of JSON-RPC 2.0."""


class RequestTooLong(RpcError):
    """A line is longer than the RPC takes."""


class ParameterRefused(RpcError):
    """A command's parameter is missing, unknown, of another type, or out of range; the text names it."""


class ConnectionsTooMany(RpcError):
    """The RPC serves as many connections as it can."""


class CommandRefused(LnpdError):
    """A command is sound, and the node cannot do it as things are."""


class ListenRefused(CommandRefused):
    """An address cannot be listened at: malformed, taken, or not of this machine."""


class PeerUnreachable(CommandRefused):
    """No connection to a peer's address could be made."""


class WrongNodeId(CommandRefused):
    """Whoever answers at an address is not the node that was asked for."""


class PeerNotConnected(CommandRefused):
    """There is no connection to this peer."""


class UnknownPeer(CommandRefused):
    """No peer has this node id, or one that begins so; or several have."""


class UnknownChannel(CommandRefused):
    """No channel has this id, or one that begins so; or several have."""


class InsufficientFunds(CommandRefused):
    """The wallet, or a channel, has less than what is to be spent."""


class AddressRefused(CommandRefused):
    """A text is no bitcoin address of this network."""


class ChannelRefused(CommandRefused):
    """A channel cannot be opened; the text says which side refuses, and why."""


class ChannelTooSmall(ChannelRefused):
    """A channel would hold less than the least that is worth its fees."""


class ChannelTooLarge(ChannelRefused):
    """A channel would hold more than one channel may (--max-channel-sat)."""


class ChannelsFull(ChannelRefused):
    """All channels together would hold more than they may (--max-total-sat)."""


class ExperimentalTypeRefused(ChannelRefused):
    """A channel type beyond those of BOLT 2, on a network where only those are allowed."""


class OpenTimedOut(ChannelRefused):
    """The peer did not answer in time; the opening was given up, and its coins are free again."""


class CloseBlocked(CommandRefused):
    """A mutual close has to wait; the text names the provider that blocks it."""


class ClosePending(CommandRefused):
    """A mutual close has begun and is not agreed on after the time that was waited for it; it goes on."""


class AlreadyClosed(CommandRefused):
    """A channel is on chain already; the text names the transaction that closed it."""


class OnlyOnRegtest(CommandRefused):
    """A command that makes blocks or money exists on regtest only."""


class InvoiceExpired(CommandRefused):
    """An invoice is past its expiry: nobody pays it any more."""


class PaymentFailed(CommandRefused):
    """A payment did not arrive, and nothing of it is in flight."""


class PaymentPending(CommandRefused):
    """A payment has neither arrived nor failed in the given time; it goes on."""


# --- peer: one connection to another node (BOLT 1, BOLT 8). None of these costs a channel.


class PeerError(ProtocolWarning):
    """A peer broke a rule of the connection: it ends, and the channels wait for the next one."""


class InitMissing(PeerError):
    """The first message was not `init` (BOLT 1)."""


class InitRepeated(PeerError):
    """A second `init` came on one connection (BOLT 1)."""


class NoCommonChain(PeerError):
    """The peer is on other blockchains only (BOLT 1, init, `networks`)."""


class FeatureNotNegotiated(PeerError):
    """An even message belongs to a feature that was not negotiated on this connection (BOLT 1, BOLT 9)."""


class UnexpectedPong(PeerError):
    """A pong answers no ping of ours (BOLT 1)."""


class PingFlood(PeerError):
    """A peer asks for more pong bytes than keeping a link alive needs (BOLT 1)."""


class ConnectionOver(LnpdError):
    """A connection to a peer ended, or did not come about, and nobody broke a rule of the protocol."""


class HandshakeLate(ConnectionOver):
    """The handshake was not done in time."""


class InitLate(ConnectionOver):
    """The peer's `init` did not come in time."""


class PeerSilent(ConnectionOver):
    """Nothing was heard of a peer, not even the answer to a ping."""


class PeerRefused(ConnectionOver):
    """The peer does not want this connection: it said so, or hung up, before its `init`."""


class ConnectionLost(ConnectionOver):
    """The other end closed the connection, or the network between did."""


class ConnectionReplaced(ConnectionOver):
    """A newer connection to the same peer took this one's place."""


class ConnectionClosed(ConnectionOver):
    """We closed the connection; the text says why."""


class PeerTurnedAway(ConnectionOver):
    """We do not take this connection: too many, or a plugin refused it."""


class PeerNotReading(ConnectionOver):
    """A peer does not take what is sent to it."""


class PeerAddressUnknown(CommandRefused):
    """A node is to be connected to, and nobody said where it is."""


class PeerAddressMalformed(CommandRefused):
    """A text is no `node_id@host:port`, or no `host:port`."""


class PingRefused(CommandRefused):
    """A ping to be sent asks for more bytes than a pong has, or too many are under way."""


# --- channels service


class ChannelFrozen(CommandRefused):
    """A provider that this channel pins is missing or failed: no updates and no mutual close until it is back."""


class ChannelGone(LnpdError):
    """A channel could not handle an event; nothing of it was stored."""


class ChannelTypeUnknown(CommandRefused):
    """This node has no such channel type, or lacks one of its providers."""


# lnpd.channel


class ChannelError(LnpdError):
    """Something that lnpd.channel was given or found is refused."""


class ChannelNotReady(CommandRefused):
    """A command came before the channel can follow it; it may be given again."""


class ProviderContradiction(ChannelError):
    """A provider refuses an update that it has accepted before: the channel is frozen until it agrees with itself."""


class UnexpectedMessage(ChannelError, ProtocolError):
    """A message has no place in the phase that the channel is in."""


class MessageBeforeReestablish(ChannelError, ProtocolWarning):
    """A message came on a new connection before channel_reestablish (BOLT 2, Message Retransmission)."""


class OpeningRefused(ChannelError, ProtocolError):
    """An open_channel or accept_channel breaks a rule, or asks for what we do not accept (BOLT 2)."""


class UnknownChain(OpeningRefused):
    """The chain_hash is not our chain's."""


class ChannelTypeMissing(OpeningRefused):
    """There is no channel_type."""


class ChannelTypeUnsuitable(OpeningRefused):
    """The channel_type, or an extension beside it, is not ours."""


class ChannelTypeChanged(OpeningRefused):
    """accept_channel has another channel_type than open_channel."""


class ExtensionsChanged(OpeningRefused):
    """accept_channel does not echo the list of extensions."""


class ZeroconfUntrusted(OpeningRefused):
    """The type includes option_zeroconf, and we do not trust the peer so far."""


class AliasTypeAnnounced(OpeningRefused):
    """The type includes option_scid_alias, and the channel is to be announced."""


class FundingTooSmall(OpeningRefused):
    """funding_satoshis is below what we accept."""


class FundingTooLarge(OpeningRefused):
    """funding_satoshis is above what we accept, or 2^24 without option_support_large_channel."""


class PushTooLarge(OpeningRefused):
    """push_msat is more than the funding."""


class DustLimitTooSmall(OpeningRefused):
    """dust_limit_satoshis is below 354."""


class DustLimitTooLarge(OpeningRefused):
    """dust_limit_satoshis is above what we accept."""


class DustAboveReserve(OpeningRefused):
    """A dust limit is greater than a channel reserve."""


class ReserveBelowDust(OpeningRefused):
    """The reserve that is asked of us is less than our dust limit."""


class ReserveTooLarge(OpeningRefused):
    """channel_reserve_satoshis is above what we accept."""


class ToSelfDelayTooLarge(OpeningRefused):
    """to_self_delay is above what we accept."""


class ToSelfDelayZero(OpeningRefused):
    """to_self_delay is 0."""


class TooManyHtlcsWanted(OpeningRefused):
    """max_accepted_htlcs is above 483."""


class TooFewHtlcsAccepted(OpeningRefused):
    """max_accepted_htlcs is below what we want."""


class HtlcMinimumTooLarge(OpeningRefused):
    """htlc_minimum_msat is above what we accept."""


class InFlightTooSmall(OpeningRefused):
    """max_htlc_value_in_flight_msat is below what we want."""


class InvalidBasepoint(OpeningRefused):
    """A key in open_channel or accept_channel is no compressed point."""


class MinimumDepthTooLarge(OpeningRefused):
    """minimum_depth is above what we accept."""


class MinimumDepthNotZero(OpeningRefused):
    """minimum_depth is not 0 with option_zeroconf."""


class OpenerCannotPayFee(OpeningRefused):
    """The opener's amount does not pay the first commitment's fee."""


class NobodyAboveReserve(OpeningRefused):
    """Neither output of the first commitment would be above the reserve."""


class FundingOutputWrong(ChannelError, ProtocolError):
    """The confirmed funding transaction does not pay the agreed amount to the agreed script (BOLT 2, channel_ready)."""


class InvalidPerCommitmentPoint(ChannelError, ProtocolError):
    """A per-commitment point is no compressed point."""


class UpdateBroken(ChannelError, ProtocolWarning):
    """An update breaks a limit of BOLT 2: a warning and a reconnect, for it is not signed yet."""


class FeerateTooLow(UpdateBroken, OpeningRefused):
    """feerate_per_kw is too low for timely processing."""


class FeerateTooHigh(UpdateBroken, OpeningRefused):
    """feerate_per_kw is unreasonably large."""


class FeeNotFromOpener(UpdateBroken):
    """The party that does not pay the fee sent update_fee."""


class HtlcIdOutOfOrder(UpdateBroken):
    """The id of an update_add_htlc is not one more than the last."""


class HtlcAmountZero(UpdateBroken):
    """amount_msat is 0."""


class HtlcBelowMinimum(UpdateBroken):
    """amount_msat is below the receiver's htlc_minimum_msat."""


class HtlcExpiryNotAHeight(UpdateBroken):
    """cltv_expiry is 500000000 or more."""


class TooManyHtlcs(UpdateBroken):
    """More HTLCs are offered than the receiver's max_accepted_htlcs."""


class InFlightExceeded(UpdateBroken):
    """More value is offered than the receiver's max_htlc_value_in_flight_msat."""


class UnknownHtlc(UpdateBroken):
    """A removal's id is of no irrevocably committed HTLC."""


class HtlcAlreadyRemoved(UpdateBroken):
    """A removal's HTLC is being removed already."""


class WrongPreimage(UpdateBroken):
    """payment_preimage does not hash to payment_hash."""


class BadOnionMissing(UpdateBroken):
    """update_fail_malformed_htlc's failure_code lacks the BADONION bit."""


class AddAfterShutdown(UpdateBroken):
    """An update that adds something came after shutdown."""


class UpdateBeforeReady(UpdateBroken):
    """An update came before both channel_ready."""


class UnknownNamespace(UpdateBroken):
    """update_ext names no extension of the channel."""


class ExtensionIdOutOfOrder(UpdateBroken):
    """The id of an update_ext is not one more than the provider's last."""


class UpdateRejected(ProposalRefused):
    """A provider refuses an update; the text names it and its reason."""


class UpdatesDoNotCommute(ProposalRefused):
    """An update and what the other party has pending fold to different states in different orders."""


class FeeSpikeBufferMissing(ProposalRefused):
    """The opener would not keep enough for a higher fee (BOLT 2, update_add_htlc); it binds the proposer only."""


class ExtensionDisagrees(ChannelError, ProtocolWarning):
    """The two sides compute different outputs of an extension's provider; the text names it."""


class ExtensionStateDiffers(ChannelError, ProtocolWarning):
    """At channel_reestablish the two sides hold different states of an extension's provider; the text names it."""


class BatchBroken(ChannelError, ProtocolWarning):
    """A batch of commitment_signed breaks a rule (BOLT 2, Batching channel messages)."""


class BatchTooLarge(BatchBroken):
    """batch_size is above 20."""


class BatchUnexpected(BatchBroken):
    """start_batch came within a batch."""


class BatchInterrupted(BatchBroken):
    """Another message came within a batch."""


class CommitmentMissing(ChannelError, ProtocolError):
    """There is no commitment_signed for one of the fundings, or it does not say for which it is."""


class CommitmentForUnknownFunding(ChannelError, ProtocolWarning):
    """A commitment_signed is for a funding that this channel does not have."""


class RevocationUnexpected(ChannelError, ProtocolError):
    """A revoke_and_ack answers no commitment_signed."""


class WrongPerCommitmentSecret(ChannelError, ProtocolError):
    """per_commitment_secret does not generate the previous per_commitment_point."""


class StfuBroken(ChannelError, ProtocolWarning):
    """A rule of quiescence is broken (BOLT 2, Channel Quiescence)."""


class StfuTwice(StfuBroken):
    """stfu came twice."""


class StfuWhilePending(StfuBroken):
    """stfu came while an update of its sender was pending."""


class UpdateAfterStfu(StfuBroken):
    """An update came after its sender's stfu."""


class QuiescenceTooLong(StfuBroken):
    """A channel was quiescent for 60 seconds."""


class ShutdownScriptForm(OpeningRefused, ProtocolWarning):
    """A shutdown script has none of the forms that are allowed."""


class ShutdownScriptChanged(ChannelError, ProtocolWarning):
    """shutdown names another script than upfront_shutdown_script."""


class ShutdownTwice(ChannelError, ProtocolWarning):
    """shutdown came twice, with different scripts."""


class ClosingBroken(ChannelError, ProtocolWarning):
    """A closing_signed breaks a rule, and the negotiation may begin again (BOLT 2)."""


class ClosingFailed(ChannelError, ProtocolError):
    """A closing_signed breaks a rule after which the channel has to fail (BOLT 2)."""


class ClosingTooEarly(ClosingBroken):
    """The acceptor sent closing_signed first."""


class ClosingSignatureWrong(ClosingBroken):
    """The signature fits no variant of the closing transaction."""


class ClosingFeeTooHigh(ClosingBroken):
    """The opener cannot pay the fee."""


class ClosingRangesApart(ClosingBroken):
    """The two fee ranges do not overlap."""


class ClosingFeeWithoutProgress(ClosingBroken):
    """The fee is not strictly between the last two."""


class ClosingFeeOutsideRange(ClosingFailed):
    """The fee is outside the overlap of both ranges."""


class ClosingFeeChanged(ClosingFailed):
    """The opener did not repeat the fee that we answered with."""


class ClosingOutputDust(ClosingFailed):
    """An output of the closing transaction is below the dust limit of its script."""


class ReestablishFailed(ChannelError, ProtocolError):
    """A channel_reestablish cannot be true, or shows that one side has lost data (BOLT 2)."""


class CommitmentNumberZero(ReestablishFailed):
    """next_commitment_number is 0."""


class NextCommitmentNumberWrong(ReestablishFailed):
    """next_commitment_number is neither our last commitment_signed's nor the next one's."""


class NextRevocationNumberWrong(ReestablishFailed):
    """next_revocation_number is neither our last revoke_and_ack's nor the next one's."""


class LastSecretWrong(ReestablishFailed):
    """your_last_per_commitment_secret is not the secret that we revealed."""


class DataLost(ReestablishFailed):
    """The peer has proved that it is ahead of us: our latest commitment is revoked and must not be broadcast."""


class HtlcTimedOut(ChannelError, ProtocolError):
    """An HTLC that we offered is past its timeout deadline (BOLT 2, cltv_expiry_delta Selection)."""


class FulfillmentDeadlinePassed(ChannelError, ProtocolError):
    """An HTLC that we fulfilled is not removed, and its fulfillment deadline has come (BOLT 2)."""


# --- the chain watcher, the wallet, and a chain in another process


class ChainUnreachable(ChainError):
    """The process that keeps the chain does not answer, or not as agreed."""


class UnknownChainClient(ChainError):
    """The process that keeps the chain does not know this client: it was started again, and its watches are lost."""


class OutputTooSmall(CommandRefused):
    """A payment is so small that no node relays it."""


class FeeTooHigh(CommandRefused):
    """A transaction of the wallet would pay more fee than it may."""


class ReferenceTaken(CommandRefused):
    """The wallet has funded something else under this reference."""


class BroadcastRefused(CommandRefused):
    """The network refuses a payment of the wallet; nothing was spent."""


class WalletSignatureMissing(LnpdError):
    """The signer did not sign every coin of the wallet, or changed what it signed."""


# --- payments service


class InvoiceTermsRefused(CommandRefused):
    """An invoice of ours would have an expiry, a time lock or a label out of range."""


class LabelTaken(CommandRefused):
    """Another invoice of ours has this label."""


class InvoiceOfOtherNetwork(CommandRefused):
    """An invoice is for another network than this node's."""


class InvoiceOfOurs(CommandRefused):
    """An invoice is our own: a node cannot pay itself."""


class InvoiceUnpayable(CommandRefused):
    """An invoice requires of the payer what this node does not do, or longer locks than it allows."""


class AmountUnfit(CommandRefused):
    """An amount was given beside the invoice's own, or neither names one."""


class NoDirectChannel(PaymentFailed):
    """No usable channel leads to the payee; the text names the peers that could be paid."""


class PaymentInFlight(CommandRefused):
    """A payment is on its way, or arrived: it is not made twice."""


class UnknownPayment(LnpdError):
    """A channel offered an HTLC for a payment that nobody is making: it must not be stored."""


class PluginRefused(CommandRefused):
    """A plugin's command refused what it was asked for; the text is the plugin's."""
