"""Billing over the application: buying, cancelling, invoices, and Paddle's webhooks at the door."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from copy import copy
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import REGISTRY
from sqlalchemy import delete, select, text, update

from onevoice.server.billing import ledger, returning, webhook
from onevoice.server.billing.handlers import PaddleHandler
from onevoice.server.billing.models import Customer, LedgerEntry, PaddleEvent, Subscription
from onevoice.server.billing.plans import BUILT_IN
from onevoice.server.billing.returning import give_back
from onevoice.server.db import now
from onevoice.server.errors import Unauthorized
from onevoice.server.jobs.keys import hold_key
from onevoice.server.settings import ServerSettings
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.sweep import sweep
from tests.integration.server.accounts import EMAIL, PASSWORD, Person, Run, Server, bearer, runner
from tests.integration.server.tasking import work
from tests.simulators.base import KEY
from tests.simulators.paddle import PaddleSimulator
from tests.simulators.paddle_webhooks import (
    FORGERIES,
    SECRET,
    Webhook,
    forged,
    signed,
    stale,
)

FREE, MONTH, PACKED = 600, 300 * 60, 60 * 60
BOB = "bob@example.com"
PRICES = {"pri_creator": (2900, True), "pri_studio": (11900, True), "pri_pack": (900, False)}
DOOR = "/v1/webhooks/paddle"
ROOT = Path(__file__).parents[3]
PATIENT = 300
"""Seconds."""
TOLERANCE = webhook.TOLERANCE_S
"""Seconds of the server itself."""


@pytest.fixture
def paddle() -> Iterator[PaddleSimulator]:
    with PaddleSimulator(prices=PRICES) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, paddle: PaddleSimulator
) -> ServerSettings:
    content = yaml.safe_load(BUILT_IN.read_text(encoding="utf-8"))
    content["plans"][1]["paddle_price_id"] = "pri_creator"
    content["plans"][2]["paddle_price_id"] = "pri_studio"
    content["packs"][0]["paddle_price_id"] = "pri_pack"
    plans = tmp_path / "plans.yaml"
    plans.write_text(yaml.safe_dump(content), encoding="utf-8")
    url = request.getfixturevalue("postgres").create() if request.param == "postgres" else ""
    return ServerSettings(
        data_dir=tmp_path,
        database_url=url,
        token_keys=f"test:{'k' * 40}",
        plans=plans,
        paddle_api_key=KEY,
        paddle_url=paddle.url,
        paddle_webhook_secrets=f"pdl_ntfset_next, {SECRET}",
    )


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer than the tolerance to deliver what was just signed."""
    monkeypatch.setattr(webhook, "TOLERANCE_S", PATIENT)


@pytest.fixture
def run(settings: ServerSettings) -> Run:
    return runner(settings)


async def post(server: Server, webhook: Webhook) -> httpx.Response:
    headers = [(name, value.encode()) for name, value in webhook.headers.items()]
    return await server.http.post(
        DOOR,
        content=webhook.body,
        headers=headers,  # type: ignore[arg-type]
    )


async def tell(server: Server, paddle: PaddleSimulator) -> None:
    """Deliver what Paddle has to say, in order, and do the tasks."""
    told = getattr(paddle, "delivered", 0)
    for event in paddle.events[told:]:
        assert (await post(server, signed(event))).status_code == 200
    paddle.delivered = len(paddle.events)  # type: ignore[attr-defined]
    await work(server.resources, [PaddleHandler(server.resources.plans)])


async def ok(person: Person, method: str, path: str, **more: Any) -> Any:
    answer = await person.ask(method, path, **more)
    assert answer.is_success, answer.text
    return answer.json()


async def buy(person: Person, paddle: PaddleSimulator, offer: str) -> str:
    """Check out and pay. The transaction's id."""
    made = await ok(person, "POST", "/billing/checkout", json={"offer": offer})
    assert made["url"].endswith(made["id"])
    paddle.pay(made["id"])
    return str(made["id"])


