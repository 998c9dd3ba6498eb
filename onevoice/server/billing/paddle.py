"""What this server asks of Paddle: customers, checkouts, subscriptions, invoices, refunds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from paddle_billing.Client import Client
from paddle_billing.Entities.Customer import Customer
from paddle_billing.Entities.Shared import Action, CustomData, Disposition, TransactionStatus
from paddle_billing.Entities.Subscription import Subscription
from paddle_billing.Entities.Subscriptions import SubscriptionEffectiveFrom
from paddle_billing.Entities.Transaction import Transaction
from paddle_billing.Exceptions.ApiError import ApiError as SdkError
from paddle_billing.Resources.Adjustments.Operations import CreateAdjustment, ListAdjustments
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

from onevoice.server.billing.sdk import PaddleRefused, Sdk, status_of
from onevoice.server.errors import NotFound
from onevoice.server.settings import ServerSettings

BILLED = ("billed", "paid", "completed", "past_due")
"""States of transactions that have an invoice."""


@dataclass(frozen=True, slots=True)
class Known:
    """A customer, and the user it was made for, if it was made here."""

    id: str
    user_id: str | None


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


def make_paddle(settings: ServerSettings) -> Paddle | None:
    """The gateway of the settings; None without a key."""
    key = settings.paddle_api_key.get_secret_value()
    if not key:
        return None
    return Paddle(Sdk(key, environment=settings.paddle_environment, url=settings.paddle_url))


class Paddle:
    """One seller's account. Safe to share between tasks."""

    def __init__(self, sdk: Sdk) -> None:
        self._sdk = sdk

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

        return await self._sdk.call(create)

    async def find_customer(self, email: str) -> Known | None:
        """The active customer of an address."""

        def find(client: Client) -> Known | None:
            found: list[Customer] = client.customers.list(ListCustomers(emails=[email])).items
            same = (c for c in found if c.email.casefold() == email.casefold())
            return next((Known(c.id, _user_of(c)) for c in same), None)

        return await self._sdk.call(find)

    async def checkout(self, *, user_id: str, price_id: str, customer_id: str | None) -> Checkout:
        """Begin a payment; what is paid comes back as events that carry ``user_id``."""
        wanted = CreateTransaction(
            items=[TransactionCreateItem(price_id, 1)], custom_data=CustomData({"user_id": user_id})
        )
        if customer_id is not None:
            wanted.customer_id = customer_id
        made: Transaction = await self._sdk.call(lambda client: client.transactions.create(wanted))
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
        session = await self._sdk.call(
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

        found = await self._sdk.call(cancel)
        change = found.scheduled_change
        ends = change.effective_at if change and str(change.action) == "cancel" else None
        return Cancelled(str(found.status), ends or found.canceled_at)

    async def refund(self, transaction_id: str, *, reason: str) -> str:
        """Have a payment returned, as a whole and once; how Paddle stands to it.

        Most wait for Paddle's approval. What it rejected before is not asked for again.
        """
        wanted = ListAdjustments(transaction_ids=[transaction_id], action=Action.Refund)

        def ask(client: Client) -> str:
            known = client.adjustments.list(wanted).items
            if known:
                return str(known[0].status)
            whole = CreateAdjustment.full(Action.Refund, reason, transaction_id)
            try:
                return str(client.adjustments.create(whole).status)
            except SdkError as exc:
                if exc.error_code in _REFUNDED:
                    return _REFUNDED[exc.error_code]  # somebody else was faster
                raise

        return await self._sdk.call(ask)

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
        return await self._sdk.call(
            lambda client: [_invoice(made) for made in client.transactions.list(wanted).items]
        )

    async def invoice_pdf(self, transaction_id: str, *, customer_id: str) -> str:
        """The address of an invoice's PDF. NotFound where it is not this customer's."""

        def ask(client: Client) -> str | None:
            try:
                found = client.transactions.get(transaction_id)
            except SdkError as exc:
                if status_of(exc) == 404:
                    return None
                raise
            if found.customer_id != customer_id or str(found.status) not in BILLED:
                return None
            form = GetTransactionInvoice(Disposition.Attachment)
            return str(client.transactions.get_invoice_pdf(transaction_id, form).url)

        url = await self._sdk.call(ask)
        if url is None:
            raise no_invoice(transaction_id)
        return url


_TRANSACTION = re.compile(r"txn_[a-z0-9]{1,36}")
_REFUNDED = {
    "adjustment_pending_refund_request": "pending_approval",
    "adjustment_transaction_item_has_already_been_fully_adjusted": "approved",
}
_ENDED = ("subscription_update_when_canceled", "subscription_is_canceled_action_invalid")


def _user_of(customer: Customer) -> str | None:
    data = customer.custom_data.data if customer.custom_data else None
    user_id = data.get("user_id") if isinstance(data, dict) else None
    return str(user_id) if user_id else None


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
