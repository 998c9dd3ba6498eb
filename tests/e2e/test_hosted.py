"""The hosted service, whole: Gunicorn, two workers, PostgreSQL, S3, SQS, SES and SNS.

Ada has the sample dubbed into two languages, each of which is another worker's; then she changes
one line. Bob has a clip of his own. What happened is looked at from outside: answers, files,
mails, messages, rows and logs. It is played once; every test looks at a part of it.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy
import standardwebhooks
import yaml
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends
from sqlalchemy.ext.asyncio import create_async_engine

from onevoice import media
from onevoice.engines.base import Runtime
from onevoice.engines.recognition.whisper import Whisper
from onevoice.server.billing.plans import BUILT_IN
from onevoice.speakable import speakable
from tests.cloud import REGION, Aws, aws
from tests.conftest import SAMPLE, shared_cache
from tests.contract.sample import ignore
from tests.e2e.hosting import SECRETS, Site, hosted, until
from tests.e2e.test_sample import ISO, error_rate, letters, picture
from tests.postgres import Postgres

pytestmark = [pytest.mark.models, pytest.mark.slow]

LANGUAGES = ("pt", "es")
ANALYSIS = {"extract", "separate", "transcribe", "diarize", "segment"}
PASSWORD = "stapler whale lantern sofa"
ADA, BOB = "ada@example.com", "bob@example.org"
TEXT = "Parabéns, deu tudo certo!"
ENDED = {"done", "partial", "failed", "cancelled"}
PATIENCE_S = 900


class Receiver:
    """A server of Ada's that messages are posted to. The first it gets, it refuses.

    Signatures are looked at when they come, as they are good for five minutes.
    """

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.verifier: standardwebhooks.Webhook | None = None
        self.verified = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {k.lower(): v for k, v in self.headers.items()}
                receiver.got.append((headers, body))
                if receiver.verifier is not None:
                    with suppress(standardwebhooks.WebhookVerificationError):
                        receiver.verifier.verify(body, headers)
                        receiver.verified += 1
                self.send_response(503 if len(receiver.got) == 1 else 204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """``got`` is the log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Person:
    """Somebody who uses the service, as a program of theirs would."""

    def __init__(self, site: Site, email: str) -> None:
        self.site, self.email = site, email
        self.http = httpx.Client(base_url=f"{site.url}/v1", timeout=60)
        self.unverified = httpx.Response(0)
        self.secrets: list[str] = []

    def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        given = {"json": body} if body is not None else {}
        answer = self.http.request(method, path, headers=headers, **given)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def join(self) -> None:
        """Register, follow the link of the mail, log in, and go on with a key."""
        login = {"email": self.email, "password": PASSWORD}
        self.ok("POST", "/auth/register", login)
        tokens = self.ok("POST", "/auth/login", login)
        self.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        self.unverified = self.http.post("/videos", json={"name": "x", "size": 1})
        until(lambda: mails_to(self.email), 60, "the mail came")
        (link,) = re.findall(r'href="([^"]*#token=[^"]+)"', mails_to(self.email)[0].body)[:1]
        page, _, token = link.partition("#token=")
        assert page.startswith(self.site.url)
        assert httpx.get(page).status_code == 200
        self.ok("POST", "/auth/verify", {"token": token, "password": PASSWORD})
        scopes = ["videos:read", "videos:write", "jobs:read", "jobs:write", "billing:read",
                  "webhooks:read", "webhooks:write"]  # fmt: skip
        key = self.ok("POST", "/auth/api-keys", {"name": "program", "scopes": scopes})["key"]
        self.secrets = [tokens["access_token"], tokens["refresh_token"], token, key, PASSWORD]
        self.http.headers["Authorization"] = f"Bearer {key}"

    def upload(self, path: Path) -> str:
        """In parts, straight to the bucket."""
        new = self.ok("POST", "/videos", {"name": path.name, "size": path.stat().st_size})
        video, upload = new["video"]["id"], new["upload"]
        parts = []
        with path.open("rb") as file:
            for part in upload["urls"]:
                answer = httpx.put(part["url"], content=file.read(upload["part_size"]))
                assert answer.status_code == 200, answer.text
                parts.append({"number": part["number"], "etag": answer.headers["etag"]})
        self.ok("POST", f"/videos/{video}/complete", {"parts": parts})

        def ready() -> bool:
            found = self.ok("GET", f"/videos/{video}")
            assert found["status"] != "rejected", found
            return bool(found["status"] == "ready")

        until(ready, 120, "the video is inspected")
        return str(video)

    def follow(self, job: str, after: int = 0, most: int = 10**9) -> list[dict[str, Any]]:
        """The events of a job until it has ended, or the first of them."""
        found: list[dict[str, Any]] = []
        begun = {"Last-Event-ID": str(after)} if after else {}
        timeout = httpx.Timeout(60, read=PATIENCE_S)
        with self.http.stream("GET", f"/jobs/{job}/events", headers=begun, timeout=timeout) as s:
            assert s.headers["content-type"].startswith("text/event-stream")
            for line in s.iter_lines():
                if line.startswith("data: "):
                    found.append(json.loads(line.removeprefix("data: ")))
                    if len(found) == most:
                        break
        return found

    def fetch(self, job: str, folder: Path) -> dict[str, Path]:
        """The results, by language and kind."""
        folder.mkdir()
        made = {}
        for file in self.ok("GET", f"/jobs/{job}/results")["files"]:
            answer = httpx.get(file["url"])  # no login: the address is the right to it
            assert answer.status_code == 200
            assert len(answer.content) == file["size"]
            assert answer.headers["content-type"] == file["media_type"]
            assert f'filename="{file["name"]}"' in answer.headers["content-disposition"]
            path = folder / file["name"]
            path.write_bytes(answer.content)
            made[f"{file['language']}.{path.suffix[1:]}"] = path
        return made