def test_a_plan_from_the_checkout_to_its_end(run: Run, paddle: PaddleSimulator) -> None:
    async def all_of_it(server: Server) -> None:
        ada = await server.verified()
        before = await ok(ada, "GET", "/billing/balance")
        assert (before["plan"], before["available_seconds"]) == ("free", FREE)
        assert (await ada.ask("GET", "/billing/subscription")).status_code == 404
        transaction = await buy(ada, paddle, "creator")
        await tell(server, paddle)
        after = await ok(ada, "GET", "/billing/balance")
        assert (after["plan"], after["available_seconds"]) == ("creator", FREE + MONTH)
        assert after["available_minutes"] == 310

        second = await ada.ask("POST", "/billing/checkout", json={"offer": "studio"})
        assert (second.status_code, second.json()["code"]) == (409, "subscription_active")
        await buy(ada, paddle, "pack-60")

        link = await ok(ada, "POST", "/billing/portal")
        assert link["url"].startswith("https://customer-portal.paddle.example/")
        invoices = await ok(ada, "GET", "/billing/invoices")
        assert {one["total"] for one in invoices["items"]} == {3190, 990}
        page = await ok(ada, "GET", "/billing/invoices?limit=1")
        rest = await ok(ada, "GET", f"/billing/invoices?limit=1&cursor={page['next_cursor']}")
        assert page["items"] + rest["items"] == invoices["items"]
        assert rest["next_cursor"] is None
        pdf = await ok(ada, "GET", f"/billing/invoices/{transaction}/pdf")
        assert pdf["url"].startswith("https://paddle-invoices.example/")

        running = await ok(ada, "GET", "/billing/subscription")
        assert (running["plan"], running["status"], running["cancel_at"]) == (
            "creator", "active", None,
        )  # fmt: skip
        ended = await ok(ada, "POST", "/billing/subscription/cancel")
        assert ended["cancel_at"] == running["period_ends_at"]
        await tell(server, paddle)
        assert await ok(ada, "GET", "/billing/subscription") == ended
        assert await ok(ada, "POST", "/billing/subscription/cancel") == ended
        paddle.end_of_period(running["id"])
        await tell(server, paddle)
        assert (await ok(ada, "GET", "/billing/subscription"))["status"] == "canceled"
        assert (await ada.ask("POST", "/billing/subscription/cancel")).status_code == 404
        last = await ok(ada, "GET", "/billing/balance")
        assert (last["plan"], last["available_seconds"]) == ("free", FREE + PACKED)

    run(all_of_it)


def test_nobody_reaches_somebody_elses_money(run: Run, paddle: PaddleSimulator) -> None:
    async def all_of_it(server: Server) -> None:
        ada, bob = await server.verified(), await server.verified(BOB)
        transaction = await buy(ada, paddle, "creator")
        await tell(server, paddle)
        assert (await bob.ask("GET", f"/billing/invoices/{transaction}/pdf")).status_code == 404
        await buy(bob, paddle, "pack-60")
        await tell(server, paddle)
        assert (await bob.ask("GET", f"/billing/invoices/{transaction}/pdf")).status_code == 404
        assert len((await ok(bob, "GET", "/billing/invoices"))["items"]) == 1
        assert (await bob.ask("GET", "/billing/subscription")).status_code == 404
        assert (await bob.ask("POST", "/billing/subscription/cancel")).status_code == 404
        for hostile in ("..%2F..%2Fcustomers", "txn_1%2F..%2F..%2Fcustomers", "ctm_1", "txn_%00"):
            answer = await bob.ask("GET", f"/billing/invoices/{hostile}/pdf")
            assert answer.status_code in (404, 422), hostile
        asked = {entry.path for entry in paddle.log}
        assert not any(
            "customers" in path and "portal" not in path for path in asked - {"/customers"}
        )
        entries = (await ok(bob, "GET", "/billing/ledger"))["items"]
        assert sum(e["seconds"] for e in entries if e["book"] == "available") == FREE + PACKED
        key = await bob.key("jobs:read")
        for method, path in (
            ("GET", "balance"), ("GET", "usage"), ("GET", "ledger"), ("POST", "checkout"),
            ("POST", "portal"), ("GET", "invoices"), ("POST", "subscription/cancel"),
        ):  # fmt: skip
            answer = await server.http.request(
                method,
                f"/v1/billing/{path}",
                headers=bearer(key["key"]),
                json={"offer": "creator"} if method == "POST" else None,
            )
            assert answer.status_code == 403, path

    run(all_of_it)


