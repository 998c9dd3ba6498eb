"""Calls of Paddle's SDK: where they go, how long they take, and what their failures become.

The SDK is synchronous and keeps its last answer on the client, where two threads would read each
other's. So every call has a client and a session of its own, in a thread. What goes wrong becomes
:class:`PaddleUnavailable` (try again) or :class:`PaddleRefused` (the operator has to look).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

from paddle_billing.Client import Client
from paddle_billing.Environment import Environment
from paddle_billing.Exceptions.ApiError import ApiError as SdkError
from paddle_billing.Options import Options
from requests import PreparedRequest, RequestException, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidJSONError
from urllib3.util.retry import Retry

from onevoice.server.errors import ApiError, Unavailable
from onevoice.server.settings import PREFIX

T = TypeVar("T")

TIMEOUT = 10.0
"""Seconds to wait for Paddle: somebody is waiting for us."""
AT_ONCE = 4
"""Calls at once; as many more wait. Others are refused: while Paddle hangs, no queue grows,
and the rest of the API goes on."""
# The SDK logs whole answers: addresses of people, and of their invoices.
_SILENT = logging.getLogger("onevoice.server.billing.paddle.sdk")
_SILENT.disabled = True


class PaddleUnavailable(Unavailable):
    """Paddle does not answer, or asks to be left alone for a while."""

    code = "billing_unavailable"


class PaddleRefused(ApiError):
    """Paddle does not accept what this server asks."""

    code = "billing_failed"
    status = 502


def not_configured() -> PaddleUnavailable:
    """What is answered where nothing can be bought."""
    return PaddleUnavailable(
        "this server sells nothing",
        hint=f"its operator sets {PREFIX}PADDLE_API_KEY and {PREFIX}PADDLE_WEBHOOK_SECRETS",
    )


class Sdk:
    """Runs work with clients of one seller's account. Safe to share between tasks."""

    def __init__(
        self, key: str, *, environment: str, url: str = "", timeout: float = TIMEOUT
    ) -> None:
        self._key = key
        self._environment = Environment(environment)
        self._url = url
        self._timeout = timeout
        # Not the threads that everything else shares: they would all come to wait for Paddle.
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="paddle")
        self._calls = 0

    async def call(self, work: Callable[[Client], T]) -> T:
        """Run something with a client, and translate what goes wrong."""
        if self._calls >= 2 * AT_ONCE:
            raise _told("", 0)
        self._calls += 1
        try:
            return await self._in_thread(work)
        finally:
            self._calls -= 1

    async def _in_thread(self, work: Callable[[Client], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._with_client, work)
        except SdkError as exc:
            raise _told(exc.error_code, status_of(exc)) from exc
        except RequestException as exc:
            raise _told("", status_of(exc)) from exc
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as exc:
            raise PaddleRefused(
                "the payment service's answer makes no sense",
                hint="try again later; if it stays so, tell the operator the request_id",
            ) from exc

    def _with_client(self, work: Callable[[Client], T]) -> T:
        client = Client(
            self._key,
            options=Options(self._environment),
            logger=_SILENT,
            timeout=self._timeout,
        )
        with client.client as session:
            session.mount("https://", _Adapter(self._url))
            session.hooks["response"] = [_check_body]
            return work(client)


class _Adapter(HTTPAdapter):
    """Few retries, and another host than the SDK's where one is given."""

    def __init__(self, url: str) -> None:
        retries = Retry(
            total=2,
            backoff_factor=0.2,
            status_forcelist=(429, 502, 503, 504),  # only of requests that change nothing
            respect_retry_after_header=False,  # nobody waits a minute for a page
            raise_on_status=False,
        )
        super().__init__(max_retries=retries)
        self._elsewhere = url

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        if self._elsewhere:
            asked = urlsplit(str(request.url))
            request.url = f"{self._elsewhere}{asked.path}" + (f"?{asked.query}" * bool(asked.query))
            kwargs["proxies"] = {}  # those of the environment are for the host that was replaced
        return super().send(request, *args, **kwargs)


def _check_body(response: Response, *_: Any, **__: Any) -> None:
    """Raises for a success without data, in which the SDK would see an empty list."""
    if response.ok:
        body = response.json()
        if not isinstance(body, dict) or "data" not in body:
            raise InvalidJSONError("there is no data in it")


def status_of(exc: RequestException) -> int:
    """The status of Paddle's answer; 0 if there was none."""
    return exc.response.status_code if exc.response is not None else 0


def _told(code: str, status: int) -> ApiError:
    """Our error for Paddle's, or for none at all (status 0). Never with the key, or a person."""
    if status in (0, 408, 429) or status >= 500:
        return PaddleUnavailable(
            "the payment service does not answer",
            hint="try again in a minute",
            headers={"Retry-After": "60"},
        )
    about = f" ({code})" if code else ""
    if status in (401, 403):
        return PaddleRefused(
            f"the payment service refuses this server's key{about}",
            hint=f"the operator checks {PREFIX}PADDLE_API_KEY and {PREFIX}PADDLE_ENVIRONMENT",
        )
    return PaddleRefused(
        f"the payment service refuses the request{about}",
        hint="the operator compares the plans with Paddle's catalogue",
    )
