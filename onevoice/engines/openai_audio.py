"""What the engines for OpenAI's audio endpoints share: the client, the service, the languages.

Other servers speak the same protocol: with a ``base_url`` of its own an engine needs no key.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from onevoice.engines import keys
from onevoice.engines.base import Runtime
from onevoice.engines.boundary import Service
from onevoice.errors import EngineUnavailable

KEY = "OPENAI_API_KEY"
LICENCE = "proprietary (OpenAI's terms of use)"
_VENDOR = "OpenAI"
_URL = "https://api.openai.com/v1"
_NO_KEY = "none"
"""Servers that need no key still want the header."""

_LISTED = """
af ar az be bg bs ca cs cy da de el en es et fa fi fil fr gl he hi hr hu hy id is it ja kk kn ko
lt lv mi mk mr ms nb ne nl nn no pl pt ro ru sk sl sr sv sw ta th tr uk ur vi zh
"""
LANGUAGES = frozenset(_LISTED.split())
"""What OpenAI lists for speech to text, and says of its voices, too (guide, as of 2026)."""


def installed() -> None:
    """Raise EngineUnavailable when the SDK is missing."""
    if find_spec("openai") is None:
        raise EngineUnavailable(
            "the package openai is not installed", hint="pip install 'onevoice[cloud]'"
        )


def key_for(base_url: str) -> str:
    """The key to send. Raises EngineUnavailable when OpenAI itself is to be asked without one."""
    if base_url:
        return keys.find(KEY) or _NO_KEY
    return keys.require(KEY, _VENDOR)


def client(base_url: str, runtime: Runtime) -> Any:
    """The SDK's client; its own retries are off. Raises EngineUnavailable."""
    installed()
    key = key_for(base_url)
    import openai

    # The address is always given: the SDK would take another one from the environment.
    return openai.OpenAI(
        api_key=key, base_url=base_url or _URL, max_retries=0, timeout=runtime.timeout
    )


def service(engine: str, base_url: str) -> Service:
    """The service as one engine uses it; ``engine`` is kind and name."""
    import openai

    # Without what may stand before the @: it is a password.
    name = f"the server at {urlsplit(base_url).netloc.rpartition('@')[2]}" if base_url else _VENDOR
    return Service(
        name=name,
        engine=engine,
        key="" if base_url and keys.find(KEY) is None else KEY,
        broken=(openai.APIConnectionError, ConnectionError, TimeoutError),
    )