def test_an_address_that_somebody_else_typed_opens_no_portal(
    run: Run, paddle: PaddleSimulator
) -> None:
    async def all_of_it(server: Server) -> None:
        # Anybody may have paid with Ada's address, or register with it, before she does.
        paddle.sell("pri_pack", None)
        next(iter(paddle.state["customers"].values()))["email"] = EMAIL
        impostor = await server.user()
        transaction = await buy(impostor, paddle, "pack-60")
        await tell(server, paddle)
        assert paddle.state["transactions"][transaction]["custom_data"] is not None
        assert (await impostor.ask("POST", "/billing/portal")).status_code == 404
        assert (await ok(impostor, "GET", "/billing/invoices"))["items"] == []
        assert await server.count(Customer) == 0
        token = await server.mailed_token(EMAIL, "verify")
        await server.prove(token)
        await buy(impostor, paddle, "pack-60")  # who reads the mail is no impostor
        assert len((await ok(impostor, "GET", "/billing/invoices"))["items"]) == 2

    run(all_of_it)


def test_a_checkout_that_failed_leaves_a_customer_that_is_found_again(
    run: Run, paddle: PaddleSimulator
) -> None:
    async def all_of_it(server: Server) -> None:
        ada = await server.user()
        paddle.faults.plan("status", status=400, path="/transactions")
        failed = await ada.ask("POST", "/billing/checkout", json={"offer": "pack-60"})
        assert (failed.status_code, failed.json()["code"]) == (502, "billing_failed")
        assert await server.count(Customer) == 1
        async with server.resources.database.transaction() as session:
            await session.execute(delete(Customer))  # nobody came to note it
        await buy(ada, paddle, "pack-60")
        await ok(ada, "POST", "/billing/portal")
        assert len(paddle.state["customers"]) == 1

    run(all_of_it)


def test_only_proven_addresses_buy_from_a_hosted_server(run: Run) -> None:
    async def all_of_it(server: Server) -> None:
        ada = await server.user()
        server.with_settings(environment="hosted")
        answer = await ada.ask("POST", "/billing/checkout", json={"offer": "pack-60"})
        assert (answer.status_code, answer.json()["code"]) == (403, "unverified")

    run(all_of_it)


def test_what_can_be_bought(run: Run, paddle: PaddleSimulator) -> None:
    async def all_of_it(server: Server) -> None:
        offers = (await server.http.get("/v1/billing/plans")).json()
        assert [(one["name"], one["sold"]) for one in offers["plans"] + offers["packs"]] == [
            ("free", False), ("creator", True), ("studio", True),
            ("pack-60", True), ("pack-600", False),
        ]  # fmt: skip
        assert offers["plans"][1]["title"]["ko"] == "크리에이터"
        ada = await server.verified()
        for offer, status, code in (
            ("free", 409, "not_sold"),
            ("pack-600", 409, "not_sold"),
            ("gold", 404, "not_found"),
            ("", 422, "invalid"),
        ):
            answer = await ada.ask("POST", "/billing/checkout", json={"offer": offer})
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert not paddle.requests("/transactions")

    run(all_of_it)


def test_a_checkout_sent_twice_is_begun_once(run: Run, paddle: PaddleSimulator) -> None:
    async def all_of_it(server: Server) -> None:
        ada = await server.verified()
        headers = ada.headers | {"Idempotency-Key": "one"}
        asked = {"json": {"offer": "pack-60"}, "headers": headers}
        first = await server.http.post("/v1/billing/checkout", **asked)  # type: ignore[arg-type]
        again = await server.http.post("/v1/billing/checkout", **asked)  # type: ignore[arg-type]
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        assert again.headers["idempotent-replay"] == "true"
        assert len(paddle.state["transactions"]) == 1
        other = await server.http.post(
            "/v1/billing/checkout", json={"offer": "creator"}, headers=headers
        )
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
        assert len(paddle.state["transactions"]) == 1

    run(all_of_it)


def test_checkouts_at_once_have_one_customer(run: Run, paddle: PaddleSimulator) -> None:
    async def all_of_it(server: Server) -> None:
        ada = await server.verified()

        async def check_out(key: str) -> httpx.Response:
            headers = ada.headers | {"Idempotency-Key": key}
            return await server.http.post(
                "/v1/billing/checkout", json={"offer": "pack-60"}, headers=headers
            )

        answers = await asyncio.gather(*map(check_out, ["one", "one", "one", "two", "three"]))
        assert {answer.status_code for answer in answers} == {201}
        told = [answer.json()["id"] for answer in answers]
        assert len(set(told[:3])) == 1  # one key, one checkout, whatever else was begun
        assert len(set(told)) == 3
        (customer,) = paddle.state["customers"]
        assert {made["customer_id"] for made in paddle.state["transactions"].values()} == {customer}
        assert await server.count(Customer) == 1

    run(all_of_it)


