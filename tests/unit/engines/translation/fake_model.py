"""A language model that answers from a script, and notes what it was asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onevoice.engines.translation.model import Completion


class FakeModel:
    """Each completion takes the next answer; a callable answer sees the last message."""

    def __init__(self, *answers: str | Completion | Callable[[str], str]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def complete(self, messages: list[dict[str, str]], **options: Any) -> Completion:
        self.asked.append({"messages": messages, **options})
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if callable(answer):
            answer = answer(messages[-1]["content"])
        return answer if isinstance(answer, Completion) else Completion(answer, cut=False)

    def close(self) -> None:
        return None
