"""The folder of mails."""

from __future__ import annotations

import asyncio
import stat
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from onevoice.server.notifications.mail import render
from onevoice.server.notifications.mailer import FileMailer, MailUnavailable, make_mailer
from onevoice.server.settings import load_settings

MAIL = render(
    to="someone@example.com",
    locale="ko",
    template="reset",
    values={"link": "https://app.example.com/reset?token=" + "t" * 60, "hours": 1},
)


def test_mails_are_files_that_mail_programs_read(tmp_path: Path) -> None:
    mailer = make_mailer(load_settings(data_dir=tmp_path))

    name = asyncio.run(mailer.send(MAIL))

    (path,) = (tmp_path / "outbox").iterdir()
    assert path.name == name
    assert path.suffix == ".eml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    read = message_from_bytes(path.read_bytes(), policy=default)
    assert read["To"] == "someone@example.com"
    assert read["Subject"] == MAIL.subject
    text, html = read.get_body(("plain",)), read.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == MAIL.text
    assert html.get_content().replace("\r\n", "\n").strip() == MAIL.html.strip()


def test_mails_of_one_moment_do_not_meet(tmp_path: Path) -> None:
    mailer = FileMailer(tmp_path / "outbox")

    async def send() -> list[str]:
        return await asyncio.gather(*(mailer.send(MAIL) for _ in range(20)))

    assert len(set(asyncio.run(send()))) == 20
    assert len(list((tmp_path / "outbox").iterdir())) == 20


def test_a_folder_that_refuses_is_worth_another_try(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file")

    with pytest.raises(MailUnavailable) as caught:
        asyncio.run(FileMailer(tmp_path / "outbox").send(MAIL))

    assert caught.value.retryable
    assert "token" not in str(caught.value)
