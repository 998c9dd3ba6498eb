"""What the routes of accounts take and give."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import AfterValidator, BaseModel, EmailStr, Field, SecretStr

from onevoice.server.auth.keys import Scope
from onevoice.server.auth.passwords import LONGEST, SHORTEST
from onevoice.server.schemas import Shown, Strict

Locale = Literal["en", "ko"]


def _one_line(value: str) -> str:
    """A name as people write one: nothing in it starts a line, a header or the other direction."""
    plain = unicodedata.normalize("NFC", value).strip()
    # Cf but for the joiners that names and emoji need; the rest turns text around or hides in it.
    bad = [c for c in plain if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or c in _HIDDEN]
    if bad:
        raise ValueError("it has characters that cannot be seen")
    return plain


_HIDDEN = frozenset(
    "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)

Name = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
Password = Annotated[
    SecretStr,
    Field(min_length=1, max_length=1024, examples=["stapler whale lantern sofa"]),
]
"""One to check. A new one has to satisfy more: see NewPassword."""
NewPassword = Annotated[
    SecretStr,
    Field(
        min_length=1,
        max_length=1024,
        description=f"{SHORTEST} to {LONGEST} characters; not a common one, nor the address.",
        examples=["stapler whale lantern sofa"],
    ),
]
Email = Annotated[EmailStr, Field(max_length=254, examples=["ada@example.com"])]
Id = Annotated[str, Path(max_length=40, pattern=r"^[a-z]+_[0-9a-z]+$")]
"""In the path of a route."""
MailedLink = Annotated[
    SecretStr, Field(min_length=1, max_length=200, description="From the link that was mailed.")
]


class Registration(Strict):
    email: Email
    password: NewPassword
    name: Name = Field(default="", examples=["Ada Lovelace"])
    locale: Locale = "en"


class Login(Strict):
    email: Email
    password: Password


class Refresh(Strict):
    refresh_token: Annotated[SecretStr, Field(min_length=1, max_length=200)]


class AddressOnly(Strict):
    email: Email


class Proof(Strict):
    token: MailedLink
    password: Password


class PasswordReset(Strict):
    token: MailedLink
    password: NewPassword


class PasswordChange(Strict):
    current_password: Password
    new_password: NewPassword


class Accepted(BaseModel):
    """The same whether or not the address has an account."""

    detail: str = Field(examples=["if the address is right, a mail is on its way"])


class TokenPair(BaseModel):
    access_token: str = Field(description="Goes into `Authorization: Bearer …`.")
    refresh_token: str = Field(description="Works once, at /v1/auth/refresh.")
    expires_in: int = Field(description="Seconds the access token is good for.", examples=[900])
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 (a kind of token)


class SessionView(BaseModel):
    """A login on one device."""

    id: str = Field(examples=["ses_01k0000000000000000000000a"])
    user_agent: str = Field(examples=["curl/8.5.0"])
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool = Field(description="Whether it is the one that asks.")


class KeyRequest(Strict):
    name: Annotated[Name, Field(min_length=1, max_length=100, examples=["nightly uploads"])]
    scopes: list[Scope] = Field(
        min_length=1, max_length=20, examples=[["videos:write", "jobs:write", "jobs:read"]]
    )
    expires_in_days: int | None = Field(default=None, ge=1, le=3650)


class KeyRename(Strict):
    name: Annotated[Name, Field(min_length=1, max_length=100, examples=["nightly uploads"])]


class KeyView(Shown):
    id: str = Field(examples=["key_01k0000000000000000000000a"])
    name: str
    scopes: list[Scope]
    last_four: str = Field(description="The end of its secret, to tell keys apart.")
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class CreatedKey(KeyView):
    key: str = Field(description="The key itself. It is shown this once.")
