"""A sound to measure: what it is, for cache keys, and a WAV of it once somebody needs one.

What was measured before is not measured again: figures are kept in the store under what they were
measured on and how, so that a second look at an hour of film opens no file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from onevoice import languages, media
from onevoice.audio import channel_mask, open_wav, speech_level
from onevoice.pipeline.fingerprint import file_digest, fingerprint
from onevoice.pipeline.qc import activity
from onevoice.pipeline.qc.spans import Span
from onevoice.pipeline.stage import SCHEMA
from onevoice.pipeline.store import Artifact, ArtifactStore

_VERSION = 1
_MEASURING = Lock()
"""Languages that end together measure the same original: the second finds what the first did."""


class Sound:
    """One programme of sound. ``key`` changes whenever its samples would."""

    def __init__(self, key: str, store: ArtifactStore, decode: Callable[[], Path]) -> None:
        self.key = key
        self._store = store
        self._decode = decode

    @classmethod
    def kept(cls, artifact: Artifact, store: ArtifactStore) -> Sound:
        """A WAV that lies in the store."""
        return cls(artifact.digest, store, lambda: store.path(artifact))

    @classmethod
    def track(
        cls, path: Path, track: int, store: ArtifactStore, folder: Path, cancel: Any = None
    ) -> Sound:
        """An audio track of a media file, decoded into ``folder`` when it is needed."""

        def decode() -> Path:
            out = folder / f"{len(list(folder.iterdir()))}.wav"
            media.extract_audio(path, out, track=track, salvage=True, cancel=cancel)
            return out

        return cls(f"{file_digest(path)}:{track}", store, decode)

    @cached_property
    def wav(self) -> Path:
        """The samples; decoded at the first call."""
        return self._decode()

    def voice(self) -> list[Span]:
        """When somebody speaks in it."""
        found = self.figure("voice", activity.identity(), lambda: activity.voice_activity(self.wav))
        return [(start, end) for start, end in found]

    def levels(self, places: Sequence[Sequence[Span]]) -> list[float | None]:
        """Loudness of the speech in each of some sets of spans, in LUFS; None for silence."""
        asked = [[[round(t, 3) for t in span] for span in spans] for spans in places]
        found = self.figure("levels", {"places": asked}, lambda: _levels(self.wav, places))
        return list(found)

    def figure(self, name: str, params: Mapping[str, Any], measure: Callable[[], Any]) -> Any:
        """Something measured on this sound (any JSON value), from the store where it is there."""
        parts = {
            "schema": SCHEMA,
            "item": f"qc.{name}",
            "version": _VERSION,
            "sound": self.key,
            "params": dict(params),
        }
        key = fingerprint(parts)
        with _MEASURING:
            entry = self._store.get(key)
            if entry is None:
                data = json.dumps(measure(), ensure_ascii=False).encode()
                with self._store.scratch() as folder:
                    (folder / "figure").write_bytes(data)
                    entry = self._store.put(
                        key, {"figure": folder / "figure"}, meta={"stage": f"qc.{name}"}
                    )
        return json.loads(self._store.path(entry.outputs["figure"]).read_bytes())


def dub_track(info: media.MediaInfo, language: str) -> int:
    """Which audio track of a file is the dub: by its tag, else the default one, else the first."""
    for number, stream in enumerate(info.audio):
        if stream.language and same_language(stream.language, language):
            return number
    return next((number for number, stream in enumerate(info.audio) if stream.default), 0)


def same_language(tag: str, language: str) -> bool:
    """Whether a container's tag (three letters, mostly) names a language."""
    return tag == languages.iso639_2(language) or languages.same(tag, language)


def _levels(wav: Path, places: Sequence[Sequence[Span]]) -> list[float | None]:
    import numpy as np

    levels: list[float | None] = []
    with open_wav(wav) as file:
        rate, total = file.samplerate, file.frames
        mask = channel_mask(wav, file.channels)
        for spans in places:
            pieces = []
            for start, end in spans:
                first, last = (min(max(0, round(t * rate)), total) for t in (start, end))
                file.seek(first)
                pieces.append(file.read(max(0, last - first), dtype="float32", always_2d=True))
            heard = np.concatenate(pieces) if pieces else np.zeros((0, file.channels), np.float32)
            levels.append(_finite(speech_level(heard, rate, mask=mask)))
    return levels


def _finite(level: float) -> float | None:
    return round(level, 3) if abs(level) != float("inf") else None
