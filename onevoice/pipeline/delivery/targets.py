"""What is to be made of a film, and under which names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onevoice import languages, media
from onevoice.config import Settings
from onevoice.errors import ConfigError
from onevoice.pipeline.results import Deliverable, DeliverableKind

STEMS = ("dialogue", "music-effects", "mix")
_MAIN = ("per-language", "audio", "stems")


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The files of one language, or (``language`` None) those of all together."""

    source: Path
    language: str | None
    files: tuple[Deliverable, ...]
    codec: str = ""
    """The kind of sound in the film."""

    def of(self, kind: str) -> tuple[Path, ...]:
        return tuple(file.path for file in self.files if file.kind == kind)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(file.kind for file in self.files))

    @property
    def subtitles(self) -> tuple[Path, ...]:
        return self.of("subtitles")

    @property
    def main(self) -> Path | None:
        """The file to name first: the film, else its sound, else the last stem, the mix."""
        found = (self.of(kind) for kind in _MAIN)
        return next((paths[-1] for paths in found if paths), None)

    @property
    def all(self) -> tuple[Path, ...]:
        return tuple(file.path for file in self.files)


def targets(
    source: Path, out: Path | None, language: str, info: media.MediaInfo, settings: Settings
) -> Targets:
    """``talk.es.mp4``, ``talk.es.srt`` … beside the input or in ``out``.

    Raises
    ------
    ConfigError, EngineUnavailable
        Something is asked for that cannot be made of this input, or by this ffmpeg.
    """
    output, folder = settings.output, out or source.parent
    stem = f"{source.stem}.{language}"
    paths: list[tuple[DeliverableKind, Path]] = []
    codec = ""
    if "per-language" in output.deliver:
        film = folder / f"{stem}{info.extension}"
        codec = codec_for(film, settings)
        paths.append(("per-language", film))
    if output.burn_subtitles and not (paths and info.has_video):
        raise ConfigError(
            f"subtitles can be drawn into the picture of a language's own file only: {source.name}",
            hint="deliver per-language, of a film with a picture, or leave out --burn-subtitles",
        )
    if output.retime != 1.0 and not info.has_video:
        raise ConfigError(
            f"there is no picture in {source.name} to be shown longer", hint="leave out --retime"
        )
    if output.burn_subtitles:
        media.require_burning(media.container_of(paths[0][1]).burner)
        media.require_letters(
            languages.endonym(language),
            font=output.subtitle_style.font,
            language=languages.name(language),
        )
    if "audio" in output.deliver:
        sound = folder / f"{stem}.{output.audio_format}"
        if sound not in {path for _, path in paths}:  # of a podcast they are the same
            paths.append(("audio", sound))
    if "stems" in output.deliver:
        paths += [("stems", folder / f"{stem}.stems" / f"{name}.wav") for name in STEMS]
    paths += [("subtitles", folder / f"{stem}.{kind}") for kind in output.subtitles]
    files = (Deliverable(kind=kind, language=language, path=path) for kind, path in paths)
    return Targets(source=source, language=language, files=tuple(files), codec=codec)


def multitrack_target(
    source: Path, out: Path | None, info: media.MediaInfo, settings: Settings
) -> Targets:
    """``talk.multi.mkv``, where one file for all languages is asked for; else no file."""
    if "multitrack" not in settings.output.deliver:
        return Targets(source=source, language=None, files=())
    kind = _together(info, settings.output.container)
    path = (out or source.parent) / f"{source.stem}.multi{kind}"
    return Targets(
        source=source,
        language=None,
        files=(Deliverable(kind="multitrack", language=None, path=path),),
        codec=codec_for(path, settings, like=source.with_suffix(info.extension)),
    )


def _together(info: media.MediaInfo, wanted: str) -> str:
    """The extension of a file that is to hold all languages and everything of the source."""
    if wanted != "auto":
        sound = {"mkv": ".mka", "mp4": ".m4a"}
        return f".{wanted}" if info.has_video else sound[wanted]
    own = info.extension
    return own if media.holds_all(own, info) else (".mkv" if info.has_video else ".mka")


def codec_for(path: Path, settings: Settings, *, like: Path | None = None) -> str:
    """The kind of sound a result gets: ``like`` another one where both can hold that.

    Raises ConfigError when such a file cannot hold the kind that the settings ask for.
    """
    container, wanted = media.container_of(path), settings.output.audio_codec
    if wanted == "auto":
        other = media.container_of(like).codecs[0] if like else ""
        # MP3 has no exact beginning in a container of another kind.
        shared = other in container.codecs and other != "mp3"
        return other if shared else container.codecs[0]
    if wanted not in container.codecs:
        raise ConfigError(
            f"a {path.suffix} file cannot hold {wanted} sound",
            hint=f"set output.audio_codec to auto or one of {', '.join(container.codecs)}",
        )
    return wanted
