"""Speech by Supertonic 3 (Supertone): four ONNX models on the CPU, 31 languages, 44.1 kHz.

The package brings the program; the weights come from the model hub at the commit the package
pins, or from a folder. They are under OpenRAIL-M, which restricts some uses.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from onevoice.engines.assets.fetch import sha256_of
from onevoice.engines.base import (
    EngineBase,
    EngineInfo,
    Params,
    Runtime,
    Speech,
    SpeechRequest,
    Voice,
)
from onevoice.engines.synthesis import line, phonemes
from onevoice.engines.synthesis.voices import Sex, primary
from onevoice.errors import (
    AssetDamaged,
    AssetMissing,
    EngineFailed,
    EngineRefused,
    EngineUnavailable,
)

_ALL = (
    "ar bg cs da de el en es et fi fr hi hr hu id it ja ko lt lv nl pl pt ro ru sk sl sv tr uk vi"
)
LANGUAGES = {
    "supertonic-3": frozenset(_ALL.split(" ")),
    "supertonic-2": frozenset({"en", "es", "fr", "ko", "pt"}),
    "supertonic": frozenset({"en"}),
}
VOICES = tuple(f"{sex}{number}" for sex in "FM" for number in range(1, 6))
"""The voices that come with the weights; a folder may hold others."""

NATURAL = 1.05
"""The model's speed for a usual rate, which is its default; it divides the length exactly."""
SLOWEST, FASTEST = 0.7, 2.0
_PAUSE_S = 0.3
_MARKUP = str.maketrans("<>", "  ")
"""Supertonic marks languages as ``<ko>…</ko>``; text is never a mark."""
_SEXES: dict[str, Sex] = {"F": "female", "M": "male"}
_WEIGHTS = "OpenRAIL-M (Supertone)"
_MEND = "pip install 'onevoice[supertonic]'"


class SupertonicParams(Params):
    """Settings under ``synthesis.supertonic``."""

    model: Literal["supertonic-3", "supertonic-2", "supertonic"] = "supertonic-3"
    """31 languages; five (en, es, fr, ko, pt); English only."""
    model_dir: str = ""
    """A folder with the weights (onnx/, voice_styles/); empty brings them from the model hub."""
    steps: int = Field(default=8, ge=1, le=100)
    """Refinements of each line: more sound better and take longer."""
    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    """Every line this much faster than the voice's natural rate."""
    voice: str = ""
    """The voice that comes first where none is chosen for a speaker."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the noise that speech is made from: another one gives another reading."""


