"""Settings of the server: what they refuse, and that no refusal repeats a value."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from onevoice.errors import ConfigError
from onevoice.server.settings import PREFIX, ServerSettings, load_settings

HOSTED = {
    "ENVIRONMENT": "hosted",
    "DATABASE_URL": "postgresql://someone:hunter2-database@db.example.com/onevoice",
    "S3_BUCKET": "media",
    "SQS_PREFIX": "onevoice",
    "SES_SENDER": "hello@example.com",
}


@pytest.fixture
def hosted(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in HOSTED.items():
        monkeypatch.setenv(PREFIX + name, value)
    monkeypatch.delenv("TEST_MODE", raising=False)
    return monkeypatch


def test_nothing_set_is_a_server_on_ones_own_machine() -> None:
    settings = load_settings()
    assert settings.environment == "local"
    assert settings.database.startswith("sqlite+aiosqlite:///")
    assert not (settings.s3_bucket or settings.sqs_prefix or settings.ses_sender)
    assert settings.public_url.startswith("http://127.0.0.1")


def test_a_hosted_server(hosted: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    assert settings.database == HOSTED["DATABASE_URL"].replace("ql://", "ql+asyncpg://")


@pytest.mark.parametrize("name", [name for name in HOSTED if name != "ENVIRONMENT"])
def test_hosted_is_all_or_nothing(hosted: pytest.MonkeyPatch, name: str) -> None:
    hosted.delenv(PREFIX + name)
    with pytest.raises(ConfigError, match=PREFIX + name):
        load_settings()


@pytest.mark.parametrize("value", ["1", "", "false"])
def test_paddles_test_mode_is_refused_where_money_is(
    hosted: pytest.MonkeyPatch, value: str
) -> None:
    hosted.setenv("TEST_MODE", value)
    with pytest.raises(ConfigError, match="TEST_MODE"):
        load_settings()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_urls_as_hosts_of_databases_hand_them_out(scheme: str) -> None:
    settings = load_settings(database_url=f"{scheme}://a:b@db/name")
    assert settings.database == "postgresql+asyncpg://a:b@db/name"


BAD = {
    "ENVIRONMENT": "hunter2",
    "PUBLIC_URL": "javascript:hunter2",
    "APP_URL": "ftp://hunter2",
    "PADDLE_URL": "hunter2",
    "AWS_ENDPOINT_URL": "hunter2",
    "CORS_ORIGINS": '["hunter2"',
    "PROFILES": "[]",
    "MAX_BODY": "hunter2",
    "ACCESS_SECONDS": "1",
    "PART_SIZE": "hunter2",
    "PADDLE_ENVIRONMENT": "hunter2",
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_value_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(PREFIX + name, BAD[name])
    with pytest.raises(ConfigError) as caught:
        load_settings()
    told = f"{caught.value} {caught.value.hint} {caught.value.__cause__} {caught.value.__context__}"
    assert "hunter2" not in told
    assert name.lower() in caught.value.message.lower()
    assert caught.value.hint


def test_an_unknown_setting_is_an_error() -> None:
    with pytest.raises(ConfigError, match="COLOUR"):
        load_settings(colour="hunter2")


def test_secrets_are_not_shown(hosted: pytest.MonkeyPatch) -> None:
    hosted.setenv(f"{PREFIX}PADDLE_API_KEY", "hunter2-paddle")
    hosted.setenv(f"{PREFIX}METRICS_TOKEN", "hunter2-metrics")
    settings = load_settings()
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert "hunter2" not in settings.model_dump_json()


def test_every_setting_that_sounds_secret_is_one() -> None:
    def secret(kind: Any) -> bool:
        return kind is SecretStr

    words = ("key", "secret", "password", "token", "database_url")
    plain = {
        name
        for name, field in ServerSettings.model_fields.items()
        if any(word in name for word in words) and not secret(field.annotation)
    }
    assert plain == set()


@pytest.mark.parametrize("name", ["public_url", "app_url", "paddle_url", "aws_endpoint_url"])
def test_addresses_end_without_a_slash(name: str) -> None:
    assert getattr(load_settings(**{name: "https://example.com/"}), name) == "https://example.com"
