from __future__ import annotations

import multiprocessing
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from onevoice.errors import CacheError, ConfigError
from onevoice.pipeline.translation_memory import VERSION, Memory, series_path

T1, T2, T3 = "2026-11-01T10:00:00Z", "2026-11-02T10:00:00Z", "2026-11-03T10:00:00Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return series_path(tmp_path / "memory", "My Show")


@pytest.fixture
def memory(path: Path) -> Iterator[Memory]:
    with Memory.open(path) as opened:
        yield opened


def keep(memory: Memory, source: str, target: str, **more: object) -> None:
    given = {"accepted": True, "project": "one", "when": T1, "languages": ("en", "es")} | more
    pair: tuple[str, str] = given.pop("languages")
    memory.remember(*pair, source, target, **given)


def test_what_is_remembered_is_there_in_the_next_project(path: Path) -> None:
    with Memory.open(path) as memory:
        keep(memory, "Good  morning,\n all.", "Buenos días a todos.")
    with Memory.open(path) as memory:
        assert memory.exact("en", "es", " Good morning, all. ") == "Buenos días a todos."
        assert memory.exact("en", "es", "good morning, all.") is None
        assert memory.exact("en", "pt", "Good morning, all.") is None
        assert memory.exact("es", "en", "Good morning, all.") is None


def test_forms_of_one_character_are_one(memory: Memory) -> None:
    keep(memory, "cafe\u0301", "café")
    assert memory.exact("en", "es", "café") == "café"


def test_a_person_comes_before_an_engine(memory: Memory) -> None:
    keep(memory, "Hi", "machine", accepted=False, when=T3)
    assert memory.exact("en", "es", "Hi") is None
    assert memory.exact("en", "es", "Hi", accepted_only=False) == "machine"
    keep(memory, "Hi", "person", when=T1)
    assert memory.exact("en", "es", "Hi", accepted_only=False) == "person"


@pytest.mark.parametrize(
    ("first", "second", "stays"), [(T1, T2, "b"), (T2, T1, "a"), (T1, T1, "b")]
)
def test_the_latest_counts(memory: Memory, first: str, second: str, stays: str) -> None:
    keep(memory, "Hi", "a", when=first)
    keep(memory, "Hi", "b", when=second, project="two")
    assert memory.exact("en", "es", "Hi") == stays


@pytest.mark.parametrize(("source", "target"), [("", "a"), ("a", ""), (" \n", "a")])
def test_nothing_is_kept_of_nothing(memory: Memory, source: str, target: str) -> None:
    keep(memory, source, target)
    assert memory.exact("en", "es", source) is None
    assert memory.similar("en", "es", source or "a", least=0.0) == ()


def test_odd_text_is_data(memory: Memory) -> None:
    odd = "'; DROP TABLE sentences; -- \x00 \ud800 %s"
    keep(memory, odd, odd, project=odd)
    assert memory.exact("en", "es", odd) == odd.replace("\ud800", "?")


def test_similar(memory: Memory) -> None:
    keep(memory, "The lesson begins at nine.", "La clase empieza a las nueve.")
    keep(memory, "The lesson begins at ten.", "La clase empieza a las diez.")
    keep(memory, "THE LESSON BEGINS AT TEN!", "¡LA CLASE EMPIEZA A LAS DIEZ!")
    keep(memory, "We ate fish.", "Comimos pescado.")
    keep(memory, "The lesson begins at six.", "maquinal", accepted=False)
    found = memory.similar("en", "es", "The lesson begins at ten.")
    assert [source for source, _, _ in found] == [
        "The lesson begins at ten.",
        "THE LESSON BEGINS AT TEN!",
        "The lesson begins at nine.",
    ]
    # 25 letters each, one of them exchanged: 1 - 2 / 50.
    assert [score for _, _, score in found[:2]] == [1.0, 0.96]
    assert found[0][1] == "La clase empieza a las diez."
    assert len(memory.similar("en", "es", "The lesson begins at ten.", limit=1)) == 1
    assert memory.similar("en", "es", "The lesson begins at ten.", least=0.99) == found[:1]
    assert memory.similar("en", "es", "Something else altogether") == ()
    assert memory.similar("en", "pt", "The lesson begins at ten.") == ()
    both = memory.similar("en", "es", "The lesson begins at six.", limit=4, accepted_only=False)
    assert [target for _, target, _ in both][-1] == "maquinal"
    assert len(both) == 4


