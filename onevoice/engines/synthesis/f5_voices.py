"""The voices F5-TTS imitates: a recording, and exactly what is said in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from onevoice.engines.base import Audio, Params
from onevoice.engines.synthesis.voices import Sex
from onevoice.errors import EngineRefused, MediaUnreadable

SAMPLE_RATE = 24_000
SHORTEST_S, LONGEST_S = 1.0, 18.0
"""The model was trained on up to 30 s, recording and answer together."""
_TAIL_S = 0.05
_EXAMPLES = "infer/examples/basic"


class VoiceReference(Params):
    """A voice of the user's: a recording of 1 to 18 s and exactly what is said in it."""

    audio: Path
    text: str = Field(min_length=1)
    language: str = "en"
    sex: Sex = "unknown"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A voice ready to be imitated: mono at SAMPLE_RATE, and its text."""

    samples: Audio
    text: str

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


def examples() -> dict[str, VoiceReference]:
    """The recordings that come with the package, as voices; none where it is not installed."""
    from importlib.resources import files

    try:
        folder = Path(str(files("f5_tts").joinpath(_EXAMPLES)))
    except ModuleNotFoundError:
        return {}
    facts: dict[str, tuple[str, str, Sex]] = {
        "basic_ref_en": ("en", "Some call me nature, others call me mother nature.", "female"),
        "basic_ref_zh": ("zh", "对，这就是我，万人敬仰的太乙真人。", "male"),
    }
    return {
        name: VoiceReference(audio=folder / f"{name}.wav", text=text, language=language, sex=sex)
        for name, (language, text, sex) in facts.items()
        if (folder / f"{name}.wav").is_file()
    }


def read_sample(reference: VoiceReference) -> Sample:
    """A recording as the model wants it: mono at 24 kHz, trimmed, with a moment of silence.

    Raises
    ------
    EngineRefused
        It is too short, too long or silent, or nobody says what is said in it.
    MediaUnreadable
        It is no sound.
    """
    import soundfile

    from onevoice.audio import resample, trim_silence

    name = reference.audio.name
    text = " ".join(reference.text.split())
    if not any(char.isalnum() for char in text):
        raise EngineRefused(
            f"f5 needs to know what is said in {name}", hint="give the reference its text"
        )
    try:
        samples, rate = soundfile.read(reference.audio, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as exc:
        raise MediaUnreadable(
            f"cannot read the voice in {reference.audio}: {exc}", hint="give a WAV or FLAC file"
        ) from exc
    mono = trim_silence(resample(samples.mean(axis=1), rate, SAMPLE_RATE), SAMPLE_RATE)
    seconds = len(mono) / SAMPLE_RATE
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise EngineRefused(
            f"f5 imitates {SHORTEST_S:g} to {LONGEST_S:g} s of a voice, {name} has {seconds:.1f} s",
            hint="cut out the best 6 to 12 s, and their text",
        )
    tail = np.zeros(round(_TAIL_S * SAMPLE_RATE), np.float32)
    return Sample(np.concatenate([mono, tail]).astype(np.float32), text)


def ended(text: str) -> str:
    """The recording's text closed like a sentence, or its last word runs on into the line."""
    if text.endswith("。"):
        return text
    return f"{text} " if text.endswith((".", "!", "?")) else f"{text}. "
