"""The application: routes, middleware, and what lives as long as the process.

``uvicorn --factory onevoice.server.app:create_app`` (or Gunicorn with Uvicorn's workers) serves it
with the settings of the environment.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.routing import APIRoute

from onevoice import __version__
from onevoice.server import metrics, problems
from onevoice.server.auth.endpoints import router as auth
from onevoice.server.auth.tokens import load_keys
from onevoice.server.billing.endpoints import router as billing
from onevoice.server.billing.returning import keep_giving_back
from onevoice.server.body_limit import BodyLimit
from onevoice.server.context import RequestContext
from onevoice.server.health.endpoints import router as health
from onevoice.server.jobs.catalogue import router as catalogue
from onevoice.server.jobs.endpoints import router as jobs
from onevoice.server.jobs.live import EventHub
from onevoice.server.logs import configure_logs
from onevoice.server.openapi import DESCRIPTION, TAGS, describe
from onevoice.server.plain_text import plain_text
from onevoice.server.resources import open_resources
from onevoice.server.security_headers import SecurityHeaders
from onevoice.server.settings import ServerSettings, load_settings
from onevoice.server.storage import LocalStorage
from onevoice.server.storage.endpoints import router as storage
from onevoice.server.users.endpoints import router as users
from onevoice.server.videos.endpoints import router as videos
from onevoice.server.webhooks.endpoints import router as webhooks
from onevoice.server.worker.run import worker_beside

ROUTERS: tuple[APIRouter, ...] = (
    auth,
    users,
    videos,
    jobs,
    catalogue,
    billing,
    webhooks,
    health,
)


def create_app(settings: ServerSettings | None = None, *, worker: bool | None = None) -> FastAPI:
    """Build the application.

    Parameters
    ----------
    worker
        Whether tasks are worked on in this process, too. None: where the queue is in the process,
        since nobody else could.
    """
    settings = settings or load_settings()
    configure_logs(settings)
    if settings.environment == "hosted":
        load_keys(settings)  # wrong ones are told of before anything listens

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            resources = await stack.enter_async_context(open_resources(settings))
            app.state.resources = resources
            app.state.events = await stack.enter_async_context(EventHub(resources.database))
            if worker if worker is not None else not settings.sqs_prefix:
                await stack.enter_async_context(worker_beside(resources))
            await stack.enter_async_context(keep_giving_back(resources))
            yield

    app = FastAPI(
        title="OneVoice",
        version=__version__,
        summary="Dub a video into other languages.",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        redoc_url=None,
        redirect_slashes=False,  # it would send clients to whatever host they asked for
    )
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix="/v1", dependencies=[Depends(plain_text)])
    if not settings.s3_bucket:
        app.include_router(storage, prefix="/v1")
    app.include_router(metrics.router)
    describe(app)
    _add_middleware(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: ServerSettings) -> None:
    """The innermost first: a request passes them in the reverse order."""
    app.add_middleware(BodyLimit, most=settings.max_body, unlimited=LocalStorage.UPLOAD_PATH)
    if settings.gzip_minimum:
        app.add_middleware(GZipMiddleware, minimum_size=settings.gzip_minimum)
    if settings.trusted_hosts != ("*",):
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(settings.trusted_hosts))
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=[
                "X-Request-ID",
                "Retry-After",
                "Idempotent-Replay",
                "ETag",
                "Content-Range",
                "Content-Disposition",
            ],
            max_age=600,
        )
    app.add_middleware(
        SecurityHeaders,
        pages=tuple(page for page in (app.docs_url,) if page),
        secure=settings.public_url.startswith("https://"),
    )
    app.add_middleware(RequestContext)


def _operation_id(route: APIRoute) -> str:
    """``create_job``: what generated clients call it."""
    return route.name
