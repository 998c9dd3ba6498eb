"""``/v1/health`` for load balancers, ``/v1/version`` for people."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from onevoice import __version__
from onevoice.server.health.checks import Readiness, checks_of
from onevoice.server.unit_of_work import Services

router = APIRouter(tags=["health"])


class Live(BaseModel):
    status: Literal["ok"] = "ok"


class PartState(BaseModel):
    state: Literal["ok", "timeout", "failed"]
    milliseconds: int


class Ready(BaseModel):
    status: Literal["ok", "unavailable"]
    parts: dict[str, PartState] = Field(
        examples=[{"database": {"state": "ok", "milliseconds": 2}}],
        description="database, storage and queue",
    )


class Version(BaseModel):
    version: str = Field(examples=["1.0.0"])
    api: Literal["v1"] = "v1"


def readiness(request: Request, services: Services) -> Readiness:
    """One for the process, so that all requests share what it remembers."""
    state = request.app.state
    if not isinstance(getattr(state, "readiness", None), Readiness):
        state.readiness = Readiness(checks_of(services))
    found: Readiness = state.readiness
    return found


@router.get("/health/live")
async def live(response: Response) -> Live:
    """The process answers. Nothing else is asked: a process is not restarted for its database."""
    response.headers["Cache-Control"] = "no-store"
    return Live()


@router.get(
    "/health/ready", responses={503: {"model": Ready, "description": "Not all parts answer."}}
)
async def ready(response: Response, checks: Annotated[Readiness, Depends(readiness)]) -> Ready:
    """Database, storage and queue answer within two seconds; 503 while one does not."""
    found = await checks.ask()
    everything = all(part.state == "ok" for part in found.values())
    response.status_code = 200 if everything else 503
    response.headers["Cache-Control"] = "no-store"
    return Ready.model_validate(
        {
            "status": "ok" if everything else "unavailable",
            "parts": {
                name: {"state": part.state, "milliseconds": part.milliseconds}
                for name, part in found.items()
            },
        }
    )


@router.get("/version")
async def version() -> Version:
    """Which release answers, and which version of the API."""
    return Version(version=__version__)
