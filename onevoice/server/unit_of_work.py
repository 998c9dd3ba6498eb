"""One request, one transaction: committed before the answer leaves, rolled back by any error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.resources import Resources
from onevoice.server.tasks.outbox import transaction


def resources(request: Request) -> Resources:
    found: Any = request.app.state.resources
    assert isinstance(found, Resources)  # noqa: S101 (set by create_app)
    return found


Services = Annotated[Resources, Depends(resources)]
"""What the server works with: database, storage, queue …"""


async def session(services: Services) -> AsyncIterator[AsyncSession]:
    """The request's session. Messages of tasks it added are sent once they are committed."""
    async with transaction(services.database, services.queue) as session:
        yield session


Session = Annotated[AsyncSession, Depends(session, scope="function")]
