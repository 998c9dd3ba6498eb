"""One request to a hosted service, and all that can go wrong with it."""

from __future__ import annotations

import email.utils
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import pytest

from onevoice.engines import keys
from onevoice.engines.base import CancelToken, Runtime
from onevoice.engines.boundary import Garbled, Service, each, patience, request
from onevoice.engines.metering import Meter
from onevoice.errors import (
    BudgetExceeded,
    Cancelled,
    EngineError,
    EngineFailed,
    EngineRateLimited,
    EngineRefused,
    EngineUnavailable,
)
from onevoice.types import Usage

SERVICE = Service(name="Acme", key="ACME_API_KEY")


class Answer(Exception):
    """An SDK's exception: it carries status, headers and body."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.body = body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Calls:
    """Fails with each of the given exceptions in turn, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.times: list[float] = []

    def __call__(self) -> str:
        self.times.append(time.monotonic())
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(models_dir=tmp_path, attempts=4, backoff=0.005)


def ask(runtime: Runtime, send: Callable[[], str], usd: float = 0.0) -> str:
    return request(SERVICE, send, runtime=runtime, what="line 3", usd=usd)


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(429),
        Answer(500, {"error": "oops"}),
        Answer(503),
        Answer(408),
        ConnectionResetError("reset by peer"),
        TimeoutError(),
        Garbled("no JSON"),
        ValueError,
    ],
    ids=str,
)
def test_passing_trouble_is_tried_again(runtime: Runtime, trouble: Any) -> None:
    if trouble is ValueError:
        import json

        trouble = json.JSONDecodeError("Expecting value", "<html>", 0)
    calls = Calls(trouble, trouble)
    assert ask(runtime, calls) == "answer"
    assert len(calls.times) == 3


@pytest.mark.parametrize(
    ("trouble", "kind", "says"),
    [
        (Answer(400, {"detail": "bad voice"}), EngineRefused, "bad voice"),
        (Answer(404), EngineRefused, "404"),
        (Answer(422), EngineRefused, "422"),
        (Answer(401, "who are you"), EngineUnavailable, "who are you"),
        (Answer(403), EngineUnavailable, "403"),
        (Answer(402), EngineUnavailable, "402"),
        (Answer(429, {"error": {"code": "insufficient_quota"}}), EngineUnavailable, "quota"),
        (Answer(401, {"detail": {"status": "quota_exceeded"}}), EngineUnavailable, "quota"),
    ],
)
def test_what_stays_wrong_is_not_tried_again(
    runtime: Runtime, trouble: Answer, kind: type[EngineError], says: str
) -> None:
    calls = Calls(trouble)
    with pytest.raises(kind, match=says) as caught:
        ask(runtime, calls)
    assert type(caught.value) is kind
    assert len(calls.times) == 1
    assert "Acme" in caught.value.message
    assert "line 3" in caught.value.message
    assert caught.value.hint


def test_a_refused_key_names_its_variable_and_an_empty_account_does_not(runtime: Runtime) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        ask(runtime, Calls(Answer(401)))
    assert "ACME_API_KEY" in caught.value.hint
    with pytest.raises(EngineUnavailable) as caught:
        ask(runtime, Calls(Answer(402)))
    assert "credit" in caught.value.hint


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (Answer(429), EngineRateLimited),
        (Answer(500), EngineFailed),
        (ConnectionError("refused"), EngineFailed),
        (Garbled("three lines for four"), EngineFailed),
    ],
)
def test_it_is_given_up_after_the_last_attempt(
    runtime: Runtime, trouble: Exception, kind: type[EngineError]
) -> None:
    calls = Calls(*[trouble] * 10)
    with pytest.raises(kind) as caught:
        ask(runtime, calls)
    assert len(calls.times) == 4
    assert caught.value.retryable


def test_retry_after_is_honoured_in_every_form(runtime: Runtime) -> None:
    date = email.utils.formatdate(time.time() + 2, usegmt=True)  # whole seconds: 1 to 2 left
    for headers, least in (
        ({"Retry_After": date}, 0.9),  # first: the date does not wait for the others
        ({"Retry_After": "0.2"}, 0.2),
        ({"retry_after_ms": "150"}, 0.15),
    ):
        calls = Calls(Answer(429, **headers))
        assert ask(runtime, calls) == "answer"
        assert calls.times[1] - calls.times[0] >= least


def test_retry_after_makes_the_others_wait_too(runtime: Runtime) -> None:
    first = Calls(Answer(429, Retry_After="0.3"))
    began = time.monotonic()
    thread = Thread(target=lambda: ask(runtime, first))
    thread.start()
    while not first.times:
        time.sleep(0.001)
    time.sleep(0.05)
    second = Calls()
    ask(runtime, second)
    thread.join()
    assert second.times[0] - began >= 0.25


def test_a_service_that_wants_an_hour_is_given_up_at_once(runtime: Runtime) -> None:
    calls = Calls(Answer(429, Retry_After="3600"))
    with pytest.raises(EngineRateLimited):
        ask(runtime, calls)
    assert len(calls.times) == 1


def test_bugs_are_not_dressed_up(runtime: Runtime) -> None:
    with pytest.raises(ZeroDivisionError):
        ask(runtime, Calls(ZeroDivisionError("a bug")))


def test_offline_means_offline(tmp_path: Path) -> None:
    calls = Calls()
    with pytest.raises(EngineUnavailable, match="offline"):
        ask(Runtime(models_dir=tmp_path, offline=True), calls)
    assert calls.times == []


def test_waiting_can_be_stopped(tmp_path: Path) -> None:
    token = CancelToken()
    runtime = Runtime(models_dir=tmp_path, cancel=token)
    Thread(target=lambda: (time.sleep(0.1), token.cancel())).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        ask(runtime, Calls(Answer(503, Retry_After="60")))
    assert time.monotonic() - began < 2


