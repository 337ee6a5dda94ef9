"""What can be asked of the database?

Each method is one query inside the transaction of the function that was given this object; it is of no use after.
Prepared SQL, because peewee's query builder costs more than the query; the listings for people use the models.
"""

import sqlite3
from typing import Any

from peewee import SqliteDatabase

from lnpd.errors import DatabaseFailed, TransactionOver, ValueUnfit
from lnpd.store.connection import raw
from lnpd.store.models import Invoice, Payment, PaymentTable
from lnpd.store.rows import Belonging, ChainCursor, ChannelRow, EventRow, InboxRow, OutboxRow, PaymentRow, RecordRow

SqlRow = tuple[Any, ...]  # Any: the columns of a row have several types, and the schema is STRICT about them

CHAIN_NAMESPACE = "chain"
CHAIN_CURSOR_KEY = b"cursor"
LISTED_ROWS = 100
ALL_ROWS = -1  # SQLite's word for no limit


def u64_key(number: int) -> bytes:
    """A u64 as a key: 8 bytes, big-endian, so that keys sort as their numbers do. Raises ValueUnfit."""
    if not 0 <= number < 1 << 64:
        raise ValueUnfit(f"{number} is not a u64.")
    return number.to_bytes(8, "big")


class Read:
    """A view of the database at one moment."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._connection: sqlite3.Connection | None = raw(database)

    # -- the header --

    def belonging(self) -> Belonging:
        """To which keys and which chain all that is stored belongs."""
        return Belonging(*self._rows("SELECT node_id, account, chain FROM header")[0])

    def commit_count(self) -> int:
        """How many commits this database has had."""
        return int(self._rows("SELECT commit_count FROM header")[0][0])

    def is_copy(self) -> bool:
        """Whether it was put in the place of another database, which its channels do not know yet."""
        return bool(self._rows("SELECT is_copy FROM header")[0][0])

    # -- channels --

    def channel(self, channel_id: bytes) -> ChannelRow | None:
        rows = self._rows("SELECT channel_id, peer_id, snapshot, closed FROM channel WHERE channel_id = ?", channel_id)
        return _channel(rows[0]) if rows else None

    def channels(self) -> list[ChannelRow]:
        """All channels, closed ones too."""
        return [_channel(row) for row in self._rows("SELECT channel_id, peer_id, snapshot, closed FROM channel")]

    # -- records --

    def record(self, channel_id: bytes, kind: str, key: bytes) -> bytes | None:
        return self._value(
            "SELECT value FROM record WHERE channel_id = ? AND kind = ? AND key = ?", channel_id, kind, key
        )

    def records(self, channel_id: bytes, kind: str) -> list[RecordRow]:
        """All records of a kind, in the order of their keys."""
        rows = self._rows(
            "SELECT channel_id, kind, key, value FROM record WHERE channel_id = ? AND kind = ? ORDER BY key",
            channel_id,
            kind,
        )
        return [RecordRow(*row) for row in rows]

    def find_record_by_index(self, kind: str, lookup: bytes) -> RecordRow | None:
        """The record that was put with this lookup, of whatever channel."""
        rows = self._rows(
            "SELECT r.channel_id, r.kind, r.key, r.value FROM record_index i JOIN record r"
            " ON r.channel_id = i.channel_id AND r.kind = i.kind AND r.key = i.key WHERE i.kind = ? AND i.lookup = ?",
            kind,
            lookup,
        )
        return RecordRow(*rows[0]) if rows else None

    # -- outbox and inbox --

    def outbox(self) -> list[OutboxRow]:
        """All effects that are still owed, in the order in which they were added."""
        rows = self._rows("SELECT sequence, key, channel_id, value FROM outbox ORDER BY sequence")
        return [OutboxRow(*row) for row in rows]

    def inbox(self, recipient: bytes) -> list[InboxRow]:
        """All messages that wait for a recipient, in the order in which they were added."""
        rows = self._rows(
            "SELECT sequence, recipient, key, value FROM inbox WHERE recipient = ? ORDER BY sequence", recipient
        )
        return [InboxRow(*row) for row in rows]

    def inbox_counts(self) -> list[tuple[bytes, int]]:
        """How many messages wait for each recipient for whom any does."""
        return [(row[0], row[1]) for row in self._rows("SELECT recipient, count(*) FROM inbox GROUP BY recipient")]

    # -- signer state, keys and values, chain cursor --

    def signer_state(self, key: bytes) -> bytes | None:
        return self._value("SELECT value FROM signer_state WHERE key = ?", key)

    def signer_states(self) -> list[tuple[bytes, bytes]]:
        """Every row of the signer: what it starts from."""
        return [(row[0], row[1]) for row in self._rows("SELECT key, value FROM signer_state ORDER BY key")]

    def value(self, namespace: str, key: bytes) -> bytes | None:
        return self._value("SELECT value FROM key_value WHERE namespace = ? AND key = ?", namespace, key)

    def values(
        self, namespace: str, prefix: bytes = b"", limit: int = ALL_ROWS, start: bytes = b""
    ) -> list[tuple[bytes, bytes]]:
        """Keys that begin with a prefix, and their values, in the order of the keys; none before `start`."""
        after = _after_prefix(prefix)
        bound = "" if after is None else " AND key < ?"
        sql = f"SELECT key, value FROM key_value WHERE namespace = ? AND key >= ?{bound} ORDER BY key LIMIT ?"  # noqa: S608 (two fixed texts)
        return [
            (row[0], row[1])
            for row in self._rows(sql, namespace, max(prefix, start), *([after] if after else []), limit)
        ]

    def chain_cursor(self) -> ChainCursor | None:
        stored = self.value(CHAIN_NAMESPACE, CHAIN_CURSOR_KEY)
        return None if stored is None else ChainCursor(int.from_bytes(stored[:8], "big"), stored[8:])

    # -- events --

    def events_since(self, sequence: int, limit: int = LISTED_ROWS) -> list[EventRow]:
        """At most `limit` events later than a sequence number, oldest first."""
        rows = self._rows(
            "SELECT sequence, topic, unix_seconds, value FROM event WHERE sequence > ? ORDER BY sequence LIMIT ?",
            min(sequence, (1 << 63) - 1),
            limit,
        )
        return [EventRow(*row) for row in rows]

    def first_event(self) -> int:
        """The sequence number of the oldest event of the node itself that is kept, 0 if there is none."""
        rows = self._rows("SELECT sequence FROM event WHERE instr(topic, '/') = 0 ORDER BY sequence LIMIT 1")
        return int(rows[0][0]) if rows else 0

    def last_event(self) -> int:
        """The sequence number of the newest event, 0 if there is none."""
        (row,) = self._rows("SELECT COALESCE(MAX(sequence), 0) FROM event")
        sequence: int = row[0]
        return sequence

    # -- invoices and payments --

    def invoice(self, payment_hash: bytes) -> PaymentRow | None:
        return self._payment_row("invoice", payment_hash)

    def payment(self, payment_hash: bytes) -> PaymentRow | None:
        return self._payment_row("payment", payment_hash)

    def invoices(
        self, state: str | None = None, before: int | None = None, limit: int = LISTED_ROWS
    ) -> list[PaymentRow]:
        """Newest first; `before` is the sequence of the last row of the page before."""
        return self._list(Invoice, state, before, limit)

    def payments(
        self, state: str | None = None, before: int | None = None, limit: int = LISTED_ROWS
    ) -> list[PaymentRow]:
        """Newest first; `before` is the sequence of the last row of the page before."""
        return self._list(Payment, state, before, limit)

    # -- how --

    def end(self) -> None:
        """The function has returned: whoever kept this object can do nothing with it."""
        self._connection = None

    def _rows(self, sql: str, *values: object) -> list[SqlRow]:
        return self._execute(sql, values)[0]

    def _value(self, sql: str, *values: object) -> bytes | None:
        rows = self._rows(sql, *values)
        return rows[0][0] if rows else None

    def _execute(self, sql: str, values: tuple[object, ...]) -> tuple[list[SqlRow], sqlite3.Cursor]:
        if self._connection is None:
            raise TransactionOver("A transaction was used after its function had returned.")
        try:
            cursor = self._connection.execute(sql, values)
            return cursor.fetchall(), cursor  # fetching may fail as well: a damaged page is met on the way
        except sqlite3.Error as error:
            raise DatabaseFailed(f"The database failed: {error}.") from error
        except (UnicodeError, OverflowError) as error:
            raise ValueUnfit(f"A value cannot be stored: {error}.") from error

    def _payment_row(self, table: str, payment_hash: bytes) -> PaymentRow | None:
        sql = f"SELECT sequence, payment_hash, state, created_unix_seconds, value FROM {table} WHERE payment_hash = ?"  # noqa: S608 (a table's name)
        rows = self._rows(sql, payment_hash)
        return PaymentRow(*rows[0]) if rows else None

    def _list(self, table: type[PaymentTable], state: str | None, before: int | None, limit: int) -> list[PaymentRow]:
        query = table.select(
            table.sequence, table.payment_hash, table.state, table.created_unix_seconds, table.value
        ).order_by(table.sequence.desc())
        if state is not None:
            query = query.where(table.state == state)
        if before is not None:
            query = query.where(table.sequence < before)
        sql, values = query.limit(limit).bind(self._database).sql()
        return [PaymentRow(*row) for row in self._rows(sql, *values)]


def _channel(row: SqlRow) -> ChannelRow:
    channel_id, peer_id, snapshot, closed = row
    return ChannelRow(channel_id, peer_id, snapshot, bool(closed))


def _after_prefix(prefix: bytes) -> bytes | None:
    """The first key after all keys of a prefix; None if there is no such key."""
    short = prefix.rstrip(b"\xff")
    return short[:-1] + bytes([short[-1] + 1]) if short else None
