"""An ElevenLabs account's voices: read page by page, told in our words, put in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onevoice.engines.base import Voice
from onevoice.engines.boundary import Garbled
from onevoice.engines.synthesis.elevenlabs_models import tag_of
from onevoice.engines.synthesis.voices import Sex

_PAGE = 100
_SEXES: dict[str, Sex] = {"female": "female", "male": "male"}


def pages(client: Any, options: Any, search: str | None = None) -> Iterator[Any]:
    """Every voice of the account that a search finds, page by page.

    Raises what the SDK raises, and Garbled for an answer that is no list.
    """
    token: str | None = None
    seen: set[str] = set()
    asked: set[str] = set()
    while True:
        answer = client.voices.search(
            page_size=_PAGE,
            next_page_token=token,
            search=search,
            include_total_count=False,
            request_options=options,
        )
        voices = getattr(answer, "voices", None)
        if not isinstance(voices, list) or not all(getattr(v, "voice_id", "") for v in voices):
            raise Garbled("no list of voices")
        # The first page may hold voices that come again on a later one.
        yield from (v for v in voices if v.voice_id not in seen)
        seen.update(v.voice_id for v in voices)
        token = answer.next_page_token if answer.has_more else None
        if not token or token in asked:  # a service that goes round in circles
            return
        asked.add(token)


def as_voice(voice: Any, language: str) -> Voice:
    """A voice of the account as one for a language."""
    labels: dict[str, str] = voice.labels or {}
    facts = [voice.name, *(labels.get(key) for key in ("accent", "age", "descriptive", "use_case"))]
    return Voice(
        name=str(voice.voice_id),
        language=language,
        sex=_SEXES.get(str(labels.get("gender", "")).lower(), "unknown"),
        licence="ElevenLabs' terms of service",
        note=", ".join(str(fact).replace("_", " ") for fact in facts if fact),
    )


def preference(voice: Any, language: str) -> tuple[int, int, str, str]:
    """Voices of the language first; somebody's own voice is never taken unasked."""
    labels: dict[str, str] = voice.labels or {}
    verified = {tag_of(str(v.language)) for v in voice.verified_languages or ()}
    spoken = language in verified or tag_of(str(labels.get("language", ""))) == language
    own = voice.category in ("cloned", "professional") and bool(voice.is_owner)
    return int(own), int(not spoken), str(voice.name or "").casefold(), str(voice.voice_id)


def same_name(name: str | None, wanted: str) -> bool:
    """Whether a voice is called so, in whatever case."""
    return bool(name) and str(name).casefold() == wanted.casefold()
