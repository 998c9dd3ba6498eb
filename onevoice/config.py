"""One typed tree of settings.

A value comes from the first of: the command line (``--set a.b=c`` and the flags that stand for
it), the environment (``ONEVOICE_A__B=c``), a file (``--config``), the profile (``configs/``),
the defaults below. An unknown key is an error that names the nearest one.

The settings of an engine stand under its own name beside ``engine``::

    synthesis:
      engine: kokoro
      kokoro: {speed: 1.1}

and are checked by the engine itself when it is built.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from platformdirs import user_cache_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from onevoice.errors import ConfigError, UnknownSetting

ENV_PREFIX = "ONEVOICE_"
ENV_RESERVED = frozenset({"ONEVOICE_CACHE_DIR", "ONEVOICE_LOG", "ONEVOICE_PROFILE"})


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


class SourceSettings(Section):
    language: str = "auto"
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
    speakers: int = Field(default=1, ge=1, le=20)
    """How many people speak."""


class SegmentationSettings(Section):
    max_pause: float = Field(default=1.2, gt=0)
    """A silence this long, in seconds, ends a segment even in mid-sentence."""
    min_pause: float = Field(default=0.3, gt=0)
    """A silence this long inside a segment is kept as a pause for timing."""
    max_seconds: float = Field(default=14.0, gt=1)
    """Longer sentences are cut at their best inner pause or comma."""


class SummarySettings(Section):
    enabled: bool = True
    """Read the whole transcript first where the translator is a language model."""
    use_as_context: bool = False
    """Give the synopsis to the translator. Small models follow it too closely: off for drafts."""


class TranslationSettings(EngineSection):
    engine: str | tuple[str, ...] = ("firefox", "llama")
    shorten: bool = True
    """Ask a language model for a shorter text where a line cannot be said in time."""
    rounds: int = Field(default=2, ge=0, le=5)
    """How often a line goes back to be shortened."""


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
    gap: float = Field(default=0.08, ge=0)
    """Least silence between two lines, in seconds."""
    tolerance: float = Field(default=0.25, ge=0)
    """A start may be off by this much before it gets dear, in seconds."""
    start_weight: float = Field(default=2.0, ge=0)
    late_weight: float = Field(default=10.0, ge=0)
    end_weight: float = Field(default=1.0, ge=0)
    rate_weight: float = Field(default=3.0, ge=0)
    fast_weight: float = Field(default=8.0, ge=0)


class MixSettings(Section):
    duck_db: float = Field(default=-6.0, le=0)
    """How far the bed goes down under speech."""
    original_duck_db: float = Field(default=-18.0, le=0)
    """The same for the original sound, where speech and bed were not separated."""
    attack: float = Field(default=0.12, gt=0)
    release: float = Field(default=0.45, gt=0)
    loudness: float | Literal["match"] = "match"
    """Programme loudness in LUFS, or match: as loud as the source."""
    true_peak: float = Field(default=-1.0, le=0)
    """Ceiling in dBTP."""
    line_gain_limit: float = Field(default=6.0, ge=0)
    """How far, in dB, a line may follow the loudness of the line it replaces."""


class OutputSettings(Section):
    subtitles: tuple[Literal["srt", "vtt"], ...] = ("srt", "vtt")
    """Subtitle files to write beside the video."""
    subtitle_track: bool = True
    """Also put the subtitles into the file as a track."""
    keep_original_audio: bool = False
    """Keep the original as a second audio track."""
    audio_codec: Literal["auto", "aac", "opus", "flac"] = "auto"
    audio_bitrate: str = "192k"


class QualitySettings(Section):
    fail_on: tuple[str, ...] = ()
    """Codes of warnings that make the run fail (exit status 5)."""


class RunSettings(Section):
    threads: int = Field(default=0, ge=0)
    """Threads for the models; 0 takes every core."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    parallel_languages: int = Field(default=2, ge=1)
    """Languages under way at once; their models still take turns on the cores."""
    offline: bool = False
    """Never ask a model hub or a package registry for anything."""


class Settings(Section):
    """The whole tree; every default is what the embedded profile uses."""

    profile: str = "embedded"
    source: SourceSettings = SourceSettings()
    separation: SeparationSettings = SeparationSettings()
    recognition: RecognitionSettings = RecognitionSettings()
    diarization: DiarizationSettings = DiarizationSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    summary: SummarySettings = SummarySettings()
    translation: TranslationSettings = TranslationSettings()
    synthesis: SynthesisSettings = SynthesisSettings()
    voices: dict[str, str | dict[str, str]] = Field(default_factory=dict)
    """Voice by speaker, for every language (S1: ef_dora) or by language (S1: {es: ef_dora})."""
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
        choice = self.voices.get(speaker)
        return choice.get(language) if isinstance(choice, dict) else choice