def test_while_paddle_hangs_no_connection_is_held(run: Run, paddle: PaddleSimulator) -> None:
    async def all_of_it(server: Server) -> None:
        ada = await server.verified()
        await buy(ada, paddle, "creator")
        await tell(server, paddle)
        resources = server.resources
        gateway, pool = resources.paddle, resources.database.engine.pool
        assert gateway is not None
        held: list[int] = []
        inner = gateway._sdk.call

        async def call(work: Any) -> Any:
            held.append(pool.checkedout())  # type: ignore[attr-defined]
            return await inner(work)

        gateway._sdk.call = call  # type: ignore[method-assign]
        headers = ada.headers | {"Idempotency-Key": "one"}
        made = await server.http.post(
            "/v1/billing/checkout", json={"offer": "pack-60"}, headers=headers
        )
        assert made.status_code == 201
        await ok(ada, "POST", "/billing/portal")
        (invoice,) = (await ok(ada, "GET", "/billing/invoices"))["items"]
        await ok(ada, "GET", f"/billing/invoices/{invoice['id']}/pdf")
        await ok(ada, "POST", "/billing/subscription/cancel")
        assert len(held) >= 5
        assert set(held) == {0}

    run(all_of_it)


def test_paddle_away_is_503_and_buys_nothing(run: Run, paddle: PaddleSimulator) -> None:
    async def all_of_it(server: Server) -> None:
        ada = await server.verified()
        paddle.faults.plan("status", status=500, path="/transactions")
        headers = ada.headers | {"Idempotency-Key": "one"}
        asked = {"json": {"offer": "pack-60"}, "headers": headers}
        failed = await server.http.post("/v1/billing/checkout", **asked)  # type: ignore[arg-type]
        assert (failed.status_code, failed.json()["code"]) == (503, "billing_unavailable")
        assert KEY not in failed.text
        again = await server.http.post("/v1/billing/checkout", **asked)  # type: ignore[arg-type]
        assert again.status_code == 201  # the key was not used up

    run(all_of_it)


def test_a_server_without_a_key_still_tells_plans_and_credit(tmp_path: Path) -> None:
    settings = ServerSettings(data_dir=tmp_path, token_keys=f"test:{'k' * 40}")

    async def all_of_it(server: Server) -> None:
        ada = await server.verified()
        offers = (await server.http.get("/v1/billing/plans")).json()
        assert not any(one["sold"] for one in offers["plans"] + offers["packs"])
        for path in ("balance", "usage", "ledger"):
            await ok(ada, "GET", f"/billing/{path}")
        for method, path in (
            ("POST", "checkout"), ("POST", "portal"), ("GET", "invoices"),
            ("GET", "invoices/txn_1/pdf"), ("POST", "subscription/cancel"),
        ):  # fmt: skip
            more = {"json": {"offer": "creator"}} if path == "checkout" else {}
            answer = await ada.ask(method, f"/billing/{path}", **more)
            assert (answer.status_code, answer.json()["code"]) == (503, "billing_unavailable")
            assert "ONEVOICE_SERVER_PADDLE_API_KEY" in answer.json()["hint"]
        answer = await server.http.post(DOOR, content=b"{}", headers={"paddle-signature": "ts=1"})
        assert answer.status_code == 503

    runner(settings)(all_of_it)


def test_what_is_paid_after_the_account_was_deleted_is_given_back(
    run: Run, paddle: PaddleSimulator
) -> None:
    async def all_of_it(server: Server) -> None:
        services = server.resources
        ada, bob = await server.verified(), await server.verified(BOB)
        begun = [
            await ok(ada, "POST", "/billing/checkout", json={"offer": offer})
            for offer in ("creator", "pack-60")
        ]
        kept = await buy(bob, paddle, "creator")
        answer = await ada.ask("DELETE", "/users/me", json={"password": PASSWORD})
        assert answer.is_success, answer.text
        plan, pack = (paddle.pay(one["id"]) for one in begun)
        assert plan is not None and pack is None
        await tell(server, paddle)
        assert await given_back(server) == []

        paddle.faults.plan("status", status=503, path="/subscriptions")
        paddle.faults.plan("status", status=403, path="/adjustments")
        assert await give_back(services) == 0
        # Two web instances may do it at once.
        counts = await asyncio.gather(give_back(services), give_back(services))
        assert max(counts) == 2
        subscriptions = paddle.state["subscriptions"]
        assert subscriptions[plan]["status"] == "canceled"
        assert subscriptions[paddle.subscription_of(kept)]["status"] == "active"
        refunds = paddle.state["adjustments"].values()
        assert sorted(made["transaction_id"] for made in refunds) == sorted(
            one["id"] for one in begun
        )
        assert {(made["action"], made["type"]) for made in refunds} == {("refund", "full")}
        assert await given_back(server) == [
            "given back: refund pending_approval",
            f"given back: {plan} cancelled, refund pending_approval",
        ]
        assert await give_back(services) == 0  # once
        for made in list(refunds):
            paddle.decide(made["id"])
        await tell(server, paddle)  # what Paddle says about it changes nothing
        assert (await ok(bob, "GET", "/billing/balance"))["available_seconds"] == FREE + MONTH

    run(all_of_it)


