"""A synthetic film of any length, its stems, and the spoken lines to put into it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from random import Random

import numpy as np
import soundfile

from onevoice.audio import FloatWavWriter
from onevoice.media.process import ffmpeg_path

RATE = 48_000
LINE_RATE = 24_000
LINES_A_MINUTE = 15
TOO_LONG = 0.6


def _voice(seconds: float, rate: int, random: np.random.Generator) -> np.ndarray:
    """Something of the shape of speech: a gliding buzz in syllables, with some breath."""
    t = np.arange(round(seconds * rate)) / rate
    pitch = random.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * random.uniform(0.4, 1) * t))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    buzz = sum(np.sin(k * phase) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * random.uniform(1.7, 2.6) * t), 0, 1) ** 0.5
    breath = 0.05 * random.standard_normal(len(t))
    return (0.15 * (buzz + breath) * syllables).astype(np.float32)


def _minute_of_music(random: np.random.Generator) -> np.ndarray:
    t = np.arange(60 * RATE) / RATE
    notes = random.choice([110, 130.81, 164.81, 196, 220, 261.63, 329.63], size=(2, 4))
    chord = [sum(np.sin(2 * np.pi * note * t) for note in side) for side in notes]
    swell = 0.03 * (1 + 0.5 * np.sin(2 * np.pi * t / 15))
    music = np.stack(chord, axis=1) * swell[:, None]
    return (music + 0.005 * random.standard_normal((len(t), 2))).astype(np.float32)


def make_case(folder: Path, minutes: int) -> Path:
    """Write the inputs of one duration; returns the file that lists them."""
    random = np.random.default_rng(2)
    pick = Random(2)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    slot = 60 / LINES_A_MINUTE
    for i in range(minutes * LINES_A_MINUTE):
        start = i * slot + pick.uniform(0.1, 0.5)
        length = pick.uniform(0.5, 0.75) * slot
        long = pick.random() < TOO_LONG
        natural = length * (pick.uniform(1.05, 1.35) if long else pick.uniform(0.75, 1.0))
        wav = folder / f"line{i:05d}.wav"
        spoken = _voice(natural, LINE_RATE, random)
        soundfile.write(wav, spoken, LINE_RATE, subtype="PCM_16")
        natural = len(spoken) / LINE_RATE
        lines.append({"audio": str(wav), "window": [start, start + length], "natural": natural})
    frames = minutes * 60 * RATE
    names = {name: folder / f"{name}.wav" for name in ("mix", "bed", "speech")}
    music = _minute_of_music(random)
    writers = {
        name: FloatWavWriter(path, sample_rate=RATE, channels=2, frames=frames)
        for name, path in names.items()
    }
    with writers["mix"] as mix, writers["bed"] as bed, writers["speech"] as dialogue:
        for minute in range(minutes):
            speech = np.zeros((60 * RATE, 2), np.float32)
            for line in lines[minute * LINES_A_MINUTE : (minute + 1) * LINES_A_MINUTE]:
                at, to = (round((t - minute * 60) * RATE) for t in line["window"])
                speech[at:to] += _voice((to - at) / RATE, RATE, random)[: to - at, None]
            mix.write(music + speech)
            bed.write(music)
            dialogue.write(speech)
    film = folder / "film.mp4"
    _film(film, names["mix"], minutes)
    case = folder / "case.json"
    paths = {name: str(path) for name, path in names.items()}
    case.write_text(json.dumps({"minutes": minutes, "film": str(film), "lines": lines, **paths}))
    return case


def _film(film: Path, sound: Path, minutes: int) -> None:
    """One encoded minute, repeated: the picture is only copied later on."""
    minute = film.with_name("minute.mp4")
    ffmpeg = [ffmpeg_path(), "-nostdin", "-v", "error", "-y"]
    picture = ["-f", "lavfi", "-i", "testsrc=size=1280x720:rate=25"]
    video = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run(
        [*ffmpeg, *picture, "-i", sound, *video, "-c:a", "aac", "-b:a", "128k", "-t", "60", minute],
        check=True,
    )
    copy = ["-stream_loop", str(minutes - 1), "-i", minute, "-c", "copy", "-t", str(minutes * 60)]
    subprocess.run([*ffmpeg, *copy, film], check=True)
