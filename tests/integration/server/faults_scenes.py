"""What is done to a site, scene by scene: faults, then peace, then ``check``.

Each scene returns its figures; the tests run them small, ``benchmarks/faults.py`` large.
"""

from __future__ import annotations

import asyncio
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import Any, Literal

import httpx
from sqlalchemy import select

from onevoice.server.jobs.models import JobLanguage
from onevoice.server.webhooks.models import WebhookDelivery
from tests.integration.server.faults_check import check
from tests.integration.server.faults_engines import word_of
from tests.integration.server.faults_site import Site, Worker, until
from tests.integration.server.faults_wire import Storm

Figures = dict[str, Any]

MOMENTS = (
    ("fetching the video", r"GET /\S+/source", 2),
    ("starting the dub", r"GET /\S+/source", 1),
    ("analysis", r"PUT /\S+/artifacts/entries/", 5),
    ("translating, speaking, mixing", r"PUT /\S+/artifacts/entries/", 16),
    ("storing an artifact", r"PUT /\S+/artifacts/objects/", 12),
    ("storing the project", r"PUT /\S+/projects/", 2),
    ("uploading results", r"PUT /\S+/results/", 3),
    ("the fenced write", r"PUT /\S+/results/\S+\.vtt", 1),
    ("deleting the message", r"DeleteMessage", 1),
)
"""When a worker is killed: at the n-th request of the kind, n up to the number given."""
_MILLISECONDS = {"starting the dub": 1500, "the fenced write": 40, "deleting the message": 5}
"""How long after that request at most; the others: 200."""


# --- (a) kill -9 ----------------------------------------------------------------------------


async def kills(site: Site, *, rounds: int, seed: int) -> Figures:
    """Two workers work; one of them is killed, and another machine takes its place. Again."""
    choose = random.Random(seed)
    moments = [MOMENTS[i % len(MOMENTS)] for i in range(rounds)]
    choose.shuffle(moments)
    hit: Counter[str] = Counter()
    waits: list[float] = []
    pending: list[tuple[str, int, float]] = []
    async with site.serving() as (_, customer):
        jobs: list[str] = []
        at_work = [site.worker(concurrency=1), site.worker(concurrency=1)]

        async def resumed() -> None:
            """Note which of the dubs that were cut off are under way again."""
            tasks = {task.id: task for task in await customer.tasks()}
            for one in list(pending):
                if tasks[one[0]].fence > one[1]:
                    waits.append(time.monotonic() - one[2])
                    pending.remove(one)

        for name, pattern, most in moments:
            victim = at_work.pop(0)
            fall = _Fall(
                victim,
                after=choose.randint(1, most),
                seconds=choose.random() * _MILLISECONDS.get(name, 200) / 1000,
            )
            end = time.monotonic() + 240
            with site.wire.trap(rf"{pattern}.* by {victim.name}\.", fall.seen):
                while not fall.fallen.is_set():
                    lives = victim.alive or fall.fallen.is_set()
                    assert lives and time.monotonic() < end, (name, victim.last_words)
                    if len(await customer.open(jobs)) < 3:
                        languages = ("es", "ko")[: 1 + len(jobs) % 2]
                        jobs.append(await customer.submit(*languages))
                    await resumed()
                    await asyncio.sleep(0.2)
            assert await asyncio.to_thread(victim.process.wait, 10) == -signal.SIGKILL
            hit[name] += 1
            cut_off = await customer.working(victim)
            pending += [(task.id, task.fence, victim.killed_at) for task in cut_off]
            at_work.append(site.worker(concurrency=1))
        while await customer.open(jobs) or pending:
            await resumed()
            await asyncio.sleep(0.1)
        for worker in at_work:
            worker.signal(signal.SIGTERM)
            assert await asyncio.to_thread(worker.process.wait, 30) == 0
        await check(customer, jobs)
        attempts = [task.attempts for task in await customer.tasks()]
    repeats = _repeats(site)
    assert site.wire.repeated() == [], "finished, stored, and done again"
    assert site.done_again() == []
    assert repeats <= rounds, "what was under way may be done again: one thing a kill"
    return {
        "kills": sum(hit.values()),
        "moments": dict(hit),
        "jobs": len(jobs),
        "dubs_cut_off": len(waits),
        "attempts_of_a_dub": f"{statistics.mean(attempts):.1f} (most {max(attempts)})",
        "resumed_after_s": _spread(waits),
        "artifacts": len({(e.video, e.key) for e in site.wire.entries}),
        "artifacts_repeated": 0,
        "engine_calls_repeated": repeats,
    }


