"""Two small pages that mailed links lead to where no web application is set.

A link is opened by mail scanners as well as by people, so opening it changes nothing: a person
types a password and presses the button. The token stays behind the # and is sent by the page
itself. The pages are fixed text; nothing of a request is written into them.
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
  const token = new URLSearchParams(location.hash.slice(1)).get("token") || "-";
  const body = {token, password: form.elements.password.value};
  const answer = await fetch(location.pathname, {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
  const problem = answer.ok ? {code: "done"} : await answer.json();
  said.textContent = form.dataset[problem.code] || [problem.detail, problem.hint].join("; ");
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
    """What a page says in one language. ``answers``: to the problems that are likely, by code."""

    title: str
    note: str
    field: str
    done: str
    answers: Mapping[str, str]


_DEAD_LINK = {
    "en": "This link was used before or is too old. Have a new one mailed.",
    "ko": "이미 사용했거나 유효 기간이 지난 링크입니다. 메일을 다시 요청해 주세요.",
}
_VERIFY = {
    "en": _Words(
        title="Confirm your address",
        note="Enter the password of your account. If you did not choose it, ask for a new password "
        "instead: that confirms the address, too, and shuts out whoever chose it.",
        field="Password",
        done="Your address is confirmed.",
        answers={
            "wrong_password": "The password is wrong. If you are sure of it, somebody else may "
            "have opened the account with your address: ask for a new password.",
            "link_invalid": _DEAD_LINK["en"],
        },
    ),
    "ko": _Words(
        title="이메일 주소 확인",
        note="계정의 비밀번호를 입력해 주세요. 직접 정한 비밀번호가 아니라면 비밀번호 재설정을 "
        "요청해 주세요. 재설정하시면 이메일 주소도 확인되며, 비밀번호를 정한 사람은 더 이상 "
        "로그인할 수 없습니다.",
        field="비밀번호",
        done="이메일 주소가 확인되었습니다.",
        answers={
            "wrong_password": "비밀번호가 맞지 않습니다. 맞게 입력하셨다면 다른 사람이 이 주소로 "
            "먼저 가입했을 수 있으니 비밀번호 재설정을 요청해 주세요.",
            "link_invalid": _DEAD_LINK["ko"],
        },
    ),
}
_RESET = {
    "en": _Words(
        title="Choose a new password",
        note="Every device is logged out, and API keys of the account end.",
        field="New password",
        done="Your password is changed. Log in with it.",
        answers={"link_invalid": _DEAD_LINK["en"]},
    ),
    "ko": _Words(
        title="새 비밀번호 설정",
        note="모든 기기에서 로그아웃되고 계정의 API 키가 폐기됩니다.",
        field="새 비밀번호",
        done="비밀번호가 변경되었습니다. 새 비밀번호로 로그인해 주세요.",
        answers={"link_invalid": _DEAD_LINK["ko"]},
    ),
}


def verify_page(accept_language: str) -> HTMLResponse:
    """The page that confirms an address, in the language the browser asks for first."""
    return _page(_VERIFY, accept_language, 'autocomplete="current-password"')


def reset_page(accept_language: str) -> HTMLResponse:
    """The page that asks for a new password."""
    return _page(_RESET, accept_language, 'minlength="10" autocomplete="new-password"')


def _page(words: Mapping[str, _Words], accept_language: str, field: str) -> HTMLResponse:
    language = pick_locale(re.split("[,;]", accept_language)[0].strip())
    said = words[language]
    answers = "".join(
        f' data-{code}="{text}"' for code, text in {"done": said.done, **said.answers}.items()
    )
    return HTMLResponse(
        f"""<!doctype html>
<html lang="{language}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>OneVoice: {said.title}</title>
<style>{_STYLE}</style>
<h1>{said.title}</h1>
<p>{said.note}</p>
<form{answers}><fieldset>
<label>{said.field}<input name="password" type="password" {field} required></label>
<button>{said.title}</button>
</fieldset></form>
<p><output></output></p>
<script>{_SCRIPT}</script>
</html>
""",
        headers=_HEADERS,
    )
