"""What Paddle's events do, whenever and however often they come.

An event is applied once (its row says so) and one after another, in any order:

- **Subscriptions** are written as the newest event tells them, by ``occurred_at`` and then by the
  event's id; older ones change nothing. A subscription gives its plan while it is ``active``,
  ``trialing`` or ``past_due``: Paddle goes on asking for the money for weeks, and meanwhile there
  are no new minutes. ``canceled`` and ``paused`` take the plan away at once, which is the end of
  the period: until then Paddle leaves the status and only schedules the change. Of several
  subscriptions the greatest plan counts.
- **A completed transaction** grants the minutes of what was bought, once by its id. Minutes of a
  plan last until its next renewal, or its end: what is left of them then expires. They are used
  before those of packs, which stay. A change of plan in the middle of a period is billed in part
  and grants the same part. A renewal that is told later than the one after it only grants. A
  transaction that changes a card lists what is subscribed to and sells nothing.
- **Approved refunds and chargebacks** take the minutes back that did not expire, those of a
  partial one in proportion, at most what is available. A chargeback that Paddle won gives back what
  was taken.

What comes before that which it is about (a refund before its payment, a payment before its
subscription) is applied as soon as that comes. An unknown user or price, or an unknown kind, is
noted as the event's outcome and is no error: it would be the same the next time.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.billing import ledger, repository
from onevoice.server.billing.models import LedgerEntry, PaddleEvent
from onevoice.server.billing.plans import FREE, Plan, Plans
from onevoice.server.billing.told import (
    ADJUSTED,
    COMPLETED,
    ToldAdjustment,
    ToldSubscription,
    ToldTransaction,
    reduced,
)
from onevoice.server.db import now

NO_ACCOUNT = "no account is known for it"
"""Payments that came to this are given back: see returning.py."""
_NOT_YET = "it waits for its transaction"
_UNREADABLE = "unreadable: "
_NO_OFFER = "no plan or pack has the price"
_NO_SALE = "subscription_payment_method_change"


async def apply(session: AsyncSession, plans: Plans, event_id: str) -> str:
    """Apply a stored event; what came of it. One that was applied is not applied again."""
    await repository.lock_events(session)
    event = await repository.event(session, event_id)
    if event is None:
        return "there is no such event"
    if event.processed_at is not None:
        return event.outcome
    return await _apply(session, plans, event)


def is_odd(outcome: str) -> bool:
    """Whether somebody should look at what came of an event: money may have been paid for it."""
    return outcome == NO_ACCOUNT or outcome.startswith(_UNREADABLE) or _NO_OFFER in outcome


async def _apply(session: AsyncSession, plans: Plans, event: PaddleEvent) -> str:
    try:
        outcome = await _dispatch(session, plans, event)
        event.payload = reduced(event.kind, event.payload)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        outcome = f"{_UNREADABLE}{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    event.processed_at, event.outcome = now(), outcome[:200]
    await session.flush()
    return event.outcome


async def _dispatch(session: AsyncSession, plans: Plans, event: PaddleEvent) -> str:
    data = event.payload.get("data")
    if event.kind.startswith("subscription."):
        return await _subscription(session, plans, event, ToldSubscription.model_validate(data))
    if event.kind == COMPLETED:
        return await _transaction(session, plans, event, ToldTransaction.model_validate(data))
    if event.kind in ADJUSTED:
        return await _adjustment(session, event, ToldAdjustment.model_validate(data))
    return "ignored: nothing here depends on it"


# -- subscriptions -----------------------------------------------------------------------------


async def _subscription(
    session: AsyncSession, plans: Plans, event: PaddleEvent, told: ToldSubscription
) -> str:
    known = await repository.subscription(session, told.id)
    user_id = known.user_id if known else told.custom_data and told.custom_data.user_id
    if not user_id or not await repository.user_exists(session, user_id):
        return NO_ACCOUNT
    named = told.custom_data.user_id if told.custom_data else None
    if named is not None and named != user_id:
        return "ignored: the subscription is another account's"
    event.user_id = user_id
    offers = [plans.by_price(item.price.id) for item in told.items]
    plan = next((offer.name for offer in offers if isinstance(offer, Plan)), None)
    plan = plan or (known.plan if known else None)
    if plan is None:
        return f"{_NO_OFFER} {told.items[0].price.id if told.items else 'none'}"
    period, change = told.current_billing_period, told.scheduled_change
    applied = await repository.put_subscription(
        session,
        {
            "id": told.id,
            "user_id": user_id,
            "customer_id": told.customer_id,
            "plan": plan,
            "status": told.status,
            "period_starts_at": period.starts_at if period else None,
            "period_ends_at": period.ends_at if period else None,
            "cancel_at": change.effective_at if change and change.action == "cancel" else None,
            "told_at": event.occurred_at,
            "told_by": event.id,
        },
    )
    if not applied:
        return "ignored: a newer event was applied before"
    # The user before the balance, as everybody does who locks both.
    entitled = {
        row.plan
        for row in await repository.subscriptions_of(session, user_id)
        if row.status in repository.ENTITLING
    }
    await repository.set_plan(session, user_id, plans.greatest(entitled).name if entitled else FREE)
    if told.status == "canceled":
        await _expire_rest(session, user_id, told.id)
    if known is None:
        await _catch_up(session, plans, told.id, (COMPLETED,), NO_ACCOUNT)
    return f"{plan}: {told.status}"


# -- payments ----------------------------------------------------------------------------------


async def _transaction(
    session: AsyncSession, plans: Plans, event: PaddleEvent, told: ToldTransaction
) -> str:
    user_id = await _buyer(session, told)
    if user_id is None:
        return NO_ACCOUNT
    event.user_id = user_id
    if told.origin == _NO_SALE:
        return "ignored: nothing was sold"
    seconds = {"plan": 0, "pack": 0}
    unknown = []
    for item in told.items:
        offer = plans.by_price(item.price.id)
        if offer is None:
            unknown.append(item.price.id)
            continue
        rate = item.proration.rate if item.proration else Decimal(1)
        bought = _whole(offer.seconds * item.quantity * rate)
        seconds["plan" if isinstance(offer, Plan) else "pack"] += bought
    granted = {entry.key for entry in await _granted(session, user_id, told)}
    if seconds["plan"] and not granted & {told.key("plan"), told.key("more")}:
        opens = told.origin != "subscription_update" and await _is_newest(
            session, user_id, told, event
        )
        if opens and told.subscription_id:
            await _expire_rest(session, user_id, told.subscription_id)
        key = told.key("plan" if opens else "more")
        await _grant(session, user_id, seconds["plan"], key, event, "plan")
    if seconds["pack"]:
        await _grant(session, user_id, seconds["pack"], told.key("pack"), event, "pack")
    await _catch_up(session, plans, told.id, ADJUSTED, _NOT_YET)
    total = f"{sum(seconds.values())} s granted"
    return f"{total}; {_NO_OFFER} {unknown[0]}" if unknown else total


async def _grant(
    session: AsyncSession, user_id: str, seconds: int, key: str, event: PaddleEvent, what: str
) -> None:
    await ledger.grant(
        session, user_id, seconds, key=key, note=f"{what} bought", at=event.occurred_at
    )


async def _is_newest(
    session: AsyncSession, user_id: str, told: ToldTransaction, event: PaddleEvent
) -> bool:
    """Whether no later renewal of the same subscription was applied before this one."""
    openings = await repository.grants_ending_with(
        session, user_id, f":{told.subscription_id or '-'}:plan"
    )
    return all(entry.at <= event.occurred_at for entry in openings)


async def _expire_rest(session: AsyncSession, user_id: str, subscription_id: str) -> None:
    """Let what is left of the plan's minutes run out: those of its newest period."""
    openings = await repository.grants_ending_with(session, user_id, f":{subscription_id}:plan")
    if not openings:
        return
    opening = openings[0]
    more = await repository.grants_ending_with(
        session, user_id, f":{subscription_id}:more", after=opening.id
    )
    left = opening.seconds + sum(entry.seconds for entry in more)
    left -= max(0, await repository.used_since(session, user_id, opening.id))
    for entry in (opening, *more):
        taken, returned = await _taken_back(session, user_id, _sale_of(entry))
        left -= taken - returned
    if left > 0:
        key = f"expire:{opening.key}"
        await ledger.expire(session, user_id, left, key=key, note="the period is over")


