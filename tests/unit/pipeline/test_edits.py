"""People's edits survive what machines write later."""

from __future__ import annotations

from typing import Any

import pytest

from onevoice.pipeline.edits import baseline_of, merge

FIELDS = ("start", "text", "keep")


def record(id_: str, text: str, start: float = 0.0, keep: bool = False) -> dict[str, Any]:
    return {"id": id_, "start": start, "text": text, "keep": keep}


def merged(generated, current, *baselines):
    return merge(
        generated,
        current,
        [baseline_of(b, FIELDS) for b in baselines],
        fields=FIELDS,
        removed={"keep": True},
    )


OLD = [record("a", "one", 0), record("b", "two", 1)]


def test_without_a_file_the_machine_speaks() -> None:
    result = merged(OLD, None)
    assert list(result.records) == OLD
    assert not result.edited


def test_an_untouched_file_follows_the_machine() -> None:
    new = [record("a", "uno", 0), record("b", "dos", 1)]
    assert list(merged(new, OLD, OLD).records) == new


def test_an_edit_stays_and_the_rest_follows() -> None:
    edited = [record("a", "mine", 0), OLD[1]]
    new = [record("a", "uno", 0.5), record("b", "dos", 1)]
    result = merged(new, edited, OLD)
    assert result.records[0] == record("a", "mine", 0.5)
    assert result.records[1]["text"] == "dos"
    assert result.edited == {"a": frozenset({"text"})}


def test_the_older_baseline_is_the_machines_too() -> None:
    # The run was killed after it had noted NEW and before it had written the file.
    new = [record("a", "uno", 0), record("b", "dos", 1)]
    result = merged(new, OLD, new, OLD)
    assert list(result.records) == new
    assert not result.edited


def test_a_deleted_record_keeps_its_original_sound() -> None:
    result = merged(OLD, [OLD[0]], OLD)
    assert result.records[1]["keep"] is True


def test_an_added_record_is_kept_in_order() -> None:
    result = merged(OLD, [*OLD, record("x", "new", 0.5)], OLD)
    assert [r["id"] for r in result.records] == ["a", "x", "b"]


@pytest.mark.parametrize(("text", "lost"), [("one", ()), ("mine", ("a",))])
def test_a_record_that_is_gone_is_lost_only_if_it_was_edited(text: str, lost: tuple) -> None:
    result = merged([OLD[1]], [record("a", text, 0), OLD[1]], OLD)
    assert [r["id"] for r in result.records] == ["b"]
    assert result.lost == lost


def test_an_edit_equal_to_the_machines_new_text_is_no_edit() -> None:
    result = merged([record("a", "uno")], [record("a", "uno")], [record("a", "one")])
    assert not result.edited
