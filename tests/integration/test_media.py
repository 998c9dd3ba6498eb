"""Media as people have it: made, read, taken apart and put together by the real ffmpeg."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from onevoice.errors import (
    Cancelled,
    ConfigError,
    DiskFull,
    MediaError,
    MediaNotFound,
    MediaTruncated,
    MediaUnreadable,
    NoAudio,
    OneVoiceError,
    OutputExists,
    OutputUnwritable,
)
from onevoice.media import (
    AudioTrack,
    MuxSpec,
    SourceTrack,
    SubtitleTrack,
    extract_audio,
    ffmpeg_path,
    ffmpeg_version,
    mux,
    probe,
)
from onevoice.media.process import FFmpegFailed, run

RATE = 48_000
PICTURE = ("-f", "lavfi", "-i", "testsrc=size=96x64:rate=25:duration={d}")
TONE = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate={r}:duration={d}")
VIDEO = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-pix_fmt", "yuv420p")
Make = Callable[..., Path]


def ffmpeg(*arguments: str | Path) -> None:
    command = [ffmpeg_path(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def inputs(*, seconds: float = 3.0, rate: int = 44_100) -> list[str]:
    return [part.format(d=seconds, r=rate) for part in (*PICTURE, *TONE)]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds, H.264 with B-frames, mono 44.1 kHz AAC, title and artist, two chapters."""
    folder = tmp_path_factory.mktemp("talk")
    chapters = folder / "chapters.txt"
    chapters.write_text(
        ";FFMETADATA1\ntitle=Mi título\nartist=김\ncomment=by hand\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=3000\ntitle=둘\n"
    )
    path = folder / "talk.mp4"
    ffmpeg(*inputs(), "-i", chapters, "-map_metadata", "2", "-map", "0", "-map", "1", *VIDEO,
           "-c:a", "aac", "-metadata:s:a:0", "language=eng", path)  # fmt: skip
    return path


@pytest.fixture(scope="module")
def cover(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cover") / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "color=red:size=32x32", "-frames:v", "1", path)
    return path


@cache
def noise(frames: int, channels: int) -> NDArray[np.float32]:
    """Low-passed noise: its autocorrelation has one peak, so a shift of one sample shows."""
    white = np.random.default_rng(7).standard_normal((frames + 7, channels))
    window = np.ones(8) / 8
    smooth = [np.convolve(white[:, c], window, "valid") for c in range(channels)]
    return (0.1 * np.stack(smooth, axis=1)).astype(np.float32)


def dub_for(source: Path, wav: Path, *, channels: int = 1) -> AudioTrack:
    samples = noise(round(probe(source).duration * RATE), channels)
    soundfile.write(wav, samples, RATE, "FLOAT")
    return AudioTrack(path=wav, language="ko", title="한국어 더빙", default=True)


def packets(path: Path) -> list[tuple[float, bytes]]:
    with av.open(f"file:{path}") as container:
        stream = next(s for s in container.streams.video if not int(s.disposition) & 1024)
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.size]


def decoded(path: Path, track: int = 0) -> tuple[float, NDArray[np.float32]]:
    """Time of the first sample, and the first channel at 48 kHz, as a player hears it."""
    with av.open(f"file:{path}") as container:
        resample = av.AudioResampler("fltp", rate=RATE)
        frames = list(container.decode(container.streams.audio[track]))
        parts = [g for f in [*frames, None] for g in resample.resample(f)]
        return frames[0].time, np.concatenate([g.to_ndarray()[0] for g in parts])


def lag_ms(path: Path, reference: NDArray[np.float32]) -> float:
    """How much later than in the reference the sound comes, to the sample."""
    begin, heard = decoded(path)
    piece = reference[RATE : 2 * RATE]
    scores = np.correlate(heard[RATE - 3000 : 2 * RATE + 3000], piece, "valid")
    return 1000 * begin + (int(np.argmax(scores)) - 3000) / RATE * 1000


def onset(wav: Path) -> float:
    samples, rate = soundfile.read(wav, always_2d=True)
    return float(np.argmax(np.abs(samples[:, 0]) > 0.01) / rate)


# Probing


