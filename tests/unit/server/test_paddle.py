"""The gateway to Paddle, through the real SDK, against the simulator."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from paddle_billing.Entities.Adjustment import Adjustment
from paddle_billing.Notifications.Entities import Adjustment as ToldAdjustment
from paddle_billing.Notifications.Entities import Customer as ToldCustomer
from paddle_billing.Notifications.Entities import Subscription as ToldSubscription
from paddle_billing.Notifications.Entities import SubscriptionCreated as ToldSubscriptionCreated
from paddle_billing.Notifications.Entities import Transaction as ToldTransaction
from paddle_billing.Resources.Adjustments.AdjustmentsClient import AdjustmentsClient

from onevoice.server.billing import sdk
from onevoice.server.billing.paddle import Known, Paddle, make_paddle
from onevoice.server.billing.sdk import AT_ONCE, PaddleRefused, PaddleUnavailable, Sdk
from onevoice.server.errors import ApiError, NotFound
from onevoice.server.settings import load_settings
from tests.simulators.base import KEY
from tests.simulators.paddle import PaddleSimulator

PRICES = {"pri_creator": (2900, True), "pri_studio": (11900, True), "pri_pack": (900, False)}


@pytest.fixture
def simulator() -> Iterator[PaddleSimulator]:
    with PaddleSimulator(prices=PRICES) as running:
        yield running


@pytest.fixture
def gateway(simulator: PaddleSimulator) -> Paddle:
    return at(simulator.url)


def at(url: str, key: str = KEY) -> Paddle:
    made = make_paddle(load_settings(paddle_api_key=key, paddle_url=url))
    assert made is not None
    return made


def bought(simulator: PaddleSimulator, gateway: Paddle, price: str) -> tuple[str, str]:
    """A customer and a paid transaction."""

    async def buy() -> tuple[str, str]:
        customer = await gateway.make_customer(
            user_id="user_ada", email="ada@example.com", name="Ada", locale="ko"
        )
        made = await gateway.checkout(user_id="user_ada", price_id=price, customer_id=customer)
        assert made.url.startswith("https://pay.example/checkout?_ptxn=txn_")
        return str(customer), made.transaction_id

    customer, transaction = asyncio.run(buy())
    simulator.pay(transaction)
    return customer, transaction


def test_without_a_key_there_is_no_gateway() -> None:
    assert make_paddle(load_settings()) is None


def test_a_checkout_carries_its_user(simulator: PaddleSimulator, gateway: Paddle) -> None:
    customer, transaction = bought(simulator, gateway, "pri_pack")
    kept = simulator.state["transactions"][transaction]
    assert kept["custom_data"] == {"user_id": "user_ada"}
    assert kept["customer_id"] == customer
    known = simulator.state["customers"][customer]
    assert (known["email"], known["locale"]) == ("ada@example.com", "ko")
    assert known["custom_data"] == {"user_id": "user_ada"}
    versions = {entry.headers["paddle-version"] for entry in simulator.log}
    assert versions == {"1"}


def test_a_known_address_makes_no_second_customer(gateway: Paddle) -> None:
    async def work() -> None:
        given = {"email": "ada@example.com", "name": "", "locale": "en"}
        first = await gateway.make_customer(user_id="user_ada", **given)
        assert first is not None
        assert await gateway.make_customer(user_id="user_bo", **given) is None
        assert await gateway.find_customer("ADA@example.com") is None  # Paddle compares exactly
        assert await gateway.find_customer("ada@example.com") == Known(first, "user_ada")
        assert await gateway.find_customer("nobody@example.com") is None

    asyncio.run(work())


def test_the_portal_and_the_invoices(simulator: PaddleSimulator, gateway: Paddle) -> None:
    customer, transaction = bought(simulator, gateway, "pri_creator")
    subscription = simulator.state["transactions"][transaction]["subscription_id"]
    simulator.renew(subscription)
    latest = simulator.renew(subscription)

    async def work() -> None:
        url = await gateway.portal(customer, subscription_ids=[subscription])
        assert url == f"https://customer-portal.paddle.example/cpl_{customer}?action=overview"
        assert await gateway.portal(customer, subscription_ids=[]) == url
        invoices = await gateway.invoices(customer)
        assert [one.total for one in invoices] == [3190] * 3  # with 10 % of tax
        assert {one.currency for one in invoices} == {"USD"}
        ids = [one.id for one in invoices]
        assert ids == sorted(ids, reverse=True)
        assert latest in ids
        page = await gateway.invoices(customer, limit=2)
        assert page == invoices[:2]
        assert await gateway.invoices(customer, after=page[-1].id) == invoices[2:]
        pdf = await gateway.invoice_pdf(transaction, customer_id=customer)
        assert pdf.startswith("https://paddle-invoices.example/inv_")
        for missing in (transaction.replace("txn_", "txn_0"), "txn_none"):
            with pytest.raises(NotFound, match="no invoice"):
                await gateway.invoice_pdf(missing, customer_id=customer)
        with pytest.raises(NotFound, match="no invoice"):
            await gateway.invoice_pdf(transaction, customer_id="ctm_somebody_else")
        unpaid = await gateway.checkout(
            user_id="user_ada", price_id="pri_pack", customer_id=customer
        )
        with pytest.raises(NotFound, match="no invoice"):
            await gateway.invoice_pdf(unpaid.transaction_id, customer_id=customer)

    asyncio.run(work())


def test_cancelling_twice_is_cancelling_once(simulator: PaddleSimulator, gateway: Paddle) -> None:
    _, transaction = bought(simulator, gateway, "pri_creator")
    subscription = simulator.state["transactions"][transaction]["subscription_id"]

    async def work() -> None:
        first = await gateway.cancel(subscription)
        assert first.status == "active"
        assert first.cancel_at is not None
        assert await gateway.cancel(subscription) == first
        simulator.end_of_period(subscription)
        ended = await gateway.cancel(subscription, at_once=True)
        assert ended.status == "canceled"
        with pytest.raises(PaddleRefused):
            await gateway.cancel("sub_none")

    asyncio.run(work())


def test_refunding_twice_is_refunding_once(simulator: PaddleSimulator, gateway: Paddle) -> None:
    _, transaction = bought(simulator, gateway, "pri_pack")

    async def refund() -> str:
        return await gateway.refund(transaction, reason="nobody has it")

    def refunds() -> list[tuple[str, str, str]]:
        return [
            (made["type"], made["reason"], made["status"])
            for made in simulator.state["adjustments"].values()
        ]

    async def work() -> None:
        answers = await asyncio.gather(refund(), refund(), refund())
        assert set(answers) == {"pending_approval"}
        assert refunds() == [("full", "nobody has it", "pending_approval")]
        (adjustment,) = simulator.state["adjustments"]
        simulator.decide(adjustment, "rejected")
        assert await refund() == "rejected"
        assert len(refunds()) == 1
        unpaid = await gateway.checkout(user_id="u", price_id="pri_pack", customer_id=None)
        with pytest.raises(PaddleRefused, match="adjustment_transaction_invalid_status_for_refund"):
            await gateway.refund(unpaid.transaction_id, reason="-")

    asyncio.run(work())


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("adjustment_pending_refund_request", "pending_approval"),
        ("adjustment_transaction_item_has_already_been_fully_adjusted", "approved"),
    ],
)
def test_a_refund_that_somebody_else_asked_for_at_once(
    simulator: PaddleSimulator,
    gateway: Paddle,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    told: str,
) -> None:
    _, transaction = bought(simulator, gateway, "pri_pack")
    adjustment = simulator.refund(transaction)
    if told == "approved":
        simulator.decide(adjustment)
    # It was not there yet when this one looked.
    monkeypatch.setattr(AdjustmentsClient, "list", lambda *_: SimpleNamespace(items=[]))
    assert asyncio.run(gateway.refund(transaction, reason="-")) == told
    (answer,) = simulator.requests("/adjustments")
    assert answer.method == "POST"
    assert len(simulator.state["adjustments"]) == 1


Call = Callable[[Paddle, str, str, str], Coroutine[Any, Any, object]]
CALLS: dict[str, Call] = {  # with a customer, a transaction and a subscription that exist
    "make_customer": lambda g, c, t, s: g.make_customer(
        user_id="user_bo", email="bo@example.com", name="", locale="en"
    ),
    "find_customer": lambda g, c, t, s: g.find_customer("ada@example.com"),
    "checkout": lambda g, c, t, s: g.checkout(
        user_id="user_ada", price_id="pri_pack", customer_id=c
    ),
    "portal": lambda g, c, t, s: g.portal(c, subscription_ids=[s]),
    "cancel": lambda g, c, t, s: g.cancel(s),
    "refund": lambda g, c, t, s: g.refund(t, reason="-"),
    "invoices": lambda g, c, t, s: g.invoices(c),
    "invoice_pdf": lambda g, c, t, s: g.invoice_pdf(t, customer_id=c),
}
EMPTY = '{"data": {}}'
FAULTS: list[tuple[dict[str, Any], type[ApiError]]] = [
    ({"kind": "status", "status": 500}, PaddleUnavailable),
    ({"kind": "status", "status": 503}, PaddleUnavailable),
    ({"kind": "status", "status": 429, "retry_after": 30}, PaddleUnavailable),
    ({"kind": "status", "status": 429, "retry_after": 0.5}, ApiError),  # the SDK stumbles over it
    ({"kind": "status", "status": 400, "code": "bad_request"}, PaddleRefused),
    ({"kind": "status", "status": 403, "code": "forbidden"}, PaddleRefused),
    ({"kind": "body", "body": "[]"}, PaddleUnavailable),
    ({"kind": "body", "body": "{}"}, PaddleUnavailable),
    ({"kind": "body", "body": EMPTY}, PaddleRefused),
    ({"kind": "body", "body": '{"data": [{}]}'}, PaddleRefused),
    ({"kind": "body", "body": "<html>"}, PaddleUnavailable),
    ({"kind": "malformed"}, PaddleUnavailable),
    ({"kind": "cut"}, PaddleUnavailable),
]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(("fault", "kind"), FAULTS, ids=[str(f) for f, _ in FAULTS])
def test_every_failure_is_translated(
    simulator: PaddleSimulator,
    gateway: Paddle,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    fault: dict[str, Any],
    kind: type[ApiError],
) -> None:
    monkeypatch.setattr(sdk.Retry, "sleep", lambda *_: None)
    customer, transaction = bought(simulator, gateway, "pri_creator")
    subscription = simulator.state["transactions"][transaction]["subscription_id"]
    call = CALLS[name](gateway, customer, transaction, subscription)
    simulator.faults.plan(**fault, times=4)
    if fault.get("body") == EMPTY and name in ("find_customer", "invoices"):
        assert not asyncio.run(call)  # an empty list, of another kind
        return
    with pytest.raises(kind) as caught:
        asyncio.run(call)
    error = caught.value
    assert error.hint
    assert KEY not in f"{error.message} {error.hint} {error.facts} {error.__cause__!r}"


def test_a_wrong_key_is_the_operators_business(
    simulator: PaddleSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(PaddleRefused, match="refuses this server's key") as caught:
        asyncio.run(at(simulator.url, "pdl_wrong_key").find_customer("ada@example.com"))
    assert "ONEVOICE_SERVER_PADDLE_API_KEY" in caught.value.hint
    assert "pdl_wrong_key" not in caplog.text
    assert "Response:" not in caplog.text  # what the SDK would log of answers


def test_nobody_there_and_nobody_in_a_hurry(simulator: PaddleSimulator) -> None:
    url = simulator.url
    slow = Paddle(Sdk(KEY, environment="sandbox", url=url, timeout=0.2))
    simulator.faults.plan("slow", seconds=1.0, times=3)
    began = time.monotonic()
    with pytest.raises(PaddleUnavailable):
        asyncio.run(slow.checkout(user_id="u", price_id="pri_pack", customer_id=None))
    assert time.monotonic() - began < 3
    simulator.stop()
    with pytest.raises(PaddleUnavailable) as caught:
        asyncio.run(slow.find_customer("ada@example.com"))
    assert caught.value.headers == {"Retry-After": "60"}


def test_what_changes_something_is_not_repeated(
    simulator: PaddleSimulator, gateway: Paddle
) -> None:
    simulator.faults.plan("status", status=503)
    with pytest.raises(PaddleUnavailable):
        asyncio.run(gateway.checkout(user_id="u", price_id="pri_pack", customer_id=None))
    assert len(simulator.requests("/transactions")) == 1
    simulator.faults.plan("status", status=503, times=2)
    assert asyncio.run(gateway.invoices("ctm_1")) == []  # asking is
    assert len(simulator.requests("/transactions")) == 4


def test_answers_of_many_at_once_are_not_mixed_up(
    simulator: PaddleSimulator, gateway: Paddle
) -> None:
    async def work() -> None:
        names = [f"buyer{number}@example.com" for number in range(24)]
        turn = asyncio.Semaphore(8)  # as many as may ask and wait; further ones are sent away

        async def make(name: str) -> str:
            async with turn:
                return await gateway.make_customer(user_id=name, email=name, name="", locale="en")

        async def find(name: str) -> Any:
            async with turn:
                return await gateway.find_customer(name)

        made = await asyncio.gather(*(make(name) for name in names))
        found = await asyncio.gather(*(find(name) for name in names))
        assert [(known.id, known.user_id) for known in found if known] == list(
            zip(made, names, strict=True)
        )
        for name, customer in zip(names, made, strict=True):
            assert simulator.state["customers"][customer]["email"] == name

    asyncio.run(work())


def test_the_environments_proxy_is_not_asked_for_another_address(
    simulator: PaddleSimulator, gateway: Paddle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert asyncio.run(gateway.find_customer("ada@example.com")) is None


def test_the_simulators_events_are_paddles_own(simulator: PaddleSimulator) -> None:
    """Every event parses as the SDK's entity of its kind, and means the same there."""
    gateway = at(simulator.url)
    _, transaction = bought(simulator, gateway, "pri_creator")
    subscription = simulator.state["transactions"][transaction]["subscription_id"]
    simulator.change_plan(subscription, "pri_studio")
    simulator.change_card(subscription)
    simulator.renew(subscription)
    refund = simulator.refund(transaction, cents=1000)
    simulator.decide(refund)
    for status in ("past_due", "paused", "active", "canceled"):
        simulator.set_status(subscription, status)
    entities: dict[str, Any] = {
        "customer": ToldCustomer.Customer,
        "transaction": ToldTransaction.Transaction,
        "subscription": ToldSubscription.Subscription,
        "adjustment": ToldAdjustment.Adjustment,
    }
    for event in simulator.events:
        entity = entities[event["event_type"].partition(".")[0]]
        if event["event_type"] == "subscription.created":
            entity = ToldSubscriptionCreated.SubscriptionCreated
        parsed = entity.from_dict(event["data"])
        assert parsed.id == event["data"]["id"]
        if hasattr(parsed, "status"):
            assert str(parsed.status) == event["data"]["status"]
            assert parsed.status.is_known()
    assert Adjustment.from_dict(simulator.state["adjustments"][refund]).id == refund
    assert {event["event_type"] for event in simulator.events} >= {
        "transaction.completed", "subscription.created", "subscription.canceled",
        "adjustment.updated", "customer.created",
    }  # fmt: skip


def test_while_paddle_hangs_few_wait_for_it() -> None:
    sdk = Sdk(KEY, environment="sandbox")
    go_on = threading.Event()

    async def many() -> list[bool | BaseException]:
        calls = [asyncio.create_task(sdk.call(lambda _: go_on.wait(20))) for _ in range(20)]
        while sum(call.done() for call in calls) < 20 - 2 * AT_ONCE:
            await asyncio.sleep(0.01)
        go_on.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert await sdk.call(lambda _: "again") == "again"
        return answers

    answers = asyncio.run(many())
    assert answers.count(True) == 2 * AT_ONCE
    assert sum(isinstance(answer, PaddleUnavailable) for answer in answers) == 20 - 2 * AT_ONCE
