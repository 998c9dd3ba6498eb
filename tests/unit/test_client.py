"""The client of the API against a simulated server that fails, repeats itself, and lies."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from onevoice.client import Client, plain_name, transport
from onevoice.errors import (
    BudgetExceeded,
    ConfigError,
    MediaUnreadable,
    OneVoiceError,
    ServiceFailed,
    ServiceUnavailable,
)
from tests.simulators.api import PART, ApiSimulator
from tests.simulators.base import KEY, Answer


@pytest.fixture
def api() -> Any:
    with ApiSimulator() as running:
        yield running


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, each time; nothing is."""
    found: list[float] = []
    monkeypatch.setattr("time.sleep", found.append)
    return found


@pytest.fixture
def client(api: ApiSimulator, waits: list[float]) -> Any:
    with Client(api.url, KEY, timeout=5) as made:
        yield made


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.mp4"
    path.write_bytes(bytes(range(256)) * 10)  # three parts
    return path


# --- uploads --------------------------------------------------------------------------------


def test_a_file_is_uploaded_in_parts_and_inspected(
    api: ApiSimulator, client: Client, talk: Path, waits: list[float]
) -> None:
    api.looks_until_ready = 3
    told: list[tuple[int, int]] = []
    video = client.upload(talk, tell=lambda done, size: told.append((done, size)))
    assert (video["status"], video["name"], video["size"]) == ("ready", "talk.mp4", 2560)
    assert api.uploaded(video["id"]) == talk.read_bytes()
    assert told == [(PART, 2560), (2 * PART, 2560), (2560, 2560)]
    assert len(waits) == 3
    assert api.storage_keys == [], "the storage is not told the key"


def test_the_same_file_is_uploaded_once(api: ApiSimulator, client: Client, talk: Path) -> None:
    first = client.upload(talk)
    assert client.upload(talk) == first
    assert len(api.state["videos"]) == 1
    assert len(api.requests("/storage/")) == 3
    other = client.upload(talk, name="Other.mp4")
    assert other["id"] != first["id"]


def test_an_upload_that_was_killed_goes_on(api: ApiSimulator, client: Client, talk: Path) -> None:
    api.faults.plan("status", status=403, path="/storage/vid_0/2")
    with pytest.raises(ServiceFailed, match="storage answered 403"):
        client.upload(talk)
    video = client.upload(talk)
    assert (video["id"], video["status"]) == ("vid_0", "ready")
    assert api.uploaded("vid_0") == talk.read_bytes()


@pytest.mark.parametrize("gone", ["deleted", "rejected"])
def test_a_video_that_is_gone_is_uploaded_anew(
    api: ApiSimulator, client: Client, talk: Path, gone: str
) -> None:
    client.upload(talk)
    if gone == "deleted":
        del api.state["videos"]["vid_0"]
        api.state["videos"]["vid_x"] = {}  # ids are not given twice
    else:
        api.state["videos"]["vid_0"]["status"] = "rejected"
    video = client.upload(talk)
    assert (video["id"], video["status"]) == ("vid_1", "ready")
    assert client.upload(talk) == video


def test_a_video_that_is_no_good(api: ApiSimulator, client: Client, talk: Path) -> None:
    api.rejects = {"code": "media_no_audio", "message": "no sound", "hint": "choose another"}
    with pytest.raises(MediaUnreadable, match=r"talk\.mp4: no sound") as caught:
        client.upload(talk)
    assert caught.value.hint == "choose another"


def test_a_file_that_cannot_be_read(api: ApiSimulator, client: Client, tmp_path: Path) -> None:
    with pytest.raises(MediaUnreadable, match="cannot be read"):
        client.upload(tmp_path)
    assert api.log == []


# --- jobs -----------------------------------------------------------------------------------


def test_a_job_is_begun_once_and_comes_back_as_it_stands(api: ApiSimulator, client: Client) -> None:
    first = client.dub("vid_1", ["es"], options={"speakers": 2})
    assert first["status"] == "queued"
    again = client.dub("vid_1", ["es"], options={"speakers": 2})
    assert (again["id"], again["status"]) == (first["id"], "done")
    assert client.dub("vid_1", ["es"])["id"] != first["id"]
    assert client.dub("vid_1", ["es"], key="mine")["id"] != first["id"]
    assert len(api.state["jobs"]) == 3


