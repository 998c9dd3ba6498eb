"""Artifacts: one contract over the local store and the remote one, on both storages; its faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from onevoice.errors import CacheError
from onevoice.pipeline.fingerprint import bytes_digest, fingerprint
from onevoice.pipeline.store import Artifact, ArtifactStore, Entry, LocalStore
from onevoice.server.artifacts import ArtifactLost, RemoteStore
from onevoice.server.settings import ServerSettings, load_settings
from onevoice.server.storage import LocalStorage, Storage, StorageUnavailable
from onevoice.server.storage.s3 import S3Storage
from tests.cloud import CREDENTIALS, Flaky, aws, flaky, no_backoff  # noqa: F401 - a fixture
from tests.unit.server.storages import SECRET

PREFIX = "accounts/usr_1/artifacts"
KEY = fingerprint("a stage")
LARGE = b"0123456789abcdef" * (100_000 // 16)


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[S3Storage, Flaky, ServerSettings]]:
    with pytest.MonkeyPatch.context() as patch, aws() as cloud, flaky(cloud.endpoint) as proxy:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        settings = load_settings(**cloud.settings(proxy.endpoint))
        yield S3Storage(settings), proxy, settings


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "folder":
        yield LocalStorage(tmp_path / "storage", SECRET, "http://x")
    else:
        storage, *_ = request.getfixturevalue("s3")
        yield storage
        storage.delete_prefix("accounts")


Worker = Callable[[], RemoteStore]


@pytest.fixture
def worker(storage: Storage, tmp_path: Path) -> Worker:
    """Each call: the store of another machine."""
    machines = iter(range(10))

    def start() -> RemoteStore:
        return RemoteStore(LocalStore(tmp_path / f"machine{next(machines)}"), storage, PREFIX)

    return start


@pytest.fixture(params=["local", "remote, folder", "remote, s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStore]:
    local = LocalStore(tmp_path / "store")
    if request.param == "local":
        yield local
    elif request.param == "remote, folder":
        yield RemoteStore(local, LocalStorage(tmp_path / "storage", SECRET, "http://x"), PREFIX)
    else:
        storage, *_ = request.getfixturevalue("s3")
        yield RemoteStore(local, storage, PREFIX)
        storage.delete_prefix("accounts")


def _put(
    store: ArtifactStore, contents: dict[str, bytes], *, key: str = KEY, **options: Any
) -> Entry:
    with store.scratch() as folder:
        files = {}
        for name, content in contents.items():
            files[name] = folder / name
            files[name].write_bytes(content)
        return store.put(key, files, **options)


def _read(store: ArtifactStore, entry: Entry) -> dict[str, bytes]:
    return {name: store.path(artifact).read_bytes() for name, artifact in entry.outputs.items()}


# -- every store ---------------------------------------------------------------------------------


def test_what_was_put_is_got(store: ArtifactStore) -> None:
    assert store.get(KEY) is None
    entry = _put(store, {"text": b"small", "audio": LARGE}, meta={"seconds": 1.5, "said": "안녕"})
    assert entry.outputs["text"] == Artifact(bytes_digest(b"small"), 5)
    assert store.get(KEY) == entry
    assert _read(store, entry) == {"text": b"small", "audio": LARGE}


def test_files_are_taken_over(store: ArtifactStore) -> None:
    with store.scratch() as folder:
        (folder / "text").write_bytes(b"small")
        store.put(KEY, {"text": folder / "text"})
        assert not (folder / "text").exists()


def test_bytes_are_kept_and_referred_to(store: ArtifactStore) -> None:
    added = store.add(b"a reference")
    assert store.path(added).read_bytes() == b"a reference"
    entry = _put(store, {"text": b"small"}, refs=[added, added])
    assert entry.refs == (added,)
    assert store.get(KEY) == entry


def test_the_same_content_twice_is_one_object(store: ArtifactStore) -> None:
    entry = _put(store, {"one": LARGE, "two": LARGE})
    assert entry.outputs["one"] == entry.outputs["two"]
    assert (
        _put(store, {"one": LARGE}, key=fingerprint("other")).outputs["one"]
        == (entry.outputs["one"])
    )


def test_a_newer_entry_takes_the_place_of_the_older(store: ArtifactStore) -> None:
    _put(store, {"text": b"older"})
    newer = _put(store, {"text": b"newer"})
    assert store.get(KEY) == newer


def test_an_unknown_object_is_an_error_of_ours(store: ArtifactStore) -> None:
    for size in (10, 10_000_000):
        with pytest.raises(CacheError, match="gone") as info:
            store.path(Artifact(bytes_digest(b"nobody has this"), size))
        assert info.value.hint


def test_scratch_is_gone_afterwards(store: ArtifactStore) -> None:
    with store.scratch() as folder:
        (folder / "x").write_bytes(b"x")
    assert not folder.exists()


def test_many_threads_put_and_get(store: ArtifactStore) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for item in range(4):
                key = fingerprint(item)
                entry = _put(store, {"text": f"line {item}".encode()}, key=key)
                assert store.get(key) == entry
                assert _read(store, entry) == {"text": f"line {item}".encode()}
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


# -- another machine -----------------------------------------------------------------------------


def test_another_machine_goes_on(worker: Worker) -> None:
    first, second = worker(), worker()
    reference = first.add(LARGE[::-1])
    entry = _put(first, {"text": b"small", "audio": LARGE}, refs=[reference], meta={"a": 1})
    assert second.get(KEY) == entry
    assert _read(second, entry) == {"text": b"small", "audio": LARGE}
    assert second.path(reference).read_bytes() == LARGE[::-1]


def test_objects_nobody_reads_are_not_fetched(worker: Worker, monkeypatch: Any) -> None:
    first, second = worker(), worker()
    entry = _put(first, {"audio": LARGE})
    monkeypatch.setattr(
        type(second._storage), "get_file", lambda *_: pytest.fail("the object was fetched")
    )
    assert second.get(KEY) == entry


def test_an_entry_may_speak_of_what_only_the_storage_has(worker: Worker) -> None:
    first, second, third = worker(), worker(), worker()
    audio = _put(first, {"audio": LARGE}).outputs["audio"]
    assert second.get(KEY) is not None
    entry = _put(second, {"text": b"small"}, key=fingerprint("next"), refs=[audio])
    assert third.get(fingerprint("next")) == entry
    assert third.path(audio).read_bytes() == LARGE


def test_what_was_fetched_stays_here(worker: Worker, storage: Storage) -> None:
    first, second = worker(), worker()
    entry = _put(first, {"text": b"small", "audio": LARGE})
    assert second.get(KEY) == entry
    _read(second, entry)
    assert second.get(KEY) == entry
    storage.delete_prefix(PREFIX)
    assert second.get(KEY) == entry
    assert _read(second, entry)["audio"] == LARGE


def test_accounts_do_not_share(storage: Storage, tmp_path: Path) -> None:
    mine, theirs = (
        RemoteStore(LocalStore(tmp_path / user), storage, f"accounts/{user}/artifacts")
        for user in ("a", "b")
    )
    _put(mine, {"text": b"small"})
    assert theirs.get(KEY) is None
    keys = [found.key for found in storage.list("accounts")]
    assert len(keys) == 2
    assert all(key.startswith("accounts/a/artifacts/") for key in keys)


# -- damage --------------------------------------------------------------------------------------


def _stored(storage: Storage, kind: str) -> list[str]:
    return [found.key for found in storage.list(f"{PREFIX}/{kind}")]


def _record(entry: Entry, **changes: Any) -> bytes:
    body = {
        "key": entry.key,
        "outputs": {name: [a.digest, a.size] for name, a in entry.outputs.items()},
        "refs": [],
        "meta": {},
    } | changes
    text = json.dumps(body, ensure_ascii=False, indent=1)
    return json.dumps({"body": body, "sha256": bytes_digest(text.encode())}).encode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data, entry: b"",
        lambda data, entry: data[:-10],
        lambda data, entry: data.replace(b"meta", b"mata"),
        lambda data, entry: b"[" * 100_000,
        lambda data, entry: b"[]",
        lambda data, entry: b"\xff\xfe",
        lambda data, entry: _record(entry, key=fingerprint("another")),
        lambda data, entry: _record(entry, outputs={"text": ["../../etc/passwd", 5]}),
        lambda data, entry: _record(entry, outputs={"text": ["0" * 64, -1]}),
        lambda data, entry: _record(entry, outputs={"text": [5, 5]}),
    ],
)
def test_a_damaged_entry_is_a_miss(worker: Worker, storage: Storage, damage: Any) -> None:
    first = worker()
    entry = _put(first, {"text": b"small"})
    (key,) = _stored(storage, "entries")
    storage.put_bytes(key, damage(storage.get_bytes(key), entry))
    second = worker()
    assert second.get(KEY) is None
    _put(second, {"text": b"small"})
    assert worker().get(KEY) == entry


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("shorter", [False, True])
def test_a_damaged_object_is_made_anew(
    worker: Worker, storage: Storage, content: bytes, shorter: bool
) -> None:
    entry = _put(worker(), {"audio": content})
    (key,) = _stored(storage, "objects")
    storage.put_bytes(key, content[:-1] if shorter else b"X" + content[1:])
    second = worker()
    got = second.get(KEY)
    if content == LARGE and not shorter:
        # Of the right size, and not read yet: it is noticed by who reads it, once.
        assert got == entry
        with pytest.raises(ArtifactLost, match="damaged") as info:
            second.path(entry.outputs["audio"])
        assert info.value.retryable
        got = second.get(KEY)
    assert got is None
    _put(second, {"audio": content})
    third = worker()
    assert third.get(KEY) == entry
    assert _read(third, entry) == {"audio": content}


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
def test_a_missing_object_is_a_miss(worker: Worker, storage: Storage, content: bytes) -> None:
    _put(worker(), {"audio": content, "text": b"text"})
    storage.delete(next(k for k in _stored(storage, "objects") if bytes_digest(content)[2:] in k))
    assert worker().get(KEY) is None


def test_damage_here_is_mended_from_the_storage(worker: Worker) -> None:
    store = worker()
    entry = _put(store, {"audio": LARGE})
    path = store.path(entry.outputs["audio"])
    path.chmod(0o600)
    path.write_bytes(b"X" + LARGE[1:])
    assert store.get(KEY) == entry
    assert _read(store, entry) == {"audio": LARGE}


def test_an_object_that_is_nowhere_cannot_be_referred_to(worker: Worker) -> None:
    with pytest.raises(ArtifactLost):
        _put(worker(), {"text": b"small"}, refs=[Artifact(bytes_digest(b"nobody has it"), 500)])
    assert worker().get(KEY) is None


# -- faults --------------------------------------------------------------------------------------


@pytest.fixture
def remote(
    s3: tuple[S3Storage, Flaky, ServerSettings],
    no_backoff: None,  # noqa: F811
    tmp_path: Path,
) -> Iterator[tuple[Worker, Flaky]]:
    shared, proxy, settings = s3
    # An own client: botocore stops trying again once too many requests in a row have failed.
    storage = S3Storage(settings)
    machines = iter(range(10))
    yield (
        lambda: RemoteStore(LocalStore(tmp_path / f"m{next(machines)}"), storage, PREFIX),
        proxy,
    )
    proxy.heal()
    shared.delete_prefix("accounts")


@pytest.mark.parametrize("where", ["PUT /", "/objects/", "/entries/"])
def test_what_could_not_be_sent_is_sent_by_the_next_attempt(
    remote: tuple[Worker, Flaky], where: str
) -> None:
    worker, proxy = remote
    store, other = worker(), worker()
    proxy.fail(10_000, "drop", containing=where)
    with pytest.raises(StorageUnavailable) as info:
        _put(store, {"text": b"small", "audio": LARGE})
    assert info.value.retryable
    with pytest.raises(StorageUnavailable):
        store.get(KEY)
    proxy.heal()
    assert other.get(KEY) is None
    again = RemoteStore(LocalStore(store._local.root), store._storage, PREFIX)
    entry = again.get(KEY)
    assert entry is not None
    assert other.get(KEY) == entry
    assert _read(other, entry) == {"text": b"small", "audio": LARGE}
    before = proxy.count()
    assert again.get(KEY) == entry
    assert proxy.count() == before


def test_a_storage_that_is_away_is_no_miss(remote: tuple[Worker, Flaky]) -> None:
    worker, proxy = remote
    entry = _put(worker(), {"audio": LARGE})
    store = worker()
    with proxy.outage(), pytest.raises(StorageUnavailable):
        store.get(KEY)
    assert store.get(KEY) == entry
    with proxy.outage(), pytest.raises(StorageUnavailable):
        store.path(entry.outputs["audio"])
    assert _read(store, entry) == {"audio": LARGE}


def test_faults_that_pass_are_not_noticed(remote: tuple[Worker, Flaky]) -> None:
    worker, proxy = remote
    for number, kind in enumerate(("drop", "lost", "slow_down", "error")):
        key = fingerprint(number)
        proxy.fail(3, kind)  # type: ignore[arg-type]
        entry = _put(worker(), {"text": b"%d" % number, "audio": LARGE}, key=key)
        proxy.fail(3, kind)  # type: ignore[arg-type]
        store = worker()
        assert store.get(key) == entry
        assert _read(store, entry)["audio"] == LARGE
        proxy.heal()


def test_how_many_requests_a_result_takes(
    remote: tuple[Worker, Flaky],
) -> None:
    worker, proxy = remote
    store = worker()
    before = len(proxy.log)
    _put(store, {"text": b"small"})
    assert sorted(line.split()[0] for line, _ in proxy.log[before:]) == ["PUT", "PUT"]
    before = len(proxy.log)
    _put(store, {"audio": LARGE}, key=fingerprint("large"))
    assert [line.split()[0] for line, _ in proxy.log[before:]].count("HEAD") == 1
    before = len(proxy.log)
    _put(store, {"audio": LARGE}, key=fingerprint("the same again"))
    assert [line.split()[0] for line, _ in proxy.log[before:]] == ["PUT"]
    before = len(proxy.log)
    _put(worker(), {"audio": LARGE}, key=fingerprint("elsewhere"))
    assert [line.split()[0] for line, _ in proxy.log[before:]] == ["HEAD", "PUT"]
