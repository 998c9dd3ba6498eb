"""The topic that other systems of the operator listen to: jobs that ended.

``{"kind": "job.done", "at": …, "data": {…}}`` with the kind as a message attribute, so that
subscriptions can filter. Delivered at least once and in no particular order.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from onevoice.errors import OneVoiceError
from onevoice.server.db import now
from onevoice.server.settings import ServerSettings
from onevoice.server.tasks.outbox import add_task

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession
    from types_boto3_sns import SNSClient

    from onevoice.server.tasks.models import Task


class TopicUnavailable(OneVoiceError):
    """The topic does not take messages."""

    code = "topic_unavailable"
    retryable = True


class Topic:
    """An SNS topic, or nobody."""

    def __init__(self, client: SNSClient | None, arn: str) -> None:
        self._client = client
        self._arn = arn

    async def publish(self, kind: str, data: Mapping[str, Any], *, at: str = "") -> None:
        """Tell the topic. Raises TopicUnavailable."""
        if self._client is None:
            return
        message = json.dumps({"kind": kind, "at": at or now().isoformat(), "data": dict(data)})
        await asyncio.to_thread(self._publish, kind, message)

    def _publish(self, kind: str, message: str) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        assert self._client is not None  # noqa: S101 (publish asked)
        try:
            self._client.publish(
                TopicArn=self._arn,
                Message=message,
                MessageAttributes={"kind": {"DataType": "String", "StringValue": kind}},
            )
        except ClientError as exc:
            code = exc.response.get("Error", {}).get("Code", "")
            raise TopicUnavailable(
                f"SNS does not take a message ({code})",
                hint="is ONEVOICE_SERVER_SNS_TOPIC the topic's ARN, may it be published to?",
            ) from exc
        except BotoCoreError as exc:
            raise TopicUnavailable(f"SNS cannot be reached ({type(exc).__name__})") from exc


def make_topic(settings: ServerSettings) -> Topic:
    if not settings.sns_topic:
        return Topic(None, "")
    import boto3
    from botocore.config import Config

    client: SNSClient = boto3.client(
        "sns",
        region_name=settings.aws_region,
        endpoint_url=settings.aws_endpoint_url or None,
        config=Config(
            connect_timeout=5,
            read_timeout=10,
            retries={"mode": "standard", "total_max_attempts": 2},
        ),
    )
    return Topic(client, settings.sns_topic)


def add_publication(
    session: AsyncSession, kind: str, data: Mapping[str, Any], *, user_id: str | None = None
) -> Task:
    """Tell the topic after the commit: ``job.done``, ``job.failed`` …"""
    payload = {"kind": kind, "at": now().isoformat(), "data": dict(data)}
    return add_task(session, kind="publish", queue="tasks", payload=payload, user_id=user_id)
