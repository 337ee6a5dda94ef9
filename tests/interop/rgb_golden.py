"""Writes the consignment that the tests of plugins/nia read where there is no rgb-lib: ten transfers of one asset.

PYTHONPATH=.:sdk:plugins python -m tests.interop.rgb_golden
"""

from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.interop.rgb import rgb_world
from tests.interop.rgb_transfers import parts
from tests.interop.test_rgb_encoder import ROUNDS, SHARED, made, with_shared_output

FILE = Path(__file__).parents[1] / "plugins" / "nia" / "ten_transfers.rgb"


def main() -> None:
    """Makes the transfers, of 500 tokens to one more recipient each time, and writes the last one's file."""
    world, rng, seen = rgb_world(), Random(6), Counter[str]()
    with TemporaryDirectory() as folder:
        maker = with_shared_output(world, Path(folder) / "maker")
        for count in range(1, ROUNDS + 1):
            wanted = {asset: parts(rng, 500, count) for asset in maker.assets[: len(SHARED)]}
            files = made(world, maker, rng, seen, wanted)
    FILE.write_bytes(files[0])
    print(f"{FILE.name}: {len(files[0])} bytes; {seen['transitions']} transitions were compared")


if __name__ == "__main__":
    main()
