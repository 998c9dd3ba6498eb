"""Bytes of audio, whole, streamed, cut and wrong, to samples."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from onevoice.audio import FloatWavWriter
from onevoice.engines.boundary import Garbled
from onevoice.engines.synthesis.decoding import decode, pcm_wav
from onevoice.errors import MediaNotFound
from tests.simulators.sound import encode

RATE = 24_000
TONE = (0.4 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.float32)


def with_sizes(wav: bytes, size: int) -> bytes:
    """The WAV as a server streams it: the lengths in its header are made up."""
    at = wav.index(b"data") + 4
    wav = wav[:4] + struct.pack("<I", min(size + 36, 0xFFFFFFFF)) + wav[8:]
    return wav[:at] + struct.pack("<I", size) + wav[at + 4 :]


# 16 bits are off by half a step at most; a lossy codec is measured by what it leaves.
@pytest.mark.parametrize(
    ("kind", "noise"), [("wav", 2e-5), ("flac", 2e-5), ("pcm", 5e-5), ("mp3", 0.01)]
)
def test_every_format_gives_the_samples_back(kind: str, noise: float) -> None:
    data = encode(TONE, RATE, kind)
    samples, rate = decode(data, pcm_rate=RATE if kind == "pcm" else None)
    assert rate == RATE and samples.dtype == np.float32 and samples.shape == TONE.shape
    # The ends of an MP3 are smeared by its own windows.
    inside = slice(2000, -2000)
    assert float(np.sqrt(np.mean((samples[inside] - TONE[inside]) ** 2))) < noise


def test_ogg_keeps_length_and_level() -> None:
    target = io.BytesIO()
    soundfile.write(target, TONE, RATE, format="OGG", subtype="VORBIS")
    samples, rate = decode(target.getvalue())
    assert rate == RATE and len(samples) == len(TONE)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(np.sqrt(np.mean(TONE**2)), rel=0.05)


def test_channels_are_averaged() -> None:
    left_only = np.stack([TONE, np.zeros_like(TONE)], axis=1)
    target = io.BytesIO()
    soundfile.write(target, left_only, RATE, format="WAV", subtype="FLOAT")
    assert np.allclose(decode(target.getvalue())[0], TONE / 2, atol=1e-6)
    pcm = (left_only * 32767).astype("<i2").tobytes()
    assert np.allclose(decode(pcm, pcm_rate=RATE, channels=2)[0], TONE / 2, atol=1e-4)


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF - 44])
def test_streamed_wav_is_read_to_its_end(size: int) -> None:
    whole = encode(TONE, RATE, "wav")
    samples, _ = decode(with_sizes(whole, size))
    assert np.array_equal(samples, decode(whole)[0])


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_what_is_cut_short_is_garbled(kind: str) -> None:
    data = encode(TONE, RATE, kind)
    with pytest.raises(Garbled, match=r"cut short|no audio"):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("data", "pcm_rate", "said"),
    [
        (b"", None, "nothing"),
        (b'{"error": "no such voice", "code": 7}', None, "no such voice"),
        (bytes(range(256)), None, "256 bytes"),
        (b"RIFF\0\0\0\0WAVEfmt ", None, "no audio"),
        (encode(TONE[:0], RATE, "wav"), None, "without a single sample"),
        (b"", RATE, "0 bytes"),
        (b"\0\0\0", RATE, "3 bytes"),
        (encode(TONE, RATE, "wav"), RATE, "WAV"),
    ],
)
def test_what_is_no_audio_is_garbled(data: bytes, pcm_rate: int | None, said: str) -> None:
    with pytest.raises(Garbled, match=said):
        decode(data, pcm_rate=pcm_rate)


def test_reference_becomes_the_wav_that_everyone_reads(tmp_path: Path) -> None:
    path = tmp_path / "S1.wav"
    with FloatWavWriter(path, sample_rate=RATE, channels=1, frames=len(TONE)) as wav:
        wav.write(TONE)
    data = pcm_wav(path)
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert (file.subtype, file.channels, file.samplerate) == ("PCM_16", 1, RATE)
    assert np.allclose(decode(data)[0], TONE, atol=5e-5)
    assert pcm_wav(path) == data
    with pytest.raises(MediaNotFound):
        pcm_wav(tmp_path / "gone.wav")


SPEECH = np.concatenate([TONE * 0.01, TONE, TONE * 0.01])


def streamed_mp3() -> bytes:
    """SPEECH as a server streams it: no header with a length, as no end is known yet."""
    import av

    target = io.BytesIO()
    with av.open(target, "w", format="mp3", options={"write_xing": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        for start in range(0, len(SPEECH), 576):
            frame = av.AudioFrame.from_ndarray(SPEECH[None, start : start + 576], "fltp", "mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()


def test_a_streamed_mp3_is_read_whole() -> None:
    samples, rate = decode(streamed_mp3())
    assert rate == RATE
    # The encoder's delay and padding stay where no header tells of them: four frames at most.
    assert 0 <= len(samples) - len(SPEECH) <= 4 * 576
    late = int(np.argmax(np.correlate(samples, SPEECH[RATE : RATE + 2400], "valid")))
    assert abs(late - RATE) < 4 * 576
