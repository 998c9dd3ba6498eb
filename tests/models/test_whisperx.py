"""WhisperX and its pyannote diarization, with tiny models in local folders."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from onevoice.engines.base import CancelToken, Diarizer, Recognizer
from onevoice.engines.diarization.pyannote import KEY, Pyannote, PyannoteParams
from onevoice.engines.recognition import whisperx
from onevoice.engines.recognition.whisperx import WhisperX, WhisperXParams
from onevoice.errors import AssetMissing, Cancelled, EngineRefused, EngineUnavailable
from onevoice.types import Recognition, Turn, Word
from tests.contract import sample
from tests.models import tiny_speech
from tests.models.conftest import runtime

torch = pytest.importorskip("torch", reason="whisperx: torch is not installed")
pytest.importorskip("torchaudio", reason="whisperx: torchaudio is not installed")
pytest.importorskip("whisperx", reason="whisperx: the package whisperx is not installed")

SAID = tiny_speech.SENTENCE.split()


def ignore(share: float) -> None:
    pass


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``whisper``, ``stuck/whisper`` (it repeats one word), ``aligner`` and ``diarizer``."""
    folder = tmp_path_factory.mktemp("speech")
    tiny_speech.whisper(folder)
    tiny_speech.whisper(folder / "stuck", "no", times=12)
    tiny_speech.aligner(folder / "aligner")
    tiny_speech.diarizer(folder / "diarizer")
    return folder


@pytest.fixture(scope="session")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample talk's sound: two people, real speech from 1.5 to 45.4 s."""
    return sample.decode(tmp_path_factory.mktemp("sample"))


def recognizer(
    models: Path, folder: Path, cancel: CancelToken | None = None, **more: Any
) -> WhisperX:
    # Random weights are sure of nothing, and their alignment is what is looked at here.
    options: dict[str, Any] = {"align_model": str(models / "aligner"), "align_trust": 0.0}
    options |= {"model": str(models / "whisper")} | more
    return WhisperX(WhisperXParams(**options), runtime(folder, cancel=cancel or CancelToken()))


def diarizer(
    models: Path, folder: Path, cancel: CancelToken | None = None, **more: Any
) -> Pyannote:
    options = {"model": str(models / "diarizer")} | more
    return Pyannote(PyannoteParams(**options), runtime(folder, cancel=cancel or CancelToken()))


# --- recognition --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def heard(models: Path, mix: Path, tmp_path_factory: pytest.TempPathFactory) -> Recognition:
    with recognizer(models, tmp_path_factory.mktemp("models")) as engine:
        return engine.transcribe(mix, language=None, hints=(), progress=ignore)


def check_words(result: Recognition) -> None:
    clock = 0.0
    for word in result.words:
        assert clock <= word.start < word.end <= result.duration
        assert 0 <= word.probability <= 1
        clock = word.end


def test_it_hears_words_in_their_places(heard: Recognition, mix: Path) -> None:
    check_words(heard)
    assert heard.duration == pytest.approx(soundfile.info(mix).duration)
    assert [word.text for word in heard.words][: len(SAID)] == SAID
    assert {word.text for word in heard.words} == set(SAID)
    assert not heard.words[0].joined
    speech = [(sentence.start, sentence.end) for sentence in sample.truth()]
    for word in heard.words:
        assert any(word.start < end + 0.5 and word.end > start - 0.5 for start, end in speech)


def test_it_detects_the_language(heard: Recognition) -> None:
    assert heard.language == "en"
    assert heard.language_probability > 0.9


