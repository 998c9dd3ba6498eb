"""Logs: one line of JSON per event for machines, coloured text for people; no secret in either.

structlog and the standard library's loggers (Uvicorn, SQLAlchemy, boto3 …) pass the same chain. Ids
of what is being worked on (``request_id``, ``user_id``, ``job_id``, ``task_id``) are context
variables: ``structlog.contextvars.bind_contextvars(job_id=…)`` puts one on every line that follows.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from onevoice.errors import ConfigError
from onevoice.server.settings import ServerSettings

HIDDEN = "[hidden]"
_LONGEST = 8192
_DEEPEST = 6

_SECRET_KEY = re.compile(
    r"passw|passphrase|secret|token|authori[sz]ation|cookie|signature|credential|api_?key"
    r"|private|receipt|(^|[_-])key$",
    re.IGNORECASE,
)
_NO_SECRETS = frozenset({"storage_key", "object_key", "token_type"})
# None of them may begin within what it just failed on: a long text would take it minutes.
_SECRET_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<![\w-])eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*", HIDDEN),  # JWT
        (r"\bov_[A-Za-z0-9]+_[\w-]{8,}", HIDDEN),  # API key
        (r"whsec_[A-Za-z0-9+/=_-]+", HIDDEN),
        (r"\bpdl_\w+", HIDDEN),  # Paddle
        (r"(?<![\w-])sk[-_][\w-]{16,}", HIDDEN),
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", HIDDEN),
        (r"\$(?:argon2\w*|2[abxy])\$[\w$=,./+-]+", HIDDEN),  # password hashes
        (r"\b(Bearer|Basic) +[\w.~+/=-]+", rf"\1 {HIDDEN}"),
        (r"(/storage/(?:parts|objects)/)[^\s\"'?]+", rf"\1{HIDDEN}"),
        (r"(?<=://)([^\s:/@]*):[^\s:/@]+@", rf"\1:{HIDDEN}@"),
        (
            r"([?&#;](?i:[\w-]*(?:signature|credential|token|secret|password)|sig|key|code"
            r"|awsaccesskeyid)=)[^&\s\"'<>]+",
            rf"\1{HIDDEN}",
        ),
        (r"\[parameters: [^\n]*", f"[parameters: {HIDDEN}]"),  # SQLAlchemy's errors
        (r"(DETAIL: +Key \([^)\n]{0,200}\)=)[^\n]*", rf"\1({HIDDEN})"),  # PostgreSQL's
    )
)
# They log whole URLs, or headers and bodies of what they sign: only their warnings are wanted.
_TALKATIVE = (
    "aiosqlite",
    "asyncio",
    "boto3",
    "botocore",
    "httpcore",
    "httpcore2",
    "httpx",
    "httpx2",
    "s3transfer",
    "urllib3",
)
_ACCESS_LOGS = ("uvicorn.access", "gunicorn.access")


def configure_logs(settings: ServerSettings, *, stream: TextIO | None = None) -> None:
    """Send every logger of the process through the one chain, to stderr."""
    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping().get(settings.log_level.upper())
    if level is None:
        raise ConfigError(
            f"{settings.log_level!r} is no log level",
            hint="ONEVOICE_SERVER_LOG_LEVEL is one of DEBUG, INFO, WARNING, ERROR",
        )
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and (settings.environment == "hosted" or not stream.isatty())
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(as_json=as_json, colours=stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "gunicorn.error", *_ACCESS_LOGS):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _ACCESS_LOGS:
        # Theirs has whole URLs in it, tokens included; the line of RequestContext replaces it.
        logging.getLogger(name).disabled = True
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def redact(_: Any, __: str, event: EventDict) -> EventDict:
    """Take the secrets out of an event, by the names and by the shapes of its values."""
    return {name: _clean(value, name=str(name), depth=0) for name, value in event.items()}


def redacted(text: str) -> str:
    """The text without what looks like a secret."""
    for shape, replacement in _SECRET_SHAPES:
        text = shape.sub(replacement, text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def _rendering(*, as_json: bool, colours: bool) -> list[Processor]:
    if as_json:
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(
            show_locals=False, max_frames=30, use_rich=False
        )
        return [
            structlog.processors.ExceptionRenderer(tracebacks),
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    return [
        structlog.processors.format_exc_info,
        redact,
        _one_line,
        structlog.dev.ConsoleRenderer(
            colors=colours, exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _one_line(_: Any, __: str, event: EventDict) -> EventDict:
    """Nobody writes a line of ours by putting a line break into a value."""
    for name, value in event.items():
        if (
            isinstance(value, str)
            and name not in {"exception", "stack"}
            and not value.isprintable()
        ):
            event[name] = value.encode("unicode_escape").decode("ascii")
    return event


def _clean(value: Any, *, name: str, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if name not in _NO_SECRETS and _SECRET_KEY.search(name):
        return HIDDEN
    if isinstance(value, str):
        return redacted(value)
    if depth >= _DEEPEST:
        return redacted(repr(value))
    if isinstance(value, Mapping):
        return {
            redacted(str(key)): _clean(item, name=str(key), depth=depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, name="", depth=depth + 1) for item in value]
    return redacted(repr(value))
