"""Two small pages that mailed links lead to where no web application is set.

A link is opened by mail scanners as well as by people, so opening it changes nothing: a person
presses the button. The token stays behind the # and is sent by the page itself. The pages are fixed
text; nothing of a request is written into them.
"""

from __future__ import annotations

import base64
import hashlib

from fastapi.responses import HTMLResponse

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
_POLICY = (
    "default-src 'none'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; "
    "base-uri 'none'; script-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    + "'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def _page(title: str, field: str, done: str) -> HTMLResponse:
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>OneVoice: {title}</title>
<h1>{title}</h1>
<form data-done="{done}"><fieldset>{field}<button>{title}</button></fieldset></form>
<p><output></output></p>
<script>{_SCRIPT}</script>
</html>
""",
        headers=_HEADERS,
    )


def verify_page() -> HTMLResponse:
    return _page("Confirm address", "", "Your address is confirmed.")


def reset_page() -> HTMLResponse:
    field = (
        '<label>New password <input name="password" type="password" minlength="10" '
        'autocomplete="new-password" required></label> '
    )
    return _page("Choose a new password", field, "Your password is changed. Log in with it.")