def test_times_come_from_the_alignment(models: Path, mix: Path, tmp_path: Path) -> None:
    """The aligner's times, character by character, are not what Whisper's attention says."""
    aligned = recognizer(models, tmp_path)._run
    usual = recognizer(models, tmp_path, alignment="never")._run
    samples = whisperx_samples(mix, 10.0)
    (first,) = aligned(samples, [(2.0, 9.0)], "en")
    (second,) = usual(samples, [(2.0, 9.0)], "en")
    assert [w.word.strip() for w in first.words] == [w.word.strip() for w in second.words] == SAID
    assert [w.start for w in first.words] != [w.start for w in second.words]
    starts = [w.start for w in first.words]
    assert starts == sorted(starts)
    assert starts[0] >= 2.0 and first.words[-1].end <= 9.0
    assert (first.start, first.end) == (2.0, 9.0)


def whisperx_samples(mix: Path, seconds: float) -> np.ndarray:
    from onevoice.engines.speech import read_mono

    return read_mono(mix, 0.0, seconds)


def test_an_alignment_without_confidence_is_not_believed(
    models: Path, mix: Path, tmp_path: Path
) -> None:
    samples = whisperx_samples(mix, 10.0)
    (doubted,) = recognizer(models, tmp_path, align_trust=0.5)._run(samples, [(2.0, 9.0)], "en")
    (usual,) = recognizer(models, tmp_path, alignment="never")._run(samples, [(2.0, 9.0)], "en")
    assert [(w.word, w.start) for w in doubted.words] == [(w.word, w.start) for w in usual.words]


def test_a_batch_keeps_its_clips_apart(models: Path, mix: Path, tmp_path: Path) -> None:
    engine = recognizer(models, tmp_path)
    batch = [(1.0, 4.0), (5.0, 8.0), (10.0, 14.0)]
    segments = engine._run(whisperx_samples(mix, 15.0), batch, "en")
    assert [(s.start, s.end) for s in segments] == batch
    for segment, (start, end) in zip(segments, batch, strict=True):
        assert [w.word.strip() for w in segment.words] == SAID
        assert all(start <= w.start <= w.end <= end for w in segment.words)


def test_a_clip_too_short_for_its_text_keeps_its_words(
    models: Path, mix: Path, tmp_path: Path
) -> None:
    """More letters than the alignment model has frames: Whisper's own times stand in."""
    engine = recognizer(models, tmp_path)
    (segment,) = engine._run(whisperx_samples(mix, 10.0), [(3.0, 3.3)], "en")
    assert [w.word.strip() for w in segment.words] == SAID


def test_the_same_twice(heard: Recognition, models: Path, mix: Path, tmp_path: Path) -> None:
    with recognizer(models, tmp_path) as engine:
        assert isinstance(engine, Recognizer)
        engine.ready()
        again = engine.transcribe(mix, language="en", hints=(), progress=ignore)
    assert again.words == heard.words
    assert again.language_probability == 1.0


def test_a_loop_is_heard_once(models: Path, mix: Path, tmp_path: Path) -> None:
    with recognizer(models, tmp_path, model=str(models / "stuck" / "whisper")) as engine:
        result = engine.transcribe(mix, language="en", hints=(), progress=ignore)
    check_words(result)
    texts = [word.text for word in result.words]
    assert "no" in texts
    assert not any(texts[i : i + 8] == ["no"] * 8 for i in range(len(texts)))


def test_a_language_without_a_model_has_whispers_times(
    models: Path, mix: Path, tmp_path: Path
) -> None:
    with recognizer(models, tmp_path, align_model="") as engine:
        segments = engine._run(whisperx_samples(mix, 10.0), [(2.0, 9.0)], "af")
        assert [w.word.strip() for w in segments[0].words] == SAID
    with (
        recognizer(models, tmp_path, align_model="", alignment="always") as strict,
        pytest.raises(EngineRefused, match="'af'"),
    ):
        strict.transcribe(mix, language="af", hints=(), progress=ignore)


@pytest.mark.parametrize(("language", "offline"), [("en", True), ("pt", True), ("pt", False)])
def test_an_alignment_model_that_is_not_here_is_named(
    models: Path, mix: Path, tmp_path: Path, language: str, offline: bool
) -> None:
    """English comes from torchaudio, Portuguese from the hub."""
    params = WhisperXParams(model=str(models / "whisper"), align_dir=tmp_path / "nothing")
    engine = WhisperX(params, runtime(tmp_path, offline=offline))
    with pytest.raises(AssetMissing) as caught:
        engine.transcribe(mix, language=language, hints=(), progress=ignore)
    assert "align_model" in caught.value.hint


