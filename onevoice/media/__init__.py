"""Files of sound and picture: what is in them, taking sound out, putting sound in.

The only part of OneVoice that runs ffmpeg. :func:`probe` reads with PyAV (the carried ffmpeg has
no ffprobe); :func:`extract_audio` and :func:`mux` run one ffmpeg process each.
"""

from onevoice.media.burning import Burn, require_burning
from onevoice.media.command import AudioTrack, MuxSpec, SourceTrack, SubtitleTrack, holds_all
from onevoice.media.containers import LOSSLESS, MEDIA_EXTENSIONS, container_of, is_media
from onevoice.media.decoding import Sound
from onevoice.media.encoding import encode, encode_wav, slow
from onevoice.media.extract import extract_audio
from onevoice.media.files import PART_PREFIX, output_error, whole_file
from onevoice.media.fonts import require_letters
from onevoice.media.info import AudioStream, Chapter, MediaInfo, SubtitleStream, VideoStream
from onevoice.media.muxing import mux
from onevoice.media.probing import probe, require_whole
from onevoice.media.process import Cancellable, ffmpeg_path, ffmpeg_version

__all__ = [
    "LOSSLESS",
    "MEDIA_EXTENSIONS",
    "PART_PREFIX",
    "AudioStream",
    "AudioTrack",
    "Burn",
    "Cancellable",
    "Chapter",
    "MediaInfo",
    "MuxSpec",
    "Sound",
    "SourceTrack",
    "SubtitleStream",
    "SubtitleTrack",
    "VideoStream",
    "container_of",
    "encode",
    "encode_wav",
    "extract_audio",
    "ffmpeg_path",
    "ffmpeg_version",
    "holds_all",
    "is_media",
    "mux",
    "output_error",
    "probe",
    "require_burning",
    "require_letters",
    "require_whole",
    "slow",
    "whole_file",
]
