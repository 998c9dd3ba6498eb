"""``python -m onevoice.server.jobs.child``: one dub in a process of its own.

The order is the first line of standard input, which then stays open as long as its owner lives;
events are lines on standard output. SIGTERM asks to stop, the end of standard input ends
everything at once. See :mod:`.guard` for how, and :mod:`.process` for the owner's side.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from onevoice.server.jobs.guard import fork_guarded

if TYPE_CHECKING:
    from onevoice.engines.base import CancelToken
    from onevoice.server.jobs.orders import Limits, Message

_OOM_SCORE = "500"
"""When memory runs out the kernel is to take a dub, not the worker."""


def main() -> NoReturn:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    wire = fork_guarded()
    for number in (signal.SIGTERM, signal.SIGINT):
        # A handler and not SIG_IGN, which ffmpeg would inherit. The guard tells us to stop.
        signal.signal(number, lambda *_: None)

    from onevoice.engines.base import CancelToken
    from onevoice.server.jobs.orders import Order
    from onevoice.server.jobs.performing import perform

    cancel = CancelToken()
    threading.Thread(target=_obey, args=(wire.leash, cancel), daemon=True).start()
    order = Order.model_validate_json(wire.order)
    _limit(order.limits)
    perform(order, tell=_teller(wire.events), cancel=cancel)
    sys.stderr.flush()
    # All is told and all is on the disk: runtimes that take long to unload, or crash at it, need
    # not be waited for.
    os._exit(0)


def _obey(leash: int, cancel: CancelToken) -> None:
    while os.read(leash, 1):
        cancel.cancel()
    os._exit(1)


def _limit(limits: Limits) -> None:
    os.nice(limits.nice)
    if limits.memory is not None:
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    with suppress(OSError):  # Linux only, and not in every container
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")


def _teller(events: int) -> Callable[[Message], None]:
    """Writes whole lines, whichever thread they come from."""
    lock = threading.Lock()

    def tell(message: Message) -> None:
        rest = memoryview(message.encoded())
        with lock:
            try:
                while rest:
                    rest = rest[os.write(events, rest) :]
            except BrokenPipeError:
                os._exit(1)  # nobody listens any more

    return tell


if __name__ == "__main__":
    main()
