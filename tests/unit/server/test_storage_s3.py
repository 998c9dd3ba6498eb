"""S3 alone: faults on the way, errors translated, addresses, what is asked of the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError

from onevoice.server.settings import load_settings
from onevoice.server.storage import (
    ObjectMissing,
    Part,
    StorageError,
    StorageUnavailable,
    UploadInvalid,
)
from onevoice.server.storage.base import MIN_PART
from onevoice.server.storage.s3 import S3Storage
from tests.cloud import Aws, Flaky, Kind, aws, aws_credentials, flaky, no_backoff  # noqa: F401

pytestmark = pytest.mark.usefixtures("aws_credentials", "no_backoff")
KEY = "accounts/usr_1/videos/vid_1/source"
BIG = 20 << 20


@pytest.fixture(scope="module")
def cloud() -> Iterator[Aws]:
    with aws() as running:
        yield running


@pytest.fixture
def proxy(cloud: Aws) -> Iterator[Flaky]:
    with flaky(cloud.endpoint) as proxy:
        yield proxy


@pytest.fixture
def storage(cloud: Aws, proxy: Flaky) -> S3Storage:
    return S3Storage(load_settings(**cloud.settings(proxy.endpoint)))


@pytest.mark.parametrize("kind", ["drop", "lost", "cut", "slow_down", "error"])
def test_faults_that_pass_are_not_noticed(
    storage: S3Storage, proxy: Flaky, tmp_path: Path, kind: Kind
) -> None:
    small, big, target = tmp_path / "small", tmp_path / "big", tmp_path / "target"
    small.write_bytes(b"0123456789")
    big.write_bytes(b"0123456789abcdef" * (BIG // 16))
    for source in (small, big):
        for act in (
            lambda source=source: storage.put_file(KEY, source),
            lambda: storage.get_file(KEY, target),
            lambda: storage.get_bytes(KEY),
            lambda: storage.head(KEY),
            lambda: list(storage.list("accounts")),
        ):
            before = proxy.count(kind=kind)
            proxy.fail(2, kind)
            act()
            proxy.heal()
            assert proxy.count(kind=kind) > before
        assert target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("kind", ["drop", "slow_down", "error"])
def test_faults_that_stay_are_retryable_errors(
    storage: S3Storage, proxy: Flaky, tmp_path: Path, kind: Kind
) -> None:
    source, big, target = tmp_path / "source", tmp_path / "big", tmp_path / "target"
    source.write_bytes(b"0123456789")
    big.write_bytes(bytes(BIG))
    storage.put_file(KEY, source)
    proxy.fail(10_000, kind)
    for act in (
        lambda: storage.put_file(KEY, source),
        lambda: storage.put_file(KEY, big),
        lambda: storage.get_file(KEY, target),
        lambda: storage.get_bytes(KEY),
        lambda: storage.head(KEY),
        lambda: list(storage.list("accounts")),
        lambda: storage.delete(KEY),
        lambda: storage.delete_prefix("accounts"),
        lambda: storage.start_upload(KEY),
        lambda: storage.complete_upload(KEY, "upload", [Part(1, "0" * 32)]),
        lambda: storage.abort_upload(KEY, "upload"),
        lambda: storage.check(),
    ):
        with pytest.raises(StorageUnavailable) as info:
            act()
        assert info.value.retryable
        assert info.value.hint
        assert "127.0.0.1" not in info.value.message
    proxy.heal()
    assert not target.exists()
    assert storage.get_bytes(KEY) == b"0123456789"


def test_an_answer_that_is_always_cut_is_an_error(storage: S3Storage, proxy: Flaky) -> None:
    storage.put_bytes(KEY, b"0123456789")
    proxy.fail(10_000, "cut", containing="GET /")
    with pytest.raises(StorageUnavailable):
        storage.get_bytes(KEY)


def test_a_completion_whose_answer_was_lost_is_complete(storage: S3Storage, proxy: Flaky) -> None:
    upload = storage.start_upload(KEY)
    parts = []
    for number, content in enumerate([b"a" * MIN_PART, b"b"], start=1):
        url = storage.part_url(KEY, upload, number, seconds=60)
        parts.append(Part(number, httpx.put(url, content=content).headers["ETag"]))
    proxy.fail(1, "lost", containing="POST /")
    assert storage.complete_upload(KEY, upload, parts).size == MIN_PART + 1


def test_an_upload_that_is_no_more_is_complete_if_its_object_is_there(
    storage: S3Storage, cloud: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(**_: Any) -> None:
        raise _refusal("NoSuchUpload", 404)

    upload = storage.start_upload(KEY)
    url = storage.part_url(KEY, upload, 1, seconds=60)
    part = Part(1, httpx.put(url, content=b"content").headers["ETag"])
    with monkeypatch.context() as patch:
        patch.setattr(storage._client, "complete_multipart_upload", gone)
        with pytest.raises(UploadInvalid):
            storage.complete_upload(KEY, upload, [part])
        storage.put_bytes(KEY, b"something else")
        with pytest.raises(UploadInvalid):
            storage.complete_upload(KEY, upload, [part])
    done = storage.complete_upload(KEY, upload, [part])
    monkeypatch.setattr(storage._client, "complete_multipart_upload", gone)
    assert storage.complete_upload(KEY, upload, [part]) == done
    with pytest.raises(UploadInvalid):  # another number of parts: not that upload
        storage.complete_upload(KEY, upload, [part, Part(2, "0" * 32)])


def test_parts_of_clients_carry_no_checksum_of_ours(storage: S3Storage, cloud: Aws) -> None:
    """S3 would not complete an upload that was begun with a checksum its parts do not have."""
    seen: list[dict[str, Any]] = []
    storage._client.meta.events.register(
        "before-call.s3.CreateMultipartUpload", lambda params, **_: seen.append(params["headers"])
    )
    upload = storage.start_upload(KEY, media_type="video/mp4")
    assert [name for name in seen[0] if "checksum" in name.lower()] == []
    query = parse_qs(urlsplit(storage.part_url(KEY, upload, 1, seconds=60)).query)
    assert query["X-Amz-SignedHeaders"] == ["host"]
    assert not [name for name in query if "checksum" in name.lower()]


def test_a_part_of_known_length_is_signed_with_it(storage: S3Storage) -> None:
    """Else whoever announced a megabyte could have ten thousand parts of 5 GiB kept."""
    upload = storage.start_upload(KEY)
    url = storage.part_url(KEY, upload, 1, seconds=60, size=7)
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;host"]
    part = Part(1, httpx.put(url, content=b"content").headers["ETag"])
    assert storage.complete_upload(KEY, upload, [part]).size == 7


def test_addresses_end_when_they_should(storage: S3Storage) -> None:
    for asked, given in ((0, "1"), (60, "60"), (30 * 86400, str(7 * 86400))):
        url = storage.download_url(KEY, seconds=asked, filename="a.mp4")
        assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == [given]


def test_the_type_of_the_content_is_kept(cloud: Aws, tmp_path: Path) -> None:
    settings = load_settings(**cloud.settings())
    storage = S3Storage(settings)
    big = tmp_path / "big"
    big.write_bytes(bytes(BIG))
    storage.put_bytes("small", b"{}", media_type="application/json")
    storage.put_file("big", big, media_type="video/mp4")
    upload = storage.start_upload("parts", media_type="audio/wav")
    answer = httpx.put(storage.part_url("parts", upload, 1, seconds=60), content=b"x")
    storage.complete_upload("parts", upload, [Part(1, answer.headers["ETag"])])
    types = {
        key: cloud.client("s3").head_object(Bucket=settings.s3_bucket, Key=key)["ContentType"]
        for key in ("small", "big", "parts")
    }
    assert types == {"small": "application/json", "big": "video/mp4", "parts": "audio/wav"}


def test_everything_lies_below_the_prefix(cloud: Aws) -> None:
    given = cloud.settings()
    above, below = (
        S3Storage(load_settings(**given, s3_prefix=prefix)) for prefix in ("", "/tenants/one/")
    )
    below.put_bytes("a/b", b"x")
    assert [found.key for found in below.list("a")] == ["a/b"]
    assert [found.key for found in above.list("tenants")] == ["tenants/one/a/b"]
    assert below.get_bytes("a/b") == b"x"
    above.put_bytes("a/c", b"x")
    assert below.delete_prefix("a") == 1
    assert above.head("a/c") is not None


def test_check_names_a_bucket_that_is_not_there(cloud: Aws) -> None:
    storage = S3Storage(load_settings(**cloud.settings() | {"s3_bucket": "nobody-has-this"}))
    with pytest.raises(StorageUnavailable, match="nobody-has-this"):
        storage.check()
    with pytest.raises(StorageError, match="NoSuchBucket") as info:
        storage.put_bytes(KEY, b"x")
    assert not info.value.retryable


def test_without_an_endpoint_addresses_are_those_of_the_region() -> None:
    storage = S3Storage(load_settings(s3_bucket="films", aws_region="eu-west-1"))
    url = urlsplit(storage.download_url(KEY, seconds=60, filename="a.mp4"))
    assert url.scheme == "https"
    assert url.netloc == "films.s3.eu-west-1.amazonaws.com"


def _refusal(code: str, status: int) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "https://secret?X-Amz-Signature=abc"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "PutObject")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (_refusal("NoSuchKey", 404), ObjectMissing),
        (_refusal("404", 404), ObjectMissing),
        (_refusal("NoSuchUpload", 404), UploadInvalid),
        (_refusal("InvalidPart", 400), UploadInvalid),
        (_refusal("EntityTooSmall", 400), UploadInvalid),
        (_refusal("SlowDown", 503), StorageUnavailable),
        (_refusal("RequestTimeout", 400), StorageUnavailable),
        (_refusal("ExpiredToken", 400), StorageUnavailable),
        (_refusal("Whatever", 500), StorageUnavailable),
        (_refusal("AccessDenied", 403), StorageError),
        (_refusal("InvalidRequest", 400), StorageError),
        (boto.EndpointConnectionError(endpoint_url="https://x?X-Amz-Signature=abc"), None),
        (boto.ConnectTimeoutError(endpoint_url="https://x"), None),
        (boto.ReadTimeoutError(endpoint_url="https://x"), None),
        (boto.NoCredentialsError(), None),
        (boto.ParamValidationError(report="bad"), StorageError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value)[:40],
)
def test_every_error_of_boto3_becomes_one_of_ours(
    storage: S3Storage,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    expected: type[StorageError] | None,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(storage._client, "put_object", fail)
    with pytest.raises(StorageError) as info:
        storage.put_bytes(KEY, b"x")
    assert type(info.value) is (expected or StorageUnavailable)
    assert info.value.__cause__ is error
    assert "Signature" not in info.value.message + info.value.hint