def test_the_server_gives_back_by_itself_until_paddle_answers(
    run: Run, paddle: PaddleSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def all_of_it(server: Server) -> None:
        paddle.sell("pri_pack", "user_who_left")
        await tell(server, paddle)
        monkeypatch.setattr(returning, "EVERY_S", 0.05)
        paddle.faults.plan("status", status=500, times=2, path="/adjustments")
        async with asyncio.timeout(30), returning.keep_giving_back(server.resources):
            while not await given_back(server):
                await asyncio.sleep(0.02)
        assert paddle.faults.left == 0
        assert len(paddle.state["adjustments"]) == 1

    run(all_of_it)


def test_payments_that_are_none_of_ours_are_left_alone(run: Run, paddle: PaddleSimulator) -> None:
    async def all_of_it(server: Server) -> None:
        ada = await server.verified()
        await buy(ada, paddle, "pack-60")
        paddle._add_price("pri_other", 500, monthly=True)
        paddle.sell("pri_other", "user_of_something_else")
        paddle.sell("pri_pack", None)
        await tell(server, paddle)
        assert await give_back(server.resources) == 0
        assert not paddle.requests("/adjustments")
        assert not paddle.state["adjustments"]

    run(all_of_it)


async def given_back(server: Server) -> list[str]:
    """Outcomes of what was given back."""
    async with server.resources.database.session() as session:
        found = await session.scalars(
            select(PaddleEvent.outcome).where(PaddleEvent.outcome.startswith("given back"))
        )
        return sorted(found, key=len)


def test_usage_by_day_and_language(run: Run) -> None:
    async def all_of_it(server: Server) -> None:
        ada, bob = await server.verified(), await server.verified(BOB)
        me = (await ok(ada, "GET", "/users/me"))["id"]
        async with server.database() as session:
            for job, language, used in (("a", "es", 60), ("b", "es", 30), ("a", "ko", 45)):
                key = hold_key(f"job_{job}", language, 1)
                await ledger.hold(session, me, 100, job_id=f"job_{job}", key=key)
                await ledger.capture(session, me, hold_key=key, used=used)
        today = now().date()
        usage = await ok(ada, "GET", "/billing/usage")
        assert usage["items"] == [
            {"day": str(today), "language": "es", "seconds": 90},
            {"day": str(today), "language": "ko", "seconds": 45},
        ]
        assert usage["total_seconds"] == 135
        assert (await ok(bob, "GET", "/billing/usage"))["total_seconds"] == 0
        past = today - timedelta(days=1)
        old = await ok(ada, "GET", f"/billing/usage?from={past - timedelta(days=9)}&to={past}")
        assert old["items"] == []
        for query in (
            f"from={today}&to={past}",
            "from=0001-01-01&to=9999-12-31",
            "to=9999-12-31",
            "from=9999-12-31",
            "from=yesterday",
            "to=0001-01-01",
        ):
            answer = await ada.ask("GET", f"/billing/usage?{query}")
            assert answer.status_code == 422, query

    run(all_of_it)


def test_the_ledger_in_pages(run: Run) -> None:
    async def all_of_it(server: Server) -> None:
        ada = await server.verified()
        me = (await ok(ada, "GET", "/users/me"))["id"]
        async with server.database() as session:
            for number in range(4):
                await ledger.grant(session, me, 60, key=f"test:{number}")
        whole = (await ok(ada, "GET", "/billing/ledger?limit=100"))["items"]
        assert len(whole) == 10
        assert sum(entry["seconds"] for entry in whole) == 0
        pages: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await ok(ada, "GET", f"/billing/ledger?limit=3{cursor}")
            pages += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert pages == whole
        assert (await ada.ask("GET", "/billing/ledger?cursor=YWJj")).status_code == 422

    run(all_of_it)


# -- the door for webhooks ----------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-3600, -8, 8, 3600])
def test_a_signature_is_good_for_seconds(
    monkeypatch: pytest.MonkeyPatch, paddle: PaddleSimulator, seconds: int
) -> None:
    monkeypatch.setattr(webhook, "TOLERANCE_S", TOLERANCE)
    paddle.sell("pri_pack", "user_1")
    settings = ServerSettings(paddle_webhook_secrets=SECRET)
    for made in (signed(paddle.events[-1]), stale(paddle.events[-1], seconds=seconds)):
        signature = made.headers[webhook.HEADER.lower()]
        try:
            webhook.verify(settings, body=made.body, signature=signature)
        except Unauthorized:
            assert not made.genuine
        else:
            assert made.genuine


def counted() -> list[float]:
    """How many webhooks were accepted, replayed and forged, as the figures say."""
    labels = ({"source": "paddle", "outcome": one} for one in ("accepted", "replayed", "forged"))
    return [REGISTRY.get_sample_value("onevoice_webhooks_in_total", one) or 0 for one in labels]


def test_500_webhooks_forged_stale_replayed_and_reordered(
    run: Run, paddle: PaddleSimulator
) -> None:
    """None is accepted that should not be, none is applied twice."""

    async def all_of_it(server: Server) -> None:
        chance = random.Random(42)
        buyers = []
        for number in range(6):
            person = await server.verified(f"buyer{number}@example.com")
            buyers.append(person)
            user_id = (await ok(person, "GET", "/users/me"))["id"]
            plan = paddle.sell("pri_creator", user_id)
            pack = paddle.sell("pri_pack", user_id)
            subscription = paddle.subscription_of(plan)
            for status in ("past_due", "active"):
                paddle.set_status(subscription, status)
            paddle.decide(paddle.refund(pack))
        genuine = list(paddle.events)
        made: list[Callable[[], Webhook]] = []
        for event in genuine:
            made += [partial(signed, event)] * 2  # Paddle itself tells things twice
        old = [signed(event) for event in genuine[:40]]
        for number in range(210):
            how = FORGERIES[number % len(FORGERIES)]
            made.append(partial(forged, chance.choice(genuine), how))
        for number in range(500 - len(made) - len(old)):
            seconds = (-3600, -PATIENT - 60, 2 * PATIENT, 3600, 86_400)[number % 5]
            made.append(partial(stale, chance.choice(genuine), seconds=seconds))
        made += [partial(copy, webhook) for webhook in old]  # recorded, and posted byte for byte
        assert len(made) == 500
        chance.shuffle(made)
        answers: Counter[tuple[str, int]] = Counter()

        async def deliver(make: Callable[[], Webhook]) -> None:
            webhook = make()
            answer = await post(server, webhook)
            answers[webhook.what, answer.status_code] += 1
            if not webhook.genuine:
                assert answer.status_code == 401, (webhook.what, answer.text)
                assert answer.json()["code"] == "invalid_signature"

        before = counted()
        for begin in range(0, 500, 20):
            await asyncio.gather(*(deliver(make) for make in made[begin : begin + 20]))
        accepted = sum(n for (_, status), n in answers.items() if status == 200)
        assert accepted >= 2 * len(genuine)
        assert set(answers) <= {(what, 401) for what in (*FORGERIES, "stale", "genuine")} | {
            ("genuine", 200)
        }
        accepted_once, replayed, refused = (
            now_ - then for now_, then in zip(counted(), before, strict=True)
        )
        assert accepted_once == len(genuine) and replayed == accepted - len(genuine)
        assert refused == 500 - accepted
        assert await server.count(PaddleEvent) == len(genuine)
        assert await server.count(Task, Task.kind == "paddle") == len(genuine)
        await work(server.resources, [PaddleHandler(server.resources.plans)])
        assert await server.count(PaddleEvent, PaddleEvent.processed_at.is_(None)) == 0
        assert await server.count(Subscription) == len(buyers)
        for person in buyers:
            books = await ok(person, "GET", "/billing/balance")
            assert (books["plan"], books["available_seconds"]) == ("creator", FREE + MONTH)
        grants = LedgerEntry.reason == "grant", LedgerEntry.book == "available"
        assert await server.count(LedgerEntry, *grants) == 3 * len(buyers)
        async with server.database() as session:
            assert await ledger.check(session) == []
        forgeries = sum(n for (what, _), n in answers.items() if what in FORGERIES)
        assert (forgeries, answers["stale", 401]) == (210, 94)

    run(all_of_it)


def test_test_mode_does_not_open_the_door(
    run: Run, paddle: PaddleSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_MODE", "1")
    event = paddle.tell("report.created", {"id": "rep_1"})

    async def all_of_it(server: Server) -> None:
        assert (await post(server, stale(event, seconds=2 * PATIENT))).status_code == 401
        assert (await post(server, stale(event, seconds=-2 * PATIENT))).status_code == 401
        assert (await post(server, forged(event, "other secret"))).status_code == 401
        assert await server.count(PaddleEvent) == 0
        assert (await post(server, signed(event))).status_code == 200

    run(all_of_it)


def test_secrets_are_rotated(run: Run, paddle: PaddleSimulator) -> None:
    async def all_of_it(server: Server) -> None:
        for secret, status in ((SECRET, 200), ("pdl_ntfset_next", 200), ("pdl_ntfset_old", 401)):
            event = paddle.tell("report.created", {"id": "rep_1"})
            assert (await post(server, signed(event, secret=secret))).status_code == status
        event = paddle.tell("report.created", {"id": "rep_2"})
        one, other = signed(event), signed(event, secret="pdl_ntfset_gone")
        both = one.headers["paddle-signature"] + other.headers["paddle-signature"][-68:]
        answer = await server.http.post(DOOR, content=one.body, headers={"paddle-signature": both})
        assert answer.status_code == 200  # Paddle signs with both while it rotates

    run(all_of_it)


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": "../../etc/passwd"},
        {"event_id": "evt_" + "1" * 100},
        {"event_id": None},
        {"event_type": "x" * 100},
        {"event_type": ""},
        {"occurred_at": "yesterday"},
        {"occurred_at": "2026-01-01T00:00:00"},
        {"data": []},
        {"data": {"id": "a\0b"}},
    ],
    ids=str,
)
def test_a_signed_event_that_makes_no_sense(
    run: Run, paddle: PaddleSimulator, change: dict[str, Any]
) -> None:
    async def all_of_it(server: Server) -> None:
        event = paddle.tell("report.created", {"id": "rep_1"}) | change
        answer = await post(server, signed(event))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        assert await server.count(PaddleEvent) == 0
        assert await server.count(Task) == 0

    run(all_of_it)


