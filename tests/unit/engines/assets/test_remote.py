from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from onevoice.engines.assets import remote
from onevoice.engines.assets.remote import Catalogue, RemoteModel
from onevoice.engines.base import CancelToken, Runtime
from onevoice.errors import AssetDamaged, AssetMissing, Cancelled
from tests.simulators.remote_settings import RemoteSettings, pack

FILES = {"model": b"weights" * 60_000, "lex": b"words", "vocab": b"pieces"}
CJK = {"model": b"m", "lex": b"l", "srcvocab": b"source", "trgvocab": b"target"}


@pytest.fixture
def server() -> Iterator[RemoteSettings]:
    with RemoteSettings() as running:
        yield running


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(models_dir=tmp_path / "models", backoff=0.01, attempts=3, timeout=5.0)


def look_up(runtime: Runtime, server: RemoteSettings, target: str = "ko") -> RemoteModel | None:
    return Catalogue(server.url).find(runtime, f"firefox-en-{target}", "en", target)


def found(runtime: Runtime, server: RemoteSettings) -> RemoteModel:
    model = look_up(runtime, server)
    assert model is not None
    return model


def test_a_model_is_downloaded_checked_and_noted(runtime: Runtime, server: RemoteSettings) -> None:
    server.publish(("en", "ko"), FILES)
    model = found(runtime, server)
    assert not remote.is_here(runtime, model)
    folder = remote.ensure(runtime, model)
    assert (folder / "model.bin").read_bytes() == FILES["model"]
    assert (folder / "vocab.spm").read_bytes() == FILES["vocab"]
    assert remote.is_here(runtime, model)
    assert remote.noted(runtime, "firefox-en-ko") == model
    assert remote.all_noted(runtime, "firefox-") == (model,)
    # The catalogue's names ("../model.enko.bin") became no paths, and nothing half-done stays.
    left = sorted(p.name for p in folder.iterdir() if p.name not in {".lock", ".verified.json"})
    assert left == ["lex.bin", "model.bin", "model.json", "vocab.spm"]
    assert not (folder.parent / "model.enko.bin").exists()

    before = len(server.requests)
    assert remote.ensure(replace(runtime, offline=True), model) == folder
    assert len(server.requests) == before


def test_separate_vocabularies(runtime: Runtime, server: RemoteSettings) -> None:
    server.publish(("en", "ko"), CJK)
    folder = remote.ensure(runtime, found(runtime, server))
    assert (folder / "source.spm").read_bytes() == b"source"
    assert (folder / "target.spm").read_bytes() == b"target"


def test_a_broken_download_goes_on_where_it_stopped(
    runtime: Runtime, server: RemoteSettings
) -> None:
    server.publish(("en", "ko"), FILES)
    model = found(runtime, server)
    server.cut_after = [100_000, 50_000]
    folder = remote.ensure(runtime, model)
    assert (folder / "model.bin").read_bytes() == FILES["model"]
    assert server.downloads()[:3] == ["", "bytes=100000-", "bytes=150000-"]


def test_it_goes_on_in_the_next_run(runtime: Runtime, server: RemoteSettings) -> None:
    server.publish(("en", "ko"), FILES)
    model = found(runtime, server)
    server.cut_after = [100_000]
    with pytest.raises(AssetMissing) as caught:
        remote.ensure(replace(runtime, attempts=1), model)
    assert "100000 of" in caught.value.message
    assert not (runtime.models_dir / model.name / "model.bin").exists()
    remote.ensure(runtime, model)
    assert server.downloads()[1] == "bytes=100000-"


def test_the_catalogue_is_asked_for_once(runtime: Runtime, server: RemoteSettings) -> None:
    for pair in (("en", "ko"), ("ko", "en")):
        server.publish(pair, FILES)
    catalogue = Catalogue(server.url)
    server.broken = runtime.attempts
    with pytest.raises(AssetMissing):
        catalogue.find(runtime, "firefox-en-ko", "en", "ko")
    server.requests.clear()
    assert catalogue.find(runtime, "firefox-en-ko", "en", "ko")
    assert catalogue.find(runtime, "firefox-ko-en", "ko", "en")
    assert len(server.requests) == 2


@pytest.mark.parametrize("answer", [b"[]", b"{}", b"<html>", b'{"data": {}}', b"\xff"])
def test_an_answer_that_is_no_catalogue(
    runtime: Runtime, server: RemoteSettings, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "answer", lambda path: answer)
    with pytest.raises(AssetMissing) as caught:
        look_up(runtime, server)
    assert caught.value.hint


