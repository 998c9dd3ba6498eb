"""What can be set, and what each setting is by default.

The settings of an engine stand under its own name beside ``engine``::

    synthesis:
      engine: kokoro
      kokoro: {speed: 1.1}

and are checked by the engine itself when it is built.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from onevoice.languages import normalize
from onevoice.subtitles.style import SubtitleStyle

MOST_SPEAKERS = 20
LoudnessPreset = Literal["match", "ebu-r128", "atsc-a85", "streaming", "podcast", "dialogue-27"]
"""What each stands for is in :mod:`onevoice.pipeline.loudness`."""
Deliverables = Literal["per-language", "multitrack", "audio", "stems"]
EVERYBODY = "*"
"""In the voice map: every speaker without an entry of their own."""


class Section(BaseModel):
    """A part of the tree: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EngineSection(Section):
    """A section whose extra keys are the settings of engines, by engine name."""

    model_config = ConfigDict(frozen=True, extra="allow")

    engine: str | tuple[str, ...]

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines to try, in order."""
        return (self.engine,) if isinstance(self.engine, str) else self.engine

    def options(self, name: str) -> dict[str, Any]:
        """The settings for one engine, as given."""
        return dict((self.model_extra or {}).get(name) or {})


def _split_list(value: Any) -> Any:
    """``srt, vtt`` for ``[srt, vtt]``: what one types on a command line."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _dollars(value: Any) -> Any:
    """``5usd``, ``$5``, ``5 USD`` for 5: what one types on a command line."""
    if isinstance(value, str):
        return value.strip().lower().removesuffix("usd").strip().removeprefix("$") or None
    return value


def _kept_languages(value: Any) -> Any:
    """Tags or names as a list, in their canonical form; ``other`` stays."""
    if value is None:
        return ()
    names = [_norwegian(name) for name in _split_list(value)]
    return [name if name == "other" else normalize(str(name)) for name in names]


def _norwegian(value: Any) -> Any:
    """YAML reads a bare ``no`` as false; for a language it is Norwegian."""
    return "no" if value is False else value


class SourceSettings(Section):
    language: Annotated[str, BeforeValidator(_norwegian)] = "auto"
    """Language of the input; auto detects it."""
    audio_track: int = Field(default=0, ge=0)
    """Which audio stream holds the speech, counted from 0."""
    salvage: bool = False
    """Use the readable part of a file that is cut short."""


class SeparationSettings(EngineSection):
    engine: str | tuple[str, ...] = "deepfilter"


class RecognitionSettings(EngineSection):
    engine: str | tuple[str, ...] = "whisper"
    min_language_probability: float = Field(default=0.7, ge=0, le=1)
    """Below this, several stretches vote on the language, and a warning is given."""


class DiarizationSettings(EngineSection):
    engine: str | tuple[str, ...] = ("single", "camplus")
    speakers: Annotated[int, Field(ge=1, le=MOST_SPEAKERS)] | Literal["auto"] = 1
    """How many people speak; auto lets the engine count them (experimental)."""

    @property
    def count(self) -> int | None:
        """The number of speakers, None where the engine is to find it."""
        return None if self.speakers == "auto" else self.speakers


class SegmentationSettings(Section):
    max_pause: float = Field(default=2.0, gt=0)
    """A silence this long, in seconds, ends a segment even in mid-sentence."""
    min_pause: float = Field(default=0.3, gt=0)
    """A silence this long inside a segment is kept as a pause for timing."""
    max_seconds: float = Field(default=14.0, gt=1)
    """Longer sentences are cut at their best inner pause or comma."""


class KeepSettings(Section):
    languages: Annotated[tuple[str, ...], BeforeValidator(_kept_languages)] = ()
    """Lines in these languages keep their original sound; other: in any but the film's."""
    songs: bool = True
    """Keep lines that are sung, or written so (♪), or as a sound ([laughs])."""
    voices: bool = True
    """Keep voices between the lines that no words were recognised in: laughter, cries, songs."""
    voices_under_db: float = Field(default=20.0, ge=0, le=60)
    """How far under the level of the lines such a voice may be, in dB."""


