"""Routes of accounts: /v1/auth."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import HTMLResponse

from onevoice.server.auth import (
    addresses,
    key_endpoints,
    pages,
    passwords,
    repository,
    service,
    sessions,
)
from onevoice.server.auth.dependencies import SessionUser
from onevoice.server.auth.models import LoginSession
from onevoice.server.auth.rate_limit import (
    Counted,
    Limits,
    Rule,
    client_network,
    limit,
    limit_clients,
)
from onevoice.server.auth.schemas import (
    Accepted,
    AddressOnly,
    Id,
    Login,
    PasswordChange,
    PasswordReset,
    Proof,
    Refresh,
    Registration,
    SessionView,
    TokenPair,
)
from onevoice.server.auth.sessions import Tokens
from onevoice.server.db import now
from onevoice.server.errors import Forbidden, NotFound, Unauthorized
from onevoice.server.paging import Page, PageOf, page
from onevoice.server.unit_of_work import Services, Session

router = APIRouter(prefix="/auth", tags=["auth"])

# Failed logins. The first is what a person notices; it is for one network, so that a stranger
# cannot lock an account's owner out. The last slows down those who have many networks, and is over
# within a minute.
LOGIN_HERE = Rule(name="login.here", times=5, seconds=60)
LOGIN_CLIENT = Rule(name="login.client", times=50, seconds=300)
LOGIN_ADDRESS = Rule(name="login.address", times=30, seconds=60)
PASSWORD = Rule(name="password", times=5, seconds=60)
"""Wrong passwords of somebody who is logged in: a stolen token must not be good for guessing."""
LINK = Rule(name="link", times=5, seconds=60)
"""Wrong passwords with one mailed link."""
MAILS = Rule(name="mails", times=5, seconds=3600)
"""Links mailed to one address."""

UserAgent = Annotated[str, Header(include_in_schema=False)]
_MAILED = Accepted(detail="if the address is right, a mail is on its way")


@router.post("/register", status_code=202, dependencies=[limit_clients("register", per_hour=60)])
async def register(
    body: Registration, session: Session, services: Services, limits: Limits
) -> Accepted:
    """Open an account. What becomes of it is told by mail, to whoever reads that address."""
    if not services.settings.open_registration:
        raise Forbidden("no new accounts are opened here", hint="ask the operator for one")
    await limits.count(Counted(MAILS, repository.email_key(body.email)))
    password = body.password.get_secret_value()
    passwords.check_new(password, email=body.email)
    hashed = await passwords.hash_password(password)
    await addresses.register(
        session,
        services,
        email=body.email,
        password_hash=hashed,
        name=body.name,
        locale=body.locale,
    )
    return _MAILED


@router.get("/verify", include_in_schema=False)
async def verify_page(accept_language: Annotated[str, Header()] = "") -> HTMLResponse:
    return pages.verify_page(accept_language)


@router.post("/verify", status_code=204, dependencies=[limit_clients("links", per_minute=30)])
async def verify_address(body: Proof, session: Session, services: Services, limits: Limits) -> None:
    """Prove an address with the token that was mailed to it and the account's password.

    A wrong password does not use the token up. Whoever did not choose the password has it reset
    (`/v1/auth/password/forgot`): that proves the address as well.
    """
    token = body.token.get_secret_value()
    async with limits.failures(Counted(LINK, token)):
        await addresses.check_follower(
            services, token=token, password=body.password.get_secret_value()
        )
    await addresses.verify(session, services, token=token)


@router.post("/verify/resend", status_code=202, dependencies=[limit_clients("mails", per_hour=60)])
async def resend_verification(
    body: AddressOnly, session: Session, services: Services, limits: Limits
) -> Accepted:
    """Have the link mailed again; older ones stop working."""
    await limits.count(Counted(MAILS, repository.email_key(body.email)))
    await addresses.resend_verification(session, services, email=body.email)
    return _MAILED


@router.post("/login", dependencies=[limit_clients("login", per_minute=120)])
async def login(
    body: Login,
    request: Request,
    session: Session,
    services: Services,
    limits: Limits,
    response: Response,
    user_agent: UserAgent = "",
) -> TokenPair:
    """Log in with address and password. Only failures count against the limits."""
    client = client_network(request, proxies=services.settings.proxies)
    address = repository.email_key(body.email)
    async with limits.failures(
        Counted(LOGIN_HERE, f"{client} {address}"),
        Counted(LOGIN_CLIENT, client),
        Counted(LOGIN_ADDRESS, address),
    ):
        user = await service.check_login(
            services, email=body.email, password=body.password.get_secret_value()
        )
        if user is None:
            raise service.wrong_login()
    return _pair(response, await service.login(session, services, user, user_agent=user_agent))


@router.post("/refresh", dependencies=[limit_clients("refresh", per_minute=120)])
async def refresh_tokens(body: Refresh, services: Services, response: Response) -> TokenPair:
    """Go on with a session. The token given is used up; using it again ends the session."""
    async with services.database.transaction() as session:  # committed even if it is refused
        tokens = await sessions.go_on(
            session, services.token_keys, refresh_token=body.refresh_token.get_secret_value()
        )
    if tokens is None:
        raise Unauthorized(
            "the refresh token is not valid", hint="log in again", code="refresh_refused"
        )
    return _pair(response, tokens)


@router.post("/logout", status_code=204)
async def logout(user: SessionUser, session: Session) -> None:
    """End this session."""
    await repository.revoke_sessions(
        session, user_id=user.user_id, session_id=user.session_id, at=now(), why="logout"
    )


@router.post("/logout-everywhere", status_code=204)
async def logout_everywhere(user: SessionUser, session: Session) -> None:
    """End every session, this one included. API keys go on."""
    await repository.revoke_sessions(
        session, user_id=user.user_id, at=now(), why="logout everywhere"
    )


@router.get("/sessions")
async def list_sessions(user: SessionUser, session: Session, wanted: PageOf) -> Page[SessionView]:
    """Where the account is logged in."""
    rows = await repository.sessions_of(
        session, user_id=user.user_id, at=now(), limit=wanted.limit + 1, before=wanted.before
    )
    return page(
        [_session_view(row, user.session_id) for row in rows], wanted, key=lambda row: row.id
    )


@router.delete("/sessions/{session_id}", status_code=204)
async def revoke_session(session_id: Id, user: SessionUser, session: Session) -> None:
    """End one session."""
    ended = await repository.revoke_sessions(
        session, user_id=user.user_id, session_id=session_id, at=now(), why="revoked"
    )
    if not ended:
        raise NotFound(
            f"there is no session {session_id}", hint="GET /v1/auth/sessions lists yours"
        )


@router.post(
    "/password/forgot", status_code=202, dependencies=[limit_clients("mails", per_hour=60)]
)
async def forgot_password(
    body: AddressOnly, session: Session, services: Services, limits: Limits
) -> Accepted:
    """Have a link mailed that sets a new password."""
    await limits.count(Counted(MAILS, repository.email_key(body.email)))
    await service.forgot_password(session, services, email=body.email)
    return _MAILED


@router.get("/password/reset", include_in_schema=False)
async def reset_page(accept_language: Annotated[str, Header()] = "") -> HTMLResponse:
    return pages.reset_page(accept_language)


@router.post(
    "/password/reset", status_code=204, dependencies=[limit_clients("links", per_minute=30)]
)
async def reset_password(body: PasswordReset, session: Session, services: Services) -> None:
    """Set a new password with the token that was mailed. Sessions and API keys end.

    It proves the address as well. If it never was proven before, webhook endpoints of the account
    are switched off besides: somebody else may have opened it.
    """
    password = body.password.get_secret_value()
    passwords.check_new(password, email="")
    hashed = await passwords.hash_password(password)
    await service.reset_password(
        session,
        services,
        token=body.token.get_secret_value(),
        password=password,
        password_hash=hashed,
    )


@router.post("/password/change", dependencies=[limit("password", per_hour=20)])
async def change_password(
    body: PasswordChange,
    user: SessionUser,
    session: Session,
    services: Services,
    limits: Limits,
    response: Response,
    user_agent: UserAgent = "",
) -> TokenPair:
    """Set a new password. Every session ends; the answer begins a new one for this device.

    API keys go on.
    """
    async with limits.failures(Counted(PASSWORD, user.user_id)):
        await service.check_password(user.user, body.current_password.get_secret_value())
    password = body.new_password.get_secret_value()
    passwords.check_new(password, email=user.user.email)
    hashed = await passwords.hash_password(password)
    tokens = await service.change_password(
        session, services, user.user, password_hash=hashed, user_agent=user_agent
    )
    return _pair(response, tokens)


router.include_router(key_endpoints.router)


def _pair(response: Response, tokens: Tokens) -> TokenPair:
    response.headers["Cache-Control"] = "no-store"
    return TokenPair(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_in=tokens.expires_in,
    )


def _session_view(row: LoginSession, current: str | None) -> SessionView:
    return SessionView(
        id=row.id,
        user_agent=row.user_agent,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        current=row.id == current,
    )
