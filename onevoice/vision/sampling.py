"""Pictures of a film, decoded as sparingly as the work allows.

Pictures that no other refers to (about half of most films) are passed over inside the decoder, and
so is its deblocking filter: that halves the cost. A very large picture is decoded only where it
needs no other (keyframes), so that a 4K film does not cost more than a small one by as much as it
is larger. The choice depends on the file alone: the same file always gives the same pictures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onevoice.media.info import MediaInfo, VideoStream
from onevoice.media.probing import open_media

Picture = NDArray[np.uint8]
"""Blue, green, red; shape (height, width, 3)."""

APART = 0.075
"""Least seconds between two pictures: shots need no more."""
DENSE_UP_TO = 130e6
"""Pixels a second (1920x1080, 60 pictures) up to which more than keyframes are decoded."""
THREADS = 2
"""More would hold more large pictures in memory."""


@dataclass(frozen=True, slots=True)
class _Scalers:
    """How the pictures of one film are made small and turned upright."""

    stream: VideoStream
    by_side: dict[int, Any]
    """A scaler for each size: they are dear to set up."""

    def scale(self, decoded: Any, side: int) -> Picture:
        import cv2

        turn = {
            90: cv2.ROTATE_90_CLOCKWISE,
            180: cv2.ROTATE_180,
            270: cv2.ROTATE_90_COUNTERCLOCKWISE,
        }.get(self.stream.rotation)
        longer = max(decoded.width, decoded.height)
        width, height = (
            max(round(length * min(side / longer, 1.0)), 16)
            for length in (decoded.width, decoded.height)
        )
        scaler = self.by_side[side]
        small = scaler.reformat(
            decoded, width, height, format="bgr24", interpolation="FAST_BILINEAR"
        )
        picture: Any = small.to_ndarray()
        turned: Picture = picture if turn is None else cv2.rotate(picture, turn)
        return turned


@dataclass(frozen=True, slots=True)
class Frame:
    """One moment of a film; its picture is made when it is asked for."""

    time: float
    _decoded: Any = field(repr=False)
    _scalers: _Scalers = field(repr=False)

    def picture(self, side: int) -> Picture:
        """The picture, upright, its longer side ``side`` pixels or less."""
        return self._scalers.scale(self._decoded, side)


def frames(info: MediaInfo) -> Iterator[Frame]:
    """The moments of a film in order of time; none where it has no picture that can be decoded.

    Damaged pictures are passed over. A keyframe never is: films often cut there.
    """
    from av.video.reformatter import VideoReformatter

    stream = next((s for s in info.video if not s.attached_pic), None)
    if stream is None:
        return
    scalers = _Scalers(stream, defaultdict(VideoReformatter))
    last = -1.0
    for decoded in _decoded(info.path, stream):
        if decoded.time is None:
            continue
        time = float(decoded.time) - info.start_time
        if time - last >= APART or (decoded.key_frame and time > last):
            last = time
            yield Frame(time, decoded, scalers)


def _decoded(path: Path, stream: VideoStream) -> Iterator[Any]:
    import av

    with open_media(path) as container:
        video = container.streams[stream.index]
        video.thread_type = "AUTO"
        video.codec_context.thread_count = THREADS
        video.codec_context.skip_frame = "NONREF" if _is_small(stream) else "NONKEY"
        video.codec_context.options = {"skip_loop_filter": "all"}
        try:
            for packet in container.demux(video):
                try:
                    yield from packet.decode()
                except av.error.FFmpegError:
                    continue  # a damaged picture; the next keyframe mends it
        except av.error.FFmpegError:
            return  # a file that is cut short ends here


def _is_small(stream: VideoStream) -> bool:
    return stream.width * stream.height * (stream.frame_rate or 30.0) <= DENSE_UP_TO
