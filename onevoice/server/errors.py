"""Errors of the API, and how every error of OneVoice looks to a client.

::

    OneVoiceError
    └── ApiError              has an HTTP status of its own
        ├── Unauthorized      401  nobody is logged in
        ├── PaymentRequired   402  the credit or the plan does not reach
        ├── Forbidden         403  logged in, and not allowed
        ├── NotFound          404  not there, or not yours
        ├── Conflict          409  it is in another state
        ├── Gone              410  it was there
        ├── TooLarge          413  more bytes or seconds than the plan allows
        ├── Invalid           422  the request makes no sense
        ├── TooMany           429  come back later
        └── Unavailable       503  a service behind the API does not answer

The engine's own errors know nothing of HTTP: ``STATUS_BY_CODE`` gives them their status.
"""

from __future__ import annotations

from typing import Any, ClassVar

from onevoice.errors import OneVoiceError


class ApiError(OneVoiceError):
    """What a request is answered with when it cannot be fulfilled.

    ``facts`` are members of the problem document that programs may read; ``code`` may be narrowed
    where one status has several causes.
    """

    code: ClassVar[str] = "api"
    status: ClassVar[int] = 400

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        facts: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.narrow_code = code or self.code
        self.facts = facts or {}
        self.headers = headers or {}


class Unauthorized(ApiError):
    code = "unauthorized"
    status = 401


class PaymentRequired(ApiError):
    code = "payment_required"
    status = 402


class Forbidden(ApiError):
    code = "forbidden"
    status = 403


class NotFound(ApiError):
    code = "not_found"
    status = 404


class Conflict(ApiError):
    code = "conflict"
    status = 409


class Gone(ApiError):
    code = "gone"
    status = 410


class TooLarge(ApiError):
    code = "too_large"
    status = 413


class Invalid(ApiError):
    code = "invalid"
    status = 422


class TooMany(ApiError):
    code = "too_many_requests"
    status = 429
    retryable = True

    def __init__(self, message: str, *, retry_after: float, hint: str = "") -> None:
        seconds = max(1, int(retry_after + 0.999))
        super().__init__(
            message,
            hint=hint or f"try again in {seconds} s",
            facts={"retry_after": seconds},
            headers={"Retry-After": str(seconds)},
        )


class Unavailable(ApiError):
    code = "unavailable"
    status = 503
    retryable = True


STATUS_BY_CODE = {
    "error": 500,
    "config": 422,
    "config_unknown_setting": 422,
    "config_unknown_language": 422,
    "media": 422,
    "media_not_found": 404,
    "media_unreadable": 422,
    "media_truncated": 422,
    "media_no_audio": 422,
    "media_nothing_to_dub": 422,
    "media_same_language": 422,
    "output": 500,
    "output_exists": 409,
    "output_unwritable": 500,
    "output_disk_full": 503,
    "project": 422,
    "project_busy": 409,
    "project_invalid": 422,
    "project_consent_missing": 422,
    "engine": 502,
    "engine_unavailable": 503,
    "engine_refused": 422,
    "engine_rate_limited": 503,
    "engine_failed": 502,
    "asset_missing": 503,
    "asset_damaged": 503,
    "stage": 500,
    "stage_does_not_fit": 422,
    "cache": 503,
    "service": 502,
    "service_unavailable": 503,
    "budget": 402,
    "quality_gate": 422,
    "cancelled": 409,
}
"""Every code of :mod:`onevoice.errors`; a test fails on one that is missing."""


def status_of(error: OneVoiceError) -> int:
    """The HTTP status of an error; that of its nearest known ancestor for a class of its own."""
    if isinstance(error, ApiError):
        return error.status
    for kind in type(error).__mro__:
        code = getattr(kind, "code", None)
        if code in STATUS_BY_CODE:
            return STATUS_BY_CODE[code]
    return 500


def code_of(error: OneVoiceError) -> str:
    return error.narrow_code if isinstance(error, ApiError) else error.code


def facts_of(error: OneVoiceError) -> dict[str, Any]:
    """An error as rows of the database and events keep it."""
    return {
        "code": code_of(error),
        "message": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
    }
