"""The voices of an engine: who they are, how they sound, how fast they speak each language.

The facts stand in ``data/<engine>.yaml``; the figures in it are measured, by
``benchmarks/voices.py``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from onevoice.engines.base import SpeechRequest, Voice
from onevoice.engines.synthesis.pace import PaceCurve
from onevoice.errors import EngineRefused

Sex = Literal["female", "male", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceCard:
    """One voice and the languages it speaks, with its pace in each."""

    name: str
    sex: Sex
    pitch_hz: float | None
    licence: str
    curves: Mapping[str, PaceCurve]
    notes: Mapping[str, str]

    def as_voice(self, language: str) -> Voice:
        return Voice(
            name=self.name,
            language=language,
            sex=self.sex,
            pitch_hz=self.pitch_hz,
            rate=round(self.curves[language].natural, 2),
            licence=self.licence,
            note=self.notes.get(language, ""),
        )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The voices of one engine; for each language in the order of preference."""

    cards: Mapping[str, VoiceCard]
    order: Mapping[str, tuple[str, ...]]
    tuning: str
    """Digest of the measured curves: they decide the speed, so they decide the samples."""

    def voices(self, language: str) -> tuple[Voice, ...]:
        tag = primary(language)
        return tuple(self.cards[name].as_voice(tag) for name in self.order.get(tag, ()))

    def with_guests(self, guests: Iterable[tuple[str, Sex, str]]) -> Catalogue:
        """Further voices (name, sex, language), after the known ones.

        Nobody measured them: each gets the pace of the language's first voice.
        """
        cards, order = dict(self.cards), dict(self.order)
        for name, sex, language in guests:
            if name in cards or language not in order:
                continue
            host = self.cards[order[language][0]]
            cards[name] = VoiceCard(
                name=name,
                sex=sex,
                pitch_hz=None,
                licence=host.licence,
                curves={language: host.curves[language]},
                notes={language: f"not measured; its pace is taken to be that of {host.name}"},
            )
            order[language] = (*order[language], name)
        return Catalogue(cards, order, self.tuning)

    def find(self, engine: str, request: SpeechRequest) -> tuple[VoiceCard, PaceCurve]:
        """The card of the voice asked for, and its pace in the language asked for.

        Raises
        ------
        EngineRefused
            No voice speaks the language; there is no such voice (the hint names the nearest);
            or the voice does not speak the language.
        """
        tag = primary(request.language)
        speakers = self.order.get(tag, ())
        if not speakers:
            raise EngineRefused(
                f"{engine} does not speak {request.language!r}",
                hint=f"it speaks: {', '.join(sorted(self.order))}",
            )
        card = self.cards.get(request.voice)
        if card is None:
            raise EngineRefused(
                f"{engine} has no voice {request.voice!r}", hint=_nearest(request.voice, speakers)
            )
        curve = card.curves.get(tag)
        if curve is None:
            raise EngineRefused(
                f"the voice {card.name} does not speak {request.language!r}",
                hint=f"voices for it: {', '.join(speakers)}",
            )
        return card, curve


def primary(language: str) -> str:
    """The language of a tag without its region: ``pt-BR`` → ``pt``."""
    return language.replace("_", "-").partition("-")[0].lower()


def _nearest(name: str, speakers: Iterable[str]) -> str:
    near = get_close_matches(name, list(speakers), n=1, cutoff=0.4)
    there = f"voices for this language: {', '.join(speakers)}"
    return f"did you mean {near[0]!r}? {there}" if near else there


@cache
def load(engine: str) -> Catalogue:
    """Read ``data/<engine>.yaml``."""
    path = files("onevoice.engines.synthesis") / "data" / f"{engine}.yaml"
    return parse(yaml.safe_load(path.read_text(encoding="utf-8")))


def parse(data: Mapping[str, Any]) -> Catalogue:
    """A catalogue from its YAML; see the file's head for the format."""
    speeds = tuple(float(speed) for speed in data["speeds"])
    cards = {name: _card(name, facts, speeds) for name, facts in data["voices"].items()}
    order = {language: tuple(names) for language, names in data["languages"].items()}
    tuning = [
        [name, language, curve.neutral, curve.speeds, curve.pace]
        for name, card in sorted(cards.items())
        for language, curve in sorted(card.curves.items())
    ]
    digest = hashlib.sha256(json.dumps(tuning).encode()).hexdigest()
    return Catalogue(cards, order, digest)


def _card(name: str, facts: Mapping[str, Any], speeds: tuple[float, ...]) -> VoiceCard:
    spoken: Mapping[str, Mapping[str, Any]] = facts["languages"]
    curves = {
        language: PaceCurve(
            speeds=speeds,
            pace=tuple(float(pace) for pace in measured["pace"]),
            neutral=float(measured["neutral"]),
        )
        for language, measured in spoken.items()
    }
    return VoiceCard(
        name=name,
        sex=facts["sex"],
        pitch_hz=facts.get("pitch_hz"),
        licence=facts["licence"],
        curves=curves,
        notes={
            language: measured["note"]
            for language, measured in spoken.items()
            if "note" in measured
        },
    )
