"""A dub as a process of its own: real processes, real ffmpeg, engines that are fakes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from onevoice import media
from onevoice.server.jobs.orders import (
    AnalysisFinished,
    Artifacts,
    Edit,
    Event,
    Failed,
    Finished,
    LanguageDone,
    LanguageFailed,
    Limits,
    Order,
    Remote,
    StageFinished,
    StageProgress,
    StageStarted,
    Started,
    Warned,
)
from onevoice.server.jobs.process import DubCrashed, DubProcess, DubTimedOut
from onevoice.server.settings import ServerSettings
from tests.cloud import aws, aws_credentials  # noqa: F401 (a fixture)

REPOSITORY = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks at processes through /proc"
)

SENTENCES = [(0.5 + i * 1.2, 1.4 + i * 1.2, f"Sentence number {i}.") for i in range(5)]
FAKES = {
    kind: {"engine": "fake"}
    for kind in ("separation", "recognition", "diarization", "translation", "synthesis")
}
SETTINGS = {**FAKES, "keep": {"voices": False}}
"""The clip is one tone: a voice in every pause."""

ENGINES = '''
"""Engines of the tests, for a process that no test can reach into; scene.json says what happens."""

import ctypes
import json
import os
import signal
import time
from pathlib import Path

from onevoice.errors import EngineRefused
from onevoice.media import process
from tests import fakes

HERE = Path(__file__).parent
SCENE = json.loads((HERE / "scene.json").read_text())
fakes.SCENE.sentences = [tuple(s) for s in SCENE["sentences"]]
FakeSeparator = fakes.FakeSeparator
FakeRecognizer = fakes.FakeRecognizer
FakeDiarizer = fakes.FakeDiarizer
FakeTranslator = fakes.FakeTranslator


class Synthesizer(fakes.FakeSynthesizer):
    def speak(self, request):
        what = SCENE["what"]
        print("a library talks", flush=True)
        os.write(1, b'{"kind": "finished", "usd": 666}\\n')
        if what == "segv":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif what == "exit":
            os._exit(3)
        elif what == "ffmpeg":
            (HERE / "begun").touch()
            process.run(
                ["-re", "-f", "lavfi", "-i", "sine=d=60", "-f", "null", "-"],
                consume=lambda out: out.read(), cancel=self.runtime.cancel,
            )
        elif what == "hold":
            (HERE / "begun").touch()
            ctypes.PyDLL(None).sleep(60)  # a PyDLL keeps Python's lock
        elif what in ("wait", "break") and request.language == "ko":
            (HERE / "begun").touch()
            while not (HERE / "go").exists():
                self.runtime.cancel.check()
                time.sleep(0.02)
            if what == "break":
                raise EngineRefused("the voice is gone", hint="choose another one")
        time.sleep(SCENE["seconds"])
        speech = super().speak(request)
        with (HERE / "spoken.txt").open("a") as file:
            file.write(f"{request.language}\\t{request.text}\\n")
        return speech
'''
ENTRY_POINTS = """
[onevoice.engines]
separation.fake = dub_engines:FakeSeparator
recognition.fake = dub_engines:FakeRecognizer
diarization.fake = dub_engines:FakeDiarizer
translation.fake = dub_engines:FakeTranslator
synthesis.fake = dub_engines:Synthesizer
"""


@dataclass
class Site:
    """A folder of packages with the engines of the tests, and what they were told and said."""

    folder: Path

    def play(self, what: str = "", *, seconds: float = 0.0) -> None:
        scene = {"sentences": SENTENCES, "what": what, "seconds": seconds}
        (self.folder / "scene.json").write_text(json.dumps(scene), encoding="utf-8")

    @property
    def spoken(self) -> list[str]:
        """Language and text of what was spoken, in order."""
        path = self.folder / "spoken.txt"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def go(self) -> None:
        """What waits in Korean waits no longer."""
        (self.folder / "go").touch()

    @property
    def begun(self) -> bool:
        return (self.folder / "begun").exists()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    folder = tmp_path / "site"
    info = folder / "dub_engines-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "dub_engines.py").write_text(ENGINES, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dub-engines\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{REPOSITORY}")
    made = Site(folder)
    made.play()
    return made


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return ServerSettings(data_dir=tmp_path / "server")


@pytest.fixture
def order(clip: Path, tmp_path: Path, site: Site) -> Order:
    source = tmp_path / "source"  # as the worker fetched it: no name, no suffix
    source.write_bytes(clip.read_bytes())
    return Order(
        source=source,
        name="../My <b>talk.mp4",
        languages=("es",),
        profile="embedded",
        settings=SETTINGS,
        out=tmp_path / "job",
        artifacts=Artifacts(local=tmp_path / "artifacts"),
    )


@dataclass
class Told:
    """The events of a run, by kind."""

    events: list[Event] = field(default_factory=list)

    def all(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def one(self, kind: type[Any]) -> Any:
        (event,) = self.all(kind)
        return event

    def done(self, *languages: str) -> list[LanguageDone]:
        """What was told of these languages, which are all that are done."""
        known = {event.language: event for event in self.all(LanguageDone)}
        assert sorted(event.language for event in self.all(LanguageDone)) == sorted(languages)
        return [known[language] for language in languages]


def perform(order: Order, settings: ServerSettings) -> Told:
    async def all_of_it() -> Told:
        told = Told()
        async with DubProcess(order, settings=settings) as run:
            async for event in run.events():
                told.events.append(event)
            pid = run.pid
        assert session(pid) == [], "nothing is left of it"
        return told

    return asyncio.run(all_of_it())


def session(leader: int) -> list[psutil.Process]:
    """The living processes of a session."""
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def until(condition: Callable[[], Any], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


# --- what is told ---------------------------------------------------------------------------


def test_the_events_of_a_dub_are_complete_and_in_order(
    order: Order, settings: ServerSettings, site: Site
) -> None:
    site.play(seconds=0.05)
    told = perform(order.model_copy(update={"languages": ("es", "fr", "KO")}), settings)
    kinds = [event.kind for event in told.events]
    assert kinds[0] == "started" and kinds[-1] == "finished"
    assert kinds.count("finished") == 1, "what libraries print is no event"
    started = told.one(Started)
    assert started.languages == ("es", "fr", "ko")
    assert started.duration == pytest.approx(8.0, abs=0.2)

    told.one(AnalysisFinished)
    at = kinds.index("analysis_finished")
    before = [e.stage for e in told.events[:at] if isinstance(e, StageFinished)]
    assert before == ["extract", "separate", "transcribe", "diarize", "look", "segment"]
    for language in ("es", "ko"):
        finished = [e.stage for e in told.all(StageFinished) if e.language == language]
        assert finished == ["translate", "synthesize", "fit", "mix", "mux", "report"]
        begun = [e.stage for e in told.all(StageStarted) if e.language == language]
        assert begun == finished
    assert any(e.stage == "synthesize" for e in told.all(StageProgress))

    spanish, _ = told.done("es", "ko")
    assert [f.kind for f in spanish.files] == ["video", "subtitles", "subtitles", "report"]
    assert all(f.path.is_file() and f.path.is_relative_to(order.out) for f in spanish.files)
    assert spanish.files[0].path == order.out / "video.es.mp4"
    assert spanish.files[0].media_type == "video/mp4"
    assert [f.name for f in spanish.files][:2] == ["My -b-talk.es.mp4", "My -b-talk.es.srt"]
    assert [a.language for a in media.probe(spanish.files[0].path).audio] == ["spa"]
    assert [line.text for line in spanish.lines] == [f"es: {text}" for _, _, text in SENTENCES]
    assert spanish.lines[0].source_text == SENTENCES[0][2]
    assert spanish.lines[0].voice and not spanish.lines[0].keep
    assert spanish.measures["lines"]["value"] == 5
    assert spanish.changed_seconds is None
    assert not any(stage.cached for stage in spanish.stages)

    french = told.one(LanguageFailed)
    assert french.language == "fr" and french.error.code == "engine_refused"
    assert order.project.is_dir()


def test_a_video_that_is_none_is_told_without_our_paths(
    order: Order, settings: ServerSettings, tmp_path: Path
) -> None:
    order.source.write_bytes(b"this is no video" * 100)
    failed = perform(order.model_copy(update={"name": "Talk.mp4"}), settings).one(Failed)
    assert failed.error.code == "media_unreadable"
    assert "Talk" in failed.error.message
    assert str(tmp_path) not in failed.error.message + failed.error.hint


def test_a_glossary_is_used(order: Order, settings: ServerSettings, site: Site) -> None:
    glossary = [{"term": "Sentence", "keep": True, "pronunciation": {"es": "Fraze"}}]
    wanted = order.model_copy(update={"settings": {**SETTINGS, "glossary": glossary}})
    perform(wanted, settings).one(Finished)
    assert all("Fraze" in text for text in site.spoken) and site.spoken


# --- one language while others go on --------------------------------------------------------

ONE_BY_ONE = {**SETTINGS, "run": {"parallel_languages": 1}}


def test_a_language_is_told_of_while_the_next_is_spoken(
    order: Order, settings: ServerSettings, site: Site
) -> None:
    site.play("wait")
    wanted = order.model_copy(update={"languages": ("es", "ko"), "settings": ONE_BY_ONE})

    async def story() -> Told:
        told = Told()
        async with DubProcess(wanted, settings=settings) as run:
            async for event in run.events():
                told.events.append(event)
                if isinstance(event, LanguageDone) and event.language == "es":
                    async with asyncio.timeout(30):
                        while not site.begun:
                            await asyncio.sleep(0.02)
                    video = event.files[0].path
                    assert [a.language for a in media.probe(video).audio] == ["spa"]
                    assert all(file.path.is_file() for file in event.files)
                    assert not [text for text in site.spoken if text.startswith("ko")]
                    site.go()
        return told

    told = asyncio.run(story())
    spanish, korean = told.done("es", "ko")
    assert len(spanish.lines) == len(korean.lines) == len(SENTENCES)
    spoken = [e for e in told.all(StageFinished) if (e.stage, e.language) == ("synthesize", "ko")]
    assert told.events.index(spanish) < told.events.index(spoken[0])
    told.one(Finished)


@pytest.mark.parametrize("end", ["break", "kill", "stop"])
def test_what_becomes_of_the_next_language_leaves_the_first_done(
    order: Order, settings: ServerSettings, site: Site, end: str
) -> None:
    site.play("break" if end == "break" else "wait")
    wanted = order.model_copy(update={"languages": ("es", "ko"), "settings": ONE_BY_ONE})
    told = Told()

    async def story() -> None:
        async with DubProcess(wanted, settings=settings) as run:
            async for event in run.events():
                told.events.append(event)
                if isinstance(event, LanguageDone):
                    async with asyncio.timeout(30):
                        while not site.begun:
                            await asyncio.sleep(0.02)
                    if end == "break":
                        site.go()
                    elif end == "kill":
                        psutil.Process(run.pid).children()[0].kill()
                    else:
                        await run.stop(grace=10)

    if end == "kill":
        with pytest.raises(DubCrashed, match="SIGKILL"):
            asyncio.run(story())
    else:
        asyncio.run(story())
    (spanish,) = told.done("es")
    assert all(file.path.is_file() for file in spanish.files)
    if end == "break":
        failed = told.one(LanguageFailed)
        assert (failed.language, failed.error.code) == ("ko", "engine_refused")
        assert isinstance(told.events[-1], Finished)
        return
    assert told.all(LanguageFailed) == [], "it is only not done yet"
    assert [e.error.code for e in told.all(Failed)] == (["cancelled"] if end == "stop" else [])
    # The next attempt is asked for what is left.
    site.go()
    again = perform(wanted.model_copy(update={"languages": ("ko",)}), settings)
    again.done("ko")
    assert len(site.spoken) == len(set(site.spoken)) == 2 * len(SENTENCES)


# --- resuming and editing -------------------------------------------------------------------


@pytest.fixture(params=["folder", "bucket"])
def stored(
    request: pytest.FixtureRequest,
    settings: ServerSettings,
    aws_credentials: None,  # noqa: F811
) -> Iterator[ServerSettings]:
    """Settings of a server that keeps things in a folder, and of one that keeps them in S3."""
    if request.param == "folder":
        yield settings
        return
    with aws() as cloud:
        yield settings.model_copy(
            update={"s3_bucket": cloud.bucket(), "aws_endpoint_url": cloud.endpoint}
        )


def on_another_worker(order: Order, folder: Path) -> Order:
    """The order on a machine with nothing of it: what is shared is the storage alone."""
    remote = Remote(prefix="accounts/usr_1/artifacts")
    artifacts = Artifacts(local=folder / "cache", remote=remote)
    return order.model_copy(update={"artifacts": artifacts, "out": folder / "job"})


def test_another_worker_repeats_no_finished_stage(
    order: Order, stored: ServerSettings, site: Site, tmp_path: Path
) -> None:
    perform(on_another_worker(order, tmp_path / "a"), stored).one(LanguageDone)
    spoken = site.spoken
    assert len(spoken) == len(SENTENCES)
    done = perform(on_another_worker(order, tmp_path / "b"), stored).one(LanguageDone)
    assert [s.name for s in done.stages if not s.cached] == ["mux"]
    assert site.spoken == spoken


def test_another_worker_goes_on_where_one_was_killed(
    order: Order, settings: ServerSettings, site: Site, tmp_path: Path
) -> None:
    site.play(seconds=0.3)

    async def killed() -> None:
        async with DubProcess(on_another_worker(order, tmp_path / "a"), settings=settings) as run:
            with pytest.raises(DubCrashed):
                async for event in run.events():
                    spoken = event.done if isinstance(event, StageProgress) else 0
                    if spoken >= 2 and event.stage == "synthesize":
                        (dub,) = psutil.Process(run.pid).children()
                        dub.kill()

    asyncio.run(killed())
    before = len(site.spoken)
    assert 2 <= before < len(SENTENCES)
    site.play()
    done = perform(on_another_worker(order, tmp_path / "b"), settings).one(LanguageDone)
    fresh = {stage.name for stage in done.stages if not stage.cached}
    assert fresh == {"synthesize", "fit", "mix", "mux"}
    # The line that was being kept when the kill came may be spoken again, none before it.
    assert set(site.spoken[before:]).isdisjoint(site.spoken[: before - 1])
    assert len(set(site.spoken)) == len(SENTENCES)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_edit_speaks_that_line_and_counts_its_seconds(
    order: Order, settings: ServerSettings, site: Site, tmp_path: Path, elsewhere: bool
) -> None:
    first = perform(order, settings).one(LanguageDone)
    before = site.spoken
    edited = first.lines[1]
    again = order.model_copy(
        update={
            "languages": ("ko", "es"),
            "out": tmp_path / "elsewhere" if elsewhere else order.out,
            "previous_lines": {"es": first.lines},
            "edits": {
                "es": {
                    edited.id: Edit(text="Otra frase mía."),
                    first.lines[3].id: Edit(keep=True),
                    "s9999": Edit(text="gone"),
                }
            },
        }
    )
    told = perform(again, settings)
    korean, done = told.done("ko", "es")
    anew = [text for text in site.spoken[len(before) :] if text.startswith("es\t")]
    assert anew == ["es\tOtra frase mía."]
    assert done.lines[1].text == "Otra frase mía." and done.lines[3].keep
    assert [w.line for w in told.all(Warned) if w.code == "edit_lost"] == ["s9999"]
    window = sum(first.lines[i].end - first.lines[i].start for i in (1, 3))
    assert window <= done.changed_seconds < window + 1
    assert korean.changed_seconds is None
    assert len(site.spoken) == 2 * len(SENTENCES) + 1
    third = perform(again.model_copy(update={"previous_lines": {"es": done.lines}}), settings)
    assert third.done("ko", "es")[1].changed_seconds == 0
    assert len(site.spoken) == 2 * len(SENTENCES) + 1


def test_an_edit_that_cannot_be_made_fails_its_language(
    order: Order, settings: ServerSettings, tmp_path: Path
) -> None:
    (first,) = perform(order, settings).all(LanguageDone)
    (order.project / "lines.es.yaml").write_text("lines: damaged", encoding="utf-8")
    edits = {"es": {first.lines[0].id: Edit(text="Hola.")}}
    wanted = order.model_copy(update={"languages": ("es", "ko"), "edits": edits})
    told = perform(wanted, settings)
    assert told.one(LanguageDone).language == "ko"
    failed = told.one(LanguageFailed)
    assert (failed.language, failed.error.code) == ("es", "project_invalid")
    assert str(tmp_path) not in failed.error.message
    told.one(Finished)


# --- stopping -------------------------------------------------------------------------------


def test_stopping_is_graceful_and_loses_no_line(
    order: Order, settings: ServerSettings, site: Site
) -> None:
    site.play(seconds=0.3)

    async def stopped() -> list[Event]:
        events = []
        async with DubProcess(order, settings=settings) as run:
            async for event in run.events():
                events.append(event)
                if isinstance(event, StageProgress) and event.stage == "synthesize" and event.done:
                    await run.stop(grace=10)
            assert session(run.pid) == []
        return events

    last = asyncio.run(stopped())[-1]
    assert isinstance(last, Failed) and last.error.code == "cancelled"
    assert 1 <= len(site.spoken) < len(SENTENCES)
    site.play()
    perform(order, settings).one(LanguageDone)
    assert len(site.spoken) == len(SENTENCES), "no line was spoken twice"


def test_what_does_not_stop_is_stopped(order: Order, settings: ServerSettings, site: Site) -> None:
    site.play("hold")

    async def stopped() -> tuple[list[Event], float]:
        async with DubProcess(order, settings=settings) as run:
            while not site.begun:
                await asyncio.sleep(0.02)
            began = time.monotonic()
            await run.stop(grace=0.3)
            took = time.monotonic() - began
            assert session(run.pid) == []
            return [event async for event in run.events()], took

    events, took = asyncio.run(stopped())
    assert isinstance(events[-1], Failed) and events[-1].error.code == "cancelled"
    assert took < 4


def test_a_dub_that_takes_too_long_is_ended(order: Order, tmp_path: Path, site: Site) -> None:
    site.play("ffmpeg")
    settings = ServerSettings(data_dir=tmp_path / "server", job_hours=3 / 3600)
    with pytest.raises(DubTimedOut, match=r"more than 0\.0008"):
        perform(order, settings)


# --- dying ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "says"), [("segv", "SIGSEGV"), ("exit", "status 3"), ("ffmpeg", "SIGKILL")]
)
def test_a_crash_is_an_error_and_no_end_of_the_worker(
    order: Order, settings: ServerSettings, site: Site, what: str, says: str
) -> None:
    site.play(what)

    async def crashed() -> None:
        async with DubProcess(order, settings=settings) as run:
            if what == "ffmpeg":
                while not any(p.name().startswith("ffmpeg") for p in session(run.pid)):
                    await asyncio.sleep(0.05)
                (dub,) = psutil.Process(run.pid).children()
                dub.kill()  # as the kernel does when memory runs out
            with pytest.raises(DubCrashed, match=says) as caught:
                async for _ in run.events():
                    pass
            assert caught.value.retryable
            assert session(run.pid) == []

    asyncio.run(crashed())
    site.play()
    perform(order, settings).one(LanguageDone)


OWNER = """
import asyncio, sys
from onevoice.server.jobs.orders import Order
from onevoice.server.jobs.process import DubProcess
from onevoice.server.settings import ServerSettings

