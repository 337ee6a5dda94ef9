"""How does a new data directory come to know the channels of a backup, as lost?

    backup -> each channel: a snapshot that has failed, its index and its signer's rows, a watch on its funding
           -> its peer's addresses, how far the wallet's addresses were given out, and where its history begins

The node that starts from it connects to the peers, says that it has lost its data, broadcasts nothing, and claims what
is ours when a commitment confirms. Every index is known to the signer again, so that no key of these channels is given
to another one.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from lnpd.channel.actions import WatchOutput
from lnpd.channel.lost import NO_KEY
from lnpd.channel.state import Channel, Failed, Policy
from lnpd.errors import BackupOfAnotherNetwork, BackupOutdated, NothingToRestore
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.services.backup.content import SETTINGS, BackedUp, Content
from lnpd.services.backup.file import BACKUP_NAME, read_backup
from lnpd.services.backup.payments import want_sweep
from lnpd.services.chain.rows import new_row, row_key, write_row
from lnpd.services.chain.watch import NAMESPACE as WATCHES
from lnpd.services.channels.batch import INDEX, put_records
from lnpd.services.channels.service import TURN
from lnpd.services.interfaces import ChannelPublics, SignerChannel, SignerRecords
from lnpd.services.peers.reconnect import NAMESPACE as PEERS
from lnpd.services.peers.reconnect import KnownAddresses
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.service import KeySigner
from lnpd.services.wallet.birth import keep_birth_height
from lnpd.services.wallet.marks import mark
from lnpd.services.wallet.rows import STATE as WALLET
from lnpd.store.codec import encode
from lnpd.store.database import DATABASE_NAME
from lnpd.store.store import Store
from lnpd.store.transactions import Fault, no_fault
from lnpd.store.write import Write
from lnpd.tx.funding import funding_output

SIGNER_DIRECTORY: Final = "signer"
MAKING: Final = "restoring"
ASK_TO_CLOSE: Final = "This node has lost its data of this channel. Please close it."


class Lost(msgspec.Struct, frozen=True):
    """A channel that was restored, and which of its outputs only the lost database could have claimed."""

    channel: Channel
    unclaimable: tuple[str, ...]


def check_backup(path: Path, keys: Keys, network: str, directory: Path) -> Content:
    """A backup that may be restored into a directory.

    Raises BackupError: what read_backup raises, BackupOfAnotherNetwork, NothingToRestore for a directory with a
    database, BackupOutdated if a later backup lies in it.
    """
    key = keys.backup_key()
    content = read_backup(path, key)
    if content.network != network:
        raise BackupOfAnotherNetwork(f"{path} is of the network {content.network}, and {network} was asked for.")
    _check_empty(directory)
    beside = directory / BACKUP_NAME
    if beside.exists() and beside.resolve() != path.resolve():
        later = read_backup(beside, key)
        if later.written_unix_seconds > content.written_unix_seconds:
            raise BackupOutdated(f"{path} is older than {beside}, which lies in the directory: restore that one.")
    return content


def restored(each: BackedUp) -> Channel:
    """The snapshot of a lost channel: nothing of its commitments is known, and none is broadcast."""
    return Channel(
        key=each.key,
        peer=each.peer,
        us=each.us,
        policy=Policy(sweep_script=each.sweep_script),
        id=each.id,
        phase=Failed(ASK_TO_CLOSE, may_broadcast=False),
        channel_type=each.channel_type,
        type_bits=each.type_bits,
        extensions=each.extensions,
        funding_type=each.funding_type,
        announce=each.announce,
        capacity_sat=each.capacity_sat,
        terms=each.terms,
        fundings=each.fundings,
        depth_reached=True,
        ready=(True, True),
        aliases=each.aliases,
        short_channel_id=each.short_channel_id,
        shutdown=each.shutdown,
        from_backup=True,
    )


async def restore_words(directory: Path, network: str, from_height: int) -> None:
    """Makes the database of a directory from the words alone: the wallet, and to_remote outputs, are looked for from a
    height on. Raises StoreError, NothingToRestore."""
    _check_empty(directory)
    await _make(directory, network, lambda write: _put_words(write, from_height), no_fault)


def _put_words(write: Write, from_height: int) -> None:
    write.point("channels-restored")
    want_sweep(write, from_height)
    keep_birth_height(write, from_height)


def _check_empty(directory: Path) -> None:
    if (directory / DATABASE_NAME).exists():
        raise NothingToRestore(
            f"{directory} has a database, which knows more than a backup: start lnpd with it, or name another one."
        )


async def _make(place: Path, network: str, work: Callable[[Write], object], fault: Fault) -> None:
    """The database of a directory. It comes to its place when it is finished: half of one would be taken for a node
    without channels."""
    making = place / MAKING
    shutil.rmtree(making, ignore_errors=True)
    store = Store.open(making, network, fault)
    try:
        await store.write(work)
    finally:
        await store.close()
    os.replace(making / DATABASE_NAME, place / DATABASE_NAME)
    shutil.rmtree(making)


async def restore(directory: Path, keys: Keys, content: Content, fault: Fault = no_fault) -> tuple[Lost, ...]:
    """Makes the database of a directory, and that of a signer in a process of its own. Raises StoreError,
    SignerRefused."""
    signer = KeySigner(keys)
    records: list[SignerRecords] = []
    for each in content.channels:
        records += await _registered(signer, each)
    lost = tuple(Lost(restored(each), unclaimable(each)) for each in content.channels)
    for place, work in (
        (directory / SIGNER_DIRECTORY, lambda write: _put_all(write, records)),
        (directory, lambda write: _put_node(write, content, records)),
    ):
        await _make(place, content.network, work, fault)
    return lost


def unclaimable(each: BackedUp) -> tuple[str, ...]:
    """What of a channel only its database could claim."""
    providers = [p.name for p in each.channel_type.providers if p.name not in CORE_PROVIDERS]
    return ("HTLCs that were pending", *(f"outputs of the extension {name}" for name in providers))


async def _registered(signer: KeySigner, each: BackedUp) -> list[SignerRecords]:
    """The signer's rows of a lost channel: its index is taken, and it signs nothing but claims."""
    reservation = await signer.reserve_channel(each.index, each.key)
    ours, them, us = reservation.publics, each.terms[1 - each.us], each.us
    theirs = ChannelPublics(
        funding_pubkey=them.funding_key,
        revocation_basepoint=them.revocation_basepoint,
        payment_basepoint=them.payment_basepoint,
        delayed_payment_basepoint=them.delayed_payment_basepoint,
        htlc_basepoint=them.htlc_basepoint,
        first_per_commitment_point=NO_KEY,  # its commitments are known by their to_remote output alone
    )
    opener, acceptor = each.terms
    upfront = each.terms[us].upfront_shutdown_script
    channel = SignerChannel(
        index=each.index,
        us=us,
        type=each.channel_type,
        publics=(ours, theirs) if us == 0 else (theirs, ours),
        dust_limit_sat=(opener.dust_limit_sat, acceptor.dust_limit_sat),
        to_self_delay=(acceptor.to_self_delay, opener.to_self_delay),
        reserve_sat=(acceptor.channel_reserve_sat, opener.channel_reserve_sat),
        funding=each.fundings[0],
        destinations=tuple(dict.fromkeys(s for s in (upfront, each.sweep_script) if s)),
    )
    records = [reservation.records, await signer.register_channel(channel, lost=True)]
    return [*records, *[await signer.register_funding(each.index, funding) for funding in each.fundings[1:]]]


