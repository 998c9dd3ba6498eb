"""The same promises without our server: what its statements cost, written by hand on asyncpg.

The route of ``bare.py`` once more, into the server's own tables and with the server's own
guarantees: the API key is looked up, the rate counted, the Idempotency-Key taken, the video locked,
credit held where there is enough, the account's turn taken, the webhooks looked up; ledger entries,
job, languages, event and task are written in one statement, and the answer is kept. No ORM, no
layers, and no message to a queue: the bound of what the server could be tuned to.
"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta

from fastapi import FastAPI, HTTPException, Request

from serving.bare import JobOut, NewJob, _lifespan, job_of

KEY = """
SELECT users.*, api_keys.* FROM users JOIN api_keys ON api_keys.user_id = users.id
WHERE api_keys.id = $1 AND users.deleted_at IS NULL AND api_keys.revoked_at IS NULL"""
RATE = """
INSERT INTO rate_windows (key, count, ends_at) VALUES ($1, 1, $2) ON CONFLICT (key) DO UPDATE SET
count = CASE WHEN rate_windows.ends_at <= $3 THEN 1 ELSE rate_windows.count + 1 END,
ends_at = CASE WHEN rate_windows.ends_at <= $3 THEN excluded.ends_at ELSE rate_windows.ends_at END
RETURNING count, ends_at"""
ONCE = """
INSERT INTO idempotency_keys (user_id, key, request_hash, created_at) VALUES ($1, $2, '', $3)
ON CONFLICT DO NOTHING"""
VIDEO = """
SELECT * FROM videos WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL FOR KEY SHARE"""
HOLD = """
UPDATE balances SET available_s = available_s - $2, held_s = held_s + $2
WHERE user_id = $1 AND available_s >= $2 RETURNING available_s"""
TURN = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
COUNT = """
SELECT state, count(*) FROM tasks WHERE user_id = $1 AND kind = 'dub'
AND state IN ('waiting', 'queued', 'running') GROUP BY state"""
ENDPOINTS = "SELECT * FROM webhook_endpoints WHERE user_id = $1 AND enabled"
WRITE = """
WITH entered AS (
  INSERT INTO ledger_entries (key, user_id, book, seconds, reason, job_id, note, at)
  VALUES ($1 || ':hold', $2, 'available', -60, 'hold', $1, '', $6),
         ($1 || ':hold', $2, 'held', 60, 'hold', $1, '', $6)),
job AS (
  INSERT INTO jobs (id, user_id, video_id, status, profile, route, priority, settings, round,
                    quote, event_seq, usd, created_at, confirmed_at)
  VALUES ($1, $2, $3, 'queued', 'embedded', 'cpu', 'normal', $4, 1, $5, 1, 0, $6, $6)),
language AS (
  INSERT INTO job_languages
    (job_id, language, status, message_group, stage, progress, held_s, charged_s)
  SELECT $1, unnest($8::varchar[]), 'queued', 0, '', 0, 60, 0),
event AS (
  INSERT INTO job_events (job_id, seq, kind, data, at) VALUES ($1, 1, 'job.queued', $5, $6))
INSERT INTO tasks (id, kind, queue, user_id, subject, payload, state, attempts, fence, worker,
                   due_at, created_at)
VALUES ($7, 'dub', 'cpu', $2, $1, $5, 'queued', 0, 0, '', $6, $6)"""
KEEP = "UPDATE idempotency_keys SET status = 201, body = $3 WHERE user_id = $1 AND key = $2"

app = FastAPI(lifespan=_lifespan)


@app.post("/v1/jobs", status_code=201)
async def create_job(body: NewJob, request: Request) -> JobOut:
    at = datetime.now(UTC)
    key_id = request.headers["authorization"].split("_")[1]
    once = request.headers["idempotency-key"]
    async with request.app.state.pool.acquire() as connection:
        user = await connection.fetchrow(KEY, f"key_{key_id}")
        if user is None:
            raise HTTPException(401)
        user_id = user["user_id"]
        if (await connection.fetchrow(RATE, user_id, at + timedelta(minutes=1), at))["count"] > 60:
            raise HTTPException(429)
        async with connection.transaction():
            await connection.execute(ONCE, user_id, once, at)
            if await connection.fetchrow(VIDEO, body.video_id, user_id) is None:
                raise HTTPException(404)
            if await connection.fetchrow(HOLD, user_id, 60 * len(body.languages)) is None:
                raise HTTPException(402)
            await connection.execute(TURN, user_id)
            await connection.fetch(COUNT, user_id)
            await connection.fetch(ENDPOINTS, user_id)
            job = job_of(body)
            await connection.execute(
                WRITE, job.id, user_id, job.video_id, body.options.model_dump_json(),
                json.dumps(job.quote), at, f"task_{secrets.token_hex(13)}", body.languages,
            )  # fmt: skip
            await connection.execute(KEEP, user_id, once, job.model_dump_json())
    return job