# -- refunds and chargebacks -------------------------------------------------------------------


async def _adjustment(session: AsyncSession, event: PaddleEvent, told: ToldAdjustment) -> str:
    if told.action not in ("refund", "chargeback", "chargeback_reverse"):
        return f"ignored: {told.action} moves no minutes"
    if told.status != "approved":
        return f"ignored: it is {told.status}"
    paid = await repository.first_event_of(session, told.transaction_id, kind=COMPLETED)
    if paid is None:
        return _NOT_YET
    sale = ToldTransaction.model_validate(paid.payload["data"])
    user_id = event.user_id = await _buyer(session, sale)
    granted = await _granted(session, user_id, sale) if user_id else []
    if user_id is None or not granted:
        return _NOT_YET
    whole = sale.details.totals.grand_total or sale.details.totals.total
    part = Decimal(1) if told.type == "full" or not whole else told.totals.total / whole
    total = sum(entry.seconds for entry in granted)
    ended = [f"expire:{entry.key}" for entry in granted]
    expired = await repository.entries_with(session, user_id, ended, book="expired")
    left = total - sum(entry.seconds for entry in expired)
    taken, returned = await _taken_back(session, user_id, sale.id)
    if told.action == "chargeback_reverse":
        seconds = min(_whole(total * part), left, taken - returned)
        if seconds <= 0:
            return "nothing was taken that could come back"
        key = _AGAIN.format(sale.id) + told.id
        await ledger.grant(session, user_id, seconds, key=key, note=told.action)
        return f"{seconds} s came back"
    # Never more than the sale brought, however many refunds there are of it.
    seconds = min(_whole(total * part), left - (taken - returned))
    if seconds <= 0:
        return "nothing is left that could be taken back"
    key = _BACK.format(sale.id) + told.id
    took = await ledger.clawback(session, user_id, seconds, key=key, note=told.action)
    if took is None:
        return "it was taken back before"
    return f"{took.seconds} s of {seconds} s taken back"


