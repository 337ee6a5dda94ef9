"""How does a program spend no time on looking for garbage among its own modules?

There is none: what a program has loaded stays to its end. But the collector looks at all of it while it is loaded, at
intervals later, and once more when the interpreter ends: a third of the time of a daemon that starts and stops.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """No collection in here, and none ever of what is there at its end."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
