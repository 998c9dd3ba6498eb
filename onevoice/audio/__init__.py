"""Array DSP: levels, loudness, true peak, limiting, time-stretch, edges, and float WAV files.

Audio is float32, shaped ``(frames,)`` or ``(frames, channels)``, full scale at ±1. Times are
seconds, levels decibels: LUFS and LU after ITU-R BS.1770-4, dBTP for true peaks.
"""

from onevoice.audio.edges import fade_edges, resample, trim_silence
from onevoice.audio.envelope import Envelope, Interval, merge_intervals
from onevoice.audio.layout import Layout
from onevoice.audio.levels import from_db, to_db
from onevoice.audio.limiter import Limiter
from onevoice.audio.loudness import Gate, LoudnessMeter, measure, speech_level, speech_levels
from onevoice.audio.stream import BlockReader
from onevoice.audio.stretch import time_stretch
from onevoice.audio.truepeak import TruePeakMeter, true_peak
from onevoice.audio.wav import FloatWavWriter, channel_mask, open_wav, wav_blocks

__all__ = [
    "BlockReader",
    "Envelope",
    "FloatWavWriter",
    "Gate",
    "Interval",
    "Layout",
    "Limiter",
    "LoudnessMeter",
    "TruePeakMeter",
    "channel_mask",
    "fade_edges",
    "from_db",
    "measure",
    "merge_intervals",
    "open_wav",
    "resample",
    "speech_level",
    "speech_levels",
    "time_stretch",
    "to_db",
    "trim_silence",
    "true_peak",
    "wav_blocks",
]