async def killed_between_languages(site: Site) -> Figures:
    """A worker is killed when the first language of its message is done: the next does the rest."""
    site.variables["ONEVOICE_RUN__PARALLEL_LANGUAGES"] = "1"
    site.play(slowness=8)
    async with site.serving() as (server, customer):
        first = site.worker(concurrency=1)
        job = await customer.submit("es", "ko")

        async def one_is_done() -> bool:
            rows = (await customer.job(job))["languages"]
            return [row["status"] for row in rows] == ["done", "running"]

        await until(one_is_done, 120, "Spanish is done and Korean is not", site)
        early = time.monotonic()
        first.kill()
        answer = await customer.ask("GET", f"/jobs/{job}/results")
        before = {(f["language"], f["name"], f["size"]) for f in answer.json()["files"]}
        assert {language for language, _, _ in before} == {"es"}
        site.play()
        second = site.worker(concurrency=1)
        await customer.ended(job)
        ahead = time.monotonic() - early
        await check(customer, [job])
        answer = await customer.ask("GET", f"/jobs/{job}/results")
        after = {(f["language"], f["name"], f["size"]) for f in answer.json()["files"]}
        assert before < after
        (task,) = await customer.tasks()
        assert (task.fence, task.attempts) == (2, 2)
        async with server.database() as session:
            told = await session.scalars(
                select(WebhookDelivery).where(WebhookDelivery.event == "job.language.done")
            )
            languages = sorted(one.payload["data"]["language"] for one in told)
    assert languages == ["es", "ko"], "each is told once"
    wrote = {(key.split("/results/1/")[1][:2], who) for key, who in site.wire.stored
             if "/results/" in key}  # fmt: skip
    assert wrote == {("es", first.name), ("ko", second.name)}
    assert site.wire.repeated() == [] and site.done_again() == []
    assert _repeats(site) <= 1, "what was under way"
    return {"first_language_ahead_of_its_job_s": round(ahead, 1)}


class _Fall:
    """Kills a worker some time after its n-th request of a kind."""

    def __init__(self, victim: Worker, *, after: int, seconds: float) -> None:
        self.fallen = threading.Event()
        self._victim = victim
        self._left = after
        self._seconds = seconds
        self._lock = threading.Lock()

    def seen(self, line: str) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                threading.Timer(self._seconds, self._kill).start()

    def _kill(self) -> None:
        self._victim.kill()
        self.fallen.set()


# --- (b, c) messages ------------------------------------------------------------------------


async def storm_of_messages(site: Site, *, jobs: int) -> Figures:
    """Each message three times, each copy up to 4 s late on its own, to two workers."""
    site.wire.storm = Storm(copies=3, latest_s=4)
    async with site.serving() as (server, customer):
        site.worker()
        site.worker()
        began = time.monotonic()
        made = [await customer.submit("es", "ko", "pt") for _ in range(jobs)]
        await customer.ended(*made, seconds=240)
        took = time.monotonic() - began
        queue = server.resources.queue

        async def empty() -> bool:
            depth = await queue.depth("cpu-high")
            return depth.waiting + depth.in_flight + depth.delayed == 0

        await until(empty, 60, "every copy was looked at and deleted", site)
        await check(customer, made)
        tasks = await customer.tasks()
        dead = await queue.depth("cpu-high", dead=True)
    assert site.wire.repeated() == []
    assert _repeats(site) == 0, "no engine did anything twice"
    return {
        "jobs": jobs,
        "tasks": len(tasks),
        "messages": site.wire.sent,
        "claims": sum(task.attempts for task in tasks),
        "dead_letters": dead.waiting,
        "seconds": round(took, 1),
    }


# --- (d) storage ----------------------------------------------------------------------------


