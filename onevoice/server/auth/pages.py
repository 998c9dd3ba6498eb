"""Two small pages that mailed links lead to where no web application is set.

A link is opened by mail scanners as well as by people, so opening it changes nothing: a person
presses the button. The token stays behind the # and is sent by the page itself. The pages are fixed
text; nothing of a request is written into them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi.responses import HTMLResponse

from onevoice.server.notifications.mail import pick_locale

_SCRIPT = """\
const form = document.querySelector("form"), said = document.querySelector("output");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = {token: new URLSearchParams(location.hash.slice(1)).get("token") || "-"};
  const password = form.elements.password;
  if (password) body.password = password.value;
  const answer = await fetch(location.pathname, {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
  const problem = answer.ok ? null : await answer.json();
  said.textContent = answer.ok ? form.dataset.done : [problem.detail, problem.hint].join("; ");
  if (answer.ok) form.querySelector("fieldset").disabled = true;
});
"""
_STYLE = """\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 22rem; margin: 15vh auto; padding: 0 1.25rem; }
h1 { font-size: 1.4rem; line-height: 1.3; }
fieldset { border: 0; margin: 0; padding: 0; display: grid; gap: .9rem; }
label { display: grid; gap: .3rem; }
input, button { font: inherit; padding: .6rem .8rem; border-radius: .5rem; }
input { border: 1px solid #8888; }
button { border: 0; background: #2457d6; color: #fff; cursor: pointer; }
fieldset:disabled { opacity: .5; }
"""


def _hash(text: str) -> str:
    """How a policy names something that stands in the page itself."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; "
        f"base-uri 'none'; script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """What a page says in one language. ``field``: what the new password is called, if asked."""

    title: str
    done: str
    field: str = ""


_VERIFY = {
    "en": _Words(title="Confirm your address", done="Your address is confirmed."),
    "ko": _Words(title="이메일 주소 확인", done="이메일 주소가 확인되었습니다."),
}
_RESET = {
    "en": _Words(
        title="Choose a new password",
        done="Your password is changed. Log in with it.",
        field="New password",
    ),
    "ko": _Words(
        title="새 비밀번호 설정",
        done="비밀번호가 변경되었습니다. 새 비밀번호로 로그인해 주세요.",
        field="새 비밀번호",
    ),
}


def verify_page(accept_language: str) -> HTMLResponse:
    """The page that confirms an address, in the language the browser asks for first."""
    return _page(_VERIFY, accept_language)


def reset_page(accept_language: str) -> HTMLResponse:
    """The page that asks for a new password."""
    return _page(_RESET, accept_language)


def _page(words: Mapping[str, _Words], accept_language: str) -> HTMLResponse:
    language = pick_locale(re.split("[,;]", accept_language)[0].strip())
    said = words[language]
    field = (
        f"<label>{said.field}"
        '<input name="password" type="password" minlength="10" autocomplete="new-password"'
        " required></label>"
        if said.field
        else ""
    )
    return HTMLResponse(
        f"""<!doctype html>
<html lang="{language}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>OneVoice: {said.title}</title>
<style>{_STYLE}</style>
<h1>{said.title}</h1>
<form data-done="{said.done}"><fieldset>{field}<button>{said.title}</button></fieldset></form>
<p><output></output></p>
<script>{_SCRIPT}</script>
</html>
""",
        headers=_HEADERS,
    )