@dataclass
class Story:
    """What happened."""

    site: Site
    cloud: Aws
    ada: Person
    bob: Person
    receiver: Receiver
    video: str = ""
    job: str = ""
    quote: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    dubs: dict[str, Path] = field(default_factory=dict)
    lines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    spoken: dict[str, str] = field(default_factory=dict)
    after_first: dict[str, Any] = field(default_factory=dict)
    redub_seconds: int = 0
    redubbed: dict[str, Path] = field(default_factory=dict)
    spoken_anew: list[str] = field(default_factory=list)
    bobs_job: str = ""
    end_secret: str = ""
    published: list[dict[str, Any]] = field(default_factory=list)
    exits: dict[str, int] = field(default_factory=dict)
    traffic: dict[str, list[str]] = field(default_factory=dict)
    check: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    def rows(self, sql: str, **values: Any) -> list[Any]:
        async def ask() -> list[Any]:
            engine = create_async_engine(self.site.database_url)
            async with engine.connect() as connection:
                found = (await connection.execute(sqlalchemy.text(sql), values)).all()
            await engine.dispose()
            return list(found)

        return asyncio.run(ask())

    def objects(self) -> dict[str, bytes]:
        """Everything in the bucket."""
        s3 = self.cloud.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self.site.bucket)
        return {
            item["Key"]: s3.get_object(Bucket=self.site.bucket, Key=item["Key"])["Body"].read()
            for page in pages
            for item in page.get("Contents", ())
        }

    def entries(self) -> dict[str, dict[str, Any]]:
        """What stages made of the video: facts by the key of the object."""
        return {
            key: json.loads(data)["body"]["meta"]
            for key, data in self.objects().items()
            if "/artifacts/entries/" in key and f"/{self.video}/" in key
        }

    def speech(self) -> dict[str, str]:
        return {k: m["said"] for k, m in self.entries().items() if m["stage"] == "speech"}


def mails_to(address: str) -> list[Any]:
    sent = ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages
    return [mail for mail in sent if mail.destinations["ToAddresses"] == [address]]


@pytest.fixture(scope="module")
def story(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, ffmpeg: Callable[..., None]
) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("hosted")
    ffmpeg("-i", SAMPLE, "-t", "13", "-c", "copy", "-map", "0:v:0", "-map", "0:a:0",
           folder / "clip.mp4")  # fmt: skip
    plans = yaml.safe_load(BUILT_IN.read_text(encoding="utf-8"))
    plans["plans"][0]["jobs_at_once"] = 2
    (folder / "plans.yaml").write_text(yaml.safe_dump(plans), encoding="utf-8")
    with ExitStack() as stack:
        receiver = Receiver()
        stack.callback(receiver.close)
        with aws() as cloud:
            with hosted(
                folder, postgres, cloud, cache=shared_cache(tmp_path_factory),
                languages_per_message="1", import_hosts='["127.0.0.1"]',
                plans=str(folder / "plans.yaml"),
            ) as site:  # fmt: skip
                ada, bob = Person(site, ADA), Person(site, BOB)
                stack.callback(ada.http.close)
                stack.callback(bob.http.close)
                told = Story(site, cloud, ada, bob, receiver)
                play(told, folder)
                told.traffic = {n: [x for x, _ in p.log] for n, p in site.proxies.items()}
                told.exits = {name: p.stop() for name, p in list(site.processes.items())[::-1]}
            yield told


