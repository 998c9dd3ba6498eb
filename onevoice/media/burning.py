"""Draw subtitles into the picture: the one case in which a picture is encoded anew.

The size, the time of every frame and the colours (primaries, transfer, matrix, range) stay; a
picture that players turn comes out turned, so that the text stands upright in it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from onevoice.errors import EngineUnavailable
from onevoice.media.info import VideoStream
from onevoice.media.process import ffmpeg_path

_NAME = "burn.ass"
"""A filter's arguments have a grammar of their own: so the file is always called this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """An ASS file to draw, and the constant rate factor: less is better and larger."""

    subtitles: Path
    crf: int = 18

    def stage(self, folder: Path) -> None:
        """Lay the file where ffmpeg runs."""
        shutil.copyfile(self.subtitles, folder / _NAME)


def burn_arguments(burn: Burn, number: int, stream: VideoStream, *, encoder: str) -> Iterator[str]:
    """Encode the ``number``-th video stream of the output with the subtitles in it."""
    filters = [f"ass=filename={_NAME}"]
    if stream.width % 2 or stream.height % 2:
        filters.append("format=yuv444p")  # halved colour needs an even number of dots
    yield from (f"-filter:v:{number}", ",".join(filters), f"-c:v:{number}", encoder)
    yield from (f"-crf:v:{number}", str(burn.crf))
    if encoder == "libvpx-vp9":
        yield from (f"-b:v:{number}", "0", "-row-mt", "1")
    # Each frame keeps its own time, on the source's own ticks, however uneven.
    yield from (f"-fps_mode:v:{number}", "passthrough", f"-enc_time_base:v:{number}", "demux")


def require_burning(encoder: str) -> None:
    """Raise EngineUnavailable where the ffmpeg in use cannot draw subtitles or encode a picture."""
    lacking = next((n for n in ("ass", encoder) if n not in _abilities(ffmpeg_path())), "")
    if lacking:
        what = "libass, which draws subtitles" if lacking == "ass" else lacking
        raise EngineUnavailable(
            f"the ffmpeg in use ({ffmpeg_path()}) was built without {what}",
            hint="install a full ffmpeg (apt install ffmpeg, brew install ffmpeg), or leave out "
            "--burn-subtitles",
        )


@cache
def _abilities(program: str) -> frozenset[str]:
    """Names of the filters and encoders of an ffmpeg."""
    names: set[str] = set()
    for table in ("-filters", "-encoders"):
        told = subprocess.run(
            [program, "-hide_banner", table],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        ).stdout
        rows = told.decode(errors="replace")
        names.update(re.findall(r"^ [A-Z.|]{2,6} +(\S+)", rows, re.MULTILINE))
    return frozenset(names)