def test_a_body_that_is_too_long(run: Run, paddle: PaddleSimulator) -> None:
    async def all_of_it(server: Server) -> None:
        event = paddle.tell("report.created", {"id": "x" * 2_000_000})
        assert (await post(server, signed(event))).status_code == 413
        assert await server.count(PaddleEvent) == 0

    run(all_of_it)


@pytest.mark.parametrize("settings", ["postgres"], indirect=True)
def test_an_event_is_applied_anew_as_the_operations_say(
    settings: ServerSettings, run: Run, paddle: PaddleSimulator
) -> None:
    """The SQL of docs/operations.md, for an event whose task died."""
    section = (ROOT / "docs/operations.md").read_text(encoding="utf-8").partition("## Billing")[2]
    blocks = re.findall(r"```sql\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    (find, repair) = blocks

    async def all_of_it(server: Server) -> None:
        ada = await server.verified()
        await buy(ada, paddle, "pack-60")
        completed = next(e for e in paddle.events if e["event_type"] == "transaction.completed")
        event_id = completed["event_id"]
        assert (await post(server, signed(completed))).status_code == 200
        async with server.database() as session:
            await session.execute(update(Task).where(Task.kind == "paddle").values(state="dead"))
        assert [row.id for row in await server.rows(find)] == [event_id]
        async with server.database() as session:
            for statement in repair.replace("evt_…", event_id).split(";")[1:-2]:
                await session.execute(text(statement.replace("::", "\\:\\:")))
        await sweep(server.resources.database, server.resources.queue)
        await work(server.resources, [PaddleHandler(server.resources.plans)])
        books = await ok(ada, "GET", "/billing/balance")
        assert books["available_seconds"] == FREE + PACKED
        assert await server.rows(find) == []

    run(all_of_it)