async def storage_faults(site: Site, *, jobs: int, seed: int) -> Figures:
    """Every tenth request to S3 fails in one of six ways, and twice nothing works for seconds."""
    choose = random.Random(seed)
    async with site.serving() as (_, customer):
        made = [await customer.submit("es") for _ in range(jobs)]
        with site.wire.spoiled_storage(0.1):
            site.worker(concurrency=2)
            for _ in range(2):
                before = len(site.trace)

                async def further(before: int = before) -> bool:
                    return len(site.trace) > before + 4 or not await customer.open(made)

                await until(further, 120, "the dubs go on", site)
                await asyncio.sleep(choose.random())
                with site.wire.spoiled_storage(1.0):
                    await asyncio.sleep(3)
                site.wire._bad_share = 0.1
            await customer.ended(*made, seconds=240)
        await check(customer, made)
        tasks = await customer.tasks()
    met = Counter(kind for line, kind in site.wire.log if kind)
    assert site.done_again() == []
    return {
        "jobs": jobs,
        "requests": len(site.wire.log),
        "faults": sum(met.values()),
        "kinds": dict(met),
        "attempts": [task.attempts for task in tasks],
        "engine_calls_repeated": _repeats(site),
    }


async def storage_outage(site: Site) -> Figures:
    """S3 is away from the middle of a dub on, for longer than all attempts would last."""
    most = site.given["max_attempts"]
    async with site.serving() as (_, customer):
        worker = site.worker(concurrency=1)
        job = await customer.submit("es", "ko")

        async def speaks() -> bool:
            return any(verb == "speak" for _, _, verb, _ in site.trace)

        await until(speaks, 120, "the dub is under way", site)
        with site.wire.spoiled_storage(1.0, ("drop", "slow_down", "error")):
            began = time.monotonic()

            async def too_often() -> bool:
                return bool(max(task.fence for task in await customer.tasks()) > 2 * most)

            await until(too_often, 300, "it was begun more often than it may be", site)
            lasted = time.monotonic() - began
            assert await customer.open([job]) == [job]
            assert worker.alive and worker.said("storage_unavailable")
        back = time.monotonic()
        await customer.ended(job)
        ended = time.monotonic() - back
        await check(customer, [job])
        tasks = await customer.tasks()
        assert {task.attempts for task in tasks} == {1}
    assert site.wire.repeated() == [] and site.done_again() == []
    return {
        "away_s": round(lasted, 1),
        "begun": [task.fence for task in tasks],
        "attempts": [task.attempts for task in tasks],
        "done_after_s": round(ended, 1),
        "engine_calls_repeated": _repeats(site),
    }


# --- (e) database ---------------------------------------------------------------------------


async def database_restarts(site: Site, *, rounds: int) -> Figures:
    """PostgreSQL crashes, and is stopped, while jobs are asked for and dubs are under way."""
    answers: Counter[str] = Counter()
    outages: list[float] = []
    async with site.serving() as (_, customer):
        site.worker()
        made: list[str] = []
        peace = asyncio.Event()

        async def ask() -> None:
            while not peace.is_set():
                answer = await customer.ask("GET", "/jobs")
                answers[str(answer.status_code)] += 1
                await asyncio.sleep(0.1)

        asking = asyncio.create_task(ask())
        for number in range(rounds):
            before = len(site.trace)
            made.append(await customer.submit("es", "ko"))

            async def speaks(before: int = before) -> bool:
                return any(verb == "speak" for _, _, verb, _ in site.trace[before:])

            await until(speaks, 120, "a dub is under way", site)
            video = await customer.video()
            how: Any = ("immediate", "fast")[number % 2]
            await asyncio.to_thread(site.postgres.stop, how)
            down = time.monotonic()
            submitting = asyncio.create_task(customer.submit("es", video=video))
            await asyncio.sleep(3)
            await asyncio.to_thread(site.postgres.start)
            made.append(await submitting)
            outages.append(time.monotonic() - down)
        await customer.ended(*made, seconds=240)
        peace.set()
        await asking
        await check(customer, made)
        tasks = await customer.tasks()
    assert site.wire.repeated() == [] and site.done_again() == []
    assert set(answers) <= {"200", "503"}, answers
    return {
        "outages": rounds,
        "jobs": len(made),
        "answers": dict(answers),
        "accepted_after_s": _spread(outages),
        "attempts": [task.attempts for task in tasks],
        "engine_calls_repeated": _repeats(site),
    }


# --- (f) a lease that runs out --------------------------------------------------------------


