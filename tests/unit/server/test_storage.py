"""What every storage does: one suite over the folder and over S3."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from onevoice.server.settings import load_settings
from onevoice.server.storage import (
    LocalStorage,
    ObjectMissing,
    Part,
    StorageError,
    StoredObject,
    UploadInvalid,
    make_storage,
)
from onevoice.server.storage.base import MIN_PART
from onevoice.server.storage.s3 import S3Storage
from tests.cloud import CREDENTIALS, aws, aws_credentials  # noqa: F401 - a fixture
from tests.unit.server.storages import KINDS, SECRET, Place, local_place, s3_place

pytestmark = pytest.mark.usefixtures("aws_credentials")
KEY = "accounts/usr_1/videos/vid_1/source"


@pytest.fixture(scope="module")
def s3() -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patch, aws() as cloud:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        with s3_place(cloud) as place:
            yield place


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "local":
        with local_place(tmp_path) as place:
            yield place
    else:
        place = request.getfixturevalue("s3")
        yield place
        for folder in ("accounts", "many"):
            place.storage.delete_prefix(folder)


def test_bytes_come_back(place: Place) -> None:
    stored = place.storage.put_bytes(KEY, b"one", media_type="text/plain")
    assert (stored.key, stored.size) == (KEY, 3)
    assert place.storage.get_bytes(KEY) == b"one"
    assert place.storage.head(KEY) == stored
    assert '"' not in stored.etag


def test_the_newer_takes_the_place_of_the_older(place: Place) -> None:
    first = place.storage.put_bytes(KEY, b"one")
    second = place.storage.put_bytes(KEY, b"two")
    assert first.etag != second.etag
    assert place.storage.get_bytes(KEY) == b"two"


def test_nothing_is_an_object_too(place: Place, tmp_path: Path) -> None:
    assert place.storage.put_bytes(KEY, b"").size == 0
    assert place.storage.get_bytes(KEY) == b""
    place.storage.get_file(KEY, tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""


@pytest.mark.parametrize("size", [1, 20 << 20], ids=["small", "in parts"])
def test_files_come_back(place: Place, tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes((b"0123456789abcdef" * (size // 16 + 1))[:size])
    assert place.storage.put_file(KEY, source).size == size
    assert source.exists()
    target.write_bytes(b"older")
    place.storage.get_file(KEY, target)
    assert target.read_bytes() == source.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} - {"storage"} == {"source", "target"}


def test_what_is_missing_is_named(place: Place, tmp_path: Path) -> None:
    assert place.storage.head(KEY) is None
    for read in (
        lambda: place.storage.get_bytes(KEY),
        lambda: place.storage.get_file(KEY, tmp_path / "target"),
    ):
        with pytest.raises(ObjectMissing, match="vid_1/source") as info:
            read()
        assert not info.value.retryable
        assert info.value.hint
    assert not (tmp_path / "target").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_file_that_is_not_there_cannot_be_stored(place: Place, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        place.storage.put_file(KEY, tmp_path / "nothing")
    assert place.storage.head(KEY) is None


def test_a_folder_is_listed_and_removed_without_its_neighbours(place: Place) -> None:
    keys = ["accounts/a/1", "accounts/a/b/2", "accounts/a/b/3"]
    for key in [*keys, "accounts/ab/4", "accounts/5"]:
        place.storage.put_bytes(key, key.encode())
    listed = list(place.storage.list("accounts/a"))
    assert [found.key for found in listed] == keys
    assert listed == [place.storage.head(key) for key in keys]
    assert list(place.storage.list("accounts/a/")) == listed
    assert place.storage.delete_prefix("accounts/a") == 3
    assert list(place.storage.list("accounts/a")) == []
    assert [found.key for found in place.storage.list("accounts")] == [
        "accounts/5",
        "accounts/ab/4",
    ]
    assert place.storage.delete_prefix("accounts/a") == 0


def test_lists_of_several_pages_are_whole(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    for number in range(25):
        place.storage.put_bytes(f"many/{number:04}", b"x")
    assert len(list(place.storage.list("many"))) == 25
    assert place.storage.delete_prefix("many") == 25
    assert list(place.storage.list("many")) == []


def test_deleting_twice_is_no_error(place: Place) -> None:
    place.storage.put_bytes(KEY, b"one")
    place.storage.delete(KEY)
    place.storage.delete(KEY)
    assert place.storage.head(KEY) is None


@pytest.mark.parametrize(
    "key",
    ["", "/", "/etc/passwd", "a//b", "a/", "a/./b", "../a", "a/../b", "a\\b", "a\0b", "x" * 1025],
)
def test_keys_that_lead_elsewhere_are_refused(place: Place, tmp_path: Path, key: str) -> None:
    storage = place.storage
    source = tmp_path / "source"
    source.write_bytes(b"x")
    for act in (
        lambda: storage.put_bytes(key, b"x"),
        lambda: storage.put_file(key, source),
        lambda: storage.get_bytes(key),
        lambda: storage.get_file(key, tmp_path / "target"),
        lambda: storage.head(key),
        lambda: storage.delete(key),
        lambda: storage.start_upload(key),
        lambda: storage.part_url(key, "0" * 32, 1, seconds=60),
        lambda: storage.complete_upload(key, "0" * 32, [Part(1, "x")]),
        lambda: storage.abort_upload(key, "0" * 32),
        lambda: storage.download_url(key, seconds=60, filename="a"),
    ):
        with pytest.raises(StorageError, match="cannot be a key"):
            act()
    if key != "a/":  # that names a folder
        with pytest.raises(StorageError, match="cannot be a key"):
            storage.delete_prefix(key)
        with pytest.raises(StorageError, match="cannot be a key"):
            list(storage.list(key))


def _upload(place: Place, upload: str, contents: list[bytes]) -> list[Part]:
    parts = []
    for number, content in enumerate(contents, start=1):
        url = place.storage.part_url(KEY, upload, number, seconds=60)
        answer = place.request("PUT", url, content=content)
        assert answer.status_code == 200, answer.text
        parts.append(Part(number, answer.headers["ETag"]))
    return parts


def test_parts_become_one_object(place: Place) -> None:
    contents = [b"a" * MIN_PART, b"b" * MIN_PART, b"the end"]
    upload = place.storage.start_upload(KEY, media_type="video/mp4")
    parts = _upload(place, upload, contents)
    assert place.storage.head(KEY) is None
    stored = place.storage.complete_upload(KEY, upload, parts[::-1])
    assert stored == StoredObject(KEY, sum(map(len, contents)), stored.etag)
    assert place.storage.get_bytes(KEY) == b"".join(contents)
    # The answer may have been lost: the second time says the same.
    assert place.storage.complete_upload(KEY, upload, parts) == stored


def test_a_part_can_be_sent_again(place: Place) -> None:
    upload = place.storage.start_upload(KEY)
    _upload(place, upload, [b"wrong"])
    parts = _upload(place, upload, [b"right"])
    place.storage.complete_upload(KEY, upload, parts)
    assert place.storage.get_bytes(KEY) == b"right"


def test_parts_must_be_what_was_uploaded(place: Place) -> None:
    upload = place.storage.start_upload(KEY)
    one, two = _upload(place, upload, [b"a" * MIN_PART, b"b"])
    wrong = "0" * 32
    for claimed in (
        [],
        [two],
        [one, one],
        [one, Part(2, wrong)],
        [Part(1, two.etag), Part(2, one.etag)],
        [one, two, Part(3, wrong)],
        [Part(0, one.etag)],
    ):
        with pytest.raises(UploadInvalid) as info:
            place.storage.complete_upload(KEY, upload, claimed)
        assert info.value.hint
        assert place.storage.head(KEY) is None
    place.storage.complete_upload(KEY, upload, [one, two])


def test_small_parts_are_refused_everywhere(place: Place) -> None:
    upload = place.storage.start_upload(KEY)
    parts = _upload(place, upload, [b"small", b"end"])
    with pytest.raises(UploadInvalid):
        place.storage.complete_upload(KEY, upload, parts)


def test_an_aborted_upload_takes_nothing_more(place: Place) -> None:
    upload = place.storage.start_upload(KEY)
    parts = _upload(place, upload, [b"one"])
    url = place.storage.part_url(KEY, upload, 2, seconds=60)
    place.storage.abort_upload(KEY, upload)
    place.storage.abort_upload(KEY, upload)
    assert place.request("PUT", url, content=b"two").status_code >= 400
    with pytest.raises(UploadInvalid):
        place.storage.complete_upload(KEY, upload, parts)
    assert place.storage.head(KEY) is None


@pytest.mark.parametrize("upload", ["../../etc", "", "0" * 32, "a/b", "x" * 500])
def test_an_unknown_upload_is_invalid(place: Place, upload: str) -> None:
    with pytest.raises(StorageError) as info:
        place.storage.complete_upload(KEY, upload, [Part(1, "0" * 32)])
    assert not info.value.retryable


@pytest.mark.parametrize("number", [0, -1, 10_001])
def test_parts_have_numbers_from_1_to_10000(place: Place, number: int) -> None:
    with pytest.raises(UploadInvalid, match="number"):
        place.storage.part_url(KEY, "0" * 32, number, seconds=60)


def test_downloads_are_attachments_of_their_name(place: Place) -> None:
    place.storage.put_bytes(KEY, b"0123456789", media_type="text/html")
    url = place.storage.download_url(
        KEY, seconds=60, filename='더빙 "final".mp4', media_type="video/mp4"
    )
    answer = place.request("GET", url)
    assert answer.status_code == 200
    assert answer.content == b"0123456789"
    assert answer.headers["content-type"] == "video/mp4"
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="')
    assert "filename*=UTF-8''%EB%8D%94%EB%B9%99%20%22final%22.mp4" in disposition
    part = place.request("GET", url, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert part.headers["content-range"] == "bytes 2-4/10"
    assert place.request("GET", url, headers={"Range": "bytes=90-"}).status_code == 416


def test_many_threads_write_and_read_the_same_key(place: Place) -> None:
    contents = [bytes([65 + n]) * 50_000 for n in range(6)]
    seen: list[bytes] = []

    def work(content: bytes) -> None:
        for _ in range(4):
            place.storage.put_bytes(KEY, content)
            seen.append(place.storage.get_bytes(KEY))

    threads = [threading.Thread(target=work, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 24
    assert set(seen) <= set(contents)


def test_check_says_nothing_when_all_is_well(place: Place) -> None:
    place.storage.check()


def test_the_settings_name_the_storage(tmp_path: Path) -> None:
    local = make_storage(load_settings(data_dir=tmp_path), SECRET)
    assert isinstance(local, LocalStorage)
    assert local.root == tmp_path / "storage"
    assert isinstance(make_storage(load_settings(s3_bucket="films"), SECRET), S3Storage)
