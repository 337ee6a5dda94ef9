"""How does a plugin end with its node, and all that it started with the plugin, however each of them dies?

    node --> keeper --> plugin --> whatever it starts, also in a session of its own

A program of its own, on the standard library alone: `python keeper.py FD LIMITS PROGRAM ARGUMENT...`. FD is one end of
a socket pair whose other end only the node has; LIMITS is `nofile=256,core=0`, names of the resource module's limits,
which bind the plugin and all that it starts. The keeper writes the plugin's process id to it; when the node writes
to it, all of them are killed; when it ends, the node is gone, and they are killed after some seconds, in which the
plugin may end in order. When the plugin ends, what it left behind is killed, and the keeper ends as the plugin did.

On Linux an orphan's next parent is the keeper (PR_SET_CHILD_SUBREAPER), so that none gets away, and a plugin whose
keeper is killed is killed (PR_SET_PDEATHSIG). Elsewhere only the plugin's process group ends with it. What cannot be
held: a process of the same user may kill or stop the keeper itself, and what was in other sessions then lives on. A
plugin that must not be able to do that needs a user or a machine of its own.
"""

import ctypes
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress

ORPHAN_SECONDS = 4.0  # the SDK's own end in order takes 2
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def main(life: int, limits: str, program: list[str]) -> int:
    """Runs the program to its end, and to that of all that it started; the exit status of its process."""
    os.set_inheritable(life, False)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    plugin = os.fork()
    if plugin == 0:
        _become(limits, program)
    os.write(life, b"%d\n" % plugin)
    _let_go_of_pipes()
    status = _watch(life, woken, plugin)
    return _sweep(plugin, status)


def _limit(limits: str) -> None:
    """What the plugin may have at most. `data` counts what it has of its own in memory, not what it only reserves, as
    some languages do by the gigabyte."""
    for word in filter(None, limits.split(",")):
        name, _, most = word.partition("=")
        kind = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if kind is not None:
            hard = resource.getrlimit(kind)[1]
            bound = int(most) if hard == resource.RLIM_INFINITY else min(int(most), hard)
            resource.setrlimit(kind, (bound, bound))


def _become(limits: str, program: list[str]) -> None:
    keeper = os.getppid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setpgid(0, 0)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(1)
    try:
        _limit(limits)
        os.execvp(program[0], program)  # noqa: S606  a shell would be one more process
    except OSError as error:
        print(f"{program[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _let_go_of_pipes() -> None:
    """The plugin's input and output are not the keeper's: who reads them waits for the plugin alone."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def _watch(life: int, woken: int, plugin: int) -> int | None:
    """Until the plugin has ended: its status; or has to: None."""
    poll = select.poll()
    poll.register(life, select.POLLIN)
    poll.register(woken, select.POLLIN)
    end = None
    while end is None or time.monotonic() < end:
        ready = dict(poll.poll(None if end is None else 1000 * max(0.0, end - time.monotonic())))
        if woken in ready:
            with suppress(BlockingIOError):
                os.read(woken, 4096)
            if (status := _reap(plugin)) is not None:
                return status
        if life in ready:
            if _said(life):
                return None
            poll.unregister(life)
            end = time.monotonic() + ORPHAN_SECONDS
    return None


def _said(life: int) -> bool:
    """Whether the node has a wish; otherwise it is gone."""
    try:
        return bool(os.read(life, 1))
    except OSError:
        return False


def _reap(plugin: int) -> int | None:
    """The plugin's status if it is among those who ended."""
    found = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found = ended[1] if ended[0] == plugin else found
    return found


def _sweep(plugin: int, status: int | None) -> int:
    """Kills every descendant, those too that are born meanwhile; the plugin's status, unless it is known."""
    while True:
        with suppress(OSError):
            os.killpg(plugin, signal.SIGKILL)
        for child in _children():
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        try:
            ended = os.waitpid(-1, 0)
        except ChildProcessError:
            return status or 0
        status = ended[1] if ended[0] == plugin else status


def _children() -> list[int]:
    """The processes whose parent this one is, now; none where /proc does not tell."""
    found = []
    with suppress(OSError):
        for name in filter(str.isdecimal, os.listdir("/proc")):
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:
                if int(stat.read().rpartition(b")")[2].split()[1]) == os.getpid():
                    found.append(int(name))
    return found


def _end_as(status: int) -> None:
    """Ends as the plugin did: with its code, or by its signal."""
    if os.WIFSIGNALED(status):
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    _end_as(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
