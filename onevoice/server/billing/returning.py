"""Giving back what was paid for an account that is gone.

A checkout stays open after its account was deleted, and Paddle takes the money of whoever pays
there. Nobody can use what was bought: the subscription is cancelled at once and the payment
refunded. The stored event is the record of it: until Paddle has agreed it is tried again.

The web tier does this and no worker, which would need Paddle's key beside files of strangers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from onevoice.server.billing import paddle, repository
from onevoice.server.billing.events import NO_ACCOUNT
from onevoice.server.billing.models import PaddleEvent
from onevoice.server.billing.plans import Plans
from onevoice.server.billing.told import COMPLETED, ToldTransaction
from onevoice.server.db import now
from onevoice.server.errors import ApiError
from onevoice.server.pauses import beside, jittered
from onevoice.server.resources import Resources

EVERY_S = 3600.0
TRIED_FOR = timedelta(days=30)
"""After so long only the operator can do something about it."""
REASON = "The account was deleted before the payment was made."
_BATCH = 50
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def keep_giving_back(services: Resources) -> AsyncIterator[None]:
    """Do it now and then while the block runs, where there is somebody to ask."""
    if services.paddle is None:
        yield
        return
    async with beside(_keep(services)):
        yield


async def _keep(services: Resources) -> None:
    while True:
        # Web instances that were started together do not ask together.
        await asyncio.sleep(jittered(EVERY_S, 0.1, 1.0))
        try:
            await give_back(services)
        except Exception as exc:
            _log.warning("paddle.giving_back_failed", error=type(exc).__name__)


async def give_back(services: Resources) -> int:
    """Return every payment for an account that is gone; how many were returned."""
    gateway = services.paddle
    if gateway is None:
        return 0
    async with services.database.session() as session:
        found = await repository.events_with(
            session, kind=COMPLETED, outcome=NO_ACCOUNT, since=now() - TRIED_FOR, limit=_BATCH
        )
        sales = [(event.id, sale) for event in found if (sale := _ours(services.plans, event))]
        named = {sale.custom_data.user_id for _, sale in sales if sale.custom_data}
        present = await repository.users_among(session, named)
    count = 0
    for event_id, sale in sales:
        if sale.custom_data is None or sale.custom_data.user_id in present:
            continue
        try:
            outcome = await _return(gateway, sale)
        except ApiError as exc:
            log = _log.warning if exc.retryable else _log.error
            log("paddle.not_given_back", paddle_event=event_id, transaction=sale.id, code=exc.code)
            continue
        async with services.database.transaction() as session:
            await repository.settle_event(session, event_id, outcome, instead_of=NO_ACCOUNT)
        _log.warning("paddle.given_back", paddle_event=event_id, outcome=outcome)
        count += 1
    return count


def _ours(plans: Plans, event: PaddleEvent) -> ToldTransaction | None:
    """The sale of an event, if all of it is sold here, to an account that the checkout named.

    A seller may sell other things than this server's, of whose buyers it knows nothing.
    """
    sale = ToldTransaction.model_validate(event.payload["data"])
    named = sale.custom_data is not None and sale.custom_data.user_id is not None
    sold = bool(sale.items) and all(plans.by_price(item.price.id) for item in sale.items)
    return sale if named and sold else None


async def _return(gateway: paddle.Paddle, sale: ToldTransaction) -> str:
    """Cancel and refund; what came of it. Done again, it changes nothing."""
    done = []
    if sale.subscription_id is not None:
        await gateway.cancel(sale.subscription_id, at_once=True)
        done.append(f"{sale.subscription_id} cancelled")
    totals = sale.details.totals
    if (totals.total if totals.grand_total is None else totals.grand_total) > 0:
        done.append(f"refund {await gateway.refund(sale.id, reason=REASON)}")
    return "given back: " + ", ".join(done or ["nothing was paid"])
