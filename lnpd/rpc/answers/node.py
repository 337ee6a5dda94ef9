"""What are the answers of the commands about the node as a whole? As __init__.py says."""

from typing import Any, Literal

import msgspec

from lnpd.rpc.answers.ids import NodeId, Txid


class Feature(msgspec.Struct, frozen=True):
    """A feature bit of ours (BOLT 9). An "even" one is compulsory for the peer or payer, an "odd" one is not; `said_in`
    is where it is set: in our `init`, in our invoices."""

    name: str
    bit: int
    kind: Literal["odd", "even"]
    said_in: tuple[Literal["init", "invoice"], ...]


class Limit(msgspec.Struct, frozen=True):
    """A limit of the node: its option is `--` and the name. `preset` is empty if the value is not the preset's."""

    name: str
    value: int
    preset: str
    unit: str
    meaning: str


class Info(msgspec.Struct, frozen=True):
    """The node as a whole. `addresses` are where it listens; `warnings` are sentences about what needs care.
    `features` and `limits` are there if they were asked for. Up to `synced_height` all that concerns us is known; while
    it is below `height`, blocks are still being read.

    `chain_silent_since_unix_seconds`: when the chain answered last, if it does not answer now. Height, block and
    feerate are of then.
    """

    node_id: NodeId
    alias: str
    network: str
    version: str
    height: int
    synced_height: int
    block_hash: Txid
    feerate_per_kw: int
    peers: int
    channels: int
    addresses: tuple[str, ...]
    plugins: tuple[str, ...]
    warnings: tuple[str, ...]
    process: int
    directory: str
    chain_silent_since_unix_seconds: int | None = None
    features: tuple[Feature, ...] | msgspec.UnsetType = msgspec.UNSET
    limits: tuple[Limit, ...] | msgspec.UnsetType = msgspec.UNSET


class Done(msgspec.Struct, frozen=True):
    """It was done; `note` says what a person should know besides."""

    note: str = ""


class Event(msgspec.Struct, frozen=True):
    """Something that happened. Sequence numbers grow, are never used twice, and survive a restart.
    `payload` is a JSON object."""

    sequence: int
    topic: str
    unix_seconds: int
    payload: Any  # each topic has fields of its own
