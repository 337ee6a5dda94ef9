"""Which known word did somebody mean who wrote another one?"""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'X'?`, to be put behind a sentence; empty if no known word is like it."""
    found = difflib.get_close_matches(word[:100], list(known), 1, 0.6)
    return f"; did you mean {found[0]!r}?" if found else ""
