"""What a delivery consists of: every kind of file, of every odd kind of input, looked into."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from onevoice import media
from onevoice.errors import ConfigError, OutputExists
from onevoice.pipeline.dubbing import dub
from onevoice.pipeline.planning import plan
from onevoice.pipeline.results import DubOutcome, DubRequest
from onevoice.pipeline.store import LocalStore
from tests import fakes
from tests.conftest import fake_tree

Ffmpeg = Callable[..., None]
KINDS = ("per-language", "multitrack", "audio", "stems")


def request_of(path: Path, *languages: str, **output: object) -> DubRequest:
    settings = fake_tree(output=output, quality={"page": False})
    return DubRequest(input=path, languages=languages or ("es", "ko"), settings=settings)


def deliver(request: DubRequest, store: LocalStore) -> DubOutcome:
    outcome = dub(request, store=store)
    assert not outcome.failures, outcome.failures[0].error.message
    return outcome


def copied(path: Path) -> list[tuple[Fraction, str]]:
    """When each packet of the picture is shown, counted from the first, and its digest."""
    with av.open(f"file:{path}") as container:
        film = next(s for s in container.streams.video if not int(s.disposition) & 1024)
        return [
            (p.pts * p.time_base, hashlib.sha256(bytes(p)).hexdigest())
            for p in container.demux(film)
            if p.size
        ]


def same_picture(result: Path, source: Path, *, retime: float = 1.0) -> None:
    """Every packet is the source's, bit for bit, and shown when it was (to a tick of a ms).

    ``retime``: that many times as late.
    """
    new, old = copied(result), copied(source)
    assert [digest for _, digest in new] == [digest for _, digest in old]
    info = media.probe(source)
    shifts = [
        float(a) - retime * (float(b) - info.start_time)
        for (a, _), (b, _) in zip(new, old, strict=True)
    ]
    assert max(map(abs, shifts)) < 0.0015


def samples(path: Path, track: int = 0) -> tuple[float, np.ndarray]:
    """When the first sample is heard, and the first channel at 48 kHz."""
    with av.open(f"file:{path}") as container:
        resample = av.AudioResampler("fltp", rate=48_000)
        frames = list(container.decode(container.streams.audio[track]))
        parts = [g for f in [*frames, None] for g in resample.resample(f)]
        return frames[0].time, np.concatenate([g.to_ndarray()[0] for g in parts])


def packets_of_sound(path: Path, track: int = 0) -> list[str]:
    with av.open(f"file:{path}") as container:
        packets = container.demux(container.streams.audio[track])
        return [hashlib.sha256(bytes(p)).hexdigest() for p in packets if p.size]


def flags(path: Path, track: int) -> set[str]:
    with av.open(f"file:{path}") as container:
        disposition = container.streams.audio[track].disposition
        return {flag.name for flag in type(disposition) if flag & disposition and flag.name}


def mkvmerge(path: Path) -> list[dict[str, Any]]:
    """The tracks of a Matroska file as another program reads them."""
    if not shutil.which("mkvmerge"):
        pytest.skip("mkvmerge is not installed: apt install mkvtoolnix")
    told = subprocess.run(
        ["mkvmerge", "-J", str(path)], capture_output=True, check=True, text=True
    ).stdout
    tracks: list[dict[str, Any]] = json.loads(told)["tracks"]
    return tracks


# --- every kind -----------------------------------------------------------------------------


def test_every_kind_at_once(clip: Path, scene: fakes.Scene, store: LocalStore) -> None:
    outcome = deliver(request_of(clip, deliver=KINDS, subtitles=("srt", "ass")), store)
    folder = clip.parent
    (together,) = outcome.outputs
    assert (together.kind, together.language, together.path) == (
        "multitrack", None, folder / "talk.multi.mp4"
    )  # fmt: skip
    spanish = outcome.results[0]
    assert spanish.output == folder / "talk.es.mp4"
    assert [(o.kind, o.language, str(o.path.relative_to(folder))) for o in spanish.outputs] == [
        ("per-language", "es", "talk.es.mp4"),
        ("audio", "es", "talk.es.m4a"),
        ("stems", "es", "talk.es.stems/dialogue.wav"),
        ("stems", "es", "talk.es.stems/music-effects.wav"),
        ("stems", "es", "talk.es.stems/mix.wav"),
        ("subtitles", "es", "talk.es.srt"),
        ("subtitles", "es", "talk.es.ass"),
    ]
    assert all(o.path.is_file() for r in outcome.results for o in r.outputs)
    for path in (folder / "talk.es.mp4", folder / "talk.ko.mp4", together.path):
        same_picture(path, clip)
        assert media.probe(path).duration == pytest.approx(media.probe(clip).duration, abs=0.02)
    # One encode a language: three files, the same packets.
    for number, tag in enumerate(("es", "ko")):
        first = packets_of_sound(folder / f"talk.{tag}.mp4")
        assert packets_of_sound(folder / f"talk.{tag}.m4a") == first
        assert packets_of_sound(together.path, number) == first


def test_nothing_is_made_twice(clip: Path, scene: fakes.Scene, store: LocalStore) -> None:
    request = request_of(clip, deliver=KINDS)
    first = deliver(request, store)
    paths = [o.path for r in first.results for o in r.outputs] + [first.outputs[0].path]
    before = [(p.stat().st_mtime_ns, p.stat().st_ino) for p in paths]
    second = deliver(request, store)
    assert [(p.stat().st_mtime_ns, p.stat().st_ino) for p in paths] == before
    assert all(stage.cached for r in second.results for stage in r.stages)
    assert second.outputs == first.outputs
    assert all(row.cached for row in plan(request, store=store).stages)
    # One file that went, or another choice, and only what is behind it is made anew.
    (clip.parent / "talk.es.stems" / "mix.wav").unlink()
    rows = [row for row in plan(request, store=store).stages if not row.cached]
    assert [(row.name, row.language, row.why) for row in rows] == [
        ("mux", "es", "mix.wav is not there")
    ]
    deliver(request, store)
    after = [(p.stat().st_mtime_ns, p.stat().st_ino) for p in paths]
    changed = [p.name for p, a, b in zip(paths, before, after, strict=True) if a != b]
    assert changed == ["dialogue.wav", "music-effects.wav", "mix.wav"]


def test_a_plan_names_the_file_with_all_languages(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    request = request_of(clip, deliver=("multitrack",))
    last = plan(request, store=store).stages[-1]
    assert (last.name, last.language, last.cached) == ("multitrack", None, False)
    assert last.why
    made = deliver(request, store).outputs[0].path
    made.unlink()
    last = plan(request, store=store).stages[-1]
    assert (last.cached, last.why) == (False, "talk.multi.mp4 is not there")
    french = replace(request, settings=fake_tree(output={"deliver": ("per-language",)}))
    assert plan(french, store=store).stages[-1].name == "mux"


@pytest.mark.parametrize("kind", ["multitrack", "audio", "stems"])
def test_foreign_files_are_not_overwritten(
    clip: Path, scene: fakes.Scene, store: LocalStore, kind: str
) -> None:
    request = request_of(clip, "es", deliver=(kind,))
    theirs = (
        clip.parent
        / {
            "multitrack": "talk.multi.mp4",
            "audio": "talk.es.m4a",
            "stems": "talk.es.stems/mix.wav",
        }[kind]
    )
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_bytes(b"theirs")
    with pytest.raises(OutputExists, match=theirs.name):
        dub(request, store=store)
    assert theirs.read_bytes() == b"theirs" and scene.calls["transcribe"] == 0
    deliver(replace(request, force=True), store)
    assert media.probe(theirs).audio


# --- one file for all languages -------------------------------------------------------------


def test_tracks_of_the_file_with_all_languages(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    outcome = deliver(request_of(clip, deliver=("multitrack",), container="mkv"), store)
    path = outcome.outputs[0].path
    assert path.name == "talk.multi.mkv"
    assert [r.output for r in outcome.results] == [path, path]
    info = media.probe(path)
    assert [(a.language, a.title, a.default) for a in info.audio] == [
        ("spa", "Spanish", True),
        ("kor", "Korean", False),
        ("eng", "English (original)", False),
    ]
    assert [(s.language, s.title) for s in info.subtitles] == [
        ("spa", "Spanish"),
        ("kor", "Korean"),
    ]
    assert [sorted(flags(path, n) & {"original", "dub"}) for n in range(3)] == [
        ["dub"], ["dub"], ["original"],
    ]  # fmt: skip
    assert packets_of_sound(path, 2) == packets_of_sound(clip)
    assert info.synthetic_voice == "Spanish and Korean speech made by OneVoice"
    same_picture(path, clip)


def test_another_program_reads_the_tracks_alike(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    request = request_of(clip, deliver=("multitrack",), container="mkv", default_track="original")
    path = deliver(request, store).outputs[0].path
    rows = [
        (
            t["type"],
            t["properties"].get("language"),
            t["properties"].get("track_name"),
            t["properties"].get("default_track"),
            t["properties"].get("flag_original", False),
        )
        for t in mkvmerge(path)
    ]
    assert rows[1:] == [
        ("audio", "spa", "Spanish", False, False),
        ("audio", "kor", "Korean", False, False),
        ("audio", "eng", "English (original)", True, True),
        ("subtitles", "spa", "Spanish", False, False),
        ("subtitles", "kor", "Korean", False, False),
    ]
    assert rows[0][0] == "video"


def test_a_later_language_joins_the_others(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    deliver(request_of(clip, "es"), store)
    settings = request_of(clip, "ko", deliver=("per-language", "multitrack"))
    outcome = deliver(settings, store)
    assert [r.language for r in outcome.results] == ["ko"]
    info = media.probe(outcome.outputs[0].path)
    assert [a.language for a in info.audio] == ["kor", "spa", "eng"]
    # Another film under the same name: what was made of the old one has no place in its file.
    clip.write_bytes(clip.read_bytes() + b"\0\0\0\x08free")
    info = media.probe(deliver(settings, store).outputs[0].path)
    assert [a.language for a in info.audio] == ["kor", "eng"]


def test_a_language_that_fails_leaves_the_others_together(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    outcome = dub(request_of(clip, "es", "fr", deliver=("multitrack",)), store=store)
    assert [f.language for f in outcome.failures] == ["fr"]
    info = media.probe(outcome.outputs[0].path)
    assert [a.language for a in info.audio] == ["spa", "eng"]


def test_sound_that_went_from_the_cache_is_named(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    deliver(request_of(clip, "es"), store)
    shutil.rmtree(store.root)
    again = LocalStore(store.root)
    outcome = dub(request_of(clip, "ko", deliver=("per-language", "multitrack")), store=again)
    assert [r.language for r in outcome.results] == ["ko"]
    (failure,) = outcome.failures
    assert failure.language is None
    assert "Spanish" in failure.error.message and "--to es" in failure.error.hint
    assert not (clip.parent / "talk.multi.mp4").exists()


# --- sound and stems ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["m4a", "flac", "wav", "opus", "mp3"])
def test_the_sound_alone(
    clip: Path, scene: fakes.Scene, store: LocalStore, kind: str, ffmpeg: Ffmpeg
) -> None:
    tagged = clip.with_name("tagged.mp4")
    ffmpeg("-i", clip, "-c", "copy", "-metadata", "title=Mi título", tagged)
    request = request_of(tagged, "es", deliver=("audio",), audio_format=kind)
    result = deliver(request, store).results[0]
    assert result.output == clip.with_name(f"tagged.es.{kind}")
    info = media.probe(result.output)
    assert not info.video and len(info.audio) == 1
    assert info.duration == pytest.approx(media.probe(tagged).duration, abs=0.01)
    assert (info.audio[0].language, info.metadata["title"]) == ("spa", "Mi título")
    assert info.synthetic_voice == "Spanish speech made by OneVoice"


def test_stems_add_up(clip: Path, scene: fakes.Scene, store: LocalStore) -> None:
    deliver(request_of(clip, "es", deliver=("stems",)), store)
    folder = clip.parent / "talk.es.stems"
    assert sorted(p.name for p in folder.iterdir()) == [
        "dialogue.wav", "mix.wav", "music-effects.wav",
    ]  # fmt: skip
    parts = {}
    for path in folder.iterdir():
        info = soundfile.info(path)
        assert (info.samplerate, info.subtype) == (48_000, "PCM_24")
        assert info.frames == round(media.probe(clip).duration * 48_000)
        assert b"bext" in path.read_bytes()[:4096]
        parts[path.stem] = soundfile.read(path, always_2d=True)[0]
    # The mix is limited and they are not; these are far below its ceiling.
    apart = parts["dialogue"] + parts["music-effects"] - parts["mix"]
    assert np.max(np.abs(parts["dialogue"])) > 0.01
    assert np.max(np.abs(apart)) < 3 / 2**23


# --- subtitles in the picture ---------------------------------------------------------------


def frames(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(f"file:{path}") as container:
        return [
            (frame.time, frame.to_ndarray(format="gray"))
            for frame in container.decode(container.streams.video[0])
        ]


@pytest.fixture
def uneven(tmp_path: Path, ffmpeg: Ffmpeg) -> Path:
    """Five frames a second, then thirty; 8 s, tall because it is turned, tagged BT.709."""
    folder = tmp_path / "it's, [a] 100%: folder"
    folder.mkdir()
    plain, path = folder / "plain.mp4", folder / "talk's, [1]: 100%.mp4"
    ffmpeg(
        "-f", "lavfi", "-i", "color=gray:size=160x120:rate=30:duration=8",
        "-f", "lavfi", "-i", "sine=frequency=300:sample_rate=48000:duration=8",
        "-vf", "select='if(lt(t,3),not(mod(n,6)),1)',"
        "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709",
        "-fps_mode", "vfr", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2",
        "-c:a", "aac", plain,
    )  # fmt: skip
    ffmpeg("-display_rotation", "90", "-i", plain, "-c", "copy", path)
    return path


@pytest.mark.parametrize("kind", [".mp4", ".mkv"])
def test_subtitles_are_drawn_upright_and_on_time(
    uneven: Path, scene: fakes.Scene, store: LocalStore, ffmpeg: Ffmpeg, kind: str
) -> None:
    source = uneven.with_suffix(kind)
    if kind != ".mp4":
        ffmpeg("-i", uneven, "-c", "copy", source)
    result = deliver(request_of(source, "es", burn_subtitles=True), store).results[0]
    assert result.output is not None
    old, new = media.probe(source), media.probe(result.output)
    assert (new.video[0].width, new.video[0].height) == (120, 160)
    assert (old.video[0].rotation, new.video[0].rotation) == (270, 0)
    assert new.subtitles == (), "they are in the picture already"
    with av.open(f"file:{result.output}") as container:
        context = container.streams.video[0].codec_context
        tags = (context.color_primaries, context.color_trc, context.colorspace)
        assert [int(tag) for tag in tags] == [1, 1, 1]
    before, after = frames(source), frames(result.output)
    times = [(a, b) for (a, _), (b, _) in zip(before, after, strict=True)]
    assert max(abs(a - b) for a, b in times) < 0.0015
    # A line is spoken from 0.5 s on, and nobody speaks before. Text stands low in the picture.
    drawn = [(time, picture) for time, picture in after if np.ptp(picture.astype(int)) > 60]
    assert min(time for time, _ in drawn) == pytest.approx(0.5, abs=0.25)
    _, picture = drawn[0]
    rows = np.flatnonzero(np.ptp(picture.astype(int), axis=1) > 60)
    assert rows.min() > 80


def test_burning_needs_a_picture_of_its_own(clip: Path, scene: fakes.Scene) -> None:
    for kind in ("multitrack", "audio"):
        with pytest.raises(ConfigError, match="own file"):
            dub(request_of(clip, "es", deliver=(kind,), burn_subtitles=True))


# --- odd inputs -----------------------------------------------------------------------------

PICTURE = ("-f", "lavfi", "-i", "testsrc=size=96x64:rate=25:duration=8")
TONE = ("-f", "lavfi", "-i", "sine=frequency=300:sample_rate=48000:duration=8")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-pix_fmt", "yuv420p")


def _vfr(path: Path, ffmpeg: Ffmpeg) -> None:
    ffmpeg(*PICTURE, *TONE, "-vf", "select='not(mod(n,7))+gt(t,4)'", "-fps_mode", "vfr",
           *H264, "-c:a", "aac", path)  # fmt: skip


def _edit_list(path: Path, ffmpeg: Ffmpeg) -> None:
    whole = path.with_name("whole.mp4")
    ffmpeg(*PICTURE, *TONE, *H264, "-g", "50", "-c:a", "aac", whole)
    # Cut between two key frames: the film begins inside its first group, by an edit list.
    ffmpeg("-ss", "1.1", "-i", whole, "-c", "copy", path)
    whole.unlink()


def _negative(path: Path, ffmpeg: Ffmpeg) -> None:
    ffmpeg(*PICTURE, *TONE, *H264, "-c:a", "aac", "-output_ts_offset", "-0.5",
           "-avoid_negative_ts", "disabled", path)  # fmt: skip


def _early_sound(path: Path, ffmpeg: Ffmpeg) -> None:
    ffmpeg(*PICTURE, "-itsoffset", "-0.5", *TONE, *H264, "-c:a", "aac",
           "-avoid_negative_ts", "disabled", path)  # fmt: skip


def _mono(path: Path, ffmpeg: Ffmpeg) -> None:
    ffmpeg(*PICTURE, *TONE, *H264, "-c:a", "aac", "-ar", "44100", "-ac", "1", path)


def _surround(path: Path, ffmpeg: Ffmpeg) -> None:
    ffmpeg(*PICTURE, *TONE, "-filter_complex", "[1:a]pan=5.1|FL=0.3*c0|FR=0.3*c0|FC=c0[six]",
           "-map", "0:v", "-map", "[six]", *H264, "-c:a", "ac3", path)  # fmt: skip


def _many(path: Path, ffmpeg: Ffmpeg) -> None:
    ffmpeg(*PICTURE, *TONE, "-f", "lavfi", "-i", "sine=500:duration=8", "-map", "0", "-map", "1",
           "-map", "2", *H264, "-c:a", "aac", "-metadata:s:a:0", "language=fra",
           "-metadata:s:a:0", "title=Commentaire", "-metadata:s:a:1", "language=eng",
           "-disposition:a:0", "default+comment", path)  # fmt: skip


def _turned(path: Path, ffmpeg: Ffmpeg) -> None:
    plain = path.with_name("plain.mp4")
    ffmpeg(*PICTURE, *TONE, *H264, "-c:a", "aac", plain)
    ffmpeg("-display_rotation", "90", "-i", plain, "-c", "copy", path)
    plain.unlink()


def _cover(path: Path, ffmpeg: Ffmpeg) -> None:
    cover = path.with_name("cover.png")
    ffmpeg("-f", "lavfi", "-i", "color=red:size=32x32", "-frames:v", "1", cover)
    ffmpeg(*PICTURE, *TONE, "-i", cover, "-map", "0", "-map", "1", "-map", "2", *H264,
           "-c:v:1", "copy", "-disposition:v:1", "attached_pic", "-c:a", "aac", path)  # fmt: skip
    cover.unlink()


def _texts(path: Path, ffmpeg: Ffmpeg) -> None:
    text = path.with_name("text.srt")
    text.write_text("1\n00:00:01,000 --> 00:00:02,000\nBonjour\n")
    ffmpeg(*PICTURE, *TONE, "-i", text, "-map", "0", "-map", "1", "-map", "2", *H264,
           "-c:a", "aac", "-c:s", "mov_text" if path.suffix == ".mp4" else "srt",
           "-metadata:s:s:0", "language=fra", path)  # fmt: skip
    text.unlink()


ODD: dict[str, tuple[str, Callable[[Path, Ffmpeg], None]]] = {
    "variable-rate": ("talk.mp4", _vfr),
    "edit-list": ("talk.mp4", _edit_list),
    "negative-start": ("talk.mp4", _negative),
    "negative-sound": ("talk.mkv", _early_sound),
    "negative-sound-mp4": ("talk.mp4", _early_sound),
    "mono-44100": ("talk.mp4", _mono),
    "ac3-5.1": ("talk.mp4", _surround),
    "ac3-5.1-mkv": ("talk.mkv", _surround),
    "several-tracks": ("talk.mkv", _many),
    "turned": ("talk.mp4", _turned),
    "cover": ("talk.mp4", _cover),
    "subtitles": ("talk.mp4", _texts),
    "subtitles-mkv": ("talk.mkv", _texts),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_inputs(
    name: str, tmp_path: Path, scene: fakes.Scene, store: LocalStore, ffmpeg: Ffmpeg
) -> None:
    file, make = ODD[name]
    source = tmp_path / file
    make(source, ffmpeg)
    track = 1 if name == "several-tracks" else 0
    request = request_of(source, deliver=("per-language", "multitrack"), keep_original_audio=True)
    settings = request.settings
    aside = settings.source.model_copy(update={"audio_track": track})
    request = replace(request, settings=settings.model_copy(update={"source": aside}))
    outcome = deliver(request, store)
    old = media.probe(source)
    film, together = outcome.results[0].output, outcome.outputs[0].path
    assert film is not None
    for path, dubs in ((film, 1), (together, 2)):
        new = media.probe(path)
        assert path.suffix == source.suffix
        same_picture(path, source)
        assert new.duration == pytest.approx(old.duration, abs=0.03)
        assert [v.rotation for v in new.video] == [v.rotation for v in old.video]
        assert [v.attached_pic for v in new.video] == [v.attached_pic for v in old.video]
        assert [a.language for a in new.audio][:dubs] == ["spa", "kor"][:dubs]
        assert [a.default for a in new.audio] == [True, *[False] * (len(new.audio) - 1)]
        assert new.audio[0].channels == old.audio[track].channels
        # The original is kept as it was, and heard when it was.
        kept, there = packets_of_sound(path, dubs), packets_of_sound(source, track)
        begin = old.audio[track].start_time
        if name == "negative-sound":  # Matroska has no time before zero
            kept, there, begin = kept[1:], there[-len(kept) + 1 :], 0.0
        assert kept == there
        assert new.audio[dubs].language in {"eng", old.audio[track].language}
        assert new.audio[dubs].start_time == pytest.approx(begin, abs=0.05)
        assert [s.language for s in new.subtitles] == [
            *["spa", "kor"][:dubs], *(s.language for s in old.subtitles),
        ]  # fmt: skip
    assert len(media.probe(film).audio) == 2
    new = media.probe(together)
    assert len(new.audio) == 2 + len(old.audio)
    if name == "several-tracks":
        assert new.audio[3].title == "Commentaire"
        assert new.audio[3].language in {"fra", "fre"}, "Matroska knows both"
        assert "comment" in flags(together, 3)


def test_subtitles_change_their_kind_with_the_container(
    tmp_path: Path, scene: fakes.Scene, store: LocalStore, ffmpeg: Ffmpeg
) -> None:
    for file, container, kind in (("a.mp4", "mkv", "subrip"), ("b.mkv", "mp4", "mov_text")):
        source = tmp_path / file
        _texts(source, ffmpeg)
        request = request_of(source, "es", deliver=("multitrack",), container=container)
        path = deliver(request, store).outputs[0].path
        assert path.name == f"{source.stem}.multi.{container}"
        assert [(s.language, s.codec) for s in media.probe(path).subtitles][1][1] == kind
        same_picture(path, source)


def test_a_container_that_cannot_hold_everything_gives_way(
    tmp_path: Path, scene: fakes.Scene, store: LocalStore, ffmpeg: Ffmpeg
) -> None:
    source = tmp_path / "talk.mp4"
    ffmpeg(*PICTURE, *TONE, *H264, "-c:a", "dca", "-ac", "2", "-strict", "-2", source)
    outcome = deliver(request_of(source, "es", deliver=("per-language", "multitrack")), store)
    assert outcome.outputs[0].path.name == "talk.multi.mkv"
    assert media.probe(outcome.outputs[0].path).audio[1].codec == "dts"
    assert packets_of_sound(outcome.outputs[0].path) == packets_of_sound(tmp_path / "talk.es.mp4")


def test_a_podcast_in_several_languages(
    tmp_path: Path, scene: fakes.Scene, store: LocalStore, ffmpeg: Ffmpeg
) -> None:
    source = tmp_path / "talk.mp3"
    ffmpeg(*TONE, "-metadata", "title=Show", source)
    outcome = deliver(request_of(source, deliver=KINDS, audio_format="mp3"), store)
    spanish = outcome.results[0]
    assert [o.kind for o in spanish.outputs].count("audio") == 0, "its film is its sound"
    assert spanish.output == tmp_path / "talk.es.mp3"
    path = outcome.outputs[0].path
    assert path.name == "talk.multi.mka"
    info = media.probe(path)
    assert [a.language for a in info.audio] == ["spa", "kor", "eng"]
    assert info.metadata["title"] == "Show"
    # Matroska cannot tell MP3's padding: all tracks wait for it, together.
    assert samples(path)[0] == samples(path, 1)[0] == pytest.approx(0.012, abs=0.013)
    assert len(samples(path)[1]) == pytest.approx(media.probe(source).duration * 48_000, abs=1500)


_LONG = """
import resource
from pathlib import Path
from onevoice import media