def play(story: Story, folder: Path) -> None:
    ada, bob = story.ada, story.bob
    topic = subscribe(story)
    ada.join()
    bob.join()
    hook = ada.ok("POST", "/webhook-endpoints", {"url": story.receiver.url})
    story.end_secret = hook["secret"]
    story.receiver.verifier = standardwebhooks.Webhook(story.end_secret)

    began = time.monotonic()
    story.video = ada.upload(SAMPLE)
    story.seconds["upload and inspection"] = time.monotonic() - began
    wanted = {
        "video_id": story.video, "languages": list(LANGUAGES), "options": {"speakers": 2},
        "confirm": True,
    }  # fmt: skip
    began = time.monotonic()
    job = ada.ok("POST", "/jobs", wanted, **{"Idempotency-Key": "one"})
    assert ada.ok("POST", "/jobs", wanted, **{"Idempotency-Key": "one"}) == job
    story.job, story.quote = job["id"], job["quote"]["seconds"]
    story.events = ada.follow(story.job, most=4)
    story.events += ada.follow(story.job, after=story.events[-1]["seq"])
    story.seconds["dub into two languages"] = time.monotonic() - began
    assert ada.ok("GET", f"/jobs/{story.job}")["status"] == "done", story.events[-3:]
    story.dubs = ada.fetch(story.job, folder / "first")
    for language in LANGUAGES:
        found = ada.ok("GET", f"/jobs/{story.job}/languages/{language}/lines")
        story.lines[language] = found["lines"]
    story.after_first = ada.ok("GET", "/billing/balance")
    story.spoken = story.speech()

    # Ada changes a line while Bob's clip is dubbed.
    bobs = {"video_id": bob.upload(folder / "clip.mp4"), "languages": ["pt"], "confirm": True}
    story.bobs_job = bob.ok("POST", "/jobs", bobs)["id"]
    line = story.lines["pt"][0]
    ada.ok("PATCH", f"/jobs/{story.job}/languages/pt/lines/{line['id']}", {"text": TEXT})
    began = time.monotonic()
    redub = ada.ok("POST", f"/jobs/{story.job}/redub", {"confirm": True})
    story.redub_seconds = redub["quote"]["seconds"]
    story.events += ada.follow(story.job, after=story.events[-1]["seq"])
    story.seconds["one line anew"] = time.monotonic() - began
    story.redubbed = ada.fetch(story.job, folder / "second")
    story.spoken_anew = [s for key, s in story.speech().items() if key not in story.spoken]
    bob.follow(story.bobs_job)

    def quiet() -> bool:
        return not story.rows(
            "select id from tasks where state in ('queued', 'running', 'waiting')"
            " and kind in ('mail', 'publish', 'dub')"
        ) and {"job.done"} <= {kind_of(body) for _, body in story.receiver.got}

    until(quiet, 120, "everybody was told")
    story.published = topic()
    done = story.site.command("db", "check")
    story.check = done.stdout + done.stderr
    assert done.returncode == 0, story.check


