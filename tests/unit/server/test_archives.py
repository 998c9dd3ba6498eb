"""Project folders as archives: what goes in, and what a damaged or hostile one does."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from pathlib import Path

import pytest

from onevoice.server.jobs.archives import pack, unpack
from onevoice.server.jobs.orders import PROJECT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "out" / PROJECT
    (folder / "lines").mkdir(parents=True)
    (folder / "project.json").write_text("{}")
    (folder / "lines" / "es.json").write_text("[1]")
    return folder


def test_what_is_packed_is_unpacked(project: Path, tmp_path: Path) -> None:
    os.link(project / "project.json", project / "same.json")
    pack(project, tmp_path / "a.tar")
    unpack(tmp_path / "a.tar", tmp_path / "again")
    again = tmp_path / "again" / PROJECT
    found = {p.relative_to(again).as_posix(): p.read_text() for p in again.rglob("*.json")}
    assert found == {"project.json": "{}", "same.json": "{}", "lines/es.json": "[1]"}


def test_only_files_of_the_project_are_packed(project: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("hunter2")
    (project / "link").symlink_to(secret / "key")
    (project / "folder").symlink_to(secret)
    (project / ".lock").touch()
    (project / ".work").mkdir()
    (project / ".work" / "half").touch()
    os.mkfifo(project / "pipe")  # to open it plainly would wait for ever
    pack(project, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as packed:
        names = packed.getnames()
    assert names == [f"{PROJECT}/project.json", f"{PROJECT}/lines/es.json"]
    assert b"hunter2" not in (tmp_path / "a.tar").read_bytes()


def test_files_that_are_replaced_meanwhile_are_whole(project: Path, tmp_path: Path) -> None:
    """As the dub writes them: a new file takes the name, sometimes a longer one, sometimes none."""
    target, over = project / "lines" / "es.json", threading.Event()

    def replace() -> None:
        length = 0
        while not over.is_set():
            length = (length + 7919) % 200_000
            temporary = target.with_name(".es")
            temporary.write_bytes(b"<" + b"x" * length + b">")
            temporary.replace(target)
            if length % 5 == 0:
                target.unlink()

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        for _ in range(100):
            pack(project, tmp_path / "a.tar")
            with tarfile.open(tmp_path / "a.tar") as packed:
                assert f"{PROJECT}/project.json" in packed.getnames()
                for entry in packed:
                    file = packed.extractfile(entry)
                    assert file is not None
                    data = file.read()
                    assert len(data) == entry.size
                    assert not data.startswith(b"<") or data.endswith(b">")
    finally:
        over.set()
        writer.join()


def _hostile(path: Path, entry: tarfile.TarInfo, data: bytes = b"") -> Path:
    entry.size = len(data)
    with tarfile.open(path, "w") as packed:
        packed.addfile(entry, io.BytesIO(data))
    return path


def test_a_hostile_or_damaged_archive_is_as_good_as_none(tmp_path: Path) -> None:
    link = tarfile.TarInfo(f"{PROJECT}/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    (tmp_path / "cut.tar").write_bytes(b"no archive at all")
    for archive in (
        _hostile(tmp_path / "up.tar", tarfile.TarInfo("../../evil"), b"evil"),
        _hostile(tmp_path / "link.tar", link),
        tmp_path / "cut.tar",
    ):
        unpack(archive, tmp_path / "in" / "out")
        assert [path for path in (tmp_path / "in").rglob("*") if not path.is_dir()] == []
    assert not (tmp_path / "evil").exists()
