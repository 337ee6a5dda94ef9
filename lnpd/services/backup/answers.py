"""What does a person see of backups and of the store's check?"""

import asyncio
import time
from pathlib import Path
from typing import Final

from lnpd.rpc import answers
from lnpd.services.backup.check import check
from lnpd.services.backup.keeper import BackupKeeper
from lnpd.services.backup.problems import Problem
from lnpd.store.store import Store

COPY_NOTE: Final = (
    "From the next step of any channel on it is an old copy. lnpd that is started from one leaves closing to the peers."
)


def shown(keeper: BackupKeeper) -> answers.Backup:
    """The backups of the channels."""
    now = int(time.time())
    channels = keeper.content.channels if keeper.content else ()
    return answers.Backup(
        files=tuple(
            answers.BackupFile(
                path=str(each.path),
                written_unix_seconds=each.written_unix_seconds,
                age_seconds=max(0, now - each.written_unix_seconds),
                size_bytes=each.size_bytes,
                error=each.error,
            )
            for each in keeper.written
        ),
        channels=tuple(
            answers.BackedUpChannel(
                channel_id=each.id.hex(),
                peer=each.peer.hex(),
                addresses=tuple(str(address) for address in each.addresses),
                capacity_sat=each.capacity_sat,
                funding=f"{each.fundings[0].txid[::-1].hex()}:{each.fundings[0].vout}",
            )
            for each in channels
        ),
    )


async def checked(store: Store, chain: tuple[Problem, ...]) -> answers.StoreCheck:
    """Everything that is stored, checked; `chain` is what the chain contradicts."""
    found = await store.read(check)
    problems = tuple(answers.StoreProblem(each.where, each.what, each.advice) for each in (*found.problems, *chain))
    return answers.StoreCheck(found.channels, found.commitments, problems)


async def copied(store: Store, file: str) -> answers.DatabaseCopy:
    """The database, copied. Raises DatabaseFailed."""
    path = Path(file)
    await store.backup(path)
    size_bytes = await asyncio.to_thread(lambda: path.stat().st_size)
    return answers.DatabaseCopy(file, size_bytes, COPY_NOTE)
