"""What are the answers of the commands about backups and about the store? As __init__.py says."""

import msgspec

from lnpd.rpc.answers.ids import ChannelId, NodeId


class BackupFile(msgspec.Struct, frozen=True):
    """Where a backup of the channels lies. `error` says why there is none of now."""

    path: str
    written_unix_seconds: int
    age_seconds: int
    size_bytes: int
    error: str = ""


class BackedUpChannel(msgspec.Struct, frozen=True):
    """A channel that a backup holds. `addresses` are where its peer answered."""

    channel_id: ChannelId
    peer: NodeId
    addresses: tuple[str, ...]
    capacity_sat: int
    funding: str


class Backup(msgspec.Struct, frozen=True):
    """The backups of the channels, and what each of them holds."""

    files: tuple[BackupFile, ...]
    channels: tuple[BackedUpChannel, ...]


class StoreProblem(msgspec.Struct, frozen=True):
    """Something that is stored and contradicts the rest: where, what, and what to do about it."""

    where: str
    what: str
    advice: str


class StoreCheck(msgspec.Struct, frozen=True):
    """What a check of the store looked at, and what is wrong with it."""

    channels: int
    commitments: int
    problems: tuple[StoreProblem, ...]


class DatabaseCopy(msgspec.Struct, frozen=True):
    """A copy of the database, as it was at one moment."""

    path: str
    size_bytes: int
    note: str