def test_the_budget_holds_what_is_under_way(tmp_path: Path) -> None:
    """Four requests at 0.4 each against a budget of 1: two may be under way."""
    runtime = Runtime(models_dir=tmp_path, meter=Meter(1.0))
    inside, release = [], Event()

    def slow() -> str:
        inside.append(1)
        assert release.wait(5)
        return "answer"

    refused: list[BudgetExceeded] = []

    def run() -> None:
        try:
            ask(runtime, slow, usd=0.4)
        except BudgetExceeded as exc:
            refused.append(exc)

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(inside) + len(refused) < 4:
        time.sleep(0.002)
    release.set()
    for thread in threads:
        thread.join()
    assert len(inside) == 2
    assert len(refused) == 2
    assert "--max-cost" in refused[0].hint
    assert runtime.meter.left == 1.0  # nothing was recorded: what was held is free again


def test_no_more_requests_than_allowed_are_under_way(tmp_path: Path) -> None:
    runtime = Runtime(models_dir=tmp_path, requests_at_once=3)
    lock, now, most = Lock(), [0], [0]

    def send() -> str:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return "answer"

    got = list(each(range(12), lambda _: ask(runtime, send), at_once=12, runtime=runtime))
    assert got == ["answer"] * 12
    assert most[0] == 3


def test_each_keeps_the_order_and_begins_nothing_after_a_failure(runtime: Runtime) -> None:
    begun: list[int] = []

    def work(n: int) -> int:
        begun.append(n)
        if n == 1:
            raise EngineFailed("broke", hint="")
        time.sleep(0.03)
        return n

    found = each(range(50), work, at_once=2, runtime=runtime)
    assert next(found) == 0
    with pytest.raises(EngineFailed):
        list(found)
    assert len(begun) < 10


def test_each_begins_nothing_after_a_failure_that_is_not_yet_its_turn(runtime: Runtime) -> None:
    begun: list[int] = []

    def work(n: int) -> int:
        begun.append(n)
        if n == 1:
            raise EngineFailed("broke", hint="")
        time.sleep(0.3 if n == 0 else 0.01)
        return n

    with pytest.raises(EngineFailed):
        list(each(range(30), work, at_once=2, runtime=runtime))
    assert begun == [0, 1]


def test_what_is_used_is_booked_before_what_was_set_aside_is_free(tmp_path: Path) -> None:
    meter = Meter(1.0)
    runtime = Runtime(models_dir=tmp_path, meter=meter)
    left: list[float | None] = []

    def used(answer: str) -> list[Usage]:
        left.append(meter.left)
        return [Usage(engine="synthesis.acme", model="m", unit="x", quantity=1, usd=0.5)]

    assert request(SERVICE, Calls(), runtime=runtime, what="x", usd=0.6, used=used) == "answer"
    assert left == [pytest.approx(0.4)]
    assert meter.left == pytest.approx(0.5)


def test_a_redirect_is_neither_followed_nor_tried_again(runtime: Runtime) -> None:
    calls = Calls(Answer(307, Location="https://elsewhere.example"))
    with pytest.raises(EngineRefused, match="sends elsewhere"):
        ask(runtime, calls)
    assert len(calls.times) == 1


def test_retry_after_nothing_is_no_leave_to_hammer(tmp_path: Path) -> None:
    calls = Calls(Answer(429, Retry_After="0"))
    ask(Runtime(models_dir=tmp_path, backoff=0.1), calls)
    assert calls.times[1] - calls.times[0] >= 0.1


@pytest.mark.parametrize(("most", "tried"), [(3, 3), (9, 4), (None, 4)])
def test_fewer_attempts_may_be_asked_for(runtime: Runtime, most: int | None, tried: int) -> None:
    calls = Calls(*[ConnectionError("refused")] * 10)
    with pytest.raises(EngineFailed):
        request(SERVICE, calls, runtime=runtime, what="the list", attempts=most)
    assert len(calls.times) == tried


def test_an_absent_host_is_not_waited_for_as_long_as_a_silent_one(tmp_path: Path) -> None:
    pytest.importorskip("httpx")
    slow = patience(Runtime(models_dir=tmp_path, timeout=120), grace=30)
    assert (slow.connect, slow.read) == (10, 150)
    assert patience(Runtime(models_dir=tmp_path, timeout=2)).connect == 2


def test_a_key_in_the_cause_of_a_cause_is_not_shown(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "sk-acme-8F3kQ9zT71"
    monkeypatch.setenv("ACME_API_KEY", secret)
    keys.require("ACME_API_KEY", "Acme")

    def send() -> str:
        try:
            raise ValueError(f"Illegal header value {secret!r}")
        except ValueError as exc:
            raise ConnectionError("it broke") from exc

    with pytest.raises(EngineFailed) as caught:
        ask(runtime, send)
    assert secret not in "".join(traceback.format_exception(caught.value))


def test_no_key_comes_out_of_an_error(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk-acme-8F3kQ9zT71"
    monkeypatch.setenv("ACME_API_KEY", secret)
    keys.require("ACME_API_KEY", "Acme")
    told = Answer(401, {"error": f"Incorrect API key provided: {secret[:7]}****{secret[-4:]}"})
    for trouble in (told, Answer(400, f"bad header Bearer {secret}"), ConnectionError(secret)):
        with pytest.raises(EngineError) as caught:
            ask(runtime, Calls(*[trouble] * 9))
        shown = f"{caught.value!r} {caught.value.message} {caught.value.hint}"
        assert secret not in shown
        assert secret[:7] not in shown
        cause = caught.value.__cause__
        assert secret not in f"{cause!r} {cause}"