def test_hints_reach_the_model(models: Path, mix: Path, tmp_path: Path) -> None:
    with recognizer(models, tmp_path) as engine:
        seen: list[str | None] = []
        pipeline = engine._piped()
        decode = pipeline.model.generate_segment_batched

        def look(features: Any, tokenizer: Any, options: Any, **more: Any) -> Any:
            seen.append(options.hotwords)
            return decode(features, tokenizer, options, **more)

        pipeline.model.generate_segment_batched = look
        engine.transcribe(mix, language="en", hints=("Ada", "Babbage"), progress=ignore)
        assert seen and set(seen) == {"Ada, Babbage"}
        assert pipeline.options.hotwords is None


def test_recognising_prints_nothing(
    models: Path, mix: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with recognizer(models, tmp_path) as engine:
        engine.transcribe(mix, language=None, hints=(), progress=ignore)
    assert capfd.readouterr().out == ""


def test_progress_and_cancelling(models: Path, mix: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    token = CancelToken()

    def stop(share: float) -> None:
        shares.append(share)
        token.cancel()

    with recognizer(models, tmp_path, token) as engine, pytest.raises(Cancelled):
        engine.transcribe(mix, language="en", hints=(), progress=stop)
    assert shares and shares[0] < 1


def test_silence_has_no_words(models: Path, tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(32_000, np.float32), 16_000)
    with recognizer(models, tmp_path) as engine:
        assert engine.transcribe(path, language=None, hints=(), progress=ignore).words == ()


def test_identity(models: Path, tmp_path: Path) -> None:
    known = recognizer(models, tmp_path).identity()
    assert json.loads(json.dumps(known)) == known
    moved = shutil.copytree(models / "aligner", tmp_path / "moved")
    assert recognizer(models, tmp_path, align_model=str(moved)).identity() == known
    assert recognizer(models, tmp_path, alignment="never").identity() != known
    other = recognizer(models, tmp_path, model=str(models / "stuck" / "whisper"))
    assert other.identity() != known
    assert str(models) not in str(known)


def test_a_whisper_that_is_not_here_is_named(models: Path, mix: Path, tmp_path: Path) -> None:
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    for name in ("large-v3-turbo", str(tmp_path / "nothing")):
        engine = recognizer(models, tmp_path, model=name)
        with pytest.raises(EngineUnavailable) as caught:
            engine.transcribe(mix, language="en", hints=(), progress=ignore)
        assert "recognition.whisperx.model" in caught.value.hint


def test_a_missing_package_names_the_extra(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisperx, "_MODULES", ("torch", "whisperx_is_not_here", "not.here"))
    with pytest.raises(EngineUnavailable, match=r"whisperx_is_not_here, not\.here") as caught:
        WhisperX.check(runtime(tmp_path))
    assert "onevoice[whisperx]" in caught.value.hint


# --- diarization --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def start(mix: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Word]]:
    """The first 14 s of the talk and their words: enough for a pipeline of random weights."""
    path = tmp_path_factory.mktemp("start") / "start.wav"
    samples, rate = soundfile.read(mix, dtype="float32", stop=14 * 48_000)
    soundfile.write(path, samples, rate)
    return path, [word for word in sample.true_words() if word.end < 13.5]


def check_turns(turns: Sequence[Turn], words: Sequence[Word]) -> None:
    clock = 0.0
    for turn in turns:
        assert clock <= turn.start < turn.end
        clock = turn.end
    for word in words:
        assert any(t.start <= word.start and word.end <= t.end for t in turns), word
    first_seen = list(dict.fromkeys(turn.speaker for turn in turns))
    assert first_seen == [f"S{i + 1}" for i in range(len(first_seen))]


@pytest.mark.parametrize("speakers", [1, 2, None])
def test_turns_cover_the_words(
    models: Path, start: tuple[Path, list[Word]], tmp_path: Path, speakers: int | None
) -> None:
    (mix, words), shares = start, list[float]()
    with diarizer(models, tmp_path) as engine:
        assert isinstance(engine, Diarizer) and engine.counts
        engine.ready()
        turns = engine.diarize(mix, words, speakers=speakers, progress=shares.append)
        assert engine.diarize(mix, words, speakers=speakers, progress=ignore) == turns
    check_turns(turns, words)
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert len({turn.speaker for turn in turns}) <= (speakers or 99)
    if speakers == 2:
        # Random weights tell nobody apart rightly, but the pipeline found two voices.
        assert {turn.speaker for turn in turns} == {"S1", "S2"}
        assert len(shares) > 3


def test_nothing_said(models: Path, start: tuple[Path, list[Word]], tmp_path: Path) -> None:
    with diarizer(models, tmp_path) as engine:
        assert engine.diarize(start[0], [], speakers=None, progress=ignore) == ()


def test_words_nobody_was_heard_in_are_covered(models: Path, tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(48_000, np.float32), 16_000)
    words = [Word(text="one", start=0.1, end=0.3), Word(text="two", start=1.8, end=1.9)]
    with diarizer(models, tmp_path) as engine:
        check_turns(engine.diarize(path, words, speakers=None, progress=ignore), words)


def test_diarizing_can_be_cancelled(
    models: Path, start: tuple[Path, list[Word]], tmp_path: Path
) -> None:
    token, shares = CancelToken(), list[float]()

    def stop(share: float) -> None:
        shares.append(share)
        token.cancel()

    with diarizer(models, tmp_path, token) as engine, pytest.raises(Cancelled):
        engine.diarize(*start, speakers=2, progress=stop)
    assert len(shares) == 1


def test_it_prints_nothing_and_does_not_report_to_its_makers(
    models: Path,
    start: tuple[Path, list[Word]],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from pyannote.audio.telemetry.metrics import is_metrics_enabled

    with diarizer(models, tmp_path) as engine:
        engine.diarize(*start, speakers=2, progress=ignore)
    assert not is_metrics_enabled()
    assert capfd.readouterr().out == ""


def test_the_gated_model_asks_for_the_key(
    start: tuple[Path, list[Word]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY, raising=False)
    engine = Pyannote(PyannoteParams(), runtime(tmp_path))
    with pytest.raises(EngineUnavailable, match=KEY):
        engine.ready()
    with pytest.raises(EngineUnavailable, match=KEY):
        engine.diarize(*start, speakers=2, progress=ignore)
    with pytest.raises(AssetMissing, match="offline") as missing:
        Pyannote(PyannoteParams(), runtime(tmp_path, offline=True)).diarize(
            *start, speakers=2, progress=ignore
        )
    assert "diarization.whisperx.model" in missing.value.hint
    monkeypatch.setenv(KEY, "hf_secret_planted_here")
    with pytest.raises(EngineUnavailable) as caught:
        engine.diarize(*start, speakers=2, progress=ignore)
    assert "planted" not in caught.value.message + caught.value.hint
    assert "planted" not in str(engine.identity())


def test_a_damaged_pipeline_is_refused(
    models: Path, start: tuple[Path, list[Word]], tmp_path: Path
) -> None:
    folder = shutil.copytree(models / "diarizer", tmp_path / "diarizer")
    (folder / "segmentation" / "pytorch_model.bin").write_bytes(b"not a model")
    engine = Pyannote(PyannoteParams(model=str(folder)), runtime(tmp_path))
    with pytest.raises(AssetMissing) as caught:
        engine.diarize(*start, speakers=2, progress=ignore)
    assert "diarization.whisperx.model" in caught.value.hint
