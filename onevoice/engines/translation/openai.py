"""Any language model behind an OpenAI-compatible chat API: OpenAI, Ollama, vLLM, llama.cpp."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from onevoice import languages
from onevoice.engines import boundary, openai_api
from onevoice.engines.base import (
    EngineInfo,
    Params,
    Runtime,
    TranslationRequest,
    TranslationResult,
)
from onevoice.engines.translation import window_prompts
from onevoice.engines.translation.summary import read_film
from onevoice.engines.translation.window_cutting import Cut
from onevoice.engines.translation.windows import Reply, Task, Windows
from onevoice.errors import EngineRefused
from onevoice.types import Segment, Summary, Usage

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

KEY = openai_api.KEY
ENGINE = "translation.openai"

PRICES: dict[str, tuple[float, float]] = {
    "gpt-6-astra": (10.0, 50.0),
    "gpt-6-sol": (2.0, 10.0),
    "gpt-6-luna": (0.1, 0.5),
    "gpt-5.6-sol": (5.0, 30.0),
    "gpt-5.6-terra": (2.0, 12.0),
    "gpt-5.6-luna": (0.2, 1.2),
    "gpt-5.5": (5.0, 30.0),
    "gpt-5.4": (2.5, 15.0),
    "gpt-5.4-mini": (0.75, 4.5),
    "gpt-5.4-nano": (0.2, 1.25),
    "gpt-5.2": (1.75, 14.0),
    "gpt-5.1": (1.25, 10.0),
    "gpt-5": (1.25, 10.0),
    "gpt-5-mini": (0.25, 2.0),
    "gpt-5-nano": (0.05, 0.4),
    "gpt-4.1": (2.0, 8.0),
    "gpt-4.1-mini": (0.4, 1.6),
    "gpt-4.1-nano": (0.1, 0.4),
    "gpt-4o": (2.5, 10.0),
    "gpt-4o-mini": (0.15, 0.6),
}
"""US dollars for a million tokens in and out: list prices as last published, September 2026.

Input from the vendor's prompt cache is cheaper and counted in full here, so a bill is never
higher. The price of a model that is not listed is unknown and counts as 0.
"""

_CHARACTERS_A_TOKEN = 3.8
_CHARACTERS_A_LINE = 60
_FRAME_TOKENS = 700
"""Rules, film and glossary of one window, roughly."""
_LINE_TOKENS = 9
"""JSON round one line, in and out."""
_REPAIRS = 1.1
_FORMATS = ("json_schema", "json_object", "text")
_ABOUT_FORMAT = ("response_format", "json_schema", "json_object", "structured", "guided", "grammar")


class OpenAIParams(openai_api.OpenAIApiParams):
    model: str = "gpt-6-sol"
    """Name of the model at that server."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """Left to the server when empty; OpenAI's reasoning models take none."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = (
        None
    )
    """How long the model thinks; thinking is paid as output. Left to the server when empty."""
    window: int = Field(default=20, ge=1, le=100)
    """Lines in one request."""
    overlap: int = Field(default=3, ge=0, le=20)
    """Lines before and after a window that the model sees as context."""
    attempts: int = Field(default=3, ge=1, le=10)
    """How often a line is asked for until its answer passes the checks; the last time alone."""
    usd_per_1m_input: float | None = Field(default=None, ge=0)
    usd_per_1m_output: float | None = Field(default=None, ge=0)
    """What a million tokens cost, where that is not OpenAI's list price; another server's are free.
    """


