"""What ``onevoice doctor`` says of looking at pictures."""

from __future__ import annotations

import pytest

from onevoice import vision
from onevoice.cli import doctor
from tests.conftest import fake_tree


@pytest.mark.parametrize(
    ("enabled", "missing", "state"),
    [
        ("auto", "", "ok"),
        ("auto", "it is not installed", "note"),
        (True, "it is not installed", "problem"),
        (False, "it is not installed", "ok"),
    ],
)
def test_doctor(enabled: object, missing: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision, "missing", lambda: missing)
    check = doctor._vision(fake_tree(vision={"enabled": enabled}))
    assert check.state == state
    assert bool(check.hint) == (state != "ok")
    assert missing in check.found or state == "ok"