@dataclass(frozen=True, slots=True)
class Override:
    """One setting given on the command line: a dotted key, its value, and what it was called."""

    key: str
    value: Any
    origin: str


def parse_set(text: str) -> Override:
    """Read ``a.b=value``; the value is YAML (``1.5``, ``true``, ``[a, b]``, ``text``)."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"--set needs KEY=VALUE, got {text!r}", hint="for example --set synthesis.engine=kokoro"
        )
    return Override(key.strip(), _yaml_value(value, f"--set {key.strip()}"), "--set")


def cache_dir() -> Path:
    """Folder for models and stage artifacts: ONEVOICE_CACHE_DIR or the platform's own."""
    given = os.environ.get("ONEVOICE_CACHE_DIR")
    return Path(given).expanduser() if given else user_cache_path("onevoice", appauthor=False)


def profile_path(name: str) -> Path:
    """The file of a profile that comes with OneVoice."""
    here = Path(__file__).parent
    folders = [here / "configs", here.parent / "configs"]  # installed wheel, source tree
    for folder in folders:
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    known = sorted({p.stem for f in folders if f.is_dir() for p in f.glob("*.yaml")})
    near = get_close_matches(name, known, n=1)
    raise ConfigError(
        f"no profile is called {name!r}",
        hint=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}",
    )


def load_settings(
    *,
    profile: str | None = None,
    config: Path | None = None,
    overrides: Sequence[Override] = (),
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Merge all layers and validate the result. Raises ConfigError, UnknownSetting."""
    environ = os.environ if environ is None else environ
    from_file = _read_yaml(config) if config else {}
    name = profile or environ.get("ONEVOICE_PROFILE") or from_file.get("profile") or "embedded"
    tree = _read_yaml(profile_path(str(name)))
    tree = _merge(tree, from_file)
    for override in [*_from_environment(environ), *overrides]:
        _insert(tree, override)
    tree["profile"] = str(name)
    _check_keys(tree, Settings, "")
    try:
        return Settings.model_validate(tree)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"{where}: {first['msg']} (got {first.get('input')!r})",
            hint="onevoice config show lists every setting",
        ) from exc


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(f"no such settings file: {path}", hint="check the --config path") from exc
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise ConfigError(f"cannot read the settings in {path}: {exc}", hint="mend the file") from exc
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds no settings", hint="it must be a YAML mapping")
    return data


def _yaml_value(text: str, origin: str) -> Any:
    try:
        return yaml.safe_load(text) if text.strip() else ""
    except yaml.YAMLError as exc:
        raise ConfigError(f"{origin}: {text!r} is no value", hint="quote it") from exc


def _from_environment(environ: Mapping[str, str]) -> Iterator[Override]:
    for name in sorted(environ):
        if name.startswith(ENV_PREFIX) and name not in ENV_RESERVED:
            key = name.removeprefix(ENV_PREFIX).lower().replace("__", ".")
            if key.partition(".")[0] in Settings.model_fields:
                yield Override(key, _yaml_value(environ[name], name), name)


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        out[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return out


def _insert(tree: dict[str, Any], override: Override) -> None:
    *parents, leaf = override.key.split(".")
    node = tree
    for i, part in enumerate(parents):
        child = node.setdefault(part, {})
        if child is None:
            child = node[part] = {}
        if not isinstance(child, dict):
            raise ConfigError(
                f"{override.origin}: {'.'.join(parents[: i + 1])} is a value, not a section",
                hint="onevoice config show lists every setting",
            )
        node = child
    node[leaf] = override.value


def _check_keys(tree: Mapping[str, Any], model: type[BaseModel], prefix: str) -> None:
    """Name the nearest setting for an unknown key, at any depth."""
    open_ended = model.model_config.get("extra") == "allow"
    for key, value in tree.items():
        field = model.model_fields.get(str(key))
        if field is None:
            if open_ended and isinstance(value, dict | None):
                continue  # an engine's own settings; the registry checks them
            near = get_close_matches(f"{prefix}{key}", list(_all_keys()), n=1, cutoff=0.5)
            raise UnknownSetting(
                f"unknown setting {prefix}{key}",
                hint=f"did you mean {near[0]}?" if near else "onevoice config show lists them all",
            )
        inner = _section_of(field.annotation)
        if inner is not None and isinstance(value, dict):
            _check_keys(value, inner, f"{prefix}{key}.")


def _section_of(annotation: Any) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _all_keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        inner = _section_of(field.annotation)
        if inner is not None:
            yield from _all_keys(inner, f"{prefix}{name}.")