class VisionSettings(Section):
    enabled: bool | Literal["auto"] = "auto"
    """Look for cuts and faces; auto: where there is a picture and OpenCV is installed."""
    per_second: float = Field(default=2.0, ge=0.2, le=10)
    """How often to look for a face."""
    min_face: float = Field(default=0.1, ge=0, le=1)
    """Height of a face, as a share of the picture's, from which its mouth is seen."""
    min_share: float = Field(default=0.5, gt=0, le=1)
    """Share of a line during which a face must be seen for it to be on screen."""


class SummarySettings(Section):
    enabled: bool = True
    """Read the whole transcript first where the translator is a language model."""
    use_as_context: bool = False
    """Give the synopsis to the translator. Small models follow it too closely: off for drafts."""


class TranslationSettings(EngineSection):
    engine: str | tuple[str, ...] = ("firefox", "llama")
    shorten: bool = True
    """Ask a language model for a shorter text where a line cannot be said in time."""
    rounds: int = Field(default=2, ge=0, le=3)
    """How often a line goes back to be shortened."""
    quality: Literal["standard", "reflect"] = "standard"
    """reflect: a language model criticises every line and writes it again (twice the cost)."""


class SynthesisSettings(EngineSection):
    engine: str | tuple[str, ...] = "kokoro"
    faster: bool = True
    """Speak a line that is too long at a higher speed, instead of only stretching its samples."""


class TimingSettings(Section):
    min_rate: float = Field(default=0.9, gt=0, le=1)
    preferred_rate: float = Field(default=1.1, ge=1)
    fast_rate: float = Field(default=1.25, ge=1)
    """Above this a line counts as too fast: it is shortened where that can be done."""
    max_rate: float = Field(default=1.35, ge=1)
    """Never faster than this, unless the film has no room at all (reported)."""
    gap: float = Field(default=0.01, ge=0)
    """Least silence between two lines, in seconds, where the source had as much."""
    breath: float = Field(default=0.2, ge=0)
    """Silence wanted between two lines, where the source had as much and there is room."""
    tolerance: float = Field(default=0.2, ge=0)
    """A start may be off by this much before it gets dearer, in seconds."""
    off_screen_tolerance: float = Field(default=0.4, ge=0)
    """The same where nobody sees the mouth."""
    start_weight: float = Field(default=28.0, ge=0)
    late_weight: float = Field(default=2.0, ge=0)
    end_weight: float = Field(default=1.0, ge=0)
    rate_weight: float = Field(default=1.5, ge=0)
    fast_weight: float = Field(default=10.0, ge=0)

    @model_validator(mode="after")
    def _rates_in_order(self) -> Self:
        if not self.preferred_rate <= self.fast_rate <= self.max_rate:
            raise ValueError("preferred_rate, fast_rate and max_rate must not fall")
        return self


class MixSettings(Section):
    duck_db: float = Field(default=-6.0, le=0)
    """How far the bed goes down under speech."""
    original_duck_db: float = Field(default=-18.0, le=0)
    """The same for the original sound, where speech and bed were not separated."""
    attack: float = Field(default=0.12, gt=0)
    release: float = Field(default=0.45, gt=0)
    loudness: Annotated[float, Field(ge=-70, le=0)] | LoudnessPreset = "match"
    """A preset, or programme loudness in LUFS; match is as loud as the source."""
    true_peak: float = Field(default=-1.0, le=0)
    """Ceiling of the delivered sound in dBTP; that of a preset counts where it is lower."""
    line_gain_limit: float = Field(default=6.0, ge=0)
    """How far, in dB, a line may follow the loudness of the line it replaces."""


