"""What can be bought: plans with their limits, and packs of minutes. Read from YAML."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic import model_validator as validator

from onevoice.errors import ConfigError

FREE = "free"
BUILT_IN = Path(__file__).with_name("plans.yaml")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
PriceId = Annotated[str, StringConstraints(pattern=r"^pri_[a-z0-9]{1,36}$")]


class HasPlan(Protocol):
    """A user, as far as plans are concerned."""

    @property
    def plan(self) -> str: ...


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Title(_Frozen):
    """What people read."""

    en: str = Field(min_length=1, max_length=80)
    ko: str = Field(min_length=1, max_length=80)


class Price(_Frozen):
    """What people are shown; what they pay is what Paddle's price says, with their taxes."""

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    amount: Annotated[str, StringConstraints(pattern=r"^\d{1,9}(\.\d{1,2})?$")]


class Offer(_Frozen):
    """Something with a name and a price that brings minutes."""

    name: Name
    title: Title
    minutes: int = Field(ge=0, le=10_000_000)
    price: Price
    paddle_price_id: PriceId | None = None

    @property
    def seconds(self) -> int:
        return self.minutes * 60


class Pack(Offer):
    """Minutes bought once."""

    minutes: int = Field(gt=0, le=10_000_000)


class Plan(Offer):
    """Minutes each month, and what one may do with them."""

    max_bytes: int = Field(gt=0)
    max_seconds: int = Field(gt=0)
    jobs_at_once: int = Field(
        gt=0,
        description="Dubs under way at once; others wait their turn. A dub is what one worker does "
        "of a job at a time: some of its languages, which many languages make several of.",
    )
    languages_per_job: int = Field(gt=0)
    priority: Literal["normal", "high"]
    retention_days: int = Field(gt=0)
    low_minutes: int | None = Field(default=None, ge=0)

    @property
    def low_seconds(self) -> int:
        """Credit below this is low; a tenth of the plan's minutes where the file says nothing."""
        return self.seconds // 10 if self.low_minutes is None else self.low_minutes * 60


class Plans(_Frozen):
    """All offers; plans from the least to the greatest."""

    plans: list[Plan]
    packs: list[Pack] = []

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read a file of plans. Raises ConfigError that names the file and the key."""
        path = path or BUILT_IN
        try:
            text = path.read_text(encoding="utf-8")
            return cls.model_validate(yaml.safe_load(text))
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(
                f"the plans cannot be read from {path}: {exc}",
                hint="ONEVOICE_SERVER_PLANS names the file; unset, the built-in plans are used",
            ) from exc
        except yaml.YAMLError as exc:
            raise ConfigError(
                f"{path} is no YAML: {' '.join(str(exc).split())}", hint=_HINT
            ) from exc
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "plans"
            said = first["msg"].removeprefix("Value error, ")
            raise ConfigError(f"{path}: {key}: {said}", hint=_HINT) from exc

    @validator(mode="after")
    def _consistent(self) -> Self:
        offers: list[Offer] = [*self.plans, *self.packs]
        for what in ("name", "paddle_price_id"):
            values = [value for offer in offers if (value := getattr(offer, what)) is not None]
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{twice[0]} is the {what} of more than one plan or pack")
        free = next((plan for plan in self.plans if plan.name == FREE), None)
        if free is None:
            raise ValueError(f"one plan has to be called {FREE}")
        if free.paddle_price_id is not None:
            raise ValueError(f"the plan {FREE} is not sold: its paddle_price_id is null")
        return self

    @cached_property
    def _by_name(self) -> dict[str, Plan]:
        return {plan.name: plan for plan in self.plans}

    @property
    def free(self) -> Plan:
        return self._by_name[FREE]

    def of(self, user: HasPlan) -> Plan:
        """A user's plan; the free one where the file no longer has theirs."""
        return self._by_name.get(user.plan, self.free)

    def greatest(self, names: set[str]) -> Plan:
        """The greatest of these plans; the free one where none of them is known."""
        return next((plan for plan in reversed(self.plans) if plan.name in names), self.free)

    def offer(self, name: str) -> Plan | Pack | None:
        """The plan or pack of a name."""
        return self._by_name.get(name) or next(
            (pack for pack in self.packs if pack.name == name), None
        )

    def by_price(self, price_id: str) -> Plan | Pack | None:
        """The plan or pack that Paddle sells at this price."""
        offers: list[Plan | Pack] = [*self.plans, *self.packs]
        return next((offer for offer in offers if offer.paddle_price_id == price_id), None)


_HINT = f"{BUILT_IN.name} in onevoice/server/billing shows every key"