def test_probe_tells_what_is_there(talk: Path) -> None:
    info = probe(talk)
    assert (info.container, info.extension, info.truncated) == ("mp4", ".mp4", False)
    assert info.duration == pytest.approx(3.0, abs=0.03)
    assert info.start_time == 0.0 and info.has_video and info.synthetic_voice == ""
    video, audio = info.video[0], info.audio[0]
    assert (video.codec, video.width, video.height, video.frame_rate) == ("h264", 96, 64, 25.0)
    assert (video.rotation, video.attached_pic) == (0, False)
    assert (audio.codec, audio.sample_rate, audio.channels) == ("aac", 44_100, 1)
    assert (audio.language, audio.default, audio.start_time) == ("eng", True, 0.0)
    assert [(c.start, c.end, c.title) for c in info.chapters] == [(0, 1, "One"), (1, 3, "둘")]
    assert info.metadata["title"] == "Mi título" and info.metadata["artist"] == "김"


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_probe_tells_rotation_clockwise(talk: Path, tmp_path: Path, turn: int) -> None:
    path = tmp_path / "turned.mp4"
    # ffmpeg's option counts the other way round.
    ffmpeg("-display_rotation", str(-turn), "-i", talk, "-c", "copy", path)
    assert probe(path).video[0].rotation == turn


