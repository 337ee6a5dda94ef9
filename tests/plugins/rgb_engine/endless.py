"""What judges a consignment that never comes to an end? Run in the place of `rgb_engine.judge`."""

import sys

import msgspec

from rgb_engine.judge import Case, bind

if __name__ == "__main__":
    bind(msgspec.json.decode(sys.stdin.buffer.read(), type=Case).bounds)
    while True:
        pass
