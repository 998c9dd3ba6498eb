"""Faces, found by YuNet through OpenCV.

The model is carried (``data/yunet.onnx``, 227 kB; ``tools/export_yunet.py`` made it): Wu, Peng and
Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20 (2023).
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np

from onevoice.vision.sampling import Picture

SURE = 0.6
"""Score from which on a face counts; small and tilted ones seldom get more."""
_OVERLAP = 0.3
_MOST = 100


class Faces:
    """The detector, loaded once a film."""

    side = 480
    """Longer side of the pictures it wants: a face of a tenth of the height is 27 pixels high."""

    def __init__(self) -> None:
        import cv2

        model = np.frombuffer(
            files("onevoice.vision").joinpath("data/yunet.onnx").read_bytes(), np.uint8
        )
        level = cv2.utils.logging.getLogLevel()
        # OpenCV 5 warns that its own default device cannot be chosen.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        try:
            self._detector: Any = cv2.FaceDetectorYN.create(
                "onnx", model, np.empty(0, np.uint8), (32, 32), SURE, _OVERLAP, _MOST
            )
        finally:
            cv2.utils.logging.setLogLevel(level)

    def largest(self, picture: Picture) -> float:
        """Height of the largest face as a share of the picture's; 0 where there is none."""
        height, width = picture.shape[:2]
        self._detector.setInputSize((width, height))
        _, found = self._detector.detect(picture)
        if found is None:
            return 0.0
        tallest: float = float(found[:, 3].max())
        return min(tallest / float(height), 1.0)
