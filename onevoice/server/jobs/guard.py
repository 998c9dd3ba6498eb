"""The small process that stands between a worker and a dub, and leaves no process behind.

It reads the order, forks the dub, and waits. When its owner dies, which closes its standard input,
or the dub dies of whatever, every process of the session is killed: also an ffmpeg that has a
process group of its own. Python's own lock cannot hold it up, however long a model's runtime keeps
that in the dub. Nothing but the standard library is imported here: it is there as long as the dub.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_PROC = Path("/proc")
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_HEARD = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Wire:
    """What connects a dub with the outside."""

    order: bytes
    events: int
    """Descriptor for events; standard output itself goes to standard error from now on."""
    leash: int
    """Descriptor: a byte asks to stop, its end tells that nobody waits any more."""


def fork_guarded() -> Wire:
    """Fork: returns in the new process, the dub. The old one stays as its guard."""
    order = _read_line(sys.stdin.fileno())
    events = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not get between the events
    receive, send = os.pipe()
    guard = os.getpid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)
    dub = os.fork()
    if dub:
        os.close(events)
        os.close(receive)
        _watch(dub, send)
    os.close(send)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guard:
        os._exit(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return Wire(order, events, receive)


def end_session(session: int) -> None:
    """Kill all processes of a session but the caller, and wait until they are gone.

    Off Linux only the group of its leader is reached.
    """
    if not (_PROC / "self" / "stat").exists():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(session, signal.SIGKILL)
        return
    for _ in range(200):  # one that hangs in the kernel must not hang its killer
        members = _members(session)
        if not members:
            return
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _members(session: int) -> list[int]:
    """The living processes of a session, without the caller."""
    found = []
    for entry in os.listdir(_PROC):  # noqa: PTH208 (names are enough, and there are many)
        if not entry.isdecimal() or int(entry) == os.getpid():
            continue
        with suppress(OSError):
            # pid (name) state ppid pgrp session …; the name may hold anything, brackets included
            fields = (_PROC / entry / "stat").read_bytes().rpartition(b")")[2].split()
            if int(fields[3]) == session and fields[0] not in (b"Z", b"X"):
                found.append(int(entry))
    return found


def _watch(dub: int, leash: int) -> NoReturn:
    wake, woken = os.pipe()
    for end in (wake, woken):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for number in _HEARD:
        signal.signal(number, lambda *_: None)
    while (status := _reap(dub)) is None:
        ready, _, _ = select.select([0, wake], [], [])
        told = os.read(wake, 64) if wake in ready else b""
        if signal.SIGHUP in told or (0 in ready and _closed(0)):
            break
        if signal.SIGTERM in told or signal.SIGINT in told:
            with suppress(BrokenPipeError):
                os.write(leash, b"c")
    end_session(os.getpid())
    # Threads of a dead process may still be leaving, and it cannot be waited for before. Orphans
    # of the dub are taken note of, too: there may be no init that would.
    for _ in range(100):
        if (last := _reap(dub)) is not None or status is not None:
            break
        time.sleep(0.005)
    _end_as(last if status is None else status)


def _closed(descriptor: int) -> bool:
    try:
        return not os.read(descriptor, 4096)
    except OSError:
        return True


def _reap(dub: int) -> int | None:
    """Take note of every process that ended; the status of the dub if it is among them."""
    status = None
    with suppress(ChildProcessError):
        while True:
            pid, ended = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            if pid == dub:
                status = ended
    return status


def _end_as(status: int | None) -> NoReturn:
    """Leave as the dub did, so that whoever waits for the guard learns what killed the dub."""
    if status is None:
        os._exit(1)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with suppress(OSError, ValueError):  # SIGKILL has no handler to take off
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(128 + number)
    os._exit(os.waitstatus_to_exitcode(status))


def _read_line(descriptor: int) -> bytes:
    """The order; nothing at all when the owner went away before it was written."""
    parts = []
    while data := os.read(descriptor, 65536):
        parts.append(data)
        if data.endswith(b"\n"):
            return b"".join(parts)
    os._exit(1)


def _prctl(option: int, value: int) -> None:
    """Linux only: elsewhere the end of standard input has to do."""
    call = getattr(ctypes.CDLL(None), "prctl", None)
    if call is not None:
        call(option, ctypes.c_ulong(value), 0, 0, 0)
