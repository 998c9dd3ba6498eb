"""Addresses that settings may hold."""

from __future__ import annotations

import pytest

from onevoice.engines.address import plain


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("", ""),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("https://x.example/@me", "https://x.example/@me"),
    ],
)
def test_an_address_is_kept(url: str, kept: str) -> None:
    assert plain(url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x", "x.example", "http://", "http:///v1", "http://a b", "http://x:99999",
        "http://x:0", "http://[::1", "http://me:secret@x", "http://sk-12345@x/v1",
    ],
)  # fmt: skip
def test_what_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        plain(url)
    assert "secret" not in str(caught.value) and "sk-12345" not in str(caught.value)
