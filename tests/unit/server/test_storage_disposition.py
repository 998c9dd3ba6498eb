"""Names of downloads: whatever users call them, one header with one attachment comes out."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevoice.server.storage.disposition import attachment

_HEADER = re.compile(
    r"attachment; filename=\"([A-Za-z0-9 ._()\[\]+,=@-]+)\"; "
    r"filename\*=UTF-8''((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})+)"
)


def _names(filename: str) -> tuple[str, str]:
    match = _HEADER.fullmatch(attachment(filename))
    assert match, attachment(filename)
    return match[1], unquote(match[2], errors="strict")


@pytest.mark.parametrize(
    ("filename", "simple", "full"),
    [
        ("talk.es.mp4", "talk.es.mp4", "talk.es.mp4"),
        ("더빙.mp4", "download.mp4", "더빙.mp4"),
        ("Épisode 1.mp4", "Episode 1.mp4", "Épisode 1.mp4"),
        ('a"; filename="evil.exe', "a__ filename=_evil.exe", 'a"; filename="evil.exe'),
        ("a\r\nSet-Cookie: x=1.mp4", "a Set-Cookie_ x=1.mp4", "a Set-Cookie: x=1.mp4"),
        ("../../etc/passwd", "passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini", "boot.ini"),
        ("gpj.\u202eexe", "gpj.exe", "gpj.exe"),
        ("100%.mp4", "100_.mp4", "100%.mp4"),
        ("", "download", "download"),
        ("...", "download", "download"),
        ("\ud800.mp4", "mp4", "mp4"),
        (".htaccess", "htaccess", "htaccess"),
    ],
)
def test_names(filename: str, simple: str, full: str) -> None:
    assert _names(filename) == (simple, full)


def test_long_names_keep_their_suffix() -> None:
    simple, full = _names("더" * 400 + ".mp4")
    assert simple == "download.mp4"
    assert full.endswith("더.mp4")
    assert len(full.encode()) <= 200


@given(st.text(max_size=300))
def test_any_text_makes_one_sound_header(filename: str) -> None:
    header = attachment(filename)
    header.encode("ascii")
    simple, full = _names(filename)
    assert len(full.encode()) <= 200
    for name in (simple, full):
        assert name.isprintable()
        assert "/" not in name
        assert "\\" not in name