class Supertonic(EngineBase):
    """One line at a time, on all threads: the package draws its noise from a global source."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="synthesis",
        name="supertonic",
        summary="Supertonic 3: 31 languages on the CPU, Korean and Spanish native",
        licence=f"MIT (program), {_WEIGHTS}: its use restrictions bind you",
        languages=LANGUAGES["supertonic-3"],
        extra="supertonic",
        voices="F1 to F5 and M1 to M5 in every language, and any style in the folder voice_styles",
        limits="rates from 0.67 to 1.9; the weights come from the model hub",
    )
    Params: ClassVar[type[Params]] = SupertonicParams
    params: SupertonicParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._lock = threading.Lock()
        self._tts: Any = None

    @property
    def lines_at_once(self) -> int:
        return 1

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        if find_spec("supertonic") is None:
            raise EngineUnavailable("supertonic is not installed", hint=_MEND)

    def identity(self) -> dict[str, Any]:
        try:
            package = version("supertonic")
        except PackageNotFoundError:
            package = "none"
        given = self.params.model_dump(mode="json", exclude={"model_dir", "voice"})
        return {
            "engine": self.info.name,
            "version": 1,
            "params": given,
            "supertonic": package,
            "weights": _digest(self._folder())
            if self.params.model_dir
            else _revision(self.params.model),
        }

    def voices(self, language: str) -> tuple[Voice, ...]:
        tag = primary(language)
        if tag not in LANGUAGES[self.params.model]:
            return ()
        names = sorted(self._names(), key=lambda name: name != self.params.voice)
        return tuple(
            Voice(
                name=name,
                language=tag,
                sex=_SEXES.get(name[:1], "unknown"),
                licence=_WEIGHTS,
                note="not measured",
            )
            for name in names
        )

    def speak(self, request: SpeechRequest) -> Speech:
        """See :class:`~onevoice.engines.base.Synthesizer`.

        Raises
        ------
        EngineRefused
            The language or voice is not one of ours, or the text has nothing in it to say.
        EngineUnavailable, AssetMissing, AssetDamaged
            The program or the weights are not there, or do not load.
        EngineFailed
            The model broke.
        """
        self.check(self.runtime)
        voice = self._find(request)
        speed = speed_for(request.rate * self.params.speed)
        said = phonemes.clean(request.text.translate(_MARKUP))
        if not _sayable(said):
            raise line.nothing_to_say(request.text, request.language)
        with self._lock:
            self.runtime.cancel.check()
            tts = self._loaded()
            said = _known(said, tts)
            if not _sayable(said):
                raise line.nothing_to_say(request.text, request.language)
            samples = self._say(tts, said, voice, primary(request.language), speed)
        return line.finish(samples, tts.sample_rate)

    def close(self) -> None:
        with self._lock:
            self._tts = None

    # --- voices -------------------------------------------------------------------------------

    def _folder(self) -> Path:
        if self.params.model_dir:
            return Path(self.params.model_dir).expanduser()
        return self.runtime.models_dir / f"{self.params.model}-{_revision(self.params.model)[:12]}"

    def _names(self) -> Iterable[str]:
        if not self.params.model_dir:
            return VOICES
        found = {path.stem for path in (self._folder() / "voice_styles").glob("*.json")}
        return sorted(found, key=lambda name: (name not in VOICES, name))

    def _find(self, request: SpeechRequest) -> str:
        """The voice asked for. Raises EngineRefused, naming what there is."""
        if not request.rate > 0:
            raise EngineRefused(
                f"a rate of {request.rate} is no rate", hint="1.0 is the natural rate"
            )
        spoken = LANGUAGES[self.params.model]
        if primary(request.language) not in spoken:
            raise EngineRefused(
                f"{self.params.model} does not speak {request.language!r}",
                hint=f"it speaks: {', '.join(sorted(spoken))}",
            )
        names = list(self._names())
        if not names:
            raise _no_weights(self._folder(), "it has no voice_styles")
        if request.voice not in names:
            near = get_close_matches(request.voice, names, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise EngineRefused(
                f"supertonic has no voice {request.voice!r}",
                hint=f"{hint}its voices: {', '.join(names)}",
            )
        return request.voice

    # --- the model ----------------------------------------------------------------------------

    def _loaded(self) -> Any:
        if self._tts is None:
            from supertonic import TTS

            folder = self._folder()
            # The package empties the folder it downloads into: never the user's own.
            download = not (self.params.model_dir or self.runtime.offline)
            try:
                self._tts = TTS(
                    model=self.params.model,
                    model_dir=folder,
                    auto_download=download,
                    intra_op_num_threads=self.runtime.threads,
                )
            except FileNotFoundError as exc:
                raise _no_weights(folder, str(exc)) from exc
            except RuntimeError as exc:
                if download and not folder.exists():
                    raise _no_weights(folder, str(exc)) from exc
                raise _damaged(folder, exc) from exc
            except Exception as exc:
                # ONNX Runtime's errors have no base class of their own.
                raise _damaged(folder, exc) from exc
        return self._tts

    def _say(self, tts: Any, text: str, voice: str, language: str, speed: float) -> Any:
        before = np.random.get_state()
        np.random.seed(self.params.seed)  # the package knows no other way to the same samples
        try:
            samples, _ = tts.synthesize(
                text,
                tts.get_voice_style(voice),
                total_steps=self.params.steps,
                speed=speed,
                silence_duration=_PAUSE_S / speed,
                lang=language,
            )
        except (ValueError, OSError) as exc:
            raise EngineFailed(
                f"supertonic could not speak {text[:60]!r}: {exc}",
                hint="change the text of this line, or check the voice's file",
            ) from exc
        except Exception as exc:
            # ONNX Runtime's errors have no base class of their own.
            raise EngineFailed(
                f"supertonic failed on {text[:60]!r}: {exc}",
                hint="run again; if it stays, remove the weights so that they come anew",
            ) from exc
        finally:
            np.random.set_state(before)
        return np.asarray(samples, np.float32).ravel()


def speed_for(rate: float) -> float:
    """The model's setting for a rate, 1 being natural; beyond its bounds, the bound."""
    return float(np.clip(rate * NATURAL, SLOWEST, FASTEST))


def _known(text: str, tts: Any) -> str:
    """The text without characters the model has no number for."""
    _, unknown = tts.model.text_processor.validate_text(text)
    strange = set(unknown)
    return "".join(" " if char in strange else char for char in text).strip()


def _sayable(text: str) -> bool:
    return any(char.isalnum() for char in text)


def _revision(model: str) -> str:
    """The commit of the weights that the installed package pins."""
    if find_spec("supertonic") is None:
        return "none"
    from supertonic.config import get_model_revision

    return str(get_model_revision(model))


def _digest(folder: Path) -> str:
    """Digest of a folder's weights; ``none`` where there are none yet."""
    paths = sorted([*folder.glob("onnx/*"), *folder.glob("voice_styles/*.json")])
    files = [path for path in paths if path.is_file()]
    if not files:
        return "none"
    whole = hashlib.sha256()
    for path in files:
        stat = path.stat()
        whole.update(f"{path.name} {_file_digest(path, stat.st_size, stat.st_mtime_ns)}\n".encode())
    return whole.hexdigest()


@lru_cache(maxsize=256)
def _file_digest(path: Path, size: int, changed: int) -> str:
    """Hashed once for as long as the file stays as it is."""
    return sha256_of(path)


def _no_weights(folder: Path, why: str) -> AssetMissing:
    return AssetMissing(
        f"the weights of supertonic are not in {folder}: {why}",
        hint="go online (and unset run.offline): they come from the model hub — or point "
        "synthesis.supertonic.model_dir at a folder with onnx/ and voice_styles/",
    )


def _damaged(folder: Path, exc: Exception) -> AssetDamaged:
    return AssetDamaged(
        f"the weights of supertonic in {folder} do not load: {exc}",
        hint="remove that folder, so that they come anew",
    )
