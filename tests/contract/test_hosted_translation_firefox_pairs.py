"""Downloaded pairs through the whole engine: a real model, served under another pair's name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from onevoice.config import cache_dir
from onevoice.engines import assets
from onevoice.engines.base import Runtime, TranslationRequest, TranslationResult
from onevoice.engines.translation.firefox import Firefox, FirefoxParams
from onevoice.types import Summary
from tests.simulators.remote_settings import RemoteSettings

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def server() -> Iterator[RemoteSettings]:
    """Portuguese poses as Spanish, whose script and letters the checks accept."""
    runtime = Runtime(models_dir=cache_dir() / "models")
    with RemoteSettings() as running:
        for source, target in (("en", "pt"), ("pt", "en")):
            folder = assets.ensure(runtime, f"firefox-{source}-{target}")
            weights = {
                "model": (folder / "model.bin").read_bytes(),
                "lex": (folder / "lex.bin").read_bytes(),
            }
            vocabulary = (folder / "vocab.spm").read_bytes()
            whole = {**weights, "vocab": vocabulary}
            parted = {**weights, "srcvocab": vocabulary, "trgvocab": vocabulary}
            swap = {"pt": "es"}
            running.publish((swap.get(source, source), swap.get(target, target)), whole)
            swap = {"pt": "it"}
            running.publish((swap.get(source, source), swap.get(target, target)), parted)
        yield running


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(models_dir=tmp_path, threads=2, backoff=0.01)


def translate(
    engine: Firefox, source: str, target: str, *requests: TranslationRequest
) -> list[TranslationResult]:
    return list(engine.translate(requests, source=source, target=target, summary=Summary()))


def ask(text: str, **more: object) -> TranslationRequest:
    return TranslationRequest(id="a", text=text, **more)


def test_a_downloaded_pair_translates_like_the_carried_one(
    runtime: Runtime, server: RemoteSettings
) -> None:
    text = "The new law will make housing cheaper."
    with Firefox(FirefoxParams(download=True, base_url=server.url), runtime) as engine:
        assert engine.supports("en", "es")
        identity = engine.identity()
        (found,) = translate(engine, "en", "es", ask(text))
        assert identity == engine.identity()
        (carried,) = translate(engine, "en", "pt", ask(text))
    assert found.text == carried.text != text

    # It stays: offline, and without leave to download.
    asked = len(server.requests)
    with Firefox(FirefoxParams(), replace(runtime, offline=True)) as engine:
        assert engine.supports("en", "es")
        assert not engine.supports("es", "en")
        assert engine.identity() == identity
        (again,) = translate(engine, "en", "es", ask(text))
    assert again == found
    assert len(server.requests) == asked


def test_two_languages_meet_in_english(runtime: Runtime, server: RemoteSettings) -> None:
    text = "A nova lei vai tornar a habitação mais barata."
    with Firefox(FirefoxParams(download=True, base_url=server.url), runtime) as engine:
        (found,) = translate(engine, "es", "it", ask(text))
        english = engine.sentence(text, source="pt", target="en")
        assert found.text == engine.sentence(english, source="en", target="pt")
    names = {path.name for path in runtime.models_dir.glob("firefox-*")}
    assert names >= {"firefox-es-en", "firefox-en-it"}
    # The second has a vocabulary for either side.
    assert (runtime.models_dir / "firefox-en-it" / "target.spm").exists()


def test_a_missed_term_is_reported(runtime: Runtime) -> None:
    asked = ask("Open the window.", terms=(("window", "janela"),))
    missed = ask("Open the window.", terms=(("window", "vidraça"),))
    with Firefox(FirefoxParams(), runtime) as engine:
        kept, lost = translate(engine, "en", "pt", asked, missed)
    assert "glossary" not in kept.problems
    assert "glossary" in lost.problems