def _put_all(write: Write, records: Sequence[SignerRecords]) -> None:
    write.point("channels-restored")
    for each in records:
        put_records(write, each)


def _put_node(write: Write, content: Content, records: Sequence[SignerRecords]) -> None:
    _put_all(write, records)
    for each in content.channels:
        _put_channel(write, each)
    write.put_value(SETTINGS, TURN.encode(), content.payment_turn.to_bytes(2, "big"))
    write.put_value(WALLET, b"given", encode(content.wallet))
    keep_birth_height(write, content.wallet_birth_height)
    want_sweep(write, content.wallet_birth_height)


def _put_channel(write: Write, each: BackedUp) -> None:
    key, channel = each.key.encode(), restored(each)
    write.save_channel(key, each.peer, encode(channel))
    write.put_value(INDEX, key, encode(each.index))
    mark(write, each.sweep_script, each.channel_type, each.key)
    if each.addresses:
        write.put_value(PEERS, each.peer, encode(KnownAddresses(each.addresses)))
    for number, funding in enumerate(each.fundings):
        script = funding_output(funding).script_pubkey
        name = "funding" if number == 0 else f"funding/{funding.txid.hex()}"
        watch = WatchOutput(name, funding.txid, funding.vout, script, channel.policy.resolution_depth)
        row = new_row(key, watch, each.from_height)
        write.put_value(WATCHES, row_key(row), write_row(row))
