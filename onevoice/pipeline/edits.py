"""Machine output and people's edits, merged field by field.

What a machine writes into a project file is remembered as a *baseline*. A field whose value is
neither the baseline's nor the newly generated one was changed by a person, and is kept.
Two baselines are remembered, the last and the one before: a run killed between writing the
baseline and writing the file then still recognises its own older values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]
Baseline = Mapping[str, Mapping[str, Any]]
"""Machine-written fields by record id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """``edited`` names the fields a person changed, by id; ``lost`` the edits without a place."""

    records: tuple[Record, ...]
    edited: Mapping[str, frozenset[str]]
    lost: tuple[str, ...]


def merge(
    generated: Sequence[Record],
    current: Sequence[Record] | None,
    baselines: Sequence[Baseline],
    *,
    fields: Sequence[str],
    removed: Mapping[str, Any],
) -> Merged:
    """Lay people's edits over newly generated records.

    Parameters
    ----------
    generated:
        What the machine now says, in order; each record has an ``id`` and a ``start``.
    current:
        What the file says; None when there is no file.
    baselines:
        What the machine wrote before, newest first.
    fields:
        The fields a person may change.
    removed:
        Fields given to a record that a person deleted from the file.
    """
    if current is None:
        return Merged(records=tuple(dict(g) for g in generated), edited={}, lost=())
    present = {record["id"]: record for record in current}
    records: list[Record] = []
    edited: dict[str, frozenset[str]] = {}
    for new in generated:
        old = present.pop(new["id"], None)
        if old is None:
            was_there = any(new["id"] in baseline for baseline in baselines)
            records.append({**new, **removed} if was_there else dict(new))
            if was_there:
                edited[new["id"]] = frozenset(removed)
            continue
        changed = frozenset(f for f in fields if _by_hand(f, old, new, baselines))
        records.append({**new, **{f: old[f] for f in changed}})
        if changed:
            edited[new["id"]] = changed
    lost: list[str] = []
    for id_, old in present.items():
        known = [baseline[id_] for baseline in baselines if id_ in baseline]
        if not known:
            records.append(dict(old))  # a person added it
            edited[id_] = frozenset(fields)
        elif any(all(k.get(f) != old.get(f) for k in known) for f in fields):
            lost.append(id_)
    records.sort(key=lambda record: (record["start"], record["id"]))
    return Merged(records=tuple(records), edited=edited, lost=tuple(lost))


def _by_hand(field: str, old: Record, new: Record, baselines: Sequence[Baseline]) -> bool:
    if field not in old or old[field] == new.get(field):
        return False
    machine = [baseline[new["id"]] for baseline in baselines if new["id"] in baseline]
    return all(old[field] != record.get(field) for record in machine)


def baseline_of(records: Sequence[Record], fields: Sequence[str]) -> dict[str, Record]:
    """What to remember about records just written."""
    return {record["id"]: {f: record.get(f) for f in fields} for record in records}
