"""What users do about money: look at it, buy, cancel, fetch invoices.

What asks Paddle is given no session: it looks things up in short ones of its own, and while Paddle
takes its time it holds neither a connection nor a lock.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.models import User
from onevoice.server.billing import ledger, paddle, repository, schemas
from onevoice.server.billing.models import LedgerEntry, Subscription
from onevoice.server.billing.plans import Plan, Plans
from onevoice.server.billing.sdk import not_configured
from onevoice.server.errors import Conflict, Invalid, NotFound
from onevoice.server.resources import Resources

FIRST, LAST = date(2000, 1, 1), date(2999, 12, 31)
MOST_DAYS = 366
"""Longest stretch of usage in one answer."""


def offers(plans: Plans, *, sells: bool) -> schemas.PlansOut:
    """All plans and packs, and which of them can be bought."""

    def sold(price_id: str | None) -> bool:
        return sells and price_id is not None

    return schemas.PlansOut(
        plans=[
            schemas.PlanOut(**dict(plan), sold=sold(plan.paddle_price_id)) for plan in plans.plans
        ],
        packs=[
            schemas.PackOut(**dict(pack), sold=sold(pack.paddle_price_id)) for pack in plans.packs
        ],
    )


async def balance(session: AsyncSession, user: User, plans: Plans) -> schemas.BalanceOut:
    books = await ledger.balance(session, user.id)
    return schemas.BalanceOut(
        plan=plans.of(user).name,
        available_seconds=books.available,
        held_seconds=books.held,
        spent_seconds=books.spent,
        available_minutes=round(books.available / 60, 2),
    )


async def usage(
    session: AsyncSession, user_id: str, *, start: date | None, end: date | None, today: date
) -> schemas.UsageOut:
    """What was spent from ``start`` to ``end``, both included; the last 30 days by default."""
    end = end or today
    start = start or end - min(timedelta(days=29), end - date.min)
    if not FIRST <= start <= end <= LAST:
        raise Invalid(
            f"from {start} to {end} is no stretch of days",
            hint=f"give from and to as days, the older one first, from {FIRST} to {LAST}",
        )
    if (end - start).days >= MOST_DAYS:
        raise Invalid(
            f"from and to are more than {MOST_DAYS} days apart", hint="ask for a year at a time"
        )
    spent: Counter[tuple[date, str]] = Counter()
    rows = await repository.captures(
        session, user_id, start=_midnight(start), end=_midnight(end + timedelta(days=1))
    )
    for key, seconds, at in rows:
        spent[at.astimezone(UTC).date(), _language(key)] += seconds
    return schemas.UsageOut(
        start=start,
        end=end,
        total_seconds=spent.total(),
        items=[
            schemas.Used(day=day, language=language, seconds=seconds)
            for (day, language), seconds in sorted(spent.items())
        ],
    )


async def entries(
    session: AsyncSession, user_id: str, *, before: str | None, limit: int
) -> list[LedgerEntry]:
    if before is not None and not (before.isdecimal() and len(before) < 19):
        raise Invalid("the cursor is none of ours", hint="give the next_cursor of the page before")
    cursor = None if before is None else int(before)
    return list(await ledger.entries(session, user_id, cursor, limit=limit))


async def checkout(services: Resources, user: User, name: str) -> schemas.CheckoutOut:
    """Begin the payment of a plan or pack."""
    gateway = _gateway(services)
    offer = services.plans.offer(name)
    if offer is None:
        raise NotFound(
            f"there is no plan or pack {name}", hint="GET /v1/billing/plans lists what there is"
        )
    if offer.paddle_price_id is None:
        raise Conflict(
            f"{name} is not sold here",
            hint="GET /v1/billing/plans tells by `sold` what is",
            code="not_sold",
        )
    if isinstance(offer, Plan):
        async with services.database.session() as session:
            running = await _running(session, user.id)
        if running is not None and running.cancel_at is None:
            raise Conflict(
                f"there is a subscription to {running.plan}",
                hint="a pack adds minutes to it; to change the plan, cancel it first at "
                "/v1/billing/subscription/cancel",
                code="subscription_active",
            )
    customer_id = await _customer(services, gateway, user)
    made = await gateway.checkout(
        user_id=user.id, price_id=offer.paddle_price_id, customer_id=customer_id
    )
    return schemas.CheckoutOut(id=made.transaction_id, url=made.url)


async def portal(services: Resources, user: User) -> schemas.LinkOut:
    """A link to where cards are changed and invoices are."""
    gateway = _gateway(services)
    async with services.database.session() as session:
        customer_id = await repository.customer_of(session, user.id)
        if customer_id is None:
            raise NotFound(
                "nothing was bought by this account yet",
                hint="POST /v1/billing/checkout begins that",
            )
        running = [
            row.id
            for row in await repository.subscriptions_of(session, user.id)
            if row.customer_id == customer_id and row.status in repository.ENTITLING
        ]
    url = await gateway.portal(customer_id, subscription_ids=running)
    return schemas.LinkOut(url=url)


async def subscription(session: AsyncSession, user_id: str) -> Subscription:
    """The running subscription, or the newest that ran."""
    rows = await repository.subscriptions_of(session, user_id)
    found = await _running(session, user_id) or (rows[0] if rows else None)
    if found is None:
        raise NotFound(
            "there is no subscription", hint="POST /v1/billing/checkout with a plan begins one"
        )
    return found


async def cancel(services: Resources, user_id: str) -> schemas.SubscriptionOut:
    """Cancel the running subscription at the end of its period."""
    gateway = _gateway(services)
    async with services.database.session() as session:
        found = await _running(session, user_id)
    if found is None:
        raise NotFound("no subscription is running", hint="GET /v1/billing/subscription tells more")
    shown = schemas.SubscriptionOut.model_validate(found)
    if found.cancel_at is not None:
        return shown
    cancelled = await gateway.cancel(found.id)
    # The row is left to Paddle's event about it, which says the same in a moment.
    return shown.model_copy(update={"status": cancelled.status, "cancel_at": cancelled.cancel_at})


async def invoices(
    services: Resources, user_id: str, *, before: str | None, limit: int
) -> list[paddle.Invoice]:
    """One more than ``limit`` where there are more."""
    gateway = _gateway(services)
    if before is not None and not paddle.is_transaction_id(before):
        raise Invalid("the cursor is none of ours", hint="give the next_cursor of the page before")
    async with services.database.session() as session:
        customer_id = await repository.customer_of(session, user_id)
    if customer_id is None:
        return []
    return await gateway.invoices(customer_id, after=before, limit=limit)


async def invoice_pdf(services: Resources, user_id: str, invoice_id: str) -> schemas.LinkOut:
    gateway = _gateway(services)
    async with services.database.session() as session:
        customer_id = await repository.customer_of(session, user_id)
    if customer_id is None or not paddle.is_transaction_id(invoice_id):
        raise paddle.no_invoice(invoice_id)
    return schemas.LinkOut(url=await gateway.invoice_pdf(invoice_id, customer_id=customer_id))


async def _customer(services: Resources, gateway: paddle.Paddle, user: User) -> str | None:
    """The user's customer at Paddle, made at the first checkout. Of several at once all come to the
    same one: Paddle has one customer of an address, and the table one of a user.

    Paddle may know the address already, from a checkout where anybody could type it. Such a
    customer, with its invoices, is taken over only by who proved to own the address. Without one,
    Paddle asks for the address itself, and the account has no portal.
    """
    async with services.database.session() as session:
        known = await repository.customer_of(session, user.id)
    if known is not None:
        return known
    made = await gateway.make_customer(
        user_id=user.id, email=user.email, name=user.name, locale=user.locale
    )
    if made is None:
        found = await gateway.find_customer(user.email)
        # One that is the user's own was made just now, or by a checkout that failed.
        own = found is not None and found.user_id == user.id
        made = found.id if found and (own or user.verified_at is not None) else None
    if made is None:
        return None
    async with services.database.transaction() as session:
        if await repository.add_customer(session, user.id, made):
            return made
        return await repository.customer_of(session, user.id)


async def _running(session: AsyncSession, user_id: str) -> Subscription | None:
    """The running subscription; of several, one that goes on."""
    rows = [
        row
        for row in await repository.subscriptions_of(session, user_id)
        if row.status in repository.ENTITLING
    ]
    return min(rows, key=lambda row: row.cancel_at is not None, default=None)


def _gateway(services: Resources) -> paddle.Paddle:
    if services.paddle is None:
        raise not_configured()
    return services.paddle


def _language(key: str) -> str:
    """The language a capture was for: ``settle:hold:job_…:es:1``."""
    parts = key.split(":")
    return parts[3] if len(parts) == 5 else ""


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
