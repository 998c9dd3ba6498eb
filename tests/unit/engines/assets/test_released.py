from __future__ import annotations

from typing import Any

import pytest

from onevoice.engines.assets.released import choose
from tests.simulators.remote_settings import RemoteSettings

FILES = {"model": b"weights", "lex": b"words", "vocab": b"pieces"}


def records(*models: dict[str, Any]) -> list[dict[str, Any]]:
    server = RemoteSettings()
    for number, model in enumerate(models):
        files = {kind: data + bytes([number]) for kind, data in FILES.items()}
        server.publish(("en", "ko"), files, **model)
    return server.records


@pytest.mark.parametrize(
    ("models", "chosen"),
    [
        ([{"version": "3.0"}, {"version": "3.10"}, {"version": "3.9"}], "3.10"),
        ([{"version": "3.9"}, {"version": "3.1", "architecture": "base"}], "3.1"),
        ([{"version": "3.1", "architecture": "base-memory"}, {"version": "3.2"}], "3.1"),
        ([{"version": "4.0"}, {"version": "2.9"}, {"version": "3.0a1"}, {"version": None}], None),
        ([{"version": "3.1", "filter_expression": "env.channel == 'nightly'"}], None),
        ([{"version": "3.1", "filter_expression": "env.appinfo.OS != 'Android'"}], "3.1"),
        ([{"version": "3.1", "filter_expression": "env.appinfo.OS == 'Android'"}], None),
        ([{"version": "3.1", "decompressedHash": None}, {"version": "3.0"}], "3.0"),
        ([{"version": "3.1", "decompressedHash": "../../x"}], None),
        ([{"version": "3.1", "attachment": None}], None),
        ([{"version": "3.1", "attachment": {"hash": "0" * 64, "size": 1 << 40}}], None),
        ([{"version": "3.1", "architecture": "quantum"}], None),
        ([{"version": "3.1", "targetLanguage": "ja"}], None),
        ([{"version": "3.1", "fileType": "qualityModel"}], None),
        ([{"version": "3.1", "fileType": ["model"], "architecture": {}}], None),
        ([{"version": "3.1", "decompressedSize": -1}], None),
        ([{"version": "3.1", "decompressedSize": 1 << 40}], None),
        ([{"version": "3." + "1" * 5_000}, {"version": "3.0"}], "3.0"),
    ],
)
def test_the_best_complete_model_is_chosen(models: list[Any], chosen: str | None) -> None:
    kit = choose(records(*models), "en", "ko")
    assert {record["version"] for record in kit} == ({chosen} if chosen else set())


def test_an_incomplete_model_is_passed_over() -> None:
    newer = records({"version": "3.1"})[:2]
    kit = choose([*newer, *records({"version": "3.0"}), "noise", None], "en", "ko")
    assert [record["version"] for record in kit] == ["3.0"] * 3
