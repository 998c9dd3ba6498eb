"""Mails and the topic: from the task to the carrier, and when the carrier is away."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import Message, ses_backends
from structlog.testing import capture_logs

from onevoice.errors import ConfigError
from onevoice.server.db import now
from onevoice.server.notifications import mail
from onevoice.server.notifications.handlers import DELAYS_S, MailHandler, PublishHandler
from onevoice.server.notifications.mailer import (
    MailRefused,
    MailUnavailable,
    SesMailer,
    make_mailer,
)
from onevoice.server.notifications.topic import (
    Topic,
    TopicUnavailable,
    add_publication,
    make_topic,
)
from onevoice.server.resources import Resources
from onevoice.server.settings import ServerSettings, load_settings
from onevoice.server.tasks.outbox import transaction
from tests.cloud import REGION, Aws, aws, aws_credentials, flaky, no_backoff  # noqa: F401
from tests.integration.server.tasking import add_user, all_tasks, put_clock_forward, server, work

LINK = "https://app.example.com/reset?token=0123456789abcdef"


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> ServerSettings:
    given: dict[str, Any] = {"data_dir": tmp_path}
    if request.param == "postgres":
        given["database_url"] = request.getfixturevalue("postgres").create()
    return load_settings(**given)


@pytest.fixture
def local(tmp_path: Path) -> ServerSettings:
    return load_settings(data_dir=tmp_path)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Aws]:
    with aws() as running:
        yield running


def in_outbox(settings: ServerSettings) -> list[EmailMessage]:
    folder = settings.data_dir / "outbox"
    return [message_from_bytes(path.read_bytes(), policy=default) for path in folder.glob("*.eml")]


async def add_reset(services: Resources, **changed: Any) -> None:
    user = await add_user(services)
    values: dict[str, mail.Value] = {"link": LINK, "hours": 1}
    async with transaction(services.database, services.queue) as session:
        mail.add_mail(
            session,
            **{"to": user.email, "locale": "ko", "template": "reset", "values": values} | changed,
        )


# -- the task --------------------------------------------------------------------------------------


def test_a_mail_is_sent_after_the_commit_and_then_forgotten(settings: ServerSettings) -> None:
    async def story() -> None:
        async with server(settings) as services:
            with capture_logs() as logged:
                await add_reset(services)
                assert in_outbox(settings) == []
                await work(services, [MailHandler(services)])

            (sent,) = in_outbox(settings)
            assert sent["Subject"] == "비밀번호를 다시 설정해 주세요"
            body = sent.get_body(("plain",))
            assert body is not None
            assert LINK in body.get_content()
            (task,) = await all_tasks(services, "mail")
            assert (task.state, task.payload) == ("done", {"template": "reset"})
            assert "0123456789abcdef" not in repr(logged)

    asyncio.run(story())


def test_a_mail_to_a_user_is_in_the_users_language(local: ServerSettings) -> None:
    async def story() -> None:
        async with server(local) as services:
            user = await add_user(services, locale="ko-KR")
            async with transaction(services.database, services.queue) as session:
                mail.add_mail_to(session, user, "job_done", title="내 영상", languages=["en"])
            await work(services, [MailHandler(services)])
            (sent,) = in_outbox(local)
            assert sent["To"] == user.email
            assert sent["Subject"] == "더빙이 완성되었습니다: 내 영상"

    asyncio.run(story())


def test_wrong_values_fail_the_request_and_not_the_mail(local: ServerSettings) -> None:
    async def story() -> None:
        async with server(local) as services:
            with pytest.raises(ConfigError, match="hours"):
                await add_reset(services, values={"link": LINK})
            assert await all_tasks(services, "mail") == []

    asyncio.run(story())


def test_while_the_carrier_is_away_mails_wait(settings: ServerSettings) -> None:
    outbox = settings.data_dir / "outbox"

    async def story() -> None:
        async with server(settings) as services:
            outbox.write_text("in the way")
            await add_reset(services)
            for number in range(3):
                await work(services, [MailHandler(services)])
                (waiting,) = [t for t in await all_tasks(services, "mail") if t.state == "queued"]
                pause = (waiting.due_at - now()).total_seconds()
                assert DELAYS_S[number] - 5 <= pause <= DELAYS_S[number]
                assert await put_clock_forward(services) == 1
            outbox.unlink()
            await work(services, [MailHandler(services)])

            assert len(in_outbox(settings)) == 1
            tasks = await all_tasks(services, "mail")
            assert [t.state for t in tasks] == ["done"] * 4
            assert [t.payload for t in tasks] == [{"template": "reset"}] * 4

    asyncio.run(story())


def test_mails_are_given_up_in_the_end_and_forgotten(local: ServerSettings) -> None:
    (local.data_dir / "outbox").write_text("in the way")

    async def story() -> None:
        async with server(local) as services:
            await add_reset(services)
            await work(services, [MailHandler(services)])
            while await put_clock_forward(services):
                await work(services, [MailHandler(services)])

            tasks = await all_tasks(services, "mail")
            assert {t.state for t in tasks} == {"done", "dead"}
            assert len(tasks) == len(DELAYS_S) + 1
            assert LINK not in repr([(t.payload, t.error) for t in tasks])

    asyncio.run(story())


def test_an_address_that_is_none_is_not_tried_again(local: ServerSettings) -> None:
    async def story() -> None:
        async with server(local) as services:
            await add_reset(services, to="a@example.com\r\nBcc: b@example.com")
            await work(services, [MailHandler(services)])
            (task,) = await all_tasks(services, "mail")
            assert (task.state, task.attempts, task.payload) == ("dead", 1, {"template": "reset"})
            assert "Bcc" not in repr(task.error)
            assert in_outbox(local) == []

    asyncio.run(story())


# -- SES -------------------------------------------------------------------------------------------


@pytest.fixture
def rendered() -> mail.Mail:
    return mail.render(
        to="someone@example.com",
        locale="ko",
        template="reset",
        values={"link": LINK, "hours": 1},
    )


def ses_sent() -> list[Message]:
    return list(ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages)


@pytest.mark.usefixtures("aws_credentials")
def test_ses_is_given_the_mail(cloud: Aws, rendered: mail.Mail) -> None:
    mailer = make_mailer(load_settings(**cloud.settings()))
    assert isinstance(mailer, SesMailer)

    name = asyncio.run(mailer.send(rendered))

    sent: Any = ses_sent()[-1]
    assert sent.id == name
    assert sent.source == "OneVoice <hello@onevoice.example>"
    assert sent.destinations == {"ToAddresses": ["someone@example.com"]}
    assert (sent.subject, sent.body) == (rendered.subject, rendered.html)


@pytest.mark.usefixtures("aws_credentials")
def test_what_ses_refuses_is_refused(cloud: Aws, rendered: mail.Mail) -> None:
    mailer = make_mailer(
        load_settings(
            **cloud.settings(),
        ).model_copy(update={"ses_sender": "nobody@unverified.example"})
    )

    with pytest.raises(MailRefused) as caught:
        asyncio.run(mailer.send(rendered))

    assert not caught.value.retryable
    assert "MessageRejected" in caught.value.message
    assert "someone@example.com" not in repr(caught.value)


@pytest.mark.usefixtures("aws_credentials", "no_backoff")
@pytest.mark.parametrize("kind", ["slow_down", "error", "drop"])
def test_ses_that_is_away_is_worth_another_try(cloud: Aws, rendered: mail.Mail, kind: Any) -> None:
    with flaky(cloud.endpoint) as proxy:
        mailer = make_mailer(load_settings(**cloud.settings(proxy.endpoint)))
        before = len(ses_sent())
        proxy.fail(2, kind)
        with pytest.raises(MailUnavailable) as caught:
            asyncio.run(mailer.send(rendered))
        assert caught.value.retryable
        assert "token" not in str(caught.value)
        assert len(ses_sent()) == before
        asyncio.run(mailer.send(rendered))
        assert len(ses_sent()) == before + 1


@pytest.mark.usefixtures("aws_credentials")
def test_the_configuration_set_is_named(cloud: Aws, rendered: mail.Mail) -> None:
    settings = load_settings(**cloud.settings(ses_configuration_set="tracking"))
    seen: list[Any] = []
    mailer = SesMailer(settings)
    mailer._client.meta.events.register(
        "provide-client-params.sesv2.SendEmail", lambda params, **_: seen.append(params)
    )

    asyncio.run(mailer.send(rendered))

    assert seen[0]["ConfigurationSetName"] == "tracking"
    assert seen[0]["Content"]["Simple"]["Body"]["Text"]["Data"] == rendered.text


# -- SNS -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("aws_credentials")
def test_the_topic_is_told(cloud: Aws, tmp_path: Path) -> None:
    given = cloud.settings()
    settings = load_settings(data_dir=tmp_path, sns_topic=given["sns_topic"],
                             aws_endpoint_url=cloud.endpoint)  # fmt: skip
    queue = cloud.client("sqs").create_queue(QueueName=f"listener-{secrets.token_hex(4)}")
    arn = cloud.client("sqs").get_queue_attributes(
        QueueUrl=queue["QueueUrl"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    cloud.client("sns").subscribe(
        TopicArn=given["sns_topic"],
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"FilterPolicy": json.dumps({"kind": ["job.done"]})},
    )

    async def story() -> None:
        async with server(settings) as services:
            async with transaction(services.database, services.queue) as session:
                add_publication(session, "job.done", {"job_id": "job_1", "status": "done"})
                add_publication(session, "job.failed", {"job_id": "job_2"})
            await work(services, [PublishHandler(services)])
            assert {t.state for t in await all_tasks(services, "publish")} == {"done"}

    asyncio.run(story())

    received = cloud.client("sqs").receive_message(
        QueueUrl=queue["QueueUrl"], MaxNumberOfMessages=10
    )["Messages"]
    told = [json.loads(json.loads(one["Body"])["Message"]) for one in received]
    assert [(one["kind"], one["data"]["job_id"]) for one in told] == [("job.done", "job_1")]
    assert told[0]["at"].endswith("+00:00")


@pytest.mark.usefixtures("aws_credentials", "no_backoff")
def test_a_topic_that_is_away_is_worth_another_try(cloud: Aws) -> None:
    given = cloud.settings()
    gone = load_settings(**given | {"sns_topic": f"{given['sns_topic']}-gone"})
    with pytest.raises(TopicUnavailable) as caught:
        asyncio.run(make_topic(gone).publish("job.done", {}))
    assert caught.value.retryable

    with flaky(cloud.endpoint) as proxy, proxy.outage():
        away = load_settings(**given | {"aws_endpoint_url": proxy.endpoint})
        with pytest.raises(TopicUnavailable):
            asyncio.run(make_topic(away).publish("job.done", {}))


def test_without_a_topic_nobody_is_told(local: ServerSettings) -> None:
    topic = make_topic(local)
    assert isinstance(topic, Topic)
    asyncio.run(topic.publish("job.done", {"job_id": "job_1"}))
