from __future__ import annotations

import pytest

from onevoice.engines.recognition.known import NOBODY, Known
from onevoice.engines.recognition.openai_answers import Used
from onevoice.engines.recognition.openai_models import MODELS, Price, model_of, options, terms

BILLED = Used(type="tokens", input_tokens=1000, output_tokens=100)


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("gpt-4o-transcribe-diarize-2026-01-01", "gpt-4o-transcribe-diarize"),
        ("gpt-4o-transcribe-2026-01-01", "gpt-4o-transcribe"),
        ("gpt-4o-mini-transcribe-2025-12-15", "gpt-4o-mini-transcribe"),
        ("gpt-transcribe", "gpt-transcribe"),
    ],
)
def test_snapshots_are_like_their_model(name: str, like: str) -> None:
    assert model_of(name) is MODELS[like]


def test_a_model_nobody_knows_is_like_whisper_and_has_no_price() -> None:
    model = model_of("Systran/faster-whisper-large-v3")
    assert model.gives == "words"
    assert model.price.quote(3600) == 0.0


@pytest.mark.parametrize(
    ("price", "used", "wanted"),
    [
        (Price(0.6), None, [("seconds", 30.0, 0.3)]),
        (Price(0.6), Used(type="duration", seconds=31), [("seconds", 31, 0.31)]),
        (Price(0.6), Used(type="duration"), [("seconds", 30.0, 0.3)]),
        (
            Price(0.6, (2e-6, 8e-6)),
            BILLED,
            [("input tokens", 1000, 0.002), ("output tokens", 100, 0.0008)],
        ),
        # A price a minute that stands for the tokens is charged once.
        (Price(0.6), BILLED, [("input tokens", 1000, 0.3), ("output tokens", 100, 0.0)]),
    ],
)
def test_what_an_answer_costs(
    price: Price, used: Used | None, wanted: list[tuple[str, float, float]]
) -> None:
    found = price.of(used, 30.0)
    assert [unit for unit, _, _ in found] == [unit for unit, _, _ in wanted]
    assert [n for _, n, _ in found] == [n for _, n, _ in wanted]
    assert [usd for *_, usd in found] == pytest.approx([usd for *_, usd in wanted])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "whisper-1",
            {
                "response_format": "verbose_json",
                "timestamp_granularities": ["word", "segment"],
                "prompt": "Ann, Bob",
                "language": "no",
            },
        ),
        ("gpt-4o-transcribe", {"response_format": "json", "prompt": "Ann, Bob", "language": "no"}),
        (
            "gpt-transcribe",
            {"response_format": "json", "keywords": ["Ann", "Bob"], "languages": ["no"]},
        ),
        (
            "gpt-4o-transcribe-diarize",
            {
                "response_format": "diarized_json",
                "chunking_strategy": "auto",
                "known_speaker_names": ["A"],
                "known_speaker_references": ["data:"],
                "language": "no",
            },
        ),
    ],
)
def test_each_model_is_asked_in_its_own_way(name: str, wanted: dict[str, object]) -> None:
    known = Known(("A",), ("data:",))
    assert options(model_of(name), language="nb", terms=("Ann", "Bob"), known=known) == wanted


@pytest.mark.parametrize("language", [None, "und", "tlh"])
def test_a_language_the_service_does_not_list_is_not_sent(language: str | None) -> None:
    found = options(model_of("gpt-transcribe"), language=language, terms=(), known=NOBODY)
    assert found == {"response_format": "json"}


def test_terms_come_once_and_as_many_as_fit() -> None:
    assert terms(["Ann", " Bob  Stone ", "", "Ann"]) == ("Ann", "Bob Stone")
    many = terms(f"Person Number {i}" for i in range(200))
    assert 30 < len(many) < 40
    assert len(", ".join(many)) <= 600
