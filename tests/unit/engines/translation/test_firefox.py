"""Which pairs firefox takes, and what it says; with models, see tests/contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onevoice.engines.base import Runtime
from onevoice.engines.translation.firefox import (
    Firefox,
    FirefoxParams,
    carried_identity,
)
from onevoice.errors import AssetDamaged, AssetMissing, EngineRefused
from onevoice.types import Summary
from tests.simulators.remote_settings import RemoteSettings

FILES = {"model": b"weights", "lex": b"words", "vocab": b"pieces"}


@pytest.fixture
def server() -> Iterator[RemoteSettings]:
    with RemoteSettings() as running:
        running.publish(("en", "ko"), FILES)
        running.publish(("ko", "en"), FILES)
        yield running


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(models_dir=tmp_path, backoff=0.01, attempts=2, timeout=5.0)


def engine(runtime: Runtime, **params: Any) -> Firefox:
    return Firefox(FirefoxParams(**params), runtime)


@pytest.mark.parametrize(("source", "target"), [("en", "ko"), ("ko", "es"), ("pt", "es")])
def test_nothing_is_downloaded_unasked(runtime: Runtime, source: str, target: str) -> None:
    made = engine(runtime)
    assert not made.supports(source, target)
    with pytest.raises(EngineRefused) as caught:
        made.translate([], source=source, target=target, summary=Summary())
    assert "translation.firefox.download=true" in caught.value.hint
    assert made.identity() == carried_identity()


def test_offline_claims_only_what_is_here(runtime: Runtime, server: RemoteSettings) -> None:
    offline = engine(replace(runtime, offline=True), download=True, base_url=server.url)
    assert not offline.supports("en", "ko")
    assert offline.supports("en", "pt")
    assert not server.requests


def test_the_catalogue_decides_once_downloads_are_allowed(
    runtime: Runtime, server: RemoteSettings
) -> None:
    made = engine(runtime, download=True, base_url=server.url)
    assert made.supports("en", "ko")
    assert made.supports("ko", "pt")
    assert not made.supports("en", "th")
    asked = len(server.requests)
    assert not made.supports("en", "tlh")
    assert made.supports("en", "ko")
    assert len(server.requests) == asked
    assert not server.downloads()


def test_the_digests_are_in_the_identity_before_the_download(
    runtime: Runtime, server: RemoteSettings
) -> None:
    made = engine(runtime, download=True, base_url=server.url)
    before = made.identity()
    assert made.supports("en", "ko")
    digest = made.identity()["models"]["firefox-en-ko"]
    assert made.identity() != before
    assert server.url not in repr(made.identity())

    # A pin that knows better stops it, one that agrees does not.
    wrong = engine(runtime, download=True, base_url=server.url, pins={"en-ko": "0" * 64})
    with pytest.raises(AssetDamaged) as caught:
        wrong.sentence("Good morning.", source="en", target="ko")
    assert digest in caught.value.message
    right = engine(runtime, download=True, base_url=server.url, pins={"en-ko": digest})
    with pytest.raises(AssetDamaged) as caught:  # these weights are no model
        right.sentence("Good morning.", source="en", target="ko")
    assert "no usable translation model" in caught.value.message
    right.close()


def test_a_silent_catalogue_is_an_error_of_the_verb(runtime: Runtime) -> None:
    made = engine(runtime, download=True, base_url="http://127.0.0.1:9")
    assert made.supports("en", "ko")
    with pytest.raises(AssetMissing) as caught:
        made.sentence("Good morning.", source="en", target="ko")
    assert "translation.engine=llama" in caught.value.hint
    made.close()