class OpenAI(openai_api.OpenAIEngine):
    """Translator, reviewer and summariser over the chat completions of one server."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="translation",
        name="openai",
        summary="OpenAI's models, or any server with its chat API (Ollama, vLLM, llama.cpp)",
        licence="hosted: OpenAI's terms of use; at another server: the licence of its model",
        extra="cloud",
        key=KEY,
        hosted=True,
        price=(
            "gpt-6-sol $2 in, $10 out, gpt-6-luna $0.10 and $0.50 for a million tokens "
            "(list, September 2026); other models: unknown unless listed in the code"
        ),
        limits="what the model's context holds; 20 lines and their neighbours are in a request",
    )
    Params: ClassVar[type[Params]] = OpenAIParams
    params: OpenAIParams
    uses_context: ClassVar[bool] = True

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._format = 0

    def identity(self) -> dict[str, Any]:
        # Where the server is does not decide what its model says; nor do prices.
        apart = {"base_url", "key_variable", "usd_per_1m_input", "usd_per_1m_output"}
        return {
            "engine": self.info.name,
            "prompts": window_prompts.VERSION,
            "params": self.params.model_dump(mode="json", exclude=apart),
        }

    def quote(self, amount: float) -> float:
        """Expected dollars for ``amount`` characters of text, with some repairs."""
        lines = amount / _CHARACTERS_A_LINE
        windows = math.ceil(lines / self.params.window)
        text = amount / _CHARACTERS_A_TOKEN
        context = text * min(2.0, 2 * self.params.overlap / self.params.window)
        tokens_in = text + context + lines * _LINE_TOKENS + windows * _FRAME_TOKENS
        tokens_out = 1.2 * text + lines * _LINE_TOKENS
        price_in, price_out = self._prices()
        return _REPAIRS * (tokens_in * price_in + tokens_out * price_out) / 1e6

    def supports(self, source: str, target: str) -> bool:
        return not languages.same(source, target)

    def translate(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        """One result per request, in order, window by window."""
        return self._run("translate", requests, source, target, summary)

    def shorten(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        """Say ``previous`` within ``budget`` characters; the best answer, even if too long."""
        return self._run("shorten", requests, source, target, summary)

    def review(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        """Criticise ``previous`` and write it again; it stays where the rewrite is no better."""
        return self._run("review", requests, source, target, summary)

    def summarize(self, segments: Sequence[Segment], *, language: str) -> Summary:
        """What the film is about, read in parts that are put together at the end."""
        return read_film(
            self,
            segments,
            language=language,
            runtime=self.runtime,
            at_once=self.runtime.requests_at_once,
        )

    def ask(
        self,
        messages: list[dict[str, str]],
        *,
        schema: dict[str, Any],
        longest: int,
        attempt: int,
        what: str,
    ) -> Reply:
        """One request, in the strictest form of answer that the server knows."""
        service = openai_api.service(self.params)
        estimate = self._usd(*_guess_tokens(messages, longest))
        while True:
            form = self._format
            try:
                answer = boundary.request(
                    service,
                    partial(self._send, messages, schema, form),
                    runtime=self.runtime,
                    what=what,
                    usd=estimate,
                    used=self._usage,
                )
            except _FormatUnknown:
                # Remembered: another window may have found out at the same time.
                self._format = max(self._format, form + 1)
                continue
            return _read(answer, self._usage(answer))

    def _send(
        self, messages: list[dict[str, str]], schema: dict[str, Any], form: int
    ) -> ChatCompletion:
        from openai import APIStatusError
        from openai.types.chat import ChatCompletion

        options: dict[str, Any] = {}
        if _FORMATS[form] == "json_schema":
            options["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": schema},
            }
        elif _FORMATS[form] == "json_object":
            options["response_format"] = {"type": "json_object"}
        if self.params.temperature is not None:
            options["temperature"] = self.params.temperature
        if self.params.reasoning_effort is not None:
            options["reasoning_effort"] = self.params.reasoning_effort
        try:
            answer = self._client().chat.completions.create(
                model=self.params.model,
                messages=messages,
                **options,
            )
        except APIStatusError as exc:
            if form < len(_FORMATS) - 1 and _is_about_format(exc):
                raise _FormatUnknown from exc
            raise
        # The SDK hands on whatever it got: a proxy's page is text, an odd server sends no choices
        # or empty ones.
        if (
            not isinstance(answer, ChatCompletion)
            or not answer.choices
            or getattr(answer.choices[0], "message", None) is None
        ):
            raise boundary.Garbled("no completion in it")
        return answer

    def _run(
        self,
        verb: window_prompts.Verb,
        requests: Sequence[TranslationRequest],
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        if not self.supports(source, target):
            raise EngineRefused(
                f"{source} and {target} are one language", hint="choose another target language"
            )
        how = Cut(
            lines=self.params.window, overlap=self.params.overlap, attempts=self.params.attempts
        )
        at_once = self.runtime.requests_at_once
        windows = Windows(self, how, runtime=self.runtime, at_once=at_once)
        return windows.run(Task(verb=verb, source=source, target=target, summary=summary), requests)

    def _prices(self) -> tuple[float, float]:
        # Another server is free, whatever it calls its model, unless its price is told.
        listed = (0.0, 0.0) if self.params.base_url else price_of(self.params.model)
        given = self.params.usd_per_1m_input, self.params.usd_per_1m_output
        return (
            listed[0] if given[0] is None else given[0],
            listed[1] if given[1] is None else given[1],
        )

    def _usd(self, tokens_in: float, tokens_out: float) -> float:
        price_in, price_out = self._prices()
        return (tokens_in * price_in + tokens_out * price_out) / 1e6

    def _usage(self, answer: ChatCompletion) -> tuple[Usage, ...]:
        used = answer.usage
        tokens_in = getattr(used, "prompt_tokens", None) or 0
        tokens_out = getattr(used, "completion_tokens", None) or 0
        counts = (
            ("input tokens", tokens_in, self._usd(tokens_in, 0)),
            ("output tokens", tokens_out, self._usd(0, tokens_out)),
        )
        return tuple(
            Usage(engine=ENGINE, model=self.params.model, unit=unit, quantity=n, usd=usd)
            for unit, n, usd in counts
        )


class _FormatUnknown(Exception):
    """The server does not take this form of response_format."""


def price_of(model: str) -> tuple[float, float]:
    """Dollars for a million tokens in and out; a dated name costs what its model does."""
    for name in sorted(PRICES, key=len, reverse=True):
        if model == name or model.startswith(f"{name}-20"):
            return PRICES[name]
    return 0.0, 0.0


def _read(answer: ChatCompletion, usage: tuple[Usage, ...]) -> Reply:
    choice = answer.choices[0]
    refused = bool(choice.message.refusal) or choice.finish_reason == "content_filter"
    return Reply(text=choice.message.content or "", refused=refused, usage=usage)


def _is_about_format(exc: Any) -> bool:
    said = f"{exc.message} {exc.body}".lower()
    return exc.status_code in (400, 422) and any(word in said for word in _ABOUT_FORMAT)


def _guess_tokens(messages: Sequence[dict[str, str]], longest: int) -> tuple[float, float]:
    asked = sum(len(message["content"]) for message in messages)
    return asked / _CHARACTERS_A_TOKEN, longest / _CHARACTERS_A_TOKEN
