"""Routes of accounts: /v1/auth."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import HTMLResponse

from onevoice.server.auth import pages, passwords, repository, service, sessions
from onevoice.server.auth.dependencies import SessionUser, check_verified
from onevoice.server.auth.models import LoginSession
from onevoice.server.auth.rate_limit import (
    Counted,
    Limits,
    Rule,
    client_network,
    limit_clients,
)
from onevoice.server.auth.schemas import (
    Accepted,
    AddressOnly,
    CreatedKey,
    KeyRename,
    KeyRequest,
    KeyView,
    LinkOnly,
    Login,
    PasswordChange,
    PasswordReset,
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
MAILS = Rule(name="mails", times=5, seconds=3600)
"""Links mailed to one address."""

UserAgent = Annotated[str, Header(include_in_schema=False)]
Id = Annotated[str, Path(max_length=40, pattern=r"^[a-z]+_[0-9a-z]+$")]
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
    await service.register(
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
async def verify_address(body: LinkOnly, session: Session, services: Services) -> None:
    """Prove an address with the token that was mailed to it."""
    await service.verify_address(session, services, token=body.token.get_secret_value())


@router.post("/verify/resend", status_code=202, dependencies=[limit_clients("mails", per_hour=60)])
async def resend_verification(
    body: AddressOnly, session: Session, services: Services, limits: Limits
) -> Accepted:
    """Have the link mailed again; older ones stop working."""
    await limits.count(Counted(MAILS, repository.email_key(body.email)))
    await service.resend_verification(session, services, email=body.email)
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
    """Set a new password with the token that was mailed. Every session ends."""
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


@router.post("/password/change")
async def change_password(
    body: PasswordChange,
    user: SessionUser,
    session: Session,
    services: Services,
    limits: Limits,
    response: Response,
    user_agent: UserAgent = "",
) -> TokenPair:
    """Set a new password. Every session ends; the answer begins a new one for this device."""
    async with limits.failures(Counted(PASSWORD, user.user_id)):
        await service.check_password(user.user, body.current_password.get_secret_value())
    password = body.new_password.get_secret_value()
    passwords.check_new(password, email=user.user.email)
    hashed = await passwords.hash_password(password)
    tokens = await service.change_password(
        session, services, user.user, password_hash=hashed, user_agent=user_agent
    )
    return _pair(response, tokens)


@router.post("/api-keys", status_code=201)
async def create_api_key(
    body: KeyRequest, user: SessionUser, session: Session, services: Services, response: Response
) -> CreatedKey:
    """Make a key for a program. Its secret is shown in this answer and nowhere else."""
    check_verified(user, services)
    kept, made = await service.create_key(
        session,
        user_id=user.user_id,
        name=body.name,
        scopes=list(body.scopes),
        days=body.expires_in_days,
    )
    response.headers["Cache-Control"] = "no-store"
    return CreatedKey(**KeyView.model_validate(kept).model_dump(), key=made.text)


@router.get("/api-keys")
async def list_api_keys(user: SessionUser, session: Session, wanted: PageOf) -> Page[KeyView]:
    """The account's keys, without their secrets."""
    rows = await repository.keys_of(
        session, user_id=user.user_id, limit=wanted.limit + 1, before=wanted.before
    )
    return page([KeyView.model_validate(row) for row in rows], wanted, key=lambda row: row.id)


@router.patch("/api-keys/{key_id}")
async def rename_api_key(
    key_id: Id, body: KeyRename, user: SessionUser, session: Session
) -> KeyView:
    """Call a key something else. Its scopes never change: make another key."""
    key = await service.rename_key(session, user_id=user.user_id, key_id=key_id, name=body.name)
    return KeyView.model_validate(key)


@router.delete("/api-keys/{key_id}", status_code=204)
async def delete_api_key(key_id: Id, user: SessionUser, session: Session) -> None:
    """End a key at once."""
    await service.delete_key(session, user_id=user.user_id, key_id=key_id)


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