def test_a_round_is_tried_again_once(api: ApiSimulator, client: Client) -> None:
    api.ends = {"es": "failed"}
    job = client.job(client.dub("vid_1", ["es"])["id"])
    assert (job["status"], job["round"]) == ("failed", 1)
    assert client.retry(job)["round"] == 2
    assert client.retry(job)["round"] == 2, "an answer that was lost"
    assert client.cancel(job["id"])["status"] == "cancelled"


def event(seq: int, kind: str = "job.progress", **data: Any) -> bytes:
    body = json.dumps({"seq": seq, "kind": kind, "data": data}, ensure_ascii=False)
    return f"id: {seq}\nevent: {kind}\ndata: {body}\n\n".encode()


def test_events_go_on_where_they_were_cut(
    api: ApiSimulator, client: Client, waits: list[float]
) -> None:
    job = client.dub("vid_1", ["es"])
    text = "a\u2028b\x85c"  # ends of lines for Unicode, and for nobody else
    api.events = [event(1), event(2, text=text), event(3), event(4, "job.done")]
    api.faults.plan("cut", path="/events")
    api.faults.plan("status", status=503, path="/events")
    found = list(client.follow(job["id"]))
    assert [e["seq"] for e in found] == [1, 2, 3, 4]
    assert found[1]["data"]["text"] == text
    asked = [entry.headers["last-event-id"] for entry in api.requests("/events")]
    assert asked == ["0", "2", "2"]
    assert waits == [1.0, 2.0]


def test_a_stream_that_nobody_sends(api: ApiSimulator, client: Client, waits: list[float]) -> None:
    job = client.dub("vid_1", ["es"])
    api.faults.plan("status", status=503, times=99, path="/events")
    with pytest.raises(ServiceUnavailable, match="does not answer"):
        list(client.follow(job["id"]))
    assert len(api.requests("/events")) == transport.ATTEMPTS
    api.faults = type(api.faults)()
    api.faults.plan("status", status=404, path="/events")
    with pytest.raises(ServiceFailed):
        list(client.follow(job["id"]))


# --- what goes wrong ------------------------------------------------------------------------


def test_it_waits_as_long_as_it_is_asked_to(
    api: ApiSimulator, client: Client, waits: list[float]
) -> None:
    job = client.dub("vid_1", ["es"])
    for seconds in (3, 7200):
        api.faults.plan("status", status=429, retry_after=seconds, path="/jobs/")
    api.faults.plan("status", status=500, path="/jobs/")
    assert client.job(job["id"])["status"] == "done"
    assert waits == [3.0, transport.PATIENCE_S, 4.0]


@pytest.mark.parametrize("status", [429, 503])
def test_in_the_end_it_gives_up(api: ApiSimulator, client: Client, status: int) -> None:
    api.faults.plan("status", status=status, times=99, message="not now")
    with pytest.raises(ServiceUnavailable, match="not now"):
        client.job("job_1")
    assert len(api.log) == transport.ATTEMPTS


@pytest.mark.parametrize(
    ("status", "kind"),
    [(402, BudgetExceeded), (403, ConfigError), (404, ServiceFailed), (422, ServiceFailed)],
)
def test_what_is_refused_is_not_asked_again(
    api: ApiSimulator, client: Client, status: int, kind: type[OneVoiceError]
) -> None:
    api.faults.plan("status", status=status, message="because")
    with pytest.raises(kind, match="because") as caught:
        client.job("job_1")
    assert caught.value.hint == "a hint"
    assert len(api.log) == 1


def test_a_wrong_key(api: ApiSimulator, waits: list[float]) -> None:
    with Client(api.url, "ov_wrong_s3cret") as wrong, pytest.raises(ConfigError) as caught:
        wrong.job("job_1")
    assert caught.value.hint == "check ONEVOICE_API_KEY"
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "two words", "ключ", "ov_a\nX-Header: b"])
def test_no_key_at_all(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Client("http://127.0.0.1", key)
    assert "Header" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "api.example.com", "ftp://x.example", "http://", "http://a:b", "http://[", "file:///x"],
)
def test_no_address_of_a_server(url: str) -> None:
    with pytest.raises(ConfigError, match="no address"):
        Client(url, KEY)


