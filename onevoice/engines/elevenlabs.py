"""ElevenLabs as its four engines use it: one client, its errors in words, its prices.

The vendor's SDK (``elevenlabs``, MIT) makes the requests, with its own retries off. A request
goes to the account of the key in ELEVENLABS_API_KEY.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field

from onevoice.engines import boundary, keys
from onevoice.engines.base import Params, Runtime
from onevoice.engines.boundary import Garbled
from onevoice.errors import EngineUnavailable
from onevoice.types import Usage

if TYPE_CHECKING:
    import httpx
    from elevenlabs.client import ElevenLabs

T = TypeVar("T")

KEY = "ELEVENLABS_API_KEY"
VENDOR = "ElevenLabs"
LICENCE = "hosted: ElevenLabs' terms of service (client library: MIT)"
HOST = "https://api.elevenlabs.io"
_MEND = "pip install 'onevoice[cloud]'"

# List prices without a plan, as published in June 2026.
USD_PER_1000_CREDITS = 0.10
CREDITS_PER_CHARACTER = {
    "eleven_v3": 1.0,
    "eleven_multilingual_v2": 1.0,
    "eleven_flash_v2_5": 0.5,
    "eleven_turbo_v2_5": 0.5,
}
USD_PER_HOUR = {"scribe_v1": 0.22, "scribe_v2": 0.22}
KEYTERMS_SURCHARGE = 0.20
USD_PER_MINUTE_ISOLATED = 0.12


class ElevenLabsParams(Params):
    """What the four engines share."""

    base_url: str = Field(default="", pattern=r"^$|^https?://[^@\s]+$")
    """Another server that speaks the same protocol; empty is the vendor's."""


class Account:
    """The SDK's client, made on the first request, and what every request has in common."""

    def __init__(self, engine: str, runtime: Runtime, base_url: str) -> None:
        self._engine = engine
        self._runtime = runtime
        self._base_url = base_url
        self._lock = Lock()
        self._http: httpx.Client | None = None
        self._client: ElevenLabs | None = None
        self._service: boundary.Service | None = None

    def ask(
        self, send: Callable[[ElevenLabs, Any], T], *, what: str, usd: float = 0.0, grace: float = 0
    ) -> T:
        """One request through :func:`onevoice.engines.boundary.request`.

        Parameters
        ----------
        send
            Gets the SDK's client and the ``request_options`` to give it; reads the answer whole.
        what, usd
            As there.
        grace
            Seconds to wait beyond the runtime's time-out, for work that takes long in silence.

        Raises
        ------
        EngineUnavailable
            The SDK or the key is missing, the key is refused, or nothing is left on the account.
        EngineRefused, EngineRateLimited, EngineFailed, BudgetExceeded, Cancelled
            As :func:`onevoice.engines.boundary.request`.
        """
        client, service = self._connected()
        options = {"max_retries": 0, "timeout_in_seconds": self._runtime.timeout + grace}
        return boundary.request(
            service,
            lambda: _readable(lambda: send(client, options)),
            runtime=self._runtime,
            what=what,
            usd=usd,
        )

    def record(self, *, model: str, unit: str, quantity: float, usd: float) -> None:
        """Book what an answer used."""
        self._runtime.meter.record(
            Usage(engine=self._engine, model=model, unit=unit, quantity=quantity, usd=usd)
        )

    def close(self) -> None:
        with self._lock:
            if self._http is not None:
                self._http.close()
            self._http = self._client = None

    def _connected(self) -> tuple[ElevenLabs, boundary.Service]:
        with self._lock:
            if self._client is None or self._service is None:
                require_sdk()
                key = keys.require(KEY, VENDOR)
                import httpx
                from elevenlabs.client import ElevenLabs
                from elevenlabs.core.parse_error import ParsingError

                # A redirect to another host would take the key along: its header is the vendor's
                # own, so the HTTP client does not know to leave it out.
                self._http = httpx.Client(
                    timeout=self._runtime.timeout,
                    follow_redirects=False,
                    limits=httpx.Limits(max_connections=None),
                )
                self._client = ElevenLabs(
                    api_key=key, base_url=self._base_url or HOST, httpx_client=self._http
                )
                self._service = boundary.Service(
                    name=VENDOR,
                    engine=self._engine,
                    key=KEY,
                    broken=(httpx.TransportError, ConnectionError, TimeoutError),
                    garbled=(
                        json.JSONDecodeError,
                        UnicodeDecodeError,
                        ParsingError,
                        httpx.DecodingError,
                    ),
                )
            return self._client, self._service


def require_sdk() -> None:
    """Raise EngineUnavailable unless the vendor's SDK is installed."""
    if find_spec("elevenlabs") is None:
        raise EngineUnavailable("the elevenlabs package is not installed", hint=_MEND)


def check(runtime: Runtime) -> None:
    """What all four engines need. Raises EngineUnavailable with what mends it."""
    require_sdk()
    keys.require(KEY, VENDOR)


def said(body: Any) -> str:
    """What the vendor says in the body of an error, as words.

    The bodies are ``{"detail": {"status": "quota_exceeded", "message": "…"}}``, for bad requests
    ``{"detail": [{"loc": ["body", "text"], "msg": "…"}]}``, now and then a bare string.
    """
    detail = body.get("detail", body) if isinstance(body, dict) else body
    if isinstance(detail, dict):
        parts = [str(detail[key]) for key in ("status", "message") if detail.get(key)]
        return ": ".join(parts) or json.dumps(detail, ensure_ascii=False, default=str)
    if isinstance(detail, list):
        return "; ".join(_complaint(item) for item in detail)
    return str(detail)


def _complaint(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    place = ".".join(str(step) for step in item.get("loc", ()) if step != "body")
    return f"{place}: {item.get('msg', '')}" if place else str(item.get("msg", item))


def _readable(send: Callable[[], T]) -> T:
    """Errors of the SDK with their body in words; an answer that is no JSON is garbled."""
    from elevenlabs.core.api_error import ApiError

    try:
        return send()
    except ApiError as exc:
        if exc.status_code is not None and exc.status_code >= 400:
            exc.body = said(exc.body)
            raise
        raise Garbled(f"status {exc.status_code} with {str(exc.body)[:80]!r}") from exc
