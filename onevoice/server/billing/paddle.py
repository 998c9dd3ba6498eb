"""Paddle's API, through its own SDK: customers, checkouts, portal, subscriptions, invoices.

The SDK is synchronous and keeps its last answer on the client, where two threads would read each
other's. So every call has a client and a session of its own, in a thread. What goes wrong becomes
:class:`PaddleUnavailable` (try again) or :class:`PaddleRefused` (the operator has to look).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from paddle_billing.Client import Client
from paddle_billing.Entities.Customer import Customer
from paddle_billing.Entities.Shared import CustomData, Disposition, TransactionStatus
from paddle_billing.Entities.Subscription import Subscription
from paddle_billing.Entities.Subscriptions import SubscriptionEffectiveFrom
from paddle_billing.Entities.Transaction import Transaction
from paddle_billing.Environment import Environment
from paddle_billing.Exceptions.ApiError import ApiError as SdkError
from paddle_billing.Options import Options
from paddle_billing.Resources.CustomerPortalSessions.Operations import CreateCustomerPortalSession
from paddle_billing.Resources.Customers.Operations import CreateCustomer, ListCustomers
from paddle_billing.Resources.Shared.Operations import Pager
from paddle_billing.Resources.Shared.Operations.List.OrderBy import OrderBy
from paddle_billing.Resources.Subscriptions.Operations import CancelSubscription
from paddle_billing.Resources.Transactions.Operations import (
    CreateTransaction,
    GetTransactionInvoice,
    ListTransactions,
)
from paddle_billing.Resources.Transactions.Operations.Create import TransactionCreateItem
from requests import PreparedRequest, RequestException, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidJSONError
from urllib3.util.retry import Retry

from onevoice.server.errors import ApiError, NotFound, Unavailable
from onevoice.server.settings import PREFIX, ServerSettings

T = TypeVar("T")

TIMEOUT = 10.0
"""Seconds to wait for Paddle: somebody is waiting for us."""
BILLED = ("billed", "paid", "completed", "past_due")
"""States of transactions that have an invoice."""


class PaddleUnavailable(Unavailable):
    """Paddle does not answer, or asks to be left alone for a while."""

    code = "billing_unavailable"


class PaddleRefused(ApiError):
    """Paddle does not accept what this server asks."""

    code = "billing_failed"
    status = 502


@dataclass(frozen=True, slots=True)
class Checkout:
    transaction_id: str
    url: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    status: str
    cancel_at: datetime | None


@dataclass(frozen=True, slots=True)
class Invoice:
    """A transaction that was billed; ``total`` in the smallest unit of the currency."""

    id: str
    number: str | None
    status: str
    total: int
    currency: str
    billed_at: datetime | None


def not_configured() -> PaddleUnavailable:
    """What is answered where nothing can be bought."""
    return PaddleUnavailable(
        "this server sells nothing",
        hint=f"its operator sets {PREFIX}PADDLE_API_KEY and {PREFIX}PADDLE_WEBHOOK_SECRETS",
    )


def make_paddle(settings: ServerSettings) -> Paddle | None:
    """The gateway of the settings; None without a key."""
    key = settings.paddle_api_key.get_secret_value()
    if not key:
        return None
    environment = Environment(settings.paddle_environment)
    return Paddle(key, environment=environment, url=settings.paddle_url)


class Paddle:
    """One seller's account. Safe to share between tasks."""

    def __init__(
        self, key: str, *, environment: Environment, url: str = "", timeout: float = TIMEOUT
    ) -> None:
        self._key = key
        self._environment = environment
        self._url = url
        self._timeout = timeout

    async def make_customer(
        self, *, user_id: str, email: str, name: str, locale: str
    ) -> str | None:
        """A customer for a user: a new one's id, or None where Paddle knows the address already."""
        data = CustomData({"user_id": user_id})
        made = CreateCustomer(email=email, custom_data=data, locale=locale)
        if name:
            made.name = name

        def create(client: Client) -> str | None:
            try:
                return str(client.customers.create(made).id)
            except SdkError as exc:
                if exc.error_code == "customer_already_exists":
                    return None
                raise

        return await self._call(create)

    async def find_customer(self, email: str) -> str | None:
        """The active customer of an address."""

        def find(client: Client) -> str | None:
            found: list[Customer] = client.customers.list(ListCustomers(emails=[email])).items
            return next((c.id for c in found if c.email.casefold() == email.casefold()), None)

        return await self._call(find)

    async def checkout(self, *, user_id: str, price_id: str, customer_id: str | None) -> Checkout:
        """Begin a payment; what is paid comes back as events that carry ``user_id``."""
        wanted = CreateTransaction(
            items=[TransactionCreateItem(price_id, 1)], custom_data=CustomData({"user_id": user_id})
        )
        if customer_id is not None:
            wanted.customer_id = customer_id
        made: Transaction = await self._call(lambda client: client.transactions.create(wanted))
        if made.checkout is None or not made.checkout.url:
            raise PaddleRefused(
                "Paddle gave no address for the payment",
                hint="the operator sets a default payment link in Paddle's checkout settings",
            )
        return Checkout(made.id, made.checkout.url)

    async def portal(self, customer_id: str, *, subscription_ids: list[str]) -> str:
        """The address of a customer's portal, where cards and invoices are."""
        wanted = CreateCustomerPortalSession()
        if subscription_ids:
            wanted.subscription_ids = subscription_ids
        session = await self._call(
            lambda client: client.customer_portal_sessions.create(customer_id, wanted)
        )
        return str(session.urls.general.overview)

    async def cancel(self, subscription_id: str, *, at_once: bool = False) -> Cancelled:
        """Cancel a subscription, at the end of the period that is paid."""
        when = (
            SubscriptionEffectiveFrom.Immediately
            if at_once
            else SubscriptionEffectiveFrom.NextBillingPeriod
        )

        def cancel(client: Client) -> Subscription:
            try:
                return client.subscriptions.cancel(subscription_id, CancelSubscription(when))
            except SdkError as exc:
                if exc.error_code.startswith("subscription_locked") or exc.error_code in _ENDED:
                    return client.subscriptions.get(subscription_id)  # it is under way, or done
                raise

        found = await self._call(cancel)
        change = found.scheduled_change
        ends = change.effective_at if change and str(change.action) == "cancel" else None
        return Cancelled(str(found.status), ends or found.canceled_at)

    async def invoices(
        self, customer_id: str, *, after: str | None = None, limit: int = 20
    ) -> list[Invoice]:
        """A customer's invoices, newest first."""
        wanted = ListTransactions(
            pager=Pager(after=after, order_by=OrderBy.id_descending(), per_page=limit),
            customer_ids=[customer_id],
            statuses=[TransactionStatus(status) for status in BILLED],
        )
        # Only the first page: iterating over the SDK's collection would fetch all of them.
        return await self._call(
            lambda client: [_invoice(made) for made in client.transactions.list(wanted).items]
        )

    async def invoice_pdf(self, transaction_id: str, *, customer_id: str) -> str:
        """The address of an invoice's PDF. NotFound where it is not this customer's."""

        def ask(client: Client) -> str | None:
            try:
                found = client.transactions.get(transaction_id)
            except SdkError as exc:
                if _status(exc) == 404:
                    return None
                raise
            if found.customer_id != customer_id or str(found.status) not in BILLED:
                return None
            form = GetTransactionInvoice(Disposition.Attachment)
            return str(client.transactions.get_invoice_pdf(transaction_id, form).url)

        url = await self._call(ask)
        if url is None:
            raise no_invoice(transaction_id)
        return url

    async def _call(self, work: Callable[[Client], T]) -> T:
        """Run something with a client, and translate what goes wrong."""
        try:
            return await asyncio.to_thread(self._with_client, work)
        except SdkError as exc:
            raise _told(exc.error_code, _status(exc)) from exc
        except RequestException as exc:
            raise _told("", _status(exc)) from exc
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as exc:
            raise PaddleRefused(
                "the payment service's answer makes no sense",
                hint="try again later; if it stays so, tell the operator the request_id",
            ) from exc

    def _with_client(self, work: Callable[[Client], T]) -> T:
        client = Client(
            self._key,
            options=Options(self._environment),
            logger=_SILENT,
            timeout=self._timeout,
        )
        with client.client as session:
            session.mount("https://", _Adapter(self._url))
            session.hooks["response"] = [_check_body]
            return work(client)