_BACK, _AGAIN = "paddle:{}:back:", "paddle:{}:again:"


async def _taken_back(session: AsyncSession, user_id: str, sale_id: str) -> tuple[int, int]:
    """Seconds of a sale that were taken back so far, and those of them that were returned."""
    taken = await repository.sum_of(session, user_id, _BACK.format(sale_id), book="expired")
    again = await repository.sum_of(session, user_id, _AGAIN.format(sale_id), book="available")
    return taken, again


def _sale_of(grant: LedgerEntry) -> str:
    """The transaction behind a grant: ``paddle:txn_…:sub_…:plan``."""
    return grant.key.split(":")[1]


async def _granted(
    session: AsyncSession, user_id: str, sale: ToldTransaction
) -> Sequence[LedgerEntry]:
    keys = [sale.key(what) for what in ("plan", "more", "pack")]
    return await repository.entries_with(session, user_id, keys, book="available")


# -- both --------------------------------------------------------------------------------------


async def _buyer(session: AsyncSession, told: ToldTransaction) -> str | None:
    """Whom a transaction is for: its own data say it, or its subscription's account."""
    user_id = told.custom_data.user_id if told.custom_data else None
    if user_id is None and told.subscription_id:
        known = await repository.subscription(session, told.subscription_id)
        user_id = known.user_id if known else None
    if user_id is None or not await repository.user_exists(session, user_id):
        return None
    return user_id


async def _catch_up(
    session: AsyncSession, plans: Plans, parent_id: str, kinds: Sequence[str], waited: str
) -> None:
    """Apply events of what belongs to this, which came too early."""
    for event in await repository.early_events(session, parent_id, kinds=kinds, outcome=waited):
        await _apply(session, plans, event)


def _whole(seconds: Decimal) -> int:
    return int(seconds.to_integral_value(ROUND_HALF_UP))
