"""What the server is measured against: FastAPI and one INSERT by asyncpg, and nothing else.

No accounts, limits, credit or queue: the same request is validated, a row of the size of a job is
written and committed, and an answer of the size of a job's is given.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field

TABLE = """
CREATE TABLE IF NOT EXISTS bare_jobs (
    id varchar(40) PRIMARY KEY, user_id varchar(40) NOT NULL, video_id varchar(40) NOT NULL,
    status varchar(10) NOT NULL, profile varchar(40) NOT NULL, settings jsonb NOT NULL,
    quote jsonb NOT NULL, created_at timestamptz NOT NULL
)"""
INSERT = "INSERT INTO bare_jobs VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"


class Options(BaseModel):
    source_language: str = "auto"
    speakers: int | str = 1
    voices: dict[str, str] = {}
    quality: str = "standard"
    deliverables: list[str] = ["video", "srt", "vtt"]


class NewJob(BaseModel):
    video_id: str = Field(max_length=40)
    languages: list[str] = Field(min_length=1, max_length=40)
    profile: str = "embedded"
    options: Options = Options()
    confirm: bool = False


class LanguageOut(BaseModel):
    language: str
    status: str = "queued"
    progress: float = 0.0


class JobOut(BaseModel):
    id: str
    video_id: str
    status: str
    profile: str
    options: Options
    quote: dict[str, Any]
    languages: list[LanguageOut]
    created_at: datetime


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BARE_DATABASE"], min_size=10, max_size=20) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=_lifespan)


def job_of(body: NewJob) -> JobOut:
    """The answer to a request."""
    return JobOut(
        id=f"job_{secrets.token_hex(13)}",
        video_id=body.video_id,
        status="queued",
        profile=body.profile,
        options=body.options,
        quote={"seconds": 60 * len(body.languages)},
        languages=[LanguageOut(language=language) for language in body.languages],
        created_at=datetime.now(UTC),
    )


@app.post("/v1/jobs", status_code=201)
async def create_job(body: NewJob, request: Request) -> JobOut:
    job = job_of(body)
    async with request.app.state.pool.acquire() as connection:
        await connection.execute(
            INSERT, job.id, "user", job.video_id, job.status, job.profile,
            body.options.model_dump_json(), json.dumps(job.quote), job.created_at,
        )  # fmt: skip
    return job
