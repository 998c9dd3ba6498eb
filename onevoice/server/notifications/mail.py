"""Mails: what they say, in each language, and the task that sends one.

A template is one file per language with the blocks ``subject``, ``body``, ``action`` (what the link
is for) and ``after``. The text and the HTML of a mail are both made of these, so they cannot
disagree. What users wrote is data in them: it stays on its line, and HTML escapes it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from email_validator import EmailNotValidError, validate_email
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from onevoice.errors import ConfigError
from onevoice.server.tasks.outbox import add_task

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from onevoice.server.auth.models import User
    from onevoice.server.tasks.models import Task

LOCALES = ("en", "ko")
TEMPLATES: Mapping[str, frozenset[str]] = {
    "verify": frozenset({"link", "hours"}),
    "reset": frozenset({"link", "hours"}),
    "email_change": frozenset({"link", "hours"}),
    "welcome": frozenset(),
    "already_registered": frozenset(),
    "password_changed": frozenset({"keys"}),
    "email_changed": frozenset(),
    "job_done": frozenset({"title", "languages"}),
    "job_failed": frozenset({"title", "languages"}),
    "credit_low": frozenset({"minutes"}),
    "webhook_disabled": frozenset({"url"}),
}
"""Every template and the values it needs. Each takes a ``link`` besides; empty for none."""

Value = str | int | float | Sequence[str]
_BLOCKS = ("subject", "body", "action", "after")
_LONGEST = 300
"""Characters of a value: a title that goes on for a page is cut. Links are never cut."""


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    subject: str
    text: str
    html: str


def add_mail(
    session: AsyncSession,
    *,
    to: str,
    locale: str,
    template: str,
    values: Mapping[str, Value],
    user_id: str | None = None,
) -> Task:
    """Send a mail after the commit. Raises ConfigError for values the template does not take.

    The values lie in the task until the mail is sent, one-time links among them; then they go.
    """
    _check(template, values)
    payload = {"to": to, "locale": locale, "template": template, "values": dict(values)}
    return add_task(session, kind="mail", queue="tasks", payload=payload, user_id=user_id)


def add_mail_to(session: AsyncSession, user: User, template: str, **values: Value) -> Task:
    """The same, to a user, in the user's language."""
    return add_mail(
        session,
        to=user.email,
        locale=user.locale,
        template=template,
        values=values,
        user_id=user.id,
    )


def render(*, to: str, locale: str, template: str, values: Mapping[str, Value]) -> Mail:
    """The mail itself. Raises ConfigError for an address that is none, or for wrong values."""
    _check(template, values)
    language = pick_locale(locale)
    clean = {name: _harmless(name, value) for name, value in ({"link": ""} | dict(values)).items()}
    page = _texts().get_template(f"{language}/{template}.txt")
    subject, body, action, after = (_block(page, name, clean) for name in _BLOCKS)
    link = clean["link"]
    button = f"{action}:\n{link}" if link else ""
    subject = " ".join(subject.split())
    html = (
        _pages()
        .get_template("layout.html")
        .render(
            language=language,
            subject=subject,
            body=_paragraphs(body),
            link=link,
            action=action,
            after=_paragraphs(after),
        )
    )
    text = "\n\n".join(part for part in (body, button, after, "OneVoice") if part) + "\n"
    return Mail(to=address(to), subject=subject, text=text, html=html)


def pick_locale(locale: str) -> str:
    """The language of the templates that suits ``ko-KR`` and the like; English where none does."""
    language = locale.lower().replace("_", "-").partition("-")[0]
    return language if language in LOCALES else "en"


def address(given: str) -> str:
    """The address as mail servers take it: nothing before or after it, one line, one address."""
    try:
        found = validate_email(given, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as exc:
        raise ConfigError("a mail's address is no e-mail address", hint=str(exc)) from None
    return found.ascii_email or found.normalized


def _check(template: str, values: Mapping[str, Value]) -> None:
    if template not in TEMPLATES:
        raise ConfigError(
            f"no mail is called {template!r}", hint=f"there are {', '.join(TEMPLATES)}"
        )
    missing = TEMPLATES[template] - set(values)
    unknown = set(values) - TEMPLATES[template] - {"link"}
    if missing or unknown:
        wrong = ", ".join(sorted(missing | unknown))
        raise ConfigError(
            f"the mail {template!r} was given the wrong values: {wrong}",
            hint=f"it needs {', '.join(sorted(TEMPLATES[template])) or 'none'}, and takes a link",
        )


def _harmless(name: str, value: Value) -> str:
    """One line without control characters; lists are joined by commas."""
    if name == "link":
        link = str(value)
        if link and not re.fullmatch(r"https?://[^\s\"'<>\\^`{|}]+", link):
            raise ConfigError(
                "a mail's link is no URL", hint="it begins with http:// or https://, without spaces"
            )
        return link
    if not isinstance(value, str | int | float):
        value = ", ".join(value)
    kept = "".join(
        " " if unicodedata.category(letter) in {"Cc", "Zl", "Zp"} else letter
        for letter in str(value)
        if unicodedata.category(letter) not in {"Cf", "Cs"}
    )
    line = " ".join(kept.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _block(page: Template, name: str, values: Mapping[str, str]) -> str:
    if name not in page.blocks:
        return ""
    return "".join(page.blocks[name](page.new_context(dict(values)))).strip()


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


@lru_cache(maxsize=1)
def _texts() -> Environment:
    # Not escaped here: a subject and a text are no HTML. The layout escapes what it is given.
    return Environment(
        loader=PackageLoader("onevoice.server.notifications"),
        autoescape=False,  # noqa: S701
        undefined=StrictUndefined,
    )


@lru_cache(maxsize=1)
def _pages() -> Environment:
    return Environment(
        loader=PackageLoader("onevoice.server.notifications"),
        autoescape=True,
        undefined=StrictUndefined,
    )
