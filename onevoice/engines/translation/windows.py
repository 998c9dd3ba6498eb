"""Translating, shortening and reviewing windows of numbered lines with any chat model.

A film is cut into windows of lines. Each window is one request: its lines as JSON with ids, the
lines around it as context, the glossary and the budgets. What comes back is checked line by line;
lines that are surely right are kept, and only the others are asked for again, in smaller windows
and at last one by one in a stricter frame. So a line never gets another line's text, and a line
that tries to steer the model harms at most itself, and is reported.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import cast

from onevoice.engines import boundary
from onevoice.engines.base import Runtime, TranslationRequest, TranslationResult
from onevoice.engines.translation.window_cutting import (
    Cut,
    Numbered,
    cut,
    in_one,
    in_parts,
    number,
    together,
)
from onevoice.engines.translation.window_work import Chat, Done, Reply, Task, Work
from onevoice.engines.translation.wording import tidy

__all__ = ["Chat", "Reply", "Task", "Windows"]


class Windows:
    """Runs a task over requests: one result each, in order, as soon as its window is done.

    Parameters
    ----------
    at_once
        Windows under way at the same time; with 1 a window begins when it is asked for.
    """

    def __init__(self, chat: Chat, how: Cut, *, runtime: Runtime, at_once: int) -> None:
        self._chat = chat
        self._how = how
        self._runtime = runtime
        self._at_once = at_once

    def run(
        self, task: Task, requests: Sequence[TranslationRequest]
    ) -> Iterator[TranslationResult]:
        """One result per request. Raises what the model raises, after what is known is given."""
        drafts = self._drafts(task, requests)
        for index, draft in drafts.items():
            requests = [*requests]
            requests[index] = replace(requests[index], previous=draft.text)
        for index, result in enumerate(self._results(task, requests)):
            used = drafts[index].usage if index in drafts else ()
            yield replace(result, usage=together([*used, *result.usage]))

    def _drafts(
        self, task: Task, requests: Sequence[TranslationRequest]
    ) -> dict[int, TranslationResult]:
        """Translations of the lines to rewrite that have none yet, by index."""
        if task.verb == "translate":
            return {}
        blank = [i for i, request in enumerate(requests) if not tidy(request.previous)]
        fresh = replace(task, verb="translate")
        return dict(zip(blank, self._results(fresh, [requests[i] for i in blank]), strict=True))

    def _results(
        self, task: Task, requests: Sequence[TranslationRequest]
    ) -> Iterator[TranslationResult]:
        """One result per request; a text too long for a window is translated in parts."""
        if task.verb != "translate":
            yield from self._of_lines(task, requests)
            return
        parts = [in_parts(request, self._how.characters) for request in requests]
        with closing(self._of_lines(task, [part for some in parts for part in some])) as results:
            for some in parts:
                found = [*islice(results, len(some))]
                yield found[0] if len(found) == 1 else in_one(found, task.target)

    def _of_lines(
        self, task: Task, requests: Sequence[TranslationRequest]
    ) -> Generator[TranslationResult, None, None]:
        lines = number(requests)
        windows = cut(lines, self._how)

        def work(window: list[Numbered]) -> Done:
            self._runtime.cancel.check()
            return Work(self._chat, self._how, task, lines).do(window)

        done: Iterator[Done] = (work(window) for window in windows)
        if self._at_once > 1:
            done = boundary.each(windows, work, at_once=self._at_once, runtime=self._runtime)
        # Closed when the caller has enough or a window fails: no other is begun then.
        with closing(cast("Generator[Done, None, None]", done)):
            for results, error in done:
                yield from results
                if error is not None:
                    raise error
