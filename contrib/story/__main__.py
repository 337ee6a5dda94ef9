"""Does lnpd work on this machine? Two nodes show it, from the first block to the last satoshi (`make run`).

    python -m contrib.story              the story, then a shell of alice's if there is a terminal
    python -m contrib.story --no-shell   the story alone
    python -m contrib.story --keep       the folder stays, with the databases and logs
    python -m contrib.story --rgb        another story: an RGB asset in a channel, on a bitcoind (`make demo-rgb`)

Exit code 0 only if everything happened and every figure agreed.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Final

from contrib.regtest.bitcoind import Missing
from contrib.story.chapters import CHANNEL_TYPE, Story
from contrib.story.processes import ENDING_SIGNALS, installed
from contrib.story.rgb import RgbStory
from contrib.story.telling import StoryFailed, Teller, complain
from lnpd.errors import LnpdError

INTERRUPTED: Final = 130


def main() -> int:
    """Tells the story; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m contrib.story", description="Two nodes, from block to satoshi.")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the nodes' databases and logs")
    parser.add_argument("--no-shell", action="store_true", help="end after the story, on a terminal too")
    parser.add_argument("--rgb", action="store_true", help="tell of an RGB asset in a channel, without a shell")
    options = parser.parse_args()
    for number in ENDING_SIGNALS:
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="lnpd-"))
    kept = "kept" if options.keep else "removed at the end; --keep keeps it"
    teller = Teller()
    what = "tokens in a channel" if options.rgb else "first light"
    teller.title(f"lnpd: {what}. Everything is in {folder} ({kept}).")
    story = RgbStory(folder, teller) if options.rgb else Story(folder, teller)
    try:
        return _tell(story, shell=not options.no_shell and sys.stdin.isatty() and sys.stdout.isatty())
    finally:
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # what follows takes seconds at most, and leaves nothing behind
        story.stop()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
        teller.title(f"All processes are stopped; the folder is {'kept' if options.keep else 'removed'}.")


def _tell(story: Story | RgbStory, shell: bool) -> int:
    try:
        story.run()
        story.teller.title(f"\nThat was all, in {story.teller.seconds:.1f} s.")
        if shell and isinstance(story, Story):
            _shell(story)
    except KeyboardInterrupt:
        complain("\nInterrupted.")
        return INTERRUPTED
    except Missing as why:
        complain(f"\nThe story cannot be told here: {why}")
        return 1
    except (StoryFailed, LnpdError) as error:
        complain(f"\nThe story failed: {error}")
        for program in story.programs:
            complain(f"\nThe last lines of {program.log.name}:")
            for line in program.tail():
                complain(f"  {line}")
        return 1
    return 0


def _shell(story: Story) -> None:
    """Alice's shell. Ctrl-C is the shell's while it runs."""
    bob = f"{installed('lnp')} --directory {story.bob.directory}"
    print(
        f"\nNow both nodes are yours: here is alice's shell (Ctrl-D ends all). Try\n"
        f"  funds\n"
        f"  open {story.bob.id[:12]} 500000 --channel-type {CHANNEL_TYPE}\n"
        f"  mine 3\n"
        f"  channels\n"
        f"  plugin list\n"
        f"and for an invoice of bob's, in another terminal\n"
        f'  {bob} invoice "a coffee" --amount-msat 21sat\n',
        flush=True,
    )
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)  # not SIG_IGN: a child would inherit that
    try:
        subprocess.run([installed("lnp"), "--directory", str(story.alice.directory)], check=False)
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
