"""One request, one transaction: committed before the answer leaves, rolled back by any error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.resources import Resources
from onevoice.server.tasks.outbox import take_tasks


async def resources(request: Request) -> Resources:  # what is no coroutine runs in a thread
    found: Any = request.app.state.resources
    assert isinstance(found, Resources)  # noqa: S101 (set by create_app)
    return found


Services = Annotated[Resources, Depends(resources)]
"""What the server works with: database, storage, queue …"""


async def session(services: Services) -> AsyncIterator[AsyncSession]:
    """The request's session. Messages of tasks it added follow the commit; the answer does not
    wait for them. It may be committed before something slow, and then begins another transaction.
    """
    async with services.database.session() as session:
        yield session
        await session.commit()
    services.sender.hand_over(take_tasks(session))


Session = Annotated[AsyncSession, Depends(session, scope="function")]
