"""``/v1/billing``, and the door for Paddle's webhooks."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from onevoice.server.auth.dependencies import Principal, require
from onevoice.server.auth.rate_limit import limit
from onevoice.server.billing import schemas, service, webhook
from onevoice.server.db import now
from onevoice.server.idempotency import OncePerKey
from onevoice.server.paging import Page, PageOf, page
from onevoice.server.problems import MEDIA_TYPE
from onevoice.server.unit_of_work import Services, Session

router = APIRouter(tags=["billing"])

_ASKS_PADDLE = limit("billing.paddle", per_minute=30)
"""Each of these is a request of ours to Paddle, which limits them."""
_REFUSED: dict[int | str, dict[str, Any]] = {
    502: {
        "description": "The payment service does not accept what this server asks.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
_EVENT = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": schemas.EventIn.model_json_schema()}},
    }
}
Reader = Annotated[Principal, require("billing:read")]
Writer = Annotated[Principal, require("billing:write")]
Buyer = Annotated[Principal, require("billing:write", verified=True)]
InvoiceId = Annotated[str, Path(max_length=40, examples=["txn_01k8e9fv2dq6v8x7m3r5t1c4yz"])]


@router.get("/billing/plans")
async def list_plans(services: Services) -> schemas.PlansOut:
    """Plans and packs of minutes, with what they allow. Anybody may read them."""
    return service.offers(services.plans, sells=services.paddle is not None)


@router.get("/billing/balance")
async def get_balance(user: Reader, session: Session, services: Services) -> schemas.BalanceOut:
    """The credit: what can be spent, and what is held for jobs under way."""
    return await service.balance(session, user.user, services.plans)


@router.get("/billing/usage")
async def get_usage(
    user: Reader,
    session: Session,
    start: Annotated[
        date | None, Query(alias="from", description="First day (UTC); 30 days by default.")
    ] = None,
    end: Annotated[
        date | None, Query(alias="to", description="Last day (UTC); today by default.")
    ] = None,
) -> schemas.UsageOut:
    """What was spent, by day and language."""
    today = now().date()
    return await service.usage(session, user.user_id, start=start, end=end, today=today)


@router.get("/billing/ledger")
async def list_ledger(user: Reader, session: Session, wanted: PageOf) -> Page[schemas.EntryOut]:
    """Every change of the credit, newest first."""
    rows = await service.entries(
        session, user.user_id, before=wanted.before, limit=wanted.limit + 1
    )
    return page([schemas.EntryOut.of(row) for row in rows], wanted, key=lambda entry: entry.id)


@router.post(
    "/billing/checkout",
    status_code=201,
    response_model=schemas.CheckoutOut,
    dependencies=[_ASKS_PADDLE],
    responses=_REFUSED,
)
async def create_checkout(
    wanted: schemas.CheckoutIn, user: Buyer, services: Services, once: OncePerKey
) -> JSONResponse:
    """Buy a plan or a pack: open the `url` and pay there."""
    before = await once.asked_before()
    if before is not None:
        return before
    made = await service.checkout(services, user.user, wanted.offer)

    async def work() -> BaseModel:
        return made

    # Of several at once with one key, all are told the same checkout: nobody can pay the others.
    return await once.answer(201, work)


@router.post("/billing/portal", dependencies=[_ASKS_PADDLE], responses=_REFUSED)
async def create_portal_link(user: Writer, services: Services) -> schemas.LinkOut:
    """A link to where cards are changed and invoices are. Do not keep it."""
    return await service.portal(services, user.user)


@router.get("/billing/subscription")
async def get_subscription(user: Reader, session: Session) -> schemas.SubscriptionOut:
    """The running subscription, or the last one."""
    return schemas.SubscriptionOut.model_validate(await service.subscription(session, user.user_id))


@router.post("/billing/subscription/cancel", dependencies=[_ASKS_PADDLE], responses=_REFUSED)
async def cancel_subscription(user: Writer, services: Services) -> schemas.SubscriptionOut:
    """Cancel at the end of the period that is paid; the plan stays until then."""
    return await service.cancel(services, user.user_id)


@router.get("/billing/invoices", dependencies=[_ASKS_PADDLE], responses=_REFUSED)
async def list_invoices(
    user: Reader, services: Services, wanted: PageOf
) -> Page[schemas.InvoiceOut]:
    """Payments of this account, newest first."""
    found = await service.invoices(
        services, user.user_id, before=wanted.before, limit=wanted.limit + 1
    )
    shown = [schemas.InvoiceOut.model_validate(one) for one in found]
    return page(shown, wanted, key=lambda one: one.id)


@router.get("/billing/invoices/{invoice_id}/pdf", dependencies=[_ASKS_PADDLE], responses=_REFUSED)
async def get_invoice_pdf(
    invoice_id: InvoiceId, user: Reader, services: Services
) -> schemas.LinkOut:
    """A link to the invoice as a PDF; it is good for an hour."""
    return await service.invoice_pdf(services, user.user_id, invoice_id)


@router.post("/webhooks/paddle", tags=["webhooks"], openapi_extra=_EVENT)
async def receive_paddle_event(
    request: Request,
    session: Session,
    services: Services,
    paddle_signature: Annotated[
        str, Header(description="`ts=…;h1=…`: when Paddle signed the body, and how.")
    ] = "",
) -> schemas.Received:
    """For Paddle: an event, signed with the notification destination's secret.

    It is kept once, by its id, and worked on later.
    """
    body = await request.body()
    await webhook.take(session, services.settings, body=body, signature=paddle_signature)
    return schemas.Received()
