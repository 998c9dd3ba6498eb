"""The artifact store: what it keeps, and how it takes damage."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from onevoice.errors import CacheError
from onevoice.pipeline.fingerprint import canonical_json, fingerprint
from onevoice.pipeline.store import LocalStore

KEY = fingerprint({"stage": "test"})


def put(store: LocalStore, key: str = KEY, content: bytes = b"sound") -> None:
    with store.scratch() as folder:
        path = folder / "audio"
        path.write_bytes(content)
        store.put(key, {"audio": path}, meta={"facts": {"seconds": 1.5}})


def object_path(store: LocalStore, key: str = KEY) -> Path:
    entry = store.get(key)
    assert entry is not None
    return store.path(entry.outputs["audio"])


def test_gives_back_what_was_put(store: LocalStore) -> None:
    put(store)
    entry = store.get(KEY)
    assert entry is not None
    assert store.path(entry.outputs["audio"]).read_bytes() == b"sound"
    assert entry.meta == {"facts": {"seconds": 1.5}}


def test_an_unknown_key_is_a_miss(store: LocalStore) -> None:
    assert store.get(KEY) is None


def test_objects_are_read_only_and_shared(store: LocalStore) -> None:
    put(store)
    put(store, fingerprint("another"))
    assert object_path(store).stat().st_mode & 0o222 == 0
    assert object_path(store) == object_path(store, fingerprint("another"))
    assert store.size() == (1, 5)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"noise"),  # same size, other content
        lambda path: path.write_bytes(b"cut"),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
)
def test_a_damaged_object_is_a_miss_and_goes_away(store: LocalStore, damage) -> None:
    put(store)
    path = object_path(store)
    path.chmod(0o644)
    damage(path)
    assert store.get(KEY) is None
    assert not path.exists()
    put(store)
    assert object_path(store).read_bytes() == b"sound"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"body": {}, "sha256": "0"}', b"\xff\xfe"])
def test_a_damaged_entry_is_a_miss_and_goes_away(store: LocalStore, content: bytes) -> None:
    put(store)
    entry = store.root / "entries" / KEY[:2] / f"{KEY[2:]}.json"
    entry.write_bytes(content)
    assert store.get(KEY) is None
    assert not entry.exists()


def test_a_large_object_is_hashed_again_once_it_was_touched(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onevoice.pipeline.store._ALWAYS_HASH", 0)
    put(store)
    path = object_path(store)
    sealed = path.stat().st_mtime_ns
    os.utime(path)
    assert store.get(KEY) is not None  # touched, but whole: sealed again
    assert path.stat().st_mtime_ns == sealed
    path.chmod(0o644)
    path.write_bytes(b"noise")
    assert store.get(KEY) is None


def test_a_missing_reference_is_a_miss(store: LocalStore) -> None:
    line = store.add(b"one line")
    with store.scratch() as folder:
        (folder / "speech").write_bytes(b"{}")
        store.put(KEY, {"speech": folder / "speech"}, refs=[line])
    assert store.get(KEY) is not None
    store.path(line).unlink()
    assert store.get(KEY) is None


def test_gc_drops_what_was_used_longest_ago(store: LocalStore) -> None:
    old, new = fingerprint("old"), fingerprint("new")
    put(store, old, b"old sound")
    put(store, new, b"new sound")
    entry = store.root / "entries" / old[:2] / f"{old[2:]}.json"
    os.utime(entry, (time.time() - 1000, time.time() - 1000))
    report = store.gc(max_bytes=10)
    assert (report.removed, report.freed_bytes) == (1, 9)
    assert store.get(old) is None
    assert store.get(new) is not None


def test_gc_leaves_the_work_of_running_stages_alone(store: LocalStore) -> None:
    fresh = store.add(b"not yet in an entry")
    store.gc(max_bytes=0)
    assert store.path(fresh).exists()


def test_gc_by_age(store: LocalStore) -> None:
    put(store)
    assert store.gc(max_age_days=1).removed == 0
    entry = store.root / "entries" / KEY[:2] / f"{KEY[2:]}.json"
    os.utime(entry, (time.time() - 3 * 86400,) * 2)
    assert store.gc(max_age_days=1).removed == 1


def test_verify_finds_and_removes_damage(store: LocalStore) -> None:
    put(store)
    path = object_path(store)
    path.chmod(0o644)
    path.write_bytes(b"noise")
    report = store.verify()
    assert report.checked == 1
    assert len(report.damaged) == 1
    assert not path.exists()


def test_scratch_of_a_dead_process_is_removed_at_start(store: LocalStore) -> None:
    dead = store.root / "scratch" / "999999999-abc"
    dead.mkdir()
    mine = store.root / "scratch" / f"{os.getpid()}-abc"
    mine.mkdir()
    LocalStore(store.root)
    assert not dead.exists()
    assert mine.exists()


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match="cannot be used") as caught:
        LocalStore(tmp_path / "file")
    assert "ONEVOICE_CACHE_DIR" in caught.value.hint


def test_path_of_an_object_that_is_gone(store: LocalStore) -> None:
    artifact = store.add(b"x")
    store.path(artifact).unlink()
    with pytest.raises(CacheError, match="gone"):
        store.path(artifact)


def test_canonical_json_ignores_order_and_refuses_nan() -> None:
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))
