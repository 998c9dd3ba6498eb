"""What the engines for OpenAI's endpoints share: the client, the service, the languages.

Other servers speak the same protocol. One with a ``base_url`` of its own is sent no key, and
OpenAI's least of all, unless ``key_variable`` names the variable that holds its key.
"""

from __future__ import annotations

from importlib.util import find_spec
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from onevoice.engines import keys
from onevoice.engines.address import BaseUrl
from onevoice.engines.base import EngineBase, Params, Runtime
from onevoice.engines.boundary import CONNECT_S, Service
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


class OpenAIApiParams(Params):
    """Where the server is."""

    base_url: BaseUrl = ""
    """Another server with the same protocol, http://localhost:8000/v1; empty is OpenAI."""
    key_variable: str = Field(default="", pattern=r"^$|^[A-Z][A-Z0-9_]*$")
    """The variable with the key of that server; empty: it is sent none."""


def key_for(params: OpenAIApiParams) -> str:
    """The key to send. Raises EngineUnavailable when there is none and one is needed."""
    if params.key_variable:
        return keys.require(params.key_variable, _name(params.base_url))
    return _NO_KEY if params.base_url else keys.require(KEY, _VENDOR)


def client(params: OpenAIApiParams, runtime: Runtime) -> Any:
    """The SDK's client; its own retries are off. Raises EngineUnavailable."""
    installed()
    key = key_for(params)
    import openai

    timeout = openai.Timeout(runtime.timeout, connect=min(runtime.timeout, CONNECT_S))
    # The address is always given: the SDK would take another one from the environment.
    return openai.OpenAI(
        api_key=key, base_url=params.base_url or _URL, max_retries=0, timeout=timeout
    )


def _name(base_url: str) -> str:
    return f"the server at {urlsplit(base_url).netloc}" if base_url else _VENDOR


def service(params: OpenAIApiParams) -> Service:
    """The service behind the settings."""
    import openai

    return Service(
        name=_name(params.base_url),
        key=params.key_variable or ("" if params.base_url else KEY),
        broken=(openai.APIConnectionError, ConnectionError, TimeoutError),
    )


class OpenAIEngine(EngineBase):
    """What the engines over one server share: its client, made on the first request."""

    params: OpenAIApiParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._sdk: Any = None
        self._lock = Lock()

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        """Only the package: whether a key is needed depends on the server, see :meth:`ready`."""
        installed()

    def ready(self) -> None:
        """Raise EngineUnavailable unless the package is there and, for OpenAI itself, the key."""
        installed()
        key_for(self.params)

    def close(self) -> None:
        with self._lock:
            if self._sdk is not None:
                self._sdk.close()
            self._sdk = None

    def _client(self) -> Any:
        """The client, asked for at each attempt: another thread may have closed the engine."""
        with self._lock:
            if self._sdk is None:
                self._sdk = client(self.params, self.runtime)
            return self._sdk
