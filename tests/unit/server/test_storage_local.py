"""The folder alone: signed addresses, the routes behind them, what a disk can do wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from onevoice.errors import DiskFull
from onevoice.server.storage import LocalStorage, Part, StorageError, StorageUnavailable
from onevoice.server.storage.signed import Grant, Signer, TokenInvalid
from tests.unit.server.storages import SECRET, Place, local_app, local_place

KEY = "accounts/usr_1/videos/vid_1/source"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def place(tmp_path: Path, clock: Clock) -> Iterator[Place]:
    with local_place(tmp_path, clock=clock, part_bytes=2000) as place:
        yield place


def _storage(place: Place) -> LocalStorage:
    assert isinstance(place.storage, LocalStorage)
    return place.storage


def _part_url(place: Place) -> tuple[str, str]:
    upload = place.storage.start_upload(KEY)
    return upload, place.storage.part_url(KEY, upload, 1, seconds=60)


# -- tokens --------------------------------------------------------------------------------------


def test_a_token_says_what_was_granted(clock: Clock) -> None:
    signer = Signer(SECRET, clock=clock)
    grant = Grant(method="GET", key=KEY, filename="더빙.mp4", media_type="video/mp4")
    assert signer.open(signer.seal(grant, seconds=60)) == grant


def test_every_changed_letter_is_noticed(clock: Clock) -> None:
    signer = Signer(SECRET, clock=clock)
    token = signer.seal(Grant(method="GET", key=KEY), seconds=60)
    for index, letter in enumerate(token):
        changed = token[:index] + ("A" if letter != "A" else "B") + token[index + 1 :]
        with pytest.raises(TokenInvalid):
            signer.open(changed)


OTHER = Signer(b"another secret, 32 bytes long...").seal(Grant(method="GET", key=KEY), seconds=60)


def _resigned(**changes: Any) -> str:
    """A token with other claims, signed without the purpose or by somebody else."""
    body = {"method": "GET", "key": KEY, "until": 2_000_000_000} | changes
    payload = json.dumps(body).encode()
    mac = hashlib.sha256(SECRET + payload).digest()
    return ".".join(urlsafe_b64encode(half).rstrip(b"=").decode() for half in (payload, mac))


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "a.b",
        "a.b.c",
        "é.é",
        "=.=",
        "A" * 10_000,
        _resigned(),
        _resigned(method="PUT"),
        OTHER,
    ],
)
def test_tokens_of_others_are_refused(place: Place, token: str) -> None:
    with pytest.raises(TokenInvalid):
        _storage(place).open_token(token)


def test_a_token_of_another_purpose_is_refused(clock: Clock) -> None:
    import hmac

    signer = Signer(SECRET, clock=clock)
    payload = signer.seal(Grant(method="GET", key=KEY), seconds=60).partition(".")[0]
    raw = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    mac = hmac.digest(SECRET, raw, "sha256")
    with pytest.raises(TokenInvalid):
        signer.open(f"{payload}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}")


def test_a_short_secret_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        LocalStorage(tmp_path, b"short", "http://x")


def test_bodies_of_parts_go_to_the_path_that_takes_long_ones(place: Place) -> None:
    _, url = _part_url(place)
    assert url.startswith(f"http://testserver{LocalStorage.UPLOAD_PATH}")


# -- routes --------------------------------------------------------------------------------------


def test_addresses_end(place: Place, clock: Clock) -> None:
    place.storage.put_bytes(KEY, b"x")
    url = place.storage.download_url(KEY, seconds=60, filename="a.mp4")
    clock.now += 59
    assert place.request("GET", url).status_code == 200
    clock.now += 1
    answer = place.request("GET", url)
    assert answer.status_code == 403
    assert answer.json()["code"] == "storage_token_invalid"


def test_an_address_is_good_for_one_thing(place: Place) -> None:
    place.storage.put_bytes(KEY, b"x")
    _, put = _part_url(place)
    get = place.storage.download_url(KEY, seconds=60, filename="a.mp4")
    token = put.rpartition("/")[2]
    assert place.request("GET", f"/v1/storage/objects/{token}").status_code == 403
    token = get.rpartition("/")[2]
    assert place.request("PUT", f"/v1/storage/parts/{token}", content=b"y").status_code == 403
    assert place.request("PUT", "/v1/storage/parts/forged", content=b"y").status_code == 403
    assert place.storage.get_bytes(KEY) == b"x"


def test_the_etag_of_a_part_is_its_md5(place: Place) -> None:
    _, url = _part_url(place)
    answer = place.request("PUT", url, content=b"content")
    assert (
        answer.headers["ETag"] == f'"{hashlib.md5(b"content", usedforsecurity=False).hexdigest()}"'
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_part_may_not_be_longer_than_its_address_says(place: Place, chunked: bool) -> None:
    upload, url = _part_url(place)
    content: Any = (b"x" * 100 for _ in range(21)) if chunked else b"x" * 2001
    answer = place.request("PUT", url, content=content)
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"
    folder = _storage(place).root / "uploads" / upload
    assert [path.name for path in folder.iterdir()] == ["upload.json"]
    assert place.request("PUT", url, content=b"x" * 2000).status_code == 200


def test_a_part_of_known_length_may_not_be_longer(place: Place) -> None:
    upload = place.storage.start_upload(KEY)
    url = place.storage.part_url(KEY, upload, 1, seconds=60, size=7)
    assert place.request("PUT", url, content=b"contents").status_code == 413
    assert place.request("PUT", url, content=b"content").status_code == 200


def test_a_part_of_another_length_than_announced_is_refused(place: Place) -> None:
    upload, url = _part_url(place)
    for announced in ("5", "50"):
        answer = place.request(
            "PUT", url, content=b"0123456789", headers={"Content-Length": announced}
        )
        assert answer.status_code == 400
        assert answer.json()["code"] == "storage_part_incomplete"
    folder = _storage(place).root / "uploads" / upload
    assert [path.name for path in folder.iterdir()] == ["upload.json"]


def test_a_connection_that_ends_leaves_nothing(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "storage", SECRET, "http://127.0.0.1")
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(local_app(storage), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        upload = storage.start_upload(KEY)
        path = storage.part_url(KEY, upload, 1, seconds=60).removeprefix("http://127.0.0.1")
        folder = storage.root / "uploads" / upload
        with socket.create_connection(listener.getsockname()) as client:
            head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
            client.sendall(head.encode() + b"x" * 2_000_000)
            _wait_until(lambda: len(list(folder.iterdir())) == 2)
        _wait_until(lambda: [path.name for path in folder.iterdir()] == ["upload.json"])
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _wait_until(holds: Any) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_downloads_cannot_become_pages(place: Place) -> None:
    place.storage.put_bytes(KEY, b"<script>alert(1)</script>", media_type="text/html")
    url = place.storage.download_url(KEY, seconds=60, filename="a.html", media_type="text/html")
    for method in ("GET", "HEAD"):
        headers = place.request(method, url).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Disposition"].startswith("attachment;")
        assert "sandbox" in headers["Content-Security-Policy"]
        assert headers["Content-Length"] == "25"


def test_a_download_goes_on_where_it_ended_unless_it_changed(place: Place) -> None:
    place.storage.put_bytes(KEY, b"0123456789")
    url = place.storage.download_url(KEY, seconds=60, filename="a.mp4")
    etag = place.request("GET", url).headers["ETag"]
    wanted = {"Range": "bytes=5-", "If-Range": etag}
    assert place.request("GET", url, headers=wanted).content == b"56789"
    place.storage.put_bytes(KEY, b"abcdefghij")
    answer = place.request("GET", url, headers=wanted)
    assert (answer.status_code, answer.content) == (200, b"abcdefghij")


def test_what_was_deleted_is_not_found(place: Place) -> None:
    place.storage.put_bytes(KEY, b"x")
    url = place.storage.download_url(KEY, seconds=60, filename="a.mp4")
    place.storage.delete_prefix("accounts/usr_1")
    answer = place.request("GET", url)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


# -- the disk ------------------------------------------------------------------------------------


def test_a_full_disk_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.storage.put_bytes(KEY, b"older")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="no room"):
        place.storage.put_bytes(KEY, b"newer")
    assert place.storage.get_bytes(KEY) == b"older"
    assert list((_storage(place).root / "temporary").iterdir()) == []


def test_a_key_below_an_object_is_an_error_of_ours(place: Place) -> None:
    place.storage.put_bytes("a/b", b"x")
    assert place.storage.head("a/b/c") is None
    place.storage.delete("a/b/c")
    with pytest.raises(StorageError):
        place.storage.put_bytes("a/b/c", b"x")
    with pytest.raises(StorageError):
        place.storage.put_bytes("a", b"x")
    assert place.storage.head("a") is None


def test_check_names_a_folder_that_is_gone(place: Place) -> None:
    shutil.rmtree(_storage(place).root)
    with pytest.raises(StorageUnavailable, match="cannot be written"):
        place.storage.check()


def test_leftovers_are_removed_after_a_while(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path, SECRET, "http://x")
    upload, newer = storage.start_upload(KEY), storage.start_upload(KEY)
    left = tmp_path / "temporary" / "left"
    left.write_bytes(b"x")
    for path in (left, tmp_path / "uploads" / upload):
        os.utime(path, (1, 1))
    again = LocalStorage(tmp_path, SECRET, "http://x")
    third = again.start_upload(KEY)
    assert {path.name for path in (tmp_path / "uploads").iterdir()} == {newer, third}
    assert not left.exists()


def test_an_upload_of_another_key_cannot_be_completed(place: Place) -> None:
    upload, url = _part_url(place)
    etag = place.request("PUT", url, content=b"x").headers["ETag"]
    with pytest.raises(StorageError):
        place.storage.complete_upload("accounts/usr_2/source", upload, [Part(1, etag)])
    place.storage.abort_upload("accounts/usr_2/source", upload)
    assert place.storage.complete_upload(KEY, upload, [Part(1, etag)]).size == 1
