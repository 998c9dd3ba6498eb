"""Copies of voices that services keep: noted when they may be made, deleted when consent ends."""

from __future__ import annotations

from collections.abc import Iterable

from onevoice.engines.base import VoiceKeeper
from onevoice.pipeline.engines import EnginePool
from onevoice.pipeline.project import Project
from onevoice.pipeline.stage import Chosen

_SECTION = "clones"


def note(project: Project, chosen: Chosen, references: Iterable[tuple[str, str]]) -> None:
    """Remember that a service may get these references: (speaker, digest)."""
    if not isinstance(chosen.engine, VoiceKeeper):
        return
    for speaker, digest in references:
        known = _known(project, speaker)
        if (chosen.name, digest) not in known:
            project.remember(_SECTION, speaker, [*map(list, known), [chosen.name, digest]])


def forget(project: Project, speaker: str, pool: EnginePool) -> int:
    """Have every service delete its copies of a speaker's voice; returns how many did.

    Raises
    ------
    EngineError
        A service cannot be asked; what is not deleted yet stays noted.
    """
    deleted = 0
    for name, digest in _known(project, speaker):
        engine = pool.get("synthesis", name)
        if isinstance(engine, VoiceKeeper):
            deleted += engine.forget(digest)
        left = [list(row) for row in _known(project, speaker) if row != (name, digest)]
        project.remember(_SECTION, speaker, left)
    return deleted


def _known(project: Project, speaker: str) -> list[tuple[str, str]]:
    return [(str(name), str(digest)) for name, digest in project.recall(_SECTION, speaker) or []]
