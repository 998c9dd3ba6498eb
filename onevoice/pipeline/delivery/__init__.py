"""The files a person gets, under their final names: see docs/delivery.md.

What they are called is in :mod:`targets`; the files of a language are made in :mod:`per_language`,
the one with all of them in :mod:`multitrack`, both from one encode of each :mod:`sound`.
:mod:`written` knows which are there already.
"""

from onevoice.pipeline.delivery.cues import line_cues
from onevoice.pipeline.delivery.multitrack import (
    NAME as TOGETHER,
)
from onevoice.pipeline.delivery.multitrack import (
    deliver_together,
    languages_made,
    note_language,
    sound_of,
    together_parts,
)
from onevoice.pipeline.delivery.per_language import NAME, deliver, is_delivered, key_parts
from onevoice.pipeline.delivery.sound import encoded
from onevoice.pipeline.delivery.targets import Targets, multitrack_target, targets
from onevoice.pipeline.delivery.written import is_current, refuse_foreign

__all__ = [
    "NAME",
    "TOGETHER",
    "Targets",
    "deliver",
    "deliver_together",
    "encoded",
    "is_current",
    "is_delivered",
    "key_parts",
    "languages_made",
    "line_cues",
    "multitrack_target",
    "note_language",
    "refuse_foreign",
    "sound_of",
    "targets",
    "together_parts",
]