def test_nobody_is_there(waits: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        Client(f"http://127.0.0.1:{port}/v1/", KEY) as away,
        pytest.raises(ServiceUnavailable, match=f":{port} does not answer"),
    ):
        away.job("job_1")
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0]


def test_another_kind_of_server(api: ApiSimulator, client: Client) -> None:
    job = client.dub("vid_1", ["es"])
    api.faults.plan("body", body="<html>Welcome</html>")
    with pytest.raises(ServiceFailed, match="does not answer as a OneVoice server"):
        client.job(job["id"])
    api.faults.plan("status", status=301)
    with pytest.raises(ServiceFailed):
        client.job("job_1")


def test_an_id_is_no_path(api: ApiSimulator, client: Client) -> None:
    with pytest.raises(ServiceFailed):
        client.job("../videos/vid_1?x=")
    (entry,) = api.log
    assert entry.path == "/v1/jobs/..%2Fvideos%2Fvid_1%3Fx%3D"


# --- results --------------------------------------------------------------------------------


def results(client: Client) -> list[Any]:
    job = client.job(client.dub("vid_1", ["es"])["id"])
    return client.results(job["id"])


def test_results_are_fetched_whole(api: ApiSimulator, client: Client, tmp_path: Path) -> None:
    video, subtitles = results(client)
    api.faults.plan("cut", path="/storage/")
    api.faults.plan("status", status=503, path="/storage/")
    path = client.download(video, tmp_path)
    assert path == tmp_path / "talk.es.mp4"
    assert path.read_bytes() == b"content of " + b"job_0.es.mp4" * 50
    mine = client.download(subtitles, tmp_path, name="mine: 1.srt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine: 1.srt", "talk.es.mp4"]
    assert mine.read_bytes().endswith(b"es.srt")
    assert api.storage_keys == []


def test_a_result_that_is_gone(api: ApiSimulator, client: Client, tmp_path: Path) -> None:
    (video, _) = results(client)
    (tmp_path / "talk.es.mp4").write_bytes(b"before")
    api.faults.plan("status", status=403, path="/storage/")
    with pytest.raises(ServiceFailed, match="storage answered 403"):
        client.download(video, tmp_path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x.example/y", "", "//x/y"])
def test_an_address_that_is_no_address_of_a_file(client: Client, tmp_path: Path, url: str) -> None:
    with pytest.raises(OneVoiceError, match="no address"):
        client.download({"name": "talk.es.mp4", "url": url}, tmp_path)


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("talk.es.mp4", "talk.es.mp4"),
        ("../../talk.es.mp4", "talk.es.mp4"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\talk.mp4", "talk.mp4"),
        ("말씀 1.ko.mp4", "말씀 1.ko.mp4"),
    ],
)
def test_names_of_results_are_names_alone(name: str, becomes: str) -> None:
    assert plain_name(name) == becomes


@pytest.mark.parametrize("name", ["", ".", "..", "a/..", "/", ".bashrc", "a\0b", "a\nb", "C:x"])
def test_names_that_no_file_may_have(
    client: Client, api: ApiSimulator, tmp_path: Path, name: str
) -> None:
    file = {"name": name, "url": f"{api.url}/storage/x"}
    with pytest.raises(ServiceFailed, match="no name for a file"):
        client.download(file, tmp_path / "dubs")
    assert list(tmp_path.iterdir()) == []
    assert api.log == []


def test_the_storage_says_nothing_of_the_part(
    api: ApiSimulator, client: Client, talk: Path
) -> None:
    api._put_part = lambda request: Answer()  # type: ignore[method-assign]
    api._routes = [(m, p, api._put_part if m == "PUT" else run) for m, p, run in api._routes]
    with pytest.raises(ServiceFailed, match="storage answered 200"):
        client.upload(talk)
