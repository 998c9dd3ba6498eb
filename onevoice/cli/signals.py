"""Ctrl-C and SIGTERM: the first asks the pipeline to stop, the second leaves at once.

Python runs signal handlers between bytecodes of the main thread only, which a model runtime can
hold up for seconds. The wake-up descriptor is written by the C handler itself, so a thread that
reads it learns of the signal while the main thread is still busy.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from onevoice.cli import output
from onevoice.cli.exits import ExitStatus
from onevoice.engines.base import CancelToken

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping(cancel: CancelToken) -> Iterator[None]:
    """Turn the two signals into ``cancel`` for the time of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers; whoever started us handles signals
        return
    receive, send = os.pipe()
    os.set_blocking(send, False)
    listener = threading.Thread(target=_listen, args=(receive, cancel), daemon=True)
    listener.start()
    before = {number: signal.signal(number, _ignore) for number in _SIGNALS}
    old_wakeup = signal.set_wakeup_fd(send, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(old_wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(send)
        listener.join()
        os.close(receive)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Nothing: the listener has been told already."""


def _listen(receive: int, cancel: CancelToken) -> None:
    while data := os.read(receive, 1):
        if data[0] not in _SIGNALS:
            continue
        if cancel.cancelled:
            output.show_cursor()
            os._exit(ExitStatus.CANCELLED)
        cancel.cancel()
        output.note("stopping after the present step; press Ctrl-C again to leave at once")