async def hanging_worker(site: Site, *, at: Literal["speaking", "uploading"]) -> Figures:
    """A worker stands still, another takes over, and then the first one wakes up.

    Who stood still while it spoke wakes up while the other is at work; who did so in the middle of
    an upload, when the job is done.
    """
    site.play(slowness=2)
    moment = {"speaking": "ChangeMessageVisibility", "uploading": r"PUT /\S+/results/"}[at]
    stood = threading.Event()
    async with site.serving() as (server, customer):
        first = site.worker(concurrency=1)

        def stand(_: str) -> None:
            if not stood.is_set():
                first.signal(signal.SIGSTOP)  # its dub goes on, and tells things it hears later
                stood.set()

        async def stands() -> bool:
            return stood.is_set()

        with site.wire.trap(rf"{moment}.* by {first.name}\.", stand):
            job = await customer.submit("es")
            await until(stands, 120, f"the first worker is {at}", site)
        began = time.monotonic()
        second = site.worker(concurrency=1)

        async def taken() -> bool:
            return bool(await customer.working(second))

        await until(taken, 120, "the second worker has it", site)
        passed = time.monotonic() - began
        if at == "uploading":
            await customer.ended(job)
        first.signal(signal.SIGCONT)
        await customer.ended(job)
        (task,) = await customer.tasks()
        assert f"-{second.pid}-" in task.worker and task.fence == 2

        async def lets_go() -> bool:
            return first.said("task.lost")

        await until(lets_go, 20, "the first worker notices", site)
        await asyncio.sleep(1)  # an upload goes on in its thread
        assert first.alive
        first.signal(signal.SIGTERM)
        await asyncio.to_thread(first.process.wait, 30)
        await check(customer, [job])
        async with server.database() as session:
            (row,) = await session.scalars(select(JobLanguage))
            kept = {output["key"] for output in row.outputs or []}
    wrote = Counter((key, who) for key, who in site.wire.stored if key in kept)
    assert wrote == {(key, second.name): 1 for key in kept}, "the first one's would replace them"
    return {
        "taken_over_after_s": round(passed, 1),
        "engine_calls_repeated": _repeats(site),
        "results_replaced": 0,
    }


# --- (g) SIGTERM ----------------------------------------------------------------------------


async def asked_to_stop(site: Site) -> Figures:
    """One worker may finish its dub; the next may not, gives it back, and a third goes on."""
    async with site.serving() as (_, customer):
        first = site.worker(concurrency=1, drain_seconds=60)
        finished = await customer.submit("es")
        await _speaking(site, 1)
        first.signal(signal.SIGTERM)
        began = time.monotonic()
        assert await asyncio.to_thread(first.process.wait, 60) == 0
        drained = time.monotonic() - began
        assert (await customer.job(finished))["status"] == "done"

        site.play(slowness=5)
        second = site.worker(concurrency=1, drain_seconds=0.5)
        third = await customer.submit("es")
        spoken = len(site.ends())
        await _speaking(site, 2)
        second.signal(signal.SIGTERM)
        began = time.monotonic()
        assert await asyncio.to_thread(second.process.wait, 60) == 0
        given_back = time.monotonic() - began
        task = (await customer.tasks())[-1]
        assert (task.state, task.attempts, task.fence) == ("queued", 0, 1), "no attempt is lost"
        site.play()
        last = site.worker(concurrency=1)
        began = time.monotonic()

        async def taken() -> bool:
            return bool(await customer.working(last))

        await until(taken, 60, "it is taken up again", site)
        waited = time.monotonic() - began
        await customer.ended(third)
        await check(customer, [finished, third])
    assert spoken and _repeats(site) == 0, "the line under way was finished, and kept"
    assert site.wire.repeated() == []
    return {
        "finished_and_left_after_s": round(drained, 1),
        "given_back_and_left_after_s": round(given_back, 1),
        "taken_up_by_a_new_worker_after_s": round(waited, 1),
        "engine_calls_repeated": 0,
    }


async def _speaking(site: Site, dubs: int) -> None:
    """Wait until so many videos have had a line spoken."""

    async def speaks() -> bool:
        words = {what.split()[-1] for _, point, verb, what in site.trace if verb == "speak"}
        return len(words) >= dubs

    await until(speaks, 120, f"{dubs} dubs have begun to speak", site)


# --- (h) poison -----------------------------------------------------------------------------


