"""Keys of hosted services: from the environment or the system's keyring, and nowhere else.

A key is read when a request is made, and handed to the vendor's SDK. Every key that was read is
known here, so that :func:`redact` can take it out of whatever a service or an SDK says.
"""

from __future__ import annotations

import os
import re
from threading import Lock

from onevoice.errors import EngineUnavailable

SERVICE = "onevoice"
"""Name under which keys lie in the keyring."""

_seen: set[str] = set()
_lock = Lock()
_SHORTEST = 6
"""Anything shorter would turn half of every message into stars."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def find(variable: str) -> str | None:
    """The key of a variable, None when there is none."""
    value = os.environ.get(variable, "").strip() or _from_keyring(variable)
    if value and len(value) >= _SHORTEST:
        with _lock:
            _seen.add(value)
    return value or None


def require(variable: str, service: str) -> str:
    """The same; raises EngineUnavailable, naming the variable, when there is none."""
    value = find(variable)
    if value is None:
        raise EngineUnavailable(
            f"{service} needs a key in {variable}",
            hint=f"export {variable}=... or keep it in the keyring: onevoice keys set {variable}",
        )
    # Headers carry nothing else, and libraries quote what they cannot send in their errors.
    if not re.fullmatch(r"[ -~]+", value):
        raise EngineUnavailable(
            f"what {variable} holds is no key: it has line ends or letters that no key has",
            hint=f"copy the key again: export {variable}=...",
        )
    return value


def expand(template: str, service: str) -> str:
    """``Bearer ${MY_KEY}`` with the keys put in. Raises EngineUnavailable for a missing one."""
    return _VARIABLE.sub(lambda match: require(match[1], service), template)


def variables(template: str) -> tuple[str, ...]:
    """The variables a template names."""
    return tuple(_VARIABLE.findall(template))


def redact(text: str) -> str:
    """The text without any key that was read so far, nor the parts services show of one."""
    with _lock:
        known = sorted(_seen, key=len, reverse=True)
    for key in known:
        text = text.replace(key, "***")
        # "Incorrect API key provided: sk-proj-****1234": the ends give a key away, too.
        text = re.sub(rf"{re.escape(key[:6])}[\w*.…-]*", "***", text)
    return text


def _from_keyring(variable: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    try:
        return keyring.get_password(SERVICE, variable) or ""
    except KeyringError:
        return ""  # no keyring on this machine (a server, a container): the environment counts
