"""What can be changed in the database?

Each method is one statement inside the transaction of the function that was given this object. What is idempotent says
so and returns whether it changed anything; what would lose a row is refused.
"""

from peewee import SqliteDatabase

from lnpd.errors import RecordConflict, RowExists, RowMissing, UnknownPoint, ValueUnfit
from lnpd.store.points import PERSISTENCE_POINTS
from lnpd.store.read import CHAIN_CURSOR_KEY, CHAIN_NAMESPACE, Read, u64_key
from lnpd.store.rows import Belonging

KEY_MAX_BYTES = 1024
VALUE_MAX_BYTES = 16 << 20
INTEGER_BOUND = 1 << 63

UPSERT_CHANNEL = (
    "INSERT INTO channel (channel_id, peer_id, closed, snapshot) VALUES (?, ?, ?, ?) ON CONFLICT (channel_id)"
    " DO UPDATE SET peer_id = excluded.peer_id, closed = excluded.closed, snapshot = excluded.snapshot"
)
UPSERT_KEY_VALUE = (
    "INSERT INTO key_value (namespace, key, value) VALUES (?, ?, ?)"
    " ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value"
)
UPSERT_SIGNER_STATE = (
    "INSERT INTO signer_state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class Write(Read):
    """The whole of one transaction: it reads its own changes, and all of them are stored or none."""

    def __init__(self, database: SqliteDatabase) -> None:
        super().__init__(database)
        self.points: set[str] = set()

    def point(self, name: str) -> None:
        """This transaction contains a persistence point (points.py). Raises UnknownPoint."""
        if name not in PERSISTENCE_POINTS:
            raise UnknownPoint(f"The persistence point {name!r} is not in the table of lnpd/store/points.py.")
        self.points.add(name)

    # -- the header --

    def set_belonging(self, belonging: Belonging) -> None:
        """To which keys and which chain all that is stored belongs."""
        self._change(
            "UPDATE header SET node_id = ?, account = ?, chain = ?",
            belonging.node_id,
            belonging.account,
            belonging.chain,
        )

    def set_is_copy(self, is_copy: bool) -> None:
        """Whether the database was put in the place of another one, and its channels do not know it yet."""
        self._change("UPDATE header SET is_copy = ?", int(is_copy))

    # -- channels --

    def save_channel(self, channel_id: bytes, peer_id: bytes, snapshot: bytes, closed: bool = False) -> None:
        """The last snapshot of a channel; it replaces the one before."""
        self._change(UPSERT_CHANNEL, _key(channel_id), _key(peer_id), int(closed), _blob(snapshot))

    def delete_channel(self, channel_id: bytes) -> None:
        """Forget a channel and its records. What it still owes (outbox, inbox) stays. Raises RowMissing."""
        if not self._change("DELETE FROM channel WHERE channel_id = ?", channel_id):
            raise RowMissing(f"There is no channel {channel_id.hex()}.")
        self._change("DELETE FROM record_index WHERE channel_id = ?", channel_id)
        self._change("DELETE FROM record WHERE channel_id = ?", channel_id)

    # -- records --

    def put_record(self, channel_id: bytes, kind: str, key: bytes, value: bytes, lookup: bytes | None = None) -> bool:
        """Append a record, to be found by `lookup` too if one is given. The same again changes nothing.

        Raises RecordConflict if a record of this key has other bytes, or the lookup leads to another record.
        """
        added = self._change(
            "INSERT INTO record (channel_id, kind, key, value) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            _key(channel_id), _text(kind), _key(key), _blob(value),
        )  # fmt: skip
        if not added and self.record(channel_id, kind, key) != value:
            raise RecordConflict(f"The {kind} {key.hex()} of channel {channel_id.hex()} is stored with other content.")
        if lookup is not None:
            self._put_lookup(kind, lookup, channel_id, key)
        return bool(added)

    def replace_record(
        self, channel_id: bytes, kind: str, key: bytes, value: bytes, lookup: bytes | None = None
    ) -> None:
        """Put a record whose key may come round again: a forgotten update's id is given to another one later."""
        self._change(
            "INSERT INTO record (channel_id, kind, key, value) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (channel_id, kind, key) DO UPDATE SET value = excluded.value",
            _key(channel_id), _text(kind), _key(key), _blob(value),
        )  # fmt: skip
        if lookup is not None:
            self._put_lookup(kind, lookup, channel_id, key)

    def _put_lookup(self, kind: str, lookup: bytes, channel_id: bytes, key: bytes) -> None:
        added = self._change(
            "INSERT INTO record_index (kind, lookup, channel_id, key) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            kind, _key(lookup), channel_id, key,
        )  # fmt: skip
        if added:
            return
        found = self.find_record_by_index(kind, lookup)
        if found is None or (found.channel_id, found.key) != (channel_id, key):
            raise RecordConflict(f"The {kind} of {lookup.hex()} is another record than {key.hex()}.")

    # -- outbox and inbox --

    def add_outbox(self, key: str, channel_id: bytes, value: bytes) -> bool:
        """An effect that is owed, once for each key: the same key again changes nothing."""
        return bool(
            self._change(
                "INSERT INTO outbox (key, channel_id, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                _text(key), _key(channel_id), _blob(value),
            )
        )  # fmt: skip

    def remove_outbox(self, key: str) -> bool:
        """The recipient has stored the effect."""
        return bool(self._change("DELETE FROM outbox WHERE key = ?", key))

    def add_inbox(self, recipient: bytes, key: str, value: bytes) -> bool:
        """A message for a recipient, once for each key: the same key again changes nothing."""
        return bool(
            self._change(
                "INSERT INTO inbox (recipient, key, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                _key(recipient), _text(key), _blob(value),
            )
        )  # fmt: skip

    def remove_inbox(self, recipient: bytes, key: str) -> bool:
        """The recipient has stored the message's effect."""
        return bool(self._change("DELETE FROM inbox WHERE recipient = ? AND key = ?", recipient, key))

    # -- signer state, keys and values, chain cursor --

    def put_signer_state(self, key: bytes, value: bytes) -> None:
        self._change(UPSERT_SIGNER_STATE, _key(key), _blob(value))

    def delete_signer_state(self, key: bytes) -> bool:
        """Only of a channel that holds nothing, and never will."""
        return bool(self._change("DELETE FROM signer_state WHERE key = ?", key))

    def put_value(self, namespace: str, key: bytes, value: bytes) -> None:
        self._change(UPSERT_KEY_VALUE, _text(namespace), _key(key), _blob(value))

    def delete_value(self, namespace: str, key: bytes) -> bool:
        return bool(self._change("DELETE FROM key_value WHERE namespace = ? AND key = ?", namespace, key))

    def set_chain_cursor(self, height: int, block_hash: bytes) -> None:
        """The effects of all blocks up to this one are stored with this transaction."""
        self.put_value(CHAIN_NAMESPACE, CHAIN_CURSOR_KEY, u64_key(height) + block_hash)

    # -- events --

    def append_event(self, topic: str, unix_seconds: int, value: bytes) -> int:
        """Returns the event's sequence number, which no other event ever has."""
        return self._insert(
            "INSERT INTO event (topic, unix_seconds, value) VALUES (?, ?, ?)",
            _text(topic), _integer(unix_seconds), _blob(value),
        )  # fmt: skip

    def prune_events(self, keep: int, topics: str = "", apart: str = "") -> int:
        """Forget all but the newest `keep` of the events whose topics begin with `topics`, or of those of the node
        itself, whose topics have no slash, but for the topic `apart`; returns how many were forgotten."""
        which = "substr(topic, 1, length(?1)) = ?1 AND (?1 <> '' OR (instr(topic, '/') = 0 AND topic <> ?3))"
        sql = (
            f"DELETE FROM event WHERE {which} AND sequence <= (SELECT sequence FROM event WHERE {which}"  # noqa: S608
            " ORDER BY sequence DESC LIMIT 1 OFFSET ?2)"
        )
        return self._change(sql, topics, _integer(keep), apart)

    # -- invoices and payments --

    def add_invoice(self, payment_hash: bytes, state: str, value: bytes, created_unix_seconds: int) -> int:
        """Returns its sequence. Raises RowExists: a payment hash is used once."""
        return self._add_payment("invoice", payment_hash, state, value, created_unix_seconds)

    def set_invoice(self, payment_hash: bytes, state: str, value: bytes) -> None:
        """Raises RowMissing."""
        self._set_payment("invoice", payment_hash, state, value)

    def add_payment(self, payment_hash: bytes, state: str, value: bytes, created_unix_seconds: int) -> int:
        """Returns its sequence. Raises RowExists: what was paid, or is on its way, is not paid again by accident."""
        return self._add_payment("payment", payment_hash, state, value, created_unix_seconds)

    def set_payment(self, payment_hash: bytes, state: str, value: bytes) -> None:
        """Raises RowMissing."""
        self._set_payment("payment", payment_hash, state, value)

    def _add_payment(self, table: str, payment_hash: bytes, state: str, value: bytes, created: int) -> int:
        columns = (_key(payment_hash), _text(state), _integer(created), _blob(value))
        if self._payment_row(table, payment_hash) is not None:
            raise RowExists(f"The {table} {payment_hash.hex()} exists already.")
        sql = f"INSERT INTO {table} (payment_hash, state, created_unix_seconds, value) VALUES (?, ?, ?, ?)"  # noqa: S608 (a table's name)
        return self._insert(sql, *columns)

    def _set_payment(self, table: str, payment_hash: bytes, state: str, value: bytes) -> None:
        sql = f"UPDATE {table} SET state = ?, value = ? WHERE payment_hash = ?"  # noqa: S608 (a table's name)
        if not self._change(sql, _text(state), _blob(value), payment_hash):
            raise RowMissing(f"There is no {table} {payment_hash.hex()}.")

    # -- owner --

    def next_owner_epoch(self) -> int:
        """Become the owner of the database; returns the new epoch."""
        ((epoch,),) = self._rows("UPDATE header SET owner_epoch = owner_epoch + 1 RETURNING owner_epoch")
        return int(epoch)

    # -- how --

    def _change(self, sql: str, *values: object) -> int:
        """Returns the number of rows changed."""
        return self._execute(sql, values)[1].rowcount

    def _insert(self, sql: str, *values: object) -> int:
        """Returns the sequence of the new row."""
        return self._execute(sql, values)[1].lastrowid or 0


def _key(key: bytes) -> bytes:
    if len(key) > KEY_MAX_BYTES:
        raise ValueUnfit(f"A key of {len(key)} bytes is longer than {KEY_MAX_BYTES}.")
    return key


def _text(text: str) -> str:
    if not 0 < len(text) <= KEY_MAX_BYTES:  # the empty namespace is database.py's own
        raise ValueUnfit(f"A key has 1 to {KEY_MAX_BYTES} letters, not {len(text)}.")
    return text


def _blob(value: bytes) -> bytes:
    if len(value) > VALUE_MAX_BYTES:
        raise ValueUnfit(f"A value of {len(value)} bytes is longer than {VALUE_MAX_BYTES}.")
    return value


def _integer(number: int) -> int:
    if not 0 <= number < INTEGER_BOUND:
        raise ValueUnfit(f"{number} is out of the range of the database's integers.")
    return number
