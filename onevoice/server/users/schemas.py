"""What the routes of a user take and give."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field, model_validator

from onevoice.server.auth.schemas import Email, Locale, Name, Password
from onevoice.server.schemas import Strict


class UserView(BaseModel):
    """The account that asks."""

    id: str = Field(examples=["user_01k0000000000000000000000a"])
    email: str = Field(examples=["ada@example.com"])
    verified: bool = Field(description="Whether the address is proven.")
    name: str = Field(examples=["Ada Lovelace"])
    locale: str = Field(description="The language of mails.", examples=["en"])
    plan: str = Field(examples=["free"])
    created_at: datetime


class UserChange(Strict):
    """What is left out stays as it is."""

    name: Name | None = None
    locale: Locale | None = None
    email: Email | None = Field(
        default=None,
        description="A link is mailed to it; the address changes when the link is followed.",
    )
    password: Password | None = Field(default=None, description="Needed to change the address.")

    @model_validator(mode="after")
    def _proven(self) -> UserChange:
        if self.email is not None and self.password is None:
            raise ValueError("changing the address needs the password")
        return self


class Farewell(Strict):
    """The password once more: what it deletes does not come back."""

    password: Password


class Leaving(BaseModel):
    detail: str = Field(
        examples=["the account is closed; its media and data are being deleted"],
    )
