"""What the picture shows: where it cuts, and whether a face is seen.

One pass over the film (:func:`look`), at a bounded cost: see :mod:`.sampling`. OpenCV is imported
where it is needed; :func:`missing` says whether it is here.
"""

from __future__ import annotations

from importlib.util import find_spec

from onevoice.vision.looking import look

__all__ = ["look", "missing"]


def missing() -> str:
    """What keeps this machine from looking at pictures; empty when nothing does."""
    return "" if find_spec("cv2") else "the package opencv-python-headless is not installed"