seconds = media.probe(Path("long.mp4")).duration
media.encode(Path("dub.wav"), Path("sound"), codec="flac", bitrate="", seconds=seconds)
tracks = [
    media.AudioTrack(path=Path("sound"), language=tag, default=tag == "es", encoded=True)
    for tag in ("es", "ko", "pt")
]
audio = (*tracks, media.SourceTrack(number=0))
media.mux(
    media.MuxSpec(
        source=Path("long.mp4"), output=Path("long.multi.mkv"), audio=audio, audio_codec="flac"
    )
)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)
"""


def test_three_hours(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    """Memory does not grow with the film, nor does anything depend on its being short."""
    source, hours = tmp_path / "long.mp4", 3 * 3600
    ffmpeg(
        "-f", "lavfi", "-i", f"color=gray:size=32x32:rate=1:duration={hours}",
        "-f", "lavfi", "-i", f"anullsrc=r=8000:cl=mono:d={hours}",
        "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-shortest", source,
    )  # fmt: skip
    tone = f"sine=frequency=300:sample_rate=8000:duration={hours}"
    ffmpeg("-f", "lavfi", "-i", tone, tmp_path / "dub.wav")
    told = subprocess.run(
        [sys.executable, "-c", _LONG], cwd=tmp_path, capture_output=True, check=True, text=True
    ).stdout
    peak, cpu = map(float, told.split())
    assert peak < 200, "MB; 77 when this was written"
    assert cpu < 60, "seconds of one core; 13.5 when this was written"
    out = tmp_path / "long.multi.mkv"
    assert media.probe(out).duration == pytest.approx(media.probe(source).duration, abs=0.02)
    assert len(media.probe(out).audio) == 4
    same_picture(out, source)
    assert packets_of_sound(out, 2) == packets_of_sound(tmp_path / "sound")
