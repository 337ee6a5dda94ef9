"""Which tables are there, and which key does each have?

The declarations make the schema and serve the slow queries; the channel path runs prepared SQL over the same tables
(read.py, write.py). A change here needs a migration: a test compares the schema with the stored one of each version.

Numbers that come from elsewhere (an HTLC's id, a short channel id) are 8-byte big-endian blobs, for u64 overflows the
integers of SQLite and PostgreSQL. STRICT keeps a wrongly typed value out. Small columns come first: reading them then
does not walk the pages of a large blob.
"""

from peewee import SQL, AutoField, BlobField, CompositeKey, IntegerField, Model, TextField
from playhouse.sqlite_ext import AutoIncrementField


class Table(Model):
    """What all tables share. No database is bound: a process may hold several stores."""

    class Meta:
        legacy_table_names = False
        strict_tables = True


class Header(Table):
    """One row: the version of the schema, the network of all that is stored, and the epoch of the present owner.

    `node_id` and `account` (the wallet's, an extended public key) are of the keys that all of it belongs to; NULL until
    the first start with them. `chain` says in words where its chain was found last.
    `commit_count` is of all commits ever; `is_copy` is 1 from the start that found that the database was put in the
    place of another one until the channels know it.
    """

    id = IntegerField(primary_key=True)
    schema_version = IntegerField()
    network = TextField()
    owner_epoch = IntegerField()
    node_id = BlobField(null=True)
    account = TextField(null=True)
    chain = TextField(null=True)
    commit_count = IntegerField(constraints=[SQL("DEFAULT 0")])
    is_copy = IntegerField(constraints=[SQL("DEFAULT 0")])


class Channel(Table):
    """The last snapshot of each channel; `closed` is 0 or 1."""

    channel_id = BlobField(primary_key=True)
    peer_id = BlobField()
    closed = IntegerField()
    snapshot = BlobField()


class Record(Table):
    """Commitments with their claims, onions, history: appended, never rewritten."""

    channel_id = BlobField()
    kind = TextField()
    key = BlobField()
    value = BlobField()

    class Meta:
        primary_key = CompositeKey("channel_id", "kind", "key")
        without_rowid = True


class RecordIndex(Table):
    """Finds a record by something else than its key: which commitment has this txid?"""

    kind = TextField()
    lookup = BlobField()
    channel_id = BlobField()
    key = BlobField()

    class Meta:
        primary_key = CompositeKey("kind", "lookup")
        without_rowid = True


class Outbox(Table):
    """Effects that channels owe: keyed, at least once, removed when their recipient has stored them."""

    sequence = AutoField()
    key = TextField(unique=True)
    channel_id = BlobField()
    value = BlobField()


class Inbox(Table):
    """Messages that wait for a channel or a service; a key is unique for its recipient."""

    sequence = AutoField()
    recipient = BlobField()
    key = TextField()
    value = BlobField()

    class Meta:
        indexes = ((("recipient", "key"), True),)


class SignerState(Table):
    """What the signer must not forget, stored in the transaction of the snapshot that depends on it."""

    key = BlobField(primary_key=True)
    value = BlobField()

    class Meta:
        without_rowid = True


class KeyValue(Table):
    """Small things with a namespace: settings, the chain cursor, what plugins keep."""

    namespace = TextField()
    key = BlobField()
    value = BlobField()

    class Meta:
        primary_key = CompositeKey("namespace", "key")
        without_rowid = True


class Event(Table):
    """AUTOINCREMENT, unlike the other sequences: a subscriber's number must not come back after pruning."""

    sequence = AutoIncrementField()
    topic = TextField()
    unix_seconds = IntegerField()
    value = BlobField()


class PaymentTable(Table):
    """The columns of what is looked up by payment hash and listed newest first."""

    sequence = AutoField()
    payment_hash = BlobField(unique=True)
    state = TextField()
    created_unix_seconds = IntegerField()
    value = BlobField()


class Invoice(PaymentTable):
    """What others shall pay to us."""


class Payment(PaymentTable):
    """What we pay to others."""


TABLES: tuple[type[Table], ...] = (
    Header,
    Channel,
    Record,
    RecordIndex,
    Outbox,
    Inbox,
    SignerState,
    KeyValue,
    Event,
    Invoice,
    Payment,
)
