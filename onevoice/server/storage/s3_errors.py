"""Errors of boto3 as ours: what may work later, what never will, and nothing secret in either."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from onevoice.server.storage.base import (
    ObjectMissing,
    StorageError,
    StorageUnavailable,
    UploadInvalid,
)

_MISSING = {"404", "NoSuchKey", "NotFound"}
_BAD_UPLOAD = {"NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall"}
_LATER = {
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "ExpiredToken",
    "OperationAborted",
}


@contextmanager
def translated(key: str) -> Iterator[None]:
    """Errors of boto3 as ours; they name the key, never an address with its signature."""
    try:
        yield
    except ParamValidationError as exc:
        raise StorageError(f"S3 cannot be asked for {key!r}: {reason(exc)}") from exc
    except ClientError as exc:
        raise _translate(key, exc) from exc
    except Boto3Error as exc:
        # The transfer manager wraps an answer of S3 without naming it as the cause.
        wrapped = exc.__cause__ or exc.__context__
        if isinstance(wrapped, ClientError):
            raise _translate(key, wrapped) from wrapped
        raise _unavailable(key, exc) from exc
    except BotoCoreError as exc:
        raise _unavailable(key, exc) from exc


def _translate(key: str, exc: ClientError) -> StorageError:
    code = code_of(exc)
    status = int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _MISSING:
        return ObjectMissing(key)
    if code in _BAD_UPLOAD:
        return UploadInvalid(
            f"the upload of {key!r} cannot be completed: {reason(exc)}",
            hint="upload the parts again, each but the last with at least 5 MiB",
        )
    if code in _LATER or status >= 500 or status == 429:
        return _unavailable(key, exc)
    return StorageError(
        f"S3 refuses {key!r}: {reason(exc)}",
        hint="see that the bucket exists and what the server's role may do with it",
    )


def _unavailable(key: str, exc: Exception) -> StorageUnavailable:
    return StorageUnavailable(
        f"the storage does not answer for {key!r}: {reason(exc)}", hint="try again in a moment"
    )


def reason(exc: Exception) -> str:
    """What may be told: a code, or the kind of error; texts of boto3 can hold signed addresses."""
    return code_of(exc) or type(exc).__name__


def code_of(exc: BaseException | None) -> str:
    """The code of an answer of S3; nothing for other errors."""
    answer = exc.response if isinstance(exc, ClientError) else {}
    return str(answer.get("Error", {}).get("Code", ""))
