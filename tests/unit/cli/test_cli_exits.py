from __future__ import annotations

from collections.abc import Iterator

import pytest

import onevoice.errors as errors
from onevoice.cli.exits import STATUS_BY_CODE, ExitStatus, status_of, status_of_batch, unexpected
from onevoice.errors import OneVoiceError


def tree(kind: type[OneVoiceError]) -> Iterator[type[OneVoiceError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from tree(child)


def test_every_error_is_mapped_and_nothing_else() -> None:
    assert {kind.code for kind in tree(OneVoiceError)} == set(STATUS_BY_CODE)


def test_no_error_means_success() -> None:
    assert ExitStatus.DONE not in STATUS_BY_CODE.values()


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in tree(OneVoiceError)]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.UnknownSetting, 2),
        (errors.UnknownLanguage, 2),
        (errors.NothingToDub, 3),
        (errors.MediaNotFound, 3),
        (errors.EngineUnavailable, 4),
        (errors.AssetDamaged, 4),
        (errors.QualityGateFailed, 5),
        (errors.Cancelled, 130),
        (errors.DiskFull, 1),
        (errors.OutputExists, 2),
    ],
)
def test_status_of_an_error(kind: type[OneVoiceError], status: int) -> None:
    assert status_of(kind("x")) == status


def test_an_unknown_class_takes_the_status_of_its_ancestor() -> None:
    class Theirs(errors.EngineError):
        code = "engine_theirs"

    assert status_of(Theirs("x")) == ExitStatus.ENGINE


def test_a_bug_is_status_1_and_keeps_its_cause() -> None:
    cause = ValueError("odd")
    error = unexpected(cause)
    assert status_of(error) == 1
    assert error.__cause__ is cause
    assert "ValueError: odd" in error.message


BAD_FILE, NO_ENGINE, STOP = (
    errors.MediaUnreadable("x"),
    errors.EngineUnavailable("x"),
    errors.Cancelled("x"),
)


@pytest.mark.parametrize(
    ("done", "failed", "status"),
    [
        (1, [], 0),
        (0, [], 0),
        (0, [BAD_FILE], 3),
        (0, [BAD_FILE, BAD_FILE], 3),
        (0, [BAD_FILE, NO_ENGINE], 6),
        (1, [BAD_FILE], 6),
        (3, [NO_ENGINE, BAD_FILE], 6),
        (1, [STOP], 130),
        (0, [BAD_FILE, STOP], 130),
    ],
)
def test_status_of_a_batch(done: int, failed: list[OneVoiceError], status: int) -> None:
    assert status_of_batch(done, failed) == status