class _Adapter(HTTPAdapter):
    """Few retries, and another host than the SDK's where one is given."""

    def __init__(self, url: str) -> None:
        retries = Retry(
            total=2,
            backoff_factor=0.2,
            status_forcelist=(429, 502, 503, 504),  # only of requests that change nothing
            respect_retry_after_header=False,  # nobody waits a minute for a page
            raise_on_status=False,
        )
        super().__init__(max_retries=retries)
        self._elsewhere = url

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        if self._elsewhere:
            asked = urlsplit(str(request.url))
            request.url = f"{self._elsewhere}{asked.path}" + (f"?{asked.query}" * bool(asked.query))
            kwargs["proxies"] = {}  # those of the environment are for the host that was replaced
        return super().send(request, *args, **kwargs)


def _check_body(response: Response, *_: Any, **__: Any) -> None:
    """Raises for a success without data, in which the SDK would see an empty list."""
    if response.ok:
        body = response.json()
        if not isinstance(body, dict) or "data" not in body:
            raise InvalidJSONError("there is no data in it")


_TRANSACTION = re.compile(r"txn_[a-z0-9]{1,36}")
_ENDED = ("subscription_update_when_canceled", "subscription_is_canceled_action_invalid")

# The SDK logs whole answers: addresses of people, and of their invoices.
_SILENT = logging.getLogger("onevoice.server.billing.paddle.sdk")
_SILENT.disabled = True


def _status(exc: RequestException) -> int:
    """The status of Paddle's answer; 0 if there was none."""
    return exc.response.status_code if exc.response is not None else 0


def _invoice(made: Transaction) -> Invoice:
    totals = made.details.totals
    return Invoice(
        id=made.id,
        number=made.invoice_number,
        status=str(made.status),
        total=int(totals.grand_total or totals.total),
        currency=str(totals.currency_code),
        billed_at=made.billed_at,
    )


def is_transaction_id(text: str) -> bool:
    """Whether this may go into an address of Paddle's API."""
    return _TRANSACTION.fullmatch(text) is not None


def no_invoice(transaction_id: str) -> NotFound:
    return NotFound(
        f"there is no invoice {transaction_id}", hint="GET /v1/billing/invoices lists yours"
    )


def _told(code: str, status: int) -> ApiError:
    """Our error for Paddle's, or for none at all (status 0). Never with the key, or a person."""
    if status in (0, 408, 429) or status >= 500:
        return PaddleUnavailable(
            "the payment service does not answer",
            hint="nothing was bought; try again in a minute",
            headers={"Retry-After": "60"},
        )
    about = f" ({code})" if code else ""
    if status in (401, 403):
        return PaddleRefused(
            f"the payment service refuses this server's key{about}",
            hint=f"the operator checks {PREFIX}PADDLE_API_KEY and {PREFIX}PADDLE_ENVIRONMENT",
        )
    return PaddleRefused(
        f"the payment service refuses the request{about}",
        hint="the operator compares the plans with Paddle's catalogue",
    )
