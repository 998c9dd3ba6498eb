"""Every table, for whoever needs them all: migrations, tests, deletion."""

from __future__ import annotations

from onevoice.server.auth.models import (
    ApiKey,
    IdempotencyKey,
    LoginSession,
    MailedToken,
    RateWindow,
    RefreshToken,
    User,
)
from onevoice.server.billing.models import (
    Balance,
    Customer,
    LedgerEntry,
    PaddleEvent,
    Subscription,
    Welcome,
)
from onevoice.server.db import Base
from onevoice.server.jobs.models import Job, JobEvent, JobLanguage, LineEdit
from onevoice.server.tasks.models import Task
from onevoice.server.videos.models import Video
from onevoice.server.webhooks.models import WebhookDelivery, WebhookEndpoint

METADATA = Base.metadata

__all__ = [
    "METADATA",
    "ApiKey",
    "Balance",
    "Customer",
    "IdempotencyKey",
    "Job",
    "JobEvent",
    "JobLanguage",
    "LedgerEntry",
    "LineEdit",
    "LoginSession",
    "MailedToken",
    "PaddleEvent",
    "RateWindow",
    "RefreshToken",
    "Subscription",
    "Task",
    "User",
    "Video",
    "WebhookDelivery",
    "WebhookEndpoint",
    "Welcome",
]
