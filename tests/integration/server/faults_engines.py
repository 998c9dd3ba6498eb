"""Engines of processes that are killed: fast, and each thing they do leaves a trace.

The process of a dub finds them through the entry points of a site folder (see ``faults_site``),
which is the first entry of ``PYTHONPATH``. A line of its trace is written at once and whole,
whoever else is writing: ``time  pid  begin|end  verb  language  text``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from onevoice.engines.base import Progress, Speech, SpeechRequest, TranslationRequest
from onevoice.types import Recognition, Summary, Turn, Word
from tests import fakes

LINES = ("First", "Second", "Third")
_SITE = Path(os.environ.get("PYTHONPATH", ".").split(os.pathsep)[0])
_PACE = {"separate": 0.15, "transcribe": 0.15, "diarize": 0.1, "translate": 0.1, "speak": 0.2}
"""Seconds that each of them takes at least."""


def word_of(video_id: str) -> str:
    """A word that is a video's own and can be spoken: what lines are recognised by."""
    digest = hashlib.sha256(video_id.encode()).digest()
    return "".join("bdfgklmnprst"[b % 12] + "aeiou"[b // 12 % 5] for b in digest[:6])


def sentences(video_id: str) -> list[tuple[float, float, str]]:
    """What is said in a video, and when."""
    word = word_of(video_id)
    return [(0.3 + i * 1.6, 1.8 + i * 1.6, f"{name} {word}.") for i, name in enumerate(LINES)]


class _Traced:
    """Notes when something is begun and when it is done."""

    def __init__(self, verb: str, language: str = "", text: str = "") -> None:
        self._what = (verb, language, text)

    def __enter__(self) -> None:
        scene = json.loads((_SITE / "scene.json").read_text())
        self._note("begin")
        time.sleep(_PACE[self._what[0]] * scene["slowness"])
        if scene["poison"] and scene["poison"] in self._what[2] and self._what[0] == "speak":
            _kill_the_worker()

    def __exit__(self, *exc: object) -> None:
        self._note("end")

    def _note(self, point: str) -> None:
        fields = (f"{time.monotonic():.3f}", str(os.getpid()), point, *self._what)
        trace = os.open(_SITE / "trace.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(trace, ("\t".join(fields) + "\n").encode())
        os.close(trace)


def _kill_the_worker() -> None:
    """As a machine does whose memory runs out: the guard's owner goes, and all of us with it."""
    guard = os.getppid()
    stat = Path(f"/proc/{guard}/stat").read_bytes().rpartition(b")")[2].split()
    os.kill(int(stat[1]), signal.SIGKILL)
    time.sleep(60)


class Separator(fakes.FakeSeparator):
    def separate(self, mix: Path, *, speech: Path, bed: Path, progress: Progress) -> None:
        with _Traced("separate", text=_video(mix)):
            super().separate(mix, speech=speech, bed=bed, progress=progress)


class Recognizer(fakes.FakeRecognizer):
    def transcribe(
        self, audio: Path, *, language: str | None, hints: Sequence[str], progress: Progress
    ) -> Recognition:
        video = _video(audio)
        fakes.SCENE.sentences = sentences(video)
        with _Traced("transcribe", text=video):
            return super().transcribe(audio, language=language, hints=hints, progress=progress)


class Diarizer(fakes.FakeDiarizer):
    def diarize(
        self, audio: Path, words: Sequence[Word], *, speakers: int | None, progress: Progress
    ) -> tuple[Turn, ...]:
        video = _video(audio)
        fakes.SCENE.sentences = sentences(video)
        with _Traced("diarize", text=video):
            return super().diarize(audio, words, speakers=speakers, progress=progress)


class Translator(fakes.FakeTranslator):
    def translate(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[Any]:
        for request in requests:
            with _Traced("translate", target, request.text):
                (done,) = super().translate(
                    [request], source=source, target=target, summary=summary
                )
            yield done


class Synthesizer(fakes.FakeSynthesizer):
    def speak(self, request: SpeechRequest) -> Speech:
        with _Traced("speak", request.language, request.text):
            return super().speak(request)


def _video(path: Path) -> str:
    """Whose artifact a file is: the store of a worker has a folder for each video."""
    found = re.search(r"vid_[0-9a-z]+", str(path))
    assert found, path
    return found[0]