async def poison(site: Site) -> Figures:
    """A dub that takes its worker with it each time; then its dead letter is sent round again."""
    async with site.serving() as (server, customer):
        video = await customer.video()
        site.play(poison=word_of(video))
        began = time.monotonic()
        job = await customer.submit("es", video=video)
        workers = [site.worker(concurrency=1)]
        while await customer.open([job]):
            if not workers[-1].alive:
                workers.append(site.worker(concurrency=1))
            assert len(workers) < 6 and time.monotonic() - began < 120, "it goes on for ever"
            await asyncio.sleep(0.2)
        took = time.monotonic() - began
        killed = sum(not worker.alive for worker in workers)
        (task,) = await customer.tasks()
        assert (task.state, killed) == ("dead", site.given["max_attempts"])
        assert task.error is not None and task.error["code"] == "interrupted"
        await check(customer, [job], status="failed")

        # Its message is gone; one that SQS had put aside would come to nothing, too.
        url = site.aws.client("sqs").get_queue_url(
            QueueName=f"{site.given['sqs_prefix']}-cpu-high-dead"
        )["QueueUrl"]
        site.aws.client("sqs").send_message(QueueUrl=url, MessageBody=task.id)
        said = await asyncio.to_thread(_command, site, "queue", "redrive", "cpu-high")
        assert said == "1 message goes round again."
        queue = server.resources.queue

        async def empty() -> bool:
            depths = [await queue.depth("cpu-high", dead=dead) for dead in (False, True)]
            return not any(d.waiting + d.in_flight + d.delayed for d in depths)

        await until(empty, 60, "the dead letter was looked at and deleted", site)
        await check(customer, [job], status="failed")

        site.play()
        assert (await customer.ask("POST", f"/jobs/{job}/retry")).status_code == 200
        await customer.ended(job)
        await check(customer, [job])
    return {
        "workers_killed": killed,
        "laid_to_rest_after_s": round(took, 1),
        "tried_again": "done",
    }


def _command(site: Site, *words: str) -> str:
    """What ``onevoice`` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "onevoice", *words],
        env=site.environ(site.folder / "command"), cwd=site.folder, check=True,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout.strip()


# --- (i) the web tier -----------------------------------------------------------------------


async def server_dies_before_the_message(site: Site, *, key: str) -> Figures:
    """A server is killed when a job is committed and its message is not sent yet."""
    async with site.serving() as (_, customer):
        video = await customer.video()
        port = _free_port()
        server = site.start(["serve", "--port", str(port)], site.folder / "server", "server")
        try:
            await _answers(site, port)
            with _no_messages(site):
                before = site.wire.count("SendMessage")
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1") as http:
                    order = {"video_id": video, "languages": ["es"], "confirm": True}
                    headers = {"Authorization": f"Bearer {customer.key}", "Idempotency-Key": key}
                    asked = asyncio.create_task(http.post("/jobs", json=order, headers=headers))
                    committed = time.monotonic()
                    while site.wire.count("SendMessage") == before:
                        await asyncio.sleep(0.01)
                    server.kill()
                    await asyncio.gather(asked, return_exceptions=True)
        finally:
            server.kill()
            await asyncio.to_thread(server.wait, 30)
        (task,) = await customer.tasks()
        assert (task.state, task.sent_at) == ("queued", None)
        job = await customer.submit("es", video=video, key=key)
        assert job == task.subject, "asked for again with the same key it is the same job"
        await asyncio.sleep(max(0.0, committed + 10.5 - time.monotonic()))  # the sweep's grace
        worker = site.worker(concurrency=1)
        await customer.ended(job)
        sent = (await customer.tasks())[0].sent_at
        assert sent is not None and worker.said("worker.swept")
        await check(customer, [job])
    return {"sent_by_the_sweep_after_s": round((sent - task.created_at).total_seconds(), 1)}


@contextmanager
def _no_messages(site: Site) -> Any:
    site.wire.fail(1000, "drop", containing="SendMessage")
    try:
        yield
    finally:
        site.wire.heal()


async def _answers(site: Site, port: int) -> None:
    async def alive() -> bool:
        async with httpx.AsyncClient() as http:
            try:
                answer = await http.get(f"http://127.0.0.1:{port}/v1/health/live")
            except httpx.TransportError:
                return False
        return answer.status_code == 200

    await until(alive, 120, "the server answers", site)


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


# --- figures --------------------------------------------------------------------------------


def _repeats(site: Site) -> int:
    """How many calls of engines were made again although they had come to their end."""
    return sum(times - 1 for times in site.ends().values())


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "never"
    return f"{statistics.median(seconds):.1f} (longest {max(seconds):.1f})"
