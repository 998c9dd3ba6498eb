"""A thread for objects that may only be touched where they were made."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread, current_thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_Job = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], "Future[Any]"]


class OneThread:
    """Runs calls one after another on a thread of its own, which starts with the first call.

    It ends with :meth:`close`, with the object, or with the program.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = Thread(target=_work, args=(self._jobs,), daemon=True)
        self._starting = Lock()
        # Waits for the thread, so that what it owns is freed before the interpreter is gone.
        self.close = weakref.finalize(self, _end, self._jobs, self._thread)

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``function`` there; its result, or its exception, comes back here."""
        if current_thread() is self._thread:
            return function(*args, **kwargs)
        with self._starting:  # two callers may both be the first
            if self._thread.ident is None:
                self._thread.start()
        future: Future[R] = Future()
        self._jobs.put((function, args, kwargs, future))
        return future.result()


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        function, args, kwargs, future = job
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as exc:  # it belongs to the caller, whatever it is
            future.set_exception(exc)
        del job, function, args, kwargs, future


def _end(jobs: SimpleQueue[_Job | None], thread: Thread) -> None:
    if thread.ident is not None:
        jobs.put(None)
        if current_thread() is not thread:
            thread.join(timeout=10)
