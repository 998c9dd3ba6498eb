"""What the schema says beyond the routes: its introduction, tags, keys, and the shape of errors."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from onevoice.server.problems import MEDIA_TYPE, Problem

DESCRIPTION = """\
Upload a video, ask for languages, follow the job, download the dubs.

* Log in with `POST /v1/auth/login`, or make an API key for programs. Either goes into
  `Authorization: Bearer …`.
* Errors are problem documents (RFC 9457); programs compare their `code`.
* A POST that costs takes an `Idempotency-Key`: sent twice, it is done once.
* Lists come in pages, newest first; `next_cursor` leads to the next one.
"""
TAGS = [
    {"name": "auth", "description": "Accounts, logins, API keys."},
    {"name": "users", "description": "The account itself, and all of its data."},
    {"name": "videos", "description": "Uploads, and imports by URL."},
    {"name": "jobs", "description": "Dubbing: quotes, jobs, progress, results, edits."},
    {"name": "billing", "description": "Plans, credit, payment."},
    {"name": "webhooks", "description": "Being told instead of asking."},
    {"name": "health", "description": "How the server is."},
]
_ERRORS = {
    "400": "The request is malformed.",
    "401": "Nobody is logged in.",
    "402": "The credit or the plan does not reach.",
    "403": "Logged in, and not allowed.",
    "404": "Not there, or not yours.",
    "409": "It is in another state.",
    "413": "Too many bytes or seconds.",
    "422": "The request makes no sense.",
    "429": "Too many requests; see Retry-After.",
    "503": "A service behind the API does not answer.",
}


def describe(app: FastAPI) -> None:
    """Give the application a schema in which every route may answer with a problem."""

    def schema() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _schema(app)
        return app.openapi_schema

    app.openapi = schema  # type: ignore[method-assign]


def _schema(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        tags=app.openapi_tags,
        routes=app.routes,
    )
    parts = made.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    parts["responses"] = {
        status: {
            "description": text,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, text in _ERRORS.items()
    }
    for path in made.get("paths", {}).values():
        for operation in path.values():
            answers = operation["responses"]
            for status in _ERRORS:
                answers.setdefault(status, {"$ref": f"#/components/responses/{status}"})
            answers["422"] = {"$ref": "#/components/responses/422"}
    return made


def routes_of(app: FastAPI) -> list[APIRoute]:
    """Every route of the API."""
    return [route for route in app.routes if isinstance(route, APIRoute)]
