"""What the server reads from its environment (``ONEVOICE_SERVER_…``).

Nothing set: SQLite, a folder and a worker inside the process. Each service of the cloud is switched
on by naming it: ``DATABASE_URL`` for PostgreSQL, ``S3_BUCKET``, ``SQS_PREFIX``, ``SES_SENDER``,
``SNS_TOPIC``, ``PADDLE_API_KEY``. Keys of AWS come the way boto3 finds them, from the instance's
role where there is one.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from onevoice.config import data_dir, profile_names
from onevoice.errors import ConfigError

PREFIX = "ONEVOICE_SERVER_"
MIB = 1 << 20


class ServerSettings(BaseSettings):
    """All of them; every default is that of a server on one's own machine."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    environment: Literal["local", "hosted"] = "local"
    """hosted refuses to start with anything that only suits one's own machine."""
    data_dir: Path = Field(default_factory=lambda: data_dir() / "server")
    """Database, media and mail of a local server; scratch space of a hosted one."""
    public_url: str = "http://127.0.0.1:8300"
    """Where users reach the server: in links of mails, and of uploads to a local server."""
    app_url: str = ""
    """Where the web application lives that mails link to; empty: links name the API's routes."""
    log_level: str = "INFO"
    log_format: Literal["auto", "json", "text"] = "auto"

    # -- HTTP --------------------------------------------------------------------------------
    cors_origins: tuple[str, ...] = ()
    """Origins of web applications that may call the API, as a JSON list."""
    gzip_minimum: int = Field(default=1024, ge=0)
    """Answers of at least this many bytes are compressed; 0 for none."""
    trusted_hosts: tuple[str, ...] = ("*",)
    """Host names that requests may ask for."""
    proxies: int = Field(default=0, ge=0)
    """Load balancers in front of the server: whose X-Forwarded-For tells the client's address."""
    max_body: int = Field(default=1 * MIB, gt=0)
    """Most bytes of a request's body, uploads of media aside."""
    metrics_token: SecretStr = SecretStr("")
    """Bearer token for /metrics; empty: only the machine itself may read them."""

    # -- database ----------------------------------------------------------------------------
    database_url: SecretStr = SecretStr("")
    """postgresql+asyncpg://user:password@host/name; empty: SQLite in data_dir."""
    database_pool: int = Field(default=10, ge=1)
    database_timeout: float = Field(default=10.0, gt=0)
    """Seconds to wait for a connection."""

    # -- cloud -------------------------------------------------------------------------------
    aws_region: str = "us-east-1"
    aws_endpoint_url: str = ""
    """Another endpoint for all of AWS (tests, compatible services); empty: AWS."""
    s3_bucket: str = ""
    """Bucket of media and artifacts; empty: a folder in data_dir."""
    s3_prefix: str = ""
    sqs_prefix: str = ""
    """Queues are called PREFIX-tasks, PREFIX-cpu, PREFIX-gpu …; empty: a queue in the process."""
    ses_sender: str = ""
    """Address mails come from; empty: mails are written to data_dir/outbox."""
    ses_configuration_set: str = ""
    sns_topic: str = ""
    """Topic told of finished and failed jobs; empty: nobody is."""

    # -- accounts ----------------------------------------------------------------------------
    token_keys: SecretStr = SecretStr("")
    """Keys that sign tokens: ``name:secret,older:secret``. The first signs, all verify. Workers
    need none, and are given none."""
    access_seconds: int = Field(default=900, ge=60)
    refresh_days: int = Field(default=30, ge=1)
    open_registration: bool = True
    require_verified: bool = True
    """Only accounts with a verified address may upload and dub (not asked on a local server)."""

    # -- media and jobs ----------------------------------------------------------------------
    profiles: tuple[str, ...] = ("embedded",)
    """Profiles that jobs may ask for; the first is the default."""
    gpu_profiles: tuple[str, ...] = ()
    """Those of them whose jobs go to the queue of GPU workers."""
    plans: Path | None = None
    """A YAML file of plans instead of the built-in ones."""
    upload_seconds: int = Field(default=24 * 3600, ge=60)
    """How long an upload may take."""
    download_seconds: int = Field(default=3600, ge=60)
    """How long the URL of a result is valid."""
    part_size: int = Field(default=16 * MIB, ge=5 * MIB)
    import_hosts: tuple[str, ...] = ()
    """Hosts that imports and webhooks may reach although their addresses are private."""
    languages_per_message: int = Field(default=2, ge=1)
    """Languages that one worker dubs together; more go to several workers."""

    # -- worker ------------------------------------------------------------------------------
    visibility_seconds: int = Field(default=120, ge=10, le=43200)
    """How long a worker's message stays hidden; it is extended while the worker lives."""
    max_attempts: int = Field(default=4, ge=1)
    """How often a task is begun before it counts as poisonous."""
    job_hours: float = Field(default=12.0, gt=0)
    """A dub that takes longer is stopped."""
    drain_seconds: float = Field(default=60.0, ge=0)
    """How long a worker that was asked to stop goes on before it gives its work back."""
    worker_metrics_port: int = Field(default=0, ge=0, le=65535)
    """Where a worker answers with its figures, to its own machine only; 0: nowhere."""
    max_usd_per_minute: float | None = Field(default=None, ge=0)
    """Most that hosted engines may cost per minute of video and language."""

    # -- billing -----------------------------------------------------------------------------
    paddle_api_key: SecretStr = SecretStr("")
    paddle_webhook_secrets: SecretStr = SecretStr("")
    """Secrets of the notification destination, comma-separated while they are rotated."""
    paddle_environment: Literal["sandbox", "production"] = "sandbox"
    paddle_url: str = ""
    """Another address of Paddle's API (tests); empty: the environment's."""
    free_signup: bool = True
    """New accounts get the free plan's minutes."""

    @field_validator("public_url", "app_url", "paddle_url", "aws_endpoint_url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("it begins with http:// or https://")
        return value.rstrip("/")

    @field_validator("profiles", "gpu_profiles")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = set(value) - set(profile_names())
        if unknown:
            raise ValueError(f"no profile is called {', '.join(sorted(unknown))}")
        return value

    @model_validator(mode="after")
    def _fit_for_hosting(self) -> Self:
        if not self.profiles:
            raise ValueError("profiles: at least one is needed")
        if self.environment == "hosted":
            missing = [
                name
                for name, value in {
                    "DATABASE_URL": self.database_url.get_secret_value(),
                    "S3_BUCKET": self.s3_bucket,
                    "SQS_PREFIX": self.sqs_prefix,
                    "SES_SENDER": self.ses_sender,
                }.items()
                if not value
            ]
            if missing:
                raise ValueError(f"a hosted server needs {', '.join(PREFIX + n for n in missing)}")
            if "TEST_MODE" in os.environ:
                # Paddle's verifier drops its check of the time when this variable is there.
                raise ValueError("TEST_MODE is set: webhooks would be verified without their time")
        return self

    @cached_property
    def database(self) -> str:
        """The URL of the database, with its password."""
        given = self.database_url.get_secret_value()
        for plain in ("postgres://", "postgresql://"):
            if given.startswith(plain):  # what hosts of databases hand out
                return f"postgresql+asyncpg://{given.removeprefix(plain)}"
        return given or f"sqlite+aiosqlite:///{self.data_dir / 'onevoice.sqlite3'}"


def load_settings(**given: object) -> ServerSettings:
    """Read the environment. Raises ConfigError that names the variable, never its value."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    hint = "docs/operations.md lists every variable"
    try:
        return ServerSettings(**given)  # type: ignore[arg-type]
    except SettingsError as exc:
        name = str(exc).partition('"')[2].partition('"')[0].upper()
        raise ConfigError(f"{PREFIX}{name}: it is no JSON", hint=hint) from None
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        name = "".join(str(part) for part in first["loc"][:1]).upper()
        raise ConfigError(
            f"{PREFIX + name if name else 'the server settings'}: "
            f"{first['msg'].removeprefix('Value error, ')}",
            hint=hint,
        ) from None