def test_similar_sees_what_was_just_written(memory: Memory, path: Path) -> None:
    assert memory.similar("en", "es", "One more thing") == ()
    keep(memory, "One more thing", "Una cosa más")
    assert len(memory.similar("en", "es", "One more thing")) == 1
    with Memory.open(path) as other:
        keep(other, "One more thing!", "¡Una cosa más!")
    assert len(memory.similar("en", "es", "One more thing")) == 2


def test_series_know_nothing_of_each_other(tmp_path: Path) -> None:
    with (
        Memory.open(series_path(tmp_path, "one")) as one,
        Memory.open(series_path(tmp_path, "two")) as two,
    ):
        keep(one, "Hi", "Hola")
        assert two.exact("en", "es", "Hi") is None
        assert two.similar("en", "es", "Hi") == ()


def _write(path: Path, writer: int, count: int) -> None:
    with Memory.open(path) as memory:
        for n in range(count):
            memory.remember("en", "es", f"{writer}-{n}", f"{n}", True, f"p{writer}", T1)
            memory.remember("en", "es", "shared", f"{writer}-{n}", False, f"p{writer}", T2)


def test_processes_and_threads_write_side_by_side(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, n, 40)) for n in range(2)]
    for writer in writers:
        writer.start()
    with Memory.open(path) as memory, ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: keep(memory, f"thread {n}", "t"), range(40)))
        for writer in writers:
            writer.join(60)
        assert [writer.exitcode for writer in writers] == [0, 0]
        for n in range(2):
            assert all(memory.exact("en", "es", f"{n}-{i}") == str(i) for i in range(40))
        assert all(memory.exact("en", "es", f"thread {n}") for n in range(40))
        assert memory.exact("en", "es", "shared", accepted_only=False) in {"0-39", "1-39"}


def test_a_file_that_is_no_database(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, however long it is " * 100)
    with pytest.raises(CacheError, match="damaged") as caught:
        Memory.open(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_file_damaged_in_the_middle(path: Path) -> None:
    with Memory.open(path) as memory:
        for n in range(500):
            keep(memory, f"sentence {n} " * 10, "t")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xee" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(CacheError, match="damaged"), Memory.open(path) as memory:
        memory.similar("en", "es", "sentence")


def test_files_that_are_not_ours_or_newer(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE other (a)")
    connection.close()
    with pytest.raises(CacheError, match="another program"):
        Memory.open(foreign)
    newer = tmp_path / "newer.sqlite"
    Memory.open(newer).close()
    with sqlite3.connect(newer) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(CacheError, match="version 2") as caught:
        Memory.open(newer)
    assert "update" in caught.value.hint


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"cannot be used|can be kept"):
        Memory.open(tmp_path / "file" / "a.sqlite")
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(CacheError, match="cannot be used"):
        Memory.open(tmp_path / "folder.sqlite")


def test_a_locked_file_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onevoice.pipeline.translation_memory._BUSY_S", 0.05)
    with Memory.open(path) as memory:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CacheError, match="locked") as caught:
            keep(memory, "Hi", "Hola")
        other.execute("ROLLBACK")
        other.close()
        keep(memory, "Hi", "Hola")
    assert "other runs" in caught.value.hint


@pytest.mark.parametrize("name", ["My Show", "serie-2", "내 시리즈", "a", "v1.2", "x" * 64])
def test_names_of_series(tmp_path: Path, name: str) -> None:
    path = series_path(tmp_path, name)
    assert path.parent == tmp_path
    assert path == series_path(tmp_path, f" {name.upper()} ")
    Memory.open(path).close()
    assert stat.S_ISREG(path.stat().st_mode)


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "../up", "a/b", "a\\b", "/etc/passwd", "C:x", ".hidden", "a."),
        *("nul", "com1.txt", "a\nb", "a\x00b", "x" * 65, "a:b", "~", "*", "-rf"),
    ],
)
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="name of a series") as caught:
        series_path(tmp_path, name)
    assert caught.value.hint
