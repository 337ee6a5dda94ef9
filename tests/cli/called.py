"""How does a test run `lnp` or `lnpd` in its own process, as if it were one of its own?"""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

Main = Callable[[Sequence[str]], int]


class Called(NamedTuple):
    """What came of it."""

    code: int
    out: str
    err: str


def called(
    main: Main,
    words: Sequence[str],
    stdin: str = "",
    variables: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Called:
    """Runs it with these words, this input, no variables of lnpd but these, in this folder. Whatever a process would
    keep to itself is as before when it is done."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    alone = _own_process(io.StringIO(stdin), variables or {}, folder)
    with alone, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]  # a BytesIO
    return Called(code, *texts)


@contextlib.contextmanager
def _own_process(stdin: io.StringIO, variables: Mapping[str, str], folder: Path | None) -> Iterator[None]:
    root, before, here = logging.getLogger(), dict(os.environ), Path.cwd()
    kept = root.handlers[:], root.level, logging.getLogger("lnpd").level, os.umask(0o077), sys.stdin
    os.umask(kept[3])
    for name in [name for name in os.environ if name.startswith("LNPD_")]:
        del os.environ[name]
    os.environ.update(variables)
    os.chdir(folder or here)
    sys.stdin = stdin
    try:
        yield
    finally:
        root.handlers[:], root.level, sys.stdin = kept[0], kept[1], kept[4]
        logging.getLogger("lnpd").setLevel(kept[2])
        os.umask(kept[3])
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)