def test_silent_video_can_be_probed_and_has_no_audio(talk: Path, tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    ffmpeg("-i", talk, "-an", "-c", "copy", path)
    assert probe(path).audio == ()
    with pytest.raises(NoAudio, match=r"silent\.mp4"):
        extract_audio(path, tmp_path / "out.wav")


def test_cover_is_no_video(cover: Path, tmp_path: Path) -> None:
    for name in ("song.m4a", "song.mp3"):
        path = tmp_path / name
        ffmpeg(*inputs()[4:], "-i", cover, "-map", "0", "-map", "1", "-c:v", "copy",
               "-disposition:v", "attached_pic", path)  # fmt: skip
        info = probe(path)
        assert len(info.video) == 1 and not info.has_video and info.extension == path.suffix


def _text(path: Path, _talk: Path) -> None:
    path.write_text("This is a letter, not a film.\n" * 200)


def _playlist(path: Path, talk: Path) -> None:
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile:{talk}\n#EXT-X-ENDLIST\n")


def _concat(path: Path, talk: Path) -> None:
    path.write_text(f"ffconcat version 1.0\nfile '{talk}'\n")


def _subtitles(path: Path, _talk: Path) -> None:
    path.write_text("1\n00:00:00,000 --> 00:00:02,000\nhello\n" * 3)


def _index_at_end(path: Path, talk: Path) -> None:
    ffmpeg("-i", talk, "-c", "copy", path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "spoil",
    [_text, _playlist, _concat, _subtitles, _index_at_end, lambda p, _t: p.write_bytes(b"")],
)
def test_what_is_not_media(talk: Path, tmp_path: Path, spoil: Callable[..., object]) -> None:
    path = tmp_path / "film.mp4"
    spoil(path, talk)
    with pytest.raises(MediaUnreadable, match=r"film\.mp4") as error:
        probe(path)
    assert error.value.hint


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.mp4", tmp_path):
        with pytest.raises(MediaNotFound):
            probe(path)


# Files that were cut short


@pytest.fixture(scope="module", params=["mp4", "mkv", "wav", "avi"])
def cut(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 60 % of a ten-second file whose index comes first."""
    folder = tmp_path_factory.mktemp("cut")
    whole, path = folder / f"whole.{request.param}", folder / f"cut.{request.param}"
    if request.param == "wav":
        ffmpeg(*inputs(seconds=10)[4:], whole)
    else:
        faststart = ["-movflags", "+faststart"] if request.param == "mp4" else []
        # Evenly sized video, so that bytes are time.
        ffmpeg(
            *inputs(seconds=10), *VIDEO, "-bf", "0", "-g", "10", "-c:a", "aac", *faststart, whole
        )
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    return path


def test_truncated_file_is_refused_unless_salvaged(cut: Path, tmp_path: Path) -> None:
    info = probe(cut)
    assert info.truncated and 3.0 < info.duration < 8.0
    out = tmp_path / "out.wav"
    with pytest.raises(MediaTruncated) as error:
        extract_audio(cut, out)
    assert "--salvage" in error.value.hint and not out.exists()
    spec = extract_audio(cut, out, salvage=True)
    assert spec.frames == round(info.duration * RATE) == soundfile.info(out).frames
    if info.has_video:
        result = tmp_path / f"result{info.extension}"
        track = dub_for(cut, tmp_path / "dub.wav")
        with pytest.raises(MediaTruncated):
            mux(MuxSpec(source=cut, output=result, audio=(track,)))
        mux(MuxSpec(source=cut, output=result, audio=(track,), salvage=True))
        assert probe(result).duration == pytest.approx(info.duration, abs=0.1)
        assert not probe(result).truncated


def test_damaged_sound_in_a_whole_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    ffmpeg(*inputs(seconds=10)[4:], path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaTruncated, match="breaks off"):
        extract_audio(path, tmp_path / "out.wav")
    assert extract_audio(path, tmp_path / "out.wav", salvage=True).frames == 10 * RATE


# Taking the sound out


def test_extract_makes_float_wav_of_the_film_s_length(talk: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    spec = extract_audio(talk, tmp_path / "out.wav", progress=seen.append)
    info = soundfile.info(tmp_path / "out.wav")
    assert (info.format, info.subtype) in {("WAV", "FLOAT"), ("WAVEX", "FLOAT")}
    assert (spec.sample_rate, spec.channels) == (info.samplerate, info.channels) == (RATE, 1)
    assert spec.frames == info.frames == round(probe(talk).duration * RATE)
    assert seen[-1] == 1.0 and seen == sorted(seen)
    assert [p.name for p in tmp_path.iterdir()] == ["out.wav"]


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv", "late.ts", "late.mov"])
def test_sound_that_starts_late_stays_late(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    command = inputs()
    ffmpeg(*command[:4], "-itsoffset", "0.7", *command[4:], *VIDEO, "-c:a", "aac", path)
    assert probe(path).audio[0].start_time == pytest.approx(0.7, abs=0.05)
    extract_audio(path, tmp_path / "out.wav")
    # AAC is told to the packet in a transport stream, which may also count from B-frames.
    exact = 0.09 if name.endswith(".ts") else 0.005
    assert onset(tmp_path / "out.wav") == pytest.approx(0.7, abs=exact)


def test_five_one_and_chosen_track(tmp_path: Path) -> None:
    path = tmp_path / "many.mkv"
    ffmpeg(*inputs(), "-f", "lavfi", "-i", "sine=880:duration=3", *VIDEO,
           "-filter_complex", "[2:a]pan=5.1(side)|FC=c0[six]", "-map", "0", "-map", "1:a",
           "-map", "[six]", "-c:a", "flac", "-metadata:s:a:0", "language=eng",
           "-metadata:s:a:1", "language=fra", "-metadata:s:a:1", "title=Ciné", path)  # fmt: skip
    info = probe(path)
    assert [(a.channels, a.title) for a in info.audio] == [(1, ""), (6, "Ciné")]
    # Matroska knows French by both of its codes.
    assert info.audio[0].language == "eng" and info.audio[1].language in {"fra", "fre"}
    out = tmp_path / "out.wav"
    assert extract_audio(path, out, track=1).channels == 6
    samples, _ = soundfile.read(out)
    loud = np.sqrt(np.mean(samples**2, axis=0))
    assert loud[2] > 0.05 and np.all(np.delete(loud, 2) < 1e-4)
    with av.open(str(out)) as container:
        assert container.streams.audio[0].layout.name == "5.1(side)"
    with pytest.raises(MediaError, match="no audio track 2") as error:
        extract_audio(path, out, track=2)
    assert "Ciné flac 5.1(side)" in error.value.hint


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg", "a.opus", "a.wav", "a.m4a", "a.aac"])
def test_audio_only_sources(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    ffmpeg(*inputs(seconds=3)[4:], "-metadata", "title=Song", path)
    info = probe(path)
    assert not info.has_video and info.duration == pytest.approx(3.0, abs=0.06)
    assert extract_audio(path, tmp_path / "out.wav").frames == round(info.duration * RATE)
    assert onset(tmp_path / "out.wav") < 0.06
    track = dub_for(path, tmp_path / "dub.wav")
    result = tmp_path / f"result{info.extension}"
    mux(MuxSpec(source=path, output=result, audio=(track,), synthetic_voice="onevoice"))
    made = probe(result)
    assert made.duration == pytest.approx(info.duration, abs=0.01)
    assert made.audio[0].language == "kor" and made.synthetic_voice == "onevoice"
    if name != "a.aac":
        assert made.metadata["title"] == "Song"
    assert abs(lag_ms(result, noise(round(info.duration * RATE), 1)[:, 0])) < 1.0 + (
        1000 * made.start_time
    )


# Putting the sound in


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".mp4", "aac"),
        (".mp4", "opus"),
        (".m4v", "auto"),
        (".mov", "auto"),
        (".mkv", "aac"),
        (".mkv", "flac"),
        (".mkv", "opus"),
        (".webm", "auto"),
    ],
)
def test_mux_keeps_the_picture_and_the_time(
    talk: Path, cover: Path, tmp_path: Path, suffix: str, codec: str
) -> None:
    source = tmp_path / f"source{suffix}"
    vp8 = ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"]
    ffmpeg("-i", talk, *(vp8 if suffix == ".webm" else ["-c", "copy"]), source)
    before = source.read_bytes()
    srt = tmp_path / "자막.srt"
    srt.write_text("1\n00:00:00,500 --> 00:00:01,500\n안녕하세요\n", encoding="utf-8")
    track = dub_for(source, tmp_path / "dub.wav")
    out, seen = tmp_path / "out" / f"talk.ko{suffix}", []
    out.parent.mkdir()
    mux(
        MuxSpec(
            source=source,
            output=out,
            audio=(
                track,
                AudioTrack(path=track.path, language="pt-BR", title="Português"),
                SourceTrack(number=0),
            ),
            subtitles=(SubtitleTrack(path=srt, language="ko", title="한국어"),),
            audio_codec=codec,
            synthetic_voice="onevoice 0.1 (ko, pt)",
        ),
        progress=seen.append,
    )
    old, new = probe(source), probe(out)
    assert packets(out) == packets(source)
    assert source.read_bytes() == before
    assert new.container == old.container
    assert abs(new.duration - old.duration) < 0.02
    assert [a.language for a in new.audio] == ["kor", "por", "eng"]
    assert [a.title for a in new.audio[:2]] == ["한국어 더빙", "Português"]
    assert [a.default for a in new.audio] == [True, False, False]
    assert (new.audio[2].codec, new.audio[2].sample_rate) == (
        old.audio[0].codec,
        old.audio[0].sample_rate,
    )
    assert [(s.language, s.codec) for s in new.subtitles] == [
        ("kor", {".mkv": "subrip", ".webm": "webvtt"}.get(suffix, "mov_text"))
    ]
    assert [(c.start, c.end, c.title) for c in new.chapters] == [(0, 1, "One"), (1, 3, "둘")]
    assert (new.metadata["title"], new.metadata["artist"]) == ("Mi título", "김")
    assert new.metadata["comment"].startswith("by hand\n")
    assert new.synthetic_voice == "onevoice 0.1 (ko, pt)"
    assert abs(lag_ms(out, noise(round(old.duration * RATE), 1)[:, 0])) <= 1.0
    assert seen == sorted(seen) and seen[-1] > 0.9
    assert [p.name for p in out.parent.iterdir()] == [out.name]


def test_mark_in_an_mp4_can_be_read_as_xmp(talk: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    track = dub_for(talk, tmp_path / "dub.wav")
    mux(MuxSpec(source=talk, output=out, audio=(track,), synthetic_voice="onevoice"))
    with av.open(str(out), options={"export_xmp": "1"}) as container:
        assert "compositeWithTrainedAlgorithmicMedia" in container.metadata["xmp"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_rotation_cover_and_late_start_survive(
    talk: Path, cover: Path, tmp_path: Path, suffix: str
) -> None:
    turned, source = tmp_path / "turned.mp4", tmp_path / f"source{suffix}"
    ffmpeg("-display_rotation", "90", "-i", talk, "-c", "copy", turned)
    if suffix == ".mp4":
        ffmpeg("-itsoffset", "0.4", "-i", turned, "-i", talk, "-i", cover, "-map", "0:v",
               "-map", "1:a", "-map", "2", "-c", "copy", "-disposition:v:1", "attached_pic",
               source)  # fmt: skip
    else:
        ffmpeg("-itsoffset", "0.4", "-i", turned, "-i", talk, "-map", "0:v", "-map", "1:a",
               "-c", "copy", "-attach", cover, "-metadata:s:t", "mimetype=image/png",
               source)  # fmt: skip
    old = probe(source)
    assert [v.attached_pic for v in old.video] == [False, True]
    out = tmp_path / f"out{suffix}"
    mux(MuxSpec(source=source, output=out, audio=(dub_for(source, tmp_path / "dub.wav"),)))
    new = probe(out)
    assert [v.attached_pic for v in new.video] == [False, True]
    assert new.video[0].rotation == old.video[0].rotation == 270
    assert old.video[0].start_time > 0.35
    assert packets(out) == packets(source)
    assert abs(lag_ms(out, noise(round(old.duration * RATE), 1)[:, 0])) <= 1.0


@pytest.mark.parametrize("name", ["old.avi", "old.ts", "old.flv"])
def test_old_containers_become_matroska(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    ffmpeg(*inputs(), *VIDEO, "-c:a", "aac", source)
    old = probe(source)
    assert old.extension == ".mkv"
    out = tmp_path / "out.mkv"
    mux(MuxSpec(source=source, output=out, audio=(dub_for(source, tmp_path / "dub.wav"),)))
    new = probe(out)
    assert abs(new.duration - old.duration) < 0.04
    assert len(packets(out)) == 75
    # AVI keeps no presentation times: with B-frames its first frame is a guess.
    exact = 0.041 if name == "old.avi" else 0.002
    assert new.video[0].start_time == pytest.approx(old.video[0].start_time, abs=exact)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_five_one_stays_five_one(talk: Path, tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"source{suffix}"
    if suffix == ".webm":
        ffmpeg("-i", talk, "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", source)
    else:
        ffmpeg("-i", talk, "-c", "copy", source)
    out = tmp_path / f"out{suffix}"
    track = dub_for(source, tmp_path / "dub.wav", channels=6)
    mux(MuxSpec(source=source, output=out, audio=(track,)))
    assert (probe(out).audio[0].channels, probe(out).audio[0].layout) == (6, "5.1")


@pytest.mark.parametrize("seconds", [-1.0, 1.0])
def test_track_of_another_length_is_padded_or_trimmed(
    talk: Path, tmp_path: Path, seconds: float
) -> None:
    wav = tmp_path / "dub.wav"
    soundfile.write(wav, noise(round((3.0 + seconds) * RATE), 1), RATE, "FLOAT")
    out = tmp_path / "out.mkv"
    track = AudioTrack(path=wav, language="xx-nonsense")
    mux(MuxSpec(source=talk, output=out, audio=(track,), audio_codec="flac"))
    _, heard = decoded(out)
    assert len(heard) == pytest.approx(probe(talk).duration * RATE, abs=RATE / 1000 + 1)


@pytest.mark.parametrize(
    "name",
    [
        "-dash first.mp4",
        'it\'s "quoted" $(x) `y`.mp4',
        "line\nbreak.mp4",
        "100% %d %03d.mp4",
        "한국어 영상.mp4",
        "http:::colon.mp4",
        "a|b;c[d]{e}*.mp4",
    ],
)
def test_names_mean_nothing(
    talk: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(talk.read_bytes())
    monkeypatch.chdir(tmp_path)
    source, wav, out = Path(name), Path(f"{name}.wav"), Path(f"{name}.out.mp4")
    assert probe(source).duration == pytest.approx(3.0, abs=0.03)
    extract_audio(source, wav)
    srt = Path(f"{name}.srt")
    srt.write_text("1\n00:00:00,500 --> 00:00:01,500\nhi\n")
    mux(
        MuxSpec(
            source=source,
            output=out,
            audio=(AudioTrack(path=wav, language="es", title=name),),
            subtitles=(SubtitleTrack(path=srt, language="es", title=name),),
        )
    )
    assert packets(out) == packets(talk)
    assert probe(out).audio[0].title == name


# What goes wrong


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"audio_codec": "opus", "output": "a.m4a"}, ConfigError),
        ({"output": "a.mp3"}, ConfigError),
        ({"output": "a.xyz"}, ConfigError),
        ({"audio": ()}, ConfigError),
        ({"bitrate": "fast"}, ConfigError),
        (
            {"audio": (AudioTrack(path=Path("dub.wav"), language="ko"), SourceTrack(number=3))},
            MediaError,
        ),
        ({"audio": (AudioTrack(path=Path("/none.wav"), language="ko"),)}, MediaNotFound),
        ({"output": "no/such/folder/a.mp4"}, OutputUnwritable),
    ],
)
def test_mux_refuses_what_cannot_work(
    talk: Path, tmp_path: Path, change: dict[str, object], error: type[OneVoiceError]
) -> None:
    track = dub_for(talk, tmp_path / "dub.wav")
    fields = {"output": "a.mp4", "audio": (track,), **change}
    fields["output"] = tmp_path / str(fields["output"])
    with pytest.raises(error):
        mux(MuxSpec(source=talk, **fields))
    assert [p.name for p in tmp_path.iterdir()] == ["dub.wav"]


def test_the_source_is_never_overwritten(talk: Path, tmp_path: Path) -> None:
    source, link = tmp_path / "a.mp4", tmp_path / "b.mp4"
    source.write_bytes(talk.read_bytes())
    link.symlink_to(source)
    track = dub_for(talk, tmp_path / "dub.wav")
    for output in (source, link):
        with pytest.raises(OutputExists):
            mux(MuxSpec(source=source, output=output, audio=(track,)))
    assert source.read_bytes() == talk.read_bytes()


class Token:
    cancelled = False


@pytest.fixture
def token() -> Iterator[Token]:
    """A token that is cancelled from another thread, a moment from now."""
    made = Token()
    timer = threading.Timer(0.3, setattr, (made, "cancelled", True))
    timer.start()
    yield made
    timer.cancel()


def test_cancelling_kills_ffmpeg_at_once(token: Token) -> None:
    endless = ["-f", "lavfi", "-i", "anullsrc", "-f", "null", "-"]
    began = time.monotonic()
    with pytest.raises(Cancelled):
        run(endless, consume=lambda out: [None for _ in out], cancel=token)
    assert time.monotonic() - began < 5.0


def test_cancelled_work_leaves_nothing_behind(talk: Path, tmp_path: Path) -> None:
    stopped = Token()
    stopped.cancelled = True
    track = dub_for(talk, tmp_path / "dub.wav")
    with pytest.raises(Cancelled):
        extract_audio(talk, tmp_path / "out.wav", cancel=stopped)
    with pytest.raises(Cancelled):
        mux(MuxSpec(source=talk, output=tmp_path / "a.mp4", audio=(track,)), cancel=stopped)
    assert [p.name for p in tmp_path.iterdir()] == ["dub.wav"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk_is_told_apart(talk: Path) -> None:
    with pytest.raises(FFmpegFailed) as error:
        run(["-y", "-i", str(talk), "-f", "wav", "/dev/full"], consume=lambda out: out.read())
    assert error.value.disk_full


def test_full_disk_while_muxing(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise FFmpegFailed("Error writing trailer: No space left on device", disk_full=True)

    track = dub_for(talk, tmp_path / "dub.wav")
    monkeypatch.setattr("onevoice.media.muxing.run", full)
    with pytest.raises(DiskFull, match=r"a\.mp4"):
        mux(MuxSpec(source=talk, output=tmp_path / "a.mp4", audio=(track,)))
    assert [p.name for p in tmp_path.iterdir()] == ["dub.wav"]


def test_there_is_an_ffmpeg() -> None:
    assert Path(ffmpeg_path()).is_file() and ffmpeg_version() != "unknown"