class OutputSettings(Section):
    deliver: Annotated[tuple[Deliverables, ...], BeforeValidator(_split_list)] = Field(
        default=("per-language",), min_length=1
    )
    """What to make: a file for each language, one for all of them, the sound alone, its stems."""
    container: Literal["auto", "mkv", "mp4"] = "auto"
    """Of the file with all languages; auto is the source's own where it can hold everything."""
    default_track: Literal["first", "original"] = "first"
    """What that file plays unless told: the first language, or the original."""
    audio_format: Literal["m4a", "flac", "wav", "opus", "mp3"] = "m4a"
    """Of the sound alone."""
    burn_subtitles: bool = False
    """Draw the subtitles into the picture of each language's file, which is encoded anew."""
    video_crf: int = Field(default=18, ge=0, le=51)
    """Constant rate factor of such a picture: less is better and larger."""
    retime: float = Field(default=1.0, ge=1.0, le=1.1)
    """Show the whole picture this many times as long, for languages that need more words."""
    subtitles: Annotated[tuple[Literal["srt", "vtt", "ass"], ...], BeforeValidator(_split_list)] = (
        "srt",
        "vtt",
    )
    """Subtitle files to write beside the video."""
    subtitle_track: bool = True
    """Also put the subtitles into the file as a track."""
    subtitle_style: SubtitleStyle = SubtitleStyle()
    """How they look in ASS files and burned into the picture."""
    keep_original_audio: bool = False
    """Keep the original as a second audio track."""
    audio_codec: Literal["auto", "aac", "opus", "flac"] = "auto"
    audio_bitrate: str = "192k"


class QualitySettings(Section):
    fail_on: Annotated[tuple[str, ...], BeforeValidator(_split_list)] = ()
    """Measures of the report, codes of warnings, or any (measure that fails): exit status 5."""
    thresholds: str = ""
    """File (YAML) of thresholds over the carried ones."""
    round_trip: bool | Literal["auto"] = "auto"
    """Recognise the dub and compare; auto: in onevoice qc, and where fail_on needs it."""
    page: bool = True
    """Also write the report as a page (HTML)."""


class RunSettings(Section):
    threads: int = Field(default=0, ge=0)
    """Threads for the models; 0 takes every core."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    parallel_languages: int = Field(default=2, ge=1)
    """Languages under way at once; their models still take turns on the cores."""
    offline: bool = False
    """Never ask a model hub, a package registry or a hosted service for anything."""
    max_cost: Annotated[float | None, BeforeValidator(_dollars)] = Field(
        default=None, ge=0, allow_inf_nan=False
    )
    """Most that hosted services may cost in one command, in US dollars; empty for no limit."""
    requests_at_once: int = Field(default=4, ge=1, le=64)
    """Requests under way at one hosted service."""
    attempts: int = Field(default=6, ge=1, le=20)
    """How often a request is made before it is given up (429, 5xx, no answer)."""
    request_timeout: float = Field(default=120.0, gt=0)
    """Seconds until a silent service counts as not answering."""


class Settings(Section):
    """The whole tree; every default is what the embedded profile uses."""

    profile: str = "embedded"
    source: SourceSettings = SourceSettings()
    separation: SeparationSettings = SeparationSettings()
    recognition: RecognitionSettings = RecognitionSettings()
    diarization: DiarizationSettings = DiarizationSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    keep: KeepSettings = KeepSettings()
    vision: VisionSettings = VisionSettings()
    summary: SummarySettings = SummarySettings()
    translation: TranslationSettings = TranslationSettings()
    synthesis: SynthesisSettings = SynthesisSettings()
    voices: dict[str, str | dict[str, str]] = Field(default_factory=dict)
    """Voice by speaker, for every language (S1: ef_dora) or by language (S1: {es: ef_dora}).

    The speaker ``*`` stands for all the others; the voice ``clone`` for the speaker's own.
    """
    glossary: str = ""
    """File (YAML or CSV) of terms, what they become, and how they are pronounced."""
    series: str = ""
    """Name of a series whose accepted translations are remembered from film to film."""
    timing: TimingSettings = TimingSettings()
    mix: MixSettings = MixSettings()
    output: OutputSettings = OutputSettings()
    quality: QualitySettings = QualitySettings()
    run: RunSettings = RunSettings()

    @field_validator("voices", mode="before")
    @classmethod
    def _no_voices(cls, value: Any) -> Any:
        return {} if value is None else value

    def voice_for(self, speaker: str, language: str) -> str | None:
        """The voice the user chose for a speaker in a language, if any."""
        for who in (speaker, EVERYBODY):
            choice = self.voices.get(who)
            voice = choice.get(language) if isinstance(choice, dict) else choice
            if voice:
                return voice
        return None
