"""What a run's end means to the shell."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from onevoice.errors import OneVoiceError


class ExitStatus(IntEnum):
    """The statuses scripts may rely on."""

    DONE = 0
    FAILED = 1
    """Something else went wrong: a full disk, another run on the project, a bug."""
    USAGE = 2
    INPUT = 3
    ENGINE = 4
    QUALITY = 5
    PARTIAL = 6
    BUDGET = 7
    CANCELLED = 130


STATUS_BY_CODE = {
    "config": ExitStatus.USAGE,
    "config_unknown_setting": ExitStatus.USAGE,
    "config_unknown_language": ExitStatus.USAGE,
    "media": ExitStatus.INPUT,
    "media_not_found": ExitStatus.INPUT,
    "media_unreadable": ExitStatus.INPUT,
    "media_truncated": ExitStatus.INPUT,
    "media_no_audio": ExitStatus.INPUT,
    "media_nothing_to_dub": ExitStatus.INPUT,
    "media_same_language": ExitStatus.INPUT,
    "output": ExitStatus.FAILED,
    "output_exists": ExitStatus.USAGE,
    "output_unwritable": ExitStatus.USAGE,
    "output_disk_full": ExitStatus.FAILED,
    "project": ExitStatus.INPUT,
    "project_busy": ExitStatus.FAILED,
    "project_invalid": ExitStatus.INPUT,
    "project_consent_missing": ExitStatus.INPUT,
    "engine": ExitStatus.ENGINE,
    "engine_unavailable": ExitStatus.ENGINE,
    "engine_refused": ExitStatus.ENGINE,
    "engine_rate_limited": ExitStatus.ENGINE,
    "engine_failed": ExitStatus.ENGINE,
    "asset_missing": ExitStatus.ENGINE,
    "asset_damaged": ExitStatus.ENGINE,
    "stage": ExitStatus.FAILED,
    "stage_does_not_fit": ExitStatus.FAILED,
    "cache": ExitStatus.FAILED,
    "service": ExitStatus.FAILED,
    "service_unavailable": ExitStatus.FAILED,
    "budget": ExitStatus.BUDGET,
    "quality_gate": ExitStatus.QUALITY,
    "cancelled": ExitStatus.CANCELLED,
}
"""Every error code of :mod:`onevoice.errors`; a test fails on one that is missing."""


def status_of(error: OneVoiceError) -> ExitStatus:
    """The status of one error; that of its nearest known ancestor for a plug-in's own class."""
    for kind in type(error).__mro__:
        code = getattr(kind, "code", None)
        if code in STATUS_BY_CODE:
            return STATUS_BY_CODE[code]
    return ExitStatus.FAILED


def status_of_batch(done: int, errors: Sequence[OneVoiceError]) -> ExitStatus:
    """The status of a run over several inputs and languages, ``done`` of which came out well."""
    statuses = {status_of(error) for error in errors}
    if ExitStatus.CANCELLED in statuses:
        return ExitStatus.CANCELLED
    if not statuses:
        return ExitStatus.DONE
    return statuses.pop() if not done and len(statuses) == 1 else ExitStatus.PARTIAL


def unexpected(exc: Exception) -> OneVoiceError:
    """A bug, as a person is told of it."""
    error = OneVoiceError(
        f"something went wrong inside OneVoice: {type(exc).__name__}: {exc}",
        hint="run it again with --debug to see where, and report it",
    )
    error.__cause__ = exc
    return error
