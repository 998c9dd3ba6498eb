"""Mails: every template in both languages, and what users wrote stays data."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, meta

from onevoice.errors import ConfigError
from onevoice.server.notifications import mail

LINK = "https://app.example.com/verify?token=abc&next=%2F"
VALUES: dict[str, mail.Value] = {
    "hours": 24,
    "title": "My talk",
    "languages": ["ko", "ja"],
    "minutes": 12,
    "url": "https://hooks.example.com/x",
    "keys": 3,
}
FOLDER = Path(mail.__file__).parent / "templates"
HANGUL = range(0xAC00, 0xD7A4)


def values_of(template: str) -> dict[str, mail.Value]:
    return {
        name: LINK if name == "link" else VALUES[name]
        for name in mail.TEMPLATES[template] | {"link"}
    }


def test_every_template_is_there_in_every_language() -> None:
    for locale in mail.LOCALES:
        assert {path.stem for path in (FOLDER / locale).iterdir()} == set(mail.TEMPLATES)


@pytest.mark.parametrize("template", mail.TEMPLATES)
def test_languages_use_the_same_values(template: str) -> None:
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True)
    assert environment.loader is not None
    used = [
        meta.find_undeclared_variables(
            environment.parse(
                environment.loader.get_source(environment, f"{locale}/{template}.txt")[0]
            )
        )
        for locale in mail.LOCALES
    ]

    assert used[0] == used[1]
    assert used[0] == mail.TEMPLATES[template] - {"link"}


@pytest.mark.parametrize("locale", mail.LOCALES)
@pytest.mark.parametrize("template", mail.TEMPLATES)
def test_a_mail_says_the_same_as_text_and_as_html(template: str, locale: str) -> None:
    made = mail.render(
        to="someone@example.com", locale=locale, template=template, values=values_of(template)
    )

    assert made.subject and made.subject.isprintable()
    assert made.text.count(LINK) == 1
    assert f'href="{LINK.replace("&", "&amp;")}"' in made.html
    assert f'<html lang="{locale}">' in made.html
    for name in mail.TEMPLATES[template] - {"link"}:
        told = VALUES[name]
        told = ", ".join(told) if isinstance(told, list) else str(told)
        assert told in made.text
        assert told in made.html
    for part in (made.subject, made.text, made.html):
        assert "{{" not in part
        assert "{%" not in part
        assert any(ord(letter) in HANGUL for letter in part) == (locale == "ko")


@pytest.mark.parametrize("template", mail.TEMPLATES)
def test_without_a_link_there_is_no_button(template: str) -> None:
    values = values_of(template)
    if "link" in mail.TEMPLATES[template]:
        del values["link"]
        with pytest.raises(ConfigError, match="link"):
            mail.render(to="a@example.com", locale="en", template=template, values=values)
        return
    values["link"] = ""
    made = mail.render(to="a@example.com", locale="en", template=template, values=values)

    assert "href" not in made.html
    assert "http" not in made.text.replace(str(VALUES["url"]), "")


@pytest.mark.parametrize(
    ("hours", "locale", "told"),
    [(1, "en", "within 1 hour."), (48, "en", "within 48 hours."), (1, "ko", "1시간 동안")],
)
def test_numbers_read_well(hours: int, locale: str, told: str) -> None:
    made = mail.render(
        to="a@example.com", locale=locale, template="verify", values={"link": LINK, "hours": hours}
    )

    assert told in made.text


@pytest.mark.parametrize("locale", mail.LOCALES)
def test_keys_that_ended_are_told_if_there_were_any(locale: str) -> None:
    none, two = (
        mail.render(
            to="a@example.com", locale=locale, template="password_changed", values={"keys": keys}
        )
        for keys in (0, 2)
    )

    assert "API" not in none.text and "API" not in none.html
    assert "API" in two.text and "2" in two.text
    assert len(two.text.split("\n\n")) == len(none.text.split("\n\n")) + 1
    assert "\n\n\n" not in two.text + none.text


@pytest.mark.parametrize(
    "title",
    [
        "talk\r\nBcc: victim@example.com",
        "talk\nSubject: other",
        "talk\u2028Bcc: x\u2029y\x0bz\x00\x85",
        "\u202eevil\u200b",
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7 * 7 }}{% raw %}",
        "x" * 5000,
        "\ud800",
    ],
)
def test_titles_of_users_stay_data(title: str) -> None:
    made = mail.render(
        to="a@example.com",
        locale="en",
        template="job_done",
        values={"title": title, "languages": ["ko\r\nX: y"]},
    )

    assert made.subject.isprintable()
    assert "\n" not in made.subject
    assert len(made.subject) < 400
    assert "<script" not in made.html
    assert "<img" not in made.html
    assert "49" not in made.text
    for line in made.text.splitlines():
        assert not line.startswith(("Bcc:", "Subject:", "X:"))
    made.text.encode()


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com\r\nBcc: b@example.com",
        "a@example.com, b@example.com",
        "Name <a@example.com>",
        "a@example.com\x00",
        "a@",
        "",
        "a b@example.com",
    ],
)
def test_no_address_but_one(address: str) -> None:
    with pytest.raises(ConfigError):
        mail.render(to=address, locale="en", template="welcome", values={})


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "https://x.example/\r\nA: b", "https://x/ y", 'https://x/"a']
)
def test_no_link_but_a_url(link: str) -> None:
    with pytest.raises(ConfigError, match="link"):
        mail.render(to="a@example.com", locale="en", template="welcome", values={"link": link})


def test_wrong_values_are_told_when_the_mail_is_added() -> None:
    with pytest.raises(ConfigError, match="hours"):
        mail.render(to="a@example.com", locale="en", template="verify", values={"link": LINK})
    with pytest.raises(ConfigError, match="name"):
        mail.render(to="a@example.com", locale="en", template="welcome", values={"name": "x"})
    with pytest.raises(ConfigError, match="no mail is called"):
        mail.render(to="a@example.com", locale="en", template="../layout", values={})


@pytest.mark.parametrize(
    ("given", "picked"),
    [("ko", "ko"), ("ko-KR", "ko"), ("KO_kr", "ko"), ("en-GB", "en"), ("fr", "en"), ("", "en")],
)
def test_languages(given: str, picked: str) -> None:
    assert mail.pick_locale(given) == picked