def subscribe(story: Story) -> Callable[[], list[dict[str, Any]]]:
    """An SQS queue that is told what the topic is told; what it got, all of it."""
    sqs, sns = story.cloud.client("sqs"), story.cloud.client("sns")
    url = sqs.create_queue(QueueName="operators")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    endpoint = arn["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=story.site.topic, Protocol="sqs", Endpoint=endpoint)

    def read() -> list[dict[str, Any]]:
        found = []
        while got := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in got:
                found.append(json.loads(json.loads(message["Body"])["Message"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return read


def kind_of(body: bytes) -> str:
    return str(json.loads(body)["type"])


# --- who works ------------------------------------------------------------------------------


def test_each_worker_took_a_language(story: Story) -> None:
    tasks = story.rows(
        "select payload, worker, attempts, state, error from tasks"
        " where kind = 'dub' and subject = :job order by id",
        job=story.job,
    )
    first = [task for task in tasks if task.payload["round"] == 1]
    assert [task.payload["group"] for task in first] == [0, 1]
    assert len({task.worker for task in first}) == 2
    ends = [(task.state, task.attempts, task.error) for task in tasks]
    assert ends == [("done", 1, None)] * 3  # two languages, and one of them anew
    started = {
        name: re.findall(r'"worker": "([^"]+)", .*"event": "worker.started"', process.text)
        for name, process in story.site.processes.items()
        if name.startswith("worker")
    }
    assert {task.worker for task in tasks} <= {name for names in started.values() for name in names}


def test_the_analysis_was_made_once(story: Story) -> None:
    """By what each worker put into the bucket."""
    stages = {key: meta["stage"] for key, meta in story.entries().items()}
    analysis = {key for key, stage in stages.items() if stage in ANALYSIS}
    assert {stages[key] for key in analysis} >= {"transcribe", "segment"}
    puts = {
        name: Counter(
            key for line in lines for key in analysis if line.startswith("PUT ") and key in line
        )
        for name, lines in story.traffic.items()
    }
    (maker,) = [name for name, found in puts.items() if found]
    assert puts[maker] == dict.fromkeys(analysis, 1)


def test_everything_ended_well(story: Story) -> None:
    assert story.exits == {"web": 0, "worker-1": 0, "worker-2": 0}
    assert "agree" in story.check
    for name, text in story.site.logs().items():
        assert "Traceback" not in text and '"level": "error"' not in text, name


# --- progress -------------------------------------------------------------------------------


def test_events_have_no_gap_and_no_repetition(story: Story) -> None:
    assert [event["seq"] for event in story.events] == list(range(1, len(story.events) + 1))
    kinds = [event["kind"] for event in story.events]
    assert kinds[0] == "job.queued"
    assert kinds.count("job.done") == 2 and kinds[-1] == "job.done"
    assert kinds.count("job.language.done") == 3
    told: dict[str, list[float]] = {}
    for event in story.events[: kinds.index("job.done")]:
        if event["kind"] == "job.progress":
            for language, state in event["data"]["languages"].items():
                told.setdefault(language, []).append(state["progress"])
    assert set(told) == set(LANGUAGES)
    for shares in told.values():
        assert shares == sorted(shares) and len(shares) > 3


# --- what was made --------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_streams_tags_and_duration(story: Story, language: str) -> None:
    path = story.dubs[f"{language}.mp4"]
    source, made = media.probe(SAMPLE), media.probe(path)
    assert path.name == f"talk.{language}.mp4"
    assert [a.language for a in made.audio] == [ISO[language]]
    assert [s.language for s in made.subtitles] == [ISO[language]]
    assert (made.audio[0].sample_rate, made.audio[0].channels) == (48_000, 2)
    assert abs(made.duration - source.duration) <= 1 / 25
    assert made.synthetic_voice
    assert picture(path) == picture(SAMPLE)
    for kind in ("srt", "vtt"):
        assert story.dubs[f"{language}.{kind}"].stat().st_size > 100


def test_the_dub_says_its_lines(story: Story, cache: Path, tmp_path: Path) -> None:
    sound = tmp_path / "pt.wav"
    media.extract_audio(story.dubs["pt.mp4"], sound)
    engine = Whisper(Whisper.Params(), Runtime(models_dir=cache / "models"))
    heard = engine.transcribe(sound, language="pt", hints=(), progress=ignore)
    said = " ".join(speakable(str(line["text"]), "pt") for line in story.lines["pt"])
    text = speakable(" ".join(word.text for word in heard.words), "pt")
    assert error_rate(letters(said), letters(text)) <= 0.10, f"{said}\n{text}"


def test_one_line_is_spoken_anew_and_nothing_else(story: Story) -> None:
    assert set(story.spoken_anew) == {TEXT}
    assert len(story.spoken_anew) <= 2  # once more, perhaps, at the rate it needs
    assert TEXT in story.redubbed["pt.srt"].read_text(encoding="utf-8")
    assert story.redubbed["pt.mp4"].read_bytes() != story.dubs["pt.mp4"].read_bytes()
    assert story.redubbed["es.mp4"].read_bytes() == story.dubs["es.mp4"].read_bytes()


# --- what it cost ---------------------------------------------------------------------------


def test_only_what_was_dubbed_is_charged(story: Story) -> None:
    length = math.ceil(media.probe(SAMPLE).duration)
    assert story.quote == 2 * length
    first = story.after_first
    assert (first["held_seconds"], first["spent_seconds"]) == (0, 2 * length)
    line = story.lines["pt"][0]
    assert story.redub_seconds == math.ceil(round(line["end"] - line["start"], 3)) < 15
    spent = {
        row.email: (row.held_s, row.spent_s, row.available_s)
        for row in story.rows(
            "select email, held_s, spent_s, available_s from balances join users on id = user_id"
        )
    }
    ada = 2 * length + story.redub_seconds
    assert spent == {ADA: (0, ada, 600 - ada), BOB: (0, 13, 587)} or spent == {
        ADA: (0, ada, 600 - ada), BOB: (0, 14, 586)
    }  # fmt: skip
    assert story.rows("select key from ledger_entries group by key having sum(seconds) <> 0") == []
    used = story.rows(
        "select sum(charged_s) as s from job_languages where job_id = :job", job=story.job
    )
    assert used[0].s == ada


# --- who was told ---------------------------------------------------------------------------


def test_an_address_has_to_be_verified_first(story: Story) -> None:
    for person in (story.ada, story.bob):
        assert person.unverified.status_code == 403
        assert person.unverified.json()["code"] == "unverified"


def test_mails(story: Story) -> None:
    for person, jobs in ((story.ada, 2), (story.bob, 1)):
        subjects = [mail.subject for mail in mails_to(person.email)]
        assert len(subjects) >= 1 + jobs
        about = [mail for mail in mails_to(person.email) if story.site.url in mail.body]
        job = story.job if person is story.ada else story.bobs_job
        assert sum(f"/jobs/{job}" in mail.body for mail in about) == jobs
        assert {mail.source for mail in about} == {"OneVoice <hello@onevoice.example>"}


def test_the_topic(story: Story) -> None:
    told = Counter((message["kind"], message["data"]["job_id"]) for message in story.published)
    assert told == {("job.done", story.job): 2, ("job.done", story.bobs_job): 1}


def test_webhooks_are_signed_and_come_again_when_refused(story: Story) -> None:
    assert story.receiver.verified == len(story.receiver.got) > 5
    forged = standardwebhooks.Webhook("whsec_" + "A" * 32)
    headers, body = story.receiver.got[-1]
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        forged.verify(body, headers)
    refused = story.receiver.got[0][0]["webhook-id"]
    times = Counter(headers["webhook-id"] for headers, _ in story.receiver.got)
    assert {name for name, count in times.items() if count > 1} <= {refused}
    kinds = Counter({h["webhook-id"]: kind_of(b) for h, b in story.receiver.got}.values())
    assert kinds["job.done"] == 2 and kinds["job.language.done"] == 3
    assert kinds["job.queued"] == 2 and kinds["video.ready"] == 1
    about = [json.loads(body)["data"].get("job_id") for _, body in story.receiver.got]
    assert set(about) - {None} == {story.job}, "nothing of Bob's"


# --- who finds what -------------------------------------------------------------------------


def test_objects_lie_under_the_account_of_their_owner(story: Story) -> None:
    ids = {row.email: row.id for row in story.rows("select id, email from users")}
    for key in story.objects():
        owner = key.split("/")[1]
        assert key.startswith("accounts/") and owner in ids.values(), key
        if story.video in key or story.job in key:
            assert owner == ids[ADA]
        if story.bobs_job in key:
            assert owner == ids[BOB]


def test_secrets_are_where_they_belong_and_nowhere_else(story: Story) -> None:
    secrets = dict(SECRETS) | {"webhook secret": story.end_secret}
    for person in (story.ada, story.bob):
        for number, secret in enumerate(person.secrets):
            secrets[f"{person.email} {number}"] = secret
    places: dict[str, bytes] = {}
    places |= {f"log {n}": text.encode() for n, text in story.site.logs().items()}
    places |= {f"object {key}": data for key, data in story.objects().items()}
    for person in (story.ada, story.bob):
        verifying = person.secrets[2]
        for number, mail in enumerate(mails_to(person.email)):
            text = mail.subject + (mail.body.replace(verifying, "") if number == 0 else mail.body)
            places[f"mail {number} to {person.email}"] = text.encode()
    places |= {f"webhook {n}": body for n, (_, body) in enumerate(story.receiver.got)}
    places |= {"topic": json.dumps(story.published).encode()}
    for table in ("tasks", "job_events", "jobs", "job_languages", "videos", "users", "api_keys",
                  "refresh_tokens", "login_sessions", "mailed_tokens", "paddle_events",
                  "webhook_deliveries", "rate_windows"):  # fmt: skip
        rows = story.rows(f"select * from {table}")  # noqa: S608 (names of ours)
        places[f"table {table}"] = repr(rows).encode()
    for path in story.site.folder.rglob("*"):
        if path.is_file() and "models" not in path.parts:
            with suppress(OSError):
                places[f"file {path.relative_to(story.site.folder)}"] = path.read_bytes()
    assert len(places) > 50
    found = [
        (name, place)
        for name, secret in secrets.items()
        for place, data in places.items()
        if secret.encode() in data
    ]
    assert found == []
