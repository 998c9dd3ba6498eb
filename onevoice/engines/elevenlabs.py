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

from onevoice.engines import boundary, keys
from onevoice.engines.address import BaseUrl
from onevoice.engines.base import EngineBase, Params, Runtime
from onevoice.engines.boundary import Garbled, patience
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

    base_url: BaseUrl = ""
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

    def ask(
        self,
        send: Callable[[ElevenLabs, Any], T],
        *,
        what: str,
        usd: float = 0.0,
        used: Callable[[T], Usage] | None = None,
        grace: float = 0.0,
        attempts: int | None = None,
    ) -> T:
        """One request through :func:`onevoice.engines.boundary.request`.

        Parameters
        ----------
        send
            Gets the SDK's client and the ``request_options`` to give it; reads the answer whole.
        what, usd, attempts
            As there.
        used
            What an answer used, by :meth:`usage`, to be booked; left out for what is free.
        grace
            Seconds to wait beyond the runtime's time-out, for work that takes long in silence.

        Raises
        ------
        EngineUnavailable
            The SDK or the key is missing, the key is refused, or nothing is left on the account.
        EngineRefused, EngineRateLimited, EngineFailed, BudgetExceeded, Cancelled
            As :func:`onevoice.engines.boundary.request`.
        """
        require_sdk()
        options = {"max_retries": 0, "timeout_in_seconds": patience(self._runtime, grace)}
        return boundary.request(
            _service(),
            # The client anew each time: another thread may have closed the engine meanwhile.
            lambda: _readable(lambda: send(self._connected(), options)),
            runtime=self._runtime,
            what=what,
            usd=usd,
            used=None if used is None else lambda answer: [used(answer)],
            attempts=attempts,
        )

    def usage(self, *, model: str, unit: str, quantity: float, usd: float) -> Usage:
        return Usage(engine=self._engine, model=model, unit=unit, quantity=quantity, usd=usd)

    def close(self) -> None:
        with self._lock:
            if self._http is not None:
                self._http.close()
            self._http = self._client = None

    def _connected(self) -> ElevenLabs:
        with self._lock:
            if self._client is None:
                key = keys.require(KEY, VENDOR)
                import httpx
                from elevenlabs.client import ElevenLabs

                # A redirect to another host would take the key along: its header is the vendor's
                # own, so the HTTP client does not know to leave it out.
                self._http = httpx.Client(
                    follow_redirects=False, limits=httpx.Limits(max_connections=None)
                )
                self._client = ElevenLabs(
                    api_key=key, base_url=self._base_url or HOST, httpx_client=self._http
                )
            return self._client


class ElevenLabsEngine(EngineBase):
    """What the four engines share: the account."""

    params: ElevenLabsParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        engine = f"{self.info.kind}.{self.info.name}"
        self._account = Account(engine, runtime, self.params.base_url)

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        """Raise EngineUnavailable, with what mends it, unless SDK and key are there."""
        require_sdk()
        keys.require(KEY, VENDOR)

    def close(self) -> None:
        self._account.close()


def _service() -> boundary.Service:
    import httpx
    from elevenlabs.core.parse_error import ParsingError

    return boundary.Service(
        name=VENDOR,
        key=KEY,
        broken=(httpx.TransportError, ConnectionError, TimeoutError),
        garbled=(json.JSONDecodeError, UnicodeDecodeError, ParsingError, httpx.DecodingError),
    )


def require_sdk() -> None:
    """Raise EngineUnavailable unless the vendor's SDK is installed."""
    if find_spec("elevenlabs") is None:
        raise EngineUnavailable("the elevenlabs package is not installed", hint=_MEND)


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
        if exc.status_code is not None and exc.status_code >= 300:
            exc.body = said(exc.body)
            raise
        raise Garbled(f"status {exc.status_code} with {str(exc.body)[:80]!r}") from exc
