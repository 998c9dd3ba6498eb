"""Make ``talk.mp4``: two people, a quiet music bed, simple moving pictures.

::

    python samples/make_sample.py PROMPTS LIBRIVOX [--out samples]

``PROMPTS`` is the folder ``usr/share/asterisk/sounds/en_US_f_Allison`` of Debian's
``asterisk-core-sounds-en-g722``; ``LIBRIVOX`` is ``usr/share/pocketsphinx/test/data/librivox``
of ``pocketsphinx-testdata``. Unpack both with ``dpkg-deb -x``. The same input gives the same
output: nothing is random, and ffmpeg runs single-threaded and bit-exact.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pyloudnorm
import soundfile
import soxr
from numpy.typing import NDArray

RATE = 48_000
FPS = 25
WIDTH, HEIGHT = 640, 360
SPEECH_LUFS = -20.0
BED_LUFS = -39.0
LENGTH = 54.0
BOOK = "sense_and_sensibility_01_austen_64kb-"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Clip:
    """A sentence: where it starts in the talk, and which seconds of which recording it is."""

    at: float
    speaker: str
    file: str
    begin: float
    end: float
    text: str


CLIPS = (
    Clip(1.5, "S1", "demo-congrats.g722", 0.24, 1.50, "Congratulations."),
    Clip(
        3.1,
        "S1",
        "demo-congrats.g722",
        7.33,
        14.10,
        "You have also installed a set of sample sounds and configuration files "
        "that should help you get started.",
    ),
    Clip(
        10.8,
        "S2",
        f"{BOOK}0870.wav",
        0.0,
        6.95,
        "And Mister John Dashwood had then leisure to consider how much there might be "
        "prudently in his power to do for them.",
    ),
    Clip(18.3, "S2", f"{BOOK}0880.wav", 0.0, 2.99, "He was not an ill-disposed young man,"),
    Clip(
        21.4,
        "S2",
        f"{BOOK}0890.wav",
        0.2,
        5.25,
        "unless to be rather cold-hearted and rather selfish is to be ill-disposed.",
    ),
    Clip(
        29.2,
        "S2",
        f"{BOOK}0920.wav",
        0.2,
        5.90,
        "Had he married a more amiable woman, he might have been made still more "
        "respectable than he was.",
    ),
    Clip(35.4, "S2", f"{BOOK}0930.wav", 0.1, 3.25, "He might even have been made amiable himself."),
    Clip(
        39.8,
        "S1",
        "demo-echotest.g722",
        2.55,
        8.10,
        "In this mode, everything you say will be repeated back to you "
        "just as soon as it is received.",
    ),
    Clip(46.2, "S1", "demo-thanks.g722", 0.25, 1.05, "Goodbye."),
    Clip(
        47.5,
        "S1",
        "demo-thanks.g722",
        1.27,
        5.30,
        "Thank you for trying out the Asterisk Open Source PBX.",
    ),
)

CHAPTERS = ((0.0, 28.0, "A young man"), (28.0, LENGTH, "What might have been"))


def ffmpeg(*arguments: str, feed: bytes | None = None) -> bytes:
    """Run ffmpeg from an argument list; returns what it writes to its standard output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *arguments]
    if feed is not None:
        command.remove("-nostdin")
    return subprocess.run(command, input=feed, check=True, stdout=subprocess.PIPE).stdout


