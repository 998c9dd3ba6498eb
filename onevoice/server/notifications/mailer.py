"""Whoever carries mails: SES, or on one's own machine a folder of ``.eml`` files."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from onevoice.errors import OneVoiceError
from onevoice.server.db import now
from onevoice.server.ids import new_id
from onevoice.server.notifications.mail import Mail
from onevoice.server.settings import ServerSettings

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client
    from types_boto3_sesv2.type_defs import SendEmailRequestTypeDef

LOCAL_SENDER = "OneVoice <onevoice@localhost>"
_REFUSALS = frozenset({"MessageRejected", "BadRequestException", "NotFoundException"})
"""What SES would say again however often it is asked."""


class MailRefused(OneVoiceError):
    """This mail will never be sent."""

    code = "mail_refused"


class MailUnavailable(OneVoiceError):
    """Mails cannot be sent now."""

    code = "mail_unavailable"
    retryable = True


class Mailer(Protocol):
    async def send(self, mail: Mail) -> str:
        """Hand the mail over; what the carrier calls it comes back.

        Raises MailRefused, or MailUnavailable where another try may help.
        """


class SesMailer:
    """Amazon SES, version 2 of its API."""

    def __init__(self, settings: ServerSettings) -> None:
        import boto3
        from botocore.config import Config

        self._sender = settings.ses_sender
        self._configuration_set = settings.ses_configuration_set
        self._client: SESV2Client = boto3.client(
            "sesv2",
            region_name=settings.aws_region,
            endpoint_url=settings.aws_endpoint_url or None,
            config=Config(
                connect_timeout=5,
                read_timeout=15,
                retries={"mode": "standard", "total_max_attempts": 2},
            ),
        )

    async def send(self, mail: Mail) -> str:
        return await asyncio.to_thread(self._send, mail)

    def _send(self, mail: Mail) -> str:
        from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

        request: SendEmailRequestTypeDef = {
            "FromEmailAddress": self._sender,
            "Destination": {"ToAddresses": [mail.to]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": mail.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": mail.text, "Charset": "UTF-8"},
                        "Html": {"Data": mail.html, "Charset": "UTF-8"},
                    },
                }
            },
        }
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        # Never what SES says in words: the address is in it, and errors are kept and logged.
        try:
            return self._client.send_email(**request)["MessageId"]
        except ClientError as exc:
            code = exc.response.get("Error", {}).get("Code", "")
            if code in _REFUSALS:
                raise MailRefused(
                    f"SES refuses a mail ({code})",
                    hint="is the sender verified, the address suppressed, "
                    "the configuration set there?",
                ) from None
            raise MailUnavailable(f"SES does not take mails now ({code})") from None
        except ParamValidationError:
            raise MailRefused("SES would not take such a mail") from None
        except BotoCoreError as exc:
            raise MailUnavailable(f"SES cannot be reached ({type(exc).__name__})") from exc


class FileMailer:
    """A folder that mails are put into, for whoever develops or runs a server for themselves."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, mail: Mail) -> str:
        return await asyncio.to_thread(self._send, mail)

    def _send(self, mail: Mail) -> str:
        moment = now()
        message = EmailMessage(policy=SMTP)
        message["From"] = LOCAL_SENDER
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(moment)
        message["Message-ID"] = make_msgid(domain="localhost")
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        name = f"{moment:%Y%m%dT%H%M%S.%fZ}-{new_id('mail')}.eml"
        half = self._folder / f".{name}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # One-time links are in it: for the owner only.
            with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
                file.write(message.as_bytes())
            half.rename(self._folder / name)
        except OSError as exc:
            with suppress(OSError):
                half.unlink()
            raise MailUnavailable(
                f"the mail cannot be written to {self._folder}: {exc.strerror}",
                hint="is the folder writable, the disk full?",
            ) from exc
        return name


def make_mailer(settings: ServerSettings) -> Mailer:
    if settings.ses_sender:
        return SesMailer(settings)
    return FileMailer(settings.data_dir / "outbox")