def test_a_busy_server_is_asked_again(runtime: Runtime, server: RemoteSettings) -> None:
    server.publish(("en", "ko"), FILES)
    server.broken = 2
    assert look_up(runtime, server) is not None


@pytest.mark.parametrize("unpackable", [True, False])
def test_another_file_than_noted_is_never_kept(
    runtime: Runtime, server: RemoteSettings, unpackable: bool
) -> None:
    server.publish(("en", "ko"), FILES)
    model = found(runtime, server)
    path = next(iter(server.files))
    packed = server.files[path]
    server.files[path] = pack(b"WEIGHTS" * 60_000) if unpackable else packed[:-1] + b"?"
    with pytest.raises(AssetDamaged) as caught:
        remote.ensure(runtime, model)
    assert caught.value.hint
    assert not list((runtime.models_dir / model.name).glob("model.bin"))
    server.files[path] = packed
    remote.ensure(runtime, model)


def test_a_catalogue_that_lies_about_the_content(runtime: Runtime, server: RemoteSettings) -> None:
    server.publish(("en", "ko"), FILES, decompressedHash="0" * 64)
    with pytest.raises(AssetDamaged):
        remote.ensure(runtime, found(runtime, server))


def test_what_was_noted_stays_whatever_the_catalogue_says_later(
    runtime: Runtime, server: RemoteSettings
) -> None:
    server.publish(("en", "ko"), FILES)
    model = found(runtime, server)
    folder = remote.ensure(runtime, model)
    server.publish(("en", "ko"), CJK, version="3.1")
    (folder / "lex.bin").write_bytes(b"flipped")
    assert remote.noted(runtime, model.name) == model
    remote.ensure(runtime, model)
    assert (folder / "lex.bin").read_bytes() == FILES["lex"]


def test_offline_names_the_ways(runtime: Runtime, server: RemoteSettings) -> None:
    server.publish(("en", "ko"), FILES)
    model = found(runtime, server)
    with pytest.raises(AssetMissing) as caught:
        remote.ensure(replace(runtime, offline=True), model)
    assert "ONEVOICE_ASSETS_DIR" in caught.value.hint
    assert "firefox-en-ko/" in caught.value.hint


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "file:///etc", "nowhere"])
def test_no_server_there(runtime: Runtime, url: str) -> None:
    with pytest.raises(AssetMissing) as caught:
        Catalogue(url).find(replace(runtime, attempts=1), "firefox-en-ko", "en", "ko")
    assert caught.value.hint


def test_a_file_that_is_gone(runtime: Runtime, server: RemoteSettings) -> None:
    server.publish(("en", "ko"), FILES)
    model = found(runtime, server)
    server.files.clear()
    with pytest.raises(AssetMissing) as caught:
        remote.ensure(runtime, model)
    assert "404" in caught.value.message
    assert len(server.downloads()) == 1


def test_no_such_pair(runtime: Runtime, server: RemoteSettings) -> None:
    server.publish(("en", "ko"), FILES)
    assert look_up(runtime, server, "es") is None
    assert remote.noted(runtime, "firefox-en-es") is None


def test_a_user_may_bring_the_files(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given" / "firefox-en-ko"
    given.mkdir(parents=True)
    monkeypatch.setenv("ONEVOICE_ASSETS_DIR", str(given.parent))
    for name in ("model.bin", "lex.bin", "vocab.spm"):
        (given / name).write_bytes(name.encode())
    offline = replace(runtime, offline=True)
    model = remote.adopt(offline, "firefox-en-ko", "en", "ko")
    assert model is not None
    assert remote.is_here(offline, model)
    folder = remote.ensure(offline, model)
    assert (folder / "lex.bin").read_bytes() == b"lex.bin"
    # Noted once, it must stay the same.
    (folder / "lex.bin").unlink()
    (given / "lex.bin").write_bytes(b"another")
    with pytest.raises(AssetDamaged):
        remote.ensure(offline, model)


def test_can_be_cancelled(runtime: Runtime, server: RemoteSettings) -> None:
    server.publish(("en", "ko"), FILES)
    model = found(runtime, server)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        remote.ensure(replace(runtime, cancel=token), model)


def test_a_damaged_note_counts_as_none(runtime: Runtime, server: RemoteSettings) -> None:
    server.publish(("en", "ko"), FILES)
    model = found(runtime, server)
    note = runtime.models_dir / model.name / "model.json"
    note.write_text(note.read_text(encoding="utf-8")[:50], encoding="utf-8")
    assert remote.noted(runtime, model.name) is None
    assert remote.all_noted(runtime, "firefox-") == ()