def read_clip(clip: Clip, folders: dict[str, Path]) -> Array:
    """One sentence at 48 kHz, at SPEECH_LUFS, with 10 ms fades."""
    path = folders[clip.speaker] / clip.file
    form = ("-f", "g722") if path.suffix == ".g722" else ()
    raw = ffmpeg(*form, "-i", str(path), "-ac", "1", "-ar", "16000", "-f", "f32le", "-")
    samples = np.frombuffer(raw, np.float32).astype(np.float64)
    samples = samples[round(clip.begin * 16_000) : round(clip.end * 16_000)]
    samples = soxr.resample(samples - samples.mean(), 16_000, RATE, quality="VHQ")
    meter = pyloudnorm.Meter(RATE, block_size=min(0.4, 0.9 * len(samples) / RATE))
    loud = meter.integrated_loudness(np.column_stack([samples, samples]))  # heard from both sides
    samples = samples * 10 ** ((SPEECH_LUFS - loud) / 20)
    fade = np.sin(np.linspace(0, np.pi / 2, RATE // 100)) ** 2
    samples[: len(fade)] *= fade
    samples[-len(fade) :] *= fade[::-1]
    return np.asarray(samples)


def music() -> Array:
    """Four slow chords with soft overtones, spread over the two channels; shape (n, 2)."""
    n = round(LENGTH * RATE)
    t = np.arange(n) / RATE
    chords = ((45, 57, 60, 64), (41, 53, 57, 60), (48, 55, 60, 64), (43, 55, 59, 62))
    bar = 4.5
    out = np.zeros((n, 2))
    for k in range(int(np.ceil(LENGTH / bar))):
        # Neighbouring chords overlap by a second, so that the bed never stops.
        local = (t - k * bar + 0.5) / (bar + 1.0)
        inside = (local > 0) & (local < 1)
        shape = np.sin(np.pi * local[inside]) ** 0.7
        for i, note in enumerate(chords[k % len(chords)]):
            hertz = 440 * 2 ** ((note - 69) / 12)
            pan = 0.25 + 0.5 * i / 3
            for side, detune in enumerate((0.999, 1.001)):
                phase = 2 * np.pi * hertz * detune * t[inside]
                tone = np.sin(phase) + 0.3 * np.sin(2 * phase) + 0.08 * np.sin(3 * phase)
                out[inside, side] += tone * shape * (pan if side else 1 - pan)
    fade = np.minimum(1, np.minimum(t / 0.4, (LENGTH - t) / 0.8))
    out *= np.maximum(fade, 0)[:, None]
    loud = pyloudnorm.Meter(RATE).integrated_loudness(out)
    return np.asarray(out * 10 ** ((BED_LUFS - loud) / 20))


def envelope(track: Array) -> Array:
    """How far a mouth is open in each frame, 0 to 1."""
    frame = RATE // FPS
    rms = np.sqrt(np.mean(track[: len(track) // frame * frame].reshape(-1, frame) ** 2, axis=1))
    smooth = np.convolve(rms, [0.25, 0.5, 0.25], mode="same")
    return np.asarray(np.clip(smooth / 0.11, 0, 1))


def blend(image: Array, colour: tuple[int, int, int], distance: Array) -> None:
    """Paint where the signed ``distance`` (pixels) is negative, with a soft edge."""
    cover = np.clip(0.5 - distance, 0, 1)[..., None]
    image += cover * (np.array(colour, float) - image)


def ellipse(x: float, y: float, a: float, b: float) -> Array:
    """Signed distance, near enough, of every pixel from an ellipse."""
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.asarray((np.hypot((xs - x) / a, (ys - y) / b) - 1) * min(a, b))


def pictures(mouths: dict[str, Array]) -> bytes:
    """All frames, RGB: two faces that talk, and a sun that crosses the sky."""
    skin = {"S1": (236, 188, 150), "S2": (176, 120, 88)}
    centre = {"S1": 190.0, "S2": 450.0}
    rows = np.linspace(0, 1, HEIGHT)[:, None, None]
    sky = np.array((38, 58, 92), float) * (1 - rows) + np.array((226, 170, 120), float) * rows
    back = np.broadcast_to(sky, (HEIGHT, WIDTH, 3)).copy()
    for name, x in centre.items():
        blend(back, (52, 72, 84) if name == "S1" else (110, 60, 60), ellipse(x, 370, 105, 110))
        blend(back, skin[name], ellipse(x, 190, 74, 90))
        for eye in (-26, 26):
            blend(back, (40, 36, 40), ellipse(x + eye, 168, 7, 9))
    frames = bytearray()
    for i in range(round(LENGTH * FPS)):
        image = back.copy()
        along = i / (LENGTH * FPS)
        blend(
            image,
            (250, 226, 150),
            ellipse(40 + 560 * along, 70 - 40 * np.sin(np.pi * along), 18, 18),
        )
        for name, x in centre.items():
            blend(image, (120, 40, 44), ellipse(x, 228, 22, 3 + 17 * mouths[name][i]))
        frames += image.astype(np.uint8).tobytes()
    return bytes(frames)


def metadata() -> str:
    """Title and chapters in ffmpeg's own notation."""
    lines = [";FFMETADATA1", "title=A young man, and what might have been"]
    lines += ["artist=Allison Smith; a LibriVox reader", "copyright=CC-BY-SA-3.0"]
    for start, end, title in CHAPTERS:
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={round(start * 1000)}"]
        lines += [f"END={round(end * 1000)}", f"title={title}"]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the sample talk.")
    parser.add_argument("prompts", type=Path, help="folder of the Asterisk prompts (.g722)")
    parser.add_argument("librivox", type=Path, help="folder of the LibriVox clips (.wav)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    folders = {"S1": options.prompts, "S2": options.librivox}

    tracks = {name: np.zeros(round(LENGTH * RATE)) for name in folders}
    truth: list[tuple[str, float, float, str]] = []
    for clip in CLIPS:
        samples = read_clip(clip, folders)
        start = round(clip.at * RATE)
        tracks[clip.speaker][start : start + len(samples)] += samples
        end = clip.at + len(samples) / RATE
        if truth and not truth[-1][3].endswith("."):  # a sentence that spans two recordings
            _, begin, _, before = truth.pop()
            truth.append((clip.speaker, begin, end, f"{before} {clip.text}"))
        else:
            truth.append((clip.speaker, clip.at, end, clip.text))
    mix = sum(tracks.values())[:, None] + music()

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        soundfile.write(work / "mix.wav", mix, RATE, subtype="PCM_24")
        (work / "meta.txt").write_text(metadata(), encoding="utf-8")
        frames = pictures({name: envelope(track) for name, track in tracks.items()})
        ffmpeg(
            *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS)),
            *("-i", "-", "-i", str(work / "mix.wav"), "-i", str(work / "meta.txt")),
            *("-map", "0:v", "-map", "1:a", "-map_metadata", "2", "-map_chapters", "2"),
            *("-c:v", "libx264", "-preset", "slow", "-crf", "26", "-tune", "animation"),
            *("-pix_fmt", "yuv420p", "-threads", "1", "-c:a", "aac", "-b:a", "128k"),
            *("-metadata:s:a:0", "language=eng", "-fflags", "+bitexact"),
            *("-flags:v", "+bitexact", "-flags:a", "+bitexact", "-movflags", "+faststart"),
            str(work / "talk.mp4"),
            feed=frames,
        )
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "talk.mp4").write_bytes((work / "talk.mp4").read_bytes())
    lines = [f"{who}\t{start:.2f}\t{end:.2f}\t{text}\n" for who, start, end, text in truth]
    (options.out / "talk.en.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