async def own():
    order = Order.model_validate_json(sys.argv[1])
    async with DubProcess(order, settings=ServerSettings(data_dir=sys.argv[2])) as run:
        print(run.pid, flush=True)
        async for event in run.events():
            pass

asyncio.run(own())
"""


@pytest.mark.parametrize("what", ["ffmpeg", "hold"])
def test_a_killed_worker_leaves_no_process_behind(
    order: Order, site: Site, tmp_path: Path, what: str
) -> None:
    site.play(what)
    command = [sys.executable, "-c", OWNER, order.model_dump_json(), str(tmp_path / "server")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        leader = int(owner.stdout.readline())
        until(lambda: site.begun, 30, "the engine is at work")
        if what == "ffmpeg":
            until(lambda: any(p.name().startswith("ffmpeg") for p in session(leader)), 10, "ffmpeg")
        assert len(session(leader)) >= 2
        owner.send_signal(signal.SIGKILL)
        until(lambda: not session(leader), 2, "the dub and its ffmpeg are gone")


# --- what it gets to know -------------------------------------------------------------------


def test_no_secret_of_the_server_is_in_the_environment(
    order: Order, settings: ServerSettings, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "ONEVOICE_SERVER_DATABASE_URL", "ONEVOICE_SERVER_TOKEN_KEYS",
        "ONEVOICE_SERVER_PADDLE_API_KEY", "ONEVOICE_SERVER_PADDLE_WEBHOOK_SECRETS",
        "ONEVOICE_SERVER_METRICS_TOKEN", "PADDLE_API_KEY", "DATABASE_URL", "PGPASSWORD",
        "SECRET_KEY", "GITHUB_TOKEN",
    ):  # fmt: skip
        monkeypatch.setenv(name, "never-to-be-seen")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-the-engine")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "for-the-storage")
    monkeypatch.setenv("ONEVOICE_RUN__THREADS", "1")
    site.play("ffmpeg")

    async def look() -> list[bytes]:
        async with DubProcess(order, settings=settings) as run:
            while not site.begun:
                await asyncio.sleep(0.02)
            return [Path(f"/proc/{p.pid}/environ").read_bytes() for p in session(run.pid)]

    environs = asyncio.run(look())
    assert len(environs) >= 2
    for environ in environs:
        assert b"never-to-be-seen" not in environ
        assert b"sk-for-the-engine" in environ and b"for-the-storage" in environ
        assert b"ONEVOICE_RUN__THREADS=1" in environ


def test_the_limits_of_a_dub(order: Order, settings: ServerSettings, site: Site) -> None:
    site.play("ffmpeg")
    limits = Limits(nice=3, memory=1 << 40)

    async def look() -> None:
        wanted = order.model_copy(update={"limits": limits})
        async with DubProcess(wanted, settings=settings) as run:
            while not site.begun:
                await asyncio.sleep(0.02)
            (dub,) = psutil.Process(run.pid).children()
            assert dub.nice() == psutil.Process().nice() + 3
            assert dub.rlimit(psutil.RLIMIT_CORE) == (0, 0)
            assert dub.rlimit(psutil.RLIMIT_AS) == (1 << 40, 1 << 40)
            assert psutil.Process(run.pid).nice() == psutil.Process().nice()
            assert psutil.Process(run.pid).memory_info().rss < 40 << 20, "the guard is small"

    asyncio.run(look())
