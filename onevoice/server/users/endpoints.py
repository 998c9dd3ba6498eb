"""Routes of the user who asks: /v1/users/me."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from onevoice.server.auth import repository as accounts
from onevoice.server.auth import service as auth
from onevoice.server.auth.dependencies import Principal, SessionUser, require
from onevoice.server.auth.endpoints import MAILS, PASSWORD
from onevoice.server.auth.models import User
from onevoice.server.auth.rate_limit import Counted, Limits, limit
from onevoice.server.errors import Forbidden
from onevoice.server.unit_of_work import Services, Session
from onevoice.server.users import service
from onevoice.server.users.export import export
from onevoice.server.users.schemas import Farewell, Leaving, UserChange, UserView

router = APIRouter(prefix="/users", tags=["users"])


@router.get("/me")
async def get_me(user: Annotated[Principal, require("account:read")]) -> UserView:
    """The account that asks."""
    return _view(user.user)


@router.patch("/me")
async def update_me(
    body: UserChange,
    user: Annotated[Principal, require("account:write")],
    session: Session,
    services: Services,
    limits: Limits,
) -> UserView:
    """Change the name, the language of mails, or, with the password, the address."""
    if body.email is not None and body.password is not None:
        if user.session_id is None:
            raise Forbidden(
                "an API key cannot change the address",
                hint="log in with the password",
                code="session_needed",
            )
        async with limits.failures(Counted(PASSWORD, user.user_id)):
            await auth.check_password(user.user, body.password.get_secret_value())
        await limits.count(
            Counted(MAILS, user.user_id), Counted(MAILS, accounts.email_key(body.email))
        )
    return _view(await service.change(session, services, user.user, body))


@router.get(
    "/me/export",
    dependencies=[limit("export", per_hour=10)],
    response_class=StreamingResponse,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def export_me(
    user: Annotated[Principal, require("account:read")], services: Services
) -> StreamingResponse:
    """Everything that is kept about the account, as one JSON document."""
    return StreamingResponse(
        export(services.database, user.user_id),
        media_type="application/json",
        headers={
            "Content-Disposition": 'attachment; filename="onevoice-account.json"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.delete("/me", status_code=202)
async def delete_me(
    body: Farewell, user: SessionUser, session: Session, services: Services, limits: Limits
) -> Leaving:
    """Delete the account, its videos and its dubs. This cannot be undone."""
    async with limits.failures(Counted(PASSWORD, user.user_id)):
        await auth.check_password(user.user, body.password.get_secret_value())
    await service.leave(session, services, user.user)
    return Leaving(detail="the account is closed; its media and data are being deleted")


def _view(user: User) -> UserView:
    return UserView(
        id=user.id,
        email=user.email,
        verified=user.verified_at is not None,
        name=user.name,
        locale=user.locale,
        plan=user.plan,
        created_at=user.created_at,
    )
