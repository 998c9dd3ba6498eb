"""Ctrl-C and SIGTERM, in a process of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from onevoice.cli.signals import stopping
from onevoice.engines.base import CancelToken

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")

POLITE = """
import time
from onevoice.cli.signals import stopping
from onevoice.engines.base import CancelToken
cancel = CancelToken()
with stopping(cancel):
    print("ready", flush=True)
    for _ in range(400):
        if cancel.cancelled:
            break
        time.sleep(0.05)
print("cancelled" if cancel.cancelled else "not told", flush=True)
"""

# time.sleep() would let Python's own handlers run; a mutex held in C does not.
STUBBORN = """
import ctypes
from onevoice.cli.signals import stopping
from onevoice.engines.base import CancelToken
with stopping(CancelToken()):
    print("ready", flush=True)
    mutex = (ctypes.c_char * 64)()
    libc = ctypes.CDLL(None)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)
"""


def start(script: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_to_stop(number: signal.Signals) -> None:
    process = start(POLITE)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert out == "cancelled\n"
    assert "press Ctrl-C again" in err
    assert process.returncode == 0


def test_the_second_leaves_at_once_even_from_c_code() -> None:
    process = start(STUBBORN)
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    assert "press Ctrl-C again" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stopping(CancelToken()):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_other_threads_leave_signals_alone() -> None:
    seen: list[object] = []

    def work() -> None:
        with stopping(CancelToken()):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
