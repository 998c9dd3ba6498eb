"""Fit the spoken lines to the picture: one optimum for a whole language track.

Every line has a window (when its source was spoken) and a natural length (how long the voice
takes for the new text). :func:`fit` chooses start and length of all lines at once by one sparse
linear programme; ``docs/timing.md`` has it as formulas. All times are seconds.
"""

from __future__ import annotations

from onevoice.timing.needs import budget_characters, greedy, needed_rate
from onevoice.timing.optimum import Fit, cost, fit
from onevoice.timing.windows import Window

__all__ = ["Fit", "Window", "budget_characters", "cost", "fit", "greedy", "needed_rate"]
